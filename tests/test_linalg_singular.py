"""Linear algebra where it is singular: determinants of any rank, equal values, zero values."""

from __future__ import annotations

import math

import numpy as np
import pytest

import numgrad as ng
from numgrad.testing import assert_derivatives
from tests.derivatives import gradient, hessian_times

linalg = ng.linalg
EYE = np.eye(2)


def normal(*shape, seed=3):
    return np.random.default_rng(seed).normal(size=shape)


def rank(n, r, seed=3):
    """An n by n matrix of rank r."""
    return normal(n, r, seed=seed) @ normal(r, n, seed=seed + 1)


def symmetric(x):
    return 0.5 * (x + x.mT)


def repeated(*values):
    """A symmetric matrix with these eigenvalues."""
    q, _ = np.linalg.qr(normal(len(values), len(values)))
    return q @ np.diag(values) @ q.T


def from_eigh(A):
    w, V = linalg.eigh(A)
    return (V * w) @ V.mT


def from_svd(A):
    U, s, Vh = linalg.svd(A)
    return (U * s) @ Vh


def projection(U):
    return U @ U.mT


# --- determinants ---------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("missing", [0, 1, 2, 3, 4])
def test_det_at_any_rank(n, missing):
    if missing <= n:
        assert_derivatives(linalg.det, rank(n, n - missing), tolerance=1e-6)


def test_det_of_a_batch_with_singular_items():
    assert_derivatives(linalg.det, np.stack([rank(3, r) for r in range(4)]), tolerance=1e-6)


def test_det_has_every_order_at_zero():
    x = ng.tensor(np.zeros((3, 3)), requires_grad=True)
    value = linalg.det(x)
    for index in ((0, 1), (1, 2), (2, 0)):
        (g,) = ng.autograd.grad(value, x, create_graph=True)
        value = g[index]
    assert value.item() == 1.0
    (fourth,) = ng.autograd.grad(value, x, materialize_grads=True)
    assert not fourth.numpy().any()


def test_third_derivative_of_det():
    def second(array):
        x = ng.tensor(array, requires_grad=True)
        (g,) = ng.autograd.grad(linalg.det(x), x, create_graph=True)
        (h,) = ng.autograd.grad(g, x, weight, create_graph=True)
        return x, h

    weight = normal(4, 4, seed=8)
    A = rank(4, 2)
    x, h = second(A)
    (third,) = ng.autograd.grad(h, x, weight)
    ahead, behind = (second(A + t * weight)[1].detach().numpy() for t in (1e-5, -1e-5))
    np.testing.assert_allclose(third.numpy(), (ahead - behind) / 2e-5, rtol=1e-6, atol=1e-6)


def test_cofactors_do_not_overflow_on_the_way():
    values = np.concatenate([np.full(150, 1e3), np.full(150, 1e-3)])
    (g,) = gradient(linalg.det, np.diag(values))
    np.testing.assert_allclose(np.diag(g), 1 / values, rtol=1e-9)


def test_slogdet_of_a_singular_matrix():
    A = np.stack([np.zeros((2, 2)), 2 * EYE])
    sign, logabsdet = linalg.slogdet(ng.tensor(A))
    assert sign.tolist() == [0.0, 1.0]
    assert logabsdet.tolist() == [-math.inf, pytest.approx(math.log(4))]
    (g,) = gradient(lambda A: linalg.slogdet(A).logabsdet, A)
    assert not np.isfinite(g[0]).any()
    np.testing.assert_allclose(g[1], EYE / 2)


def test_a_zero_cotangent_blanks_a_singular_matrix():
    def finite_part(A):
        logabsdet = linalg.slogdet(A).logabsdet
        return ng.where(ng.isfinite(logabsdet), logabsdet, 0.0)

    A = np.stack([np.zeros((2, 2)), 2 * EYE])
    np.testing.assert_allclose(gradient(finite_part, A)[0], [0 * EYE, EYE / 2])
    hessian = hessian_times(finite_part, A, np.stack([EYE, EYE]))
    np.testing.assert_allclose(hessian, [0 * EYE, -EYE / 4])


# --- equal values ---------------------------------------------------------------------------

EQUAL = [
    ("values", lambda A: linalg.eigvalsh(A) ** 2, lambda A: 2 * A),
    ("values of eigh", lambda A: linalg.eigh(A).eigenvalues ** 2, lambda A: 2 * A),
    ("sum of singular values squared", lambda A: linalg.svdvals(A) ** 2, lambda A: 2 * A),
    ("eigh, put together", lambda A: from_eigh(A) ** 2,
     lambda A: 2 * A),
    ("svd, put together", lambda A: from_svd(A) ** 2,
     lambda A: 2 * A),
]  # fmt: skip


@pytest.mark.parametrize(("name", "function", "expected"), EQUAL, ids=[r[0] for r in EQUAL])
@pytest.mark.parametrize("A", [EYE, 3 * np.eye(3), repeated(1, 1, 2), repeated(2, 2, 2, 5, 5)])
def test_equal_values(name, function, expected, A):
    np.testing.assert_allclose(gradient(function, A)[0], expected(A), atol=1e-12)


def test_projection_on_all_vectors_of_equal_values():
    C = normal(3, 3)

    def weighed(A):
        return C * projection(linalg.eigh(symmetric(A)).eigenvectors[:, :2])

    assert_derivatives(weighed, repeated(1, 1, 2), tolerance=1e-5, order=1)
    single = C * np.ones(())
    assert np.isfinite(gradient(weighed, repeated(1, 1, 2), seed=single)[0]).all()


def turned_vectors(A):
    return linalg.eigh(A).eigenvectors * ng.tensor([[0.0, 1.0], [0.0, 0.0]])


@pytest.mark.parametrize(
    "function",
    [
        turned_vectors,
        lambda A: linalg.svd(A).U * ng.tensor([[0.0, 1.0], [0.0, 0.0]]),
        # It does not depend on the basis, but what it gives to w and V tells too little.
        from_eigh,
    ],
)
def test_what_depends_on_the_basis_is_nan_and_warns(function):
    with pytest.warns(RuntimeWarning, match="gap of 0"):
        (g,) = gradient(function, EYE)
    assert np.isnan(g).all()


def test_only_the_item_at_fault_is_nan():
    A = np.stack([np.diag([1.0, 3.0]), EYE])
    with pytest.warns(RuntimeWarning, match=r"item \(1,\) of the batch"):
        (g,) = gradient(turned_vectors, A)
    assert np.isfinite(g[0]).all()
    assert np.isnan(g[1]).all()


def test_a_zero_cotangent_of_equal_vectors():
    A = np.stack([np.diag([1.0, 3.0]), EYE])
    (g,) = gradient(lambda A: turned_vectors(A)[0], A)
    assert np.isfinite(g).all()
    assert not g[1].any()


@pytest.mark.parametrize("function", [linalg.eigvalsh, linalg.svdvals])
def test_second_order_through_equal_values_is_nan(function):
    with pytest.warns(RuntimeWarning, match="second derivative"):
        h = hessian_times(lambda A: function(A) ** 2, EYE, np.ones((2, 2)))
    assert np.isnan(h).any()


def test_second_order_of_a_value_that_has_no_equal():
    weight = np.zeros((3, 3))
    weight[0, 2] = weight[2, 0] = 1.0
    h = hessian_times(lambda A: linalg.eigvalsh(A)[-1], np.diag([1.0, 1.0, 3.0]), weight)
    np.testing.assert_allclose(h, weight / 2, atol=1e-12)


def test_zero_singular_values():
    A = np.diag([2.0, 1.0, 0.0])[:, :2]
    (g,) = gradient(lambda A: linalg.norm(A, "nuc"), A)
    np.testing.assert_allclose(g, np.eye(3, 2), atol=1e-15)
    (g,) = gradient(lambda A: linalg.norm(A, "nuc"), np.zeros((3, 2)))
    assert np.isfinite(g).all()

"""Factorisations, solving and norms: batches, shapes, dtypes, errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

import numgrad as ng
from numgrad.errors import ShapeError
from numgrad.testing import assert_derivatives
from tests.derivatives import gradient

linalg = ng.linalg
EYE = np.eye(2)


def normal(*shape, seed=3):
    return np.random.default_rng(seed).normal(size=shape)


def definite(*shape):
    x = normal(*shape)
    return x @ x.swapaxes(-1, -2) + np.eye(shape[-1])


def symmetric(x):
    return 0.5 * (x + x.mT)


def projection(U):
    return U @ U.mT


# Name, function, inputs.
REGULAR = [
    ("inv, batch", linalg.inv, [definite(2, 3, 3)]),
    ("solve, vector", linalg.solve, [definite(3, 3), normal(3)]),
    ("solve, matrix", linalg.solve, [definite(3, 3), normal(3, 2)]),
    ("solve, batch of both", linalg.solve, [definite(2, 3, 3), normal(2, 3, 2)]),
    ("solve, batch of systems", linalg.solve, [definite(2, 3, 3), normal(3, 2)]),
    ("solve, batch of right sides", linalg.solve, [definite(3, 3), normal(2, 3, 2)]),
    ("solve, batch of vectors", linalg.solve, [definite(2, 3, 3), normal(2, 3)]),
    ("solve, one vector for all", linalg.solve, [definite(2, 3, 3), normal(3)]),
    ("solve, broadcast", linalg.solve, [definite(2, 1, 2, 2), normal(3, 2, 1)]),
    ("solve, right", lambda A, B: linalg.solve(A, B, left=False), [definite(3, 3), normal(2, 3)]),
    ("det, batch", linalg.det, [normal(2, 3, 3)]),
    ("slogdet, batch", linalg.slogdet, [normal(2, 3, 3)]),
    ("cholesky, batch", lambda A: linalg.cholesky(symmetric(A)), [definite(2, 3, 3)]),
    ("cholesky, upper", lambda A: linalg.cholesky(symmetric(A), upper=True), [definite(3, 3)]),
    ("eigh, batch", lambda A: linalg.eigh(symmetric(A)), [normal(2, 3, 3)]),
    ("eigh, upper", lambda A: linalg.eigh(symmetric(A), "U"), [normal(3, 3)]),
    ("eigvalsh, batch", lambda A: linalg.eigvalsh(symmetric(A)), [normal(2, 3, 3)]),
    ("norm, nuc", lambda A: linalg.norm(A, "nuc", dim=(2, 0)), [normal(3, 2, 4)]),
    ("norm, 2", lambda A: linalg.norm(A, 2, dim=(0, -1), keepdim=True), [normal(3, 2, 4)]),
]
REGULAR += [
    (f"svd {shape}, full={full}", lambda A, full=full: linalg.svd(A, full), [normal(*shape)])
    for shape, full in (((3, 3), True), ((4, 2), False), ((2, 4), False), ((2, 3, 2), False))
]
REGULAR += [
    (f"qr {shape}, {mode}", lambda A, mode=mode: linalg.qr(A, mode), [normal(*shape)])
    for shape in ((3, 3), (4, 2), (2, 4), (2, 3, 2), (1, 3), (3, 1))
    for mode in ("reduced", "complete")
]


@pytest.mark.parametrize(("name", "function", "inputs"), REGULAR, ids=[r[0] for r in REGULAR])
def test_both_derivatives(name, function, inputs):
    assert_derivatives(function, *inputs, tolerance=1e-5)


@pytest.mark.parametrize(
    ("function", "reference"),
    [
        (linalg.svd, np.linalg.svd),
        (lambda A: linalg.svd(A, False), lambda A: np.linalg.svd(A, full_matrices=False)),
        (linalg.qr, np.linalg.qr),
        (lambda A: linalg.qr(A, "complete"), lambda A: np.linalg.qr(A, "complete")),
        (lambda A: linalg.qr(A, "r").R, lambda A: np.linalg.qr(A, "r")),
    ],
)
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 2), (0, 2), (2, 0), (0, 2, 2)])
def test_factors_are_lapacks(function, reference, shape):
    A = normal(*shape)
    found, expected = function(ng.tensor(A)), reference(A)
    found = found if isinstance(found, tuple) else (found,)
    expected = expected if isinstance(expected, tuple) else (expected,)
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_array_equal(x.numpy(), y)


@pytest.mark.parametrize("shape", [(4, 2), (2, 4), (2, 4, 2)])
def test_additional_vectors_of_a_full_svd(shape):
    def invariant(A):
        U, s, Vh = linalg.svd(A)
        k = s.shape[-1]
        return s, U[..., :k], Vh[..., :k, :], projection(U[..., k:]), projection(Vh[..., k:, :].mT)

    assert_derivatives(invariant, normal(*shape), tolerance=1e-5)


def test_additional_vectors_themselves_are_any_basis():
    with pytest.warns(RuntimeWarning, match="basis"):
        (g,) = gradient(lambda A: linalg.svd(A).U[:, 1:] * ng.tensor(normal(4, 3)), normal(4, 1))
    assert np.isnan(g).all()


# --- which triangle, which signs ------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "read"),
    [
        (linalg.cholesky, np.tril),
        (lambda A: linalg.cholesky(A, upper=True), np.triu),
        (lambda A: linalg.eigh(A).eigenvalues, np.tril),
        (lambda A: linalg.eigh(A, "U").eigenvalues, np.triu),
        (linalg.eigvalsh, np.tril),
    ],
)
def test_one_triangle_is_read_and_the_gradient_is_symmetric(function, read):
    A = definite(3, 3)
    half = read(A) + 7 * (1 - read(np.ones((3, 3))))
    whole, partial = (function(ng.tensor(x)).numpy() for x in (A, half))
    np.testing.assert_array_equal(whole, partial)
    seed = normal(*whole.shape)
    for x in (A, half):
        (g,) = gradient(function, x, seed=seed)
        np.testing.assert_allclose(g, g.T, atol=1e-13)
    np.testing.assert_allclose(g, gradient(function, A, seed=seed)[0])


def test_large_matrices_take_scipys_triangular_solver():
    A = definite(2, 70, 70)
    seed = normal(2, 70, 70)
    (g,) = gradient(linalg.cholesky, A, seed=seed)
    direction = definite(70, 70) - 70 * np.eye(70)
    ahead, behind = (np.linalg.cholesky(A + t * direction) for t in (1e-5, -1e-5))
    assert np.sum(g * direction) == pytest.approx(np.sum(seed * (ahead - behind)) / 2e-5, rel=1e-6)


# --- errors -----------------------------------------------------------------------------------

SINGULAR = np.stack([EYE, [[1.0, 2.0], [2.0, 4.0]]])


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (linalg.inv, r"inv\(\).*item \(1,\) of the batch is singular \(pivot 2 of 2"),
        (lambda A: linalg.solve(A, ng.ones(2)), r"solve\(\).*item \(1,\) of the batch is singular"),
        (lambda A: linalg.inv(A[1]), r"the matrix is singular"),
        (lambda A: linalg.cholesky(A - 1), r"cholesky\(\).*item \(0,\).*minor of order 1"),
        (linalg.cholesky, r"item \(1,\).*minor of order 2"),
        (lambda A: linalg.svd(A * math.nan), r"svd\(\) did not converge for item \(0,\).*nan"),
    ],
)
@pytest.mark.parametrize("kind", [np.linalg.LinAlgError, RuntimeError, linalg.LinAlgError])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_errors_name_the_item(function, text, kind, dtype):
    with pytest.raises(kind, match=text):
        function(ng.tensor(SINGULAR.astype(dtype)))


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (linalg.inv, (2, 3)),
        (linalg.det, (3,)),
        (linalg.slogdet, (2, 3)),
        (linalg.cholesky, (3, 2)),
        (linalg.eigh, (2, 3)),
        (linalg.eigvalsh, ()),
        (linalg.svd, (3,)),
        (linalg.qr, (3,)),
        (linalg.matrix_norm, (3,)),
        (lambda A: linalg.solve(A, ng.ones(3)), (2, 2)),
        (lambda A: linalg.solve(A, ng.ones(2, 2, 1)), (3, 2, 2)),
        (lambda A: linalg.solve(A, ng.tensor(1.0)), (2, 2)),
        (lambda A: linalg.norm(A, 1), (2, 2, 2)),
        (lambda A: linalg.norm(A, 2, dim=(0, 1, 2)), (2, 2, 2)),
        (lambda A: linalg.vector_norm(A, math.inf), (0,)),
        (lambda A: linalg.matrix_norm(A, 2), (0, 2)),
    ],
)
def test_shapes_are_checked(function, shape):
    with pytest.raises(ShapeError):
        function(ng.ones(shape))


def test_values_are_checked():
    A = ng.tensor(EYE)
    with pytest.raises(ValueError, match="UPLO"):
        linalg.eigh(A, "X")
    with pytest.raises(ValueError, match="mode"):
        linalg.qr(A, "raw")
    with pytest.raises(ValueError, match="order"):
        linalg.matrix_norm(A, 3)
    with pytest.raises(TypeError, match="order"):
        linalg.vector_norm(A, "fro")
    with pytest.raises(TypeError, match="float16"):
        linalg.det(ng.zeros(2, 2, dtype=ng.float16))


# --- shapes and dtypes ------------------------------------------------------------------------

OF_MATRICES = [
    linalg.det,
    linalg.slogdet,
    linalg.inv,
    linalg.cholesky,
    linalg.eigh,
    linalg.eigvalsh,
    linalg.svd,
    linalg.qr,
    lambda A: linalg.qr(A, "complete"),
    lambda A: linalg.solve(A, A),
    lambda A: linalg.norm(A, dim=(-2, -1)),
    lambda A: linalg.norm(A, "nuc", dim=(-2, -1)),
]


@pytest.mark.parametrize("function", OF_MATRICES)
@pytest.mark.parametrize("shape", [(0, 0), (2, 0, 0), (0, 2, 2)])
def test_empty_matrices_and_batches(function, shape):
    x = ng.zeros(shape, requires_grad=True)
    results = function(x)
    results = results if isinstance(results, tuple) else (results,)
    (g,) = ng.autograd.grad(sum(r.sum() for r in results), x, materialize_grads=True)
    assert g.shape == shape
    assert not g.numpy().any()


def test_matrices_without_elements():
    x = ng.zeros(0, 0)
    assert linalg.det(x).item() == 1
    assert linalg.inv(x).shape == (0, 0)
    assert [r.item() for r in linalg.slogdet(x)] == [1, 0]
    assert linalg.solve(x, ng.zeros(0)).shape == (0,)


@pytest.mark.parametrize("function", OF_MATRICES)
def test_single_precision_stays_and_integers_are_promoted(function):
    A = np.array([[4, 1], [1, 3]])
    results = function(ng.tensor(A))
    for r in results if isinstance(results, tuple) else (results,):
        assert r.dtype == ng.float64
    x = ng.tensor(A.astype(np.float32), requires_grad=True)
    results = function(x)
    results = results if isinstance(results, tuple) else (results,)
    assert all(r.dtype == ng.float32 for r in results)
    (g,) = ng.autograd.grad(sum(r.sum() for r in results), x, create_graph=True)
    assert g.dtype == ng.float32
    (h,) = ng.autograd.grad((g * g).sum(), x, materialize_grads=True)
    assert h.dtype == ng.float32


@pytest.mark.parametrize("order", ["fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf])
@pytest.mark.parametrize("keep", [False, True])
def test_matrix_norms_over_any_dimensions(order, keep):
    A = normal(3, 2, 4)
    for dims in ((0, 1), (2, 0), (-2, -1)):
        expected = np.linalg.norm(A, order, dims, keep)
        for found in (
            linalg.norm(ng.tensor(A), order, dims, keep),
            linalg.matrix_norm(ng.tensor(A), order, axis=dims, keepdims=keep),
        ):
            np.testing.assert_allclose(found.numpy(), expected, rtol=1e-13)


def test_ties_in_matrix_norms_are_split():
    (g,) = gradient(lambda A: linalg.norm(A, 1), [[1.0, -2.0], [2.0, 1.0]])
    np.testing.assert_allclose(g, [[0.5, -0.5], [0.5, 0.5]])


def test_numpys_solve_takes_vectors_in_one_dimension_alone():
    A, B = definite(2, 2, 2), normal(2, 2)
    found = ng.as_tensor(np.linalg.solve(ng.tensor(A), ng.tensor(B)))
    np.testing.assert_allclose(found.numpy(), np.linalg.solve(A, B))
    ours = linalg.solve(ng.tensor(A), ng.tensor(B))
    np.testing.assert_allclose(ours.numpy(), np.linalg.solve(A, B[..., None])[..., 0])


@pytest.mark.parametrize(
    ("function", "node"),
    [
        (linalg.det, "LinalgDet"),
        (linalg.inv, "LinalgInvEx"),
        (linalg.cholesky, "LinalgCholeskyEx"),
        (linalg.eigvalsh, "LinalgEigh"),
        (lambda A: linalg.eigh(A).eigenvectors, "LinalgEigh"),
        (lambda A: linalg.svd(A).Vh, "LinalgSvd"),
        (lambda A: linalg.qr(A).R, "LinalgQr"),
        (lambda A: linalg.slogdet(A).logabsdet, "LinalgSlogdet"),
        (lambda A: linalg.solve(A, ng.ones(2)), "LinalgSolveEx"),
        (linalg.vector_norm, "LinalgVectorNorm"),
    ],
)
def test_nodes_have_pytorchs_names(function, node):
    assert function(ng.tensor(EYE, requires_grad=True)).grad_fn.name() == f"{node}Backward0"


def test_results_print_as_pytorchs():
    text = repr(linalg.slogdet(ng.tensor(EYE)))
    assert text == "numgrad.return_types.linalg_slogdet(\nsign=tensor(1.),\nlogabsdet=tensor(0.))"

"""numgrad.func.sparse_jacobian: blocks of items as a sparse matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import optimize, sparse

import numgrad as ng
from numgrad.func import sparse_jacobian


@ng.njit
def compiled(x, k):
    out = np.empty(2)
    out[0] = x[0] * x[1] * k
    out[1] = np.exp(x[1]) - k
    return out


def of_tensors(x: Any, k: Any) -> Any:
    return ng.stack([x[0] * x[1] * k, ng.exp(x[1]) - k])


X = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.2]])
K = np.array([1.0, 2.0, 3.0])


@pytest.fixture(params=[compiled, of_tensors], ids=["compiled", "of tensors"])
def function(request):
    return request.param


def test_a_block_an_item(function) -> None:
    found = sparse_jacobian(function)(X, K)
    blocks = [ng.jacobian(function)(x, k) for x, k in zip(X, K, strict=True)]
    assert isinstance(found, sparse.csr_array)
    assert found.nnz == 12
    np.testing.assert_allclose(found.toarray(), sparse.block_diag(blocks).toarray())


def test_by_another_argument_and_dimension(function) -> None:
    by_number = sparse_jacobian(function, 1)(X, K).toarray()
    expected = [ng.jacobian(function, 1)(x, k).reshape(2, 1) for x, k in zip(X, K, strict=True)]
    np.testing.assert_allclose(by_number, sparse.block_diag(expected).toarray())
    # Columns are the elements of the argument as it lies.
    across = sparse_jacobian(function, in_dims=(1, None))(X.T, 2.0).toarray()
    whole = ng.jacobian(lambda xs: ng.vmap(of_tensors, (1, None))(xs, 2.0))(X.T)
    np.testing.assert_allclose(across, whole.reshape(6, 6))


def test_columns_of_a_shared_vector(function) -> None:
    columns = np.array([[0, 3], [3, 1], [2, 2]])
    p = np.array([0.1, 0.2, 0.3, 0.4])
    found = sparse_jacobian(function, columns=columns)(p, K)
    whole = ng.jacobian(lambda p: ng.vmap(of_tensors)(p[columns], K))(p)
    assert found.shape == (6, 4)
    np.testing.assert_allclose(found.toarray(), whole.reshape(6, 4))


def test_tensors_are_taken(function) -> None:
    found = sparse_jacobian(function)(ng.tensor(X), ng.tensor(K))
    np.testing.assert_array_equal(found.toarray(), sparse_jacobian(function)(X, K).toarray())


@ng.njit
def residual(pair, distance):
    return (pair[1] - pair[0]) * (1.0 + 0.1 * pair[0] ** 2) - distance


def test_least_squares_takes_it() -> None:
    n = 30
    columns = np.stack([np.arange(n), np.arange(n) + 1], 1)
    truth = np.cumsum(np.linspace(0.1, 0.3, n + 1))
    distances = ng.vmap(residual)(truth[columns], np.zeros(n))
    jacobian = sparse_jacobian(residual, columns=columns)

    def values(p):
        return ng.vmap(residual)(p[columns], distances)

    fit = optimize.least_squares(
        values, truth + 0.05, jac=lambda p: jacobian(p, distances), xtol=1e-12
    )
    assert fit.cost < 1e-14


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sparse_jacobian(compiled, in_dims=(None, 0))(X[0], K), "the Jacobian is dense"),
        (lambda: sparse_jacobian(compiled, columns=[0, 1]), r"got shape \(2,\) of int64"),
        (lambda: sparse_jacobian(compiled, columns=[[0, 4]])(K, K[:1]), "for a vector of 3"),
        (lambda: sparse_jacobian(compiled, columns=[[0, 1]])(X, K[:1]), "takes a vector"),
        (lambda: sparse_jacobian(compiled, 2)(X, K), "got argnums 2 for a function called with 2"),
    ],
)
def test_errors(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call()

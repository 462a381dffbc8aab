"""vmap of compiled functions: one compiled loop, in threads, of arrays and on the tape."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import pytest

import numgrad as ng
from numgrad.adjoint import interpreted


class Pair(NamedTuple):
    mass: Any
    rates: Any


@ng.njit
def simulate(theta, x, steps):
    v = 0.0
    for _ in range(steps):
        v -= 0.01 * (theta[0] * x + theta[1] * v)
        x += 0.01 * v
    return x


@ng.njit
def model(p, t):
    out = np.empty(2)
    out[0] = p[0] * np.exp(-p[1] * t)
    out[1] = p[0] * t
    return out


@ng.njit
def both(pair, k):
    return pair.mass * pair.rates[0], k * pair.rates


@ng.njit
def restless(a, b):
    a[0] += b[0]
    b[0] += 1.0
    return a.sum()


@numba.njit
def known_to_numba(x):
    return np.sin(x) * x


THETA = np.array([2.0, 0.3])
X = np.linspace(0.5, 1.5, 5)
THETAS = np.outer(X, THETA)
MIXED = (None, 0, None)


def each(function: Any, count: int = 5) -> Any:
    return np.array([function(k) for k in range(count)])


CALLS: dict[str, tuple[Any, Any]] = {
    "values": (
        lambda: ng.vmap(simulate, MIXED)(THETA, X, 9),
        lambda k: simulate(THETA, X[k], 9),
    ),
    "all mapped": (
        lambda: ng.vmap(model)(THETAS, X),
        lambda k: model(THETAS[k], X[k]),
    ),
    "another dimension": (
        lambda: ng.vmap(model, (1, 0), 1)(np.asfortranarray(THETAS.T), X[::-1]).T,
        lambda k: model(THETAS[k], X[::-1][k]),
    ),
    "gradients": (
        lambda: ng.vmap(ng.grad(simulate), MIXED)(THETA, X, 9),
        lambda k: ng.grad(simulate)(THETA, X[k], 9),
    ),
    "by keyword": (
        lambda: ng.vmap(ng.grad(simulate), (None, 0))(THETA, X, steps=9),
        lambda k: ng.grad(simulate)(THETA, X[k], 9),
    ),
    "Jacobians": (
        lambda: ng.vmap(ng.jacobian(model), (None, 0))(THETA, X),
        lambda k: ng.jacobian(model)(THETA, X[k]),
    ),
    "a function of numba.njit": (
        lambda: ng.vmap(known_to_numba)(X),
        lambda k: known_to_numba(X[k]),
    ),
    "float32": (
        lambda: ng.vmap(known_to_numba)(X.astype(np.float32)),
        lambda k: known_to_numba(np.float32(X[k])),
    ),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("plainly", [False, True], ids=["compiled", "interpreted"])
def test_it_is_the_function_item_by_item(name, plainly) -> None:
    call, item = CALLS[name]
    expected = each(item)
    if plainly:
        with interpreted():
            found = call()
    else:
        found = call()
    assert type(found) is np.ndarray
    assert plainly or found.dtype == (np.float32 if name == "float32" else np.float64)
    np.testing.assert_allclose(found, expected, rtol=1e-6 if name == "float32" else 1e-12)


def test_trees() -> None:
    pairs = Pair(X, THETAS)
    first, second = ng.vmap(both, (0, None))(pairs, 2.0)
    np.testing.assert_allclose(first, X * THETAS[:, 0])
    np.testing.assert_allclose(second, 2 * THETAS)
    first, second = ng.vmap(both, (Pair(0, None), 0), (0, 1))(Pair(X, THETA), X)
    np.testing.assert_allclose(first, X * THETA[0])
    np.testing.assert_allclose(second, np.outer(THETA, X))


def test_on_the_tape() -> None:
    theta, x = (ng.tensor(a, requires_grad=True) for a in (THETA, X))
    y = ng.vmap(simulate, MIXED)(theta, x, 9)
    assert y.shape == (5,)
    assert {node.name() for node, _ in y.grad_fn.next_functions} == {"AccumulateGrad"}
    first = ng.autograd.grad((y * y).sum(), (theta, x), create_graph=True)

    def expected(theta: Any) -> Any:
        rows = [ng.value_and_grad(simulate, (0, 1))(theta, v, 9) for v in X]
        return sum(2 * v * g[0] for v, g in rows), np.array([2 * v * g[1] for v, g in rows])

    for found, wanted in zip(first, expected(THETA), strict=True):
        np.testing.assert_allclose(found.detach(), wanted, rtol=1e-12)
    (second,) = ng.autograd.grad(first[0].sum(), theta)
    step = 1e-6 * np.eye(2)
    differences = [
        (expected(THETA + d)[0].sum() - expected(THETA - d)[0].sum()) / 2e-6 for d in step
    ]
    np.testing.assert_allclose(second, differences, rtol=1e-7)


def test_sums_over_many_items_and_threads_change_no_bit() -> None:
    x = np.linspace(0.0, 1.0, 50_001)
    before = ng.get_num_threads()
    results = []
    try:
        for count in (1, 2, 3):
            ng.set_num_threads(count)
            theta = ng.tensor(THETA, requires_grad=True)
            y = ng.vmap(simulate, MIXED)(theta, x, 20)
            y.sum().backward()
            results.append((y.detach().numpy(), theta.grad.numpy()))
    finally:
        ng.set_num_threads(before)
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(other, results[0], strict=True))
    rows = ng.vmap(ng.grad(simulate), MIXED)(THETA, x, 20)
    np.testing.assert_allclose(results[0][1], rows.sum(0), rtol=1e-12)


def test_vmap_of_vmap() -> None:
    inner = ng.vmap(simulate, MIXED)
    found = ng.vmap(inner, (0, None, None))(THETAS, X, 9)
    assert found.shape == (5, 5)
    assert found[1, 2] == pytest.approx(simulate(THETAS[1], X[2], 9))


def test_arguments_are_not_written_to() -> None:
    a, b = np.ones((3, 2)), np.array([5.0])
    assert ng.vmap(restless, (0, None))(a, b).tolist() == [7.0] * 3
    assert a.tolist() == [[1.0, 1.0]] * 3
    assert b.tolist() == [5.0]


@ng.njit
def zeros(n):
    return np.zeros(n)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ng.vmap(model)(THETAS[:3], X), r"dimensions of one size, got \(3, 5\)"),
        (lambda: ng.vmap(model)(THETAS, 1.0), "has no dimensions: None says"),
        (lambda: ng.vmap(model, (None, 0))(THETA, X[:0]), "needs an item to know their shapes"),
        (lambda: ng.vmap(model, (None, 0), 2)(THETA, X), "got out_dims 2 for a result"),
        (lambda: ng.vmap(zeros)(np.array([1, 2])), "results of one shape for all items"),
    ],
)
def test_errors(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_an_error_in_an_item_is_raised() -> None:
    with pytest.raises(ValueError, match="shapes of arrays do not match"):
        ng.vmap(added, (None, 0))(np.ones(3), np.array([3] * 40 + [2]))


@ng.njit
def added(a, n):
    return np.sum(a + np.ones(n))


def test_what_is_derived_twice_is_compiled_once() -> None:
    for make in (ng.grad, ng.value_and_grad, ng.jacobian, ng.hessian):
        assert make(simulate) is make(simulate)
    assert ng.grad(simulate) is not ng.grad(simulate, (0, 1))

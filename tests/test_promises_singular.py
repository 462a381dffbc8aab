"""Conventions at singular points, the same for fused kernels and for rules on tensors.

Derivatives there are no limits but choices, so a table holds them, not finite differences.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import numgrad as ng
from numgrad import testing
from numgrad.value import REGISTRY

INF, NAN = math.inf, math.nan

# What, the function, its inputs, the gradient in each of them.
FIRST = [
    ("abs at 0", ng.abs, [[0.0, -0.0]], [[0, 0]]),
    ("relu at 0", ng.relu, [[0.0]], [[0]]),
    ("clamp at its bounds", ng.clamp, [[-1.0, 2.0], [-1.0, -1.0], [2.0, 2.0]],
     [[1, 1], [0, 0], [0, 0]]),
    ("sign at 0", ng.sign, [[0.0]], [[0]]),
    ("steps at jumps", lambda x: ng.floor(x) + ng.ceil(x) + ng.trunc(x) + ng.round(x),
     [[1.0, 0.5]], [[0, 0]]),
    ("remainder at a jump", ng.remainder, [[4.0], [2.0]], [[1], [-2]]),
    ("sqrt at 0", ng.sqrt, [[0.0, -0.0]], [[INF, INF]]),
    ("asin at 1", ng.asin, [[1.0]], [[INF]]),
    ("acos at 1", ng.acos, [[1.0]], [[-INF]]),
    ("log at 0", ng.log, [[0.0]], [[INF]]),
    ("1/x at 0", ng.reciprocal, [[0.0]], [[-INF]]),
    ("powers at 0", ng.pow, [[0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 2.0, 0.5]],
     [[0, 1, 0, INF], [0, 0, 0, 0]]),
    ("powers of 0", lambda y: ng.pow(0.0, y), [[0.0, 1.5, -1.5]], [[0, 0, -INF]]),
    ("powers of -2", lambda y: ng.pow(-2.0, y), [[2.0]], [[NAN]]),
    ("xlogy at 0", ng.special.xlogy, [[0.0, 0.0, 2.0], [0.0, 1.5, 0.0]],
     [[0, math.log(1.5), -INF], [0, 0, INF]]),
    ("atan2 at the origin", ng.atan2, [[0.0], [0.0]], [[0], [0]]),
    ("logaddexp of -inf", ng.logaddexp, [[-INF], [-INF]], [[0.5], [0.5]]),
    ("maximum of equals", ng.maximum, [[1.0], [1.0]], [[0.5], [0.5]]),
    ("minimum of equals", ng.minimum, [[1.0], [1.0]], [[0.5], [0.5]]),
    ("2-norm at 0", ng.norm, [[0.0, 0.0]], [[0, 0]]),
    ("3-norm at 0", lambda x: ng.norm(x, 3), [[0.0, 0.0]], [[0, 0]]),
    ("1-norm at 0", lambda x: ng.norm(x, 1), [[0.0, -2.0]], [[0, -1]]),
    ("max-norm of equals", lambda x: ng.norm(x, INF), [[3.0, -3.0, 1.0]], [[0.5, -0.5, 0]]),
    ("max-norm at 0", lambda x: ng.norm(x, INF), [[0.0, 0.0]], [[0, 0]]),
    ("std of constants", ng.std, [[2.0, 2.0, 2.0]], [[0, 0, 0]]),
    ("var of one", ng.var, [[2.0]], [[NAN]]),
    ("std of one", ng.std, [[2.0]], [[NAN]]),
    ("max of equals", ng.max, [[3.0, 1.0, 3.0]], [[0.5, 0, 0.5]]),
    ("amin of equals", ng.amin, [[3.0, 1.0, 1.0]], [[0, 0.5, 0.5]]),
    ("max by index", lambda x: ng.max(x, 0).values, [[3.0, 1.0, 3.0]], [[1, 0, 0]]),
    ("sort of equals", lambda x: ng.sort(x).values * ng.tensor([0.0, 1.0, 2.0]),
     [[1.0, 0.0, 1.0]], [[1, 0, 2]]),
    ("prod with a zero", ng.prod, [[0.0, 2.0, 3.0]], [[6, 0, 0]]),
    ("prod with two", ng.prod, [[0.0, 0.0, 3.0]], [[0, 0, 0]]),
    ("cumprod with a zero", lambda x: ng.cumprod(x, 0)[2], [[0.0, 2.0, 3.0]], [[6, 0, 0]]),
    ("logsumexp of -inf", lambda x: ng.logsumexp(x, 0), [[-INF, -INF]], [[0.5, 0.5]]),
    ("logsumexp of inf", lambda x: ng.logsumexp(x, 0), [[INF, 1.0, INF]], [[0.5, 0, 0.5]]),
    ("det of rank 1", ng.linalg.det, [[[1.0, 2.0], [2.0, 4.0]]], [[[4, -2], [-2, 1]]]),
    ("det of rank 0", ng.linalg.det, [[[0.0, 0.0], [0.0, 0.0]]], [[[0, 0], [0, 0]]]),
    ("equal eigenvalues", ng.linalg.eigvalsh, [[[2.0, 0.0], [0.0, 2.0]]], [[[1, 0], [0, 1]]]),
    # A zero cotangent blanks what is not finite, a zero derivative blanks a cotangent that is not.
    ("log not chosen", lambda x: ng.where(x > 0, ng.log(x), 0.0),
     [[0.0, -1.0, 2.0]], [[0, 0, 0.5]]),
    ("sqrt not chosen", lambda x: ng.where(x > 0, ng.sqrt(x), 0.0),
     [[0.0, -1.0, 4.0]], [[0, 0, 0.25]]),
    ("sqrt not read", lambda x: ng.sqrt(x)[1:], [[0.0, 1.0]], [[0, 0.5]]),
    ("sqrt of a square", lambda x: ng.sqrt(x * x), [[0.0]], [[0]]),
    ("0 times sqrt", lambda x: 0.0 * ng.sqrt(x), [[0.0]], [[0]]),
    ("sqrt at 0, read", lambda x: ng.sqrt(x) * 2.0, [[0.0]], [[INF]]),
    ("infinities of both signs", lambda x: ng.sqrt(x) + ng.reciprocal(x), [[0.0]], [[NAN]]),
    ("sum of such", lambda x: ng.sqrt(x + ng.zeros(2)) / ng.tensor([1.0, -1.0]), [[0.0]], [[NAN]]),
    ("nan", lambda x: ng.exp(x) * ng.sin(x), [[NAN]], [[NAN]]),
    ("norm of nothing", ng.norm, [[]], [[]]),
    ("sum of nothing", ng.sum, [[]], [[]]),
    ("prod of nothing", ng.prod, [[]], [[]]),
    ("mean of nothing", ng.mean, [[]], [[]]),
]  # fmt: skip

# What, the function of one input, the input, the gradient of the sum of the gradient.
SECOND = [
    ("abs at 0", ng.abs, [0.0], [0]),
    ("relu at 0", ng.relu, [0.0], [0]),
    ("x**0, x**1, x**2 at 0", lambda x: ng.pow(x, ng.tensor([0.0, 1.0, 2.0])),
     [0.0, 0.0, 0.0], [0, 0, 2]),
    ("square of the norm at 0", lambda x: ng.norm(x) ** 2, [0.0, 0.0], [0, 0]),
    ("sum of squares at 0", lambda x: (x * x).sum(), [0.0, 0.0], [2, 2]),
    ("std of constants", ng.std, [2.0, 2.0], [0, 0]),
    ("prod with a zero", ng.prod, [0.0, 2.0, 3.0], [5, 3, 2]),
    ("prod with two", ng.prod, [0.0, 0.0, 3.0], [3, 3, 0]),
    ("log not chosen", lambda x: ng.where(x > 0, ng.log(x), 0.0), [0.0, 2.0], [0, -0.25]),
    ("sqrt of a square at 0", lambda x: ng.sqrt(x * x), [0.0], [0]),
    ("maximum of equals", lambda x: ng.maximum(x * x, x), [1.0], [1]),
    ("det of rank 1", ng.linalg.det, [[1.0, 2.0], [2.0, 4.0]], [[1, -1], [-1, 1]]),
]  # fmt: skip


def by_name(columns, cases):
    """Parametrize by the rows of a table, each named by its first column."""
    return pytest.mark.parametrize(columns, [c[1:] for c in cases], ids=[c[0] for c in cases])


@by_name(("function", "inputs", "expected"), FIRST)
@pytest.mark.parametrize("create_graph", [False, True], ids=["fused", "rule"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_first_order(function, inputs, expected, create_graph, dtype):
    xs = [ng.tensor(x, requires_grad=True, dtype=dtype) for x in inputs]
    y = function(*xs)
    found = ng.autograd.grad(y, xs, ng.ones_like(y), create_graph=create_graph)
    for g, e in zip(found, expected, strict=True):
        assert str(g.dtype) == dtype
        np.testing.assert_allclose(
            g.detach().numpy(), e, rtol=1e-6 if dtype == "float32" else 1e-14
        )


@by_name(("function", "x", "expected"), SECOND)
@pytest.mark.parametrize("create_graph", [False, True], ids=["fused", "rule"])
def test_second_order(function, x, expected, create_graph):
    x = ng.tensor(x, requires_grad=True)
    y = function(x)
    (first,) = ng.autograd.grad(y, x, ng.ones_like(y), create_graph=True)
    (second,) = testing.gradients([first], [x], [ng.ones_like(first)], create_graph=create_graph)
    np.testing.assert_allclose(second.detach().numpy(), expected, atol=1e-14)


def test_a_zero_cotangent_keeps_its_dependence():
    x, g = ng.tensor([3.0], requires_grad=True), ng.tensor([0.0], requires_grad=True)
    (first,) = ng.autograd.grad(x * x, x, g, create_graph=True)
    assert first.tolist() == [0.0]
    assert ng.autograd.grad(first, g, ng.ones(1))[0].tolist() == [6.0]


def test_plain_products_on_request():
    x = ng.tensor([0.0, 2.0], requires_grad=True)
    y = ng.where(x > 0, ng.log(x), 0.0)
    with ng.autograd.strict_ieee(True):
        (strict,) = ng.autograd.grad(y, x, ng.ones(2), retain_graph=True)
        (rule,) = ng.autograd.grad(y, x, ng.ones(2), create_graph=True)
    np.testing.assert_array_equal(strict.numpy(), [NAN, 0.5])
    np.testing.assert_array_equal(rule.detach().numpy(), [NAN, 0.5])
    assert ng.autograd.grad(y, x, ng.ones(2))[0].tolist() == [0.0, 0.5]


@pytest.mark.parametrize("function", [ng.max, ng.min, ng.amax, ng.amin, ng.argmax])
def test_nothing_has_no_extremum(function):
    with pytest.raises(ng.errors.ShapeError, match=function.__name__):
        function(ng.zeros(0))


def test_singular_values_may_be_equal_where_vectors_cancel():
    x = ng.eye(2).requires_grad_()
    u, s, vh = ng.linalg.svd(x)
    (((u * s) @ vh) ** 2).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.eye(2), atol=1e-14)


def test_vectors_of_equal_eigenvalues_have_no_gradient():
    x = ng.eye(2).requires_grad_()
    vectors = ng.linalg.eigh(x)[1]
    with pytest.warns(RuntimeWarning, match="gap"):
        (g,) = ng.autograd.grad(vectors, x, ng.tensor([[1.0, 2.0], [3.0, 5.0]]))
    assert np.isnan(g.numpy()).any()


@pytest.mark.parametrize(
    "function",
    [ng.linalg.inv, lambda x: ng.linalg.solve(x, ng.ones(3, 2)), ng.linalg.cholesky],
    ids=["inv", "solve", "cholesky"],
)
def test_singular_matrices_are_named(function):
    x = np.stack([np.eye(2), np.eye(2), [[1.0, 2.0], [2.0, 4.0]]])
    x[2, 1, 1] -= function is ng.linalg.cholesky
    with pytest.raises(ng.linalg.LinAlgError, match="2"):
        function(ng.tensor(x))


def test_products_of_structural_rules_follow_ieee_on_request():
    zero, infinite = ng.zeros(1), ng.full((1,), np.inf)
    assert REGISTRY["product"](zero, infinite).item() == 0.0
    with ng.autograd.strict_ieee():
        assert np.isnan(REGISTRY["product"](zero, infinite).item())

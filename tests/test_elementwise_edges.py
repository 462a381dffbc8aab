"""Elementwise functions: values against NumPy and SciPy, derivatives of two orders against mpmath.

The points include the tails, where a formula may overflow or cancel although the derivative is
tame, and the singular points, where the derivative is a convention.
"""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import scipy.special

import numgrad as ng

INF, NAN = math.inf, math.nan

EDGES = np.array(
    [
        0.0,
        -0.0,
        1,
        -1,
        0.5,
        -0.5,
        2,
        -2,
        2.5,
        1.5,
        3.7,
        -3.7,
        20,
        -20,
        700,
        -700,
        720,
        -720,
        800,
        -800,
        1000.0,
        -1000.0,
        1e-20,
        1e-300,
        -1e-300,
        1e17,
        -1e17,
        1e300,
        -1e300,
        INF,
        -INF,
        NAN,
    ]
)
TOLERANCE = {np.dtype(np.float64): 4e-15, np.dtype(np.float32): 6e-7}

# Name: the same function of NumPy or SciPy.
VALUES_1 = {
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log1p": np.log1p,
    "log2": np.log2,
    "log10": np.log10,
    "rsqrt": lambda x: 1 / np.sqrt(x + 0.0),
    "sigmoid": scipy.special.expit,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "floor": np.floor,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "round": np.round,
    "frac": lambda x: x - np.trunc(x),
    "erf": scipy.special.erf,
    "erfc": scipy.special.erfc,
    # The C library's, Python's and PyTorch's is inf at -inf.
    "lgamma": lambda x: np.where(x == -INF, INF, scipy.special.gammaln(x)),
    "digamma": scipy.special.digamma,
    "relu": lambda x: np.maximum(x, 0),
}
VALUES_2 = {
    "logaddexp": np.logaddexp,
    "logaddexp2": np.logaddexp2,
    "atan2": np.arctan2,
    "hypot": np.hypot,
    "remainder": np.remainder,
    "fmod": np.fmod,
    "floor_divide": np.floor_divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "fmax": np.fmax,
    "fmin": np.fmin,
    "clamp_min": np.maximum,
    "clamp_max": np.minimum,
    "copysign": np.copysign,
    "xlogy": scipy.special.xlogy,
    "xlog1py": scipy.special.xlog1py,
}
PREDICATES = {
    "isnan": np.isnan,
    "isinf": np.isinf,
    "isfinite": np.isfinite,
    "logical_not": np.logical_not,
}
DTYPES = pytest.mark.parametrize("dtype", ["float64", "float32"])


def function(name):
    """A function of numgrad, or else of numgrad.special."""
    return getattr(ng, name, None) or getattr(ng.special, name)


def assert_same(found, expected, atol=1e-290):
    """Equal to a few units in the last place, nan and infinities alike."""
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE[found.dtype], atol=atol)


@DTYPES
@pytest.mark.parametrize("name", VALUES_1)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_values_of_one_argument(name, dtype):
    x = EDGES.astype(dtype)
    expected = VALUES_1[name](x.astype("float64")).astype(dtype)
    # SciPy has a series at digamma's first zero below 0, too.
    atol = 1e-15 if name == "digamma" else 1e-290
    assert_same(function(name)(ng.tensor(x)).numpy(), expected, atol)


@DTYPES
@pytest.mark.parametrize("name", VALUES_2)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_values_of_two_arguments(name, dtype):
    x, y = EDGES.astype(dtype)[:, None], EDGES.astype(dtype)
    found = function(name)(ng.tensor(x), ng.tensor(y)).numpy()
    assert_same(found, np.asarray(VALUES_2[name](x, y), dtype))


@pytest.mark.parametrize("name", PREDICATES)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "bool"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_predicates(name, dtype):
    x = EDGES.astype(dtype)
    found = function(name)(ng.tensor(x, requires_grad=dtype.startswith("float")))
    assert found.dtype == np.bool_
    assert not found.requires_grad
    np.testing.assert_array_equal(found.numpy(), PREDICATES[name](x))


INTEGERS = np.array([-7, -2, -1, 0, 1, 2, 7])
KEEPING = ["floor", "ceil", "trunc", "round", "relu"]


@pytest.mark.parametrize("name", KEEPING)
def test_integers_stay_integers(name):
    found = function(name)(ng.tensor(INTEGERS)).numpy()
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, VALUES_1[name](INTEGERS))


@pytest.mark.parametrize("name", ["remainder", "fmod", "floor_divide", "maximum", "minimum"])
def test_pairs_of_integers_stay_integers(name):
    x, y = INTEGERS[:, None], INTEGERS[INTEGERS != 0]
    found = function(name)(ng.tensor(x), ng.tensor(y)).numpy()
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, VALUES_2[name](x, y))


@pytest.mark.parametrize("decimals", [-2, -1, 0, 1, 2, 3])
def test_round_to_decimals(decimals):
    x = np.array([0.5, 1.5, 2.5, -2.675, 1234.56789, 0.125, -15.0, 25.0])
    found = ng.round(ng.tensor(x), decimals=decimals).numpy()
    np.testing.assert_array_equal(found, np.round(x, decimals))


def test_round_of_integers_to_tens():
    found = ng.round(ng.tensor([14, 15, 25, -26]), decimals=-1)
    assert found.dtype == np.int64
    assert found.tolist() == [10, 20, 20, -30]


def derivatives(f, *values):
    """The gradient and the diagonal of second derivatives, one array an argument.

    The points are independent: f works on them element by element.
    """
    xs = [ng.tensor(np.array(v, dtype=np.float64), requires_grad=True) for v in values]
    first = ng.autograd.grad(f(*xs).sum(), xs, create_graph=True, materialize_grads=True)
    second = [
        ng.autograd.grad(g.sum(), x, retain_graph=True, materialize_grads=True)[0]
        if g.requires_grad
        else ng.zeros_like(g)
        for g, x in zip(first, xs, strict=True)
    ]
    return [g.detach().numpy() for g in first], [g.numpy() for g in second]


def fused(f, *values):
    """The gradient by the kernels that serve a plain backward."""
    xs = [ng.tensor(np.array(v, dtype=np.float64), requires_grad=True) for v in values]
    f(*xs).sum().backward()
    return [x.grad.numpy() for x in xs]


def phi(x):
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


def sigma(x):
    return 1 / (1 + mpmath.exp(-x))


def tanh_form_of_gelu(x):
    return x * sigma(2 * mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf(0.044715) * x**3))


WIDE = [-700.0, -40.0, -3.0, -1e-9, 1e-9, 0.3, 2.0, 38.0, 700.0]
INSIDE = [-1 + 1e-12, -0.7, -1e-9, 1e-9, 0.3, 0.99, 1 - 1e-12]
POSITIVE = [1e-100, 1e-9, 0.3, 1.0, 2.5, 1e5, 1e100]

# Function of ng, the same of mpmath, points, relative and absolute tolerance of derivatives.
DERIVATIVES = {
    "exp": (ng.exp, mpmath.exp, WIDE, 1e-13, 0),
    "exp2": (ng.exp2, lambda x: mpmath.mpf(2) ** x, WIDE, 1e-13, 0),
    "expm1": (ng.expm1, mpmath.expm1, WIDE, 1e-13, 0),
    "log1p": (ng.log1p, mpmath.log1p, [-1 + 1e-12, *POSITIVE[1:]], 1e-13, 1e-200),
    "log2": (ng.log2, lambda x: mpmath.log(x, 2), POSITIVE, 1e-13, 1e-200),
    "log10": (ng.log10, mpmath.log10, POSITIVE, 1e-13, 1e-200),
    "rsqrt": (ng.rsqrt, lambda x: 1 / mpmath.sqrt(x), POSITIVE, 1e-13, 0),
    "sigmoid": (ng.sigmoid, sigma, WIDE, 1e-13, 0),
    "logsigmoid": (ng.nn.functional.logsigmoid, lambda x: mpmath.log(sigma(x)), WIDE, 1e-13, 0),
    "sin": (ng.sin, mpmath.sin, [-3.0, -1e-9, 0.3, 100.0], 1e-13, 0),
    "cos": (ng.cos, mpmath.cos, [-3.0, -1e-9, 0.3, 100.0], 1e-13, 0),
    "tan": (ng.tan, mpmath.tan, [-3.0, -1e-9, 0.3, 1.57, 100.0], 1e-12, 0),
    "asin": (ng.asin, mpmath.asin, INSIDE, 1e-13, 0),
    "acos": (ng.acos, mpmath.acos, INSIDE, 1e-13, 0),
    "atan": (ng.atan, mpmath.atan, [*WIDE, 1e50], 1e-13, 0),
    "sinh": (ng.sinh, mpmath.sinh, WIDE, 1e-13, 0),
    "cosh": (ng.cosh, mpmath.cosh, WIDE, 1e-13, 0),
    "tanh": (ng.tanh, mpmath.tanh, [*WIDE, -1e3, 1e3], 1e-13, 1e-15),
    "asinh": (ng.asinh, mpmath.asinh, [*WIDE, 1e100], 1e-13, 0),
    "acosh": (ng.acosh, mpmath.acosh, [1 + 1e-12, 1.5, 40.0, 1e100], 1e-13, 0),
    "atanh": (ng.atanh, mpmath.atanh, INSIDE, 1e-13, 0),
    "erf": (ng.erf, mpmath.erf, [-26.0, -6.0, -1e-9, 0.3, 2.0, 26.0], 1e-12, 0),
    "erfc": (ng.erfc, mpmath.erfc, [-26.0, -6.0, -1e-9, 0.3, 2.0, 26.0], 1e-12, 0),
    "lgamma": (ng.lgamma, mpmath.loggamma, [1e-9, 0.3, 1.4, 1.5, 2.0, 40.0, 1e10], 2e-14, 1e-16),
    "digamma": (ng.digamma, mpmath.digamma, [1e-9, 0.3, 1.5, 2.0, 40.0, 1e10], 1e-13, 0),
    "digamma below 0": (ng.digamma, mpmath.digamma, [-0.4, -3.7, -40.2], 1e-12, 1e-13),
    "silu": (ng.nn.functional.silu, lambda x: x * sigma(x), WIDE, 1e-12, 1e-307),
    "gelu": (ng.nn.functional.gelu, lambda x: x * phi(x), [-30.0, -3.0, 0.1, 5.0, 40.0], 1e-12, 0),
    "gelu, tanh form": (
        lambda x: ng.nn.functional.gelu(x, approximate="tanh"),
        tanh_form_of_gelu,
        [-12.0, -3.0, -1e-9, 0.1, 5.0, 40.0],
        1e-12,
        1e-280,
    ),
    "softplus": (
        lambda x: ng.nn.functional.softplus(x, threshold=1000),
        lambda x: mpmath.log1p(mpmath.exp(x)),
        WIDE,
        1e-13,
        0,
    ),
    "elu": (
        lambda x: ng.nn.functional.elu(x, alpha=0.7),
        lambda x: x if x > 0 else mpmath.mpf(0.7) * mpmath.expm1(x),
        WIDE,
        1e-13,
        0,
    ),
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives(name):
    f, reference, points, rtol, atol = DERIVATIVES[name]
    (first,), (second,) = derivatives(f, points)
    # Tails have few digits of the value; the gamma functions are slow.
    with mpmath.workdps(60 if "gamma" in name else 700):
        expected = [
            [float(mpmath.diff(reference, mpmath.mpf(p), n)) for p in points] for n in (1, 2)
        ]
    np.testing.assert_allclose(first, expected[0], rtol=rtol, atol=atol)
    np.testing.assert_allclose(second, expected[1], rtol=10 * rtol, atol=10 * atol)
    np.testing.assert_allclose(fused(f, points)[0], first, rtol=1e-14)


PAIRS = np.array([[0.3, 1.7], [2.5, -0.4], [-1.2, 0.9], [3.1, 2.2], [0.05, 40.0], [30.0, 0.01]]).T
DERIVATIVES_2 = {
    "logaddexp": (ng.logaddexp, lambda x, y: mpmath.log(mpmath.exp(x) + mpmath.exp(y)), PAIRS),
    "logaddexp2": (
        ng.logaddexp2,
        lambda x, y: mpmath.log(mpmath.mpf(2) ** x + mpmath.mpf(2) ** y, 2),
        PAIRS,
    ),
    "logaddexp of equals": (
        ng.logaddexp,
        lambda x, y: mpmath.log(mpmath.exp(x) + mpmath.exp(y)),
        np.array([[2.0], [2.0]]),
    ),
    "atan2": (ng.atan2, mpmath.atan2, PAIRS),
    "hypot": (ng.hypot, mpmath.hypot, PAIRS),
    "remainder": (ng.remainder, lambda x, y: x - mpmath.floor(x / y) * y, PAIRS),
    "fmod": (ng.fmod, lambda x, y: x - int(x / y) * y, PAIRS),
    "maximum": (ng.maximum, max, PAIRS),
    "minimum": (ng.minimum, min, PAIRS),
    "xlogy": (ng.xlogy, lambda x, y: x * mpmath.log(y), abs(PAIRS)),
    "xlog1py": (ng.special.xlog1py, lambda x, y: x * mpmath.log1p(y), abs(PAIRS)),
    "xlogy where x is 0": (ng.xlogy, lambda x, y: x * mpmath.log(y), np.array([[0.0], [2.0]])),
}


@pytest.mark.parametrize("name", DERIVATIVES_2)
def test_derivatives_of_two_arguments(name):
    f, reference, points = DERIVATIVES_2[name]
    first, second = derivatives(f, *points)
    for k in range(2):
        orders = [tuple(n if j == k else 0 for j in range(2)) for n in (1, 2)]
        with mpmath.workdps(50):
            expected = [
                [float(mpmath.diff(reference, tuple(map(mpmath.mpf, p)), n)) for p in points.T]
                for n in orders
            ]
        np.testing.assert_allclose(first[k], expected[0], rtol=1e-13, atol=1e-30)
        np.testing.assert_allclose(second[k], expected[1], rtol=1e-12, atol=1e-16)
        np.testing.assert_allclose(fused(f, *points)[k], first[k], rtol=1e-14)


def mixed(f, x, y):
    """The mixed second derivative of a function of two numbers."""
    a, b = ng.tensor(x, requires_grad=True), ng.tensor(y, requires_grad=True)
    (g,) = ng.autograd.grad(f(a, b), a, create_graph=True)
    return ng.autograd.grad(g, b)[0].item()


@pytest.mark.parametrize(
    ("f", "x", "y", "expected"),
    [
        (ng.xlogy, 0.0, 2.0, 0.5),
        (ng.special.xlog1py, 0.0, 1.0, 0.5),
        (ng.logaddexp, 2.0, 2.0, -0.25),
        (ng.atan2, 1.0, 2.0, -0.12),
        (ng.hypot, 3.0, 4.0, -0.096),
    ],
)
def test_mixed_derivatives(f, x, y, expected):
    assert mixed(f, x, y) == pytest.approx(expected, rel=1e-14)


F = ng.nn.functional

# Function, argument, first and second derivative, which are conventions or limits.
CONVENTIONS_1 = [
    (ng.relu, 0.0, 0, 0),
    (F.leaky_relu, 0.0, 0.01, 0),
    (F.elu, 0.0, 1, 1),
    (lambda x: F.elu(x, 0.5), 0.0, 0.5, 0.5),
    (lambda x: ng.clamp(x, 0, 1), 0.0, 1, 0),
    (lambda x: ng.clamp(x, 0, 1), 1.0, 1, 0),
    (lambda x: ng.clamp(x, 0, 1), 2.0, 0, 0),
    (lambda x: ng.clamp(x, min=0), 0.0, 1, 0),
    (lambda x: ng.clamp(x, max=0), 0.0, 1, 0),
    (ng.floor, 2.0, 0, 0),
    (ng.ceil, 2.5, 0, 0),
    (ng.round, 2.5, 0, 0),
    (lambda x: ng.round(x, decimals=1), 2.55, 0, 0),
    (ng.trunc, -2.0, 0, 0),
    (ng.frac, 2.0, 1, 0),
    (ng.asin, 1.0, INF, NAN),
    (ng.acos, 1.0, -INF, NAN),
    (ng.atanh, 1.0, INF, NAN),
    (ng.acosh, 1.0, INF, NAN),
    (ng.asin, 2.0, NAN, NAN),
    (ng.acosh, 0.5, NAN, NAN),
    (ng.acosh, -2.0, NAN, NAN),
    (ng.atanh, 2.0, NAN, NAN),
    (ng.log1p, -2.0, NAN, NAN),
    (ng.log2, -2.0, NAN, NAN),
    (ng.log10, -2.0, NAN, NAN),
    (ng.rsqrt, 0.0, -INF, NAN),
    (ng.log1p, -1.0, INF, NAN),
    (ng.tanh, 1e3, 0, 0),
    (ng.sigmoid, -800.0, 0, 0),
    (ng.sigmoid, 1e300, 0, 0),
    (F.softplus, 1e300, 1, 0),
    (F.softplus, -1e300, 0, 0),
    (F.gelu, 1e200, 1, 0),
    (F.gelu, -1e200, 0, 0),
    (lambda x: F.gelu(x, approximate="tanh"), 1e200, 1, 0),
    (lambda x: F.gelu(x, approximate="tanh"), -1e200, 0, 0),
    (F.silu, 1e300, 1, 0),
    (F.silu, -1e300, 0, 0),
    (ng.erf, 1e200, 0, 0),
    (ng.asinh, 1e200, 1e-200, 0),
    (lambda x: ng.remainder(x, 2.0), 6.0, 1, 0),
    (lambda x: ng.fmod(x, 2.0), 6.0, 1, 0),
    (lambda x: ng.copysign(x, -1.0), 0.0, 0, 0),
    (lambda x: ng.copysign(x, -1.0), 2.0, -1, 0),
]


@pytest.mark.parametrize(("f", "x", "first", "second"), CONVENTIONS_1)
def test_conventions_of_one_argument(f, x, first, second):
    found = derivatives(f, x)
    np.testing.assert_array_equal(found[0][0], first)
    np.testing.assert_array_equal(fused(f, x)[0], first)
    if not math.isnan(second):
        np.testing.assert_array_equal(found[1][0], second)


@pytest.mark.parametrize("x", [0.0, -1.0, -2.0])
def test_derivatives_at_the_poles_of_gamma_are_not_finite(x):
    assert not np.isfinite(derivatives(ng.lgamma, x)[0][0])
    assert not np.isfinite(derivatives(ng.digamma, x)[0][0])


# Function, arguments, first derivatives.
CONVENTIONS_2 = [
    (ng.maximum, (1.0, 1.0), (0.5, 0.5)),
    (ng.minimum, (1.0, 1.0), (0.5, 0.5)),
    (ng.fmax, (1.0, 1.0), (0.5, 0.5)),
    (ng.fmax, (NAN, 1.0), (0, 1)),
    (ng.fmin, (1.0, NAN), (1, 0)),
    (ng.maximum, (2.0, 1.0), (1, 0)),
    (ng.clamp_min, (1.0, 1.0), (1, 0)),
    (ng.clamp_min, (0.0, 1.0), (0, 1)),
    (ng.clamp_max, (1.0, 1.0), (1, 0)),
    (ng.clamp_max, (2.0, 1.0), (0, 1)),
    (ng.atan2, (0.0, 0.0), (0, 0)),
    (ng.atan2, (INF, 1.0), (0, 0)),
    (ng.hypot, (0.0, 0.0), (0, 0)),
    (ng.hypot, (1e200, 0.0), (1, 0)),
    (ng.remainder, (6.0, 2.0), (1, -3)),
    (ng.remainder, (-5.0, 3.0), (1, 2)),
    (ng.remainder, (5.0, 0.1), (1, -49)),
    (ng.fmod, (-6.0, 4.0), (1, 1)),
    (ng.floor_divide, (6.0, 2.0), (0, 0)),
    (ng.xlogy, (0.0, 0.0), (0, 0)),
    (ng.xlogy, (2.0, 0.0), (-INF, INF)),
    (ng.xlogy, (0.0, 2.0), (math.log(2.0), 0)),
    (ng.logaddexp, (-INF, -INF), (0.5, 0.5)),
    (ng.logaddexp, (INF, INF), (0.5, 0.5)),
    (ng.logaddexp, (-INF, 1.0), (0, 1)),
    (ng.logaddexp, (1e308, -1e308), (1, 0)),
    (ng.copysign, (0.0, -1.0), (0, 0)),
]


@pytest.mark.parametrize(("f", "xs", "expected"), CONVENTIONS_2)
def test_conventions_of_two_arguments(f, xs, expected):
    np.testing.assert_array_equal(derivatives(f, *xs)[0], expected)
    np.testing.assert_array_equal(fused(f, *xs), expected)


# Limits, x, value, derivatives to x and to both limits.
CLAMPED = [
    ((0.0, 1.0), 0.5, 0.5, (1, 0, 0)),
    ((0.0, 1.0), -1.0, 0.0, (0, 1, 0)),
    ((0.0, 1.0), 2.0, 1.0, (0, 0, 1)),
    ((0.0, 1.0), 0.0, 0.0, (1, 0, 0)),
    ((0.0, 1.0), 1.0, 1.0, (1, 0, 0)),
    ((1.0, 0.0), 0.5, 0.0, (0, 0, 1)),
    ((1.0, 0.0), -5.0, 0.0, (0, 0, 1)),
    ((0.0, 1.0), NAN, NAN, (0, 0, 0)),
]


@pytest.mark.parametrize(("limits", "x", "value", "expected"), CLAMPED)
def test_clamp(limits, x, value, expected):
    np.testing.assert_equal(ng.clamp(ng.tensor(x), *limits).item(), value)
    assert [g.item() for g in fused(ng.clamp, x, *limits)] == list(expected)


def test_clamp_without_limits():
    with pytest.raises(RuntimeError, match=r"clamp\(\) takes min or max"):
        ng.clamp(ng.ones(2))


def test_clamp_of_integers():
    assert ng.clamp(ng.tensor([1, 5, 9]), 2, 6).tolist() == [2, 5, 6]
    assert ng.clamp(ng.tensor([1, 5, 9]), max=6).dtype == np.int64


@pytest.mark.parametrize("weight", [0.0, 0.25, 0.75, 1.0])
def test_lerp(weight):
    start, end = np.array([1.0, -2.0]), np.array([4.0, 1e16])
    found = ng.lerp(ng.tensor(start), ng.tensor(end), weight).numpy()
    np.testing.assert_allclose(found, start + weight * (end - start), rtol=1e-15)
    assert ng.lerp(ng.tensor(0.1), ng.tensor(0.7), 1.0).item() == 0.7
    gradients = fused(ng.lerp, start, end, [weight, weight])
    np.testing.assert_array_equal(gradients[0], [1 - weight] * 2)
    np.testing.assert_array_equal(gradients[1], [weight] * 2)
    np.testing.assert_array_equal(gradients[2], end - start)


@pytest.mark.parametrize("n", [1, 2, 3, 6])
@pytest.mark.parametrize("x", [-3.7, -0.4, 1e-3, 0.5, 1.0, 9.5, 40.0, 1e10])
def test_polygamma(n, x):
    # mpmath's own polygamma is right for positive arguments alone: it is shifted there.
    with mpmath.workdps(40):
        m = max(0, math.ceil(-x))
        shift = sum((mpmath.mpf(x) + k) ** (-n - 1) for k in range(m))
        expected = mpmath.polygamma(n, mpmath.mpf(x) + m) - (-1) ** n * mpmath.factorial(n) * shift
    assert ng.polygamma(n, ng.tensor(x)).item() == pytest.approx(float(expected), rel=1e-14)


def test_third_derivative_of_lgamma():
    x = ng.tensor(2.5, requires_grad=True)
    g = ng.lgamma(x)
    for _ in range(3):
        (g,) = ng.autograd.grad(g, x, create_graph=True)
    assert g.item() == pytest.approx(scipy.special.polygamma(2, 2.5), rel=1e-14)


def test_slopes_may_be_tensors():
    x = ng.tensor([-2.0, 3.0])
    slope = ng.tensor(0.1, requires_grad=True)
    F.leaky_relu(x, slope).sum().backward()
    assert slope.grad.item() == -2.0


@pytest.mark.parametrize(
    "f", [F.elu, F.softplus, F.gelu, F.silu, F.logsigmoid, ng.relu, ng.sigmoid, ng.lgamma]
)
def test_float32_stays_float32(f):
    x = ng.tensor([0.5, 2.0], dtype=ng.float32, requires_grad=True)
    (g,) = ng.autograd.grad(f(x).sum(), x, create_graph=True)
    (h,) = ng.autograd.grad((g * x).sum(), x)
    assert {f(x).dtype, g.dtype, h.dtype} == {np.dtype(np.float32)}

"""Exponentials and logarithms, element by element. Edges are those of NumPy.

Outside the domain of a logarithm both its value and its derivative are nan.
"""

from __future__ import annotations

import math
from typing import Any

from numgrad.op import elementwise
from numgrad.ops.arithmetic import abs_, sqrt
from numgrad.ops.choice import equal, greater_equal, less, logical_and, where
from numgrad.ops.extremes import maximum
from numgrad.ops.trigonometric import tanh

LN2 = math.log(2)
LN10 = math.log(10)


@elementwise("exp({0})")
def exp(x: Any) -> Any:
    """e to the power x, element by element."""


@exp.partial
def _(x: Any, out: Any) -> Any:
    return out


@elementwise("exp2({0})")
def exp2(x: Any) -> Any:
    """2 to the power x, element by element."""


@exp2.partial
def _(x: Any, out: Any) -> Any:
    return LN2 * out


@elementwise("expm1({0})")
def expm1(x: Any) -> Any:
    """exp(x) - 1 without cancellation near 0, element by element."""


@expm1.partial
def _(x: Any, out: Any) -> Any:
    return exp(x)  # out + 1 would lose all digits where x is very negative


@elementwise("log1p({0})", node="Log1P")
def log1p(x: Any) -> Any:
    """log(1 + x) without cancellation near 0, element by element; -inf at -1, nan below."""


@log1p.partial
def _(x: Any, out: Any) -> Any:
    return where(less(x, -1), math.nan, 1 / (1 + x))


@elementwise("log2({0})")
def log2(x: Any) -> Any:
    """Logarithm to base 2, element by element; -inf at 0, nan below."""


@log2.partial
def _(x: Any, out: Any) -> Any:
    return where(less(x, 0), math.nan, (1 / LN2) / x)


@elementwise("log10({0})")
def log10(x: Any) -> Any:
    """Logarithm to base 10, element by element; -inf at 0, nan below."""


@log10.partial
def _(x: Any, out: Any) -> Any:
    return where(less(x, 0), math.nan, (1 / LN10) / x)


@elementwise
def rsqrt(x: Any) -> Any:
    """1 / sqrt(x), element by element; nan below 0. At 0: inf, with derivative -inf."""
    return 1 / sqrt(x + 0.0)  # + 0.0: the root of -0.0 is -0.0


@rsqrt.partial
def _(x: Any, out: Any) -> Any:
    return -0.5 * out / x


@elementwise
def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), element by element.

    At the edges: neither the value nor the derivative overflows or cancels, however large x is.
    """
    e = exp(-abs_(x))
    return where(greater_equal(x, 0), 1, e) / (1 + e)


@sigmoid.partial
def _(x: Any, out: Any) -> Any:
    return logistic_density(x)  # out * (1 - out) would cancel where x is large


@elementwise
def logistic_density(x: Any) -> Any:
    """Derivative of `sigmoid`, element by element: exp(-x) / (1 + exp(-x))**2."""
    e = exp(-abs_(x))
    return e / ((1 + e) * (1 + e))


@logistic_density.partial
def _(x: Any, out: Any) -> Any:
    return -out * tanh(0.5 * x)


@elementwise
def log_sigmoid(x: Any) -> Any:
    """log(sigmoid(x)) = -log(1 + exp(-x)), element by element, without overflow."""
    return where(less(x, 0), x, 0) - log1p(exp(-abs_(x)))


@log_sigmoid.partial
def _(x: Any, out: Any) -> Any:
    return sigmoid(-x)


@elementwise
def logaddexp(x: Any, y: Any) -> Any:
    """log(exp(x) + exp(y)) without overflow, element by element.

    At the edges: where both are -inf or both +inf the result is that, the derivative 0.5 to each.
    """
    return maximum(x, y) + log1p(exp(-abs_(_distance(x, y))))


@logaddexp.partial
def _(x: Any, y: Any, out: Any) -> Any:
    d = _distance(x, y)
    return sigmoid(d), sigmoid(-d)


@elementwise
def logaddexp2(x: Any, y: Any) -> Any:
    """log2(2**x + 2**y) without overflow, element by element; edges as `logaddexp`."""
    return maximum(x, y) + (1 / LN2) * log1p(exp2(-abs_(_distance(x, y))))


@logaddexp2.partial
def _(x: Any, y: Any, out: Any) -> Any:
    d = LN2 * _distance(x, y)
    return sigmoid(d), sigmoid(-d)


def _distance(x: Any, y: Any) -> Any:
    """x - y, and 0 between equal infinities."""
    same = logical_and(equal(x, y), equal(abs_(x), math.inf))
    return where(same, 0, x - y)

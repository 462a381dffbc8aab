"""Arithmetic, element by element. Edges are those of NumPy unless a docstring says otherwise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numgrad.op import elementwise
from numgrad.ops.choice import equal, greater_equal, less, logical_and, logical_or, where


@elementwise("{0} + {1}", integers=np.add)
def add(x: Any, y: Any) -> Any:
    """Sum x + y, element by element."""


@add.partial
def _(x: Any, y: Any, out: Any) -> Any:
    return 1, 1


@elementwise("{0} - {1}", integers=np.subtract)
def sub(x: Any, y: Any) -> Any:
    """Difference x - y, element by element."""


@sub.partial
def _(x: Any, y: Any, out: Any) -> Any:
    return 1, -1


@elementwise("{0} * {1}", integers=np.multiply)
def mul(x: Any, y: Any) -> Any:
    """Product x * y, element by element."""


@mul.partial
def _(x: Any, y: Any, out: Any) -> Any:
    return y, x


@elementwise
def product(x: Any, y: Any) -> Any:
    """Product x * y of the chain rule: 0 where one factor is 0 and the other is not finite.

    What is blanked so is the constant 0, without derivatives of its own.
    """
    p = x * y
    blank = logical_and(not_a_number(p), logical_or(equal(x, 0), equal(y, 0)))
    return where(blank, 0, p)


@product.partial
def _(x: Any, y: Any, out: Any) -> Any:
    blank = logical_and(not_a_number(x * y), logical_or(equal(x, 0), equal(y, 0)))
    return where(blank, 0, y), where(blank, 0, x)


@elementwise("({0} != {0})", logical=True, integers=np.isnan)
def not_a_number(x: Any) -> Any:
    """Where x is nan."""


@elementwise("{0} / {1}", integers=None)
def div(x: Any, y: Any) -> Any:
    """True quotient x / y, element by element; integers give the default dtype."""


@div.partial
def _(x: Any, y: Any, out: Any) -> Any:
    return 1 / y, -out / y


@elementwise("power({0}, {1})", integers=np.power)
def pow_(x: Any, y: Any) -> Any:
    """x to the power y, element by element.

    At the edges: `x**0` has derivative 0, also at 0; `0**y` has derivative 0 to y for y >= 0 and
    -inf for y < 0; a negative base with a fractional exponent gives nan.
    """


@pow_.partial
def _(x: Any, y: Any, out: Any) -> Any:
    to_x = where(equal(y, 0), 0, y * pow_(x, y - 1))
    at_zero = logical_and(equal(x, 0), greater_equal(y, 0))
    return to_x, where(at_zero, 0, out * log(x))


@elementwise("-{0}", integers=np.negative)
def neg(x: Any) -> Any:
    """Negation -x, element by element."""


@neg.partial
def _(x: Any, out: Any) -> Any:
    return -1


@elementwise("fabs({0})", integers=np.abs)
def abs_(x: Any) -> Any:
    """Absolute value, element by element; the derivative at 0 is 0."""


@abs_.partial
def _(x: Any, out: Any) -> Any:
    return sign(x)


@elementwise("({0} if {0} != {0} else ({0} > 0) - ({0} < 0))", integers=np.sign)
def sign(x: Any) -> Any:
    """-1, 0 or 1 by the sign of each element, nan for nan; the derivative is 0 everywhere."""


@sign.partial
def _(x: Any, out: Any) -> Any:
    return 0


@elementwise("sqrt({0})")
def sqrt(x: Any) -> Any:
    """Square root, element by element; nan below 0, and the derivative at 0 is +inf."""


@sqrt.partial
def _(x: Any, out: Any) -> Any:
    return 0.5 / (out + 0.0)  # + 0.0: the root of -0.0 is -0.0, its derivative is +inf too


@elementwise("", integers=np.square)
def square(x: Any) -> Any:
    """x * x, element by element."""
    return x * x


@square.partial
def _(x: Any, out: Any) -> Any:
    return 2 * x


@elementwise
def reciprocal(x: Any) -> Any:
    """1 / x, element by element."""
    return 1 / x


@reciprocal.partial
def _(x: Any, out: Any) -> Any:
    return -out * out


@elementwise("log({0})")
def log(x: Any) -> Any:
    """Natural logarithm, element by element; -inf at 0, nan below."""


@log.partial
def _(x: Any, out: Any) -> Any:
    return where(less(x, 0), math.nan, 1 / x)

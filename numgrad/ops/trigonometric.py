"""Circular and hyperbolic functions and their inverses, element by element.

Edges are those of NumPy. Outside the domain of an inverse both its value and its derivative are
nan; at the ends of the domain the derivative is infinite.
"""

from __future__ import annotations

import math
from typing import Any

from numgrad.op import elementwise
from numgrad.ops.arithmetic import abs_, sqrt
from numgrad.ops.choice import equal, greater, logical_or, where


@elementwise("sin({0})")
def sin(x: Any) -> Any:
    """Sine, element by element."""


@sin.partial
def _(x: Any, out: Any) -> Any:
    return cos(x)


@elementwise("cos({0})")
def cos(x: Any) -> Any:
    """Cosine, element by element."""


@cos.partial
def _(x: Any, out: Any) -> Any:
    return -sin(x)


@elementwise("tan({0})")
def tan(x: Any) -> Any:
    """Tangent, element by element."""


@tan.partial
def _(x: Any, out: Any) -> Any:
    return 1 + out * out


@elementwise
def one_minus_square(x: Any) -> Any:
    """1 - x * x without cancellation where x is close to 1, element by element."""
    return (1 - x) * (1 + x)


@one_minus_square.partial
def _(x: Any, out: Any) -> Any:
    return -2 * x  # that of the factors would cancel where x is close to 0


@elementwise("asin({0})")
def asin(x: Any) -> Any:
    """Inverse sine, element by element; the derivative at -1 and 1 is inf."""


@asin.partial
def _(x: Any, out: Any) -> Any:
    return 1 / sqrt(one_minus_square(x))


@elementwise("acos({0})")
def acos(x: Any) -> Any:
    """Inverse cosine, element by element; the derivative at -1 and 1 is -inf."""


@acos.partial
def _(x: Any, out: Any) -> Any:
    return -1 / sqrt(one_minus_square(x))


@elementwise("atan({0})")
def atan(x: Any) -> Any:
    """Inverse tangent, element by element."""


@atan.partial
def _(x: Any, out: Any) -> Any:
    return 1 / (1 + x * x)


@elementwise("atan2({0}, {1})")
def atan2(y: Any, x: Any) -> Any:
    """Angle of the point (x, y), in (-pi, pi], element by element; y comes first.

    At the edges: at (0, 0) and where x or y is infinite, both derivatives are 0.
    """


@atan2.partial
def _(y: Any, x: Any, out: Any) -> Any:
    h = hypot(x, y)
    blank = logical_or(equal(h, 0), equal(h, math.inf))
    return where(blank, 0, x / h / h), where(blank, 0, -y / h / h)


@elementwise("hypot({0}, {1})")
def hypot(x: Any, y: Any) -> Any:
    """sqrt(x**2 + y**2) without overflow, element by element; at (0, 0) both derivatives are 0."""


@hypot.partial
def _(x: Any, y: Any, out: Any) -> Any:
    at_zero = equal(out, 0)
    return where(at_zero, 0, x / out), where(at_zero, 0, y / out)


@elementwise("sinh({0})")
def sinh(x: Any) -> Any:
    """Hyperbolic sine, element by element."""


@sinh.partial
def _(x: Any, out: Any) -> Any:
    return cosh(x)


@elementwise("cosh({0})")
def cosh(x: Any) -> Any:
    """Hyperbolic cosine, element by element."""


@cosh.partial
def _(x: Any, out: Any) -> Any:
    return sinh(x)


@elementwise("tanh({0})")
def tanh(x: Any) -> Any:
    """Hyperbolic tangent, element by element."""


@tanh.partial
def _(x: Any, out: Any) -> Any:
    return 1 - out * out


@elementwise("asinh({0})")
def asinh(x: Any) -> Any:
    """Inverse hyperbolic sine, element by element."""


@asinh.partial
def _(x: Any, out: Any) -> Any:
    return 1 / hypot(x, 1)


@elementwise("acosh({0})")
def acosh(x: Any) -> Any:
    """Inverse hyperbolic cosine, element by element; the derivative at 1 is inf."""


@acosh.partial
def _(x: Any, out: Any) -> Any:
    return 1 / (sqrt(x - 1) * sqrt(x + 1))


@elementwise("atanh({0})")
def atanh(x: Any) -> Any:
    """Inverse hyperbolic tangent, element by element; the derivative at -1 and 1 is inf."""


@atanh.partial
def _(x: Any, out: Any) -> Any:
    return where(greater(abs_(x), 1), math.nan, 1 / one_minus_square(x))

"""Special functions, element by element. Values are those of `scipy.special`.

They agree to 1e-14, relative to the larger of 1 and the value. `polygamma` below 0, whose terms may
cancel, agrees relative to the largest of them.
"""

from __future__ import annotations

import math
from typing import Any

from numgrad.op import elementwise
from numgrad.ops.arithmetic import log
from numgrad.ops.choice import equal, less_equal, logical_and, where
from numgrad.ops.exponential import exp, log1p

TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)


@elementwise("erf({0})")
def erf(x: Any) -> Any:
    """Error function, element by element: 2 / sqrt(pi) times the integral of exp(-t**2) to x."""


@erf.partial
def _(x: Any, out: Any) -> Any:
    return TWO_OVER_ROOT_PI * exp(-x * x)


@elementwise("erfc({0})")
def erfc(x: Any) -> Any:
    """1 - erf(x) without cancellation where x is large, element by element."""


@erfc.partial
def _(x: Any, out: Any) -> Any:
    return -TWO_OVER_ROOT_PI * exp(-x * x)


@elementwise("lgamma({0})")
def lgamma(x: Any) -> Any:
    """log(|gamma(x)|), element by element; inf at 0, -1, -2, ..., with a derivative not finite."""


@lgamma.partial
def _(x: Any, out: Any) -> Any:
    return digamma(x)


@elementwise("digamma({0})")
def digamma(x: Any) -> Any:
    """Derivative of `lgamma`, element by element.

    At the edges: -inf at 0, inf at -0.0, nan at -1, -2, ...; the derivative at all poles is inf.
    Source: `scipy.special.digamma`.
    """


@digamma.partial
def _(x: Any, out: Any) -> Any:
    return trigamma(x)


@elementwise("trigamma({0})")
def trigamma(x: Any) -> Any:
    """Derivative of `digamma`, element by element: `polygamma` of order 1, but faster."""


@trigamma.partial
def _(x: Any, out: Any) -> Any:
    return polygamma(2, x)


@elementwise("polygamma(f8({0}), f8({1}))")
def polygamma(order: Any, x: Any) -> Any:
    """Derivative of `digamma` of order 0, 1, 2, ..., element by element; nan for other orders.

    At the poles 0, -1, -2, ... it is inf for odd orders, -inf for even ones. There is no derivative
    to the order. Source: `scipy.special.polygamma`, which gives nan at -inf, too.
    """


@polygamma.partial
def _(order: Any, x: Any, out: Any) -> Any:
    return None, polygamma(order + 1, x)


@elementwise
def xlogy(x: Any, y: Any) -> Any:
    """x * log(y), and 0 where x is 0 and y is not nan, element by element.

    At the edges: where x is 0 and y is not positive both derivatives are 0; elsewhere at y = 0 the
    derivative to x is -inf. Source: `scipy.special.xlogy`.
    """
    return where(logical_and(equal(x, 0), equal(y, y)), 0, x * log(y))


@xlogy.partial
def _(x: Any, y: Any, out: Any) -> Any:
    blank = logical_and(equal(x, 0), less_equal(y, 0))
    return where(blank, 0, log(y)), where(blank, 0, x / y)


@elementwise
def xlog1py(x: Any, y: Any) -> Any:
    """x * log1p(y), and 0 where x is 0 and y is not nan, element by element.

    At the edges: as `xlogy` at 1 + y. Source: `scipy.special.xlog1py`.
    """
    return where(logical_and(equal(x, 0), equal(y, y)), 0, x * log1p(y))


@xlog1py.partial
def _(x: Any, y: Any, out: Any) -> Any:
    blank = logical_and(equal(x, 0), less_equal(y, -1))
    return where(blank, 0, log1p(y)), where(blank, 0, x / (1 + y))

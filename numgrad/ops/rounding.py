"""Rounding, and what is left over, element by element. Steps have the derivative 0 everywhere."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import dtypes
from numgrad.op import elementwise
from numgrad.ops.arithmetic import div, mul
from numgrad.ops.broadcast import cast
from numgrad.value import lift

if TYPE_CHECKING:
    from numgrad.tensor import Tensor


@elementwise("floor({0})", integers=np.array)
def floor(x: Any) -> Any:
    """Largest integer that is at most x, element by element."""


@floor.partial
def _(x: Any, out: Any) -> Any:
    return 0


@elementwise("ceil({0})", integers=np.array)
def ceil(x: Any) -> Any:
    """Smallest integer that is at least x, element by element."""


@ceil.partial
def _(x: Any, out: Any) -> Any:
    return 0


@elementwise("trunc({0})", integers=np.array)
def trunc(x: Any) -> Any:
    """Nearest integer towards 0, element by element."""


@trunc.partial
def _(x: Any, out: Any) -> Any:
    return 0


@elementwise("rint({0})", integers=np.array, node="Round")
def rint(x: Any) -> Any:
    """Nearest integer, the even one of two, element by element."""


@rint.partial
def _(x: Any, out: Any) -> Any:
    return 0


def round(x: Tensor, decimals: int = 0) -> Tensor:
    """Round to a number of decimals, half to even; a negative one counts to the left of the point.

    The derivative is 0 everywhere. Integers stay what they are, where `decimals` is not negative.

    >>> ng.round(ng.tensor([0.5, 1.5, -2.675]))
    tensor([ 0.,  2., -3.])
    >>> ng.round(ng.tensor([1.25, 1.35]), decimals=1)
    tensor([1.2000, 1.4000])
    """
    x = lift(x, "round")
    if decimals == 0 or (decimals > 0 and x.dtype.kind in dtypes.EXACT):
        return rint(x)  # type: ignore[no-any-return]
    scale = 10.0 ** builtins.abs(decimals)
    if decimals > 0:
        return div(rint(mul(x, scale)), scale)  # type: ignore[no-any-return]
    rounded = mul(rint(div(x, scale)), scale)
    return cast(rounded, dtype=x.dtype) if rounded.dtype != x.dtype else rounded  # type: ignore[no-any-return]


@elementwise
def frac(x: Any) -> Any:
    """x - trunc(x), element by element; the derivative is 1, also at the jumps."""
    return x - trunc(x)


@frac.partial
def _(x: Any, out: Any) -> Any:
    return 1


@elementwise("remainder({0}, {1})", integers=np.remainder)
def remainder(x: Any, y: Any) -> Any:
    """x - floor(x / y) * y, which has the sign of y, element by element.

    At the edges: where y is 0 it is nan. The derivatives are 1 and -floor(x / y), also at jumps.
    Source: `numpy.remainder`.
    """


@remainder.partial
def _(x: Any, y: Any, out: Any) -> Any:
    return 1, -floor_divide(x, y)


@elementwise("floor_divide(f8({0}), f8({1}))", integers=np.floor_divide)
def floor_divide(x: Any, y: Any) -> Any:
    """floor(x / y), element by element, consistent with `remainder`; the derivatives are 0.

    Source: `numpy.floor_divide`.
    """


@floor_divide.partial
def _(x: Any, y: Any, out: Any) -> Any:
    return 0, 0


@elementwise("fmod({0}, {1})", integers=np.fmod)
def fmod(x: Any, y: Any) -> Any:
    """x - trunc(x / y) * y, which has the sign of x, element by element.

    At the edges: where y is 0 it is nan. The derivatives are 1 and -trunc(x / y), also at jumps.
    Source: `numpy.fmod`.
    """


@fmod.partial
def _(x: Any, y: Any, out: Any) -> Any:
    # An integer but for rounding, where the rounded x / y may lie across the next integer.
    return 1, -rint((x - out) / y)

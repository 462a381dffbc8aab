"""The larger and the smaller of two, limits, and what goes with the sign, element by element."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.op import elementwise
from numgrad.ops.arithmetic import not_a_number, sign
from numgrad.ops.choice import (
    equal,
    greater,
    greater_equal,
    less,
    less_equal,
    logical_and,
    logical_or,
    where,
)

if TYPE_CHECKING:
    from numgrad.tensor import Tensor


@elementwise("maximum({0}, {1})", integers=np.maximum)
def maximum(x: Any, y: Any) -> Any:
    """Larger of x and y, element by element.

    At the edges: nan where one is nan. Where they are equal the derivative is 0.5 to each.
    """


@maximum.partial
def _(x: Any, y: Any, out: Any) -> Any:
    tie = equal(x, y)
    return where(tie, 0.5, where(less(x, y), 0, 1)), where(tie, 0.5, where(less(y, x), 0, 1))


@elementwise("minimum({0}, {1})", integers=np.minimum)
def minimum(x: Any, y: Any) -> Any:
    """Smaller of x and y, element by element.

    At the edges: nan where one is nan. Where they are equal the derivative is 0.5 to each.
    """


@minimum.partial
def _(x: Any, y: Any, out: Any) -> Any:
    tie = equal(x, y)
    return where(tie, 0.5, where(greater(x, y), 0, 1)), where(tie, 0.5, where(greater(y, x), 0, 1))


@elementwise("", integers=np.fmax)
def fmax(x: Any, y: Any) -> Any:
    """Larger of x and y, element by element; where one is nan, the other.

    At the edges: where they are equal the derivative is 0.5 to each; what is taken in place of a
    nan gets 1.
    """
    return where(not_a_number(x), y, where(not_a_number(y), x, maximum(x, y)))


@fmax.partial
def _(x: Any, y: Any, out: Any) -> Any:
    x_wins = logical_or(greater(x, y), not_a_number(y))
    y_wins = logical_or(greater(y, x), not_a_number(x))
    return _shares(x, y, x_wins, y_wins)


@elementwise("", integers=np.fmin)
def fmin(x: Any, y: Any) -> Any:
    """Smaller of x and y, element by element; where one is nan, the other.

    At the edges: as `fmax`.
    """
    return where(not_a_number(x), y, where(not_a_number(y), x, minimum(x, y)))


@fmin.partial
def _(x: Any, y: Any, out: Any) -> Any:
    x_wins = logical_or(less(x, y), not_a_number(y))
    y_wins = logical_or(less(y, x), not_a_number(x))
    return _shares(x, y, x_wins, y_wins)


def _shares(x: Any, y: Any, x_wins: Any, y_wins: Any) -> Any:
    """1 to the winner, 0.5 to each of two equals."""
    tie = equal(x, y)
    return where(tie, 0.5, where(x_wins, 1, 0)), where(tie, 0.5, where(y_wins, 1, 0))


@elementwise("maximum({0}, {1})", integers=np.maximum)
def clamp_min(x: Any, min: Any) -> Any:
    """x, but at least `min`, element by element; where they are equal the derivative goes to x."""


@clamp_min.partial
def _(x: Any, min: Any, out: Any) -> Any:
    return where(greater_equal(x, min), 1, 0), where(less(x, min), 1, 0)


@elementwise("minimum({0}, {1})", integers=np.minimum)
def clamp_max(x: Any, max: Any) -> Any:
    """x, but at most `max`, element by element; where they are equal the derivative goes to x."""


@clamp_max.partial
def _(x: Any, max: Any, out: Any) -> Any:
    return where(less_equal(x, max), 1, 0), where(greater(x, max), 1, 0)


@elementwise("minimum(maximum({0}, {1}), {2})", integers=np.clip, name="clamp")
def limited(x: Any, low: Any, high: Any) -> Any:
    """x, but at least `low` and at most `high`, and `high` where that is below `low`."""


@limited.partial
def _(x: Any, low: Any, high: Any, out: Any) -> Any:
    inside = logical_and(greater_equal(x, low), less_equal(x, high))
    below = logical_and(less(x, low), less_equal(low, high))
    above = logical_or(greater(x, high), less(high, low))
    return where(inside, 1, 0), where(below, 1, 0), where(above, 1, 0)


def clamp(x: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """x, but at least `min` and at most `max`, element by element; each may be left out.

    At the edges: at a limit the derivative is 1 to x and 0 to the limit. Where `min` is above
    `max` the result is `max`.

    Raises: RuntimeError if both are left out.

    >>> ng.clamp(ng.tensor([-2.0, 0.5, 2.0]), -1, 1)
    tensor([-1.0000,  0.5000,  1.0000])
    """
    if min is None and max is None:
        raise RuntimeError("clamp() takes min or max or both, got neither.")
    if min is None:
        return clamp_max(x, max)  # type: ignore[no-any-return]
    if max is None:
        return clamp_min(x, min)  # type: ignore[no-any-return]
    return limited(x, min, max)  # type: ignore[no-any-return]


@elementwise("copysign({0}, {1})")
def copysign(x: Any, y: Any) -> Any:
    """|x| with the sign of y, element by element; the derivative to x is 0 where x is 0."""


@copysign.partial
def _(x: Any, y: Any, out: Any) -> Any:
    return sign(x) * copysign(1, y), 0

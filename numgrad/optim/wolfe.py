"""A line search for steps that satisfy the strong Wolfe conditions.

Source: Nocedal and Wright, Numerical Optimization, algorithms 3.5 (bracket) and 3.6 (zoom), with
cubic interpolation (3.59); the safeguards are those of torch.optim.LBFGS, whose steps these are.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

# A step must lessen the value by this share of what the slope promises,
_SUFFICIENT = 1e-4
# and the slope at it must be at most this share of the first.
_FLATTER = 0.9
_MOST_STEPS = 25
# How far outwards a step may grow at once, in multiples of it.
_GROWTH = 10.0
# Least change of a step, relative to the interval.
_LEAST_GROWTH, _LEAST_INSIDE = 0.01, 0.1


class Point(NamedTuple):
    """A step along the direction: the value, gradient and slope there."""

    step: float
    value: float
    gradient: np.ndarray[Any, Any]
    slope: float


def search(
    at: Callable[[float], Point],
    start: Point,
    step: float,
    direction: np.ndarray[Any, Any],
    tolerance: float,
) -> tuple[Point, int]:
    """Return a point that satisfies the conditions, the best there is otherwise; and the calls.

    `at` evaluates a step, `start` is that of length 0, `step` the first to try. Gives up where
    the interval moves no parameter by more than `tolerance`.
    """
    last, now, calls = start, at(step), 1
    for tried in range(_MOST_STEPS):
        if not _sufficient(now, start) or (tried > 1 and now.value >= last.value):
            break
        if abs(now.slope) <= -_FLATTER * start.slope:
            return now, calls
        if now.slope >= 0:
            break
        least = now.step + _LEAST_GROWTH * (now.step - last.step)
        step = interpolate(last, now, (least, now.step * _GROWTH))
        last, now = now, at(step)
        calls += 1
    else:
        return min(start, now, key=lambda point: point.value), calls
    width = float(np.max(np.abs(direction)))
    best, more = _zoom(at, start, [last, now], tolerance, width, _MOST_STEPS - tried)
    return best, calls + more


def _sufficient(point: Point, start: Point) -> bool:
    return point.value <= start.value + _SUFFICIENT * point.step * start.slope


def _zoom(
    at: Callable[[float], Point],
    start: Point,
    ends: list[Point],
    tolerance: float,
    width: float,
    most: int,
) -> tuple[Point, int]:
    """Narrow an interval that holds a point as wanted."""
    low = 0 if ends[0].value <= ends[1].value else 1
    hesitated = False
    calls = 0
    while calls < most and abs(ends[1].step - ends[0].step) * width >= tolerance:
        step = interpolate(ends[0], ends[1])
        lower, upper = sorted((ends[0].step, ends[1].step))
        margin = _LEAST_INSIDE * (upper - lower)
        if min(upper - step, step - lower) >= margin:
            hesitated = False
        elif hesitated or step >= upper or step <= lower:
            # The second step so near an end: move away from it.
            step = upper - margin if abs(step - upper) < abs(step - lower) else lower + margin
            hesitated = False
        else:
            hesitated = True
        now = at(step)
        calls += 1
        if not _sufficient(now, start) or now.value >= ends[low].value:
            ends[1 - low] = now
            low = 0 if ends[0].value <= ends[1].value else 1
            continue
        if abs(now.slope) <= -_FLATTER * start.slope:
            return now, calls
        if now.slope * (ends[1 - low].step - ends[low].step) >= 0:
            ends[1 - low] = ends[low]
        ends[low] = now
    return ends[low], calls


def interpolate(one: Point, other: Point, bounds: tuple[float, float] | None = None) -> float:
    """Return where the cubic through two values and slopes is least, within bounds."""
    lower, upper = bounds or sorted((one.step, other.step))
    left, right = (one, other) if one.step <= other.step else (other, one)
    mean = left.slope + right.slope - 3 * (left.value - right.value) / (left.step - right.step)
    square = mean * mean - left.slope * right.slope
    if not square >= 0:
        return (lower + upper) / 2
    root = math.sqrt(square)
    share = (right.slope + root - mean) / (right.slope - left.slope + 2 * root)
    return min(max(right.step - (right.step - left.step) * share, lower), upper)

"""Losses of predictions and targets, before they are summed up."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numgrad.kernels import layout, rows
from numgrad.op import elementwise, structural
from numgrad.ops import batched_index
from numgrad.ops.arithmetic import abs_, neg, product
from numgrad.ops.exponential import exp, log1p, sigmoid
from numgrad.ops.extremes import maximum
from numgrad.ops.reduce import sum_over


def _softplus_of_both(x: Any) -> tuple[Any, Any]:
    """-log(1 - sigmoid(x)) and -log(sigmoid(x))."""
    rest = log1p(exp(-abs_(x)))
    return maximum(x, 0) + rest, maximum(-x, 0) + rest


@elementwise("", node="BinaryCrossEntropyWithLogits")
def logit_loss(x: Any, target: Any) -> Any:
    """Cross entropy of the probability sigmoid(x) and `target`, in [0, 1]; nothing cancels."""
    if_0, if_1 = _softplus_of_both(x)
    return (1 - target) * if_0 + target * if_1


@logit_loss.partial
def _(x: Any, target: Any, out: Any) -> Any:
    return (1 - target) * sigmoid(x) - target * sigmoid(-x), -x


@elementwise("", node="BinaryCrossEntropyWithLogits")
def weighted_logit_loss(x: Any, target: Any, weight: Any) -> Any:
    """The same where the part of the targets that are 1 counts `weight` times."""
    if_0, if_1 = _softplus_of_both(x)
    return (1 - target) * if_0 + weight * target * if_1


@weighted_logit_loss.partial
def _(x: Any, target: Any, weight: Any, out: Any) -> Any:
    if_0, if_1 = _softplus_of_both(x)
    to_x = (1 - target) * sigmoid(x) - weight * target * sigmoid(-x)
    return to_x, weight * if_1 - if_0, target * if_1


@structural(node="MseLoss")
def squared_error(x: Any, y: Any, *, divisor: float) -> Any:
    """Sum of squared differences of two arrays of one shape, over the divisor."""
    everything = tuple(range(x.ndim))
    x, y = (layout.as_rows(a, everything) for a in (x, y))
    total = rows.kernel("squared_distance", x.dtype.char)(x, y)
    with np.errstate(invalid="ignore"):  # 0 / 0
        return total / x.dtype.type(divisor)


@squared_error.vjp()
def _(g: Any, x: Any, y: Any, *, divisor: float, needs: Any) -> Any:
    to_x = squared_error_vjp(g, x, y, divisor=divisor)
    return to_x, neg(to_x) if needs[1] else None


@structural
def squared_error_vjp(cotangent: Any, x: Any, y: Any, *, divisor: float) -> Any:
    """The gradient of x."""
    factor = cotangent * cotangent.dtype.type(_slope(divisor))
    everything = tuple(range(x.ndim))
    return layout.along("scaled_difference", everything, x, y, others=(factor,))


@squared_error_vjp.vjp()
def _(g: Any, cotangent: Any, x: Any, y: Any, *, divisor: float) -> Any:
    factor = _slope(divisor)
    to_cotangent = sum_over(product(g, x - y), axes=None, keepdims=False) * factor
    to_x = product(g, cotangent * factor)
    return to_cotangent, to_x, neg(to_x)


def _slope(divisor: float) -> float:
    return 2 / divisor if divisor else math.nan


@structural(node="NllLoss", linear=True, batch=batched_index.losing)
def class_loss(x: Any, *, axis: int, index: Any, weight: Any) -> Any:
    """Minus x at one index along an axis, times a weight; 0 where the weight is 0.

    Without a weight (None) all count 1.
    """
    picked = x[places(axis, index)]
    return np.negative(weighted(picked, weight))


@class_loss.vjp("x")
def _(g: Any, *, axis: int, index: Any, weight: Any, shapes: Any) -> Any:
    return class_loss_vjp(g, axis=axis, index=index, weight=weight, extent=shapes[0][axis])


@structural(linear=True, batch=batched_index.losing)
def class_loss_vjp(x: Any, *, axis: int, index: Any, weight: Any, extent: int) -> Any:
    """Zeros, but at the index minus x times the weight."""
    out = np.zeros((*x.shape[:axis], extent, *x.shape[axis:]), x.dtype)
    out[places(axis, index)] = np.negative(weighted(x, weight))
    return out


@class_loss_vjp.vjp("x")
def _(g: Any, *, axis: int, index: Any, weight: Any) -> Any:
    return class_loss(g, axis=axis, index=index, weight=weight)


def weighted(x: Any, weight: Any) -> Any:
    """x times the weight, by the NaN-safe rule: 0 where the weight is 0."""
    if weight is None:
        return x
    return np.multiply(x, weight, out=np.zeros(weight.shape, x.dtype), where=weight != 0)


def places(axis: int, index: Any) -> tuple[Any, ...]:
    """What selects one element for each element of `index`, whose shape lacks the axis."""
    grid = np.ix_(*map(np.arange, index.shape))
    return (*grid[:axis], index, *grid[axis:])

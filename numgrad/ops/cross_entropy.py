"""Cross entropy of the softmax of x and a target, each a kernel forward and one backward.

Kernels take a row of classes at a time and keep nothing for the way back: there they read the row
once more, which takes less time than memory for its softmax would. What they give is first order;
the rules of the gradients are written in the softmax.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from numgrad.kernels import layout, rows
from numgrad.op import structural
from numgrad.ops.arithmetic import neg, product, sub
from numgrad.ops.losses import class_loss, weighted
from numgrad.ops.reduce import kept, sum_over
from numgrad.ops.softmax import log_softmax_along, softmax_along, softmax_vjp


@structural(node="NllLoss")
def label_loss(x: Any, *, axis: int, label: Any, weight: Any, divisor: float | None) -> Any:
    """Minus the log of the softmax of x at one label along an axis, times a weight (None: 1).

    Labels are int64, and what has weight 0 counts nothing, whatever x is there. All are summed up
    and divided, unless the divisor is None.
    """
    kernel = rows.kernel("cross_entropy", x.dtype.char)
    one = x.dtype.type(1) if weight is None else weight
    return _reduced(kernel(layout.as_rows(x, (axis,)), label, one), divisor)


@label_loss.vjp("x")
def _(g: Any, x: Any, *, axis: int, label: Any, weight: Any, divisor: float | None) -> Any:
    return label_loss_vjp(g, x, axis=axis, label=label, weight=weight, divisor=divisor)


@structural
def label_loss_vjp(
    cotangent: Any, x: Any, *, axis: int, label: Any, weight: Any, divisor: float | None
) -> Any:
    """The softmax, less 1 at the label, times the weight and what the loss was divided by."""
    factor = weighted(_divided(cotangent, divisor), weight)
    return layout.along("cross_entropy_vjp", (axis,), x, others=(label, factor))


@label_loss_vjp.vjp()
def _(
    g: Any, cotangent: Any, x: Any, *, axis: int, label: Any, weight: Any, divisor: float | None
) -> Any:
    axes = (axis,)
    share = softmax_along(x, axes=axes)
    along = sum_over(product(g, share), axes=axes, keepdims=False)
    along = along if weight is None else product(along, weight)
    slope = along + class_loss(g, axis=axis, index=label, weight=weight)
    factor = cotangent if divisor is None else cotangent / divisor
    if weight is not None:
        factor = product(factor, weight)
    if factor.ndim:
        factor = kept(factor, x.shape, axes, keepdims=False)
    return _summed(slope, divisor), product(factor, softmax_vjp(g, share, axes=axes))


@structural(node="CrossEntropy")
def target_loss(x: Any, target: Any, *, axis: int, divisor: float | None) -> Any:
    """Minus the log of the softmax of x, summed over an axis with the weights `target`.

    A weight 0 counts nothing, whatever x is there. All are summed up and divided, unless the
    divisor is None.
    """
    kernel = rows.kernel("soft_cross_entropy", x.dtype.char)
    axes = (axis,)
    return _reduced(kernel(layout.as_rows(x, axes), layout.as_rows(target, axes)), divisor)


@target_loss.vjp("x")
def _(g: Any, x: Any, target: Any, *, axis: int, divisor: float | None) -> Any:
    return target_loss_vjp(g, x, target, axis=axis, divisor=divisor)


@target_loss.vjp("target")
def _(g: Any, x: Any, *, axis: int, divisor: float | None) -> Any:
    factor = _factor(g, x.shape, axis, divisor)
    return neg(product(factor, log_softmax_along(x, axes=(axis,))))


@structural
def target_loss_vjp(
    cotangent: Any, x: Any, target: Any, *, axis: int, divisor: float | None
) -> Any:
    """The softmax times the sum of the weights, less the weights."""
    factor = _divided(cotangent, divisor)
    return layout.along("soft_cross_entropy_vjp", (axis,), x, target, others=(factor,))


@target_loss_vjp.vjp()
def _(g: Any, cotangent: Any, x: Any, target: Any, *, axis: int, divisor: float | None) -> Any:
    axes = (axis,)
    share = softmax_along(x, axes=axes)
    mass = sum_over(target, axes=axes, keepdims=True)
    factor = _factor(cotangent, x.shape, axis, divisor)
    terms = product(g, sub(product(share, mass), target))
    along = sum_over(product(g, share), axes=axes, keepdims=True)
    return (
        _summed(sum_over(terms, axes=axes, keepdims=False), divisor),
        product(factor, product(mass, softmax_vjp(g, share, axes=axes))),
        product(factor, sub(along, g)),
    )


def _reduced(losses: Any, divisor: float | None) -> Any:
    """The sum of the losses over the divisor."""
    if divisor is None:
        return losses
    return _divided(layout.fold("sum", np.asarray(losses), None, keepdims=False), divisor)


def _divided(x: Any, divisor: float | None) -> Any:
    if divisor is None or divisor == 1:
        return x
    if divisor == 0:
        with np.errstate(all="ignore"):
            return x / x.dtype.type(0)
    return x / x.dtype.type(divisor)


def _summed(slopes: Any, divisor: float | None) -> Any:
    """The gradient of the cotangent, from its gradient in each row."""
    if divisor is None:
        return slopes
    return sum_over(slopes, axes=None, keepdims=False) / divisor


def _factor(cotangent: Any, shape: tuple[int, ...], axis: int, divisor: float | None) -> Any:
    """What each row is multiplied by, in a shape that broadcasts to that of x."""
    if divisor is None:
        return kept(cotangent, shape, (axis,), keepdims=False)
    return cotangent / divisor

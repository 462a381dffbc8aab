"""Losses of predictions and targets of one shape, and what all losses end in."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from numgrad import functions
from numgrad.errors import ShapeError
from numgrad.ops.batching import is_batched
from numgrad.ops.losses import squared_error
from numgrad.ops.reduce import KERNELS, mean, sum
from numgrad.record import as_tensor

if TYPE_CHECKING:
    from numgrad.tensor import Tensor

functions.lift_structural()


def check_reduction(name: str, reduction: str) -> None:
    """Raise ValueError unless `reduction` is one of the three."""
    if reduction not in {"none", "mean", "sum"}:
        raise ValueError(f"{name}() takes reduction='none', 'mean' or 'sum', got {reduction!r}.")


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """All elements of a loss, their mean or their sum."""
    if reduction == "none":
        return loss
    return mean(loss) if reduction == "mean" else sum(loss)


def mse_loss(input: Tensor, target: Any, *, reduction: str = "mean", weight: Any = None) -> Tensor:
    """Squared difference of input and target: the mean, or the sum, or each element's.

    With a weight the mean is the weighted one.

    Raises:
        ValueError: an unknown reduction.

    >>> ng.nn.functional.mse_loss(ng.tensor([1.0, 2.0]), ng.tensor([1.0, 4.0]), reduction="sum")
    tensor(4.)
    """
    x, y = as_tensor(input, "mse_loss"), as_tensor(target, "mse_loss")
    alike = x.shape == y.shape and x.dtype == y.dtype and x.dtype.char in KERNELS
    alike = alike and not (is_batched(x) or is_batched(y))
    if alike and weight is None and reduction in {"mean", "sum"}:
        divisor = x.array.size if reduction == "mean" else 1
        return squared_error(x, y, divisor=divisor)  # type: ignore[no-any-return]
    difference = _difference("mse_loss", x, y, reduction)
    return _weighted("mse_loss", functions.square(difference), weight, reduction)


def l1_loss(input: Tensor, target: Any, *, reduction: str = "mean", weight: Any = None) -> Tensor:
    """Absolute difference of input and target: the mean, or the sum, or each element's.

    At the edges: where both are equal the derivative is 0. With a weight the mean is the weighted
    one.

    Raises:
        ValueError: an unknown reduction.

    >>> ng.nn.functional.l1_loss(ng.tensor([1.0, 2.0]), ng.tensor([1.0, 4.0]))
    tensor(1.)
    """
    difference = _difference("l1_loss", input, target, reduction)
    return _weighted("l1_loss", functions.abs(difference), weight, reduction)


def _difference(name: str, input: Any, target: Any, reduction: str) -> Tensor:
    check_reduction(name, reduction)
    input, target = as_tensor(input, name), as_tensor(target, name)
    if input.shape != target.shape:
        warnings.warn(
            f"{name}() got an input of shape {input.shape} and a target of shape {target.shape},"
            " which broadcast to more elements than either may mean: reshape one of them.",
            UserWarning,
            stacklevel=3,
        )
    return functions.sub(input, target)


def _weighted(name: str, loss: Tensor, weight: Any, reduction: str) -> Tensor:
    if weight is None:
        return reduced(loss, reduction)
    weight = as_tensor(weight, name)
    if weight.shape != loss.shape:
        raise ShapeError(
            f"{name}() takes a weight of the shape {loss.shape} of its input, got {weight.shape}."
        )
    if reduction == "mean":
        return sum(loss * weight) / sum(weight)  # type: ignore[no-any-return]
    return reduced(loss * weight, reduction)

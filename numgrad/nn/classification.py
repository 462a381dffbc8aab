"""Losses of classifiers: cross entropy of class indices, class probabilities and bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from numgrad import functions
from numgrad.errors import ShapeError
from numgrad.nn.losses import check_reduction, reduced
from numgrad.ops import losses
from numgrad.ops.batching import is_batched, joined
from numgrad.ops.broadcast import cast
from numgrad.ops.cross_entropy import label_loss, target_loss
from numgrad.ops.reduce import floating, sum
from numgrad.ops.softmax import computed, log_softmax
from numgrad.record import as_tensor
from numgrad.tensor import constant

if TYPE_CHECKING:
    from numgrad.tensor import Tensor

functions.lift_structural()
_logit_loss = functions.lift(losses.logit_loss)
_weighted_logit_loss = functions.lift(losses.weighted_logit_loss)


class Classes(NamedTuple):
    """Targets that are class indices, checked: which to pick, and how much each counts."""

    picked: Any
    # How much each counts, 0 for what is ignored; None if all count 1.
    weight: Any
    # Which targets are not ignored; None if all are not.
    valid: Any

    def divisor(self, reduction: str) -> float | None:
        """What the sum of the losses is divided by; None where they are not summed up."""
        if reduction == "none":
            return None
        if reduction == "sum":
            return 1.0
        if self.weight is None:
            return float(self.picked.size)
        return float(np.sum(self.weight, dtype=np.float64))

    def smoothed(
        self,
        x: Tensor,
        axis: int,
        weights: np.ndarray[Any, Any] | None,
        smoothing: float,
    ) -> np.ndarray[Any, Any]:
        """The weights of all classes, a part of them the same for each class."""
        q = np.zeros(x.shape, x.dtype)
        q += smoothing / x.shape[axis] * (1.0 if weights is None else weights)
        places = losses.places(axis, self.picked)
        q[places] += (1 - smoothing) * (1.0 if self.weight is None else self.weight)
        if self.valid is not None:
            q *= np.expand_dims(self.valid, axis)
        return q

    def loss(self, log_p: Tensor, axis: int) -> Tensor:
        """-log(p) of each target, weighted; 0 for what is ignored."""
        log_p = joined(log_p, self.picked, self.weight)
        return losses.class_loss(log_p, axis=axis, index=self.picked, weight=self.weight)  # type: ignore[no-any-return]

    def reduced(self, loss: Tensor, reduction: str) -> Tensor:
        """The mean of a loss over what counts, or its sum, or all of it."""
        if reduction == "mean" and self.weight is not None:
            if is_batched(self.weight):
                return functions.div(sum(loss), sum(self.weight))
            total = np.sum(self.weight, dtype=np.float64).astype(loss.dtype)
            return functions.div(sum(loss), constant(np.asarray(total)))
        return reduced(loss, reduction)


def nll_loss(
    input: Tensor,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Minus the log-probability, as the input has them, of the target classes.

    Shape: the input (n, classes, ...) or (classes,), the target without the dimension of classes,
    the weight (classes,).

    At the edges: the mean divides by the sum of the weights of the targets; over nothing, as where
    all targets are `ignore_index`, it is nan.

    Raises:
        ShapeError: shapes that do not fit.
        IndexError: a target that is no class.
        TypeError: a target that is not of integers.
        ValueError: an unknown reduction.

    >>> log_p = ng.log(ng.tensor([[0.25, 0.75]]))
    >>> ng.nn.functional.nll_loss(log_p, ng.tensor([1]))
    tensor(0.2877)
    """
    check_reduction("nll_loss", reduction)
    log_p, target = as_tensor(input, "nll_loss"), as_tensor(target, "nll_loss")
    axis = _class_axis("nll_loss", log_p)
    weights = _class_weights("nll_loss", log_p, axis, weight)
    classes = _classes("nll_loss", log_p, axis, target, weights, ignore_index)
    return classes.reduced(classes.loss(log_p, axis), reduction)


def cross_entropy(
    input: Tensor,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross entropy of the softmax of the input and a target of class indices or probabilities.

    Smoothing mixes the target with equal probabilities, in the proportion `label_smoothing`.

    Shape: the input (n, classes, ...) or (classes,); the target without the dimension of classes,
    of integers, or floats in the input's shape; the weight (classes,).

    At the edges: with class indices the mean divides by the sum of the weights of the targets;
    over nothing, as where all targets are `ignore_index`, it is nan. With probabilities it divides
    by their number.

    Raises:
        ShapeError: shapes that do not fit.
        IndexError: a target that is no class.
        ValueError: an unknown reduction, or a smoothing outside [0, 1].

    >>> ng.nn.functional.cross_entropy(ng.zeros(1, 4), ng.tensor([2]))
    tensor(1.3863)
    """
    name = "cross_entropy"
    check_reduction(name, reduction)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"{name}() takes label_smoothing in [0, 1], got {label_smoothing}.")
    x = computed(name, floating(as_tensor(input, name)))
    target = as_tensor(target, name)
    axis = _class_axis(name, x)
    weights = _class_weights(name, x, axis, weight)
    if is_batched(x) or is_batched(target):
        return _composed(x, axis, target, weights, ignore_index, reduction, label_smoothing)
    if target.dtype.kind == "f":
        q = _probabilities(x, axis, target, weights, label_smoothing)
        number = float(np.prod(np.delete(x.shape, axis)))
        divisor = {"none": None, "sum": 1.0, "mean": number}[reduction]
    else:
        classes = _classes(name, x, axis, target, weights, ignore_index)
        divisor = classes.divisor(reduction)
        if label_smoothing == 0:
            label, weight = classes.picked, classes.weight
            return label_loss(x, axis=axis, label=label, weight=weight, divisor=divisor)  # type: ignore[no-any-return]
        q = constant(classes.smoothed(x, axis, weights, label_smoothing))
    if q.dtype != x.dtype:
        wide = np.result_type(x.dtype, q.dtype)
        x, q = cast(x, dtype=wide), cast(q, dtype=wide)
    return target_loss(x, q, axis=axis, divisor=divisor)  # type: ignore[no-any-return]


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Any,
    weight: Any = None,
    *,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Tensor:
    """Cross entropy of the probabilities sigmoid(input) and `target`, in [0, 1].

    `weight` scales each element, `pos_weight` the part of the targets that are 1; both broadcast.

    Raises:
        ShapeError: the target has another shape than the input.
        ValueError: an unknown reduction.

    >>> ng.nn.functional.binary_cross_entropy_with_logits(ng.zeros(2), ng.tensor([0.0, 1.0]))
    tensor(0.6931)
    """
    name = "binary_cross_entropy_with_logits"
    check_reduction(name, reduction)
    x, target = as_tensor(input, name), as_tensor(target, name)
    if x.shape != target.shape:
        raise ShapeError(
            f"{name}() takes a target of the shape {x.shape} of its input, got {target.shape}."
        )
    if pos_weight is None:
        loss = _logit_loss(x, target)
    else:
        loss = _weighted_logit_loss(x, target, as_tensor(pos_weight, name))
    return reduced(loss if weight is None else functions.mul(loss, weight), reduction)


def _probabilities(
    x: Tensor,
    axis: int,
    target: Tensor,
    weights: np.ndarray[Any, Any] | None,
    smoothing: float,
) -> Tensor:
    """The weights of all classes in a target that gives them probabilities."""
    if target.shape != x.shape:
        raise ShapeError(
            "cross_entropy() takes class probabilities of the input's shape"
            f" {x.shape}, got {target.shape}; class indices are integers."
        )
    if smoothing > 0:
        share = smoothing / x.shape[axis]
        target = functions.add(functions.mul(target, 1 - smoothing), share)
    return target if weights is None else functions.mul(target, constant(weights))


def _composed(
    x: Tensor,
    axis: int,
    target: Tensor,
    weights: np.ndarray[Any, Any] | None,
    ignore_index: int,
    reduction: str,
    smoothing: float,
) -> Tensor:
    """Cross entropy of batches, composed of ops that run on them."""
    log_p = log_softmax(x, axis)
    if target.dtype.kind == "f":
        q = _probabilities(x, axis, target, weights, smoothing)
        loss = functions.neg(sum(functions.mul(log_p, q), axis))
        return reduced(loss, reduction)
    classes = _classes("cross_entropy", x, axis, target, weights, ignore_index)
    loss = classes.loss(log_p, axis)
    if smoothing > 0:
        rest = log_p if weights is None else functions.mul(log_p, constant(weights))
        evenly = functions.neg(sum(rest, axis))
        if classes.valid is not None:
            evenly = functions.where(classes.valid, evenly, 0.0)
        share = smoothing / x.shape[axis]
        loss = functions.add(functions.mul(loss, 1 - smoothing), functions.mul(evenly, share))
    return classes.reduced(loss, reduction)


def _class_axis(name: str, x: Tensor) -> int:
    if x.ndim == 0:
        raise ShapeError(f"{name}() takes an input of shape (n, classes, ...), got ().")
    return 0 if x.ndim == 1 else 1


def _class_weights(name: str, x: Tensor, axis: int, weight: Any) -> np.ndarray[Any, Any] | None:
    """The weights of classes in a shape that broadcasts to the input's."""
    if weight is None:
        return None
    weights: np.ndarray[Any, Any] = as_tensor(weight, name).array
    if weights.shape != (x.shape[axis],):
        raise ShapeError(
            f"{name}() takes a weight for each of {x.shape[axis]} classes, got shape"
            f" {weights.shape}."
        )
    return weights.astype(x.dtype).reshape(-1, *(1,) * (x.ndim - axis - 1))


def _classes(
    name: str,
    x: Tensor,
    axis: int,
    target: Tensor,
    weights: np.ndarray[Any, Any] | None,
    ignore_index: int,
) -> Classes:
    index = target.array
    if index.dtype.kind not in "iu":
        raise TypeError(f"{name}() takes class indices of an integer dtype, got {index.dtype}.")
    shape = x.shape[:axis] + x.shape[axis + 1 :]
    if target.shape != shape:
        raise ShapeError(
            f"{name}() takes a target of shape {shape} for an input of shape {x.shape}, got"
            f" {target.shape}."
        )
    count = x.shape[axis]
    valid = None
    index = index.astype(np.int64, copy=False)
    # Negative ones are large without a sign.
    if index.size and index.view(np.uint64).max() >= count:
        valid = index != ignore_index
        index = np.where(valid, index, 0)
        if not 0 <= index.min() <= index.max() < count:
            raise IndexError(
                f"{name}() takes classes from 0 to {count - 1} as targets, or {ignore_index} for"
                f" what is ignored, got {target.array.min()} to {target.array.max()}."
            )
    elif 0 <= ignore_index < count:
        valid = index != ignore_index
    weight = None
    if weights is not None:
        weight = weights.reshape(-1)[index]
        weight = weight if valid is None else np.where(valid, weight, 0)
    elif valid is not None:
        weight = valid.astype(x.dtype)
    if is_batched(target):
        like = target.with_array
        return Classes(
            like(index),
            None if weight is None else like(weight),
            None if valid is None else like(valid),
        )
    return Classes(index, weight, valid)

"""Masks: tensors of bools that say which elements are meant."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.errors import ShapeError
from numgrad.ops.batching import is_batched
from numgrad.ops.broadcast import cast, expand_to, view_as
from numgrad.ops.choice import where
from numgrad.ops.index import index_at
from numgrad.ops.scatter import source_for
from numgrad.value import lift

if TYPE_CHECKING:
    from numgrad.tensor import Tensor


def _mask(name: str, mask: Any) -> Any:
    mask = lift(mask, name)
    if mask.dtype != np.bool_:
        raise TypeError(f"{name}() takes a mask of bools, got {mask.dtype}: compare, as in x > 0.")
    return mask


def masked_fill(x: Tensor, mask: Any, value: Any) -> Tensor:
    """x with a number, or the value of a 0-d tensor, where the mask is true; they broadcast.

    What is filled gets gradient 0.

    >>> import numgrad as ng
    >>> ng.masked_fill(ng.tensor([1.0, 2.0]), ng.tensor([True, False]), 0.0)
    tensor([0., 2.])
    """
    x = lift(x, "masked_fill")
    filling = source_for("masked_fill", x, value)
    if filling.ndim:
        raise ShapeError(f"masked_fill() takes a number or a 0-d tensor, got {filling.shape}.")
    if filling.dtype != x.dtype:
        filling = cast(filling, dtype=x.dtype)
    return where(_mask("masked_fill", mask), filling, x)  # type: ignore[no-any-return]


def masked_select(x: Tensor, mask: Any) -> Tensor:
    """The elements where the mask is true, in one dimension; tensor and mask broadcast.

    >>> import numgrad as ng
    >>> ng.masked_select(ng.tensor([1.0, 2.0, 3.0]), ng.tensor([True, False, True]))
    tensor([1., 3.])
    """
    x = lift(x, "masked_select")
    if is_batched(mask):
        raise RuntimeError(
            "masked_select() inside vmap() would select a number of elements for each item of the"
            " batch: use where()."
        )
    chosen = _mask("masked_select", mask).array
    try:
        shape = np.broadcast_shapes(x.shape, chosen.shape)
    except ValueError as error:
        raise ShapeError(
            f"masked_select() needs shapes that broadcast, got {x.shape} and {chosen.shape}."
        ) from error
    x = x if x.shape == shape else expand_to(x, shape=shape)
    return index_at(x, key=np.array(np.broadcast_to(chosen, shape)))  # type: ignore[no-any-return]


def extract(condition: Any, x: Tensor) -> Tensor:
    """The elements where the condition holds, in one dimension: NumPy's order of arguments."""
    chosen = np.asarray(lift(condition, "extract").array, dtype=np.bool_)
    x = lift(x, "extract")
    if chosen.size != math.prod(x.shape):
        raise ShapeError(
            f"extract() needs one condition an element, got {chosen.shape} for {x.shape}."
        )
    return index_at(view_as(x, shape=(-1,)), key=chosen.reshape(-1).copy())  # type: ignore[no-any-return]

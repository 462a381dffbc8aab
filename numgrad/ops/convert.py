"""Copies and changes of dtype."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import dtypes
from numgrad.op import structural
from numgrad.ops import batching
from numgrad.ops.broadcast import cast
from numgrad.value import lift

if TYPE_CHECKING:
    from numgrad.tensor import Tensor


@structural(node="Clone", linear=True, batch=batching.leading(0))
def cloned(x: Any) -> Any:
    """A copy in memory of its own."""
    return x.copy(order="K")


@cloned.vjp("x")
def _(g: Any) -> Any:
    return g


def clone(x: Tensor) -> Tensor:
    """Copy a tensor; the gradient passes through.

    >>> import numgrad as ng
    >>> ng.clone(ng.ones(2, requires_grad=True))
    tensor([1., 1.], grad_fn=<CloneBackward0>)
    """
    return cloned(x)  # type: ignore[no-any-return]


def contiguous(x: Tensor) -> Tensor:
    """Return the tensor itself if it lies in row-major order without gaps, else such a copy."""
    return x if x.is_contiguous() else _contiguous(x)


@structural(node="Clone", linear=True, batch=batching.leading(0))
def _contiguous(x: Any) -> Any:
    return np.ascontiguousarray(x)


@_contiguous.vjp("x")
def _(g: Any) -> Any:
    return g


def to(x: Tensor, dtype: Any, *, copy: bool = False) -> Tensor:
    """Convert to a dtype, or to that of another tensor; the tensor itself if it has it already.

    The gradient goes back in the dtype of x. Conversions to integers and bool have none.

    >>> import numgrad as ng
    >>> ng.tensor([1.5, 2.5]).to(ng.int64)
    tensor([1, 2])
    """
    x = lift(x, "to")
    # A scalar type of NumPy has an attribute of that name, too.
    wanted = np.dtype(dtype if isinstance(dtype, type) else getattr(dtype, "dtype", dtype))
    if x.dtype == wanted:
        return clone(x) if copy else x
    return cast(x, dtype=wanted)  # type: ignore[no-any-return]


def astype(x: Tensor, dtype: Any, *, copy: bool = True) -> Tensor:
    """Convert to a dtype, as ndarray's method: a copy unless `copy=False` allows the same."""
    return to(x, dtype, copy=copy)


def double(x: Tensor) -> Tensor:
    """Convert to float64."""
    return to(x, dtypes.float64)


def single(x: Tensor) -> Tensor:
    """Convert to float32."""
    return to(x, dtypes.float32)


def long(x: Tensor) -> Tensor:
    """Convert to int64."""
    return to(x, dtypes.int64)


def integer(x: Tensor) -> Tensor:
    """Convert to int32."""
    return to(x, dtypes.int32)


def boolean(x: Tensor) -> Tensor:
    """Convert to bool."""
    return to(x, dtypes.boolean)


def type_as(x: Tensor, other: Tensor) -> Tensor:
    """Convert to the dtype of another tensor."""
    return to(x, other.dtype)

"""Sums and means: one value out of many along some dimensions, and what they are undone by."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import dtypes
from numgrad.kernels import layout
from numgrad.op import structural
from numgrad.ops import batching
from numgrad.ops.axes import MISSING, axes_in, either, reduced_shape
from numgrad.ops.broadcast import cast, view_as
from numgrad.value import lift

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numgrad.tensor import Tensor

__all__ = ["all", "any", "mean", "sum"]

# The typecodes that have kernels.
KERNELS = "df"

# Up to so many elements, a spread copy takes less time to make than a view.
SMALL = 4096


@structural(node="Sum", linear=True, batch=batching.shifted)
def sum_over(x: Any, *, axes: tuple[int, ...] | None, keepdims: Any) -> Any:
    """Sum over dimensions, None for all."""
    if x.dtype.char in KERNELS and dense(x, axes):
        return layout.fold("sum", x, axes, keepdims=keepdims)
    with np.errstate(all="ignore"):
        return np.add.reduce(x, axis=axes, keepdims=keepdims, dtype=summed(x.dtype))


@sum_over.vjp("x")
def _(g: Any, *, axes: tuple[int, ...] | None, keepdims: bool, shapes: Any) -> Any:
    return spread(g, shape=shapes[0], axes=axes, keepdims=keepdims)


@structural(node="Expand", view=True, linear=True, batch=batching.spreading)
def spread(x: Any, *, shape: tuple[int, ...], axes: tuple[int, ...] | None, keepdims: Any) -> Any:
    """Repeat the result of a reduction over what was reduced."""
    if axes is not None and not keepdims:
        x = x.reshape(reduced_shape(shape, axes))
    if math.prod(shape) > SMALL:
        return np.broadcast_to(x, shape)
    out = np.empty(shape, x.dtype)
    out[...] = x
    return out


@spread.vjp("x")
def _(g: Any, *, axes: tuple[int, ...] | None, keepdims: Any) -> Any:
    return sum_over(g, axes=axes, keepdims=keepdims)


@structural(node="Mean", linear=True, batch=batching.shifted)
def mean_over(x: Any, *, axes: tuple[int, ...] | None, keepdims: Any) -> Any:
    """Mean over dimensions, None for all."""
    if x.dtype.char in KERNELS and dense(x, axes):
        return layout.fold("mean", x, axes, keepdims=keepdims)
    with np.errstate(all="ignore"):
        total = np.add.reduce(x, axis=axes, keepdims=keepdims)
        return total / x.dtype.type(count(x.shape, axes))


@mean_over.vjp("x")
def _(g: Any, *, axes: tuple[int, ...] | None, keepdims: bool, shapes: Any) -> Any:
    n = count(shapes[0], axes)
    return spread(g / n, shape=shapes[0], axes=axes, keepdims=keepdims)


@structural(node="Zeros", linear=True, batch=batching.shifted)
def zeros_for(x: Any, *, shape: tuple[int, ...]) -> Any:
    """Zeros: the gradient of what is piecewise constant, given the cotangent x."""
    return np.zeros(shape, x.dtype)


@zeros_for.vjp("x")
def _(g: Any, *, shapes: Any) -> Any:
    return zeros_for(g, shape=shapes[0])


@structural(batch=batching.shifted)
def all_over(x: Any, *, axes: tuple[int, ...], keepdims: Any) -> Any:
    """Whether all are true over dimensions."""
    return np.logical_and.reduce(x, axis=axes, keepdims=keepdims)


@structural(batch=batching.shifted)
def any_over(x: Any, *, axes: tuple[int, ...], keepdims: Any) -> Any:
    """Whether any is true over dimensions."""
    return np.logical_or.reduce(x, axis=axes, keepdims=keepdims)


def sum(
    x: Tensor,
    dim: Any = MISSING,
    keepdim: Any = MISSING,
    *,
    dtype: Any = None,
    axis: Any = MISSING,
    keepdims: Any = MISSING,
) -> Tensor:
    """Sum of elements over `dim`, an int or a tuple; over all without it.

    Dtype: integers and bools are summed in int64. At the edges: the sum of nothing is 0; `dim=()`
    means all dimensions, as in PyTorch, `axis=()` none, as in NumPy.

    >>> import numgrad as ng
    >>> ng.sum(ng.ones(2, 3), dim=1)
    tensor([3., 3.])
    """
    if dim is axis is keepdim is keepdims and dtype is None:  # nothing is given
        return sum_over.eager(x, axes=None, keepdims=False)  # type: ignore[no-any-return]
    x = lift(x, "sum")
    axes, keep = reduction("sum", x.ndim, dim, keepdim, axis, keepdims)
    if dtype is not None:
        x = cast(x, dtype=np.dtype(dtype))
    return sum_over(x, axes=axes, keepdims=keep)  # type: ignore[no-any-return]


def mean(
    x: Tensor,
    dim: Any = MISSING,
    keepdim: Any = MISSING,
    *,
    dtype: Any = None,
    axis: Any = MISSING,
    keepdims: Any = MISSING,
) -> Tensor:
    """Mean of elements over `dim`, an int or a tuple; over all without it.

    Dtype: integers and bools give the default dtype. At the edges: the mean of nothing is nan;
    empty tuples as in `sum`.

    >>> import numgrad as ng
    >>> ng.mean(ng.tensor([1.0, 2.0, 6.0]))
    tensor(3.)
    """
    x = floating(lift(x, "mean"), dtype)
    if dim is axis is keepdim is keepdims:
        return mean_over.eager(x, axes=None, keepdims=False)  # type: ignore[no-any-return]
    axes, keep = reduction("mean", x.ndim, dim, keepdim, axis, keepdims)
    return mean_over(x, axes=axes, keepdims=keep)  # type: ignore[no-any-return]


def all(
    x: Tensor,
    dim: Any = MISSING,
    keepdim: Any = MISSING,
    *,
    axis: Any = MISSING,
    keepdims: Any = MISSING,
) -> Tensor:
    """Whether all elements are true (not 0) over `dim`; over all without it. No gradient.

    At the edges: True of nothing; nan is true; empty tuples mean no dimension.

    >>> import numgrad as ng
    >>> ng.all(ng.tensor([[1, 0], [1, 1]]), dim=1)
    tensor([False,  True])
    """
    x = lift(x, "all")
    axes, keep = reduction("all", x.ndim, dim, keepdim, axis, keepdims, empty_is_all=False)
    return all_over(x, axes=axes, keepdims=keep)  # type: ignore[no-any-return]


def any(
    x: Tensor,
    dim: Any = MISSING,
    keepdim: Any = MISSING,
    *,
    axis: Any = MISSING,
    keepdims: Any = MISSING,
) -> Tensor:
    """Whether any element is true (not 0) over `dim`; over all without it. No gradient.

    At the edges: False of nothing; nan is true; empty tuples mean no dimension.

    >>> import numgrad as ng
    >>> ng.any(ng.tensor([[0, 0], [0, 1]]), dim=1)
    tensor([False,  True])
    """
    x = lift(x, "any")
    axes, keep = reduction("any", x.ndim, dim, keepdim, axis, keepdims, empty_is_all=False)
    return any_over(x, axes=axes, keepdims=keep)  # type: ignore[no-any-return]


def reduction(
    name: str,
    ndim: int,
    dim: Any,
    keepdim: Any,
    axis: Any,
    keepdims: Any,
    *,
    empty_is_all: bool = True,
) -> tuple[tuple[int, ...], bool]:
    """Return which axes a reduction is over, and whether it keeps them, from either spelling."""
    if axis is keepdims is MISSING and type(dim) is int and -ndim <= dim < ndim:
        return (dim % ndim,), keepdim is not MISSING and bool(keepdim)
    over = either(name, "dim", dim, "axis", axis, None)
    if empty_is_all and axis is MISSING and isinstance(over, (tuple, list)) and not over:
        over = None
    keep = either(name, "keepdim", keepdim, "keepdims", keepdims, default=False)
    return axes_in(name, over, ndim), bool(keep)


def floating(x: Any, dtype: Any = None) -> Any:
    """Return a tensor in a dtype that has means: the one asked for, or the default for integers."""
    if dtype is not None:
        return cast(x, dtype=np.dtype(dtype))
    if x.dtype.kind in dtypes.EXACT:
        return cast(x, dtype=dtypes.get_default_dtype())
    return x


def count(shape: tuple[int, ...], axes: Iterable[int] | None) -> int:
    """How many elements a reduction over `axes` makes one of."""
    return math.prod(shape if axes is None else [shape[k] for k in axes])


def kept(x: Any, shape: tuple[int, ...], axes: tuple[int, ...] | None, *, keepdims: Any) -> Any:
    """Give the result of a reduction of `shape` the reduced dimensions back, with extent 1."""
    if keepdims:
        return x
    over = range(len(shape)) if axes is None else axes
    return view_as(x, shape=reduced_shape(shape, tuple(over)))


def dense(x: Any, axes: tuple[int, ...] | None) -> bool:
    """Whether rows over these axes lie in memory better than columns do.

    NumPy adds columns as whole rows at a time, which kernels of rows cannot.
    """
    return axes is None or len(axes) == x.ndim or axes == (x.ndim - 1,)


def summed(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype that sums and products of a dtype are taken in."""
    exact = dtype.kind in dtypes.EXACT and dtype != np.uint64
    return dtypes.int64 if exact else dtype

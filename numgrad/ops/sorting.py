"""Sorting, and the linear maps that take elements by an index along one dimension and put back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import return_types
from numgrad.op import structural
from numgrad.ops import batching
from numgrad.ops.axes import MISSING, axis_in
from numgrad.ops.broadcast import view_as
from numgrad.value import lift

if TYPE_CHECKING:
    from numgrad.tensor import Tensor

__all__ = ["argsort", "sort"]


@structural(linear=("x",), batch=batching.shifted)
def pick_along(x: Any, index: Any, *, axis: int) -> Any:
    """Elements at the positions in `index` along a dimension."""
    if x.ndim == 1:
        return x[index]
    return np.take_along_axis(x, index, axis) if x.ndim else x.copy()


@pick_along.vjp()
def _(g: Any, index: Any, *, axis: int, shapes: Any) -> Any:
    return place_along(g, index, axis=axis, shape=shapes[0]), None


@structural(linear=("x",), batch=batching.shifted)
def place_along(x: Any, index: Any, *, axis: int, shape: tuple[int, ...]) -> Any:
    """Zeros, with x at the positions in `index` along a dimension, none of them twice."""
    out = np.zeros(shape, x.dtype)
    if len(shape) > 1:
        np.put_along_axis(out, index, x, axis)
    else:
        out[index if shape else ...] = x
    return out


@place_along.vjp()
def _(g: Any, index: Any, *, axis: int) -> Any:
    return pick_along(g, index, axis=axis), None


@structural(node="Sort", outputs=2, batch=batching.shifted)
def sort_along(x: Any, *, axis: int, descending: bool) -> Any:
    """Sorted values, and where they were."""
    index = argsort_along.kernel(x, axis=axis, descending=descending)
    return pick_along.kernel(x, index, axis=axis), index


@sort_along.vjp("x")
def _(g: Any, out: Any, *, axis: int, shapes: Any) -> Any:
    return place_along(g[0], out[1], axis=axis, shape=shapes[0])


@sort_along.jvp("x")
def _(t: Any, out: Any, *, axis: int) -> Any:
    return pick_along(t, out[1], axis=axis), None


@structural(batch=batching.shifted)
def argsort_along(x: Any, *, axis: int, descending: bool) -> Any:
    """Positions that sort, stable; nan counts as greater than all else."""
    if not x.ndim:
        return np.zeros((), np.int64)
    if not descending:
        return np.argsort(x, axis, kind="stable")
    # Reversed before and after, so that equal elements keep their order.
    backwards = np.argsort(np.flip(x, axis), axis, kind="stable")
    return x.shape[axis] - 1 - np.flip(backwards, axis)


def sort(
    x: Tensor,
    dim: Any = MISSING,
    descending: bool = False,
    stable: Any = None,
    *,
    axis: Any = MISSING,
) -> Any:
    """Sort along a dimension, the last one without `dim`; the sort is always stable.

    Gives a named tuple (values, indices), as in PyTorch, or the values alone with NumPy's `axis`,
    where None flattens first. The gradient follows the indices. At the edges: nan is greater
    than all else.

    >>> import numgrad as ng
    >>> ng.sort(ng.tensor([3.0, 1.0, 2.0]))
    numgrad.return_types.sort(
    values=tensor([1., 2., 3.]),
    indices=tensor([1, 2, 0]))
    >>> ng.sort(ng.tensor([3.0, 1.0, 2.0]), axis=0)
    tensor([1., 2., 3.])
    """
    x, k = _dimension("sort", x, dim, axis)
    values, indices = sort_along(x, axis=k, descending=bool(descending))
    return return_types.sort(values, indices) if axis is MISSING else values


def argsort(
    x: Tensor,
    dim: Any = MISSING,
    descending: bool = False,
    stable: Any = None,
    *,
    axis: Any = MISSING,
) -> Tensor:
    """Positions that sort along a dimension, the last one without `dim`. No gradient.

    The sort is always stable; nan is greater than all else; `axis=None` flattens first.

    >>> import numgrad as ng
    >>> ng.argsort(ng.tensor([3.0, 1.0, 2.0]))
    tensor([1, 2, 0])
    """
    x, k = _dimension("argsort", x, dim, axis)
    return argsort_along(x, axis=k, descending=bool(descending))  # type: ignore[no-any-return]


def _dimension(name: str, x: Any, dim: Any, axis: Any) -> tuple[Any, int]:
    """Return the tensor to sort and the dimension to sort along."""
    x = lift(x, name)
    if dim is not MISSING and axis is not MISSING:
        raise TypeError(f"{name}() got both dim= and axis=: give one of them.")
    if axis is None:
        return view_as(x, shape=(x.numel(),)), 0
    chosen = dim if dim is not MISSING else axis if axis is not MISSING else -1
    return x, axis_in(name, chosen, x.ndim)

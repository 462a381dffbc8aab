"""Tensors of indices along one dimension: gather, scatter, select and add.

Indices are integers, negative ones count from the end. Where they repeat, `scatter` keeps the last
write and the gradient follows it; the adding ones add up in row-major order.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.errors import ShapeError
from numgrad.op import structural
from numgrad.ops import batched_index
from numgrad.ops.axes import MISSING, axis_in, either
from numgrad.ops.batching import is_batched, joined
from numgrad.ops.broadcast import expand_to, view_as
from numgrad.ops.choice import where
from numgrad.ops.index import accumulate_at, place_at
from numgrad.ops.positions import add_at, add_flat, last_of, positions_along
from numgrad.value import lift

if TYPE_CHECKING:
    from numgrad.tensor import Tensor


@structural(node="Gather", linear=True, batch=batched_index.along)
def gather_along(x: Any, *, axis: int, index: Any) -> Any:
    """`x[i, index[i, j]]` for the last of two dimensions, and so on."""
    return np.take_along_axis(x[_region(index, axis)], index, axis)


@gather_along.vjp("x")
def _(g: Any, *, axis: int, index: Any, shapes: Any) -> Any:
    return add_along(g, axis=axis, index=index, shape=shapes[0])


@structural(node="GatherBackward", linear=True, batch=batched_index.along)
def add_along(x: Any, *, axis: int, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of a shape with x added at indices along a dimension."""
    result = np.zeros(shape, x.dtype)
    add_flat(result, positions_along(index, axis, shape), x)
    return result


@add_along.vjp("x")
def _(g: Any, *, axis: int, index: Any) -> Any:
    return gather_along(g, axis=axis, index=index)


@structural(node="Scatter", linear=True, batch=batched_index.along)
def write_along(x: Any, src: Any, *, axis: int, index: Any) -> Any:
    """Copy x with `src` written at indices along a dimension."""
    result = x.copy()
    values = np.ascontiguousarray(src[_corner(src, index)])
    np.put_along_axis(result[_region(index, axis)], index, values, axis)
    return result


@write_along.vjp("x")
def _(g: Any, *, axis: int, index: Any) -> Any:
    return write_along(g, 0, axis=axis, index=index)


@write_along.vjp("src")
def _(g: Any, *, axis: int, index: Any, shapes: Any) -> Any:
    gathered = gather_along(g, axis=axis, index=index)
    if is_batched(index):
        gathered = only_last_along(gathered, axis=axis, index=index, shape=shapes[0])
        return _in_corner(gathered, shapes[1])
    last = last_of(positions_along(index, axis, shapes[0]), math.prod(shapes[0]))
    if last is not None:
        gathered = where(last, gathered, 0)
    return _in_corner(gathered, shapes[1])


@structural(linear=True)
def only_last_along(x: Any, *, axis: int, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros in place of the values that other writes along a dimension overwrite."""
    last = last_of(positions_along(index, axis, shape), math.prod(shape))
    return x if last is None else np.where(last, x, 0)


@only_last_along.vjp("x")
def _(g: Any, *, axis: int, index: Any, shape: tuple[int, ...]) -> Any:
    return only_last_along(g, axis=axis, index=index, shape=shape)


@structural(node="ScatterAdd", linear=True, batch=batched_index.along)
def accumulate_along(x: Any, src: Any, *, axis: int, index: Any) -> Any:
    """Copy x with `src` added at indices along a dimension."""
    result = x.copy()
    values = src[_corner(src, index)].astype(x.dtype, copy=False)
    add_flat(result, positions_along(index, axis, x.shape), np.broadcast_to(values, index.shape))
    return result


@accumulate_along.vjp("x")
def _(g: Any) -> Any:
    return g


@accumulate_along.vjp("src")
def _(g: Any, *, axis: int, index: Any, shapes: Any) -> Any:
    return _in_corner(gather_along(g, axis=axis, index=index), shapes[1])


def _region(index: Any, axis: int) -> tuple[slice, ...]:
    """The part of the other tensor that indices along a dimension stand in."""
    return tuple(slice(None) if k == axis else slice(n) for k, n in enumerate(index.shape))


def _corner(src: Any, index: Any) -> Any:
    """The part of a source that has indices; a 0-d source is for all of them."""
    return tuple(slice(n) for n in index.shape) if src.ndim else ()


def _in_corner(x: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of a source's shape with x in its corner."""
    if not shape or x.shape == shape:
        return x
    return place_at(x, key=tuple(slice(n) for n in x.shape), shape=shape)


@structural(node="IndexSelect", linear=True, batch=batched_index.taking_slices)
def take_along(x: Any, *, axis: int, index: Any) -> Any:
    """The given indices of one dimension, in the shape of the index array."""
    return np.take(x, index, axis)


@take_along.vjp("x")
def _(g: Any, *, axis: int, index: Any, shapes: Any) -> Any:
    return accumulate_at(g, key=(*(slice(None),) * axis, index), shape=shapes[0])


@structural(node="IndexAdd", linear=True, batch=batched_index.taking_slices)
def accumulate_slices(x: Any, source: Any, *, axis: int, index: Any) -> Any:
    """Copy x with the slices of `source` added to the given indices of one dimension."""
    result = x.copy()
    add_at(result, (*(slice(None),) * axis, index), source.astype(x.dtype, copy=False))
    return result


@accumulate_slices.vjp("x")
def _(g: Any) -> Any:
    return g


@accumulate_slices.vjp("source")
def _(g: Any, *, axis: int, index: Any) -> Any:
    return take_along(g, axis=axis, index=index)


def indices(name: str, index: Any, extent: int, axis: int) -> Any:
    """Return a copy of integer indices into a dimension, none of them negative.

    Raises TypeError for other dtypes, IndexError out of bounds.
    """
    given = lift(index, name)
    array = given.array
    if array.size == 0:
        return _like(given, np.zeros(array.shape, np.intp))
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}() takes indices of an integer dtype, got {array.dtype}.")
    found = np.where(array < 0, array + extent, array).astype(np.intp, order="C")
    outside = (found < 0) | (found >= extent)
    if outside.any():
        wrong = array[outside][0]
        raise IndexError(
            f"{name}() got index {wrong}, out of bounds for axis {axis} with size {extent}."
        )
    return _like(given, found)


def _like(given: Any, array: Any) -> Any:
    """Indices as an array, in a batch if those that were given are."""
    return given.with_array(array) if is_batched(given) else array


def source_for(name: str, x: Any, source: Any) -> Any:
    """Return a source of a dtype that x can take up; otherwise TypeError."""
    source = lift(source, name)
    if not np.can_cast(source.dtype, x.dtype, "same_kind"):
        raise TypeError(
            f"{name}() cannot put {source.dtype} into {x.dtype}: convert first,"
            f" as in x.to(numgrad.{source.dtype})."
        )
    return source


def _along(name: str, x: Any, dim: Any, index: Any, src: Any = None) -> tuple[int, Any]:
    """Check what gather and scatter take; return the dimension and the indices."""
    shape = lift(index, name).shape
    if not x.ndim or len(shape) != x.ndim:
        raise ShapeError(
            f"{name}() needs an index with the dimensions of the tensor, one or more,"
            f" got shapes {shape} and {x.shape}."
        )
    axis = axis_in(name, dim, x.ndim)
    inside = all(n <= m for k, (n, m) in enumerate(zip(shape, x.shape, strict=True)) if k != axis)
    if not inside:
        raise ShapeError(
            f"{name}() needs an index no larger than the tensor but in dimension {axis},"
            f" got shapes {shape} and {x.shape}."
        )
    if src is not None and src.ndim:
        fits = len(src.shape) == len(shape) and all(map(int.__le__, shape, src.shape))
        if not fits:
            raise ShapeError(
                f"{name}() needs an index no larger than the source,"
                f" got shapes {shape} and {src.shape}."
            )
    return axis, indices(name, index, x.shape[axis], axis)


def gather(x: Tensor, dim: int, index: Any) -> Tensor:
    """Elements at indices along a dimension: `x[i, index[i, j]]` for dimension 1 of two.

    Shape: that of `index`, which may be smaller than x in the other dimensions.
    At the edges: repeated indices add up in the gradient.
    Raises IndexError out of bounds, ShapeError for shapes that do not fit.

    >>> import numgrad as ng
    >>> ng.gather(ng.tensor([[1.0, 2.0], [3.0, 4.0]]), 1, ng.tensor([[1], [0]]))
    tensor([[2.],
            [3.]])
    """
    x = lift(x, "gather")
    axis, places = _along("gather", x, dim, index)
    return gather_along(joined(x, places), axis=axis, index=places)  # type: ignore[no-any-return]


def take_along_dim(x: Tensor, indices: Any, dim: Any = MISSING, *, axis: Any = MISSING) -> Tensor:
    """Elements at indices along a dimension; the other dimensions broadcast.

    Without a dimension both are flattened. What `argsort` and `argmax` give can be used as indices.

    >>> import numgrad as ng
    >>> ng.take_along_dim(ng.tensor([[1.0, 2.0], [3.0, 4.0]]), ng.tensor([[1]]), 1)
    tensor([[2.],
            [4.]])
    """
    x = lift(x, "take_along_dim")
    places = lift(indices, "take_along_dim")
    if not is_batched(places):
        places = places.array
    given = either("take_along_dim", "dim", dim, "axis", axis, None)
    if given is None:
        return gather(view_as(x, shape=(-1,)), 0, places.reshape(-1))
    k = axis_in("take_along_dim", given, x.ndim)
    if not x.ndim or places.ndim != x.ndim:
        raise ShapeError(
            "take_along_dim() needs indices with the dimensions of the tensor, one or more,"
            f" got shapes {places.shape} and {x.shape}."
        )
    try:
        others = np.broadcast_shapes(
            (*x.shape[:k], 1, *x.shape[k + 1 :]), (*places.shape[:k], 1, *places.shape[k + 1 :])
        )
    except ValueError as error:
        raise ShapeError(
            f"take_along_dim() needs shapes that broadcast but in dimension {k},"
            f" got {x.shape} and {places.shape}."
        ) from error
    wide, picked = ((*others[:k], s[k], *others[k + 1 :]) for s in (x.shape, places.shape))
    x = x if x.shape == wide else expand_to(x, shape=wide)
    if is_batched(places):
        return gather(x, k, expand_to(places, shape=picked))
    return gather(x, k, np.broadcast_to(places, picked))


def take_along_axis(x: Tensor, indices: Any, axis: Any = -1) -> Tensor:
    """Elements at indices along a dimension, the last one by default: `take_along_dim`."""
    return take_along_dim(x, indices, axis)


def scatter(x: Tensor, dim: int, index: Any, src: Any = None, *, value: Any = None) -> Tensor:
    """Copy x with `src`, a tensor or a number, written at indices along a dimension.

    `out[i, index[i, j]] = src[i, j]` for dimension 1 of two. What is overwritten gets gradient 0;
    where indices repeat, the last write counts. Raises as `gather`.

    >>> import numgrad as ng
    >>> ng.scatter(ng.zeros(3), 0, ng.tensor([2, 0]), ng.tensor([5.0, 6.0]))
    tensor([6., 0., 5.])
    """
    x = lift(x, "scatter")
    if (src is None) == (value is None):
        raise TypeError("scatter() takes either a source or value=.")
    src = source_for("scatter", x, value if src is None else src)
    axis, places = _along("scatter", x, dim, index, src)
    return write_along(joined(x, places), src, axis=axis, index=places)  # type: ignore[no-any-return]


def scatter_add(x: Tensor, dim: int, index: Any, src: Any) -> Tensor:
    """Copy x with `src` added at indices along a dimension, repeatedly where they repeat.

    `out[i, index[i, j]] += src[i, j]` for dimension 1 of two. Raises as `gather`.

    >>> import numgrad as ng
    >>> ng.scatter_add(ng.zeros(2), 0, ng.tensor([1, 1, 0]), ng.ones(3))
    tensor([1., 2.])
    """
    x = lift(x, "scatter_add")
    src = source_for("scatter_add", x, src)
    axis, places = _along("scatter_add", x, dim, index, src)
    return accumulate_along(joined(x, places), src, axis=axis, index=places)  # type: ignore[no-any-return]


def index_select(x: Tensor, dim: int, index: Any) -> Tensor:
    """The given indices of one dimension, a vector of them: `x[:, index]` for dimension 1.

    >>> import numgrad as ng
    >>> ng.index_select(ng.tensor([[1.0, 2.0], [3.0, 4.0]]), 1, ng.tensor([1, 1]))
    tensor([[2., 2.],
            [4., 4.]])
    """
    x = lift(x, "index_select")
    axis = axis_in("index_select", dim, x.ndim)
    places = indices("index_select", index, x.shape[axis] if x.ndim else 1, axis)
    if places.ndim > 1:
        raise ShapeError(f"index_select() takes a vector of indices, got shape {places.shape}.")
    if not x.ndim:
        x = view_as(joined(x, places), shape=(1,))
        return view_as(take_along(x, axis=0, index=places.reshape(-1)[:1]), shape=())  # type: ignore[no-any-return]
    return take_along(joined(x, places), axis=axis, index=places.reshape(-1))  # type: ignore[no-any-return]


def take(x: Tensor, index: Any, axis: Any = None) -> Tensor:
    """Elements of the flattened tensor at indices, in their shape; with `axis` of one dimension.

    >>> import numgrad as ng
    >>> ng.take(ng.tensor([[1.0, 2.0], [3.0, 4.0]]), ng.tensor([0, -1]))
    tensor([1., 4.])
    """
    x = lift(x, "take")
    if axis is None or not x.ndim:
        x, axis = view_as(x, shape=(-1,)), 0
    k = axis_in("take", axis, x.ndim)
    places = indices("take", index, x.shape[k], k)
    return take_along(joined(x, places), axis=k, index=places)  # type: ignore[no-any-return]


def index_add(x: Tensor, dim: int, index: Any, source: Any, *, alpha: Any = 1) -> Tensor:
    """Copy x with `alpha` times the slices of `source` added to the given indices of a dimension.

    Raises ShapeError unless `source` has one slice an index and otherwise the extents of x.

    >>> import numgrad as ng
    >>> ng.index_add(ng.zeros(3), 0, ng.tensor([0, 0]), ng.tensor([1.0, 2.0]))
    tensor([3., 0., 0.])
    """
    x = lift(x, "index_add")
    source = source_for("index_add", x, source)
    axis = axis_in("index_add", dim, x.ndim)
    if not x.ndim:
        raise ShapeError("index_add() needs a tensor with dimensions, got a 0-d one.")
    places = indices("index_add", index, x.shape[axis], axis).reshape(-1)
    wanted = (*x.shape[:axis], *places.shape, *x.shape[axis + 1 :])
    if source.shape != wanted:
        raise ShapeError(f"index_add() needs a source of shape {wanted}, got {source.shape}.")
    scaled = source if isinstance(alpha, int) and alpha == 1 else source * alpha
    return accumulate_slices(joined(x, places), scaled, axis=axis, index=places)  # type: ignore[no-any-return]

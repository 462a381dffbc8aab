"""Putting tensors together, taking them apart, and repeating them.

A keyword `dim` is read as PyTorch does, `axis` as NumPy does.
"""

from __future__ import annotations

import itertools
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.errors import ShapeError
from numgrad.op import structural
from numgrad.ops import batching
from numgrad.ops.axes import MISSING, axis_in, either
from numgrad.ops.batching import is_batched
from numgrad.ops.broadcast import expand_to, view_as
from numgrad.ops.index import select_at, slice_at
from numgrad.ops.permute import extents
from numgrad.ops.reduce import sum_over
from numgrad.ops.scatter import take_along
from numgrad.ops.shape import atleast_1d, atleast_2d, ravel
from numgrad.value import Value, lift

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numgrad.tensor import Tensor


@structural(node="Cat", variadic=True, linear=True, batch=batching.shifted)
def cat_along(*arrays: Any, axis: int) -> Any:
    """Arrays one behind another along a dimension that they have."""
    return np.concatenate(arrays, axis)


@cat_along.vjp()
def _(g: Any, *, axis: int, shapes: Any, needs: Any) -> Any:
    before = (slice(None),) * axis
    parts = []
    start = 0
    for shape, needed in zip(shapes, needs, strict=True):
        end = start + shape[axis]
        parts.append(slice_at(g, key=(*before, slice(start, end))) if needed else None)
        start = end
    return tuple(parts)


@structural(node="Stack", variadic=True, linear=True, batch=batching.shifted)
def stack_along(*arrays: Any, axis: int) -> Any:
    """Arrays of one shape along a new dimension."""
    return np.stack(arrays, axis)


@stack_along.vjp()
def _(g: Any, *, axis: int, needs: Any) -> Any:
    before = (slice(None),) * axis
    return tuple(
        select_at(g, key=(*before, k, ...)) if needed else None for k, needed in enumerate(needs)
    )


@structural(node="Repeat", linear=True, batch=batching.shifted)
def tile_by(x: Any, *, repeats: tuple[int, ...]) -> Any:
    """Copies of x side by side, so many along each dimension; as many numbers as dimensions."""
    return np.tile(x, repeats)


@tile_by.vjp("x")
def _(g: Any, *, repeats: tuple[int, ...], shapes: Any) -> Any:
    (shape,) = shapes
    # Each dimension in two: which copy, and where in it.
    split_up = tuple(n for pair in zip(repeats, shape, strict=True) for n in pair)
    copies = tuple(range(0, 2 * len(shape), 2))
    return sum_over(view_as(g, shape=split_up), axes=copies, keepdims=False)


def _several(name: str, tensors: Any) -> list[Any]:
    """Return the tensors of a sequence, at least one."""
    found = [lift(x, name) for x in tensors]
    if not found:
        raise ShapeError(f"{name}() needs one tensor or more, got none.")
    return found


def cat(tensors: Any, dim: Any = MISSING, *, axis: Any = MISSING) -> Tensor:
    """Tensors one behind another along a dimension, the first by default.

    With `axis=None` they are flattened. At the edges: empty vectors are left out, whatever the
    others' dimensions. Raises ShapeError for shapes that differ elsewhere, or no tensor.

    >>> import numgrad as ng
    >>> ng.cat([ng.tensor([1.0, 2.0]), ng.tensor([3.0])])
    tensor([1., 2., 3.])
    """
    found = _several("cat", tensors)
    given = either("cat", "dim", dim, "axis", axis, 0)
    if given is None:
        found, given = [ravel(x) for x in found], 0
    ndim = max(x.ndim for x in found)
    if ndim > 1:
        found = [x for x in found if x.shape != (0,)]
    k = axis_in("cat", given, ndim)
    try:
        return cat_along(*found, axis=k)  # type: ignore[no-any-return]
    except ValueError as error:
        shapes = ", ".join(str(x.shape) for x in found)
        raise ShapeError(
            f"cat() needs shapes that differ in dimension {k} alone, got {shapes}."
        ) from error


def stack(tensors: Any, dim: Any = MISSING, *, axis: Any = MISSING) -> Tensor:
    """Tensors of one shape along a new dimension, the first by default.

    Raises ShapeError for shapes that differ, or no tensor.

    >>> import numgrad as ng
    >>> ng.stack([ng.tensor([1.0, 2.0]), ng.tensor([3.0, 4.0])], 1)
    tensor([[1., 3.],
            [2., 4.]])
    """
    found = _several("stack", tensors)
    k = axis_in("stack", either("stack", "dim", dim, "axis", axis, 0), found[0].ndim + 1)
    try:
        return stack_along(*found, axis=k)  # type: ignore[no-any-return]
    except ValueError as error:
        shapes = ", ".join(str(x.shape) for x in found)
        raise ShapeError(f"stack() needs tensors of one shape, got {shapes}.") from error


def hstack(tensors: Any) -> Tensor:
    """Tensors side by side: along the second dimension, vectors along their only one."""
    found = [atleast_1d(x) for x in _several("hstack", tensors)]
    return cat(found, 0 if found[0].ndim == 1 else 1)


def vstack(tensors: Any) -> Tensor:
    """Tensors below one another: along the first dimension, vectors as rows."""
    return cat([atleast_2d(x) for x in _several("vstack", tensors)])


def _pieces(x: Any, axis: int, cuts: list[int]) -> tuple[Tensor, ...]:
    """Views of what lies between cuts of a dimension, from the first cut to the last."""
    before = (slice(None),) * axis
    keys = ((*before, slice(a, b)) for a, b in itertools.pairwise(cuts))
    return _together("split", (slice_at(x, key=key) for key in keys))


def _together(name: str, views: Iterable[Any]) -> tuple[Tensor, ...]:
    """Note of views that one call gave them all: recorded writes to them are refused."""
    found = tuple(views)
    for t in found:
        if isinstance(t, Value):
            t.one_of = name  # type: ignore[attr-defined]
    return found


def _extent(name: str, x: Any, dim: Any) -> tuple[int, int]:
    """Return a dimension, counted from the front, and its extent."""
    axis = axis_in(name, dim, x.ndim)
    if not x.ndim:
        raise ShapeError(f"{name}() needs a tensor with dimensions, got a 0-d one.")
    return axis, x.shape[axis]


def split(
    x: Tensor, split_size_or_sections: Any, dim: Any = MISSING, *, axis: Any = MISSING
) -> tuple[Tensor, ...]:
    """Views of pieces of this size, the last maybe smaller, or of these sizes, along a dimension.

    With `axis` it is NumPy's: a number of equal pieces, or the indices to cut at.
    Raises ShapeError for sizes that do not add up, or pieces that cannot be equal.

    >>> import numgrad as ng
    >>> ng.split(ng.tensor([1.0, 2.0, 3.0]), 2)
    (tensor([1., 2.]), tensor([3.]))
    """
    x = lift(x, "split")
    k, extent = _extent("split", x, either("split", "dim", dim, "axis", axis, 0))
    if axis is not MISSING:
        if not isinstance(split_size_or_sections, (tuple, list)):
            sections = operator.index(split_size_or_sections)
            if sections < 1 or extent % sections:
                raise ShapeError(f"split() cannot make {sections} equal pieces of extent {extent}.")
        return tensor_split(x, split_size_or_sections, k)
    if not isinstance(split_size_or_sections, (tuple, list)):
        size = operator.index(split_size_or_sections)
        if size < 0 or (size == 0 and extent):
            raise ShapeError(f"split() needs a size of 1 or more, got {size}.")
        return _pieces(x, k, [*range(0, max(extent, 1), size or 1), extent])
    cuts = [0]
    for size in extents("split", (split_size_or_sections,)):
        cuts.append(cuts[-1] + size)
    if cuts[-1] != extent or cuts != sorted(cuts):
        raise ShapeError(
            f"split() needs sizes that add up to the extent {extent} of dimension {k},"
            f" got {tuple(split_size_or_sections)}."
        )
    return _pieces(x, k, cuts)


def tensor_split(
    x: Tensor, indices_or_sections: Any, dim: Any = MISSING, *, axis: Any = MISSING
) -> tuple[Tensor, ...]:
    """Views of so many pieces, as equal as can be, or of the pieces between indices to cut at."""
    x = lift(x, "tensor_split")
    k, extent = _extent("tensor_split", x, either("tensor_split", "dim", dim, "axis", axis, 0))
    if isinstance(indices_or_sections, (tuple, list)):
        cuts = [0, *extents("tensor_split", (indices_or_sections,)), extent]
        before = (slice(None),) * k
        # A cut beyond the one after it leaves nothing between them, a negative one counts from
        # the end: slices know both.
        keys = [slice(a, b) for a, b in zip(cuts, [*cuts[1:-1], None], strict=False)]
        return _together("tensor_split", (slice_at(x, key=(*before, key)) for key in keys))
    sections = operator.index(indices_or_sections)
    if sections < 1:
        raise ShapeError(f"tensor_split() makes one piece or more, got {sections}.")
    size, larger = divmod(extent, sections)
    return _pieces(x, k, [p * size + min(p, larger) for p in range(sections + 1)])


def chunk(x: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of up to so many pieces of one size, the last maybe smaller, along a dimension."""
    x = lift(x, "chunk")
    _, extent = _extent("chunk", x, dim)
    if chunks < 1:
        raise ShapeError(f"chunk() makes one piece or more, got {chunks}.")
    return split(x, max(-(-extent // chunks), 1), dim)


def unbind(x: Tensor, dim: Any = MISSING, *, axis: Any = MISSING) -> tuple[Tensor, ...]:
    """Views of all indices of a dimension, which vanishes.

    >>> import numgrad as ng
    >>> ng.unbind(ng.tensor([[1.0, 2.0], [3.0, 4.0]]))
    (tensor([1., 2.]), tensor([3., 4.]))
    """
    x = lift(x, "unbind")
    k, extent = _extent("unbind", x, either("unbind", "dim", dim, "axis", axis, 0))
    before = (slice(None),) * k
    return _together("unbind", (select_at(x, key=(*before, i, ...)) for i in range(extent)))


def _tile(x: Any, repeats: tuple[int, ...]) -> Any:
    """Tile by as many numbers as the result has dimensions."""
    if any(n < 0 for n in repeats):
        raise ShapeError(f"tile() takes numbers of copies, got {repeats}.")
    if len(repeats) > x.ndim:
        x = view_as(x, shape=(1,) * (len(repeats) - x.ndim) + x.shape)
    return tile_by(x, repeats=repeats)


def tile(x: Tensor, *dims: Any) -> Tensor:
    """Copies of x side by side, so many along each of the last dimensions.

    >>> import numgrad as ng
    >>> ng.tile(ng.tensor([1.0, 2.0]), (2, 2))
    tensor([[1., 2., 1., 2.],
            [1., 2., 1., 2.]])
    """
    x = lift(x, "tile")
    given = extents("tile", dims)
    return _tile(x, (1,) * (x.ndim - len(given)) + given)  # type: ignore[no-any-return]


def repeat(x: Tensor, *sizes: Any, axis: Any = MISSING) -> Tensor:
    """Copies of x side by side, so many along each dimension: PyTorch's `repeat`.

    With `axis` it is NumPy's, which repeats each element: `repeat_interleave`. Raises ShapeError
    for fewer numbers than dimensions.

    >>> import numgrad as ng
    >>> ng.repeat(ng.tensor([1.0, 2.0]), 2)
    tensor([1., 2., 1., 2.])
    >>> ng.repeat(ng.tensor([1.0, 2.0]), 2, axis=0)
    tensor([1., 1., 2., 2.])
    """
    x = lift(x, "repeat")
    if axis is not MISSING:
        if len(sizes) != 1:
            raise TypeError(f"repeat() with axis= takes one argument for it, got {len(sizes)}.")
        return repeat_interleave(x, sizes[0], axis)
    given = extents("repeat", sizes)
    if len(given) < x.ndim:
        raise ShapeError(
            f"repeat() needs a number for each dimension of shape {x.shape}, got {given}:"
            " to repeat single elements use repeat_interleave()."
        )
    return _tile(x, given)  # type: ignore[no-any-return]


def repeat_interleave(x: Tensor, repeats: Any, dim: int | None = None) -> Tensor:
    """Each index of a dimension so many times, one number for all or one for each.

    Without a dimension the tensor is flattened.

    >>> import numgrad as ng
    >>> ng.repeat_interleave(ng.tensor([1.0, 2.0]), ng.tensor([1, 3]))
    tensor([1., 2., 2., 2.])
    """
    x = lift(x, "repeat_interleave")
    if dim is None:
        x, dim = ravel(x), 0
    axis, extent = _extent("repeat_interleave", x, dim)
    if is_batched(repeats):
        raise RuntimeError(
            "repeat_interleave() inside vmap() takes numbers that are the same for all items of the"
            " batch: the shape of the result depends on them."
        )
    times = lift(repeats, "repeat_interleave").array
    if times.dtype.kind not in "iu" or times.ndim > 1:
        raise TypeError("repeat_interleave() takes an integer or a vector of integers.")
    if times.size not in (1, extent) or (times < 0).any():
        raise ShapeError(
            f"repeat_interleave() needs one number or {extent} of them, none negative,"
            f" got {times.tolist()}."
        )
    return take_along(x, axis=axis, index=np.repeat(np.arange(extent), times))  # type: ignore[no-any-return]


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """One tensor for each vector, in which it varies along a dimension of its own; views.

    `indexing="xy"` exchanges the first two dimensions, NumPy's default.

    >>> import numgrad as ng
    >>> ng.meshgrid(ng.tensor([1.0, 2.0]), ng.tensor([3.0, 4.0, 5.0]))[0]
    tensor([[1., 1., 1.],
            [2., 2., 2.]])
    """
    if indexing not in ("ij", "xy"):
        raise ValueError(f"meshgrid() takes indexing 'ij' or 'xy', got {indexing!r}.")
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
    vectors = [ravel(lift(x, "meshgrid")) for x in given]
    places = list(range(len(vectors)))
    if indexing == "xy":
        places[:2] = places[:2][::-1]
    shape = [0] * len(vectors)
    for k, v in zip(places, vectors, strict=True):
        shape[k] = v.shape[0]
    return tuple(
        expand_to(
            view_as(v, shape=tuple(n if i == k else 1 for i, n in enumerate(shape))),
            shape=tuple(shape),
        )
        for k, v in zip(places, vectors, strict=True)
    )

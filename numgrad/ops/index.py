"""Indexing: `x[key]`, and `x[key] = value` as a function.

What basic keys (integers, slices, None, Ellipsis) select is a view; arrays of integers or bools
select a copy. All is as NumPy does it, also where keys of both kinds are mixed: an integer beside
an array counts as an array there.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.errors import ShapeError
from numgrad.op import structural
from numgrad.ops import batched_index, batching
from numgrad.ops.axes import axis_in
from numgrad.ops.batching import is_batched, joined
from numgrad.ops.broadcast import view_as
from numgrad.ops.choice import where
from numgrad.ops.positions import add_at, last_writes
from numgrad.value import Value, lift

if TYPE_CHECKING:
    from collections.abc import Callable

    from numgrad.tensor import Tensor

_BOUNDS = {int, type(None)}
_ALL = slice(None)


def array_key(key: Any) -> Any:
    """Return a key as NumPy takes it, with copies of the arrays in it and without tensors.

    Raises TypeError for what is no index, as a tensor of floats.
    """
    return tuple(map(_item, key)) if type(key) is tuple else _item(key)


def _item(item: Any) -> Any:
    if item is None or item is Ellipsis or type(item) is int:
        return item
    if isinstance(item, slice):
        bounds = (item.start, item.stop, item.step)
        return slice(*(None if b is None else operator.index(b) for b in bounds))
    if is_batched(item):
        if item.dtype.kind == "b":
            raise RuntimeError(
                "getitem() by a mask inside vmap() would select a number of elements for each item"
                " of the batch: use where()."
            )
        if item.dtype.kind in "iu":
            return item
    if isinstance(item, Value):
        item = item.array  # type: ignore[attr-defined]
    elif isinstance(item, (list, tuple, range)):
        item = np.array(item) if len(item) else np.array(item, dtype=np.intp)
    array = np.asarray(item)
    if array.dtype.kind == "b":
        return array.copy()
    if array.dtype.kind in "iu":
        return array.astype(np.intp, order="C") if array.ndim else int(array)
    what = f"dtype {array.dtype}" if array.dtype.kind in "fc" else type(item).__name__
    raise TypeError(
        "getitem() takes integers, slices, None, Ellipsis, and arrays of integers or bools as"
        f" index, got {what}: convert it, as in index.long()."
    )


def _op_for(key: Any) -> Any:
    """The op that serves a key, by which it is named on the tape: by its last item that selects."""
    items = key if type(key) is tuple else (key,)
    if any(isinstance(item, (np.ndarray, Value)) for item in items):
        return index_at
    for item in reversed(items):
        if item is None:
            return new_axis_at
        if type(item) is int:
            return select_at
        if item is not Ellipsis and item != _ALL:
            return slice_at
    return slice_at if type(key) is slice else alias_at


def getitem(x: Tensor, key: Any) -> Tensor:  # noqa: C901, PLR0912 - a hot path, in one piece
    """The elements that a key selects: `x[key]`.

    At the edges: repeated indices add up in the gradient; negative ones count from the end.
    Raises IndexError out of bounds, TypeError for what is no index.
    """
    kind = type(key)
    if kind is int:
        return select_at.eager(x, key=(key, ...))  # type: ignore[no-any-return]
    if (
        kind is slice
        and type(key.start) in _BOUNDS
        and type(key.stop) in _BOUNDS
        and type(key.step) in _BOUNDS
    ):
        return slice_at.eager(x, key=key)  # type: ignore[no-any-return]
    if kind is tuple:
        # The basic tuples in one pass; whatever is not among them takes the general path.
        op = alias_at
        closed = False
        for item in key:
            kind = type(item)
            if kind is int:
                op = select_at
            elif kind is slice:
                if item != _ALL:
                    if not (
                        type(item.start) in _BOUNDS
                        and type(item.stop) in _BOUNDS
                        and type(item.step) in _BOUNDS
                    ):
                        break
                    op = slice_at
            elif item is None:
                op = new_axis_at
            elif item is Ellipsis:
                closed = True
            else:
                break
        else:
            return op.eager(x, key=key if closed else (*key, ...))  # type: ignore[no-any-return]
    key = array_key(key)
    op = _op_for(key)
    if op is index_at:
        x = joined(x, *(key if type(key) is tuple else (key,)))
    return op(x, key=key if op is index_at else _with_ellipsis(key))  # type: ignore[no-any-return]


def _with_ellipsis(key: Any) -> Any:
    """Let a basic key end in an Ellipsis: with integers alone NumPy would give a copy."""
    items = key if type(key) is tuple else (key,)
    return items if any(item is Ellipsis for item in items) else (*items, ...)


def _gathered(x: Any, key: Any) -> Any:
    """`x[key]` of an array."""
    try:
        return x[key]
    except IndexError as error:
        raise IndexError(f"getitem() of shape {x.shape}: {str(error).strip()}.") from error


def _viewing(name: str, node: str) -> Any:
    """Make an op that selects by basic keys; the ops differ in their names alone."""

    def kernel(x: Any, *, key: Any) -> Any:
        return _gathered(x, key)

    kernel.__name__ = name
    op = structural(node=node, view=True, linear=True, batch=batching.shifted)(kernel)

    @op.vjp("x")
    def _(g: Any, *, key: Any, shapes: Any) -> Any:
        return place_at(g, key=key, shape=shapes[0])

    return op


select_at = _viewing("select_at", "Select")
slice_at = _viewing("slice_at", "Slice")
new_axis_at = _viewing("new_axis_at", "Unsqueeze")
alias_at = _viewing("alias_at", "Alias")


@structural(node="SliceBackward", linear=True, batch=batching.shifted)
def place_at(x: Any, *, key: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of a shape with x where a basic key selects."""
    result = np.zeros(shape, x.dtype)
    result[key] = x
    return result


@place_at.vjp("x")
def _(g: Any, *, key: Any) -> Any:
    return slice_at(g, key=key)


@structural(node="Index", linear=True, batch=batched_index.taking)
def index_at(x: Any, *, key: Any) -> Any:
    """The elements that a key with arrays selects."""
    return _gathered(x, key)


@index_at.vjp("x")
def _(g: Any, *, key: Any, shapes: Any) -> Any:
    return accumulate_at(g, key=key, shape=shapes[0])


@structural(node="IndexBackward", linear=True, batch=batched_index.adding)
def accumulate_at(x: Any, *, key: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of a shape with x added where a key selects, repeatedly where it repeats."""
    result = np.zeros(shape, x.dtype)
    add_at(result, key, x)
    return result


@accumulate_at.vjp("x")
def _(g: Any, *, key: Any) -> Any:
    return index_at(g, key=key)


def _writing(name: str, read: Callable[..., Any], **names: Any) -> Any:
    """Make an op that writes where a key selects; `read` is the op that selects by such keys."""

    def kernel(x: Any, value: Any, *, key: Any) -> Any:
        result = x.copy()
        assign(result, key, value)
        return result

    kernel.__name__ = name
    op = structural(linear=True, batch=batched_index.writing, **names)(kernel)

    @op.vjp("x")
    def _(g: Any, *, key: Any) -> Any:
        return op(g, 0, key=key)

    @op.vjp("value")
    def _(g: Any, *, key: Any, shapes: Any) -> Any:
        gathered = read(g, key=key)
        if any(map(is_batched, key if type(key) is tuple else (key,))):
            gathered = only_last_writes(gathered, key=key, shape=shapes[0])
            return with_leading_ones(gathered, len(shapes[1]))
        last = last_writes(key, shapes[0])
        if last is not None:
            gathered = where(last, gathered, 0)
        return with_leading_ones(gathered, len(shapes[1]))

    return op


@structural(linear=True)
def only_last_writes(x: Any, *, key: Any, shape: tuple[int, ...]) -> Any:
    """Zeros in place of the values that other writes through a key overwrite."""
    last = last_writes(key, shape)
    return x if last is None else np.where(last, x, 0)


@only_last_writes.vjp("x")
def _(g: Any, *, key: Any, shape: tuple[int, ...]) -> Any:
    return only_last_writes(g, key=key, shape=shape)


def with_leading_ones(x: Any, ndim: int) -> Any:
    """As many dimensions as a value that was written may have beyond those of its target."""
    return view_as(x, shape=(1,) * (ndim - x.ndim) + x.shape) if ndim > x.ndim else x


write_slice = _writing("write_slice", slice_at, node="CopySlices", suffix="")
write_index = _writing("write_index", index_at, node="IndexPut")


def assign(array: Any, key: Any, value: Any) -> None:
    """Write to an array where a key selects; of several writes to one element the last stays.

    Raises ShapeError for a value that does not fit, IndexError out of bounds.
    """
    if value.ndim > 1:
        # NumPy follows the order of the value in memory.
        value = np.ascontiguousarray(value)
    try:
        array[key] = value
    except ValueError as error:
        raise ShapeError(
            f"setitem() got a value of shape {value.shape} for an index into shape {array.shape}:"
            f" {error}."
        ) from error
    except IndexError as error:
        raise IndexError(f"setitem() of shape {array.shape}: {str(error).strip()}.") from error


def set_items(x: Tensor, value: Any, *, key: Any) -> Tensor:
    """Copy x with `value`, which broadcasts, where a key selects: what `x[key] = value` leaves.

    What is overwritten gets gradient 0. Where indices repeat, the last write counts, and the
    gradient follows it.
    """
    key = array_key(key)
    if _op_for(key) is index_at:
        x = joined(x, *(key if type(key) is tuple else (key,)))
        return write_index(x, value, key=key)  # type: ignore[no-any-return]
    return write_slice(x, value, key=_with_ellipsis(key))  # type: ignore[no-any-return]


@structural(node="IndexPut", linear=True, batch=batched_index.adding)
def add_items(x: Any, value: Any, *, key: Any) -> Any:
    """Copy x with `value` added where a key selects, repeatedly where it repeats."""
    region = _gathered(x, key).shape  # raises IndexError before anything is added
    try:
        values = np.broadcast_to(value, region)
    except ValueError as error:
        raise ShapeError(
            f"index_put() got values of shape {value.shape} for indices of shape {region}."
        ) from error
    result = x.copy()
    add_at(result, key, values)
    return result


@add_items.vjp("x")
def _(g: Any) -> Any:
    return g


@add_items.vjp("value")
def _(g: Any, *, key: Any) -> Any:
    return index_at(g, key=key)


def index_put(x: Tensor, indices: Any, values: Any, accumulate: bool = False) -> Tensor:
    """Copy x with `values` at the places that a tuple of index arrays names.

    With `accumulate` they are added, also repeatedly to one place; otherwise the last one stays.

    >>> import numgrad as ng
    >>> ng.index_put(ng.zeros(3), (ng.tensor([0, 0, 2]),), ng.ones(3), accumulate=True)
    tensor([2., 0., 1.])
    """
    x = lift(x, "index_put")
    key = tuple(indices)
    if not accumulate:
        return set_items(x, values, key=key)
    key = array_key(key)
    return add_items(joined(x, *key), values, key=key)  # type: ignore[no-any-return]


def select(x: Tensor, dim: int, index: int) -> Tensor:
    """One index of a dimension, which vanishes: `x[:, index]` for dimension 1; a view."""
    x = lift(x, "select")
    before = (slice(None),) * axis_in("select", dim, x.ndim)
    return select_at(x, key=(*before, operator.index(index), ...))  # type: ignore[no-any-return]


def narrow(x: Tensor, dim: int, start: int, length: int) -> Tensor:
    """`length` indices of a dimension from `start`; a view.

    Raises IndexError if they exceed the extent.

    >>> import numgrad as ng
    >>> ng.narrow(ng.tensor([1.0, 2.0, 3.0]), 0, 1, 2)
    tensor([2., 3.])
    """
    x = lift(x, "narrow")
    axis = axis_in("narrow", dim, x.ndim)
    extent = x.shape[axis] if x.ndim else 0
    first = operator.index(start)
    first += extent * (first < 0)
    if not 0 <= first <= first + length <= extent:
        raise IndexError(
            f"narrow() got start {start} and length {length} in dimension {axis} of extent"
            f" {extent}."
        )
    return slice_at(x, key=(*(slice(None),) * axis, slice(first, first + length)))  # type: ignore[no-any-return]

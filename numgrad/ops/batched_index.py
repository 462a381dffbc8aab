"""Indexing on batches, see `batching`: by positions in the flat items."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numgrad.ops.batching import PerItem, aligned, expanded, one_by_one, per_item
from numgrad.ops.positions import add_flat, positions


def _places(key: Any, shape: tuple[int, ...], hidden: tuple[int, ...]) -> Any:
    """Positions in an item that a key selects; with the hidden dimensions if the items differ."""
    items = key if type(key) is tuple else (key,)
    if not any(isinstance(item, PerItem) for item in items):
        return positions(key, shape), False
    depth = len(hidden)
    if all(isinstance(item, (PerItem, np.ndarray, int)) for item in items):
        arrays = [
            item.array
            if isinstance(item, PerItem)
            else np.asarray(item).reshape((1,) * depth + np.shape(item))
            for item in items
        ]
        arrays = aligned(arrays, hidden, (0,) * len(arrays))
        found: Any = 0
        for item, extent in zip(arrays, shape, strict=False):
            if ((item < -extent) | (item >= extent)).any():
                raise IndexError(f"getitem() got an index out of bounds for extent {extent}.")
            found = found * extent + np.where(item < 0, item + extent, item)
        rest = shape[len(items) :]
        rows = np.arange(math.prod(rest)).reshape(rest)
        found = found.reshape(found.shape + (1,) * rows.ndim) * rows.size + rows
        return expanded(found, hidden), True
    everywhere = np.arange(math.prod(shape)).reshape((1,) * depth + shape)
    return one_by_one(lambda x, *, key: x[key], [everywhere], hidden, {"key": key}), True


def _flat(x: Any, depth: int) -> Any:
    return (
        x.reshape((*x.shape[:depth], -1))
        if x.size
        else x.reshape((*x.shape[:depth], math.prod(x.shape[depth:])))
    )


def taking(kernel: Any, arrays: list[Any], hidden: tuple[int, ...], metadata: Any) -> Any:
    """`index_at`: what a key selects of each item."""
    (x,), key = arrays, metadata["key"]
    depth = len(hidden)
    where, differs = _places(key, x.shape[depth:], hidden)
    flat = _flat(x, depth)
    if not differs:
        return flat[..., where]
    chosen = np.take_along_axis(expanded(flat, hidden), where.reshape((*hidden, -1)), len(hidden))
    return chosen.reshape(where.shape)


def adding(kernel: Any, arrays: list[Any], hidden: tuple[int, ...], metadata: Any) -> Any:
    """`accumulate_at` and `add_items`: add to zeros, or to the first array."""
    depth = len(hidden)
    values = arrays[-1]
    target = tuple(metadata["shape"]) if len(arrays) == 1 else arrays[0].shape[depth:]
    where, differs = _places(metadata["key"], target, hidden)
    seen = where.shape[depth:] if differs else where.shape
    full = hidden if differs or len(arrays) > 1 else values.shape[:depth]
    if len(arrays) == 1:
        result = np.zeros(full + target, values.dtype)
    else:
        result = np.array(expanded(arrays[0], full), order="C")
    values = values.reshape(
        values.shape[:depth] + (1,) * (len(seen) - values.ndim + depth) + values.shape[depth:]
    )
    _add(result, where, np.broadcast_to(values, full + seen), depth, differs)
    return result


def _add(result: Any, where: Any, values: Any, depth: int, differs: bool) -> None:
    size = math.prod(result.shape[depth:])
    front = result.shape[:depth]
    starts = np.arange(math.prod(front)).reshape(front) * size
    seen = where.shape[depth:] if differs else where.shape
    starts = starts.reshape(front + (1,) * len(seen))
    add_flat(result, starts + where, np.ascontiguousarray(values, result.dtype))


def writing(kernel: Any, arrays: list[Any], hidden: tuple[int, ...], metadata: Any) -> Any:
    """`write_slice` and `write_index`: of several writes to one element the last stays."""
    depth = len(hidden)
    x, value = arrays
    result = np.array(expanded(x, hidden), order="C")
    where, differs = _places(metadata["key"], x.shape[depth:], hidden)
    seen = where.shape[depth:] if differs else where.shape
    extra = value.ndim - depth - len(seen)
    if extra > 0:
        value = value.reshape(value.shape[:depth] + value.shape[depth + extra :])
    value = value.reshape(value.shape[:depth] + (1,) * -min(extra, 0) + value.shape[depth:])
    values = np.broadcast_to(value, hidden + seen).reshape((*hidden, -1))
    where = where.reshape((*hidden, -1) if differs else (*(1,) * depth, -1))
    flat = _flat(result, depth)
    np.put_along_axis(flat, expanded(where, hidden), values, depth)
    return flat.reshape(result.shape)


def along(kernel: Any, arrays: list[Any], hidden: tuple[int, ...], metadata: Any) -> Any:
    """`gather_along` and its kin: the index has the dimensions of the items."""
    depth = len(hidden)
    index = metadata["index"]
    index = index.array if isinstance(index, PerItem) else index.reshape((1,) * depth + index.shape)
    changed = {**metadata, "axis": metadata["axis"] + depth, "index": expanded(index, hidden)}
    if "shape" in metadata:
        changed["shape"] = hidden + tuple(metadata["shape"])
    operands = [expanded(a, hidden) for a in arrays]
    if len(operands) == 2 and operands[1].ndim == depth:  # one number for all places
        source = operands[1].reshape(hidden + (1,) * (index.ndim - depth))
        operands[1] = np.broadcast_to(source, hidden + index.shape[depth:])
    return kernel(*operands, **changed)


def taking_slices(kernel: Any, arrays: list[Any], hidden: tuple[int, ...], metadata: Any) -> Any:
    """`take_along` and `accumulate_slices`: indices of one dimension."""
    if per_item(metadata):
        return one_by_one(kernel, arrays, hidden, metadata)
    operands = [expanded(a, hidden) for a in arrays] if len(arrays) > 1 else arrays
    return kernel(*operands, **{**metadata, "axis": metadata["axis"] + len(hidden)})


def losing(kernel: Any, arrays: list[Any], hidden: tuple[int, ...], metadata: Any) -> Any:
    """`class_loss` and its vjp: an index, and maybe a weight, for each row."""
    depth = len(hidden)
    (x,) = arrays
    changed = dict(metadata)
    differs = per_item(metadata)
    for name in ("index", "weight"):
        value = metadata[name]
        if value is None:
            continue
        value = (
            value.array if isinstance(value, PerItem) else value.reshape((1,) * depth + value.shape)
        )
        changed[name] = expanded(value, hidden if differs else x.shape[:depth])
    if differs:
        x = expanded(x, hidden)
    return kernel(x, **{**changed, "axis": metadata["axis"] + depth})

"""Where indices point to: positions in row-major memory, what adds up there, what is written last.

Functions of plain arrays and of keys as `array_key` gives them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def repeats(key: Any) -> bool:
    """Whether a key may name an element more than once: arrays of integers may, masks do not."""
    items = key if type(key) is tuple else (key,)
    return any(isinstance(item, np.ndarray) and item.dtype.kind != "b" for item in items)


def positions(key: Any, shape: tuple[int, ...]) -> Any:
    """Positions in an array of a shape, counted in row-major order, of what a key selects."""
    items = key if type(key) is tuple else (key,)
    if all(isinstance(item, np.ndarray) and item.dtype.kind != "b" for item in items):
        rest = math.prod(shape[len(items) :])
        found: Any = 0
        for item, extent in zip(items, shape, strict=False):
            found = found * extent + np.where(item < 0, item + extent, item)
        if len(items) == len(shape):
            return found
        rows = np.arange(rest).reshape(shape[len(items) :])
        return found.reshape(found.shape + (1,) * rows.ndim) * rest + rows
    return np.arange(math.prod(shape)).reshape(shape)[key]


def positions_along(index: Any, axis: int, shape: tuple[int, ...]) -> Any:
    """Positions where `index` counts along one dimension and stands in its place in the others."""
    found: Any = 0
    for k, extent in enumerate(shape):
        n = index.shape[k]
        here = index if k == axis else np.arange(n).reshape((n,) + (1,) * (len(shape) - 1 - k))
        found = found * extent + here
    return found


def add_at(array: Any, key: Any, values: Any) -> None:
    """Add to an array where a key selects, in row-major order of the values where it repeats.

    The array is in row-major order without gaps.
    """
    if not repeats(key):
        array[key] += values
        return
    add_flat(array, positions(key, array.shape), values)


def add_flat(array: Any, where: Any, values: Any) -> None:
    """Add values at positions of an array in row-major order without gaps."""
    np.add.at(array.reshape(-1), where.reshape(-1), values.reshape(-1))


def last_writes(key: Any, shape: tuple[int, ...]) -> Any:
    """Which of the writes through a key stay, as bools; None if all do."""
    return last_of(positions(key, shape), math.prod(shape)) if repeats(key) else None


def last_of(where: Any, size: int) -> Any:
    """Which of the positions come last among their equals, as bools; None if none repeats."""
    order = np.arange(where.size)
    writer = np.empty(size, order.dtype)
    writer[where.reshape(-1)] = order
    last = writer[where.reshape(-1)] == order
    return None if last.all() else last.reshape(where.shape)

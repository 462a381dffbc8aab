"""Samples of indexing, gathering, scattering and writing to elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from numgrad.samples.domains import Array, booleans, given, integers, permutations, signed
from numgrad.samples.row import Function, Row, whole

NUMBERS = (signed(0.2, 2), (2, 3))
VECTOR = (signed(0.2, 2), (4,))
NUMBER = (signed(0.2, 2), ())
REPEATED = (given(2, 0, 2), (3,))
ORDER = (permutations, (2, 3))


def getitem(label: str, key: Any, *, view: bool = False) -> Row:
    """Make the row that reads `x[key]`."""
    return whole(
        "Tensor.__getitem__",
        NUMBERS,
        label=label,
        call=lambda _, x: x[key],
        reference=lambda x: x[key],
        view=view,
    )


def setitem(label: str, key: Any, *inputs: Any) -> Row:
    """Make the row that writes `x[key] = y` to a copy of its first input."""

    def call(f: Function, x: Any, y: Any) -> Any:
        result = x.clone()
        f(result, key, y)
        return result

    def reference(x: Array, y: Array) -> Array:
        result = x.copy()
        result[key] = y
        return result

    return whole("Tensor.__setitem__", *inputs, label=label, call=call, reference=reference)


def with_added(x: Array, index: Any, y: Array) -> Array:
    """Copy an array and add to some of its elements."""
    result = x.copy()
    np.add.at(result, index, y)
    return result


def with_put(x: Array, index: Array, y: Array, axis: int) -> Array:
    """Copy an array and write to elements along a dimension."""
    result = x.copy()
    np.put_along_axis(result, index, y, axis)
    return result


def in_place(name: str, *inputs: Any, **options: Any) -> Row:
    """Make the row of a method that writes to its first input, here to a copy of it."""
    return whole(f"Tensor.{name}", *inputs, call=lambda f, x, *rest: f(x.clone(), *rest), **options)


ROWS = (
    getitem("x[1]", 1, view=True),
    getitem("x[:, 1:]", (slice(None), slice(1, None)), view=True),
    getitem("x[::-1, ::2]", (slice(None, None, -1), slice(None, None, 2)), view=True),
    getitem("x[..., None]", (..., None), view=True),
    getitem("x[...]", ..., view=True),
    getitem("x[-1, 0]", (-1, 0), view=True),
    getitem("x[[1, 1, 0]]", [1, 1, 0]),
    getitem("x[:, [2, 2]]", (slice(None), np.array([2, 2]))),
    getitem("x[[0, 1, 0], [2, -1, 2]]", (np.array([0, 1, 0]), np.array([2, -1, 2]))),
    getitem("x[mask]", np.array([[True, False, True], [False, False, True]])),
    setitem("x[1] = y", 1, NUMBERS, (signed(0.2, 2), (3,))),
    setitem("x[:, ::-2] = y", (slice(None), slice(None, None, -2)), NUMBERS, NUMBER),
    setitem("x[[3, 0]] = y", np.array([3, 0]), VECTOR, (signed(0.2, 2), (2,))),
    setitem("x[[1, 1, 0]] = y", np.array([1, 1, 0]), VECTOR, (signed(0.2, 2), (3,))),
    setitem("x[mask] = y", np.array([True, False, True, False]), VECTOR, NUMBER),
    whole(
        "index_select",
        NUMBERS,
        REPEATED,
        call=lambda f, x, i: f(x, 1, i),
        reference=lambda x, i: x[:, i],
    ),
    whole("take", NUMBERS, (given(5, 0, 5, -2), (2, 2)), reference=np.take),
    whole(
        "take",
        NUMBERS,
        REPEATED,
        label="axis=1",
        call=lambda f, x, i: f(x, i, axis=1),
        reference=lambda x, i: np.take(x, i, axis=1),
    ),
    whole(
        "gather",
        NUMBERS,
        (integers(0, 3), (2, 2)),
        call=lambda f, x, i: f(x, 1, i),
        reference=lambda x, i: np.take_along_axis(x, i, 1),
    ),
    whole(
        "take_along_dim",
        NUMBERS,
        ORDER,
        call=lambda f, x, i: f(x, i, 1),
        reference=lambda x, i: np.take_along_axis(x, i, 1),
    ),
    whole(
        "take_along_dim",
        NUMBERS,
        (given(2, 0), (1, 2)),
        label="broadcast",
        call=lambda f, x, i: f(x, i, dim=1),
        reference=lambda x, i: np.take_along_axis(x, np.broadcast_to(i, (2, 2)), 1),
    ),
    whole(
        "take_along_axis",
        NUMBERS,
        ORDER,
        call=lambda f, x, i: f(x, i, axis=-1),
        reference=lambda x, i: np.take_along_axis(x, i, -1),
    ),
    whole(
        "scatter",
        NUMBERS,
        ORDER,
        NUMBERS,
        call=lambda f, x, i, y: f(x, 1, i, y),
        reference=lambda x, i, y: with_put(x, i, y, 1),
    ),
    whole(
        "scatter",
        NUMBERS,
        (given(2, 2, 0, 1), (2, 2)),
        (signed(0.2, 2), (2, 2)),
        label="repeated",
        call=lambda f, x, i, y: f(x, 1, i, y),
        reference=lambda x, i, y: with_put(x, i, y, 1),
    ),
    whole(
        "scatter_add",
        NUMBERS,
        (given(2, 2, 0, 1), (2, 2)),
        (signed(0.2, 2), (2, 2)),
        call=lambda f, x, i, y: f(x, 1, i, y),
        reference=lambda x, i, y: with_added(x, (np.arange(2)[:, None], i), y),
    ),
    whole(
        "index_add",
        NUMBERS,
        (given(2, 0, 2), (3,)),
        NUMBERS,
        call=lambda f, x, i, y: f(x, 1, i, y),
        reference=lambda x, i, y: with_added(x, (slice(None), i), y),
    ),
    whole(
        "index_add",
        NUMBERS,
        (given(1, 1), (2,)),
        NUMBERS,
        label="alpha=2.5",
        call=lambda f, x, i, y: f(x, 0, i, y, alpha=2.5),
        reference=lambda x, i, y: with_added(x, i, 2.5 * y),
    ),
    whole(
        "index_put",
        VECTOR,
        (given(3, 0, 3), (3,)),
        (signed(0.2, 2), (3,)),
        call=lambda f, x, i, y: f(x, (i,), y),
        reference=lambda x, i, y: with_put(x, i, y, 0),
    ),
    whole(
        "index_put",
        VECTOR,
        (given(3, 0, 3), (3,)),
        (signed(0.2, 2), (3,)),
        label="accumulate",
        call=lambda f, x, i, y: f(x, (i,), y, accumulate=True),
        reference=with_added,
    ),
    whole(
        "masked_fill",
        NUMBERS,
        (booleans, (2, 3)),
        NUMBER,
        reference=lambda x, mask, y: np.where(mask, y, x),
    ),
    whole(
        "masked_fill",
        NUMBERS,
        (booleans, (3,)),
        label="value 0.5",
        call=lambda f, x, mask: f(x, mask, 0.5),
        reference=lambda x, mask: np.where(mask, 0.5, x),
    ),
    whole("masked_select", NUMBERS, (booleans, (2, 3)), reference=lambda x, mask: x[mask]),
    whole("extract", (booleans, (2, 3)), NUMBERS, reference=np.extract),
    in_place(
        "copy_", NUMBERS, (signed(0.2, 2), (3,)), reference=lambda x, y: np.broadcast_to(y, x.shape)
    ),
    in_place("zero_", NUMBERS, reference=np.zeros_like),
    in_place("add_", NUMBERS, NUMBERS, reference=np.add),
    in_place("mul_", NUMBERS, (signed(0.2, 2), (3,)), reference=np.multiply),
    in_place("exp_", NUMBERS, reference=np.exp),
)

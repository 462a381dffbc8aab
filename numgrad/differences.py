"""Finite differences: derivatives of any function of arrays, without knowing how it computes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Array: TypeAlias = np.ndarray[Any, Any]
    Function: TypeAlias = Callable[..., Sequence[Array]]

# The larger of the two steps of an extrapolated difference: at 2e-3 both the error of the formula
# and that of rounding are near 1e-11 of a float64 function that varies over lengths of about 1.
STEP = 2e-3


def along(
    function: Function,
    arrays: Sequence[Array],
    directions: Sequence[Array | None],
    *,
    step: float = STEP,
    extrapolate: bool = True,
) -> list[Array]:
    """Differentiate the results of a function along one direction in its arguments.

    `directions` has an array for each argument that moves, None for those that stay. Central
    differences; `extrapolate` takes them with `step` and half of it, which cancels the error that
    grows with the square of the step.
    """
    if not extrapolate:
        return _central(function, arrays, directions, step)
    wide = _central(function, arrays, directions, step)
    narrow = _central(function, arrays, directions, step / 2)
    with np.errstate(invalid="ignore"):
        return [(4 * n - w) / 3 for n, w in zip(narrow, wide, strict=True)]


def _central(
    function: Function, arrays: Sequence[Array], directions: Sequence[Array | None], step: float
) -> list[Array]:
    below, above = (
        function(
            *(
                a if d is None else np.add(a, by * d, out=np.empty_like(a))
                for a, d in zip(arrays, directions, strict=True)
            )
        )
        for by in (-step, step)
    )
    with np.errstate(invalid="ignore"):
        return [np.asarray((b - a) / (2 * step)) for a, b in zip(below, above, strict=True)]


def jacobians(
    function: Function,
    arrays: Sequence[Array],
    positions: Sequence[int],
    *,
    step: float = STEP,
    extrapolate: bool = True,
) -> list[list[Array]]:
    """Matrices of derivatives: `[i][k]` is that of result i in the argument `positions[k]`.

    Rows are elements of the result, columns elements of the argument, both in row-major order.
    """
    results = function(*arrays)
    found = [[np.empty((r.size, arrays[k].size), r.dtype) for k in positions] for r in results]
    for column, k in enumerate(positions):
        for place in range(arrays[k].size):
            directions = _unit(arrays, k, place)
            moved = along(function, arrays, directions, step=step, extrapolate=extrapolate)
            for row, change in enumerate(moved):
                found[row][column][:, place] = change.ravel()
    return found


def gradients(
    function: Function,
    arrays: Sequence[Array],
    positions: Sequence[int],
    weights: Sequence[Array],
) -> list[Array]:
    """Gradients of the weighted sum of a function's results, in the arguments at `positions`."""

    def slope(k: int, place: int) -> float:
        moved = along(function, arrays, _unit(arrays, k, place))
        return sum(float(np.sum(w * m)) for w, m in zip(weights, moved, strict=True))

    return [
        np.array([slope(k, place) for place in range(arrays[k].size)]).reshape(arrays[k].shape)
        for k in positions
    ]


def _unit(arrays: Sequence[Array], k: int, place: int) -> list[Array | None]:
    """Return directions in which one element moves, and all other arguments stay."""
    directions: list[Array | None] = [None] * len(arrays)
    directions[k] = direction = np.zeros(arrays[k].shape, arrays[k].dtype)
    direction.reshape(-1)[place] = 1
    return directions

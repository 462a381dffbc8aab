"""Arrays as dense rows: what kernels of rows work on, whatever dimensions a row is made of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numgrad.kernels import rows


def fold(name: str, x: Any, axes: tuple[int, ...] | None, *, keepdims: bool) -> Any:
    """Reduce an array by a kernel over some axes; None stands for all."""
    function = rows.kernel(name, x.dtype.char)
    if axes is None or len(axes) == x.ndim:
        out = np.empty((), x.dtype)
        function(x if x.ndim == 1 and x.flags.c_contiguous else flat(x), out)
        return out.reshape((1,) * x.ndim) if keepdims else out
    out = function(as_rows(x, axes))
    if keepdims:
        return out.reshape(tuple(1 if k in axes else n for k, n in enumerate(x.shape)))
    return out


def along(name: str, axes: tuple[int, ...], *arrays: Any, others: tuple[Any, ...] = ()) -> Any:
    """Map arrays of one shape by a kernel, all that lies along `axes` as one row.

    Others are further arguments of the kernel: numbers, or one for each row.
    """
    x = arrays[0]
    function = rows.kernel(name, x.dtype.char)
    taken = [as_rows(a, axes) for a in arrays]
    if len(axes) > 1 and axes[0] == x.ndim - len(axes):
        # Into an array that is no view: the walk back copies gradients that are views.
        out = np.empty(x.shape, x.dtype)
        function(*taken, *others, out.reshape(taken[0].shape))
        return out
    return from_rows(function(*taken, *others), x.shape, axes)


def flat(x: Any) -> Any:
    """All elements of an array as one row, in the order of memory."""
    if x.flags.c_contiguous:
        return x.reshape(-1)
    return np.asarray(x.reshape(-1, order="A"), order="C")


def as_rows(x: Any, axes: tuple[int, ...]) -> Any:
    """Make one last axis of `axes`, which are in ascending order, and rows dense."""
    if len(axes) == 1 and axes[0] == x.ndim - 1:
        return x if x.flags.c_contiguous else np.asarray(x, order="C")
    kept = [k for k in range(x.ndim) if k not in axes]
    length = math.prod(x.shape[k] for k in axes)
    x = x.transpose(*kept, *axes).reshape(*(x.shape[k] for k in kept), length)
    return np.asarray(x, order="C")


def from_rows(x: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    """Undo `as_rows` of an array of this shape."""
    if len(axes) == 1 and axes[0] == len(shape) - 1:
        return x
    order = [*(k for k in range(len(shape)) if k not in axes), *axes]
    return np.asarray(x.reshape([shape[k] for k in order]).transpose(np.argsort(order)), order="C")

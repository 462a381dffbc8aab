"""What the ops on matrices share: the last two dimensions are the matrix, the others the batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from numgrad import dtypes
from numgrad.errors import ShapeError
from numgrad.ops.broadcast import cast, view_as
from numgrad.value import lift


def row(x: Any) -> Any:
    """Vectors in the last dimension, as matrices of one row."""
    return view_as(x, shape=(*x.shape[:-1], 1, x.shape[-1]))


def column(x: Any) -> Any:
    """Vectors in the last dimension, as matrices of one column."""
    return view_as(x, shape=(*x.shape, 1))


def number(x: Any) -> Any:
    """Numbers, one a matrix, in a shape that broadcasts with the matrices."""
    return view_as(x, shape=(*x.shape, 1, 1))


def floating(x: Any, name: str) -> Any:
    """Return a tensor of float32 or float64; integers and bools are converted to the default.

    Raises TypeError for other dtypes.
    """
    x = lift(x, name)
    if x.dtype.kind in dtypes.EXACT:
        return cast(x, dtype=dtypes.get_default_dtype())
    if x.dtype not in (dtypes.float32, dtypes.float64):
        raise TypeError(
            f"{name}() computes in float32 and float64, got {x.dtype}:"
            " convert first, as in x.to(numgrad.float32)."
        )
    return x


def matrices(x: Any, name: str, *, square: bool = False) -> Any:
    """Return a floating tensor of matrices; raises ShapeError for what is none."""
    x = floating(x, name)
    if x.ndim < 2:
        raise ShapeError(f"{name}() takes matrices, got shape {x.shape}.")
    if square and x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{name}() takes square matrices, got shape {x.shape}.")
    return x


def eps(dtype: Any) -> float:
    """Relative distance of neighbouring numbers of a dtype."""
    return float(np.finfo(dtype).eps)

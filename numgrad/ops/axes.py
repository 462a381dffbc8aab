"""Which dimensions are meant: PyTorch's `dim` and `keepdim`, NumPy's `axis` and `keepdims`."""

from __future__ import annotations

import operator
from typing import Any


class Missing:
    """The type of MISSING, which stands for an argument that was not given."""

    def __repr__(self) -> str:
        return "<not given>"


MISSING: Any = Missing()


def either(name: str, first: str, one: Any, second: str, other: Any, default: Any) -> Any:
    """Return whichever of two spellings of an argument was given.

    Raises TypeError if both were.
    """
    if other is MISSING:
        return default if one is MISSING else one
    if one is not MISSING:
        message = f"{name}() got both {first}= and {second}=: give one of them."
        raise TypeError(message)
    return other


def axis_in(name: str, dim: Any, ndim: int) -> int:
    """Return a dimension counted from the front.

    Raises IndexError if it is out of range; a 0-d tensor has dimensions 0 and -1, as in PyTorch.
    """
    try:
        k = operator.index(dim)
    except TypeError as error:
        message = f"{name}() takes dimensions as integers, got {type(dim).__name__}."
        raise TypeError(message) from error
    extent = max(ndim, 1)
    if not -extent <= k < extent:
        message = (
            f"{name}() got dimension {k} of a tensor with {ndim}:"
            f" dimensions are {-extent} to {extent - 1}."
        )
        raise IndexError(message)
    return k % extent


def axes_in(name: str, dim: Any, ndim: int) -> tuple[int, ...]:
    """Return dimensions counted from the front, in ascending order; None means all.

    Raises RuntimeError if one is given twice.
    """
    if dim is None:
        return tuple(range(ndim))
    dims = tuple(dim) if isinstance(dim, (tuple, list)) else (dim,)
    axes = sorted(axis_in(name, d, ndim) for d in dims)
    if len(set(axes)) != len(axes):
        message = f"{name}() got dimensions {dims}, one of them twice."
        raise RuntimeError(message)
    return tuple(axes) if ndim else ()


def reduced_shape(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """Shape after a reduction over `axes` that keeps them with extent 1."""
    return tuple(1 if k in axes else n for k, n in enumerate(shape))

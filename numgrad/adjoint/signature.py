"""The types of arguments, of Python values and of Numba's types."""

from __future__ import annotations

from typing import Any

import numpy as np

from numgrad.adjoint.fronts import Shape, Static, TupleType
from numgrad.adjoint.ir import B1, F4, F8, I8, Array, Scalar

_CODES = {"f8": "f8", "f4": "f4", "b1": "b1"}


def code_of_dtype(dtype: np.dtype[Any]) -> str | None:
    """The code of a dtype; None if it is not supported."""
    return "i8" if dtype.kind in "iu" else _CODES.get(dtype.str[1:])


def shape_of_value(value: Any, name: str, position: int) -> Shape:
    """The type of an argument.

    Raises:
        TypeError: it is nothing that the language has.
    """
    if isinstance(value, np.ndarray):
        code = code_of_dtype(value.dtype)
        if code is not None:
            return Array(code, value.ndim)
    elif isinstance(value, (bool, np.bool_)):
        return B1
    elif isinstance(value, (int, np.integer)):
        return I8
    elif isinstance(value, np.float32):
        return F4
    elif isinstance(value, (float, np.floating)):
        return F8
    elif isinstance(value, tuple):
        cls = type(value) if type(value) is not tuple else None
        return TupleType(tuple(shape_of_value(v, name, position) for v in value), cls)
    elif value is None or isinstance(value, (str, np.dtype, type)) or callable(value):
        return Static(value)
    what = (
        f"{value.ndim}-d array of {value.dtype}"
        if isinstance(value, np.ndarray)
        else (type(value).__name__)
    )
    raise TypeError(
        f"{name}() takes numbers, arrays of floats or integers, tuples of these and compiled"
        f" functions, got {what} as argument {position}: convert it with numpy.asarray()."
    )


def floats(shape: Shape) -> list[bool]:
    """For each number and array in a type, whether it is of floats."""
    if isinstance(shape, TupleType):
        return [each for item in shape.items for each in floats(item)]
    if isinstance(shape, Static):
        return []
    return [shape.code in {"f8", "f4"}]


__all__ = ["Scalar", "floats", "shape_of_value"]

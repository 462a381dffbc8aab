"""NumPy ufuncs from the addresses of compiled loops, through NumPy's C API."""

from __future__ import annotations

import ctypes
import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy._core._multiarray_umath import _UFUNC_API  # type: ignore[import-not-found]

if TYPE_CHECKING:
    from collections.abc import Callable

# The typecodes of kernels. `l` is int64 on every platform.
DTYPES: dict[str, np.dtype[Any]] = {
    "d": np.dtype(np.float64),
    "f": np.dtype(np.float32),
    "l": np.dtype(np.int64),
    "?": np.dtype(np.bool_),
}

# Places in the table of functions that NumPy exports to C, which are part of its ABI: what
# `PyUFunc_FromFuncAndData` and `PyUFunc_FromFuncAndDataAndSignature` stand for in a C extension.
_FROM_FUNC_AND_DATA = 1
_FROM_FUNC_AND_DATA_AND_SIGNATURE = 31
_NO_IDENTITY = -1

# What the C side keeps pointers to, for as long as the ufuncs live: the whole process.
_kept: list[object] = []


def make(
    name: str, address: int, data: int, types: str, core: str | None = None, doc: str = ""
) -> np.ufunc:
    """A ufunc, or with `core` a gufunc, of the one loop at `address`.

    Args:
        name: what the ufunc is called in messages.
        address: of a C function `void(char **args, intp *dims, intp *steps, void *data)`.
        data: the address of what every call of the loop is handed, see `numgrad.kernels.division`.
        types: the dtypes of inputs and outputs, as in "dd->d".
        core: the shapes that one call of the loop works on, as in "(n),(n)->()".
        doc: the docstring.
    """
    inputs, outputs = types.split("->")
    loops, handed = (ctypes.c_void_p * 1)(address), (ctypes.c_void_p * 1)(data)
    numbers = bytes(DTYPES[code].num for code in inputs + outputs)
    strings = [text.encode() for text in (name, doc, *([] if core is None else [core]))]
    _kept.append((loops, handed, numbers, strings))
    place = _FROM_FUNC_AND_DATA if core is None else _FROM_FUNC_AND_DATA_AND_SIGNATURE
    return _constructor(place, len(strings))(
        loops,
        handed,
        numbers,
        1,
        len(inputs),
        len(outputs),
        _NO_IDENTITY,
        *strings[:2],
        0,
        *strings[2:],
    )


@functools.cache
def _constructor(place: int, strings: int) -> Callable[..., np.ufunc]:
    """The C function that makes ufuncs, from the table that NumPy exports."""
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    table = ctypes.cast(pointer(_UFUNC_API, None), ctypes.POINTER(ctypes.c_void_p))
    prototype = ctypes.PYFUNCTYPE(
        ctypes.py_object,
        *[ctypes.c_void_p] * 2,
        ctypes.c_char_p,
        *[ctypes.c_int] * 4,
        *[ctypes.c_char_p] * 2,
        ctypes.c_int,
        *[ctypes.c_char_p] * (strings - 2),
    )
    return prototype(table[place])

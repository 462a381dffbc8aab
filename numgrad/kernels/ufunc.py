"""NumPy ufuncs from the addresses of compiled loops, through NumPy's C API."""

from __future__ import annotations

import ctypes
import functools

import numpy as np
from numpy._core import _multiarray_umath

# The typecodes of kernels. `l` is int64 on every platform.
DTYPES = {
    "d": np.dtype(np.float64),
    "f": np.dtype(np.float32),
    "l": np.dtype(np.int64),
    "?": np.dtype(np.bool_),
}

# Places in the table of functions that NumPy exports to C, which are part of its ABI.
_FROM_FUNC_AND_DATA = 1
_FROM_FUNC_AND_DATA_AND_SIGNATURE = 31
_NO_IDENTITY = -1

# What the C side keeps pointers to, for as long as the ufuncs live: the whole process.
_kept: list[object] = []


def make(name: str, address: int, types: str, core: str | None = None, doc: str = "") -> np.ufunc:
    """A ufunc, or with `core` a gufunc, of the one loop at `address`.

    Args:
        name: what the ufunc is called in messages.
        address: of a C function `void(char **args, intp *dims, intp *steps, void *data)`.
        types: the dtypes of inputs and outputs, as in "dd->d".
        core: the shapes that one call of the loop works on, as in "(n),(n)->()".
        doc: the docstring.
    """
    inputs, outputs = types.split("->")
    loops = (ctypes.c_void_p * 1)(address)
    data = (ctypes.c_void_p * 1)()
    numbers = bytes(DTYPES[code].num for code in inputs + outputs)
    c_name, c_doc, c_core = name.encode(), doc.encode(), core and core.encode()
    _kept.append((loops, data, numbers, c_name, c_doc, c_core))
    arguments = [
        ctypes.addressof(loops),
        ctypes.addressof(data),
        numbers,
        1,
        len(inputs),
        len(outputs),
        _NO_IDENTITY,
        c_name,
        c_doc,
        0,
    ]
    if c_core is None:
        return _api(_FROM_FUNC_AND_DATA, 0)(*arguments)
    return _api(_FROM_FUNC_AND_DATA_AND_SIGNATURE, 1)(*arguments, c_core)


@functools.cache
def _api(place: int, more_strings: int):
    """The C function that makes ufuncs, from NumPy's table."""
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    table = ctypes.cast(
        pointer(_multiarray_umath._UFUNC_API, None), ctypes.POINTER(ctypes.c_void_p)
    )
    prototype = ctypes.PYFUNCTYPE(
        ctypes.py_object,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_char_p,
        *[ctypes.c_int] * 4,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_int,
        *[ctypes.c_char_p] * more_strings,
    )
    return prototype(table[place])

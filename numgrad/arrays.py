"""From what users hold to NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from numgrad import dtypes
from numgrad.value import Value


def array_of(data: Any, dtype: Any = None) -> np.ndarray[Any, Any]:
    """Copy numbers, nested lists, tensors and arrays into a new array.

    Python floats take the default dtype, ints int64; arrays and NumPy scalars keep theirs.
    Raises TypeError for None and for what is no number, ValueError for ragged lists.
    """
    if data is None:
        message = "tensor() takes numbers, nested lists or arrays, got None."
        raise TypeError(message)
    data = _plain(data)
    array = np.array(data, dtype=dtype)
    if (
        dtype is None
        and array.dtype == np.float64
        and not isinstance(data, (np.ndarray, np.generic))
    ):
        array = array.astype(dtypes.get_default_dtype(), copy=False)
    if array.dtype.kind not in "fiub":
        message = (
            f"tensor() takes real numbers, got dtype {array.dtype} from {type(data).__name__}."
        )
        raise TypeError(message)
    return array


def _plain(data: Any) -> Any:
    """Replace tensors in nested lists by their values."""
    if isinstance(data, Value):
        return data.array  # type: ignore[attr-defined] # only a tensor is a Value with elements
    if isinstance(data, (list, tuple)):
        return [_plain(item) for item in data]
    return data

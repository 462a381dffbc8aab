"""Data types: NumPy's own, under PyTorch's names, and the default for new tensors.

>>> float64 == "float64"
True
>>> get_default_dtype()
dtype('float64')
"""

from __future__ import annotations

from typing import Any

import numpy as np

float16 = half = np.dtype(np.float16)
float32 = np.dtype(np.float32)
float64 = double = np.dtype(np.float64)
int8 = np.dtype(np.int8)
int16 = short = np.dtype(np.int16)
int32 = np.dtype(np.int32)
int64 = long = np.dtype(np.int64)
uint8 = np.dtype(np.uint8)
boolean = np.dtype(np.bool_)

# Kinds of NumPy dtypes, by the letter in `dtype.kind`.
FLOATING = "fc"
EXACT = "biu"

DTypeLike = Any

_default = float64


def set_default_dtype(dtype: DTypeLike) -> None:
    """Set the dtype of tensors made from Python floats, and of factories without `dtype`.

    Raises TypeError unless `dtype` is float32 or float64.

    >>> set_default_dtype(float32)
    >>> get_default_dtype()
    dtype('float32')
    >>> set_default_dtype(float64)
    """
    global _default  # noqa: PLW0603 - one process-wide setting, as in PyTorch
    wanted = np.dtype(dtype)
    if wanted not in (float32, float64):
        message = (
            f"set_default_dtype() takes float32 or float64, got {wanted}: only these have kernels."
        )
        raise TypeError(message)
    _default = wanted


def get_default_dtype() -> np.dtype[Any]:
    """Return the dtype of tensors made from Python floats."""
    return _default

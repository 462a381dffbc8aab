"""Outer products of vectors, of many pairs of them at a time.

NumPy's broadcasting product calls its inner loop for each row of each pair.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from numgrad.kernels import build
from numgrad.kernels.emit import SUFFIX

if TYPE_CHECKING:
    import numpy as np

_SOURCE = """
@inline
def fill(x, y, out, at, pace, to, stride, factor, n):
    for j in range(n):
        store_T(out, to + j * stride, factor * load_T(y, at + j * pace))

def loop(args, dims, steps, data):
    for k in range(dims[0]):
        for i in range(dims[1]):
            factor = load_T(args[0], k * steps[0] + i * steps[3])
            fill(
                args[0], args[1], args[2], k * steps[1], steps[4],
                k * steps[2] + i * steps[5], steps[6], factor, dims[2],
            )
"""


@functools.cache
def kernel(code: str) -> np.ufunc:
    """Return the kernel for a float typecode, which writes x_i y_j."""
    text = _SOURCE.replace("_T(", f"_{SUFFIX[code]}(")
    return build.kernel("outer", text, f"{code}{code}->{code}", "(m),(n)->(m,n)")


def outer(x: Any, y: Any) -> Any:
    """Products of all elements of each vector of x with all of that of y; batches broadcast."""
    if x.dtype == y.dtype and x.dtype.char in "df":
        return kernel(x.dtype.char)(x, y)
    return x[..., :, None] * y[..., None, :]

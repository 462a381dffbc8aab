"""Kernels that work on rows: what sums along a dimension, and what maps all of a row at once.

Each is a gufunc of one dtype whose text is made from a template here. Sums run in eight
accumulators, and the sums of blocks are added with compensation, so that the error does not grow
with the length of the row; the order of additions is fixed, so results do not depend on the
machine. Nothing is widened: float32 rows are summed in float32.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from numgrad.kernels import build
from numgrad.kernels.emit import SUFFIX


class Row(NamedTuple):
    """What a kernel does with a row: its shapes, and its text but for dtype and sums."""

    core: str
    body: str
    # Name of a sum that the body uses -> its term, of an element v and numbers c and r.
    sums: dict[str, str]


# The sum of a term over a row. Names in capitals are filled in; T is the float type.
_SUM = """
@inline
def NAME(x, at, step, n, c=0, r=0):
    whole = T(-0.0)
    lost = T(-0.0)
    i = 0
    while i < n:
        stop = min(i + 128, n)
        a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = T(-0.0)
        while i + 8 <= stop:
UNROLLED
            i += 8
        block = ((a0 + a1) + (a2 + a3)) + ((a4 + a5) + (a6 + a7))
        while i < stop:
            v = load_T(x, at + i * step)
            block += T(TERM)
            i += 1
        grown = whole + block
        part = grown - whole
        lost += (whole - (grown - part)) + (block - part)
        whole = grown
    return whole + lost if lost != T(0) and lost - lost == T(0) else whole
"""

_HIGHEST = """
@inline
def highest(x, at, step, n):
    high = T(-math.inf)
    for i in range(n):
        high = maximum(high, load_T(x, at + i * step))
    return high

@inline
def largest(x, at, step, n):
    high = T(0)
    for i in range(n):
        high = maximum(high, fabs(load_T(x, at + i * step)))
    return high
"""

# One number out of a row.
_FOLD = """
@inline
def fold(x, at, step, n):
BODY

def loop(args, dims, steps, data):
    n = dims[1]
    for k in range(dims[0]):
        store_T(args[1], k * steps[1], fold(args[0], k * steps[0], steps[2], n))
"""

# A row out of a row.
_MAP = """
@inline
def fill(x, at, step, out, to, stride, n):
BODY

def loop(args, dims, steps, data):
    n = dims[1]
    for k in range(dims[0]):
        fill(args[0], k * steps[0], steps[2], args[1], k * steps[1], steps[3], n)
"""

# A row out of two.
_MAP2 = """
@inline
def fill(x, at, step, y, start, pace, out, to, stride, n):
BODY

def loop(args, dims, steps, data):
    n = dims[1]
    for k in range(dims[0]):
        a, b, c = k * steps[0], k * steps[1], k * steps[2]
        fill(args[0], a, steps[3], args[1], b, steps[4], args[2], c, steps[5], n)
"""

# The product of the chain rule, see numgrad.ops.arithmetic.product.
_CHAIN = """
@inline
def chain(x, y):
    p = x * y
    return T(0) if p != p and (x == T(0) or y == T(0)) else p
"""

_SOFTMAX = """
    high = highest(x, at, step, n)
    for i in range(n):
        store_T(out, to + i * stride, math.exp(load_T(x, at + i * step) - high))
    total = add(out, to, stride, n)
"""

# The mean, and what rounding has taken from it. So the deviations of equal elements are exactly 0,
# and others are right at any mean.
_CENTRE = """
    centre = add(x, at, step, n) / T(n)
    rest = deviate(x, at, step, n, centre) / T(n)
"""

_SCALE = """
    for i in range(n):
        store_T(out, to + i * stride, load_T(out, to + i * stride) / total)
"""

_ADD = {"add": "v"}
_MEAN = {**_ADD, "deviate": "v - c"}
_TINY = {"f8": "1e-290", "f4": "1e-30"}

ROWS = {
    "sum": Row("(n)->()", "return add(x, at, step, n) if n else T(0)", _ADD),
    "mean": Row("(n)->()", "return add(x, at, step, n) / T(n)", _ADD),
    "sum_of_magnitudes": Row(
        "(n)->()",
        "return magnitudes(x, at, step, n) if n else T(0)",
        {"magnitudes": "fabs(v)"},
    ),
    # Squares that overflow or vanish are summed again, scaled.
    "euclidean": Row(
        "(n)->()",
        """
    total = squares(x, at, step, n) if n else T(0)
    if TINY < total < T(math.inf):
        return sqrt(total)
    high = largest(x, at, step, n)
    if high == T(0) or high - high != T(0):
        return high
    return high * sqrt(scaled(x, at, step, n, high))
""",
        {"squares": "v * v", "scaled": "(v / c) * (v / c)"},
    ),
    # Sum of squared deviations from the mean.
    "scatter": Row(
        "(n)->()",
        _CENTRE + "    return squares(x, at, step, n, centre, rest)",
        {**_MEAN, "squares": "(v - c - r) * (v - c - r)"},
    ),
    "deviation": Row(
        "(n)->(n)",
        _CENTRE
        + """
    for i in range(n):
        store_T(out, to + i * stride, load_T(x, at + i * step) - centre - rest)
""",
        _MEAN,
    ),
    "logsumexp": Row(
        "(n)->()",
        """
    high = highest(x, at, step, n)
    if high - high != T(0):
        return high
    return high + T(math.log(powers(x, at, step, n, high)))
""",
        {"powers": "math.exp(v - c)"},
    ),
    "softmax": Row("(n)->(n)", _SOFTMAX + _SCALE, _ADD),
    "log_softmax": Row(
        "(n)->(n)",
        _SOFTMAX
        + """
    total = T(math.log(total))
    for i in range(n):
        store_T(out, to + i * stride, (load_T(x, at + i * step) - high) - total)
""",
        _ADD,
    ),
    # Softmax as the gradient of logsumexp: rows of -inf share evenly, elements of +inf take all.
    "shares": Row(
        "(n)->(n)",
        """
    high = highest(x, at, step, n)
    if high - high == T(0):
        for i in range(n):
            store_T(out, to + i * stride, math.exp(load_T(x, at + i * step) - high))
    else:
        for i in range(n):
            v = load_T(x, at + i * step)
            store_T(out, to + i * stride, T(1) if v == high else T(0))
    total = add(out, to, stride, n)
"""
        + _SCALE,
        _ADD,
    ),
    # x is the cotangent g, y the softmax: y * (g - sum(g * y)).
    "softmax_vjp": Row(
        "(n),(n)->(n)",
        """
    for i in range(n):
        g = load_T(x, at + i * step)
        store_T(out, to + i * stride, chain(g, load_T(y, start + i * pace)))
    total = add(out, to, stride, n)
    for i in range(n):
        g = load_T(x, at + i * step)
        store_T(out, to + i * stride, chain(g - total, load_T(y, start + i * pace)))
""",
        _ADD,
    ),
    # x is the cotangent g, y the log of the softmax: g - exp(y) * sum(g).
    "log_softmax_vjp": Row(
        "(n),(n)->(n)",
        """
    total = add(x, at, step, n)
    for i in range(n):
        g = load_T(x, at + i * step)
        share = T(math.exp(load_T(y, start + i * pace)))
        store_T(out, to + i * stride, g - chain(total, share))
""",
        _ADD,
    ),
    "product": Row(
        "(n)->()",
        """
    a0 = a1 = a2 = a3 = T(1)
    i = 0
    while i + 4 <= n:
        a0 *= load_T(x, at + i * step)
        a1 *= load_T(x, at + (i + 1) * step)
        a2 *= load_T(x, at + (i + 2) * step)
        a3 *= load_T(x, at + (i + 3) * step)
        i += 4
    while i < n:
        a0 *= load_T(x, at + i * step)
        i += 1
    return (a0 * a1) * (a2 * a3)
""",
        {},
    ),
    # The product of all elements of the row but one, in the place of that one.
    "others": Row(
        "(n)->(n)",
        """
    before = T(1)
    for i in range(n):
        store_T(out, to + i * stride, before)
        before *= load_T(x, at + i * step)
    after = T(1)
    for k in range(n):
        i = n - 1 - k
        store_T(out, to + i * stride, load_T(out, to + i * stride) * after)
        after *= load_T(x, at + i * step)
""",
        {},
    ),
    "cumsum": Row(
        "(n)->(n)",
        """
    total = T(-0.0)
    for i in range(n):
        total += load_T(x, at + i * step)
        store_T(out, to + i * stride, total)
""",
        {},
    ),
    "cumprod": Row(
        "(n)->(n)",
        """
    total = T(1)
    for i in range(n):
        total *= load_T(x, at + i * step)
        store_T(out, to + i * stride, total)
""",
        {},
    ),
    # z[i] = x[i] * z[i - 1] + y[i], from 0.
    "recurrence": Row(
        "(n),(n)->(n)",
        """
    z = T(0)
    for i in range(n):
        z = chain(load_T(x, at + i * step), z) + load_T(y, start + i * pace)
        store_T(out, to + i * stride, z)
""",
        {},
    ),
}


def source(name: str, code: str) -> str:
    """Return the text of a kernel for the float typecode `code`."""
    dtype = SUFFIX[code]
    row = ROWS[name]
    body = row.body if row.body.startswith("\n") else f"    {row.body}"
    loop = {"(n)->()": _FOLD, "(n)->(n)": _MAP, "(n),(n)->(n)": _MAP2}[row.core]
    texts = [_sum(*each) for each in row.sums.items()]
    texts += [_HIGHEST] if "highest(" in body or "largest(" in body else []
    texts += [_CHAIN] if "chain(" in body else []
    text = "\n".join([*texts, loop.replace("BODY", body)])
    text = text.replace("TINY", f"T({_TINY[dtype]})")
    return (
        text.replace("load_T", f"load_{dtype}")
        .replace("store_T", f"store_{dtype}")
        .replace("T(", f"{dtype}(")
    )


def _sum(name: str, term: str) -> str:
    lines = [
        line
        for k in range(8)
        for line in (
            f"            v = load_T(x, at + (i + {k}) * step)",
            f"            a{k} += T({term})",
        )
    ]
    text = _SUM.replace("UNROLLED", "\n".join(lines)).replace("TERM", term)
    return text.replace("NAME", name)


@functools.cache
def kernel(name: str, code: str) -> np.ufunc:
    """Return the compiled kernel for the float typecode `code`, from the cache if it is there."""
    row = ROWS[name]
    inputs = row.core.count("(n)", 0, row.core.index("->"))
    return build.kernel(name, source(name, code), f"{code * inputs}->{code}", row.core)


def fold(name: str, x: Any, axes: tuple[int, ...] | None, *, keepdims: bool) -> Any:
    """Reduce an array by a kernel over some axes; None stands for all."""
    function = kernel(name, x.dtype.char)
    if axes is None or len(axes) == x.ndim:
        out = np.empty((), x.dtype)
        function(x if x.ndim == 1 else x.reshape(-1, order="A"), out)
        return out.reshape((1,) * x.ndim) if keepdims else out
    if len(axes) == 1:
        return function(x, axis=axes[0], keepdims=keepdims)
    out = function(as_rows(x, axes))
    if keepdims:
        return out.reshape(tuple(1 if k in axes else n for k, n in enumerate(x.shape)))
    return out


def along(name: str, axes: tuple[int, ...], *arrays: Any) -> Any:
    """Map arrays of one shape by a kernel, all that lies along `axes` as one row."""
    x = arrays[0]
    function = kernel(name, x.dtype.char)
    if len(axes) == 1:
        axis = axes[0]
        return function(*arrays) if axis == x.ndim - 1 else function(*arrays, axis=axis)
    return from_rows(function(*(as_rows(a, axes) for a in arrays)), x.shape, axes)


def as_rows(x: Any, axes: tuple[int, ...]) -> Any:
    """Make one last axis of `axes`, which are in ascending order."""
    kept = [k for k in range(x.ndim) if k not in axes]
    length = math.prod(x.shape[k] for k in axes)
    return x.transpose(*kept, *axes).reshape(*(x.shape[k] for k in kept), length)


def from_rows(x: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    """Undo `as_rows` of an array of this shape."""
    order = [*(k for k in range(len(shape)) if k not in axes), *axes]
    return x.reshape([shape[k] for k in order]).transpose(np.argsort(order))

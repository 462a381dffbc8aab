"""Kernels that work on rows: what sums along a dimension, and what maps all of a row at once.

Each is a gufunc of one dtype whose text is made from the table here. Rows are dense, and results
are no inputs: whoever calls a kernel sees to that, see `numgrad.kernels.layout`. Sums and extremes
are taken in the lanes of vectors, in a fixed order, see `numgrad.kernels.lanes`; maps are plain
loops, which LLVM vectorises. Nothing is widened: float32 rows are summed in float32.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from numgrad.kernels import build
from numgrad.kernels.row_text import Row, core, source, types

if TYPE_CHECKING:
    import numpy as np

_TOTAL = ("total", "x: x")

# The mean, and what rounding has taken from it. So the deviations of equal elements are exactly 0,
# and others are right at any mean.
_CENTRE = """
centre = total(x, n) / T(n)
rest = deviated(x, n, centre) / T(n)
"""
_CENTRED = (_TOTAL, ("deviated", "x, c: x - c"))

# The reciprocal of the deviation that layer_norm divides by. Where it is not finite, gradients are
# nan, but 0 for a row whose cotangents are all 0.
_SCALED = (
    _CENTRE
    + """
scale = T(1) / sqrt(squares(x, n, centre, rest) / T(n) + eps)
"""
)
_NORMAL = (*_CENTRED, ("squares", "x, c, r: (x - c - r) * (x - c - r)"))

# The exponentials of a row, its largest element being 1, and their sum.
_EXPONENTIALS = """
high = highest(x, n)
for i in range(n):
    out[i] = exp(x[i] - high)
"""
# The same without a place for the exponentials.
_SUM_OF_EXPONENTIALS = """
high = highest(x, n)
mass = T(0)
lost = T(0)
some = room()
for start in range(0, n, LONG):
    more = min(LONG, n - start)
    for i in range(more):
        some[i] = exp(x[start + i] - high)
    part = total(some, more) - lost
    larger = mass + part
    lost = (larger - mass) - part
    mass = larger
"""

ROWS = {
    "sum": Row("x(n) -> out()", "out = total(x, n) if n else T(0)", (_TOTAL,)),
    "mean": Row("x(n) -> out()", "out = total(x, n) / T(n)", (_TOTAL,)),
    "highest": Row("x(n) -> out()", "out = highest(x, n)"),
    "lowest": Row("x(n) -> out()", "out = lowest(x, n)"),
    # 1/k for each of k elements that are the extreme, which nan is if there is one.
    "ties": Row(
        "x(n), extreme() -> out(n)",
        """
for i in range(n):
    v = x[i]
    out[i] = T(1) if v == extreme or (v != v and extreme != extreme) else T(0)
share = T(1) / total(out, n)
for i in range(n):
    out[i] = out[i] * share
""",
        (_TOTAL,),
    ),
    "product": Row("x(n) -> out()", "out = multiplied(x, n)"),
    "sum_of_magnitudes": Row(
        "x(n) -> out()", "out = total(x, n) if n else T(0)", (("total", "x: abs(x)"),)
    ),
    "squared_distance": Row(
        "x(n), y(n) -> out()",
        "out = total(x, y, n) if n else T(0)",
        (("total", "x, y: (x - y) * (x - y)"),),
    ),
    "scaled_difference": Row(
        "x(n), y(n), g() -> out(n)",
        """
for i in range(n):
    out[i] = chain(g, x[i] - y[i])
""",
    ),
    # Squares that overflow or vanish are summed again, scaled.
    "euclidean": Row(
        "x(n) -> out()",
        """
total = squares(x, n) if n else T(0)
out = sqrt(total)
if not (TINY < total < T(math.inf)):
    high = T(0)
    for i in range(n):
        high = maximum(high, fabs(x[i]))
    out = high
    if high != T(0) and high - high == T(0):
        out = high * sqrt(scaled(x, n, high))
""",
        (("squares", "x: x * x"), ("scaled", "x, c: (x / c) * (x / c)")),
    ),
    # Sum of squared deviations from the mean.
    "scatter": Row("x(n) -> out()", _CENTRE + "out = squares(x, n, centre, rest)", _NORMAL),
    "deviation": Row(
        "x(n) -> out(n)",
        _CENTRE
        + """
for i in range(n):
    out[i] = x[i] - centre - rest
""",
        _CENTRED,
    ),
    "logsumexp": Row(
        "x(n) -> out()",
        _SUM_OF_EXPONENTIALS + "out = high + log(mass) if high - high == T(0) else high",
        (_TOTAL,),
    ),
    "softmax": Row(
        "x(n) -> out(n)",
        _EXPONENTIALS
        + """
share = T(1) / total(out, n)
for i in range(n):
    out[i] = out[i] * share
""",
        (_TOTAL,),
    ),
    "log_softmax": Row(
        "x(n) -> out(n)",
        _EXPONENTIALS
        + """
mass = log(total(out, n))
for i in range(n):
    out[i] = (x[i] - high) - mass
""",
        (_TOTAL,),
    ),
    # The gradient of logsumexp, g being the cotangent: g times the softmax, but rows of -inf share
    # evenly, elements of +inf take all.
    "shares": Row(
        "x(n), g() -> out(n)",
        _EXPONENTIALS
        + """
if high - high != T(0):
    for i in range(n):
        v = x[i]
        out[i] = T(1) if v == high else v - v if v != v else T(0)
share = T(1) / total(out, n)
for i in range(n):
    out[i] = chain(g, out[i] * share)
""",
        (_TOTAL,),
    ),
    # g is the cotangent, y the softmax: y * (g - sum(g * y)).
    "softmax_vjp": Row(
        "g(n), y(n) -> out(n)",
        """
along = dot(g, y, n)
for i in range(n):
    out[i] = chain(g[i] - along, y[i])
""",
        (("dot", "g, y: safe(g, y)"),),
    ),
    # g is the cotangent, y the log of the softmax: g - exp(y) * sum(g).
    "log_softmax_vjp": Row(
        "g(n), y(n) -> out(n)",
        """
along = total(g, n)
for i in range(n):
    out[i] = g[i] - chain(along, exp(y[i]))
""",
        (("total", "g: g"),),
    ),
    # Minus the logarithm of the softmax at the label, times a weight; nothing where that is 0.
    "cross_entropy": Row(
        "x(n), label(), weight() -> out()",
        """
out = T(0)
if weight != T(0):
"""
        + _SUM_OF_EXPONENTIALS.replace("\n", "\n    ").rstrip(" ")
        + """
    out = weight * (log(mass) - (x[label] - high))
""",
        (_TOTAL,),
    ),
    # Its gradient, the weight being that of the label times the cotangent.
    "cross_entropy_vjp": Row(
        "x(n), label(), weight() -> out(n)",
        """
if weight == T(0):
    for i in range(n):
        out[i] = T(0)
else:
"""
        + _EXPONENTIALS.replace("\n", "\n    ").rstrip(" ")
        + """
    share = T(1) / total(out, n)
    at = out[label] * share - T(1)
    for i in range(n):
        out[i] = chain(weight, out[i] * share)
    out[label] = chain(weight, at)
""",
        (_TOTAL,),
    ),
    # The same of a target q that gives each class its part, and nothing where that is 0.
    "soft_cross_entropy": Row(
        "x(n), q(n) -> out()",
        _SUM_OF_EXPONENTIALS + "out = surprise(x, q, n, high, log(mass))",
        (_TOTAL, ("surprise", "x, q, h, m: safe(q, m - (x - h))")),
    ),
    "soft_cross_entropy_vjp": Row(
        "x(n), q(n), g() -> out(n)",
        _EXPONENTIALS
        + """
mass = total(q, n)
share = T(1) / total(out, n)
for i in range(n):
    out[i] = chain(g, chain(out[i] * share, mass) - q[i])
""",
        (_TOTAL,),
    ),
    # Shifted and scaled to mean 0 and variance 1.
    "standardise": Row(
        "x(n), eps() -> out(n)",
        _SCALED
        + """
for i in range(n):
    out[i] = (x[i] - centre - rest) * scale
""",
        _NORMAL,
    ),
    "standardise_vjp": Row(
        "g(n), x(n), eps() -> out(n)",
        _SCALED
        + """
if scale - scale == T(0):
    mean = total(g, n) / T(n)
    slope = slopes(g, x, n, centre, rest, scale) / T(n)
    for i in range(n):
        out[i] = (g[i] - mean - (x[i] - centre - rest) * scale * slope) * scale
else:
    mass = chain(magnitudes(g, n), scale - scale)
    for i in range(n):
        out[i] = mass
""",
        (
            *_NORMAL,
            ("slopes", "g, x, c, r, s: g * ((x - c - r) * s)"),
            ("magnitudes", "g: abs(g)"),
        ),
    ),
    "layer_norm": Row(
        "x(n), w(n), b(n), eps() -> out(n)",
        _SCALED
        + """
for i in range(n):
    out[i] = (x[i] - centre - rest) * scale * w[i] + b[i]
""",
        _NORMAL,
    ),
    # The gradients of x, of the weight and of the bias.
    "layer_norm_vjp": Row(
        "g(m,n), x(m,n), w(n), eps() -> out(m,n), dw(n), db(n)",
        """
for i in range(n):
    dw[i] = T(0)
    db[i] = T(0)
for k in range(m):
"""
        + _SCALED.replace("\n", "\n    ").rstrip(" ")
        + """
    for i in range(n):
        out[i] = chain(g[i], w[i])
        db[i] = db[i] + g[i]
    if scale - scale == T(0):
        mean = total(out, n) / T(n)
        slope = slopes(out, x, n, centre, rest, scale) / T(n)
        for i in range(n):
            normal = (x[i] - centre - rest) * scale
            dw[i] = dw[i] + chain(g[i], normal)
            out[i] = (out[i] - mean - normal * slope) * scale
    else:
        mass = chain(magnitudes(out, n), scale - scale)
        for i in range(n):
            dw[i] = dw[i] + chain(g[i], scale - scale)
            out[i] = mass
""",
        (
            *_NORMAL,
            ("slopes", "g, x, c, r, s: g * ((x - c - r) * s)"),
            ("magnitudes", "g: abs(g)"),
        ),
    ),
    # The product of all elements of the row but one, in the place of that one.
    "others": Row(
        "x(n) -> out(n)",
        """
before = T(1)
for i in range(n):
    out[i] = before
    before *= x[i]
after = T(1)
for j in range(n):
    i = n - 1 - j
    out[i] = out[i] * after
    after *= x[i]
""",
    ),
    "cumsum": Row(
        "x(n) -> out(n)",
        """
sum = T(-0.0)
for i in range(n):
    sum += x[i]
    out[i] = sum
""",
    ),
    "cumprod": Row(
        "x(n) -> out(n)",
        """
product = T(1)
for i in range(n):
    product *= x[i]
    out[i] = product
""",
    ),
    # z[i] = x[i] * z[i - 1] + y[i], from 0.
    "recurrence": Row(
        "x(n), y(n) -> out(n)",
        """
z = T(0)
for i in range(n):
    z = chain(x[i], z) + y[i]
    out[i] = z
""",
    ),
}


@functools.cache
def kernel(name: str, code: str) -> np.ufunc:
    """Return the compiled kernel for the float typecode `code`, from the cache if it is there."""
    row = ROWS[name]
    return build.kernel(name, source(row, code), types(row, code), core(row))

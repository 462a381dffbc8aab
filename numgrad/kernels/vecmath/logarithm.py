"""Logarithms that vectorise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numgrad.kernels.intrinsics import exponent, fma, mantissa, polynomial
from numgrad.kernels.jit import by_dtype

# log(2) in two parts, a multiple of the first by an exponent exact.
LN2 = {
    np.float64: (0.6931471803691238, 1.9082149292705877e-10),
    np.float32: (0.693138122558594, 9.0580006145e-06),
}
# 1 / log(2), 1 / log(10) and log10(2), each the sum of two floats.
TO_BASE_2 = {
    np.float64: (1.4426950408889634, 2.0355273740931033e-17),
    np.float32: (1.44269502162933, 1.92596299e-08),
}
TO_BASE_10 = {
    np.float64: (0.4342944819032518, 1.098319650216765e-17),
    np.float32: (0.434294492006302, -1.01030499e-08),
}
LOG10_OF_2 = {
    np.float64: (0.3010299956639812, -2.8037281277851704e-18),
    np.float32: (0.301030009984970, -1.43209880e-08),
}
# The smallest normal number, and what makes normal numbers of subnormal ones: 2 to which power.
SMALLEST = {np.float64: (2.0**-1022, 54.0), np.float32: (2.0**-126, 25.0)}

# (2 * atanh(s) / s - 2) / s**2 in s**2, for s = f / (2 + f) and 1 + f from sqrt(0.5) to sqrt(2).
SERIES = {
    np.float64: polynomial(
        0.6666666666666736,
        0.3999999999940115,
        0.28571428745686317,
        0.2222219820692629,
        0.18183584718513915,
        0.15313495910268513,
        0.1480181307323616,
    ),
    np.float32: polynomial(
        0.6666666269302368, 0.40000972151756287, 0.28498801589012146, 0.24278266727924347
    ),
}


@by_dtype(returns=(None, None))
def tail(scalar: Any) -> Any:
    """Make (f, c) -> (h, r) with log(1 + f) + c = f - h + r, h = f**2 / 2."""
    series = SERIES[scalar]
    half, two = scalar(0.5), scalar(2)

    def tail(f: Any, c: Any) -> Any:
        s = f / (two + f)
        z = s * s
        h = half * f * f
        return h, fma(s, fma(z, series(z), h), c)

    return tail


@by_dtype(returns=(None, None))
def parts(scalar: Any) -> Any:
    """Make x -> (k, f) with x = (1 + f) * 2**k, for positive x."""
    smallest, power = SMALLEST[scalar]
    tiny, scale, shift, one = map(scalar, (smallest, 2.0**power, power, 1))

    def parts(x: Any) -> Any:
        small = x < tiny
        scaled = x * scale if small else x
        k = exponent(scaled)
        return k - shift if small else k, mantissa(scaled) - one

    return parts


@by_dtype
def edges(scalar: Any) -> Any:
    """Make (y, x) -> y, but -inf where x is 0, inf where it is inf, and nan below."""
    inf, nan = scalar(math.inf), scalar(math.nan)

    def edges(y: Any, x: Any) -> Any:
        y = y if x > 0 else (-inf if x == 0 else nan)
        return x if x == inf else y

    return edges


@by_dtype(without_fma=lambda x: math.log(x))
def log(scalar: Any) -> Any:
    """Make log(x)."""
    ln2, ln2_rest = map(scalar, LN2[scalar])

    def log(x: Any) -> Any:
        k, f = parts(x)
        h, r = tail(f, k * ln2_rest)
        return edges(fma(k, ln2, f - (h - r)), x)

    return log


@by_dtype(without_fma=lambda x: math.log1p(x))
def log1p(scalar: Any) -> Any:
    """Make log(1 + x)."""
    zero = scalar(0)

    def log1p(x: Any) -> Any:
        return x if x == zero else log1p_sum(x, zero)

    return log1p


@by_dtype
def log1p_sum(scalar: Any) -> Any:
    """Make (x, rest) -> log(1 + x + rest), for a rest that is small beside x."""
    ln2, ln2_rest, one, zero = map(scalar, (*LN2[scalar], 1, 0))

    def log1p_sum(x: Any, rest: Any) -> Any:
        u = one + x
        k = exponent(u)
        # What rounding has taken from u; where 1 + x is not split, x is its own f.
        lost = (one - (u - x) if x > one else x - (u - one)) + rest
        whole = k == 0
        f = x if whole else mantissa(u) - one
        c = rest if whole else lost / u
        h, r = tail(f, fma(k, ln2_rest, c))
        return edges(fma(k, ln2, f - (h - r)), u) + (x - x if x != x else zero)

    return log1p_sum


@by_dtype(without_fma=lambda x: math.log2(x))
def log2(scalar: Any) -> Any:
    """Make log2(x)."""
    factor, factor_rest = map(scalar, TO_BASE_2[scalar])

    def log2(x: Any) -> Any:
        k, f = parts(x)
        h, r = tail(f, scalar(0))
        high = f - h
        low = ((f - high) - h) + r
        y = high * factor
        rest = fma(high, factor, -y) + fma(low, factor, high * factor_rest)
        total = k + y
        # The larger of k and y comes first: the rest of the sum is exact.
        rest += (k - total) + y
        return edges(total + rest, x)

    return log2


@by_dtype(without_fma=lambda x: math.log10(x))
def log10(scalar: Any) -> Any:
    """Make log10(x)."""
    factor, factor_rest = map(scalar, TO_BASE_10[scalar])
    step, step_rest = map(scalar, LOG10_OF_2[scalar])

    def log10(x: Any) -> Any:
        k, f = parts(x)
        h, r = tail(f, scalar(0))
        high = f - h
        low = ((f - high) - h) + r
        y = high * factor
        rest = fma(high, factor, -y) + fma(low, factor, high * factor_rest)
        whole = k * step
        rest += fma(k, step, -whole) + k * step_rest
        total = whole + y
        rest += (whole - total) + y
        return edges(total + rest, x)

    return log10

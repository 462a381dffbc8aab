"""Sine, cosine and tangent that vectorise.

They are right up to `LIMIT` in magnitude. `numgrad.kernels.emit` has loops look for larger
arguments first, and take for the blocks with some the C library's functions for what is beyond.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numgrad.kernels.intrinsics import fma, is_odd, negate_by, polynomial
from numgrad.kernels.jit import by_dtype, f8

LIMIT = 2.0**30
TWO_OVER_PI = 0.6366197723675814
# pi / 2 in three parts.
HALF_PI = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591833e-33)
# What rounds to an integer when it is added. float32 is reduced in float64, which is exact enough.
ROUNDS = 1.5 * 2.0**52

# (sin(r) / r - 1) / r**2 in r**2, for |r| <= pi / 4.
SINE = {
    np.float64: polynomial(
        -0.16666666666666632,
        0.008333333333322486,
        -0.00019841269829853276,
        2.7557313704976634e-06,
        -2.505075986677315e-08,
        1.5896884733067756e-10,
    ),
    np.float32: polynomial(-0.16666655242443085, 0.008332191966474056, -0.00019518769113346934),
}
# Of cos(r) less its first two terms, by r**4, in r**2.
COSINE = {
    np.float64: polynomial(
        0.0416666666666666,
        -0.0013888888888874474,
        2.4801587289670937e-05,
        -2.7557314400633945e-07,
        2.0875729195895607e-09,
        -1.1359928247512992e-11,
    ),
    np.float32: polynomial(0.04166664555668831, -0.00138873013202101, 2.4430661142105237e-05),
}


@by_dtype(returns=(f8, None, None))
def quarters(scalar: Any) -> Any:
    """Make x -> (t, r, rest), with x = k * pi / 2 + r + rest, |r| <= pi / 4, for the k in t."""
    high, middle, low = HALF_PI

    def quarters(x: Any) -> Any:
        t = fma(x, TWO_OVER_PI, ROUNDS)
        k = t - ROUNDS
        # Each step is exact: near multiples of pi / 2 nearly all of x cancels.
        h = fma(-k, high, x)
        p = k * middle
        r = h - p
        b = r - h
        lost = (h - (r - b)) - (p + b)
        return t, r, lost - fma(k, low, fma(k, middle, -p))

    def single_quarters(x: Any) -> Any:
        wide = np.float64(x)
        t = fma(wide, TWO_OVER_PI, ROUNDS)
        k = t - ROUNDS
        r = fma(-k, middle, fma(-k, high, wide))
        narrow = np.float32(r)
        return t, narrow, np.float32(r - narrow)

    return quarters if scalar is np.float64 else single_quarters


@by_dtype
def wave(scalar: Any) -> Any:
    """Make (x, shift) -> sin(x + shift * pi / 2), for a shift of 0 or 1 in float64."""
    sine, cosine = SINE[scalar], COSINE[scalar]
    half, one = scalar(0.5), scalar(1)

    def wave(x: Any, shift: Any) -> Any:
        t, r, rest = quarters(x)
        t += shift
        z = r * r
        h = half * z
        w = one - h
        c = w + (((one - w) - h) + fma(z * z, cosine(z), -r * rest))
        s = r + fma(sine(z), z * r, fma(-h, rest, rest))
        return negate_by(c if is_odd(t) else s, t)

    return wave


@by_dtype(without_fma=lambda x: math.sin(x))
def sin(scalar: Any) -> Any:  # noqa: ARG001 - `wave` is made for the dtype
    """Make sin(x), for x up to the limit."""
    return lambda x: x if x == 0 else wave(x, 0.0)


@by_dtype(without_fma=lambda x: math.cos(x))
def cos(scalar: Any) -> Any:  # noqa: ARG001 - `wave` is made for the dtype
    """Make cos(x), for x up to the limit."""
    return lambda x: wave(x, 1.0)


@by_dtype(without_fma=lambda x: math.tan(x))
def tan(scalar: Any) -> Any:
    """Make tan(x), for x up to the limit."""
    sine, cosine = SINE[scalar], COSINE[scalar]
    half, one = scalar(0.5), scalar(1)

    def tan(x: Any) -> Any:
        t, r, rest = quarters(x)
        odd = is_odd(t)
        z = r * r
        h = half * z
        # Sine and cosine, each the sum of two: of the larger, and of all that it lacks.
        sine_rest = fma(sine(z), z * r, fma(-h, rest, rest))
        cosine_rest = fma(z * z, cosine(z), -fma(r, rest, h))
        s, c = r + sine_rest, one + cosine_rest
        sine_rest -= s - r
        cosine_rest -= c - one
        n = c if odd else s
        n_rest = cosine_rest if odd else sine_rest
        d = -s if odd else c
        d_rest = -sine_rest if odd else cosine_rest
        y = n / d
        y += (fma(-y, d, n) + (n_rest - y * d_rest)) / d
        return x if x == 0 else y

    return tan

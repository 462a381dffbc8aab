"""Sine, cosine and tangent that vectorise.

They are right up to `LIMIT` in magnitude. `numgrad.kernels.emit` has loops look for larger
arguments first, and take for the blocks with some the C library's functions for what is beyond.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numgrad.kernels.intrinsics import fma, is_odd, negate_if_odd, polynomial
from numgrad.kernels.jit import by_dtype
from numgrad.kernels.vecmath.exponential import ROUNDS

LIMIT = {np.float64: 2.0**30, np.float32: 2.0**16}
LIMIT_f8, LIMIT_f4 = LIMIT[np.float64], LIMIT[np.float32]
# pi in three parts; half of each is one of pi / 2.
PI = {
    np.float64: (3.141592653589793, 1.2246467991473532e-16, -2.9947698097183397e-33),
    np.float32: (3.1415927410125732, -8.742277657347586e-08, -3.4302490200117637e-15),
}

# (sin(r) / r - 1) / r**2 in r**2, for |r| <= pi / 2.
SINE = {
    np.float64: polynomial(
        -0.16666666666666666,
        0.008333333333333207,
        -0.0001984126984121248,
        2.7557319211568885e-06,
        -2.5052106904321695e-08,
        1.6058940994329002e-10,
        -7.643019075593856e-13,
        2.7214153776532843e-15,
    ),
    np.float32: polynomial(
        -0.16666659712791443, 0.008333069272339344, -0.00019809776858892292, 2.606095677037956e-06
    ),
}
# The same for |r| <= pi / 4, and (cos(r) - 1 + r**2 / 2) / r**4.
NEAR_SINE = {
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
NEAR_COSINE = {
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


@by_dtype(returns=(None, None))
def less_multiple(scalar: Any) -> Any:
    """Make (x, k, unit) -> x - k * unit * pi as the sum of two floats, for a unit of 1 or 1/2.

    Each step is exact: near the multiple nearly all of x cancels.
    """
    high, middle, low = map(scalar, PI[scalar])

    def less_multiple(x: Any, k: Any, unit: Any) -> Any:
        h = fma(-k, unit * high, x)
        p = k * (unit * middle)
        r = h - p
        b = r - h
        lost = (h - (r - b)) - (p + b)
        return r, lost - fma(k, unit * low, fma(k, unit * middle, -p))

    return less_multiple


@by_dtype
def half_wave(scalar: Any) -> Any:
    """Make (r, rest) -> sin(r + rest), for r from -pi / 2 to pi / 2."""
    sine = SINE[scalar]
    half = scalar(0.5)

    def half_wave(r: Any, rest: Any) -> Any:
        z = r * r
        # The slope, for the rest: near the ends, where it is far from this, the rest is too small
        # to show.
        return r + fma(sine(z), z * r, fma(-half * z, rest, rest))

    return half_wave


@by_dtype(without_fma=lambda x: math.sin(x))
def sin(scalar: Any) -> Any:
    """Make sin(x), for x up to the limit."""
    per_pi, rounds, one = map(scalar, (1 / math.pi, ROUNDS[scalar], 1))

    def sin(x: Any) -> Any:
        t = fma(x, per_pi, rounds)
        r, rest = less_multiple(x, t - rounds, one)
        return x if x == 0 else negate_if_odd(half_wave(r, rest), t)

    return sin


@by_dtype(without_fma=lambda x: math.cos(x))
def cos(scalar: Any) -> Any:
    """Make cos(x), for x up to the limit."""
    per_pi, rounds, half, one = map(scalar, (1 / math.pi, ROUNDS[scalar], 0.5, 1))

    def cos(x: Any) -> Any:
        # As the sine of x + pi / 2.
        t = fma(x, per_pi, -half) + rounds
        r, rest = less_multiple(x, (t - rounds) + half, one)
        return -negate_if_odd(half_wave(r, rest), t)

    return cos


@by_dtype(without_fma=lambda x: math.tan(x))
def tan(scalar: Any) -> Any:
    """Make tan(x), for x up to the limit."""
    sine, cosine = NEAR_SINE[scalar], NEAR_COSINE[scalar]
    per_half_pi, rounds, half, one = map(scalar, (2 / math.pi, ROUNDS[scalar], 0.5, 1))

    def tan(x: Any) -> Any:
        t = fma(x, per_half_pi, rounds)
        r, rest = less_multiple(x, t - rounds, half)
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

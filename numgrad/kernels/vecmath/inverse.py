"""Inverse sine, cosine and tangent, and the length of a vector, that vectorise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numgrad.kernels.intrinsics import copysign, fabs, fma, maximum, minimum, polynomial, sqrt
from numgrad.kernels.jit import by_dtype

# pi / 4 as the sum of two floats.
QUARTER_PI = {
    np.float64: (0.7853981633974483, 3.061616997868383e-17),
    np.float32: (0.7853981852531433, -2.1855695e-08),
}

# (asin(s) / s - 1) / s**2 in s**2, for s up to 1/2.
ASIN = {
    np.float64: polynomial(
        0.16666666666665383,
        0.07500000000342899,
        0.04464285682359137,
        0.030381959327266762,
        0.022371753607909103,
        0.017359769972195377,
        0.01388460851057884,
        0.01217321978740864,
        0.006511087894598661,
        0.019573315654877195,
        -0.01629321311323323,
        0.03195841312103584,
    ),
    np.float32: polynomial(
        0.16666753590106964,
        0.07495252043008804,
        0.045476049184799194,
        0.024152029305696487,
        0.04221196845173836,
    ),
}
# (atan(t) / t - 1) / t**2 in t**2, for t up to 1/2.
ATAN = {
    np.float64: polynomial(
        -0.33333333333333315,
        0.19999999999993823,
        -0.1428571428500654,
        0.1111111107052947,
        -0.09090907720753126,
        0.07692277936824586,
        -0.06666228713301472,
        0.05877847035930116,
        -0.05230226202927207,
        0.04590225462842378,
        -0.03713713130500168,
        0.023680478845178623,
        -0.008381321084168806,
    ),
    np.float32: polynomial(
        -0.333333283662796,
        0.19999556243419647,
        -0.14273150265216827,
        0.10948843508958817,
        -0.08010862022638321,
        0.03906833380460739,
    ),
}


@by_dtype(returns=(None, None, None))
def arc(scalar: Any) -> Any:
    """Make a -> (s, rest, y): asin(s) is s + rest + y, for a = s up to 1/2.

    Beyond, s is sqrt((1 - a) / 2), and twice its arcsine is the arccosine of a.
    """
    series = ASIN[scalar]
    one, half, zero = scalar(1), scalar(0.5), scalar(0)

    def arc(a: Any) -> Any:
        far = a > half
        z = half * (one - a) if far else a * a
        s = sqrt(z) if far else a
        rest = fma(-s, s, z) / (s + s) if far and z > zero else zero
        return s, rest, s * (z * series(z))

    return arc


@by_dtype(without_fma=lambda x: math.asin(x))
def asin(scalar: Any) -> Any:
    """Make asin(x)."""
    half, two, quarter_pi, quarter_pi_rest = map(scalar, (0.5, 2, *QUARTER_PI[scalar]))

    def asin(x: Any) -> Any:
        a = fabs(x)
        s, rest, y = arc(a)
        # From pi / 4, to which what remains is small.
        far = quarter_pi - (two * (y + rest) - two * quarter_pi_rest - (quarter_pi - two * s))
        return copysign(far if a > half else s + y, x)

    return asin


@by_dtype(without_fma=lambda x: math.acos(x))
def acos(scalar: Any) -> Any:
    """Make acos(x)."""
    half, two, quarter_pi, quarter_pi_rest = map(scalar, (0.5, 2, *QUARTER_PI[scalar]))

    def acos(x: Any) -> Any:
        a = fabs(x)
        s, rest, y = arc(a)
        near = two * quarter_pi - copysign(s, x)
        near += (two * quarter_pi - near) - copysign(s, x)
        near += two * quarter_pi_rest - copysign(y, x)
        far = two * (s + (y + rest))
        opposite = two * (two * quarter_pi - (s + ((y + rest) - two * quarter_pi_rest)))
        return (opposite if x < 0 else far) if a > half else near

    return acos


@by_dtype(returns=(None, None))
def turned(scalar: Any) -> Any:
    """Make (n, d) -> (t, y) with atan(n / d) = t + y, and n / d from -1/2 to 1/2."""
    series = ATAN[scalar]

    def turned(n: Any, d: Any) -> Any:
        t = n / d
        z = t * t
        return t, t * (z * series(z))

    return turned


@by_dtype(without_fma=lambda x: math.atan(x))
def atan(scalar: Any) -> Any:
    """Make atan(x)."""
    one, half, two, zero = map(scalar, (1, 0.5, 2, 0))
    quarter_pi, quarter_pi_rest = map(scalar, QUARTER_PI[scalar])

    def atan(x: Any) -> Any:
        a = fabs(x)
        # As a turn from 0, pi / 4 or pi / 2.
        far = a > two
        near = a < half
        n = a if near else (-one if far else a - one)
        d = one if near else (a if far else a + one)
        t, y = turned(n, d)
        k = zero if near else (two if far else one)
        y = k * quarter_pi + (t + (y + k * quarter_pi_rest))
        return copysign(y, x)

    return atan


@by_dtype(without_fma=lambda y, x: math.atan2(y, x))
def atan2(scalar: Any) -> Any:
    """Make atan2(y, x)."""
    one, half, two, four, zero, inf = map(scalar, (1, 0.5, 2, 4, 0, math.inf))
    quarter_pi, quarter_pi_rest = map(scalar, QUARTER_PI[scalar])
    # Beyond these the larger number is scaled, so that neither sum nor quotient leaves the range.
    high, low, down, up = map(
        scalar,
        (2.0**1000, 2.0**-900, 2.0**-100, 2.0**100)
        if scalar is np.float64
        else (2.0**120, 2.0**-90, 2.0**-20, 2.0**20),
    )

    def atan2(y: Any, x: Any) -> Any:
        b, a = fabs(y), fabs(x)
        large, small = maximum(a, b), minimum(a, b)
        scale = down if large > high else (up if large < low else one)
        large, small = large * scale, small * scale
        # Both 0: the angle is one of an axis. Both inf: one of a diagonal.
        large, small = (one, zero) if large == zero else (large, small)
        large, small = (one, one) if small == inf else (large, small)
        diagonal = small > half * large
        n = small - large if diagonal else small
        t, rest = turned(n, small + large if diagonal else large)
        # As a turn of t from k * pi / 4.
        k = one if diagonal else zero
        steep = b > a
        k = two - k if steep else k
        t, rest = (-t, -rest) if steep else (t, rest)
        left = copysign(one, x) < zero
        k = four - k if left else k
        t, rest = (-t, -rest) if left else (t, rest)
        axis = k * quarter_pi
        axis_rest = fma(k, quarter_pi, -axis) + k * quarter_pi_rest
        total = axis + t
        total += ((axis - total) + t) + (rest + axis_rest)
        return copysign(total, y)

    return atan2


@by_dtype(without_fma=lambda x, y: math.hypot(x, y))
def hypot(scalar: Any) -> Any:
    """Make hypot(x, y)."""
    one, inf = scalar(1), scalar(math.inf)
    # Squares of numbers beyond these leave the range.
    high, low, down, up = map(
        scalar,
        (2.0**500, 2.0**-450, 2.0**-600, 2.0**600)
        if scalar is np.float64
        else (2.0**60, 2.0**-50, 2.0**-80, 2.0**80),
    )

    def hypot(x: Any, y: Any) -> Any:
        a, b = fabs(x), fabs(y)
        large, small = maximum(a, b), minimum(a, b)
        scale = down if large > high else (up if large < low else one)
        back = up if large > high else (down if large < low else one)
        large, small = large * scale, small * scale
        root = sqrt(fma(large, large, small * small)) * back
        return inf if a == inf or b == inf else root

    return hypot

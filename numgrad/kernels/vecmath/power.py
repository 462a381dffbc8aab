"""Powers and roots that vectorise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numgrad.kernels.intrinsics import (
    add_to_exponent,
    copysign,
    exponent,
    fabs,
    fma,
    mantissa,
    polynomial,
    rint,
)
from numgrad.kernels.jit import by_dtype, f8
from numgrad.kernels.vecmath.exponential import ROUNDS, exp_sum
from numgrad.kernels.vecmath.logarithm import SMALLEST, log, parts

# log(2) as the sum of two floats, and 2/3.
LN2, LN2_REST = 0.6931471805599453, 2.3190468138462996e-17
TWO_THIRDS, TWO_THIRDS_REST = 0.6666666666666666, 3.700743415417188e-17

# ((2 * atanh(s) / s - 2) / s**2 - 2/3) / s**2 in s**2, for 1 + f from sqrt(0.5) to sqrt(2).
SERIES = polynomial(
    0.39999999999999974,
    0.28571428571447044,
    0.22222222217070162,
    0.18181818927099494,
    0.15384553026241823,
    0.13336464212683924,
    0.1167186157658089,
    0.12013447646154167,
)

# m**(-1/3) for m from sqrt(0.5) to sqrt(2).
CUBE_ROOT = {
    np.float64: polynomial(
        1.999186033678661,
        -2.4859631063547742,
        2.7922302165203,
        -1.8980889506836989,
        0.7006893467234079,
        -0.10804966226067358,
    ),
    np.float32: polynomial(
        1.8745368719100952,
        -1.861865758895874,
        1.5613032579421997,
        -0.7023520469665527,
        0.12835398316383362,
    ),
}


@by_dtype(returns=(None, None))
def log_sum(scalar: Any) -> Any:
    """Make x -> log(x) as the sum of two floats, the second the rest; for finite x > 0."""
    two, zero = scalar(2), scalar(0)

    def log_sum(x: Any) -> Any:
        k, f = parts(x)
        d = two + f
        d_rest = f - (d - two)
        s = f / d
        s_rest = (fma(-s, d, f) - s * d_rest) / d
        z = s * s
        z_rest = fma(s, s, -z) + two * s * s_rest
        series = z * SERIES(z)
        c = TWO_THIRDS + series
        c_rest = (TWO_THIRDS - c) + series + TWO_THIRDS_REST
        cube = s * z
        cube_rest = fma(s, z, -cube) + fma(s, z_rest, s_rest * z)
        v = cube * c
        v_rest = fma(cube, c, -v) + fma(cube, c_rest, cube_rest * c)
        a = two * s
        h = a + v
        h_rest = ((a - h) + v) + (two * s_rest + v_rest)
        whole = k * LN2
        total = whole + h
        # Where k is 0 the whole is less than h, but then it is 0.
        rest = ((whole - total) + h) + h_rest + fma(k, LN2, -whole) + k * LN2_REST
        return total, rest + zero

    return log_sum


@by_dtype(returns=(f8, f8))
def exponent_of_power(scalar: Any) -> Any:
    """Make (a, y) -> y * log(a) as the sum of two float64."""
    if scalar is np.float32:
        # One float64 is more than enough for the result.
        return lambda a, y: (np.float64(y) * log(np.float64(a)), 0.0)

    def exponent_of_power(a: Any, y: Any) -> Any:
        h, rest = log_sum(a)
        e = y * h
        return e, fma(y, h, -e) + y * rest

    return exponent_of_power


@by_dtype(without_fma=lambda x, y: math.pow(x, y))
def power(scalar: Any) -> Any:
    """Make x**y, edges as the C library's. float32 takes float64 inside."""
    zero, half, one, inf, nan = map(scalar, (0, 0.5, 1, math.inf, math.nan))

    def power(x: Any, y: Any) -> Any:
        a = fabs(x)
        e, rest = exponent_of_power(a, y)
        # The logarithms of 0 and inf have the right sign alone, and log(1) leaves 1 for any y.
        edge = copysign(inf, y) if a == inf else -copysign(inf, y)
        e = edge if a == inf or a == zero else e
        e = 0.0 if y == zero or a == one else e
        v = scalar(exp_sum(e, rest if 0.0 < fabs(e) < 800.0 else 0.0, 1.0, 0.0))
        whole = rint(y) == y
        odd = whole and rint(half * y) != half * y
        v = copysign(v, x) if odd else v
        v = nan if x < zero and not whole and a != inf else v
        # nan if an argument is, but for 1**y and x**0.
        strange = (x != x or y != y) and y != zero and x != one
        return nan if strange else v

    return power


@by_dtype
def cbrt(scalar: Any) -> Any:
    """Make the cube root of x."""
    guess = CUBE_ROOT[scalar]
    zero, one, half, two, three, third, inf = map(scalar, (0, 1, 0.5, 2, 3, 1 / 3, math.inf))
    two_ninths, next_term = scalar(2 / 9), scalar(14 / 81)
    root_of_2, rounds = scalar(2 ** (1 / 3)), scalar(ROUNDS[scalar])
    smallest, power = SMALLEST[scalar]
    tiny, scale, shift = map(scalar, (smallest, 2.0 ** (power - power % 3), power - power % 3))

    def cbrt(x: Any) -> Any:
        a = fabs(x)
        small = a < tiny
        b = a * scale if small else a
        k = exponent(b)
        t = fma(k, third, rounds)
        # b = m * 8**q for the q in t.
        j = k - three * (t - rounds)
        m = mantissa(b)
        y = guess(m)
        m, y = (m * two, y / root_of_2) if j > zero else (m, y)
        m, y = (m * half, y * root_of_2) if j < zero else (m, y)
        # What y lacks to be m**(-1/3), then what m * y**2 lacks to be the cube root.
        e = fma(-m * y, y * y, one)
        y = fma(y * e, fma(e, fma(e, next_term, two_ninths), third), y)
        square = y * y
        c = m * square
        c2 = c * c
        c = fma(fma(-c, c2, m) - c * fma(c, c, -c2), third * square, c)
        c = add_to_exponent(c, (t - shift * third) if small else t)
        return x if a == zero or not (a < inf) else copysign(c, x)

    return cbrt

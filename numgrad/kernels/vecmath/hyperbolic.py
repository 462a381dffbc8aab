"""Hyperbolic functions and their inverses that vectorise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numgrad.kernels.intrinsics import add_to_exponent, copysign, fabs, fma, polynomial, sqrt
from numgrad.kernels.jit import by_dtype
from numgrad.kernels.vecmath.exponential import EXCESS, LN2, LOG2E, ROUNDS
from numgrad.kernels.vecmath.logarithm import log1p_sum

# From here on tanh rounds to 1; from the second sinh and cosh are inf.
LARGE = {np.float64: (22.0, 710.6), np.float32: (10.0, 89.6)}

# (sinh(r) / r - 1) / r**2 and (cosh(r) - 1) / r**2 in r**2, for |r| <= log(2) / 2.
SINH = {
    np.float64: polynomial(
        0.16666666666666677,
        0.00833333333332137,
        0.00019841269886881587,
        2.7557243363647734e-06,
        2.5109358226953417e-08,
    ),
    np.float32: polynomial(0.1666666716337204, 0.008333176374435425, 0.00019973359303548932),
}
COSH = {
    np.float64: polynomial(
        0.5,
        0.04166666666666667,
        0.0013888888888880758,
        2.480158733452056e-05,
        2.755726367426733e-07,
        2.0918378733721526e-09,
    ),
    np.float32: polynomial(0.5, 0.041666485369205475, 0.0013933912850916386),
}


@by_dtype(without_fma=lambda x: math.tanh(x))
def tanh(scalar: Any) -> Any:
    """Make tanh(x)."""
    excess = EXCESS[scalar]
    large = scalar(LARGE[scalar][0])
    ln2, ln2_rest = map(scalar, LN2[scalar])
    log2e, rounds, one, half = map(scalar, (LOG2E, ROUNDS[scalar], 1, 0.5))

    def tanh(x: Any) -> Any:
        a = fabs(x)
        a = large if a > large else a
        a += a
        t = fma(a, log2e, rounds)
        k = t - rounds
        h = fma(-k, ln2, a)
        r = fma(-k, ln2_rest, h)
        s = fma(excess(r) * r, r, fma(-k, ln2_rest, h - r))
        p = r + s
        # (exp(2 * a) - 1) / 2 as the sum of two floats, divided by itself and 1: 1 - y is then
        # one over that.
        power = add_to_exponent(half, t)
        n = fma(power, p, power - half)
        rest = fma(power, p, (power - half) - n) + power * (s - (p - r))
        y = n / (n + one)
        lack = one - y
        return copysign(fma(rest * lack, lack, y), x)

    return tanh


@by_dtype(returns=(None, None, None, None, None))
def halves(scalar: Any) -> Any:
    """Make a -> (p, q, r, c, s), of which sinh(a) is p * (1 + c) + q * (r + s), for a >= 0.

    cosh(a) is q * (1 + c) + p * (r + s). All are halved, since they may be inf only at the end.
    """
    sinh, cosh = SINH[scalar], COSH[scalar]
    high = scalar(LARGE[scalar][1])
    ln2, ln2_rest = map(scalar, LN2[scalar])
    log2e, rounds, quarter = map(scalar, (LOG2E, ROUNDS[scalar], 0.25))
    tiny = scalar(2.0 ** (-60 if scalar is np.float64 else -30))

    def halves(a: Any) -> Any:
        a = high if a > high else a
        t = fma(a, log2e, rounds)
        k = t - rounds
        h = fma(-k, ln2, a)
        r = fma(-k, ln2_rest, h)
        rest = fma(-k, ln2_rest, h - r)
        z = r * r
        up = add_to_exponent(quarter, t)
        # 2**-k / 4, which does not matter where it is tiny beside 2**k / 4.
        down = quarter * quarter / up
        down = down if down > tiny else scalar(0)
        return up - down, up + down, r, z * cosh(z), fma(z * r, sinh(z), rest)

    return halves


@by_dtype(without_fma=lambda x: math.sinh(x))
def sinh(scalar: Any) -> Any:
    """Make sinh(x)."""
    small = scalar(np.finfo(scalar).eps)

    def sinh(x: Any) -> Any:
        a = fabs(x)
        p, q, r, c, s = halves(a)
        h = fma(q, r, p)
        y = h + (fma(q, r, p - h) + fma(p, c, q * s))
        return x if a < small else copysign(y + y, x)

    return sinh


@by_dtype(without_fma=lambda x: math.cosh(x))
def cosh(scalar: Any) -> Any:  # noqa: ARG001 - what it calls is made for the dtype
    """Make cosh(x)."""

    def cosh(x: Any) -> Any:
        p, q, r, c, s = halves(fabs(x))
        h = fma(p, r, q)
        y = h + (fma(p, r, q - h) + fma(q, c, p * s))
        return y + y

    return cosh


@by_dtype(without_fma=lambda x: math.asinh(x))
def asinh(scalar: Any) -> Any:
    """Make asinh(x)."""
    one, ln2 = scalar(1), scalar(math.log(2))
    large = scalar(2.0**500 if scalar is np.float64 else 2.0**60)
    small = scalar(np.finfo(scalar).eps)

    def asinh(x: Any) -> Any:
        a = fabs(x)
        # Beyond, the root is a itself.
        far = a > large
        b = one if far else a
        square = b * b
        root = sqrt(one + square)
        q = square / (one + root)
        u = b + q
        # The larger of the two is b.
        rest = q - (u - b)
        u, rest = (a, scalar(0)) if far else (u, rest)
        y = log1p_sum(u, rest)
        y = y + ln2 if far else y
        return x if a < small else copysign(y, x)

    return asinh


@by_dtype(without_fma=lambda x: math.acosh(x))
def acosh(scalar: Any) -> Any:
    """Make acosh(x)."""
    one, half, two, ln2, nan = map(scalar, (1, 0.5, 2, math.log(2), math.nan))
    large = scalar(2.0**500 if scalar is np.float64 else 2.0**60)

    def acosh(x: Any) -> Any:
        far = x > large
        a = x - one
        # a * (a + 2), with what rounding took.
        b = a + two
        square = a * b
        lost = fma(a, b, -square) + a * (a - (b - two))
        root = sqrt(square)
        root_rest = half * (fma(-root, root, square) + lost) / root if root > scalar(0) else root
        u = a + root
        rest = (root - (u - a) if a > root else a - (u - root)) + root_rest
        u, rest = (x, scalar(0)) if far else (u, rest)
        y = log1p_sum(u, rest)
        y = y + ln2 if far else y
        return nan if x < one else y

    return acosh


@by_dtype(without_fma=lambda x: math.atanh(x))
def atanh(scalar: Any) -> Any:
    """Make atanh(x)."""
    one, half = scalar(1), scalar(0.5)
    small = scalar(np.finfo(scalar).eps)

    def atanh(x: Any) -> Any:
        a = fabs(x)
        n = a + a
        d = one - a
        u = n / d
        rest = (fma(-u, d, n) - u * ((one - d) - a)) / d if a < one else scalar(0)
        return x if a < small else copysign(half * log1p_sum(u, rest), x)

    return atanh

"""Exponential functions that vectorise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numgrad.kernels.intrinsics import add_to_exponent, fabs, fma, polynomial
from numgrad.kernels.jit import by_dtype

LOG2E = 1.4426950408889634
# log(2) in two parts. A multiple of the first by an exponent is exact.
LN2 = {
    np.float64: (0.6931471803691238, 1.9082149292705877e-10),
    np.float32: (0.693359375, -0.00021219444),
}
# log(2) less the nearest number.
LN2_REST = {np.float64: 2.3190468138462996e-17, np.float32: -1.904654299957768e-09}
# What rounds to an integer when it is added.
ROUNDS = {np.float64: 1.5 * 2.0**52, np.float32: 1.5 * 2.0**23}
# Below the first exp is 0, above the second inf; a factor in whose steps exponents stay in range.
RANGE = {np.float64: (-746.0, 710.0, 2.0**128), np.float32: (-104.5, 89.0, 2.0**64)}

# (exp(r) - 1 - r) / r**2 for |r| <= log(2) / 2.
EXCESS = {
    np.float64: polynomial(
        0.5000000000000011,
        0.16666666666666294,
        0.04166666666652397,
        0.008333333333458665,
        0.0013888888946584981,
        0.00019841269760986665,
        2.4801488703993365e-05,
        2.755723504893264e-06,
        2.763222042177153e-07,
        2.5143402139040357e-08,
    ),
    np.float32: polynomial(
        0.4999999403953552,
        0.16666513681411743,
        0.041668061167001724,
        0.008369551040232182,
        0.0013843888882547617,
    ),
}


@by_dtype
def scaled(scalar: Any) -> Any:
    """Make (p, t, x) -> (1 + p) * 2**k, for the k in t: inf, 0 or subnormal as it has to be.

    x is any number with the sign of k.
    """
    *_, large = RANGE[scalar]
    up, down = scalar(large), scalar(1 / large)

    def scaled(p: Any, t: Any, x: Any) -> Any:
        power = add_to_exponent(up if x < 0 else down, t)
        return fma(p, power, power) * (down if x < 0 else up)

    return scaled


@by_dtype(without_fma=lambda x: math.exp(x))
def exp(scalar: Any) -> Any:
    """Make exp(x)."""
    excess = EXCESS[scalar]
    low, high, _ = map(scalar, RANGE[scalar])
    ln2, ln2_rest = map(scalar, LN2[scalar])
    log2e, rounds = scalar(LOG2E), scalar(ROUNDS[scalar])

    def exp(x: Any) -> Any:
        x = high if x > high else x
        x = low if x < low else x
        t = fma(x, log2e, rounds)
        k = t - rounds
        r = fma(-k, ln2_rest, fma(-k, ln2, x))
        return scaled(fma(excess(r) * r, r, r), t, x)

    return exp


@by_dtype(without_fma=lambda x: math.exp2(x))
def exp2(scalar: Any) -> Any:
    """Make 2**x."""
    excess = EXCESS[scalar]
    low, high, _ = (scalar(bound * LOG2E) for bound in RANGE[scalar])
    ln2 = scalar(math.log(2))
    ln2_rest = scalar(LN2_REST[scalar])
    rounds = scalar(ROUNDS[scalar])

    def exp2(x: Any) -> Any:
        x = high if x > high else x
        x = low if x < low else x
        t = x + rounds
        f = x - (t - rounds)
        r = f * ln2
        rest = fma(f, ln2_rest, fma(f, ln2, -r))
        return scaled(fma(excess(r) * r, r, rest) + r, t, x)

    return exp2


@by_dtype(without_fma=lambda x: math.expm1(x))
def expm1(scalar: Any) -> Any:
    """Make exp(x) - 1."""
    excess = EXCESS[scalar]
    _, high, _ = map(scalar, RANGE[scalar])
    ln2, ln2_rest = map(scalar, LN2[scalar])
    log2e, rounds = scalar(LOG2E), scalar(ROUNDS[scalar])
    low, half, small = scalar(-40), scalar(0.5), scalar(np.finfo(scalar).eps / 4)

    def expm1(x: Any) -> Any:
        y = high if x > high else x
        y = low if y < low else y
        t = fma(y, log2e, rounds)
        k = t - rounds
        h = fma(-k, ln2, y)
        r = fma(-k, ln2_rest, h)
        rest = fma(-k, ln2_rest, h - r)
        p = fma(excess(r) * r, r, rest) + r
        # Halved, since 2**k may be beyond the largest number.
        power = add_to_exponent(half, t)
        y = fma(power, p, power - half)
        return x if fabs(x) < small else y + y

    return expm1


@by_dtype
def exp_sum(scalar: Any) -> Any:
    """Make (x, rest, y, y_rest) -> exp(x + rest) * (y + y_rest), for rests that are small."""
    excess = EXCESS[scalar]
    low, high, large = map(scalar, RANGE[scalar])
    ln2, ln2_rest = map(scalar, LN2[scalar])
    log2e, rounds, small = map(scalar, (LOG2E, ROUNDS[scalar], 1 / RANGE[scalar][2]))

    def exp_sum(x: Any, rest: Any, y: Any, y_rest: Any) -> Any:
        x = high if x > high else x
        x = low if x < low else x
        t = fma(x, log2e, rounds)
        k = t - rounds
        h = fma(-k, ln2, x)
        r = fma(-k, ln2_rest, h)
        lost = fma(-k, ln2_rest, h - r) + rest
        whole = r + lost
        lost -= whole - r
        p = fma(excess(whole) * whole, whole, lost) + whole
        power = add_to_exponent(large if x < 0 else small, t)
        return (y + fma(y, p, y_rest)) * power * (small if x < 0 else large)

    return exp_sum

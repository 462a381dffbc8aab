"""The error function, its complement and its inverse, that vectorise."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from numgrad.kernels.intrinsics import (
    add_to_exponent,
    copysign,
    fabs,
    fma,
    polynomial,
    sqrt,
    table,
)
from numgrad.kernels.jit import by_dtype
from numgrad.kernels.vecmath.exponential import EXCESS, LN2, LOG2E, ROUNDS, exp_sum
from numgrad.kernels.vecmath.logarithm import log

# float64: erf in steps of 1/128 up to 6, from where it is 1, to which a series adds the rest.
STEPS, PLACES = 128, 1024
# 2 / sqrt(pi), times 2**128.
SLOPE = int("112837916709551257389615890312154517168810126") * 2**128 // 10**44

# float32: up to the first erf is a polynomial, from the second on it rounds to 1.
NEAR_END, FAR_END = 0.875, 3.95
# Of erf(x) by x, less 1, in the square of x.
NEAR = polynomial(
    0.1283791065216064,
    -0.3761221468448639,
    0.11278930306434631,
    -0.0266621895134449,
    0.00483894906938076,
    -0.0005193422552548872,
)
# log(1 - erf(x)).
FAR = polynomial(
    0.00013938156189396977,
    -1.1293213367462158,
    -0.6338028907775879,
    -0.10767799615859985,
    0.024632195010781288,
    -0.00392374861985445,
    0.000357597426045686,
    -7.725496288912836e-06,
    -9.961430578186992e-07,
)

# erfc(a) * exp(a**2) * (a + 3) in (a - 3) / (a + 3), for a >= 0 up to where erfc is 0.
ERFC = {
    np.float64: polynomial(
        1.0740069070883398,
        -0.8833944531698836,
        0.5902283571041013,
        -0.3104672619005718,
        0.1195277612873317,
        -0.026827234624353102,
        -0.0012124166283272795,
        0.003034061999476945,
        -0.0005483096770048226,
        -0.00027677783270213036,
        0.00010756137821222606,
        3.0398092224351775e-05,
        -1.747009047862309e-05,
        -4.748962190886183e-06,
        2.7641074213056697e-06,
        9.981881953034975e-07,
        -4.0585240696944423e-07,
        -2.3218188849999997e-07,
        4.407152668679677e-08,
        4.8891648443290046e-08,
        -1.6333155023975057e-10,
        -7.053849146199745e-09,
        -8.550017888631493e-10,
        3.2427592471861005e-10,
    ),
    np.float32: polynomial(
        1.0740069150924683,
        -0.8833944797515869,
        0.590228259563446,
        -0.31046628952026367,
        0.11952932924032211,
        -0.026837263256311417,
        -0.0012272045714780688,
        0.003071253653615713,
        -0.0004851329140365124,
        -0.0003140383050777018,
        7.007512522250181e-06,
    ),
}
ERFC_ZERO = {np.float64: 27.3, np.float32: 10.1}

# The inverse of erf, by x in x**2 for x up to 3/4; beyond by s = sqrt(-log(1 - x)), in
# (s - 2.5) / (s + 2.5).
INVERSE_NEAR = polynomial(
    0.886226925452758,
    0.23201366653459732,
    0.12755617531974198,
    0.08655212785547978,
    0.06495968945761114,
    0.05172901980863714,
    0.04288409817595453,
    0.03577005882199058,
    0.03912436050944589,
    -0.031240974726580696,
    0.3819598265436755,
    -1.6162710021699764,
    5.739090634335482,
    -14.910131474301155,
    27.99461650442403,
    -33.39002113094733,
    12.575180296084016,
    37.3237224793945,
    -83.37124786431633,
    85.03530011637228,
    -46.66778851543967,
    11.247663255830862,
)
INVERSE_FAR = polynomial(
    0.8770183687247652,
    0.33993051717897865,
    -0.3864199167949449,
    0.26713234959643467,
    -0.11558793670902294,
    -0.01811268826052278,
    0.09760029036741913,
    -0.11768762672949465,
    0.08894105005221162,
    -0.03482199738519448,
    -0.02039769266302713,
    0.0568797137757911,
    -0.06557330071357431,
    0.04821381473058694,
    -0.01615569012656767,
    -0.01662323359997377,
    0.04191917769643704,
    -0.05180921557441425,
    0.027403635634763224,
    0.017046938042642276,
    -0.02238721062842943,
)


@functools.cache
def tables() -> tuple[Any, Any]:
    """Give erf and its slope at the steps, from Taylor's series in integers that count 2**-128."""
    values, slopes = [0], [SLOPE]
    for k in range(6 * STEPS):
        # Of the series of the slope s, whose derivative is -2 * x * s, at x = k / STEPS.
        before, term = 0, slopes[k]
        value, slope, power = values[k], 0, 1
        for n in range(24):
            slope += term // power
            value += term // (power * STEPS * (n + 1))
            before, term = term, -2 * (k * term // STEPS + before) // (n + 1)
            power *= STEPS
        values.append(value)
        slopes.append(slope)
    one = PLACES - len(values)
    return (
        table([v / 2**128 for v in values] + [1.0] * one),
        table([s / 2**128 for s in slopes] + [0.0] * one),
    )


@by_dtype(without_fma=lambda x: math.erf(x))
def erf(scalar: Any) -> Any:
    """Make erf(x)."""
    return _single_erf() if scalar is np.float32 else _double_erf()


def _double_erf() -> Any:
    value, slope = tables()
    rounds, step = ROUNDS[np.float64], 1 / STEPS

    def erf(x: Any) -> Any:
        a = fabs(x)
        a = 6.0 if a > 6.0 else a
        t = fma(a, 128.0, rounds)
        r = (t - rounds) * step
        d = a - r
        # Taylor's series around r: each coefficient is the slope times a polynomial in r.
        z = r * r
        c2 = fma(z, 2 / 3, -1 / 3)
        c3 = -r * fma(z, 1 / 3, -0.5)
        c4 = fma(fma(z, 2 / 15, -0.4), z, 0.1)
        c5 = -r * fma(fma(z, 2 / 45, -2 / 9), z, 1 / 6)
        p = fma(fma(fma(fma(c5, d, c4), d, c3), d, c2), d, -r)
        return copysign(fma(slope(t), fma(p * d, d, d), value(t)), x)

    return erf


def _single_erf() -> Any:
    one, end, last = map(np.float32, (1, NEAR_END, FAR_END))
    excess = EXCESS[np.float32]
    ln2, ln2_rest = map(np.float32, LN2[np.float32])
    log2e, rounds = np.float32(LOG2E), np.float32(ROUNDS[np.float32])

    def erf(x: Any) -> Any:
        a = fabs(x)
        a = last if a > last else a
        # One less an exponential, which cannot leave its range.
        y = FAR(a)
        t = fma(y, log2e, rounds)
        k = t - rounds
        r = fma(-k, ln2_rest, fma(-k, ln2, y))
        power = add_to_exponent(one, t)
        y = (one - power) - power * fma(excess(r) * r, r, r)
        return copysign(y, x) if a > end else fma(x, NEAR(x * x), x)

    return erf


@by_dtype(without_fma=lambda x: math.erfc(x))
def erfc(scalar: Any) -> Any:
    """Make 1 - erf(x)."""
    series = ERFC[scalar]
    zero, one, two, three, six, last = map(scalar, (0, 1, 2, 3, 6, ERFC_ZERO[scalar]))
    # How much a relative error of 1 / (a + 3) matters to the series and the quotient together: from
    # 3.4 at a = 0 to 1, about a line.
    middle, slope = scalar(2.2), scalar(-1.2)

    def erfc(x: Any) -> Any:
        a = fabs(x)
        a = last if a > last else a
        d = a + three
        inverse = one / d
        lost = fma(-inverse, d, one) - inverse * (a - (d - three))
        t = fma(-six, inverse, one)
        p = series(t)
        q = p * inverse
        square = a * a
        rest = lost * fma(slope, t, middle) - fma(a, a, -square)
        y = exp_sum(-square, rest, q, fma(p, inverse, -q))
        return two - y if x < zero else y

    return erfc


@by_dtype(widened=True)
def erfinv(_: Any) -> Any:
    """Make the inverse of erf. float32 takes float64 inside."""

    def erfinv(x: Any) -> Any:
        a = fabs(x)
        square = -log(1.0 - a)
        s = sqrt(square)
        # The quotient is near 1: it leaves as it is what s lacks to be the root.
        lack = fma(-s, s, square) / (s + s)
        far = fma(s, INVERSE_FAR((s - 2.5) / (s + 2.5)), lack)
        y = far if a > 0.75 else a * INVERSE_NEAR(a * a)
        y = math.inf if a == 1.0 else y
        return copysign(math.nan if a > 1.0 else y, x)

    return erfinv

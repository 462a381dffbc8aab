"""Logarithm of the gamma function and its derivatives that vectorise.

float32 takes float64 inside. Errors are below 1e-14, relative to the value, or to 1 near the zeros
that are negative; near those that are positive they are as small as elsewhere.
"""

from __future__ import annotations

import math
from typing import Any

from numgrad.kernels.intrinsics import copysign, fabs, fma, polynomial, rint
from numgrad.kernels.jit import by_dtype
from numgrad.kernels.vecmath.logarithm import log

# log(gamma(2 + d)) / d for d from -1/2 to 1/2.
NEAR_TWO = polynomial(
    0.42278433509846713,
    0.3224670334241133,
    -0.06735230105319485,
    0.020580808427762068,
    -0.007385551029022711,
    0.002890510332058797,
    -0.0011927538973169904,
    0.0005096694896707859,
    -0.0002231550549322223,
    9.945801655657817e-05,
    -4.492281543120671e-05,
    2.050299779442506e-05,
    -9.462577964791506e-06,
    4.395869178704484e-06,
    -1.949095136889025e-06,
    8.9454274147952e-07,
    -6.355415849151506e-07,
    3.027427541484221e-07,
    4.8852189826321215e-08,
)
# What Stirling's series add, in 1 / x**2: to the logarithm of gamma times x for x from 7.5 on; to
# its derivatives, the first negated, times x**2 and x**3 for x from 8 on.
STIRLING = polynomial(
    0.08333333333333333,
    -0.0027777777777559243,
    0.0007936507768004096,
    -0.0005952332196507297,
    0.0008410772999105282,
    -0.0018693284445312486,
    0.004643580654071404,
)
FIRST_STIRLING = polynomial(
    0.08333333333333333,
    -0.008333333333287288,
    0.003968253916859742,
    -0.004166645978402847,
    0.00757181947321546,
    -0.020704910042725382,
    0.06376229601611305,
)
SECOND_STIRLING = polynomial(
    0.16666666666666666,
    -0.033333333333265644,
    0.023809523728295697,
    -0.03333329613788496,
    0.0757491786026087,
    -0.25207507069759355,
    1.094018758091058,
    -4.287205103271304,
)
HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)

# sin(pi * d) / d and cos(pi * d) / (1 - 4 * d**2), in d**2 for d from -1/2 to 1/2.
SINE = polynomial(
    3.141592653589793,
    -5.16771278004991,
    2.550164039872464,
    -0.5992645291687714,
    0.08214588427114734,
    -0.007370411267101112,
    0.0004662104626127162,
    -2.168686854016766e-05,
    5.559987989589128e-07,
)
COSINE = polynomial(
    1.0,
    -0.9348022005446793,
    0.31950332423804984,
    -0.05724947190232859,
    0.006332742748037782,
    -0.0004759203764254584,
    2.5892624956671444e-05,
    -1.0666885788797968e-06,
    3.3478939585525906e-08,
)

# The positive zero of digamma as the sum of two floats, and digamma near it, by the distance.
ROOT, ROOT_REST = 1.4616321449683622, 9.549995429965697e-17
NEAR_ROOT = 0.2
AT_ROOT = polynomial(
    0.9676722454476212,
    -0.4427631689835921,
    0.258499760955651,
    -0.16394270544240652,
    0.10782405069126237,
    -0.07219956125645471,
    0.04880428816414311,
    -0.03316112647484736,
    0.022597648232218104,
    -0.01542476590494896,
    0.010538791616612175,
    -0.007204534386356869,
    0.004926781395729853,
    -0.003369801655439328,
    0.002305126326734928,
    -0.0015769367714301972,
    0.0010788252019162967,
    -0.0007380709389960052,
    0.000504953265834602,
    -0.0003454680251063077,
)


@by_dtype(widened=True, without_fma=lambda x: math.lgamma(x))
def lgamma(_: Any) -> Any:
    """Make log(|gamma(x)|)."""

    def lgamma(x: Any) -> Any:
        a = fabs(x)
        # Below 7.5 by steps of 1 to the neighbourhood of 2: gamma(a) is a quotient of p.
        y, p = a, 1.0
        for _ in range(5):
            p, y = (p * (y - 1.0), y - 1.0) if y > 2.5 and a < 7.5 else (p, y)
        d = y - 2.0
        p, d = (a, a - 1.0) if a < 1.5 else (p, d)
        p, d = (a * (a + 1.0), a) if a < 0.5 else (p, d)
        far = not (a < 7.5)
        logarithm = log(a if far else p)
        near = d * NEAR_TWO(d) + (-logarithm if a < 1.5 else logarithm)
        series = STIRLING(1.0 / (a * a)) / a + (HALF_LOG_TWO_PI - 0.5)
        whole = fma(a - 0.5, logarithm - 1.0, series)
        whole = math.inf if a == math.inf else whole
        value = whole if far else near
        # Reflected: gamma(x) * gamma(-x) is -pi / (x * sin(pi * x)).
        d = a - rint(a)
        wave = fabs(d * SINE(d * d)) / math.pi
        reflected = -log(a * wave) - value
        reflected = math.inf if d == 0.0 or a == math.inf else reflected
        # log(a * wave) loses nothing but digits beyond those of log(a) where a is tiny.
        reflected = -log(a) if a < 1e-17 else reflected
        return reflected if x < 0.0 else (math.inf if x == 0.0 else value)

    return lgamma


@by_dtype(widened=True)
def digamma(_: Any) -> Any:
    """Make the derivative of log(gamma(x)), edges as `scipy.special.digamma`."""

    def digamma(x: Any) -> Any:
        # Reflected below 0.
        a = 1.0 - x if x < 0.0 else x
        # 1 / a + 1 / (a + 1) + ..., as far as the series needs, as one quotient.
        near = a < 8.0
        n, p = 0.0, 1.0
        b = a if near else 1.0
        for k in range(8):
            n, p = fma(n, b + k, p), p * (b + k)
        y = a + 8.0 if near else a
        z = 1.0 / (y * y)
        steps = n / p if near else 0.0
        value = log(y) - (0.5 / y + z * FIRST_STIRLING(z)) - steps
        d = (a - ROOT) - ROOT_REST
        value = d * AT_ROOT(d) if fabs(d) < NEAR_ROOT else value
        # pi / tan(pi * x), from the distance to the nearest pole.
        d = x - rint(x)
        z = d * d
        cotangent = math.pi * (fma(-4.0, z, 1.0) * COSINE(z)) / (d * SINE(z))
        below = math.nan if d == 0.0 else value - cotangent
        # Not a number at -inf, where x - rint(x) is not.
        return -copysign(math.inf, x) if x == 0.0 else (below if x < 0.0 else value)

    return digamma


@by_dtype(widened=True)
def trigamma(_: Any) -> Any:
    """Make the derivative of `digamma`, edges as `scipy.special.polygamma` of order 1."""

    def trigamma(x: Any) -> Any:
        a = 1.0 - x if x < 0.0 else x
        near = a < 8.0
        n, p = 0.0, 1.0
        b = a if near else 1.0
        # The first term apart: its square may leave the range where it is tiny.
        for k in range(1, 8):
            square = (b + k) * (b + k)
            n, p = fma(n, square, p), p * square
        y = a + 8.0 if near else a
        w = 1.0 / y
        z = w * w
        steps = 1.0 / a / a + n / p if near else 0.0
        value = fma(z, fma(w, SECOND_STIRLING(z), 0.5), w) + steps
        # The square of pi / sin(pi * x).
        d = x - rint(x)
        wave = math.pi / (d * SINE(d * d))
        below = wave * wave - value
        below = math.inf if d == 0.0 else below
        return below if x < 0.0 else value

    return trigamma

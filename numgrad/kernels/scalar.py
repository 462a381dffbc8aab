"""Scalar functions that `math` lacks, or defines in another way than NumPy, for kernels to inline.

All but `remainder` take float64; kernels of float32 round their results.
"""

from __future__ import annotations

import math
from typing import Any

from numgrad.kernels.intrinsics import copysign, floor, fmod, rint
from numgrad.kernels.jit import inline
from numgrad.kernels.vecmath.gamma import digamma

# From here on the asymptotic series below is exact to rounding.
_LARGE = 10.0

# B(2k) / (2k)!, the highest first: the series of Euler and Maclaurin.
_EULER = (
    -1.3954464685812522e-19,
    5.5090028283602295e-18,
    -2.174868698558062e-16,
    8.586062056277845e-15,
    -3.3896802963225827e-13,
    1.3382536530684679e-11,
    -5.284190138687493e-10,
    2.08767569878681e-08,
    -8.267195767195768e-07,
    3.306878306878307e-05,
    -0.001388888888888889,
    0.08333333333333333,
)


@inline
def remainder(x: Any, y: Any) -> Any:
    """x - floor(x / y) * y with the sign of y, edges as `np.remainder`."""
    r = fmod(x, y)
    if r == 0:
        return copysign(r, y)
    return r + y if (r < 0) != (y < 0) else r


@inline
def floor_divide(x: Any, y: Any) -> Any:
    """The quotient that belongs to `remainder`, edges as `np.floor_divide`."""
    if y == 0:
        return x / y
    r = fmod(x, y)
    quotient = (x - r) / y
    if r != 0 and (r < 0) != (y < 0):
        quotient -= 1
    if quotient == 0:
        return copysign(quotient, x / y)
    whole = floor(quotient)
    return whole + 1 if quotient - whole > 0.5 else whole


@inline
def _zeta_positive(s: Any, x: Any) -> Any:
    """Hurwitz's zeta function, the sum of (x + k)**-s over k >= 0, for x > 0 and s > 1."""
    total = 0.0
    while x < _LARGE + s:
        total += x**-s
        x += 1.0
    power = x ** (1 - s)
    z = 1 / (x * x)
    series = 0.0
    factor = s + 24.0
    for coefficient in _EULER:
        series = series * z * factor * (factor - 1) + coefficient
        factor -= 2.0
    return total + (power / (s - 1) + 0.5 * power / x + series * s * power * z)


@inline
def _zeta(s: Any, x: Any) -> Any:
    """The same for an integer s and any x; inf at the poles."""
    if x > 0:
        return _zeta_positive(s, x)
    # The sum over all integers k depends on the distance d to the nearest pole alone; from it the
    # sum over k < 0 is taken, which is one from 1 - x upwards.
    d = x - rint(x)
    if d == 0:
        return math.inf
    parity = 1.0 if fmod(s, 2.0) == 0 else -1.0
    near = d**-s + _zeta_positive(s, 1 + d)
    return near + parity * (_zeta_positive(s, 1 - d) - _zeta_positive(s, 1 - x))


@inline
def polygamma(n: Any, x: Any) -> Any:
    """The n-th derivative of digamma; nan unless n is 0, 1, 2, ..."""
    if n == 0:
        return digamma(x)
    if not (n > 0 and n == floor(n)):
        return math.nan
    factorial = 1.0 if fmod(n, 2.0) == 1 else -1.0
    k = 2.0
    while k <= n and abs(factorial) < math.inf:
        factorial *= k
        k += 1.0
    return factorial * _zeta(n + 1, x)

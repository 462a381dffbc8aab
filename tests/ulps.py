"""Errors of the elementary functions in units in the last place, against mpmath.

    python -m tests.ulps --count 2000

prints the largest error of each function on hard points and as many random ones.
"""

from __future__ import annotations

import argparse
import math
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import mpmath
import numpy as np

import numgrad as ng
from tests.kernel_texts import elementwise

if TYPE_CHECKING:
    from collections.abc import Callable

    Array = np.ndarray[Any, Any]

TYPES = (np.float64, np.float32)


class Function(NamedTuple):
    """A function, what it should be, and between which arguments."""

    exact: Callable[..., Any]
    low: float
    high: float
    # Arguments near which it is hard, by their values in exact arithmetic.
    near: tuple[Any, ...] = ()
    # Relative to max(1, |value|) instead of in units in the last place.
    relative: float | None = None


def _log_gamma(x: Any) -> Any:
    return mpmath.log(abs(mpmath.gamma(x)))


PI = [k * math.pi / 2 for k in (1, 2, 3, 4, 5, 7, 22, 355, 1001, 10**6 + 3)]

FUNCTIONS = {
    "exp": Function(mpmath.exp, -745.0, 709.7),
    "exp2": Function(lambda x: mpmath.power(2, x), -1074.0, 1023.9),
    "expm1": Function(mpmath.expm1, -50.0, 709.7, (0.0,)),
    "log": Function(mpmath.log, 5e-324, 1.7e308, (1.0,)),
    "log2": Function(lambda x: mpmath.log(x) / mpmath.log(2), 5e-324, 1.7e308, (1.0, 2.0, 8.0)),
    "log10": Function(mpmath.log10, 5e-324, 1.7e308, (1.0, 10.0, 1000.0)),
    "log1p": Function(mpmath.log1p, -0.9999999, 1.7e308, (0.0,)),
    "sin": Function(mpmath.sin, -1.7e308, 1.7e308, (0.0, *PI)),
    "cos": Function(mpmath.cos, -1.7e308, 1.7e308, (0.0, *PI)),
    "tan": Function(mpmath.tan, -1.7e308, 1.7e308, (0.0, *PI)),
    "asin": Function(mpmath.asin, -1.0, 1.0, (0.0, 0.5, 1.0, -1.0)),
    "acos": Function(mpmath.acos, -1.0, 1.0, (0.0, 0.5, 1.0, -1.0)),
    "atan": Function(mpmath.atan, -1e300, 1e300, (0.0, 1.0, 0.4142135623730951)),
    "sinh": Function(mpmath.sinh, -710.0, 710.0, (0.0, 1.0)),
    "cosh": Function(mpmath.cosh, -710.0, 710.0, (0.0, 1.0)),
    "tanh": Function(mpmath.tanh, -30.0, 30.0, (0.0, 0.5)),
    "asinh": Function(mpmath.asinh, -1e300, 1e300, (0.0, 1.0)),
    "acosh": Function(mpmath.acosh, 1.0, 1e300, (1.0, 2.0)),
    "atanh": Function(mpmath.atanh, -0.999999, 0.999999, (0.0, 0.5)),
    "sigmoid": Function(lambda x: 1 / (1 + mpmath.exp(-x)), -745.0, 40.0, (0.0,)),
    # From 20 on it is x, as in PyTorch.
    "softplus": Function(lambda x: mpmath.log1p(mpmath.exp(x)), -745.0, 20.0, (0.0, -37.0)),
    "erf": Function(mpmath.erf, -6.0, 6.0, (0.0, 1.0, 0.84375)),
    "erfc": Function(mpmath.erfc, -6.0, 26.5, (0.0, 1.0, 0.5)),
    "erfinv": Function(mpmath.erfinv, -0.9999999, 0.9999999, (0.0, 0.5)),
    "rsqrt": Function(lambda x: 1 / mpmath.sqrt(x), 5e-324, 1.7e308, (1.0,)),
    "cbrt": Function(lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)), -1e300, 1e300, (1.0, 8.0)),
    "lgamma": Function(_log_gamma, -20.5, 1e6, (1.0, 2.0, 0.0), relative=1e-14),
    "digamma": Function(mpmath.digamma, -20.5, 1e6, (1.0, 1.4616321449683623), relative=1e-14),
}
PAIRS = {
    "atan2": mpmath.atan2,
    "hypot": lambda x, y: mpmath.sqrt(x * x + y * y),
    "pow": mpmath.power,
}


def points(function: Function, dtype: Any, count: int, seed: int = 0) -> Array:
    """Hard arguments, and as many random ones, half of them spread over the exponents."""
    random = np.random.default_rng(seed)
    info = np.finfo(dtype)
    low = max(function.low, float(info.min))
    high = min(function.high, float(info.max))
    found = [random.uniform(max(low, -1e6), min(high, 1e6), count // 2)]
    exponents = np.exp2(random.uniform(math.log2(info.smallest_subnormal), info.maxexp - 1, count))
    found += [exponents[::2], -exponents[1::2]]
    powers = np.exp2(np.arange(info.minexp - info.nmant, info.maxexp, 37.0))
    found += [powers, -powers, powers * 1.4142135, np.arange(-8.0, 9.0) / 4]
    for place in function.near:
        center = dtype(place)
        for side in (-math.inf, math.inf):
            x = center
            for _ in range(3):
                found.append(np.array([x], float))
                x = np.nextafter(x, dtype(side))
        found.append(float(center) + random.normal(0, 1, 8) * np.exp2(-random.uniform(2, 45, 8)))
    found.append(np.array([info.tiny, info.smallest_subnormal, low, high]))
    with np.errstate(over="ignore"):
        x = np.concatenate(found).astype(dtype)
    return np.unique(x[(x >= low) & (x <= high) & np.isfinite(x) & (x != 0)])


def computed(name: str, *args: Array) -> Array:
    """What numgrad gives, or the function that its kernels inline where there is no op."""
    for place in (ng, ng.special, ng.nn.functional):
        if hasattr(place, name):
            with ng.no_grad():
                found: Array = getattr(place, name)(*map(ng.from_numpy, args)).numpy()
            return found
    code = args[0].dtype.char
    kernel: Any = elementwise(f"{name}(x0)", f"{code}->{code}")
    result: Array = kernel(*args)
    return result


def errors(exact: Callable[..., Any], found: Array, *args: Array) -> Array:
    """Distances from exact values, in units in the last place of these."""
    info = np.finfo(found.dtype)
    distances = np.empty(found.shape)
    with mpmath.workdps(60):
        # From here on a value rounds to infinity.
        limit = mpmath.mpf(float(info.max)) * (1 + mpmath.mpf(2) ** -(info.nmant + 2))
        for k, numbers in enumerate(zip(*args, strict=True)):
            expected = exact(*(mpmath.mpf(float(n)) for n in numbers))
            value = float(found[k])
            if not math.isfinite(value):
                distances[k] = 0.0 if abs(expected) > limit else math.inf
                continue
            exponent = (
                max(int(mpmath.floor(mpmath.log(abs(expected), 2))), info.minexp)
                if expected
                else info.minexp
            )
            unit = mpmath.mpf(2) ** (exponent - info.nmant)
            distances[k] = float(abs(mpmath.mpf(value) - expected) / unit)
    return distances


def relative_errors(exact: Callable[..., Any], found: Array, args: Array) -> Array:
    """Distances from exact values, relative to these or to 1."""
    distances = np.zeros(found.shape)
    limit = float(np.finfo(found.dtype).max)
    with mpmath.workdps(60):
        for k, x in enumerate(args):
            expected = exact(mpmath.mpf(float(x)))
            if abs(expected) > limit and np.isinf(found[k]):
                continue
            distances[k] = float(
                abs(mpmath.mpf(float(found[k])) - expected) / max(1, abs(expected))
            )
    return distances


def worst(name: str, dtype: Any, count: int, seed: int = 0) -> tuple[float, Any]:
    """The largest error of a function of one argument, and where it is."""
    function = FUNCTIONS[name]
    x = points(function, dtype, count, seed)
    if function.relative is not None:
        x = x[(x > 0) | (x != np.floor(x))]
        found = computed(name, x)
        distances = relative_errors(function.exact, found, x)
    else:
        distances = errors(function.exact, computed(name, x), x)
    k = int(np.argmax(distances))
    return float(distances[k]), x[k]


def pairs(name: str, dtype: Any, count: int, seed: int = 0) -> tuple[Array, Array]:
    """Arguments of a function of two."""
    random = np.random.default_rng(seed)
    if name == "pow":
        x = np.exp2(random.normal(0, 8, count)).astype(dtype)
        largest = 700.0 if dtype is np.float64 else 80.0
        y = (random.uniform(-largest, largest, count) / np.log(x.astype(float) + 1e-9)).astype(
            dtype
        )
        near = (1 + random.normal(0, 1, count) * np.exp2(-random.uniform(1, 23, count))).astype(
            dtype
        )
        power = (random.uniform(-1, 1, count) * np.exp2(random.uniform(0, 9, count))).astype(dtype)
        return np.concatenate([x, np.abs(near)]), np.concatenate([y, power])
    spread = 100.0 if dtype is np.float64 else 12.0
    x = np.exp2(random.normal(0, spread, count)) * random.choice([-1, 1], count)
    y = np.exp2(random.normal(0, spread, count)) * random.choice([-1, 1], count)
    both = x * (1 + random.normal(0, 0.5, count))
    return (
        np.concatenate([x, x]).astype(dtype),
        np.concatenate([y, both]).astype(dtype),
    )


def worst_pair(name: str, dtype: Any, count: int, seed: int = 0) -> tuple[float, Any]:
    """The largest error of a function of two arguments, and where it is."""
    x, y = pairs(name, dtype, count, seed)
    distances = errors(PAIRS[name], computed(name, x, y), x, y)
    k = int(np.argmax(distances))
    return float(distances[k]), (x[k], y[k])


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.ulps")
    parser.add_argument("--count", type=int, default=2000, help="random points; default: 2000")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name in (*FUNCTIONS, *PAIRS):
        measure = worst if name in FUNCTIONS else worst_pair
        texts = []
        for dtype in TYPES:
            error, place = measure(name, dtype, options.count, options.seed)
            texts.append(f"{error:9.3g} at {place!s:<42}")
        print(f"{name:10}", *texts)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Numbers that remember how they were computed: the scalar tape of the oracle.

It shares nothing with numgrad. A number holds its value and, for each number that it was computed
from, the local derivative. Values and local derivatives may be numbers of an outer tape, so that
gradients of gradients need no further rules: every rule is written in the functions of this module.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import scipy.special

_serial = itertools.count()
ties = [0]
"""How often two numbers were compared that were equal: there, derivatives are a convention."""


class Number:
    """A scalar on the tape."""

    __slots__ = ("order", "parents", "value")

    def __init__(self, value: Any, *parents: tuple[Number, Any]) -> None:
        self.value = value
        self.parents = parents
        self.order = next(_serial)

    def __repr__(self) -> str:
        return f"Number({self.value!r})"

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(float(self))

    def __bool__(self) -> bool:
        return float(self) != 0.0

    def __round__(self, digits: int | None = None) -> Any:
        return round(float(self), digits)

    def __floor__(self) -> int:
        return math.floor(float(self))

    def __ceil__(self) -> int:
        return math.ceil(float(self))

    def __trunc__(self) -> int:
        return math.trunc(float(self))

    def __lt__(self, other: Any) -> bool:
        return _compared(self, other) < 0.0

    def __le__(self, other: Any) -> bool:
        return _compared(self, other) <= 0.0

    def __gt__(self, other: Any) -> bool:
        return _compared(self, other) > 0.0

    def __ge__(self, other: Any) -> bool:
        return _compared(self, other) >= 0.0

    def __eq__(self, other: object) -> bool:
        return float(self) == float(other)

    def __ne__(self, other: object) -> bool:
        return float(self) != float(other)

    def __hash__(self) -> int:
        return id(self)

    def __pos__(self) -> Number:
        return self

    def __neg__(self) -> Number:
        return Number(-self.value, (self, -1.0))

    def __abs__(self) -> Number:
        _compared(self, 0.0)
        return Number(abs(self.value), (self, sign(self)))

    def __add__(self, other: Any) -> Any:
        return add(self, other)

    def __radd__(self, other: Any) -> Any:
        return add(other, self)

    def __sub__(self, other: Any) -> Any:
        return subtract(self, other)

    def __rsub__(self, other: Any) -> Any:
        return subtract(other, self)

    def __mul__(self, other: Any) -> Any:
        return multiply(self, other)

    def __rmul__(self, other: Any) -> Any:
        return multiply(other, self)

    def __truediv__(self, other: Any) -> Any:
        return divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return divide(other, self)

    def __pow__(self, other: Any) -> Any:
        return power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return power(other, self)

    def __mod__(self, other: Any) -> Any:
        return remainder(self, other)

    def __rmod__(self, other: Any) -> Any:
        return remainder(other, self)

    def __floordiv__(self, other: Any) -> Any:
        return _elementwise(other, lambda: float(self) // float(other))

    def __rfloordiv__(self, other: Any) -> Any:
        return _elementwise(other, lambda: float(other) // float(self))

    def __divmod__(self, other: Any) -> Any:
        return _elementwise(other, lambda: (self // other, self % other))

    def __rdivmod__(self, other: Any) -> Any:
        return _elementwise(other, lambda: (other // self, other % self))


def _compared(x: Any, y: Any) -> float:
    """A float of the sign of `x - y`; NaN if either is."""
    left, right = float(x), float(y)
    if left == right and x is not y:
        ties[0] += 1
    return (left > right) - (left < right) if left == left and right == right else math.nan  # noqa: PLR0124


def _is_array(x: Any) -> bool:
    return getattr(x, "ndim", 0) > 0


def _elementwise(other: Any, compute: Any) -> Any:
    """What an operator gives; arrays are asked to do it element by element."""
    return NotImplemented if _is_array(other) else compute()


def _binary(function: Any, local: Any, left: Any, right: Any) -> Any:
    """Apply `function`; `local` gives its derivatives from both values and the result."""
    if _is_array(left) or _is_array(right):
        return NotImplemented
    x = left.value if isinstance(left, Number) else left
    y = right.value if isinstance(right, Number) else right
    out = function(x, y)
    if not isinstance(left, Number) and not isinstance(right, Number):
        return out
    by_x, by_y = local(x, y, out, isinstance(right, Number))
    pairs = ((left, by_x), (right, by_y))
    return Number(out, *((p, d) for p, d in pairs if isinstance(p, Number)))


def add(x: Any, y: Any) -> Any:
    return _binary(lambda x, y: x + y, lambda *_: (1.0, 1.0), x, y)


def subtract(x: Any, y: Any) -> Any:
    return _binary(lambda x, y: x - y, lambda *_: (1.0, -1.0), x, y)


def multiply(x: Any, y: Any) -> Any:
    return _binary(lambda x, y: x * y, lambda x, y, *_: (y, x), x, y)


def divide(x: Any, y: Any) -> Any:
    return _binary(lambda x, y: x / y, lambda _x, y, out, _: (1.0 / y, -(out / y)), x, y)


def _power_local(x: Any, y: Any, out: Any, varies: bool) -> tuple[Any, Any]:
    by_x = 0.0 if not isinstance(y, Number) and y == 0 else y * x ** (y - 1)
    return by_x, (out * log(x) if float(x) != 0.0 else 0.0) if varies else 0.0


def power(x: Any, y: Any) -> Any:
    return _binary(lambda x, y: x**y, _power_local, x, y)


def remainder(x: Any, y: Any) -> Any:
    return _binary(lambda x, y: x % y, lambda x, y, *_: (1.0, -float(float(x) // float(y))), x, y)


def fmod(x: Any, y: Any) -> Any:
    def local(x: Any, y: Any, *_: Any) -> tuple[float, float]:
        return 1.0, -float(math.trunc(float(x) / float(y)))

    def function(x: Any, y: Any) -> Any:
        if isinstance(x, Number) or isinstance(y, Number):
            return fmod(x, y)
        return math.fmod(x, y)

    return _binary(function, local, x, y)


def hypot(x: Any, y: Any) -> Any:
    return sqrt(x * x + y * y)


def atan2(y: Any, x: Any) -> Any:
    def function(y: Any, x: Any) -> Any:
        if isinstance(x, Number) or isinstance(y, Number):
            return atan2(y, x)
        return math.atan2(y, x)

    def local(y: Any, x: Any, *_: Any) -> tuple[Any, Any]:
        square = x * x + y * y
        return x / square, -y / square

    return _binary(function, local, y, x)


def copysign(x: Any, y: Any) -> Any:
    return x * float(math.copysign(1.0, float(x)) * math.copysign(1.0, float(y)))


def maximum(x: Any, y: Any) -> Any:
    return max(y, x)


def minimum(x: Any, y: Any) -> Any:
    return min(y, x)


def logaddexp(x: Any, y: Any) -> Any:
    top = float(maximum(x, y))
    return top + log(exp(x - top) + exp(y - top))


def _unary(function: Any, local: Any) -> Any:
    """A function of one number from its value on floats and its derivative at (x, out)."""

    def apply(x: Any) -> Any:
        if not isinstance(x, Number):
            return function(float(x))
        out = apply(x.value)
        return Number(out, (x, local(x.value, out)))

    return apply


def _step(function: Any) -> Any:
    """A function that is constant almost everywhere."""
    return lambda x: float(function(float(x)))


def sign(x: Any) -> float:
    return float((float(x) > 0.0) - (float(x) < 0.0))


def square(x: Any) -> Any:
    return x * x


def reciprocal(x: Any) -> Any:
    return 1.0 / x


def degrees(x: Any) -> Any:
    return x * (180.0 / math.pi)


def radians(x: Any) -> Any:
    return x * (math.pi / 180.0)


sin = _unary(math.sin, lambda x, _: cos(x))
cos: Any = _unary(math.cos, lambda x, _: -sin(x))
tan = _unary(math.tan, lambda _, out: 1.0 + out * out)
asin = _unary(math.asin, lambda x, _: 1.0 / sqrt(1.0 - x * x))
acos = _unary(math.acos, lambda x, _: -1.0 / sqrt(1.0 - x * x))
atan = _unary(math.atan, lambda x, _: 1.0 / (1.0 + x * x))
sinh = _unary(math.sinh, lambda x, _: cosh(x))
cosh: Any = _unary(math.cosh, lambda x, _: sinh(x))
tanh = _unary(math.tanh, lambda _, out: 1.0 - out * out)
asinh = _unary(math.asinh, lambda x, _: 1.0 / sqrt(x * x + 1.0))
acosh = _unary(math.acosh, lambda x, _: 1.0 / sqrt(x * x - 1.0))
atanh = _unary(math.atanh, lambda x, _: 1.0 / (1.0 - x * x))
exp = _unary(math.exp, lambda _, out: out)
exp2 = _unary(math.exp2, lambda _, out: out * math.log(2.0))
expm1 = _unary(math.expm1, lambda _, out: out + 1.0)
log = _unary(math.log, lambda x, _: 1.0 / x)
log2 = _unary(math.log2, lambda x, _: 1.0 / (x * math.log(2.0)))
log10 = _unary(math.log10, lambda x, _: 1.0 / (x * math.log(10.0)))
log1p = _unary(math.log1p, lambda x, _: 1.0 / (1.0 + x))
sqrt: Any = _unary(math.sqrt, lambda _, out: 0.5 / out)
cbrt = _unary(math.cbrt, lambda _, out: 1.0 / (3.0 * out * out))
erf = _unary(math.erf, lambda x, _: 2.0 / math.sqrt(math.pi) * exp(-x * x))
erfc = _unary(math.erfc, lambda x, _: -2.0 / math.sqrt(math.pi) * exp(-x * x))
digamma = _unary(scipy.special.digamma, lambda x, _: trigamma(x))
trigamma: Any = _unary(lambda x: float(scipy.special.polygamma(1, x)), None)
gamma = _unary(math.gamma, lambda x, out: out * digamma(x))
lgamma = _unary(math.lgamma, lambda x, _: digamma(x))
floor = _step(math.floor)
ceil = _step(math.ceil)
trunc = _step(math.trunc)
rint = _step(round)

UNARY = {
    "sin": sin, "cos": cos, "tan": tan, "asin": asin, "acos": acos, "atan": atan,
    "sinh": sinh, "cosh": cosh, "tanh": tanh, "asinh": asinh, "acosh": acosh, "atanh": atanh,
    "exp": exp, "exp2": exp2, "expm1": expm1, "log": log, "log2": log2, "log10": log10,
    "log1p": log1p, "sqrt": sqrt, "cbrt": cbrt, "erf": erf, "erfc": erfc, "gamma": gamma,
    "lgamma": lgamma, "fabs": abs, "degrees": degrees, "radians": radians,
}  # fmt: skip
BINARY = {"atan2": atan2, "hypot": hypot, "copysign": copysign, "fmod": fmod, "pow": power}


def reverse(results: Any, seeds: Any, inputs: Any) -> list[Any]:
    """The gradients of the seeded sum of `results` with respect to the numbers `inputs`."""
    adjoint: dict[int, Any] = {}
    found: dict[int, Number] = {}
    waiting = []
    for result, seed in zip(results, seeds, strict=True):
        if isinstance(result, Number):
            waiting.append(result)
            adjoint[id(result)] = adjoint.get(id(result), 0.0) + seed
    while waiting:
        number = waiting.pop()
        if id(number) not in found:
            found[id(number)] = number
            waiting.extend(parent for parent, _ in number.parents)
    for number in sorted(found.values(), key=lambda n: n.order, reverse=True):
        g = adjoint.get(id(number), 0.0)
        if isinstance(g, Number) or g != 0.0:
            for parent, local in number.parents:
                adjoint[id(parent)] = adjoint.get(id(parent), 0.0) + g * local
    return [adjoint.get(id(number), 0.0) for number in inputs]

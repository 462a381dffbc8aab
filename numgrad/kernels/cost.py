"""What a kernel costs for each element, guessed from its text: good to a factor of two or three."""

from __future__ import annotations

import re

from numgrad.kernels.ufunc import DTYPES

# Nanoseconds: what memory takes for a byte, and an operation of a vector's element.
_BYTE = 0.03
_OPERATION = 0.05

# Functions that cost more than an operation, for float64.
_FUNCTIONS = {
    **dict.fromkeys(("sqrt", "rsqrt", "hypot"), 0.5),
    **dict.fromkeys(("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sigmoid"), 1.0),
    **dict.fromkeys(("sin", "cos", "tan", "tanh", "sinh", "cosh", "softplus", "cbrt"), 1.3),
    **dict.fromkeys(("asin", "acos", "atan", "atan2", "asinh", "acosh", "atanh"), 1.5),
    **dict.fromkeys(("erf", "erfc", "erfinv"), 2.0),
    **dict.fromkeys(("power", "fmod", "remainder", "floor_divide"), 4.0),
    "polygamma": 100.0,
    **dict.fromkeys(("lgamma", "digamma", "trigamma"), 5.0),
}
_CALL = re.compile(rf"\b({'|'.join(_FUNCTIONS)})\(")
# What a function takes for float32, of what it takes for float64.
_FLOAT32 = 0.4
# Functions that a loop calls in rare cases only, up to the empty line behind them.
_RARE = re.compile(r"@outlined\n(?:.+\n)*")
_OPERATOR = re.compile(r"(?:[-+*<>]|/) ")


def nanoseconds(source: str, types: str) -> float:
    """Return about how long a kernel takes for an element, in one thread.

    A line that is repeated, as in unrolled sums, counts once.
    """
    lines = {re.sub(r"\d", "", line) for line in _RARE.sub("", source).splitlines()}
    share = _FLOAT32 if types.endswith("f") else 1.0
    bytes_moved = sum(DTYPES[code].itemsize for code in types.replace("->", ""))
    total = _BYTE * bytes_moved
    for line in lines:
        total += _OPERATION * len(_OPERATOR.findall(line))
        total += share * sum(_FUNCTIONS[call[1]] for call in _CALL.finditer(line))
    return total

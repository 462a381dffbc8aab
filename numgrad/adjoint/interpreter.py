"""Runs generated code by the plain interpreter: to look into it, and to test it at length."""

from __future__ import annotations

import contextlib
import contextvars
import math
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numgrad.adjoint.writing import Text

ARENA = 1 << 18

_active: contextvars.ContextVar[bool] = contextvars.ContextVar("interpreted", default=False)


@contextlib.contextmanager
def interpreted() -> Iterator[None]:
    """Within this context, derivatives of compiled functions are computed without compiling."""
    token = _active.set(True)
    try:
        yield
    finally:
        _active.reset(token)


def is_active() -> bool:
    """Whether generated code is to be interpreted."""
    return _active.get()


def _quiet(function: Any) -> Any:
    """A function of math with NumPy's edges: nan and inf instead of errors."""

    def call(*args: float) -> float:
        try:
            return float(function(*args))
        except OverflowError:
            return math.inf
        except (ValueError, ZeroDivisionError):
            with np.errstate(all="ignore"):
                known = getattr(np, _NUMPY.get(function.__name__, function.__name__), None)
                return float(known(*args)) if known is not None else math.nan

    return call


# NumPy's names for functions that the templates name after the module math.
_NUMPY = {
    "acos": "arccos",
    "acosh": "arccosh",
    "asin": "arcsin",
    "asinh": "arcsinh",
    "atan": "arctan",
    "atan2": "arctan2",
    "atanh": "arctanh",
}
_OF_NUMPY = (
    *_NUMPY,
    *("cbrt", "ceil", "copysign", "cos", "cosh", "exp", "exp2", "expm1", "floor", "floor_divide"),
    *("fmod", "hypot", "log", "log10", "log1p", "log2", "maximum", "minimum", "power", "remainder"),
    *("sign", "sin", "sinh", "sqrt", "tan", "tanh", "trunc"),
)


# What gives integers, or several numbers.
_OF_INTEGERS = {"frexp", "gcd"}


class _Math:
    """The module math, with NumPy's edges."""

    inf, nan, pi, e = math.inf, math.nan, math.pi, math.e

    def __getattr__(self, name: str) -> Any:
        function = getattr(math, name)
        return function if name in _OF_INTEGERS else _quiet(function)


def namespace() -> dict[str, Any]:
    """What generated code calls, in plain Python."""
    from scipy import special

    return {
        "np": np,
        "math": _Math(),
        "u": int,
        "f8": float,
        "f4": np.float32,
        "fabs": np.abs,
        "rint": np.rint,
        "fma": lambda x, y, z: x * y + z,
        **{name: getattr(np, _NUMPY.get(name, name)) for name in _OF_NUMPY},
        **{name: getattr(special, name) for name in ("erf", "erfc", "erfinv", "polygamma")},
        "lgamma": special.gammaln,
        "trigamma": lambda x: special.polygamma(1, x),
        "digamma": special.digamma,
        "polygamma": special.polygamma,
        "from_bits": lambda n: struct.unpack("d", struct.pack("q", n))[0],
        "to_bits": lambda x: struct.unpack("q", struct.pack("d", x))[0],
        "release": lambda _: None,
        "arena": lambda: np.full(ARENA, np.nan),
    }


def load(text: Text) -> Any:
    """The entry function of a module, interpreted."""
    names = {**namespace(), **text.objects}
    exec(compile(text.body, "<adjoint>", "exec"), names)
    entry = names["entry"]

    def run(*args: Any) -> Any:
        # Python's float raises where NumPy's gives inf.
        lifted = [np.float64(a) if isinstance(a, float) else a for a in args]
        with np.errstate(all="ignore"):
            return entry(*lifted)

    return run

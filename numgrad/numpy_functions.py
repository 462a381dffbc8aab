"""Which function means what NumPy's does, with NumPy's arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import functions as f
from numgrad.ops import (
    convert,
    diagonals,
    extrema,
    index,
    join,
    moments,
    permute,
    reduce,
    scan,
    scatter,
    shape,
)
from numgrad.ops.axes import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable

# Ufuncs and the elementwise functions that they are.
UFUNCS: dict[Any, Callable[..., Any]] = {
    getattr(np, name): getattr(f, name)
    for name in """absolute add divide equal greater greater_equal less less_equal log logical_and
    logical_or multiply negative not_equal power reciprocal sign sqrt square subtract""".split()
    if hasattr(f, name)
}
UFUNCS[np.equal] = f.eq

REDUCTIONS: dict[Any, Callable[..., Any]] = {}
FUNCTIONS: dict[Any, Callable[..., Any]] = {}

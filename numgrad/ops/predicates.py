"""Questions with a bool for an answer, element by element. None has a gradient."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numgrad.op import elementwise
from numgrad.ops.arithmetic import abs_
from numgrad.ops.choice import equal, less, not_equal


@elementwise("", logical=True, integers=np.isnan)
def isnan(x: Any) -> Any:
    """Where x is nan."""
    return not_equal(x, x)


@elementwise("", logical=True, integers=np.isinf)
def isinf(x: Any) -> Any:
    """Where x is inf or -inf."""
    return equal(abs_(x), math.inf)


@elementwise("", logical=True, integers=np.isfinite)
def isfinite(x: Any) -> Any:
    """Where x is neither infinite nor nan."""
    return less(abs_(x), math.inf)


@elementwise("", logical=True, integers=np.logical_not)
def logical_not(x: Any) -> Any:
    """Where x is 0 or False."""
    return equal(x, 0)

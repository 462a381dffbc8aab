"""Comparisons, logic and choice: what rules and users select with. None has a gradient but where.

At the edges: nan compares False (`not_equal` True).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from numgrad.op import elementwise


@elementwise("({0} == {1})", logical=True, integers=np.equal, node="Eq")
def equal(x: Any, y: Any) -> Any:
    """Where x equals y, element by element."""


@elementwise("({0} != {1})", logical=True, integers=np.not_equal, node="Ne")
def not_equal(x: Any, y: Any) -> Any:
    """Where x differs from y, element by element."""


@elementwise("({0} < {1})", logical=True, integers=np.less, node="Lt")
def less(x: Any, y: Any) -> Any:
    """Where x is less than y, element by element."""


@elementwise("({0} <= {1})", logical=True, integers=np.less_equal, node="Le")
def less_equal(x: Any, y: Any) -> Any:
    """Where x is at most y, element by element."""


@elementwise("({0} > {1})", logical=True, integers=np.greater, node="Gt")
def greater(x: Any, y: Any) -> Any:
    """Where x is greater than y, element by element."""


@elementwise("({0} >= {1})", logical=True, integers=np.greater_equal, node="Ge")
def greater_equal(x: Any, y: Any) -> Any:
    """Where x is at least y, element by element."""


@elementwise("({0} and {1})", logical=True, integers=np.logical_and, conditions=("x", "y"))
def logical_and(x: Any, y: Any) -> Any:
    """Where both are true, element by element."""


@elementwise("({0} or {1})", logical=True, integers=np.logical_or, conditions=("x", "y"))
def logical_or(x: Any, y: Any) -> Any:
    """Where either is true, element by element."""


@elementwise("({1} if {0} else {2})", conditions=("condition",), integers=np.where)
def where(condition: Any, x: Any, y: Any) -> Any:
    """x where the condition holds, else y. The gradient goes to the one chosen."""


@where.partial
def _(condition: Any, x: Any, y: Any, out: Any) -> Any:
    return None, where(condition, 1, 0), where(condition, 0, 1)

"""Between given values, element by element."""

from __future__ import annotations

from typing import Any

from numgrad.op import elementwise
from numgrad.ops.choice import less, where


@elementwise
def lerp(start: Any, end: Any, weight: Any) -> Any:
    """start + weight * (end - start), element by element; exact where the weight is 0 or 1."""
    way = end - start
    return where(less(weight, 0.5), start + weight * way, end - (1 - weight) * way)


@lerp.partial
def _(start: Any, end: Any, weight: Any, out: Any) -> Any:
    return 1 - weight, weight, end - start

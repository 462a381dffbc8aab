"""Value: anything an op accepts. A Tensor computes now, a Symbol records what to compute.

Both share the operators below, so that a rule reads the same whatever it runs on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable

# What makes tensors of arrays and numbers, as `(value, name of the function that asks)`; set by
# numgrad.eager, since tensors are made above the ops.
_lifters: list[Callable[[Any, str], Any]] = []


def set_lifter(lifter: Callable[[Any, str], Any]) -> None:
    """Say what makes tensors of arrays and numbers."""
    _lifters[:] = [lifter]


def lift(value: Any, name: str) -> Any:
    """Return a tensor as it is, an array or number as a constant tensor.

    `name` is that of the function that asks, for the TypeError that others get.
    """
    return value if isinstance(value, Value) else _lifters[0](value, name)


# Name -> op, filled by the modules of numgrad.ops as they declare.
REGISTRY: dict[str, Callable[..., Any]] = {}

# Ops that users declare: several may have one name.
OWN: WeakSet[Any] = WeakSet()


class Value:
    """The operators that Tensor and Symbol have in common."""

    __slots__ = ()

    def __add__(self, other: Any) -> Any:
        return REGISTRY["add"](self, other)

    def __radd__(self, other: Any) -> Any:
        return REGISTRY["add"](other, self)

    def __sub__(self, other: Any) -> Any:
        return REGISTRY["sub"](self, other)

    def __rsub__(self, other: Any) -> Any:
        return REGISTRY["sub"](other, self)

    def __mul__(self, other: Any) -> Any:
        return REGISTRY["mul"](self, other)

    def __rmul__(self, other: Any) -> Any:
        return REGISTRY["mul"](other, self)

    def __truediv__(self, other: Any) -> Any:
        return REGISTRY["div"](self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return REGISTRY["div"](other, self)

    def __neg__(self) -> Any:
        return REGISTRY["neg"](self)

    def __lt__(self, other: Any) -> Any:
        return REGISTRY["less"](self, other)

    def __le__(self, other: Any) -> Any:
        return REGISTRY["less_equal"](self, other)

    def __gt__(self, other: Any) -> Any:
        return REGISTRY["greater"](self, other)

    def __ge__(self, other: Any) -> Any:
        return REGISTRY["greater_equal"](self, other)

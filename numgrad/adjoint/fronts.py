"""What Python expressions stand for while a function is read: values, tuples, arrays to be made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from numgrad.adjoint.ir import Array, Const, Scalar, Type, Value, Var

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(eq=False, slots=True)
class Tuple:
    """A tuple; `cls` is its class if it is a named one."""

    items: list[Front]
    cls: Any = None


@dataclass(frozen=True, slots=True)
class Static:
    """Any Python object that is known while the function is read: a function, a module, None."""

    value: Any


@dataclass(eq=False, slots=True)
class Lazy:
    """An array that no statement has made yet: its shape, and how to compute an element.

    `roots` are the arrays that it reads, each with whether it is read at the place of the result
    only.
    """

    code: str
    shape: list[Value]
    at: Callable[[Sequence[Value]], Value]
    roots: list[tuple[Var, bool]]


@dataclass(frozen=True, slots=True)
class Undefined:
    """A variable that has no value on some way here."""

    name: str


Front: TypeAlias = Const | Var | Tuple | Static | Lazy | Undefined


@dataclass(frozen=True, slots=True)
class TupleType:
    """The type of a tuple."""

    items: tuple[Shape, ...]
    cls: Any = None


Shape: TypeAlias = Scalar | Array | TupleType | Static


def is_array(front: Any) -> bool:
    """Whether it is an array, made or to be made."""
    return isinstance(front, Lazy) or (isinstance(front, Var) and isinstance(front.type, Array))


def is_number(front: Any) -> bool:
    """Whether it is a number."""
    return isinstance(front, (Const, Var)) and isinstance(front.type, Scalar)


def rank(front: Any) -> int:
    """The number of axes; 0 for a number."""
    if isinstance(front, Lazy):
        return len(front.shape)
    return front.type.ndim if is_array(front) else 0


def code_of(front: Any) -> str:
    """The code of a number's or an array's elements."""
    if isinstance(front, Lazy):
        return front.code
    code: str = front.type.code
    return code


def unify(a: Type, b: Type) -> Type | None:
    """The type that holds both; None if there is none."""
    if a == b:
        return a
    if isinstance(a, Scalar) and isinstance(b, Scalar):
        codes = {a.code, b.code}
        if codes == {"b1", "i8"}:
            return Scalar("i8")
        return Scalar("f8")
    return None


def shape_of(front: Front) -> Shape:
    """The type of a value."""
    if isinstance(front, Tuple):
        return TupleType(tuple(shape_of(i) for i in front.items), front.cls)
    if isinstance(front, Static):
        return front
    if isinstance(front, Lazy):
        return Array(front.code, len(front.shape))
    if isinstance(front, Undefined):
        return Static(None)
    return front.type


def leaves(front: Front) -> list[Value]:
    """The numbers and arrays in a value."""
    if isinstance(front, Tuple):
        return [leaf for item in front.items for leaf in leaves(item)]
    return [front] if isinstance(front, (Const, Var)) else []


def describe(front: Front) -> str:
    """What a value is, for messages."""
    if isinstance(front, Tuple):
        return "a tuple"
    if isinstance(front, Static):
        name = getattr(front.value, "__name__", None)
        return f"{type(front.value).__name__} {name or front.value!r}"
    if isinstance(front, Lazy):
        return str(Array(front.code, len(front.shape)))
    if isinstance(front, Undefined):
        return "undefined"
    return str(front.type)

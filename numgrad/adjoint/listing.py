"""Generated code for people to read: for arguments, for types, or for all that was compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numgrad.adjoint.fronts import Shape, Static, TupleType
from numgrad.adjoint.signature import shape_of_value
from numgrad.adjoint.writing import readable, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numgrad.adjoint.writing import Derived


def listing(
    name: str,
    parameters: Sequence[str],
    derive: Callable[[tuple[Shape, ...]], Derived],
    choices: Iterable[tuple[Shape, ...]],
) -> str:
    """The code for each of several combinations of types; of several, each says which it is.

    Raises:
        TypeError: there is no combination.
    """
    texts = [(shapes, readable(write(derive(shapes)))) for shapes in choices]
    if not texts:
        types = ", ".join(["numba.float64[:]"] * len(parameters))
        raise TypeError(
            f"{name}() has not been compiled yet, so that there is no code to show: call it"
            f" before, or pass arguments, or types as in {name}({types})."
        )
    if len(texts) == 1:
        return texts[0][1]
    return "\n\n".join(f"# {_described(parameters, s)}\n{text}" for s, text in texts)


def _described(parameters: Sequence[str], shapes: Sequence[Shape]) -> str:
    return ", ".join(f"{n}: {_text(s)}" for n, s in zip(parameters, shapes, strict=False))


def _text(shape: Shape) -> str:
    if isinstance(shape, TupleType):
        return f"({', '.join(map(_text, shape.items))})"
    return repr(shape.value) if isinstance(shape, Static) else str(shape)


def unfolded(args: tuple[Any, ...], keywords: Mapping[str, Any]) -> tuple[Any, ...]:
    """The arguments, or those of a signature of Numba that is the only one."""
    if len(args) == 1 and not keywords and _of_numba(args[0]) and hasattr(args[0], "args"):
        return tuple(args[0].args)
    return args


def shapes_of(args: Sequence[Any], name: str) -> tuple[Shape, ...]:
    """The types of arguments, some of which may be types of Numba.

    Raises:
        TypeError: one is nothing that the language has.
    """
    return tuple(
        _shape_of_type(a, name, k) if _of_numba(a) else shape_of_value(a, name, k)
        for k, a in enumerate(args)
    )


def _of_numba(value: Any) -> bool:
    """Whether it is a type or a signature of Numba."""
    return type(value).__module__.startswith(("numba.core.types", "numba.core.typing"))


def _shape_of_type(kind: Any, name: str, position: int) -> Shape:
    from numgrad.adjoint import runtime

    try:
        return runtime.shape_of_type(kind)
    except runtime.Untyped as error:
        message = f"{name}() has no code for {kind} as argument {position}: {error}."
        raise TypeError(message) from None

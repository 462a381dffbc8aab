"""Writes a module: a procedure with all that it calls, and the function that users call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numgrad.adjoint.fronts import Shape, Static, TupleType
from numgrad.adjoint.ir import Call, Outer, Procedure, walk
from numgrad.adjoint.printing import INDENT, TAKEN, source

if TYPE_CHECKING:
    from collections.abc import Sequence

ENTRY = "entry"


@dataclass(eq=False)
class Derived:
    """A procedure, and the types of what the function takes and gives."""

    procedure: Procedure
    arguments: tuple[Shape, ...]
    result: Shape


@dataclass(eq=False)
class Text:
    """The text of a module, and the objects that its names stand for."""

    body: str
    objects: dict[str, Any]


def reachable(procedure: Procedure) -> list[Procedure]:
    """A procedure and all that it calls, callees first where that is possible."""
    order: list[Procedure] = []
    seen: set[Procedure] = set()

    def visit(each: Procedure) -> None:
        if each in seen:
            return
        seen.add(each)
        for stmt in walk(each.body):
            if isinstance(stmt, Call):
                visit(stmt.function)
        order.append(each)

    visit(procedure)
    return order


def write(derived: Derived) -> Text:
    """Write the module of a derived function; its entry has the name `ENTRY`."""
    procedures = reachable(derived.procedure)
    used: set[str] = {ENTRY, *TAKEN}
    objects: dict[str, Any] = {}
    outers: dict[int, str] = {}
    for each in procedures:
        name, count = each.name, 0
        while name in used:
            count += 1
            name = f"{each.name}_{count}"
        each.name = name
        used.add(name)
        for stmt in walk(each.body):
            if isinstance(stmt, Outer):
                if id(stmt.array) not in outers:
                    outers[id(stmt.array)] = f"constant_{len(outers)}"
                    objects[f"constant_{len(outers) - 1}"] = stmt.array
                stmt.name = outers[id(stmt.array)]
    parts = [source(each, used) for each in procedures]
    parts.append(_entry(derived, objects))
    return Text("\n\n".join(parts), objects)


def _entry(derived: Derived, objects: dict[str, Any]) -> str:
    # What is no number or array is known while the code is written, and not passed.
    given = [s for s in derived.arguments if not isinstance(s, Static)]
    names = [f"a{k}" for k in range(len(given))]
    flat: list[str] = []
    for name, shape in zip(names, given, strict=True):
        flat += _flatten(name, shape)
    count = len(derived.procedure.results)
    results = [f"r{k}" for k in range(count)]
    call = f"{derived.procedure.name}({', '.join(flat)})"
    lines = [f"def {ENTRY}({', '.join(names)}):"]
    lines.append(f"{INDENT}{', '.join(results)} = {call}" if results else f"{INDENT}{call}")
    lines.append(f"{INDENT}return {_pack(results, derived.result, objects)}")
    return "\n".join([*lines, ""])


def _flatten(name: str, shape: Shape) -> list[str]:
    if isinstance(shape, TupleType):
        return [
            text for k, item in enumerate(shape.items) for text in _flatten(f"{name}[{k}]", item)
        ]
    return [] if isinstance(shape, Static) else [name]


def _pack(results: list[str], shape: Shape, objects: dict[str, Any]) -> str:
    if isinstance(shape, TupleType):
        items = [_pack(results, item, objects) for item in shape.items]
        if shape.cls is not None:
            name = shape.cls.__name__
            objects[name] = shape.cls
            return f"{name}({', '.join(items)})"
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    return "None" if isinstance(shape, Static) else results.pop(0)


def readable(text: Text, keep: Sequence[str] = ()) -> str:
    """The text without the entry, for people to read."""
    del keep
    return text.body[: text.body.rindex(f"def {ENTRY}(")].rstrip() + "\n"

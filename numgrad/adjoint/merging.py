"""What a variable is where two ways meet: numbers are chosen, arrays copied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numgrad.adjoint import lazy
from numgrad.adjoint.builder import number
from numgrad.adjoint.fronts import Front, Static, Tuple, Undefined, is_array, unify
from numgrad.adjoint.ir import (
    F4,
    F8,
    I8,
    Array,
    Block,
    Compute,
    Const,
    If,
    Merge,
    Scalar,
    Value,
    Var,
)

if TYPE_CHECKING:
    import ast

    from numgrad.adjoint.lowering import Lowering
    from numgrad.adjoint.source import Source


@dataclass
class Copy:
    """An array that stands for another from here on."""

    target: Var
    origin: Var
    exclusive: bool
    node: ast.AST
    # What the node is from: the function itself, or one that was written out in it.
    source: Source


class Merger:
    """Merges variables, and remembers which arrays were copied where Python would share them."""

    def __init__(self) -> None:
        self.copies: list[Copy] = []

    def note(self, lo: Lowering, target: Var, origin: Var, name: str, node: ast.AST) -> None:
        """Remember a copy."""
        exclusive = _fresh(lo, origin) and not any(
            lo.roots[value] & lo.roots[origin]
            for env in (*lo.frames, lo.env)
            for other, front in env.items()
            if not (env is lo.env and other == name)
            for value in _arrays(front)
        )
        self.copies.append(Copy(target, origin, exclusive, node, lo.source))

    def check_copies(self, lo: Lowering) -> None:
        """Refuse what would tell a copy from the array itself."""
        for copy in self.copies:
            if copy.exclusive:
                continue
            if (lo.roots[copy.target] | lo.roots[copy.origin]) & lo.written.keys():
                copy.source.refuse(
                    copy.node,
                    "a variable is bound to different arrays here, and one of them is written to",
                    "bind it to a copy, as in b = a.copy(), or write into one of them with a[:] =",
                )


def merge(
    lo: Lowering,
    stmt: If,
    name: str,
    sides: tuple[Front, Front],
    envs: tuple[dict[str, Front], dict[str, Front]],
    node: ast.AST,
) -> Front:
    """Return what a variable is after a branch."""
    a, b = sides
    if a is b or (isinstance(a, (Const, Static)) and a == b):
        return a
    if isinstance(a, (Const, Var)) and isinstance(b, (Const, Var)):
        return _merge_values(lo, stmt, name, (a, b), envs, node)
    if isinstance(a, Tuple) and isinstance(b, Tuple) and len(a.items) == len(b.items):
        items = [merge(lo, stmt, name, s, envs, node) for s in zip(a.items, b.items, strict=True)]
        return Undefined(name) if _undefined(items) else Tuple(items, a.cls)
    for known, other in ((a, b), (b, a)):
        if isinstance(other, Undefined) and isinstance(known, (Const, Var)) and not is_array(known):
            zero = number(0.0) if known.type in (F8, F4) else Const(known.type, 0)  # type: ignore[arg-type]
            pair = (known, zero) if known is a else (zero, known)
            return _merge_values(lo, stmt, name, pair, envs, node)
    return Undefined(name)


def _merge_values(
    lo: Lowering,
    stmt: If,
    name: str,
    sides: tuple[Value, Value],
    envs: tuple[dict[str, Front], dict[str, Front]],
    node: ast.AST,
) -> Front:
    a, b = sides
    type = unify(a.type, b.type)
    if type is None:
        return Undefined(name)
    if isinstance(type, Array):
        return _merge_arrays(lo, stmt, name, sides, envs, node)  # type: ignore[arg-type]
    with lo.builder.inside(stmt.then):
        then = cast(lo, a, type)
    with lo.builder.inside(stmt.orelse):
        orelse = cast(lo, b, type)
    if then is orelse or (isinstance(then, Const) and then == orelse):
        return then
    if type.code == "b1" and isinstance(then, Const) and isinstance(orelse, Const):
        return stmt.test if then.value else lo.builder.emit("not", stmt.test)
    out = Var(type, hint(name), False, lo.builder.block)
    stmt.merges.append(Merge(out, then, orelse))
    return out


def _merge_arrays(
    lo: Lowering,
    stmt: If,
    name: str,
    sides: tuple[Var, Var],
    envs: tuple[dict[str, Front], dict[str, Front]],
    node: ast.AST,
) -> Front:
    """Copy either array into one that is made before the branch, if its extents are known there."""
    dims = []
    for array, block in zip(sides, (stmt.then, stmt.orelse), strict=True):
        dims.append([hoist(lo, d, block) for d in lo.dims[array]])
    if any(d is None for side in dims for d in side):
        lo.refuse(
            node,
            f"{name.strip()!r} is bound to arrays whose size is only known within the branch",
            "make one array before it with np.empty, and write into it with a[:] = ...",
        )
    extents = [
        t if t is e or t == e else lo.builder.emit("i.select", stmt.test, t, e)
        for t, e in zip(*dims, strict=True)
    ]
    out = lazy.new_array(lo, sides[0].type.code, extents, hint(name))
    env = lo.env
    for array, block, own in zip(sides, (stmt.then, stmt.orelse), envs, strict=True):
        lo.env = own
        lo.merger.note(lo, out, array, name, node)
        with lo.builder.inside(block):
            lazy.copy_into(lo, out, array)
    lo.env = env
    return out


def hoist(lo: Lowering, value: Value, block: Block) -> Value | None:
    """Compute what a block computes before it, if it depends on what is known there; else None."""
    if lo.visible(value):
        return value
    for stmt in block.stmts:
        if isinstance(stmt, Compute) and stmt.out is value:
            args = []
            for a in stmt.args:
                known = hoist(lo, a, block)
                if known is None:
                    return None
                args.append(known)
            return lo.builder.emit(stmt.op, *args, hint=stmt.out.hint)
    return None


def cast(lo: Lowering, value: Value, type: Any) -> Value:
    """Convert a number."""
    if value.type == type:
        return value
    if type == F8:
        return lo.builder.emit("to_f8", value)
    if type == I8:
        return lo.builder.emit("to_int", value)
    if type == F4:
        return lo.builder.emit("to_f4", value)
    return lo.builder.emit("to_bool", value)


def hint(name: str) -> str:
    """A name for the text."""
    return name.strip().replace(" ", "_")


def _undefined(items: list[Front]) -> bool:
    return any(isinstance(i, Undefined) for i in items)


def _fresh(lo: Lowering, array: Var) -> bool:
    return all(root not in lo.constant and root in lo.local for root in lo.roots[array])


def _arrays(front: Front) -> list[Var]:
    if isinstance(front, Tuple):
        return [v for item in front.items for v in _arrays(item)]
    return [front] if isinstance(front, Var) and is_array(front) else []


def scalar_type(front: Front) -> Scalar | None:
    """The type of a number; None for anything else."""
    if isinstance(front, (Const, Var)) and isinstance(front.type, Scalar):
        return front.type
    return None

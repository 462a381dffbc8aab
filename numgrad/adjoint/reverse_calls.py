"""Reverse mode of calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numgrad.adjoint.builder import NOTHING
from numgrad.adjoint.cloning import copy
from numgrad.adjoint.ir import F8, Array, Call, Stmt, Value

if TYPE_CHECKING:
    from numgrad.adjoint.reverse import Reverse


def call(reverse: Reverse, stmt: Call) -> list[Stmt]:
    """Write the way back of a call."""
    active = [reverse.activity.active(a) for a in stmt.args]
    seeded = [reverse.activity.active(o) for o in stmt.outs]
    written = any(active[k] for k in stmt.function.writes)
    if not any(active) or not (any(seeded) or written):
        return [copy(stmt)]
    kept = [
        isinstance(a.type, Array)
        and reverse.kept(a)
        and max(reverse.writes.get(reverse.memory.root(a), [-1])) < reverse.positions[id(stmt)]
        for a in stmt.args
    ]
    variant = reverse.variants.variant(stmt.function, tuple(active), tuple(seeded), tuple(kept))
    args: list[Value] = [reverse.value(a) for a, k in zip(stmt.args, kept, strict=True) if k]
    args += [
        reverse.shadow(a)
        for a, on in zip(stmt.args, active, strict=True)
        if on and isinstance(a.type, Array)
    ]
    for out, on in zip(stmt.outs, seeded, strict=True):
        if on and isinstance(out.type, Array):
            args.append(reverse.shadow(out))
        elif on:
            args.append(reverse.take(out) or NOTHING)
    numbers = [
        a for a, on in zip(stmt.args, active, strict=True) if on and not isinstance(a.type, Array)
    ]
    outs = tuple(reverse.builder.var(F8, f"d_{a.hint}") for a in numbers)  # type: ignore[union-attr]
    reverse.builder.append(Call(outs, variant.back, tuple(args)))
    for a, g in zip(numbers, outs, strict=True):
        reverse.add(a, g)
    return [Call(stmt.outs, variant.there, stmt.args)]

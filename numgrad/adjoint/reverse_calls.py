"""Reverse mode of calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numgrad.adjoint.builder import NOTHING
from numgrad.adjoint.cloning import copy
from numgrad.adjoint.ir import F8, Array, Call, Stmt, Var
from numgrad.adjoint.recomputing import call_again

if TYPE_CHECKING:
    from numgrad.adjoint.reverse import Reverse


def call(reverse: Reverse, stmt: Call) -> list[Stmt]:
    """Write the way back of a call."""
    active = [reverse.activity.active(a) for a in stmt.args]
    seeded = [reverse.activity.active(o) for o in stmt.outs]
    written = any(active[k] for k in stmt.function.writes)
    if not any(active) or not (any(seeded) or written):
        return [copy(stmt)]
    snapshots = None
    if stmt.again:
        snapshots, given = call_again(reverse, stmt)
        if snapshots.of_arena:
            snapshots = None
    kept = [
        isinstance(a.type, Array)
        and reverse.kept(a)
        and max(reverse.writes.get(reverse.memory.root(a), [-1])) < reverse.positions[id(stmt)]
        for a in stmt.args
    ]
    if snapshots is not None:
        # Nobody but the function itself writes to what it is run again with.
        arrays = [isinstance(a.type, Array) for a in stmt.args]
        kept = [on and k not in stmt.function.writes for k, on in enumerate(arrays)]
    variant = reverse.variants.variant(stmt.function, tuple(active), tuple(seeded), tuple(kept))
    if snapshots is None:
        args = [reverse.value(a) for a, k in zip(stmt.args, kept, strict=True) if k]
    else:
        args = [a for a, k in zip(given, kept, strict=True) if k]
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
    if snapshots is not None:
        reverse.builder.block.stmts += snapshots.pop()
        again = tuple(Var(o.type, o.hint) for o in stmt.outs)
        reverse.builder.append(Call(again, variant.there, tuple(given)))
    reverse.builder.append(Call(outs, variant.back, tuple(args)))
    for a, g in zip(numbers, outs, strict=True):
        reverse.add(a, g)
    if snapshots is not None:
        return [*snapshots.push(), copy(stmt)]
    return [Call(stmt.outs, variant.there, stmt.args)]

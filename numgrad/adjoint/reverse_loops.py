"""Reverse mode of loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numgrad.adjoint.builder import NOTHING, ONE, number
from numgrad.adjoint.cloning import Cloner, copied
from numgrad.adjoint.ir import (
    F8,
    I8,
    Array,
    Block,
    Const,
    Loop,
    Phi,
    Pop,
    Push,
    Stmt,
    Value,
    Var,
    defined,
    free_values,
    walk,
)
from numgrad.adjoint.recomputing import Snapshots, outside, run_again
from numgrad.adjoint.segments import split
from numgrad.adjoint.together import Together

if TYPE_CHECKING:
    from numgrad.adjoint.reverse import Reverse
    from numgrad.adjoint.scopes import Scope


def loop(reverse: Reverse, stmt: Loop) -> list[Stmt]:
    """Write the way back of a loop."""
    candidates = _candidates(reverse, stmt)
    both = Together(reverse, stmt, candidates)
    if both.possible():
        return both.write()
    snapshots, before_it, stmt = _under_checkpoint(reverse, stmt)
    there = Loop(
        stmt.index,
        stmt.bounds,
        copied(stmt.head),
        stmt.test,
        Block(),
        stmt.stop,
        [Phi(p.inner, p.init, p.next, p.out) for p in stmt.phis],
        stmt.trips,
        stmt.parallel,
    )
    builder, before = reverse.builder, reverse.adjoints
    phis = [
        p for p in stmt.phis if reverse.activity.active(p.inner) or reverse.activity.active(p.out)
    ]
    inits = [before.pop(p.out, NOTHING) for p in phis]
    given = [*(p.inner for p in stmt.phis), *([stmt.index] if stmt.index else [])]
    scope = reverse.enter([*stmt.head.stmts, *stmt.body.stmts], given, reverse.current)
    back_head = builder.child()
    with builder.inside(back_head):
        back_body = builder.child()
    carried = [Var(F8, f"d_{p.inner.hint}", False, back_head) for p in phis]
    sums = [Var(F8, f"d_{v.hint}", False, back_head) for v in candidates]
    reverse.adjoints = dict(zip(candidates, sums, strict=True))
    outer, reverse.current = reverse.current, scope
    if snapshots is not None:
        snapshots.make(builder)
        scope.at_hand = True
    with builder.inside(back_body):
        bounds, index = _index(reverse, stmt, scope, back_head)
        place = len(back_body.stmts)
        ways = back_body if snapshots is None else Block(back_body)
        with builder.inside(ways):
            for phi, g in zip(phis, carried, strict=True):
                reverse.add(phi.next, g)
            reverse.block(stmt.body, there.body)
            start = place if snapshots is None else 0
            reverse.close(scope, there.body, start)
        nexts = [reverse.adjoints.pop(p.inner, NOTHING) for p in phis]
        totals = [reverse.adjoints[v] for v in candidates]
        if snapshots is not None and ways.stmts:
            names = _again(reverse, stmt, snapshots, there.body, ways)
            nexts, totals = names.value(tuple(nexts)), names.value(tuple(totals))
    reverse.current = outer
    reverse.adjoints = before
    if not back_body.stmts[place:] and all(t is s for t, s in zip(totals, sums, strict=True)):
        trivial = all(isinstance(n, Const) for n in nexts) and all(
            isinstance(i, Const) for i in inits
        )
        if trivial:
            return [*before_it, there]
    back_phis = [
        Phi(inner, init, next_, builder.var(F8, f"d_{phi.inner.hint}"))
        for phi, inner, init, next_ in zip(phis, carried, inits, nexts, strict=True)
    ]
    ends = [(phi.init, back.out) for phi, back in zip(phis, back_phis, strict=True)]
    for var, inner, total in zip(candidates, sums, totals, strict=True):
        if total is not inner:
            out = builder.var(F8, f"d_{var.hint}")
            back_phis.append(Phi(inner, before.get(var, NOTHING), total, out))
            before[var] = out
    trips = builder.var(I8, "trips", nonneg=True)
    builder.append(
        Loop(
            index,
            bounds(),
            back_head,
            None,
            back_body,
            None,
            back_phis,
            trips,
            stmt.parallel,
            backward=True,
        )
    )
    for init, end in ends:
        reverse.add(init, end)
    return [*before_it, there]


def _candidates(reverse: Reverse, stmt: Loop) -> list[Var]:
    """The numbers from outside of a loop that it may add derivatives to."""
    inside = {
        v
        for b in (stmt.head, stmt.body)
        for s in walk(b)
        for v in (*defined(s), *((p.inner for p in s.phis) if isinstance(s, Loop) else ()))
    } | {p.inner for p in stmt.phis}
    return [
        v
        for v in dict.fromkeys(free_values(stmt))
        if isinstance(v, Var)
        and v not in inside
        and not isinstance(v.type, Array)
        and reverse.activity.active(v)
        and v not in {p.out for p in stmt.phis}
    ]


def _under_checkpoint(reverse: Reverse, stmt: Loop) -> tuple[Snapshots | None, list[Stmt], Loop]:
    """A loop under `checkpoint` as one over segments, what it saves, and what comes before it."""
    if stmt.every is None:
        return None, [], stmt
    snapshots = Snapshots(reverse, outside(stmt), reverse.positions[id(stmt)])
    if snapshots.of_arena:
        return None, [], stmt
    return snapshots, *split(reverse, stmt)


def _again(reverse: Reverse, stmt: Loop, snapshots: Snapshots, there: Block, back: Block) -> Cloner:
    """Let the way there save the start of iterations only, and the way back run them again."""
    held = [p.inner for p in stmt.phis]
    slots: list[object] = [object() for _ in held]
    outs = [Var(v.type, v.hint, v.nonneg) for v in held]
    builder, stmts = reverse.builder, [*there.stmts, *back.stmts]
    builder.append(Pop(outs, slots, snapshots.frame))
    for each in snapshots.pop():
        builder.append(each)
    assert stmt.index is not None
    scope = reverse.scopes[stmt.index]
    table: dict[Any, Value] = dict(zip(held, outs, strict=True))
    table[stmt.index] = scope.names[stmt.index]
    names = run_again(reverse, snapshots, stmts, table)
    plain = copied(stmt.body).stmts
    there.stmts[:] = [*snapshots.push(), Push(held, slots, snapshots.frame), *plain]
    return names


def _index(reverse: Reverse, stmt: Loop, scope: Scope, head: Block) -> Any:
    """The bounds of the loop on the way back, and its index."""
    hint = stmt.index.hint if stmt.index is not None else "i"
    index = Var(I8, hint, True, head)
    emit = reverse.builder.emit
    simple = (
        stmt.bounds is not None
        and stmt.stop is None
        and stmt.bounds[2] in {Const(I8, 1), Const(I8, -1)}
    )
    scope.frame.per_trip = simple
    if simple:
        assert stmt.bounds is not None
        assert stmt.index is not None
        low, high, step = (reverse.value(b) for b in stmt.bounds)
        index.nonneg = stmt.index.nonneg
        scope.names[stmt.index] = index
        if stmt.parallel:
            return (lambda: (low, high, ONE)), index

        def turned() -> tuple[Value, Value, Value]:
            back = emit("i.neg", step)
            return emit("i.sub", high, step), emit("i.sub", low, step), back

        return turned, index
    if stmt.bounds is not None and stmt.stop is None:
        given = tuple(reverse.value(b) for b in stmt.bounds)
        known = None
    else:
        given, known = (), reverse.value(stmt.trips)
    if stmt.bounds is not None and stmt.index is not None:
        low, _, step = (reverse.value(b) for b in stmt.bounds)
        here = emit("i.add", low, emit("i.mul", index, step), hint=hint)
        if isinstance(here, Var) and here is not index:
            here.nonneg = stmt.index.nonneg
        scope.names[stmt.index] = here

    def counted() -> tuple[Value, Value, Value]:
        count = emit("trips", *given) if known is None else known
        return emit("i.sub", count, ONE), number(-1), number(-1)

    return counted, index

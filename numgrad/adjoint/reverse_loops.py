"""Reverse mode of loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numgrad.adjoint.builder import NOTHING, ONE, number
from numgrad.adjoint.cloning import copied
from numgrad.adjoint.ir import (
    F8,
    I8,
    Array,
    Block,
    Const,
    Loop,
    Phi,
    Stmt,
    Value,
    Var,
    defined,
    free_values,
    walk,
)
from numgrad.adjoint.together import Together

if TYPE_CHECKING:
    from numgrad.adjoint.reverse import Reverse
    from numgrad.adjoint.scopes import Scope


def loop(reverse: Reverse, stmt: Loop) -> list[Stmt]:
    """Write the way back of a loop."""
    inside = {
        v
        for b in (stmt.head, stmt.body)
        for s in walk(b)
        for v in (*defined(s), *((p.inner for p in s.phis) if isinstance(s, Loop) else ()))
    } | {p.inner for p in stmt.phis}
    candidates = [
        v
        for v in dict.fromkeys(free_values(stmt))
        if isinstance(v, Var)
        and v not in inside
        and not isinstance(v.type, Array)
        and reverse.activity.active(v)
        and v not in {p.out for p in stmt.phis}
    ]
    both = Together(reverse, stmt, candidates)
    if both.possible():
        return both.write()
    head = copied(stmt.head)
    there = Loop(
        stmt.index,
        stmt.bounds,
        head,
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
    with builder.inside(back_body):
        bounds, index = _index(reverse, stmt, scope, back_head)
        place = len(back_body.stmts)
        for phi, g in zip(phis, carried, strict=True):
            reverse.add(phi.next, g)
        reverse.block(stmt.body, there.body)
        reverse.close(scope, there.body, place)
        nexts = [reverse.adjoints.pop(p.inner, NOTHING) for p in phis]
        totals = [reverse.adjoints[v] for v in candidates]
    reverse.current = outer
    reverse.adjoints = before
    if not back_body.stmts[place:] and all(t is s for t, s in zip(totals, sums, strict=True)):
        trivial = all(isinstance(n, Const) for n in nexts) and all(
            isinstance(i, Const) for i in inits
        )
        if trivial:
            return [there]
    back_phis = []
    ends: list[tuple[Value, Value]] = []
    for phi, inner, init, next_ in zip(phis, carried, inits, nexts, strict=True):
        out = builder.var(F8, f"d_{phi.inner.hint}")
        back_phis.append(Phi(inner, init, next_, out))
        ends.append((phi.init, out))
    for var, inner, total in zip(candidates, sums, totals, strict=True):
        if total is inner:
            continue
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
    return [there]


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

"""A loop under `checkpoint` as two: an outer one over segments, an inner one over iterations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numgrad.adjoint.builder import ONE, ZERO, Builder
from numgrad.adjoint.ir import B1, I8, Block, Const, Loop, Phi, Value, Var, defined

if TYPE_CHECKING:
    from numgrad.adjoint.ir import Stmt
    from numgrad.adjoint.reverse import Reverse
    from numgrad.adjoint.scopes import Scope


def split(reverse: Reverse, stmt: Loop) -> tuple[list[Stmt], Loop]:
    """The loop over segments, and the statements before it."""
    assert stmt.bounds is not None
    assert stmt.every is not None
    builder = Builder()
    emit = builder.emit
    low, high, step = stmt.bounds
    trips = emit("trips", low, high, step, hint="trips")
    size = emit("i.max", stmt.every, ONE, hint="size")
    if stmt.every == ZERO:
        root = emit("to_int", emit("ceil", emit("sqrt", emit("to_f8", trips))), hint="size")
        size = emit("i.max", root, ONE, hint="size")
    above = emit("i.sub", emit("i.add", trips, size), ONE)
    count = emit("i.floordiv", above, size, hint="segments")
    width = emit("i.mul", size, step, hint="width")
    _register(reverse.current, builder.block.stmts, reverse)

    outer = Block()
    body = Block()
    segment = Var(I8, "segment", nonneg=True)
    with builder.inside(body):
        first = emit("i.add", low, emit("i.mul", segment, width), hint="first")
        last = _last(builder, emit("i.add", first, width), high, step)
    inner = _inner(reverse, stmt, (first, last, step))
    body.stmts.append(inner)
    phis = [
        Phi(inside.init, p.init, inside.out, p.out)  # type: ignore[arg-type]
        for p, inside in zip(stmt.phis, inner.phis, strict=False)
    ]
    stop = None
    if stmt.stop is not None:
        # Where the inner loop ends early, the outer one does.
        stopped = Var(B1, "stopped")
        stop = Var(B1, "stopped")
        inner.phis.append(Phi(stopped, Const(B1, False), stmt.stop, stop))
    counted = Var(I8, "trips", nonneg=True)
    whole = Loop(segment, (ZERO, count, ONE), outer, None, body, stop, phis, counted)
    reverse.positions[id(whole)] = reverse.positions[id(inner)] = reverse.positions[id(stmt)]
    return builder.block.stmts, whole


def _register(scope: Scope, stmts: list[Stmt], reverse: Reverse) -> None:
    """Let the way back ask for what new statements of a block define."""
    for stmt in stmts:
        for var in defined(stmt):
            scope.order[var] = len(scope.order)
            scope.definer[var] = stmt
            if scope is not reverse.root:
                reverse.scopes[var] = scope


def _last(builder: Builder, end: Value, high: Value, step: Value) -> Value:
    """Where a segment ends: not behind the end of the loop."""
    emit = builder.emit
    if isinstance(step, Const):
        return emit("i.min" if step.value > 0 else "i.max", end, high, hint="last")
    rising = emit("c>", step, ZERO)
    return emit("i.select", rising, emit("i.min", end, high), emit("i.max", end, high), hint="last")


def _inner(reverse: Reverse, stmt: Loop, bounds: tuple[Value, Value, Value]) -> Loop:
    """The loop over the iterations of a segment."""
    phis = []
    for p in stmt.phis:
        start, out = Var(p.inner.type, p.inner.hint), Var(p.out.type, p.out.hint)
        for known in (reverse.activity.varied, reverse.activity.useful):
            if p.inner in known or p.out in known:
                known |= {start, out}
        phis.append(Phi(p.inner, start, p.next, out))
    trips = Var(I8, "trips", nonneg=True)
    return Loop(stmt.index, bounds, stmt.head, None, stmt.body, stmt.stop, phis, trips)

"""Runs two iterations of an outer loop at once: what they share is loaded and stored once.

For loops whose iterations have nothing in common but what they add to, around inner loops with the
same bounds in each iteration. A chain of operations in one iteration then leaves the processor time
for that of the other, and two additions to an element of an array become one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numgrad.adjoint.activity import Memory
from numgrad.adjoint.builder import ONE, ZERO, Builder, number
from numgrad.adjoint.ir import (
    I8,
    Compute,
    Const,
    Load,
    Loop,
    Phi,
    Procedure,
    Stmt,
    Store,
    Value,
    Var,
    free_values,
    inner_operands,
    operands,
    walk,
)

if TYPE_CHECKING:
    from numgrad.adjoint.ir import Block

MOST_STATEMENTS = 40


def jam(procedure: Procedure) -> None:
    """Let loops of the outermost block run two iterations at once where that is right."""
    read = {v for s in walk(procedure.body) for v in (*operands(s), *inner_operands(s))}
    memory = Memory(procedure)
    stmts: list[Stmt] = []
    for stmt in procedure.body.stmts:
        if isinstance(stmt, Loop) and stmt.independent and _fits(stmt, memory, read):
            pairs = _Pairs(stmt).write()
            if pairs is not None:
                stmts += pairs
        stmts.append(stmt)
    procedure.body.stmts[:] = stmts


def _fits(loop: Loop, memory: Memory, read: set[Value]) -> bool:
    """Whether the order of the statements of two iterations does not matter."""
    inside = list(walk(loop.body))
    loops = [s for s in inside if isinstance(s, Loop)]
    if not loops or len(inside) > MOST_STATEMENTS or loop.stop is not None:
        return False
    if any(s.bounds is None or s.stop is not None or s.trips in read for s in (loop, *loops)):
        return False
    if not all(isinstance(s, (Compute, Load, Store, Loop)) for s in inside):
        return False
    stores = [s for s in inside if isinstance(s, Store)]
    loaded = {memory.root(s.array) for s in inside if isinstance(s, Load)}
    return (
        loop.bounds is not None
        and loop.bounds[2] == ONE
        and all(s.add and s.array.type.code in {"f8", "f4"} for s in stores)
        and not any(memory.root(s.array) in loaded for s in stores)
        and all(_single(loop.body, phi) for phi in loop.phis)
        and len({phi.next for phi in loop.phis}) == len(loop.phis)
    )


def _single(body: Block, phi: Phi) -> bool:
    """Whether a carried number is read by one statement alone, which gives its next value."""
    users = [s for s in body.stmts if any(v is phi.inner for v in free_values(s))]
    return (
        len(users) == 1
        and isinstance(users[0], Compute)
        and users[0].out is phi.next
        and list(users[0].args).count(phi.inner) == 1
    )


class _Pairs:
    """Writes the loop over pairs, in front of the loop over what is left."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.builder = Builder()
        self.tables: tuple[dict[Any, Value], dict[Any, Value]] = ({}, {})
        # Next value of a carried number -> the number.
        self.carried = {phi.next: phi.inner for phi in loop.phis}

    def write(self) -> list[Stmt] | None:
        """Return the statements, and shorten the loop; None if inner loops are not alike."""
        loop, builder = self.loop, self.builder
        assert loop.bounds is not None
        assert loop.index is not None
        low, high, _ = loop.bounds
        emit = builder.emit
        pairs = emit("i.floordiv", emit("trips", low, high, ONE), number(2), hint="pairs")
        rest = emit("i.add", low, emit("i.mul", pairs, number(2)), hint="rest")
        body = builder.child()
        j = Var(I8, "j", nonneg=True)
        inners = [Var(p.inner.type, p.inner.hint) for p in loop.phis]
        self.tables[0].update({p.inner: v for p, v in zip(loop.phis, inners, strict=True)})
        with builder.inside(body):
            for k, table in enumerate(self.tables):
                place = emit("i.add", emit("i.mul", j, number(2)), number(k), hint="i")
                here = emit("i.add", low, place, hint=loop.index.hint)
                if isinstance(here, Var):
                    here.nonneg = loop.index.nonneg
                table[loop.index] = here
            if not self.block(loop.body):
                return None
        outs = [Var(p.out.type, p.out.hint) for p in loop.phis]
        phis = [
            Phi(inner, p.init, self.of(1, p.next), out)
            for p, inner, out in zip(loop.phis, inners, outs, strict=True)
        ]
        trips = builder.var(I8, "trips", nonneg=True)
        builder.append(Loop(j, (ZERO, pairs, ONE), builder.child(), None, body, None, phis, trips))
        loop.bounds = (rest, high, ONE)
        for phi, out in zip(loop.phis, outs, strict=True):
            phi.init = out
        return builder.block.stmts

    def of(self, k: int, value: Any) -> Any:
        """A value, or several, in one of the two iterations."""
        if isinstance(value, tuple):
            return tuple(self.of(k, v) for v in value)
        return value if isinstance(value, Const) else self.tables[k].get(value, value)

    def block(self, block: Block) -> bool:
        """Write the statements of a block for both; False if that cannot be."""
        return all(map(self.stmt, block.stmts))

    def stmt(self, stmt: Stmt) -> bool:
        """Write a statement for both iterations, or once if it does the same in both."""
        match stmt:
            case Compute():
                self.twice(stmt, lambda k, out: Compute(out, stmt.op, self.of(k, stmt.args)))
            case Load():
                self.twice(stmt, lambda k, out: Load(out, stmt.array, self.of(k, stmt.index)))
            case Store():
                self.store(stmt)
            case Loop():
                return self.inner(stmt)
        return True

    def twice(self, stmt: Compute | Load, make: Any) -> None:
        """Write what gives a value."""
        same = all(self.of(0, v) == self.of(1, v) for v in operands(stmt))
        if stmt.out in self.carried:
            same = False
        for k, table in enumerate(self.tables):
            if k and same:
                table[stmt.out] = self.tables[0][stmt.out]
                break
            if k and stmt.out in self.carried:
                table[self.carried[stmt.out]] = self.tables[0][stmt.out]
            out = Var(stmt.out.type, stmt.out.hint, stmt.out.nonneg)
            self.builder.append(make(k, out))
            table[stmt.out] = out

    def store(self, stmt: Store) -> None:
        """Write what adds to elements; to the same one, both at once."""
        places, values = zip(
            *((self.of(k, stmt.index), self.of(k, stmt.value)) for k in (0, 1)), strict=True
        )
        if places[0] == places[1]:
            total = self.builder.emit("add", *values, hint=f"{stmt.array.hint}_sum")
            self.builder.store(stmt.array, places[0], total, add=True)
            return
        for place, value in zip(places, values, strict=True):
            self.builder.store(stmt.array, place, value, add=True)

    def inner(self, stmt: Loop) -> bool:
        """Write an inner loop for both iterations."""
        assert stmt.bounds is not None
        bounds = self.of(0, stmt.bounds)
        if bounds != self.of(1, stmt.bounds):
            return False
        index = None
        if stmt.index is not None:
            index = Var(I8, stmt.index.hint, stmt.index.nonneg)
            for table in self.tables:
                table[stmt.index] = index
        found: list[tuple[int, Phi, Var]] = []
        for k, table in enumerate(self.tables):
            for phi in stmt.phis:
                inner = Var(phi.inner.type, phi.inner.hint)
                found.append((k, phi, inner))
                table[phi.inner] = inner
        inits = [self.of(k, phi.init) for k, phi, _ in found]
        body = self.builder.child()
        with self.builder.inside(body):
            if not self.block(stmt.body):
                return False
        phis = []
        for (k, phi, inner), init in zip(found, inits, strict=True):
            out = Var(phi.out.type, phi.out.hint)
            phis.append(Phi(inner, init, self.of(k, phi.next), out))
            self.tables[k][phi.out] = out
        trips = self.builder.var(I8, "trips", nonneg=True)
        head = self.builder.child()
        self.builder.append(Loop(index, bounds, head, None, body, None, phis, trips))
        return True

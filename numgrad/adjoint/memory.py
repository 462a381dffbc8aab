"""Lays saves out in the arena: pushes become stores at a position, pops loads from it.

The arena is one array of float64, the position an integer that loops and branches carry. Integers
are stored by their bits. A loop whose iterations save a fixed number of values, and nothing else,
finds them by the number of the iteration.
"""

from __future__ import annotations

from typing import Any

from numgrad.adjoint.builder import ONE, ZERO, Builder, number
from numgrad.adjoint.ir import (
    B1,
    F4,
    F8,
    I8,
    Alloc,
    Array,
    Block,
    Call,
    Compute,
    Const,
    Fail,
    If,
    Load,
    Loop,
    Merge,
    Phi,
    Pop,
    Procedure,
    Push,
    Scalar,
    Stmt,
    Store,
    Value,
    Var,
    blocks,
    walk,
)

OVERFLOW = (
    "the arena for saved values is full: enlarge it with numgrad.adjoint.set_arena(megabytes),"
    " or save less with numgrad.checkpoint"
)
STATE = Array("f8", 1)


def moves(block: Block) -> bool:
    """Whether a block changes the position."""
    return any(_moves(stmt) for stmt in walk(block))


def _moves(stmt: Stmt) -> bool:
    return isinstance(stmt, (Push, Pop)) or (isinstance(stmt, Call) and stmt.function.saves)


def lay_out(procedure: Procedure, *, own: bool) -> None:
    """Replace pushes and pops; `own`: with an arena of its own, else with that of the caller."""
    if own and not moves(procedure.body):
        return
    layout = _Layout()
    body = Block()
    layout.builder = Builder(body)
    if own:
        layout.arena = layout.builder.var(STATE, "saved")
        layout.builder.append(Alloc(layout.arena, (), False, arena=True))
        layout.position = ZERO
    else:
        layout.arena = Var(STATE, "saved")
        start = Var(I8, "p", nonneg=True)
        layout.position = start
        procedure.params = [*procedure.params, layout.arena, start]
        procedure.saves = True
    layout.block(procedure.body)
    if not own:
        procedure.results = [*procedure.results, layout.position]
        procedure.writes |= {len(procedure.params) - 2}
    procedure.body = body


class _Layout:
    """Rewrites blocks in order, with the current position."""

    builder: Builder
    arena: Var
    position: Value

    def block(self, block: Block) -> None:
        """Rewrite the statements of a block into the current one."""
        for stmt in block.stmts:
            match stmt:
                case Push():
                    self.push(stmt)
                case Pop():
                    self.pop(stmt)
                case If() if any(map(moves, blocks(stmt))):
                    self.branch(stmt)
                case Loop():
                    self.loop(stmt)
                case If():
                    for inner in blocks(stmt):
                        self.replace(inner)
                    self.builder.append(stmt)
                case Call() if stmt.function.saves:
                    self.call(stmt)
                case _:
                    self.builder.append(stmt)

    def replace(self, block: Block) -> None:
        """Rewrite a block in place."""
        new = Block(block.parent)
        with self.builder.inside(new):
            self.block(block)
        block.stmts = new.stmts

    def advance(self, amount: Value) -> Value:
        """Move the position forward."""
        out = self.builder.emit("i.add", self.position, amount, hint="p")
        if isinstance(out, Var):
            out.nonneg = True
        self.position = out
        return out

    def retreat(self, amount: Value) -> Value:
        """Move the position back."""
        out = self.builder.emit("i.sub", self.position, amount, hint="p")
        if isinstance(out, Var):
            out.nonneg = True
        self.position = out
        return out

    def reserve(self, end: Value) -> None:
        """Raise MemoryError if the arena ends before."""
        full = self.builder.emit("c>", end, self.builder.size(self.arena, 0))
        self.builder.append(Fail(full, "MemoryError", OVERFLOW))

    def at(self, base: Value, offset: int) -> Value:
        """A place behind a position."""
        return self.builder.emit("i.add", base, number(offset), hint="q")

    def save(self, place: Value, value: Value, slot: object) -> None:
        """Store a number."""
        if value.type == B1:
            value = self.builder.emit("to_int", value)
        if value.type == I8:
            value = self.builder.emit("from_bits", value)
        self.builder.append(Store(self.arena, (place,), value, False, slot))

    def restore(self, place: Value, out: Var, slot: object) -> None:
        """Load a number."""
        if out.type == F8:
            self.builder.append(Load(out, self.arena, (place,), slot))
            return
        raw = self.builder.var(F8, "bits")
        self.builder.append(Load(raw, self.arena, (place,), slot))
        if out.type == F4:
            self.builder.append(Compute(out, "to_f4", (raw,)))
            return
        if out.type == I8:
            self.builder.append(Compute(out, "to_bits", (raw,)))
            return
        whole = self.builder.emit("to_bits", raw)
        self.builder.append(Compute(out, "c!=", (whole, ZERO)))

    def push(self, stmt: Push) -> None:
        """Rewrite a push."""
        if len(stmt.values) == 1 and isinstance(stmt.values[0].type, Array):
            self.push_array(stmt.values[0], stmt.slots[0])
            return
        if not stmt.values:
            return
        base = self.position
        self.reserve(self.advance(number(len(stmt.values))))
        for k, (value, slot) in enumerate(zip(stmt.values, stmt.slots, strict=True)):
            self.save(self.at(base, k), value, slot)

    def pop(self, stmt: Pop) -> None:
        """Rewrite a pop."""
        if stmt.into is not None:
            self.pop_array(stmt.into, stmt.slots[0])
            return
        if not stmt.outs:
            return
        base = self.retreat(number(len(stmt.outs)))
        for k, (out, slot) in enumerate(zip(stmt.outs, stmt.slots, strict=True)):
            self.restore(self.at(base, k), out, slot)

    def product(self, shape: tuple[Value, ...]) -> Value:
        """The number of elements."""
        total: Value = number(1)
        for n in shape:
            total = self.builder.emit("i.mul", total, n, hint="total")
        return total

    def push_array(self, array: Var, slot: object) -> None:
        """Copy an array into the arena."""
        shape = self.builder.sizes(array)
        base = self.position
        self.reserve(self.advance(self.product(shape)))

        def store(index: list[Value]) -> None:
            self.save(self.element(base, index, shape), self.builder.load(array, index), slot)

        nest(self.builder, shape, store)

    def pop_array(self, array: Var, slot: object) -> None:
        """Copy an array out of the arena."""
        shape = self.builder.sizes(array)
        base = self.retreat(self.product(shape))

        def load(index: list[Value]) -> None:
            out = self.builder.var(Scalar(array.type.code), array.hint)
            self.restore(self.element(base, index, shape), out, slot)
            self.builder.store(array, index, out)

        nest(self.builder, shape, load)

    def element(self, base: Value, index: list[Value], shape: tuple[Value, ...]) -> Value:
        """The place of an element of an array that starts at a position."""
        emit = self.builder.emit
        place: Value = ZERO
        for i, n in zip(index, shape, strict=True):
            place = emit("i.add", emit("i.mul", place, n), i)
        return emit("i.add", base, place)

    def call(self, stmt: Call) -> None:
        """Hand the arena on."""
        out = self.builder.var(I8, "p", nonneg=True)
        args = (*stmt.args, self.arena, self.position)
        self.builder.append(Call((*stmt.outs, out), stmt.function, args))
        self.position = out

    def branch(self, stmt: If) -> None:
        """Rewrite a branch; the position is what either side leaves."""
        before = self.position
        ends = []
        for inner in blocks(stmt):
            self.position = before
            self.replace(inner)
            ends.append(self.position)
        out = self.builder.var(I8, "p", nonneg=True)
        if ends[0] is not ends[1]:
            stmt.merges.append(Merge(out, ends[0], ends[1]))
            self.position = out
        self.builder.append(stmt)

    def loop(self, stmt: Loop) -> None:
        """Rewrite a loop."""
        frames = _frames(stmt.body)
        if frames is None:
            self.replace(stmt.body)
            self.builder.append(stmt)
            return
        if _by_trip(stmt, frames):
            self.by_trip(stmt, frames[0])
            return
        if stmt.parallel and stmt.backward:
            _reverse_order(self.builder, stmt)
        stmt.parallel = False
        inner = Var(I8, "p", True, stmt.head)
        init = self.position
        self.position = inner
        self.replace(stmt.body)
        out = self.builder.var(I8, "p", nonneg=True)
        stmt.phis.append(Phi(inner, init, self.position, out))
        self.position = out
        self.builder.append(stmt)

    def by_trip(self, stmt: Loop, only: Push | Pop) -> None:
        """Rewrite a loop that finds its saves by the number of the iteration."""
        emit = self.builder.emit
        assert stmt.bounds is not None
        assert stmt.index is not None
        low, high, step = stmt.bounds
        if stmt.backward and not stmt.parallel:
            # On the way back the range is turned around: (high - step, low - step, -step).
            low, high, step = (
                emit("i.sub", high, step),
                emit("i.sub", low, step),
                emit("i.neg", step),
            )
        trips = emit("trips", low, high, step, hint="trips")
        count = len(only.slots)
        total = emit("i.mul", trips, number(count), hint="total")
        if isinstance(only, Push):
            base = self.position
            self.reserve(self.advance(total))
        else:
            base = self.retreat(total)
        new = Block(stmt.body.parent)
        with self.builder.inside(new):
            rising = step == Const(I8, 1)
            trip = emit("i.sub", stmt.index, low) if rising else emit("i.sub", low, stmt.index)
            if isinstance(trip, Var):
                trip.nonneg = True
            if not stmt.parallel:
                first = emit("i.add", base, emit("i.mul", trip, number(count)), hint="q")
            for each in stmt.body.stmts:
                if each is not only:
                    if isinstance(each, (If, Loop)):
                        for inner in blocks(each):
                            self.replace(inner)
                    self.builder.append(each)
                    continue
                held = only.values if isinstance(only, Push) else only.outs
                for k, (value, slot) in enumerate(zip(held, only.slots, strict=True)):
                    if stmt.parallel:
                        column = emit("i.add", base, emit("i.mul", trips, number(k)))
                        place = emit("i.add", column, trip, hint="q")
                    else:
                        place = self.at(first, k)
                    if isinstance(only, Push):
                        self.save(place, value, slot)
                    else:
                        self.restore(place, value, slot)
        stmt.body.stmts = new.stmts
        self.builder.append(stmt)


def _frames(body: Block) -> list[Any] | None:
    """The pushes and pops of a loop's body; None: there are none, at any depth."""
    found = [s for s in walk(body) if _moves(s)]
    return found or None


def _by_trip(stmt: Loop, frames: list[Any]) -> bool:
    """Whether all that a loop saves is one frame of numbers in its body itself."""
    only = frames[0]
    return (
        len(frames) == 1
        and not isinstance(only, Call)
        and only.frame.per_trip
        and any(only is each for each in stmt.body.stmts)
    )


def _reverse_order(builder: Builder, stmt: Loop) -> None:
    """Let a loop on the way back, whose order was free, run backwards: its saves need that."""
    assert stmt.bounds is not None
    low, high, _ = stmt.bounds
    first = builder.emit("i.sub", high, ONE)
    stmt.bounds = (first, builder.emit("i.sub", low, ONE), number(-1))


def nest(builder: Builder, shape: tuple[Value, ...], body: Any, *, parallel: bool = True) -> None:
    """Append loops over every index of a shape, in any order if `parallel`."""

    def level(axis: int, index: list[Value]) -> None:
        if axis == len(shape):
            body(index)
            return
        head = builder.child()
        with builder.inside(head):
            inside = builder.child()
        i = Var(I8, "i", True, head)
        with builder.inside(inside):
            level(axis + 1, [*index, i])
        trips = builder.var(I8, "trips", nonneg=True)
        bounds = (ZERO, shape[axis], ONE)
        builder.append(Loop(i, bounds, head, None, inside, None, [], trips, parallel))

    level(0, [])

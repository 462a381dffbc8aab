"""Turns small local arrays, the elements of which are known by their indices, into numbers."""

from __future__ import annotations

import itertools
from typing import Any

from numgrad.adjoint.builder import number
from numgrad.adjoint.cloning import Cloner
from numgrad.adjoint.ir import (
    F8,
    I8,
    Alloc,
    Array,
    Block,
    Compute,
    Const,
    If,
    Load,
    Loop,
    Merge,
    Phi,
    Procedure,
    Scalar,
    Stmt,
    Store,
    Value,
    Var,
    blocks,
    operands,
    walk,
)

MOST_ELEMENTS = 32

Key = tuple[Var, tuple[int, ...]]


def scalarise(procedure: Procedure) -> None:
    """Replace arrays by numbers where that is possible."""
    chosen = _candidates(procedure)
    if not chosen:
        return
    work = _Scalarising(chosen)
    body = work.block(procedure.body)
    procedure.body = body
    procedure.results = [work.value(r) for r in procedure.results]


def _candidates(procedure: Procedure) -> dict[Var, tuple[int, ...]]:
    """Arrays of known small shapes that are only read and written at known places."""
    shapes: dict[Var, tuple[int, ...]] = {}
    for stmt in walk(procedure.body):
        if isinstance(stmt, Alloc) and not stmt.arena and stmt.out.type.code in {"f8", "i8"}:
            sizes = [int(n.value) if isinstance(n, Const) else -1 for n in stmt.shape]
            total = 1
            for n in sizes:
                total *= n
            if all(n >= 0 for n in sizes) and total <= MOST_ELEMENTS:
                shapes[stmt.out] = tuple(sizes)
    for result in procedure.results:
        shapes.pop(result, None)  # type: ignore[arg-type]
    for stmt in walk(procedure.body):
        if isinstance(stmt, (Load, Store)):
            shape = shapes.get(stmt.array)
            if shape is not None and _place(stmt.index, shape) is None:
                del shapes[stmt.array]
            rest: Any = (*stmt.index, stmt.value) if isinstance(stmt, Store) else stmt.index
        elif isinstance(stmt, Compute) and stmt.op == "size":
            rest = ()
        else:
            rest = operands(stmt)
        for value in rest:
            shapes.pop(value, None)
    return shapes


def _place(index: tuple[Value, ...], shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """An index as integers from 0 on; None if it is not known or outside."""
    out = []
    for i, n in zip(index, shape, strict=True):
        if not isinstance(i, Const) or not -n <= i.value < n:
            return None
        out.append(int(i.value) % n)
    return tuple(out)


class _Scalarising(Cloner):
    """Copies a procedure with numbers for elements."""

    def __init__(self, shapes: dict[Var, tuple[int, ...]]) -> None:
        super().__init__({})
        self.shapes = shapes
        self.elements: dict[Key, Value] = {}

    def zero(self, array: Var) -> Const:
        """What an element is before it is written."""
        assert isinstance(array.type, Array)
        return number(0) if array.type.code == "i8" else number(0.0)

    def kind(self, key: Key) -> Scalar:
        """The type of an element."""
        return I8 if key[0].type.code == "i8" else F8

    def block(self, block: Block) -> Block:
        """Copy a block."""
        out = Block()
        for stmt in block.stmts:
            self.append(stmt, out.stmts)
        return out

    def append(self, stmt: Stmt, out: list[Stmt]) -> None:
        """Copy a statement, or note what it does to elements."""
        match stmt:
            case Alloc() if stmt.out in self.shapes:
                for place in itertools.product(*map(range, self.shapes[stmt.out])):
                    self.elements[stmt.out, place] = self.zero(stmt.out)
            case Load() if stmt.array in self.shapes:
                self.table[stmt.out] = self.elements[self.key(stmt)]
            case Store() if stmt.array in self.shapes:
                key = self.key(stmt)
                value = self.value(stmt.value)
                if stmt.add:
                    total = Var(self.kind(key), key[0].hint)
                    op = "add" if self.kind(key) == F8 else "i.add"
                    out.append(Compute(total, op, (self.elements[key], value)))
                    value = total
                elif value.type != self.kind(key):
                    cast = Var(self.kind(key), key[0].hint)
                    out.append(Compute(cast, "to_f8" if cast.type == F8 else "to_int", (value,)))
                    value = cast
                self.elements[key] = value
            case Compute(op="size") if stmt.args[0] in self.shapes:
                axis = stmt.args[1]
                assert isinstance(axis, Const)
                self.table[stmt.out] = number(self.shapes[stmt.args[0]][int(axis.value)])  # type: ignore[index]
            case _:
                out.append(self.stmt(stmt))

    def key(self, stmt: Load | Store) -> Key:
        """The element that a statement touches."""
        place = _place(stmt.index, self.shapes[stmt.array])
        assert place is not None
        return stmt.array, place

    def stmt(self, stmt: Stmt) -> Stmt:
        """Copy a statement."""
        if isinstance(stmt, If):
            return self.branch(stmt)
        return super().stmt(stmt)

    def branch(self, stmt: If) -> If:
        """Copy a branch; elements that differ at its ends are merged."""
        before = dict(self.elements)
        ends, sides = [], []
        for inner in blocks(stmt):
            self.elements = dict(before)
            sides.append(self.block(inner))
            ends.append(self.elements)
        test = self.value(stmt.test)
        pairs = [(m.out, self.value(m.then), self.value(m.orelse)) for m in stmt.merges]
        merges = [Merge(self.new(out), a, b) for out, a, b in pairs]
        self.elements = before
        for key in before:
            a, b = ends[0][key], ends[1][key]
            if a is not b and a != b:
                out = Var(self.kind(key), key[0].hint)
                merges.append(Merge(out, a, b))
                self.elements[key] = out
            else:
                self.elements[key] = a
        return If(test, sides[0], sides[1], merges)

    def loop(self, stmt: Loop) -> Loop:
        """Copy a loop; elements that it writes to are carried."""
        touched = {s.array for s in walk(stmt.body) if isinstance(s, Store)}
        carried = [k for k in self.elements if k[0] in touched]
        inits = [self.elements[k] for k in carried]
        inners = [Var(self.kind(k), k[0].hint) for k in carried]
        self.elements.update(zip(carried, inners, strict=True))
        out = super().loop(stmt)
        nexts = [self.elements[k] for k in carried]
        outs = [Var(self.kind(k), k[0].hint) for k in carried]
        self.elements = {
            k: v for k, v in self.elements.items() if k in carried or k[0] not in touched
        }
        self.elements.update(zip(carried, outs, strict=True))
        out.phis += [
            Phi(inner, init, next_, after)
            for inner, init, next_, after in zip(inners, inits, nexts, outs, strict=True)
        ]
        if carried:
            out.parallel = False
        return out

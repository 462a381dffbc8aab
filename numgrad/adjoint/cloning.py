"""Copies of statements with new variables."""

from __future__ import annotations

from copy import copy as copy_of_object
from typing import TYPE_CHECKING, Any

from numgrad.adjoint.ir import (
    Alloc,
    Block,
    Call,
    Compute,
    Fail,
    If,
    Load,
    Loop,
    Merge,
    Outer,
    Phi,
    Pop,
    Push,
    Stmt,
    Store,
    Value,
    Var,
    View,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


class Cloner:
    """Copies statements; what they define gets new variables, what they read is looked up."""

    def __init__(self, table: dict[Any, Value]) -> None:
        self.table = table

    def value(self, value: Any) -> Any:
        """The value that stands for another in the copy."""
        if isinstance(value, tuple):
            return tuple(map(self.value, value))
        return self.table.get(value, value) if isinstance(value, Var) else value

    def new(self, var: Var) -> Var:
        """A new variable for one that is defined."""
        self.table[var] = out = Var(var.type, var.hint, var.nonneg)
        return out

    def block(self, block: Block) -> Block:
        """Copy a block."""
        return Block(None, [self.stmt(s) for s in block.stmts])

    def stmts(self, stmts: Sequence[Stmt]) -> list[Stmt]:
        """Copy statements."""
        return [self.stmt(s) for s in stmts]

    def stmt(self, stmt: Stmt) -> Stmt:
        """Copy a statement."""
        value, new = self.value, self.new
        match stmt:
            case Compute():
                return Compute(new(stmt.out), stmt.op, value(stmt.args))
            case Load():
                return Load(new(stmt.out), value(stmt.array), value(stmt.index), stmt.slot)
            case Store():
                return Store(
                    value(stmt.array), value(stmt.index), value(stmt.value), stmt.add, stmt.slot
                )
            case View():
                return View(new(stmt.out), value(stmt.array), stmt.kind, value(stmt.items))
            case Alloc():
                return Alloc(new(stmt.out), value(stmt.shape), stmt.zero, stmt.arena)
            case Outer():
                return Outer(new(stmt.out), stmt.name, stmt.array)
            case Call():
                args = value(stmt.args)
                return Call(tuple(map(new, stmt.outs)), stmt.function, args, stmt.again)
            case Fail():
                return Fail(value(stmt.test), stmt.error, stmt.message)
            case Push():
                return Push(list(map(value, stmt.values)), stmt.slots, stmt.frame)
            case Pop():
                into = value(stmt.into)
                return Pop(list(map(new, stmt.outs)), stmt.slots, stmt.frame, into)
            case If():
                then, orelse = self.block(stmt.then), self.block(stmt.orelse)
                pairs = [(m.out, value(m.then), value(m.orelse)) for m in stmt.merges]
                merges = [Merge(new(out), a, b) for out, a, b in pairs]
                return If(value(stmt.test), then, orelse, merges)
            case Loop():
                return self.loop(stmt)
        raise AssertionError(stmt)

    def loop(self, stmt: Loop) -> Loop:
        """Copy a loop."""
        bounds = self.value(stmt.bounds) if stmt.bounds else None
        every = self.value(stmt.every)
        index = self.new(stmt.index) if stmt.index is not None else None
        inits = [self.value(p.init) for p in stmt.phis]
        inners = [self.new(p.inner) for p in stmt.phis]
        head, body = self.block(stmt.head), self.block(stmt.body)
        test = self.value(stmt.test) if stmt.test is not None else None
        stop = self.value(stmt.stop) if stmt.stop is not None else None
        nexts = [self.value(p.next) for p in stmt.phis]
        outs = [self.new(p.out) for p in stmt.phis]
        phis = [
            Phi(inner, init, next_, out)
            for inner, init, next_, out in zip(inners, inits, nexts, outs, strict=True)
        ]
        return Loop(
            index,
            bounds,
            head,
            test,
            body,
            stop,
            phis,
            self.new(stmt.trips),
            stmt.parallel,
            stmt.backward,
            stmt.independent,
            every,
        )


def copied(block: Block) -> Block:
    """A copy of a block whose statements may be changed by themselves."""
    return Block(None, [copy(s) for s in block.stmts])


def copy(stmt: Stmt) -> Stmt:
    """A copy of a statement that may be changed by itself."""
    match stmt:
        case If():
            merges = [Merge(m.out, m.then, m.orelse) for m in stmt.merges]
            return If(stmt.test, copied(stmt.then), copied(stmt.orelse), merges)
        case Loop():
            phis = [Phi(p.inner, p.init, p.next, p.out) for p in stmt.phis]
            return Loop(
                stmt.index,
                stmt.bounds,
                copied(stmt.head),
                stmt.test,
                copied(stmt.body),
                stmt.stop,
                phis,
                stmt.trips,
                stmt.parallel,
                every=stmt.every,
            )
        case _:
            return copy_of_object(stmt)

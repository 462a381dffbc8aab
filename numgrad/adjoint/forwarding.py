"""Loads and computations that were done before are not done again."""

from __future__ import annotations

from typing import Any

from numgrad.adjoint.activity import Memory
from numgrad.adjoint.clean import substitute
from numgrad.adjoint.ir import (
    Alloc,
    Block,
    Call,
    Compute,
    Const,
    If,
    Load,
    Loop,
    Procedure,
    Stmt,
    Store,
    Value,
    Var,
    blocks,
    walk,
)


def forward(procedure: Procedure) -> None:
    """Let later statements use what earlier ones loaded, stored or computed."""
    work = _Forwarding(procedure)
    work.block(procedure.body, {})
    substitute(procedure, work.same)


class _Forwarding:
    """Walks blocks with what is known: computations by operands, elements by place."""

    def __init__(self, procedure: Procedure) -> None:
        self.memory = Memory(procedure)
        self.same: dict[Any, Value] = {}

    def new(self, value: Any) -> Any:
        """The value that stands for another."""
        while value in self.same:
            value = self.same[value]
        return value

    def block(self, block: Block, known: dict[Any, Value]) -> None:
        """Walk a block; `known` becomes what is known at its end."""
        block.stmts[:] = [stmt for stmt in block.stmts if not self.done(stmt, known)]

    def done(self, stmt: Stmt, known: dict[Any, Value]) -> bool:
        """Whether a statement gives what is known already; else note what it gives."""
        match stmt:
            case Compute():
                key: Any = (stmt.op, *map(self.new, stmt.args))
                if key in known:
                    self.same[stmt.out] = known[key]
                    return True
                known[key] = stmt.out
            case Load() if stmt.slot is None:
                key = self.place(stmt)
                if key in known:
                    self.same[stmt.out] = known[key]
                    return True
                known[key] = stmt.out
            case Store() if stmt.slot is None:
                self.forget_place(stmt, known)
                value = self.new(stmt.value)
                if not stmt.add and value.type.code == stmt.array.type.code:
                    known[self.place(stmt)] = value
            case Call():
                self.forget(self.memory.written(stmt), known)
            case If():
                for inner in blocks(stmt):
                    self.block(inner, dict(known))
                self.forget(_written(stmt, self.memory), known)
            case Loop():
                self.forget(_written(stmt, self.memory), known)
                # Derivatives do not go through the head: the body computes anew what they need.
                self.block(stmt.head, dict(known))
                self.block(stmt.body, dict(known))
            case Alloc():
                pass
        return False

    def place(self, stmt: Load | Store) -> Any:
        """The element that a statement touches."""
        return ("element", stmt.array, *map(self.new, stmt.index))

    def forget(self, roots: list[Var], known: dict[Any, Value]) -> None:
        """Forget the elements of arrays."""
        if roots:
            for key in [k for k in known if k[0] == "element" and self.memory.root(k[1]) in roots]:
                del known[key]

    def forget_place(self, stmt: Store, known: dict[Any, Value]) -> None:
        """Forget the elements that a store may have changed."""
        root = self.memory.root(stmt.array)
        index = tuple(map(self.new, stmt.index))
        for key in [k for k in known if k[0] == "element" and self.memory.root(k[1]) is root]:
            if key[1] is stmt.array and _apart(key[2:], index):
                continue
            del known[key]


def _apart(a: tuple[Value, ...], b: tuple[Value, ...]) -> bool:
    """Whether two indices are certainly different."""
    return any(
        isinstance(i, Const)
        and isinstance(j, Const)
        and i.value != j.value
        and (i.value >= 0) == (j.value >= 0)
        for i, j in zip(a, b, strict=True)
    )


def _written(stmt: Stmt, memory: Memory) -> list[Var]:
    """The roots that a statement's blocks write to."""
    return [root for inner in blocks(stmt) for s in walk(inner) for root in memory.written(s)]

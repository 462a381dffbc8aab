"""Removes what a procedure computes for nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numgrad.adjoint.ir import (
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
    Outer,
    Phi,
    Procedure,
    Stmt,
    Store,
    Value,
    Var,
    View,
    blocks,
    operands,
    walk,
)

if TYPE_CHECKING:
    from collections.abc import Iterable


def clean(procedure: Procedure, dead_slots: frozenset[object] = frozenset()) -> set[object]:
    """Remove dead statements; return the slots of saves whose loads were removed.

    A store into a slot lives if a load from it does; `dead_slots` are those that another procedure
    does not load.
    """
    replace_copies(procedure)
    live = _Live(procedure, dead_slots)
    live.mark()
    live.sweep(procedure.body)
    return live.dead_loads


def bases(procedure: Procedure) -> dict[Var, Var]:
    """Array -> the array that it is a view of, in the end."""
    base: dict[Var, Var] = {}
    for stmt in walk(procedure.body):
        if isinstance(stmt, View):
            base[stmt.out] = base.get(stmt.array, stmt.array)
    return base


class _Live:
    """Marks what results, parameters and live loads depend on."""

    def __init__(self, procedure: Procedure, dead_slots: frozenset[object]) -> None:
        self.procedure = procedure
        self.base = bases(procedure)
        self.dead_slots = dead_slots
        self.values: set[Any] = set()
        self.stmts: set[int] = set()
        self.loops: set[int] = set()
        self.definer: dict[Var, Any] = {}
        self.parents: dict[int, Stmt] = {}
        self.stores: dict[Var, list[Stmt]] = {}
        self.slot_stores: dict[object, list[Store]] = {}
        self.slot_loads: set[object] = set()
        self.live_slots: set[object] = set()
        self.dead_loads: set[object] = set()
        self.queue: list[Value] = []
        self.index(procedure.body, None)

    def root(self, array: Value) -> Any:
        return self.base.get(array, array)  # type: ignore[arg-type]

    def index(self, block: Block, parent: Stmt | None) -> None:
        """Note where everything is defined and written."""
        for stmt in block.stmts:
            if parent is not None:
                self.parents[id(stmt)] = parent
            match stmt:
                case Compute() | Load() | View() | Alloc() | Outer():
                    self.definer[stmt.out] = stmt
                    if isinstance(stmt, Load) and stmt.slot is not None:
                        self.slot_loads.add(stmt.slot)
                case Store():
                    if stmt.slot is not None:
                        self.slot_stores.setdefault(stmt.slot, []).append(stmt)
                    else:
                        self.stores.setdefault(self.root(stmt.array), []).append(stmt)
                case If():
                    for merge in stmt.merges:
                        self.definer[merge.out] = (stmt, merge)
                    self.index(stmt.then, stmt)
                    self.index(stmt.orelse, stmt)
                case Loop():
                    for phi in stmt.phis:
                        self.definer[phi.out] = (stmt, phi)
                        self.definer[phi.inner] = (stmt, phi)
                    if stmt.index is not None:
                        self.definer[stmt.index] = (stmt, None)
                    self.definer[stmt.trips] = (stmt, None)
                    self.index(stmt.head, stmt)
                    self.index(stmt.body, stmt)
                case Call():
                    for out in stmt.outs:
                        self.definer[out] = stmt
                    for k in stmt.function.writes:
                        self.stores.setdefault(self.root(stmt.args[k]), []).append(stmt)

    def mark(self) -> None:
        """Mark everything that lives."""
        for value in self.procedure.results:
            self.value(value)
        for param in self.procedure.params:
            if isinstance(param.type, Array):
                self.value(param)
        for stmt in walk(self.procedure.body):
            if isinstance(stmt, Fail):
                self.stmt(stmt)
        while self.queue:
            self.define(self.queue.pop())

    def value(self, value: Value | None) -> None:
        """Mark a value."""
        if isinstance(value, Var) and value not in self.values:
            self.values.add(value)
            self.queue.append(value)

    def stmt(self, stmt: Stmt) -> None:
        """Mark a statement, what it reads, and what it stands in."""
        if id(stmt) in self.stmts:
            return
        self.stmts.add(id(stmt))
        if isinstance(stmt, If):
            self.value(stmt.test)
        elif isinstance(stmt, Loop):
            for bound in stmt.bounds or ():
                self.value(bound)
            self.value(stmt.test)
            self.value(stmt.stop)
            self.value(stmt.every)
        else:
            for value in operands(stmt):
                self.value(value)
        if isinstance(stmt, Load) and stmt.slot is not None:
            self.live_slots.add(stmt.slot)
            for store in self.slot_stores.get(stmt.slot, ()):
                self.stmt(store)
        if isinstance(stmt, Call):
            for out in stmt.outs:
                self.value(out)
        parent = self.parents.get(id(stmt))
        if parent is not None:
            self.stmt(parent)

    def define(self, value: Value) -> None:
        """Mark what defines a value, and what writes to it if it is an array."""
        found = self.definer.get(value)  # type: ignore[arg-type]
        if isinstance(found, tuple):
            owner, part = found
            self.stmt(owner)
            if isinstance(part, Phi):
                for each in (part.init, part.next, part.inner):
                    self.value(each)
            elif isinstance(part, Merge):
                self.value(part.then)
                self.value(part.orelse)
        elif found is not None:
            self.stmt(found)
        if isinstance(value.type, Array):
            for store in self.stores.get(self.root(value), ()):
                self.stmt(store)
            if self.procedure_saves(value):
                for slot, stores in self.slot_stores.items():
                    if slot not in self.slot_loads and slot not in self.dead_slots:
                        for store in stores:
                            if self.root(store.array) is self.root(value):
                                self.stmt(store)

    def procedure_saves(self, value: Value) -> bool:
        """Whether an array may hold what another procedure loads."""
        return self.root(value) in self.procedure.params

    def sweep(self, block: Block) -> None:
        """Remove what was not marked."""
        kept: list[Stmt] = []
        for stmt in block.stmts:
            for inner in blocks(stmt):
                self.sweep(inner)
            if id(stmt) not in self.stmts:
                if isinstance(stmt, Load) and stmt.slot is not None:
                    self.dead_loads.add(stmt.slot)
                elif isinstance(stmt, (If, Loop)):
                    continue
                continue
            if isinstance(stmt, If):
                stmt.merges = [m for m in stmt.merges if m.out in self.values]
                if not (stmt.merges or stmt.then.stmts or stmt.orelse.stmts):
                    continue
            elif isinstance(stmt, Loop):
                stmt.phis = [p for p in stmt.phis if p.out in self.values or p.inner in self.values]
            kept.append(stmt)
        block.stmts[:] = kept


def replace_copies(procedure: Procedure) -> None:
    """Let what a loop carries but never changes be what it was before."""
    while True:
        same: dict[Any, Value] = {}
        for stmt in walk(procedure.body):
            if isinstance(stmt, Loop):
                kept = []
                for phi in stmt.phis:
                    if (
                        phi.next is phi.inner
                        or phi.next is phi.init
                        or (isinstance(phi.next, Const) and phi.next == phi.init)
                    ):
                        same[phi.inner] = same[phi.out] = phi.init
                    else:
                        kept.append(phi)
                stmt.phis = kept
        if not same:
            return
        for key, first in same.items():
            value = first
            while value in same:
                value = same[value]
            same[key] = value
        substitute(procedure, same)


def substitute(procedure: Procedure, table: dict[Any, Value]) -> None:
    """Replace values wherever they are read."""

    def new(value: Any) -> Any:
        return table.get(value, value)

    def all_new(values: Iterable[Any]) -> tuple[Any, ...]:
        return tuple(map(new, values))

    for stmt in walk(procedure.body):
        match stmt:
            case Compute():
                stmt.args = all_new(stmt.args)
            case Load():
                stmt.array, stmt.index = new(stmt.array), all_new(stmt.index)
            case Store():
                stmt.array, stmt.index = new(stmt.array), all_new(stmt.index)
                stmt.value = new(stmt.value)
            case View():
                stmt.array = new(stmt.array)
                stmt.items = tuple(
                    all_new(i) if isinstance(i, tuple) else new(i) for i in stmt.items
                )
            case Alloc():
                stmt.shape = all_new(stmt.shape)
            case If():
                stmt.test = new(stmt.test)
                for merge in stmt.merges:
                    merge.then, merge.orelse = new(merge.then), new(merge.orelse)
            case Loop():
                stmt.bounds = all_new(stmt.bounds) if stmt.bounds else None
                stmt.test, stmt.stop = new(stmt.test), new(stmt.stop)
                stmt.every = new(stmt.every)
                for phi in stmt.phis:
                    phi.init, phi.next = new(phi.init), new(phi.next)
            case Call():
                stmt.args = all_new(stmt.args)
            case Fail():
                stmt.test = new(stmt.test)
    procedure.results = [new(r) for r in procedure.results]

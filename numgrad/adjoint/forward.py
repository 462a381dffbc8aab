"""Forward mode: each value with its derivatives in one or several directions."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from numgrad.adjoint.activity import Activity, Memory, floating
from numgrad.adjoint.builder import Builder, number, partials
from numgrad.adjoint.chain import contribution
from numgrad.adjoint.clean import clean
from numgrad.adjoint.ir import (
    F8,
    Alloc,
    Array,
    Block,
    Call,
    Compute,
    Const,
    If,
    Load,
    Loop,
    Merge,
    Phi,
    Procedure,
    Stmt,
    Store,
    Value,
    Var,
    View,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTHING = number(0.0)


class Tangents:
    """Procedures with tangents; a recursive one finds itself."""

    def __init__(self, directions: int) -> None:
        self.directions = directions
        self.known: dict[Any, Procedure] = {}

    def of(self, procedure: Procedure, active: tuple[bool, ...]) -> Procedure:
        """The procedure that also takes the tangents of active parameters, behind the others.

        It also gives the tangents of its float results, behind the results.
        """
        key = (procedure, active)
        if key not in self.known:
            count = sum(1 for k in self.known if k[0] is procedure)
            name = f"{procedure.name}_tangent" + (f"_{count}" if count else "")
            self.known[key] = out = Procedure(name, [], Block(), [])
            width = len(procedure.params)
            arrays = [k for k, on in enumerate(active) if on]
            out.writes = procedure.writes | {
                width + self.directions * j + d
                for j, k in enumerate(arrays)
                if k in procedure.writes
                for d in range(self.directions)
            }
            Forward(procedure, active, self).write(out)
            clean(out)
        return self.known[key]


class Forward:
    """Writes one procedure with tangents."""

    def __init__(self, procedure: Procedure, active: tuple[bool, ...], tangents: Tangents) -> None:
        self.procedure = procedure
        self.active = active
        self.variants = tangents
        self.directions = range(tangents.directions)
        memory = Memory(procedure)
        inputs = {p for p, on in zip(procedure.params, active, strict=True) if on}
        self.memory = memory
        self.varied = Activity(procedure, inputs, set(), memory).varied
        self.builder = Builder()
        # Value -> its tangents, one a direction.
        self.tangents: dict[Any, list[Any]] = {}

    def write(self, out: Procedure) -> None:
        """Fill a procedure."""
        given: list[Var] = []
        for param, on in zip(self.procedure.params, self.active, strict=True):
            if on:
                kind = param.type if isinstance(param.type, Array) else F8
                own = [Var(kind, f"t_{param.hint}") for _ in self.directions]
                self.tangents[param] = own
                given += own
        self.block(self.procedure.body)
        results: list[Value] = []
        for result in self.procedure.results:
            if floating(result):
                results += self.of_result(result)
        params = self.procedure.params
        out.params = [*params, *given]
        out.body = self.builder.block
        out.results = [*self.procedure.results, *results]
        groups = list(self.procedure.groups or range(len(params)))
        tied = len(groups)
        for k, on in enumerate(self.active):
            if on:
                first = groups[k] if k < len(params) else k
                for d in self.directions:
                    mate = self.place(first, d)
                    groups.append(mate if mate is not None and mate < tied else tied)
                    tied += 1
        out.groups = tuple(groups)

    def place(self, first: int, direction: int) -> int | None:
        """Where the tangent of the parameter `first` stands among the parameters."""
        if not self.active[first]:
            return None
        before = sum(self.active[:first])
        return len(self.active) + before * len(self.directions) + direction

    def of_result(self, value: Value) -> list[Value]:
        """The tangents of a result, also where they are zero."""
        known = self.of(value)
        if known is not None:
            return known
        if isinstance(value.type, Array):
            zeros = []
            for _ in self.directions:
                assert isinstance(value, Var)
                sizes = self.builder.sizes(value)
                zeros.append(self.builder.alloc(value.type.code, sizes, "t_result", zero=True))
            return list(zeros)
        return [NOTHING for _ in self.directions]

    def is_varied(self, value: Any) -> bool:
        """Whether a value has tangents."""
        if isinstance(value, Const) or not floating(value):
            return False
        return (self.memory.root(value) if isinstance(value.type, Array) else value) in self.varied

    def of(self, value: Any) -> list[Any] | None:
        """The tangents of a value; None if they are zero."""
        return self.tangents.get(value) if self.is_varied(value) else None

    def number_of(self, value: Any, direction: int) -> Value:
        """A tangent of a number."""
        known = self.of(value)
        return NOTHING if known is None else known[direction]

    def block(self, block: Block) -> None:
        """Write the statements of a block into the current one."""
        for stmt in block.stmts:
            self.stmt(stmt)

    def stmt(self, stmt: Stmt) -> None:
        """Write a statement, and that of its tangents."""
        append = self.builder.append
        match stmt:
            case If():
                self.branch(stmt)
            case Loop():
                self.loop(stmt)
            case Call():
                self.call(stmt)
            case Compute():
                append(Compute(stmt.out, stmt.op, stmt.args))
                if self.is_varied(stmt.out):
                    self.tangents[stmt.out] = [self.compute(stmt, d) for d in self.directions]
            case Load():
                append(Load(stmt.out, stmt.array, stmt.index, stmt.slot))
                if self.is_varied(stmt.out):
                    self.tangents[stmt.out] = outs = [
                        Var(F8, f"t_{stmt.out.hint}") for _ in self.directions
                    ]
                    for d, array in enumerate(self.tangents[stmt.array]):
                        append(Load(outs[d], array, stmt.index, _slot(stmt.slot, d)))
            case Store():
                append(Store(stmt.array, stmt.index, stmt.value, stmt.add, stmt.slot))
                if self.is_varied(stmt.array) and not (stmt.add and self.of(stmt.value) is None):
                    for d, array in enumerate(self.tangents[stmt.array]):
                        t = self.number_of(stmt.value, d)
                        append(Store(array, stmt.index, t, stmt.add, _slot(stmt.slot, d)))
            case View():
                append(View(stmt.out, stmt.array, stmt.kind, stmt.items))
                if self.is_varied(stmt.out):
                    self.tangents[stmt.out] = self.like(stmt.out)
                    for d, array in enumerate(self.tangents[stmt.array]):
                        append(View(self.tangents[stmt.out][d], array, stmt.kind, stmt.items))
            case Alloc():
                append(Alloc(stmt.out, stmt.shape, stmt.zero, stmt.arena))
                if self.is_varied(stmt.out):
                    self.tangents[stmt.out] = self.like(stmt.out)
                    for t in self.tangents[stmt.out]:
                        append(Alloc(t, stmt.shape, not stmt.arena, stmt.arena))
            case _:
                append(copy.copy(stmt))

    def like(self, array: Var) -> list[Var]:
        """Tangents of an array, to be made."""
        return [Var(array.type, f"t_{array.hint}") for _ in self.directions]

    def compute(self, stmt: Compute, direction: int) -> Value:
        """The tangent of an operation."""
        total: Value | None = None
        for value, rule in zip(stmt.args, partials(stmt.op), strict=False):
            known = self.of(value)
            if rule is None or known is None or (isinstance(rule, (int, float)) and rule == 0):
                continue
            t = known[direction]
            if isinstance(t, Const) and t.value == 0:
                continue
            term = contribution(self.builder, stmt, t, rule, lambda v: v)
            total = term if total is None else self.builder.emit("add", total, term)
        return NOTHING if total is None else total

    def branch(self, stmt: If) -> None:
        """Write a branch."""
        then, orelse = self.builder.child(), self.builder.child()
        for block, inner in ((then, stmt.then), (orelse, stmt.orelse)):
            with self.builder.inside(block):
                self.block(inner)
        merges = [Merge(m.out, m.then, m.orelse) for m in stmt.merges]
        for m in stmt.merges:
            if self.is_varied(m.out):
                self.tangents[m.out] = outs = [Var(F8, f"t_{m.out.hint}") for _ in self.directions]
                merges += [
                    Merge(out, self.number_of(m.then, d), self.number_of(m.orelse, d))
                    for d, out in enumerate(outs)
                ]
        self.builder.append(If(stmt.test, then, orelse, merges))

    def loop(self, stmt: Loop) -> None:
        """Write a loop."""
        head = self.builder.child()
        with self.builder.inside(head):
            body = self.builder.child()
        varied = [p for p in stmt.phis if self.is_varied(p.inner)]
        inits = {p: [self.number_of(p.init, d) for d in self.directions] for p in varied}
        for p in varied:
            self.tangents[p.inner] = [Var(F8, f"t_{p.inner.hint}") for _ in self.directions]
        with self.builder.inside(head):
            self.block(stmt.head)
        with self.builder.inside(body):
            self.block(stmt.body)
        phis = [Phi(p.inner, p.init, p.next, p.out) for p in stmt.phis]
        for p in varied:
            self.tangents[p.out] = [Var(F8, f"t_{p.out.hint}") for _ in self.directions]
            phis += [
                Phi(
                    self.tangents[p.inner][d],
                    inits[p][d],
                    self.number_of(p.next, d),
                    self.tangents[p.out][d],
                )
                for d in self.directions
            ]
        self.builder.append(
            Loop(
                stmt.index,
                stmt.bounds,
                head,
                stmt.test,
                body,
                stmt.stop,
                phis,
                stmt.trips,
                stmt.parallel,
                every=stmt.every,
            )
        )

    def call(self, stmt: Call) -> None:
        """Write a call."""
        active = tuple(self.is_varied(a) for a in stmt.args)
        if not any(active):
            self.builder.append(Call(stmt.outs, stmt.function, stmt.args))
            return
        function = self.variants.of(stmt.function, active)
        args = list(stmt.args)
        for a, on in zip(stmt.args, active, strict=True):
            if on:
                args += self.tangents[a]
        outs = list(stmt.outs)
        for out in stmt.outs:
            if floating(out):
                kind = out.type if isinstance(out.type, Array) else F8
                own = [Var(kind, f"t_{out.hint}") for _ in self.directions]
                if self.is_varied(out):
                    self.tangents[out] = own
                outs += own
        self.builder.append(Call(tuple(outs), function, tuple(args)))


def _slot(slot: object, direction: int) -> object:
    return None if slot is None else (slot, direction)


def tangent(procedure: Procedure, active: Sequence[bool], directions: int = 1) -> Procedure:
    """The procedure with tangents of its active parameters and its float results."""
    return Tangents(directions).of(procedure, tuple(active))

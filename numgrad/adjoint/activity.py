"""Which values a derivative goes through: they depend on what is differentiated, and count."""

from __future__ import annotations

from typing import Any

from numgrad.adjoint.builder import partials
from numgrad.adjoint.ir import (
    Array,
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
    View,
    walk,
)


class Memory:
    """Which arrays share memory."""

    def __init__(self, procedure: Procedure) -> None:
        self.base: dict[Var, Var] = {}
        groups = procedure.groups or tuple(range(len(procedure.params)))
        for k, param in enumerate(procedure.params):
            if isinstance(param.type, Array) and k < len(groups) and groups[k] != k:
                self.base[param] = procedure.params[groups[k]]
        for stmt in walk(procedure.body):
            if isinstance(stmt, View):
                self.base[stmt.out] = self.root(stmt.array)

    def root(self, array: Any) -> Any:
        """The array whose memory it is."""
        return self.base.get(array, array)

    def written(self, stmt: Stmt) -> list[Var]:
        """The roots that a statement writes to, without what its blocks do."""
        if isinstance(stmt, Store):
            return [self.root(stmt.array)]
        if isinstance(stmt, Call):
            return [self.root(stmt.args[k]) for k in stmt.function.writes]
        return []


def floating(value: Value) -> bool:
    """Whether it is of floats."""
    return value.type.code in {"f8", "f4"}


class Activity:
    """Finds what varies with the inputs and is useful for the outputs; arrays by their roots."""

    def __init__(
        self,
        procedure: Procedure,
        inputs: set[Var],
        outputs: set[Any],
        memory: Memory,
    ) -> None:
        self.memory = memory
        self.stmts = list(walk(procedure.body))
        self.varied = self.closure({memory.root(v) for v in inputs}, self.forward)
        self.useful = self.closure({memory.root(v) for v in outputs}, self.backward)

    def active(self, value: Any) -> bool:
        """Whether the derivative goes through a value."""
        if isinstance(value, Const) or not floating(value):
            return False
        root = self.memory.root(value) if isinstance(value.type, Array) else value
        return root in self.varied and root in self.useful

    def closure(self, start: set[Any], step: Any) -> set[Any]:
        """Repeat a step until nothing is added."""
        known = set(start)
        while True:
            size = len(known)
            for stmt in self.stmts:
                step(stmt, known)
            if len(known) == size:
                return known

    def forward(self, stmt: Stmt, known: set[Any]) -> None:
        """Add what depends on what is known."""
        root = self.memory.root
        match stmt:
            case Compute():
                if floating(stmt.out) and any(a in known for a in linked(stmt)):
                    known.add(stmt.out)
            case Load():
                if root(stmt.array) in known and floating(stmt.out):
                    known.add(stmt.out)
            case Store():
                if stmt.value in known and floating(stmt.array):
                    known.add(root(stmt.array))
            case If():
                for m in stmt.merges:
                    if m.then in known or m.orelse in known:
                        known.add(m.out)
            case Loop():
                for p in stmt.phis:
                    if p.init in known or p.next in known:
                        known.update((p.inner, p.out))
            case Call():
                if any(root(a) in known for a in stmt.args if isinstance(a, Var)):
                    known.update(root(o) for o in stmt.outs if floating(o))
                    known.update(
                        root(stmt.args[k]) for k in stmt.function.writes if floating(stmt.args[k])
                    )

    def backward(self, stmt: Stmt, known: set[Any]) -> None:
        """Add what is needed for what is known."""
        root = self.memory.root
        match stmt:
            case Compute():
                if stmt.out in known:
                    known.update(linked(stmt))
            case Load():
                if stmt.out in known:
                    known.add(root(stmt.array))
            case Store():
                if root(stmt.array) in known:
                    known.add(stmt.value)
            case If():
                for m in stmt.merges:
                    if m.out in known:
                        known.update((m.then, m.orelse))
            case Loop():
                for p in stmt.phis:
                    if p.out in known or p.inner in known:
                        known.update((p.init, p.next))
            case Call():
                given = [*stmt.outs, *(stmt.args[k] for k in stmt.function.writes)]
                if any(root(o) in known for o in given):
                    known.update(root(a) for a in stmt.args)


def linked(stmt: Compute) -> list[Value]:
    """The operands that a result has a derivative to."""
    if not floating(stmt.out):
        return []
    rules = partials(stmt.op)
    return [
        a
        for a, rule in zip(stmt.args, rules, strict=False)
        if rule is not None and not (isinstance(rule, (int, float)) and rule == 0) and floating(a)
    ]

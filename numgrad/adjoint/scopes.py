"""What the way back needs of the way there: which values are saved, computed again, or at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numgrad.adjoint.ir import (
    Alloc,
    Array,
    Compute,
    Const,
    Frame,
    Load,
    Outer,
    Stmt,
    Value,
    Var,
    View,
    defined,
    operands,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numgrad.adjoint.ir import Block
    from numgrad.adjoint.reverse import Reverse

# Computed again rather than saved: what costs no more than a load.
CHEAP = frozenset(
    [
        "add",
        "sub",
        "mul",
        "neg",
        "abs",
        "where",
        "constant",
        "unit",
        "maximum",
        "minimum",
        "to_f8",
        "to_f4",
        "equal",
        "not_equal",
        "less",
        "less_equal",
        "greater",
        "greater_equal",
        "and",
        "or",
        "not",
        "b.select",
        "i.select",
        "i.add",
        "i.sub",
        "i.mul",
        "i.neg",
        "i.max",
        "i.min",
        "i.abs",
        "to_bool",
        "size",
        "trips",
        "c==",
        "c!=",
        "c<",
        "c<=",
        "c>",
        "c>=",
        "not_a_number",
        "sign",
        "to_int",
        "i.floordiv",
        "i.mod",
        "one_minus_square",
        "copysign",
        "trunc",
        "floor",
        "ceil",
        "rint",
    ]
)
MOST_COMPUTED = 12


class Scope:
    """One block: what it defines, and what of that the way back reads."""

    def __init__(self, stmts: Sequence[Stmt], given: Sequence[Var], parent: Scope | None) -> None:
        self.parent = parent
        # Everything that the block defines, in order.
        self.given = list(given)
        self.order: dict[Var, int] = {v: k for k, v in enumerate(given)}
        self.definer: dict[Var, Stmt] = {}
        for stmt in stmts:
            for var in defined(stmt):
                self.order[var] = len(self.order)
                self.definer[var] = stmt
        # Values at hand on the way back, under the names that they have there.
        self.names: dict[Var, Value] = {}
        self.demanded: dict[Var, Var] = {}
        self.shadows: dict[Var, Var] = {}
        self.frame = Frame()
        self.block: Block | None = None
        # What is saved at the end of the block.
        self.saved: list[Var] = []
        # Whether it is the outermost block of one function for both ways: all is still there.
        self.at_hand = False


class Restorer:
    """Decides for one scope what to save, and writes what restores it."""

    def __init__(self, reverse: Reverse, scope: Scope) -> None:
        self.reverse = reverse
        self.scope = scope
        self.computed: set[Var] = set()
        self.saved: dict[Var, object] = {}

    def run(self) -> tuple[list[Var], list[object], list[Stmt]]:
        """Return what is saved, its slots, and the statements that restore everything."""
        scope = self.scope
        # Shadows and what is computed again may demand more.
        done: set[Var] = set()
        while True:
            for array in list(scope.shadows):
                if array not in done:
                    done.add(array)
                    self.demand_extents(array)
            waiting = [v for v in scope.demanded if v not in self.computed and v not in self.saved]
            if not waiting and all(a in done for a in scope.shadows):
                break
            for var in sorted(waiting, key=scope.order.__getitem__):
                if var not in self.computed and var not in self.saved:
                    self.decide(var)
        return self.write()

    def demand_extents(self, array: Var) -> None:
        """Demand what the shadow of an array is made of."""
        stmt = self.scope.definer.get(array)
        if isinstance(stmt, Alloc):
            for n in stmt.shape:
                self.reverse.value(n)
        elif isinstance(stmt, View):
            for item in operands(stmt):
                if item is not stmt.array:
                    self.reverse.value(item)
            self.reverse.shadow(stmt.array)
        elif array not in self.reverse.given_shadows:
            for n in self.reverse.extents(array):
                self.reverse.value(n)

    def decide(self, var: Var) -> None:
        """Save a value, or compute it again."""
        chain = self.recipe(var, set())
        if chain is not None and len(chain) <= MOST_COMPUTED:
            for each in chain:
                self.computed.add(each)
                self.name(each)
                stmt = self.scope.definer[each]
                for value in operands(stmt):
                    self.reverse.value(value)
        else:
            self.saved[var] = object()

    def name(self, var: Var) -> None:
        """Give a value a name on the way back."""
        if var not in self.scope.demanded:
            self.reverse.value(var)

    def recipe(self, var: Var, seen: set[Var]) -> list[Var] | None:
        """What has to be computed for a value, in order; None if it cannot be."""
        if var in self.computed or var in self.saved or var in seen:
            return []
        stmt = self.scope.definer.get(var)
        if isinstance(stmt, View):
            if not self.reverse.kept(var):
                return None
        elif isinstance(stmt, Outer):
            return [var]
        elif isinstance(stmt, Load):
            if not self.reverse.reloadable(stmt):
                return None
        elif not (isinstance(stmt, Compute) and stmt.op in CHEAP):
            return None
        if isinstance(stmt, Compute) and stmt.op == "size" and not self.reverse.kept(stmt.args[0]):
            return None
        chain: list[Var] = []
        for value in operands(stmt):
            if isinstance(value, Const) or (isinstance(stmt, Load) and value is stmt.array):
                continue
            if value in self.scope.order:
                if value in self.scope.names and value not in self.scope.demanded:
                    continue
                part = self.recipe(value, seen)
                if part is None:
                    # What is needed anyhow may be saved.
                    if value in self.scope.demanded and not isinstance(value.type, Array):
                        self.saved.setdefault(value, object())
                        continue
                    return None
                chain += part
                seen.update(part)
            elif not self.reverse.free(value, self.scope):
                return None
        seen.add(var)
        return [*chain, var]

    def write(self) -> tuple[list[Var], list[object], list[Stmt]]:
        """Write the statements, in the order of the definitions."""
        scope = self.scope
        saved = sorted(self.saved, key=scope.order.__getitem__)
        lines: list[Stmt] = []
        for var in sorted({*self.computed, *scope.shadows}, key=scope.order.__getitem__):
            if var in self.computed:
                lines.append(self.reverse.again(scope.definer[var], scope.demanded[var]))
            if var in scope.shadows and var not in self.reverse.early:
                lines += self.reverse.make_shadow(var, scope)
        return saved, [self.saved[v] for v in saved], lines

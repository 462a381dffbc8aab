"""Both ways of a loop in one pass: an iteration is followed by its own way back.

That is right where iterations do not depend on one another but for what they add up. Then nothing
is carried that the way back would have to undo, so that nothing is saved for it: what it reads is
what the iteration has just computed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numgrad.adjoint.activity import linked
from numgrad.adjoint.builder import NOTHING
from numgrad.adjoint.cloning import copied
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
    Phi,
    Stmt,
    Store,
    Value,
    Var,
    View,
    free_values,
    operands,
    walk,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numgrad.adjoint.reverse import Reverse


class Together:
    """A loop of the outermost block, and whether both its ways can run in one pass."""

    def __init__(self, reverse: Reverse, stmt: Loop, candidates: Sequence[Var]) -> None:
        self.reverse = reverse
        self.stmt = stmt
        self.candidates = candidates
        self.position = reverse.positions[id(stmt)]
        # What has to be computed before the loop, instead of behind it.
        self.moved: list[Stmt] = []
        self.table: dict[Var, Value] = {}
        self.seeds: list[tuple[Phi, Value]] = []

    def possible(self) -> bool:
        """Whether it is right, and worth it."""
        reverse = self.reverse
        if not reverse.joint or reverse.current is not reverse.root or self.stmt.parallel:
            return False
        return self.worthwhile() and all(map(self.untouched, self.arrays())) and self.adds_up()

    def worthwhile(self) -> bool:
        """Whether the way back could not run in lanes of vectors by itself."""
        inside = list(walk(self.stmt.body))
        read = {v for s in self.stmt.body.stmts for v in free_values(s)}
        return (
            any(isinstance(s, (Loop, Call)) for s in inside)
            or any(v in read for v in self.candidates)
            or any(
                isinstance(s, Load)
                and self.stmt.index not in s.index
                and self.reverse.activity.active(s.out)
                for s in inside
            )
        )

    def arrays(self) -> list[Var]:
        """The arrays from outside of the loop that derivatives go through."""
        own = {s.out for s in walk(self.stmt.body) if isinstance(s, (Alloc, View))}
        own |= {o for s in walk(self.stmt.body) if isinstance(s, Call) for o in s.outs}
        return [
            v
            for v in dict.fromkeys(free_values(self.stmt))
            if isinstance(v.type, Array) and v not in own and self.reverse.activity.active(v)
        ]  # type: ignore[return-value,unused-ignore]

    def untouched(self, array: Var) -> bool:
        """Whether an array keeps its content from here on, and its shadow can be made before."""
        memory, root = self.reverse.memory, self.reverse.root
        if any(k >= self.position for k in self.reverse.writes.get(memory.root(array), ())):
            return False
        while array not in self.reverse.given_shadows:
            stmt = root.definer.get(array)
            if isinstance(stmt, Alloc):
                return not stmt.arena
            if not isinstance(stmt, View):
                return False
            array = stmt.array
        return True

    def adds_up(self) -> bool:
        """Whether all that the loop carries is sums, the derivatives of which are known before."""
        active = self.reverse.activity.active
        for phi in self.stmt.phis:
            if not (active(phi.inner) or active(phi.out)):
                continue
            if not self.is_sum(phi):
                return False
            seed = self.before(self.reverse.adjoints.get(phi.out, NOTHING))
            if seed is None:
                return False
            self.seeds.append((phi, seed))
        return True

    def is_sum(self, phi: Phi) -> bool:
        """Whether an iteration adds to a carried number, and does nothing else with it."""
        sums: set[Any] = {phi.inner}
        return self.only_adds(self.stmt.body, sums) and phi.next in sums

    def only_adds(self, block: Block, sums: set[Any]) -> bool:
        """Whether a block only adds to sums; `sums` becomes all that are such."""
        for stmt in block.stmts:
            match stmt:
                case Compute():
                    where = [k for k, a in enumerate(stmt.args) if a in sums]
                    if not where or not any(a in sums for a in linked(stmt)):
                        continue
                    if not (stmt.op == "add" and len(where) == 1) and not (
                        stmt.op == "sub" and where == [0]
                    ):
                        return False
                    sums.add(stmt.out)
                case If():
                    if not all(self.only_adds(b, sums) for b in (stmt.then, stmt.orelse)):
                        return False
                    for merge in stmt.merges:
                        if (merge.then in sums) != (merge.orelse in sums):
                            return False
                        if merge.then in sums:
                            sums.add(merge.out)
                case Loop():
                    carried = [p for p in stmt.phis if p.init in sums]
                    sums.update(p.inner for p in carried)
                    if not self.only_adds(stmt.body, sums):
                        return False
                    if any((p.next in sums) != (p in carried) for p in stmt.phis):
                        return False
                    sums.update(p.out for p in carried)
                case Call() | Store():
                    if any(v in sums for v in operands(stmt)):
                        return False
        return True

    def before(self, value: Value) -> Value | None:
        """A value as it can be computed before the loop; None if it depends on the loop."""
        reverse = self.reverse
        if isinstance(value, Const) or value in reverse.seeds or value in reverse.root.given:
            return value
        if value in self.table:
            return self.table[value]
        stmt = reverse.root.definer.get(value)
        if stmt is not None and reverse.positions[id(stmt)] < self.position:
            return value
        if stmt is None:
            block = reverse.builder.block
            stmt = next((s for s in block.stmts if getattr(s, "out", None) is value), None)
        if not isinstance(stmt, Compute):
            return None
        args = [self.before(a) for a in stmt.args]
        if any(a is None for a in args):
            return None
        self.table[value] = out = Var(value.type, value.hint, value.nonneg)
        self.moved.append(Compute(out, stmt.op, tuple(args)))  # type: ignore[arg-type]
        return out

    def make_early(self, array: Var) -> None:
        """Have the shadow of an array, and those that it is a part of, made before the loop."""
        root = self.reverse.root
        while array in root.shadows and array not in self.reverse.given_shadows:
            self.reverse.early.add(array)
            stmt = root.definer[array]
            if not isinstance(stmt, View):
                return
            self.reverse.shadow(stmt.array)
            array = stmt.array

    def write(self) -> list[Stmt]:
        """Write the loop; what it adds up is handed on in the current block."""
        reverse, stmt = self.reverse, self.stmt
        builder, before, outer = reverse.builder, reverse.adjoints, reverse.current
        for phi, _ in self.seeds:
            before.pop(phi.out, None)
        both = Loop(
            stmt.index,
            stmt.bounds,
            copied(stmt.head),
            stmt.test,
            Block(),
            stmt.stop,
            [Phi(p.inner, p.init, p.next, p.out) for p in stmt.phis],
            stmt.trips,
            independent=True,
        )
        given = [*(p.inner for p in stmt.phis), *([stmt.index] if stmt.index else [])]
        scope = reverse.enter([*stmt.head.stmts, *stmt.body.stmts], given, outer)
        scope.at_hand = True
        sums = [Var(F8, f"d_{v.hint}") for v in self.candidates]
        reverse.current = scope
        reverse.adjoints = dict(zip(self.candidates, sums, strict=True))
        back = builder.child()
        with builder.inside(back):
            for phi, seed in self.seeds:
                reverse.add(phi.next, seed)
            reverse.block(stmt.body, both.body)
            reverse.close(scope, both.body, 0)
            totals = [reverse.adjoints[v] for v in self.candidates]
        reverse.current, reverse.adjoints = outer, before
        both.body.stmts += back.stmts
        for array in self.arrays():
            self.make_early(array)
        for phi, seed in self.seeds:
            reverse.add(phi.init, seed)
        for var, inner, total in zip(self.candidates, sums, totals, strict=True):
            if total is not inner:
                out = Var(F8, f"d_{var.hint}")
                both.phis.append(Phi(inner, NOTHING, total, out))
                reverse.add(var, out)
        return [*self.moved, both]

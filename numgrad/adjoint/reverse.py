"""Reverse mode: the way there, with saves, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numgrad.adjoint import reverse_calls, reverse_loops
from numgrad.adjoint.builder import NOTHING, ZERO, Builder, number, partials
from numgrad.adjoint.chain import contribution
from numgrad.adjoint.cloning import copy
from numgrad.adjoint.ir import (
    F8,
    I8,
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
    Outer,
    Pop,
    Procedure,
    Push,
    Stmt,
    Store,
    Value,
    Var,
    View,
    blocks,
    defined,
    walk,
)
from numgrad.adjoint.memory import nest
from numgrad.adjoint.scopes import Restorer, Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numgrad.adjoint.activity import Activity, Memory


class Reverse:
    """Writes both ways for one procedure.

    `joint`: both in one function, so that the outermost values are still there on the way back.
    `stable`: arrays among the parameters that nobody writes to before the way back has ended.
    """

    def __init__(
        self,
        procedure: Procedure,
        activity: Activity,
        memory: Memory,
        *,
        joint: bool,
        stable: set[Var],
        variants: Any,
    ) -> None:
        self.procedure = procedure
        self.activity = activity
        self.memory = memory
        self.joint = joint
        self.stable = stable
        self.variants = variants
        self.builder = Builder()
        self.adjoints: dict[Var, Value] = {}
        self.scopes: dict[Var, Scope] = {}
        self.parents: dict[int, Stmt] = {}
        self.blocks: dict[int, Block] = {}
        self.positions: dict[int, int] = {}
        self.writes: dict[Var, list[int]] = {}
        self.sizes: dict[Var, tuple[Value, ...]] = {}
        # Arrays of the outermost block whose shadows are made with them, on the way there.
        self.early: set[Var] = set()
        self.root = Scope(procedure.body.stmts, procedure.params, None)
        self.root.at_hand = joint
        self.index(procedure.body, None)
        for k, stmt in enumerate(procedure.body.stmts):
            for each in (stmt, *(s for b in blocks(stmt) for s in walk(b))):
                self.positions[id(each)] = k
                for root in memory.written(each):
                    self.writes.setdefault(root, []).append(k)

    # --- where things stand ---------------------------------------------------------------

    def index(self, block: Block, parent: Stmt | None) -> None:
        """Note the parents of all statements."""
        for stmt in block.stmts:
            if parent is not None:
                self.parents[id(stmt)] = parent
            self.blocks[id(stmt)] = block
            for inner in blocks(stmt):
                self.index(inner, stmt)

    def enter(self, stmts: Sequence[Stmt], given: Sequence[Var], parent: Scope) -> Scope:
        """Open the scope of a block."""
        scope = Scope(stmts, given, parent)
        for var in scope.order:
            self.scopes[var] = scope
        return scope

    def scope_of(self, var: Var) -> Scope:
        """The scope that defines a value."""
        return self.scopes.get(var, self.root)

    # --- values on the way back -----------------------------------------------------------

    def value(self, value: Value) -> Value:
        """What a value of the way there is called on the way back."""
        if isinstance(value, Const):
            return value
        scope = self.scope_of(value)
        if scope.at_hand or (scope is self.root and value in self.stable):
            return value
        if value not in scope.names:
            again = Var(value.type, value.hint, value.nonneg)
            scope.names[value] = scope.demanded[value] = again
        return scope.names[value]

    def free(self, value: Any, scope: Scope) -> bool:
        """Whether a value of an enclosing scope is at hand, or cheaper to save there."""
        own = self.scope_of(value)
        if isinstance(value.type, Array):
            return self.kept(value)
        return own.at_hand or value in own.names or own is not scope

    def kept(self, array: Any) -> bool:
        """Whether an array can be had on the way back."""
        root = self.memory.root(array)
        if isinstance(root, Const):
            return False
        if root in self.procedure.params:
            return root in self.stable
        definer = self.scope_of(root).definer.get(root)
        return isinstance(definer, Outer) or self.scope_of(root).at_hand

    def reloadable(self, load: Load) -> bool:
        """Whether an element can be loaded again."""
        root = self.memory.root(load.array)
        if load.slot is not None or not self.kept(load.array):
            return False
        last = max(self.writes.get(root, [-1]))
        return last < self.positions[id(load)]

    def again(self, stmt: Stmt, out: Var) -> Stmt:
        """Write a statement once more with the names of the way back."""
        match stmt:
            case Compute():
                return Compute(out, stmt.op, tuple(map(self.value, stmt.args)))
            case Load():
                return Load(out, self.value(stmt.array), tuple(map(self.value, stmt.index)))  # type: ignore[arg-type]
            case View():
                return View(out, self.value(stmt.array), stmt.kind, self.items(stmt))  # type: ignore[arg-type]
            case Outer():
                return Outer(out, stmt.name, stmt.array)
        raise AssertionError(stmt)

    def items(self, stmt: View) -> tuple[Any, ...]:
        """The items of a view with the names of the way back."""
        return tuple(
            tuple(None if i is None else self.value(i) for i in item)
            if isinstance(item, tuple)
            else None
            if item is None
            else self.value(item)
            for item in stmt.items
        )

    # --- shadows --------------------------------------------------------------------------

    def shadow(self, array: Var) -> Var:
        """The array that collects the derivatives to an array."""
        scope = self.scope_of(array)
        if array not in scope.shadows:
            scope.shadows[array] = Var(array.type, f"d_{array.hint}")
        return scope.shadows[array]

    def extents(self, array: Var) -> tuple[Value, ...]:
        """The extents of an array that a call gave."""
        if array not in self.sizes:
            scope = self.scope_of(array)
            outs = []
            for k in range(array.type.ndim):  # type: ignore[union-attr]
                out = Var(I8, "n", nonneg=True)
                scope.order[out] = scope.order[array]
                scope.definer[out] = Compute(out, "size", (array, number(k)))
                self.scopes[out] = scope
                outs.append(out)
            self.sizes[array] = tuple(outs)
        return self.sizes[array]

    def make_shadow(self, array: Var, scope: Scope) -> list[Stmt]:
        """Write what makes a shadow."""
        shadow = scope.shadows[array]
        stmt = scope.definer.get(array)
        if isinstance(stmt, View):
            if stmt.array in self.arenas:
                return self.cleared_view(shadow, stmt)
            return [View(shadow, self.shadow(stmt.array), stmt.kind, self.items(stmt))]
        if isinstance(stmt, Alloc):
            return [Alloc(shadow, tuple(map(self.value, stmt.shape)), not stmt.arena, stmt.arena)]
        if array in self.given_shadows:
            return []
        return [Alloc(shadow, tuple(map(self.value, self.extents(array))), True)]

    def cleared_view(self, shadow: Var, stmt: View) -> list[Stmt]:
        """Write the shadow of a part of the arena, which is not zero by itself."""
        block = Block()
        builder = Builder(block)
        block.stmts.append(View(shadow, self.shadow(stmt.array), stmt.kind, self.items(stmt)))
        nest(builder, builder.sizes(shadow), lambda i: builder.store(shadow, i, NOTHING))
        return block.stmts

    # --- adjoints of numbers --------------------------------------------------------------

    def add(self, value: Value, term: Value) -> None:
        """Add to the derivative to a number."""
        if not isinstance(value, Var) or not self.activity.active(value):
            return
        if isinstance(term, Const) and term.value == 0:
            return
        known = self.adjoints.get(value)
        self.adjoints[value] = (
            term
            if known is None or (isinstance(known, Const) and known.value == 0)
            else self.builder.emit("add", known, term, hint=f"d_{value.hint}")
        )

    def take(self, value: Var) -> Value | None:
        """The derivative to a number, complete."""
        return self.adjoints.pop(value, None)

    # --- blocks ---------------------------------------------------------------------------

    def block(self, block: Block, forward: Block) -> None:
        """Write the way back of a block into the current one, and the way there into `forward`."""
        parts = [self.stmt(stmt) for stmt in reversed(block.stmts)]
        for part in reversed(parts):
            forward.stmts += part

    def close(self, scope: Scope, forward: Block, place: int) -> None:
        """Write what restores a scope at `place` of the current block, and what saves it."""
        saved, slots, lines = Restorer(self, scope).run()
        start: list[Stmt] = []
        self.make_early(scope, forward)
        for array, sizes in self.sizes.items():
            if self.scope_of(array) is scope:
                at = next((k for k, s in enumerate(forward.stmts) if array in defined(s)), -1)
                wanted = [
                    scope.definer[n]
                    for n in sizes
                    if isinstance(n, Var) and (n in saved or scope.at_hand)
                ]
                forward.stmts[at + 1 : at + 1] = wanted
        if saved:
            outs = [scope.demanded[v] for v in saved]
            forward.stmts.append(Push(saved, slots, scope.frame))
            start.append(Pop(outs, slots, scope.frame))
        self.builder.block.stmts[place:place] = [*start, *lines]

    def make_early(self, scope: Scope, forward: Block) -> None:
        """Make the shadows that the way there adds to beside their arrays."""
        for array in scope.shadows.keys() & self.early:
            at = next(k for k, s in enumerate(forward.stmts) if array in defined(s))
            forward.stmts[at + 1 : at + 1] = self.make_shadow(array, scope)

    # --- statements -----------------------------------------------------------------------

    def stmt(self, stmt: Stmt) -> list[Stmt]:
        """Write the way back of a statement; return its way there."""
        active = self.activity.active
        match stmt:
            case If():
                return self.branch(stmt)
            case Loop():
                return reverse_loops.loop(self, stmt)
            case Call():
                return reverse_calls.call(self, stmt)
            case Compute():
                g = self.take(stmt.out)
                if g is not None:
                    self.compute(stmt, g)
            case Load():
                self.load(stmt)
            case Store() if active(stmt.array):
                self.store(stmt)
        return [copy(stmt)]

    def compute(self, stmt: Compute, g: Value) -> None:
        """Hand the derivative on to the operands."""
        rules = partials(stmt.op)
        for value, rule in zip(stmt.args, rules, strict=False):
            if rule is not None and self.activity.active(value):
                term = contribution(self.builder, stmt, g, rule, self.value)
                self.add(value, term)

    def load(self, stmt: Load) -> None:
        """Hand the derivative on to the element."""
        g = self.take(stmt.out)
        index = stmt.index
        if stmt.slot is not None:
            # An element of the arena is loaded once: what is not added need not be zero before.
            if self.activity.active(stmt.array):
                shadow = self.shadow(stmt.array)
                at = tuple(map(self.value, index))
                self.builder.append(Store(shadow, at, g or NOTHING, False, stmt.slot))
            return
        if g is not None and self.activity.active(stmt.array):
            at = tuple(map(self.value, index))
            self.builder.store(self.shadow(stmt.array), at, g, add=True)

    def store(self, stmt: Store) -> None:
        """Take the derivative from the element; what was there before has none."""
        shadow = self.shadow(stmt.array)
        counts = self.activity.active(stmt.value)
        if stmt.slot is not None:
            if counts:
                out = self.builder.var(F8, "g")
                at = tuple(map(self.value, stmt.index))
                self.builder.append(Load(out, shadow, at, stmt.slot))
                self.add(stmt.value, out)
            return
        index = tuple(map(self.value, stmt.index))
        g = self.builder.load(shadow, index, hint="g") if counts else None
        if not stmt.add:
            self.builder.store(shadow, index, NOTHING)
        if g is not None:
            self.add(stmt.value, g)

    def branch(self, stmt: If) -> list[Stmt]:
        """Write the way back of a branch."""
        there = If(
            stmt.test, Block(), Block(), [Merge(m.out, m.then, m.orelse) for m in stmt.merges]
        )
        back = If(ZERO, self.builder.child(), self.builder.child(), [])
        seeds = [(m, self.take(m.out)) for m in stmt.merges]
        before = self.adjoints
        ends = []
        for side, inner, fore, target in (
            ("then", stmt.then, there.then, back.then),
            ("orelse", stmt.orelse, there.orelse, back.orelse),
        ):
            self.adjoints = dict(before)
            scope = self.enter(inner.stmts, (), self.current)
            outer, self.current = self.current, scope
            with self.builder.inside(target):
                for merge, g in seeds:
                    if g is not None:
                        self.add(getattr(merge, side), g)
                self.block(inner, fore)
                self.close(scope, fore, 0)
            self.current = outer
            ends.append(self.adjoints)
        self.adjoints = before
        if not (back.then.stmts or back.orelse.stmts or _differ(ends, before)):
            return [there]
        back.test = self.value(stmt.test)
        self.builder.append(back)
        own = {v for b in (stmt.then, stmt.orelse) for s in b.stmts for v in defined(s)}
        for var in dict.fromkeys((*ends[0], *ends[1])):
            if var in own:
                continue
            a, b = (end.get(var, NOTHING) for end in ends)
            if a is b or a == b:
                self.adjoints[var] = a
                continue
            out = self.builder.var(F8, f"d_{var.hint}")
            back.merges.append(Merge(out, a, b))
            self.adjoints[var] = out
        return [there]

    # --- set by whoever runs it -----------------------------------------------------------

    current: Scope
    # What the derivatives to results are given as.
    seeds: set[Any]
    given_shadows: set[Var]
    arenas: set[Var]


def _differ(ends: list[dict[Var, Value]], before: dict[Var, Value]) -> bool:
    return any(
        before.get(var) is not end[var] and before.get(var) != end[var]
        for end in ends
        for var in end
    )

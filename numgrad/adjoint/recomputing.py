"""Iterations that are run again on the way back, from what was saved at their start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numgrad.adjoint.cloning import Cloner
from numgrad.adjoint.ir import (
    Alloc,
    Array,
    Block,
    Call,
    Frame,
    Loop,
    Outer,
    Pop,
    Push,
    Stmt,
    Value,
    Var,
    View,
    defined,
    free_values,
    walk,
)
from numgrad.errors import LanguageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numgrad.adjoint.builder import Builder
    from numgrad.adjoint.reverse import Reverse


class Snapshots:
    """The arrays that some statements read and that are not as they were on the way back.

    Their content is saved before the statements, and put into arrays of the way back, with which
    the statements are run again.
    """

    def __init__(self, reverse: Reverse, arrays: Iterable[Var], position: int) -> None:
        self.reverse = reverse
        self.slots: dict[Var, object] = {}
        self.table: dict[Any, Value] = {}
        self.frame = Frame()
        for array in arrays:
            root = reverse.memory.root(array)
            if not self.stays(root, position):
                self.slots.setdefault(root, object())
        for root in self.slots:
            if any(o is not root and r is root for o, r in self.shared()):
                raise LanguageError(
                    "checkpoint() is around code that writes to arguments which may share memory:"
                    " pass copies of them, as in f(a, a.copy())."
                )

    def shared(self) -> Iterable[tuple[Var, Var]]:
        """The parameters that may share memory with another one, and that one."""
        base = self.reverse.memory.base
        return ((p, base[p]) for p in self.reverse.procedure.params if p in base)

    def stays(self, root: Var, position: int) -> bool:
        """Whether an array is as it was then, on the way back."""
        reverse = self.reverse
        stmt = reverse.scope_of(root).definer.get(root)
        if isinstance(stmt, Outer):
            return True
        return reverse.kept(root) and max(reverse.writes.get(root, [-1])) < position

    @property
    def of_arena(self) -> bool:
        """Whether there are saves of another way there among them, which are not saved again."""
        return any(root in self.reverse.arenas for root in self.slots)

    def push(self) -> list[Stmt]:
        """Save the arrays."""
        return [Push([root], [slot], self.frame) for root, slot in self.slots.items()]

    def pop(self) -> list[Stmt]:
        """Restore them into the arrays of the way back."""
        return [
            Pop([], [slot], self.frame, self.table[root])  # type: ignore[arg-type]
            for root, slot in reversed(self.slots.items())
        ]

    def make(self, builder: Builder) -> None:
        """Make the arrays of the way back."""
        reverse = self.reverse
        for root in self.slots:
            stmt = reverse.scope_of(root).definer.get(root)
            shape = stmt.shape if isinstance(stmt, Alloc) else reverse.extents(root)
            self.table[root] = again = Var(root.type, root.hint)
            builder.append(Alloc(again, tuple(map(reverse.value, shape)), False))

    def again(self, array: Var, builder: Builder) -> Value:
        """The array of the way back for one of the way there: itself, or one that is restored."""
        if self.reverse.memory.root(array) not in self.slots:
            return self.reverse.value(array)
        if array not in self.table:
            stmt = self.reverse.scope_of(array).definer[array]
            assert isinstance(stmt, View)
            base = self.again(stmt.array, builder)
            self.table[array] = out = Var(array.type, array.hint)
            builder.append(View(out, base, stmt.kind, self.reverse.items(stmt)))  # type: ignore[arg-type]
        return self.table[array]


def inside(stmts: Sequence[Stmt]) -> set[Var]:
    """Everything that statements and their blocks define."""
    found: set[Var] = set()
    for stmt in walk(Block(None, list(stmts))):
        found.update(defined(stmt))
        if isinstance(stmt, Loop):
            found.update(p.inner for p in stmt.phis)
            if stmt.index is not None:
                found.add(stmt.index)
    return found


def outside(stmt: Stmt) -> list[Var]:
    """The arrays that a statement reads or writes to, and does not define itself."""
    own = inside([stmt])
    return [
        v
        for v in dict.fromkeys(free_values(stmt))
        if isinstance(v, Var) and isinstance(v.type, Array) and v not in own
    ]


def run_again(
    reverse: Reverse, snapshots: Snapshots, stmts: list[Stmt], table: dict[Any, Value]
) -> Cloner:
    """Append a copy of statements to the current block, with the values of the way back.

    `table` has names for what they find at their start. Returns what tells the names in the copy.
    """
    builder = reverse.builder
    own = inside(stmts)
    table.update(snapshots.table)
    for value in dict.fromkeys(v for s in stmts for v in free_values(s)):
        known = value in reverse.scopes or value in reverse.root.order
        if isinstance(value, Var) and known and value not in own and value not in table:
            table[value] = (
                snapshots.again(value, builder)
                if isinstance(value.type, Array)
                else reverse.value(value)
            )
    cloner = Cloner(table)
    builder.block.stmts += cloner.stmts(stmts)
    return cloner


def call_again(reverse: Reverse, stmt: Call) -> tuple[Snapshots, list[Value]]:
    """Prepare to run a call again: what is saved for it, and its arguments on the way back."""
    position = reverse.positions[id(stmt)]
    arrays = [a for a in stmt.args if isinstance(a, Var) and isinstance(a.type, Array)]
    snapshots = Snapshots(reverse, arrays, position)
    builder = reverse.builder
    snapshots.make(builder)
    args = [
        snapshots.again(a, builder)
        if isinstance(a, Var) and isinstance(a.type, Array)
        else reverse.value(a)
        for a in stmt.args
    ]
    return snapshots, args

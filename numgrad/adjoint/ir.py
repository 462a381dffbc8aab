"""The intermediate language: typed, single assignment, structured control flow, mutable arrays.

A function is read into it (`lowering`), transformed within it (`reverse`, `forward`), and written
from it as Python text (`printing`). Since transforms give what they take, they can be repeated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number: `f8`, `f4`, `i8` or `b1`."""

    code: str

    def __str__(self) -> str:
        return {"f8": "float64", "f4": "float32", "i8": "int64", "b1": "bool"}[self.code]


@dataclass(frozen=True, slots=True)
class Array:
    """An array of numbers."""

    code: str
    ndim: int

    def __str__(self) -> str:
        return f"{self.ndim}-d array of {Scalar(self.code)}"


Type: TypeAlias = Scalar | Array

F8, F4, I8, B1 = Scalar("f8"), Scalar("f4"), Scalar("i8"), Scalar("b1")


@dataclass(eq=False, slots=True)
class Block:
    """Statements in order, and the block that they stand in."""

    parent: Block | None = None
    stmts: list[Stmt] = field(default_factory=list)

    def encloses(self, other: Block | None) -> bool:
        """Whether `other` is this block or lies inside it."""
        while other is not None and other is not self:
            other = other.parent
        return other is self


@dataclass(frozen=True, slots=True, eq=False)
class Const:
    """A number that is known while the code is written; 0.0 and -0.0 are two."""

    type: Scalar
    value: float

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Const) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[str, str]:
        return self.type.code, repr(self.value)


@dataclass(eq=False, slots=True)
class Var:
    """What a statement gives; assigned in one place."""

    type: Type
    hint: str = "t"
    # A number that is not negative, as an index: it needs no wrapping around.
    nonneg: bool = False
    # Where it is defined.
    block: Block | None = None

    def __repr__(self) -> str:
        return f"{self.hint}:{self.type}"


Value: TypeAlias = Const | Var
Item: TypeAlias = Const | Var | tuple[Const | Var | None, ...] | None


@dataclass(eq=False, slots=True)
class Compute:
    """out = op(args), on numbers; `size` takes an array and an axis."""

    out: Var
    op: str
    args: tuple[Value, ...]


@dataclass(eq=False, slots=True)
class Load:
    """out = array[index]."""

    out: Var
    array: Var
    index: tuple[Value, ...]
    # What a save and its load have in common; None for other arrays.
    slot: object = None


@dataclass(eq=False, slots=True)
class Store:
    """array[index] = value, or += value."""

    array: Var
    index: tuple[Value, ...]
    value: Value
    add: bool = False
    slot: object = None


@dataclass(eq=False, slots=True)
class View:
    """out = part of an array, sharing its memory.

    kind `slice`: an item an axis, a Value (that element) or (start, stop, step), of which each may
    be None; None itself is a new axis. `transpose`: the axes. `reshape`: the shape of a contiguous
    array.
    """

    out: Var
    array: Var
    kind: str
    items: tuple[Item, ...]


@dataclass(eq=False, slots=True)
class Alloc:
    """out = a new array; zero where `zero`, else of unknown content.

    The arena is where saves are; it has no shape of its own.
    """

    out: Var
    shape: tuple[Value, ...]
    zero: bool
    arena: bool = False


@dataclass(eq=False, slots=True)
class Outer:
    """out = an array that the function closes over or finds among its globals."""

    out: Var
    name: str
    array: object


@dataclass(eq=False, slots=True)
class Phi:
    """A number that a loop carries: `inner` is `init` at first, then the `next` of before."""

    inner: Var
    init: Value
    next: Value
    out: Var


@dataclass(eq=False, slots=True)
class Merge:
    """A number that a branch chooses."""

    out: Var
    then: Value
    orelse: Value


@dataclass(eq=False, slots=True)
class If:
    """One of two blocks, by a bool."""

    test: Value
    then: Block
    orelse: Block
    merges: list[Merge]


@dataclass(eq=False, slots=True)
class Loop:
    """A loop over a range, or while `test` holds; it ends early where `stop` holds.

    The head computes `test` at the start of an iteration and is empty for a loop over a range.
    `trips` is how many iterations were completed. In a `parallel` loop the iterations may run in
    any order.
    """

    index: Var | None
    bounds: tuple[Value, Value, Value] | None
    head: Block
    test: Value | None
    body: Block
    stop: Value | None
    phis: list[Phi]
    trips: Var
    parallel: bool = False
    # Whether it undoes another loop and so has to run against its order.
    backward: bool = False
    # Whether iterations have nothing in common but numbers and elements that they add to.
    independent: bool = False
    # Under `checkpoint`: how many iterations are run again at once; 0 for the root of all.
    every: Value | None = None


@dataclass(eq=False, slots=True)
class Call:
    """outs = function(args)."""

    outs: tuple[Var, ...]
    function: Procedure
    args: tuple[Value, ...]
    # Whether it is run again on the way back, instead of saving.
    again: bool = False


@dataclass(eq=False, slots=True)
class Fail:
    """Raise an error if `test` holds."""

    test: Value
    error: str
    message: str


@dataclass(eq=False, slots=True)
class Frame:
    """What a block saves for its way back; `per_trip` if by number of the iteration."""

    per_trip: bool = False


@dataclass(eq=False, slots=True)
class Push:
    """Save numbers, or the content of an array."""

    values: list[Var]
    slots: list[object]
    frame: Frame


@dataclass(eq=False, slots=True)
class Pop:
    """Restore what a push saved; the content of an array goes `into` another."""

    outs: list[Var]
    slots: list[object]
    frame: Frame
    into: Var | None = None


Stmt: TypeAlias = (
    Compute | Load | Store | View | Alloc | Outer | If | Loop | Call | Fail | Push | Pop
)


@dataclass(eq=False, slots=True)
class Procedure:
    """A function: numbers and arrays in, numbers and arrays out."""

    name: str
    params: list[Var]
    body: Block
    results: list[Value]
    # Positions of parameters that it writes to, and of parameters that results may share
    # memory with, one set a result.
    writes: frozenset[int] = frozenset()
    # Parameters that may share memory have the same number.
    groups: tuple[int, ...] = ()
    # Whether it takes the arena and a position in it, and gives the new position.
    saves: bool = False


def operands(stmt: Stmt) -> Iterator[Value]:
    """What a statement reads, without what its blocks read."""
    match stmt:
        case Compute():
            yield from stmt.args
        case Load():
            yield stmt.array
            yield from stmt.index
        case Store():
            yield stmt.array
            yield from stmt.index
            yield stmt.value
        case View():
            yield stmt.array
            for item in stmt.items:
                if isinstance(item, tuple):
                    yield from (i for i in item if i is not None)
                elif item is not None:
                    yield item
        case Alloc():
            yield from stmt.shape
        case If():
            yield stmt.test
        case Loop():
            yield from stmt.bounds or ()
            if stmt.every is not None:
                yield stmt.every
            for phi in stmt.phis:
                yield phi.init
        case Call():
            yield from stmt.args
        case Fail():
            yield stmt.test
        case Push():
            yield from stmt.values
        case Pop():
            if stmt.into is not None:
                yield stmt.into


def inner_operands(stmt: Stmt) -> Iterator[Value]:
    """What a statement with blocks reads at their ends."""
    if isinstance(stmt, If):
        for merge in stmt.merges:
            yield merge.then
            yield merge.orelse
    elif isinstance(stmt, Loop):
        if stmt.test is not None:
            yield stmt.test
        if stmt.stop is not None:
            yield stmt.stop
        for phi in stmt.phis:
            yield phi.next


def blocks(stmt: Stmt) -> tuple[Block, ...]:
    """The blocks of a statement."""
    if isinstance(stmt, If):
        return stmt.then, stmt.orelse
    if isinstance(stmt, Loop):
        return stmt.head, stmt.body
    return ()


def defined(stmt: Stmt) -> tuple[Var, ...]:
    """What a statement defines in its own block."""
    match stmt:
        case Compute() | Load() | View() | Alloc() | Outer():
            return (stmt.out,)
        case If():
            return tuple(m.out for m in stmt.merges)
        case Loop():
            return (*(p.out for p in stmt.phis), stmt.trips)
        case Call():
            return stmt.outs
        case Pop():
            return tuple(stmt.outs)
        case _:
            return ()


def walk(block: Block) -> Iterator[Stmt]:
    """Every statement of a block and of the blocks in it."""
    for stmt in block.stmts:
        yield stmt
        for inner in blocks(stmt):
            yield from walk(inner)


def free_values(stmt: Stmt) -> Iterator[Value]:
    """Everything that a statement and its blocks read, also what they define themselves."""
    yield from operands(stmt)
    yield from inner_operands(stmt)
    for inner in blocks(stmt):
        for each in inner.stmts:
            yield from free_values(each)

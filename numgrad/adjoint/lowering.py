"""Reads functions into procedures: one for each function and combination of argument types."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, NoReturn

from numgrad.adjoint import expressions, jumps, loops, source
from numgrad.adjoint.assignment import assign, augment
from numgrad.adjoint.builder import Builder
from numgrad.adjoint.clean import clean
from numgrad.adjoint.fronts import (
    Front,
    Lazy,
    Shape,
    Static,
    Tuple,
    TupleType,
    Undefined,
    leaves,
    shape_of,
)
from numgrad.adjoint.ir import Array, Const, Procedure, Scalar, Value, Var
from numgrad.adjoint.merging import Merger
from numgrad.adjoint.simplify import simplify

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_ROUNDS = 8


class Program:
    """Procedures that call one another, by function and types."""

    def __init__(self) -> None:
        self.procedures: dict[Any, Entry] = {}

    def entry(
        self, function: Any, shapes: Sequence[Shape], groups: tuple[int, ...] | None = None
    ) -> Entry:
        """The procedure of a function for arguments of these types."""
        flat = [leaf for shape in shapes for leaf in flatten(shape)]
        if groups is None:
            groups = tuple(range(len(flat)))
        key = (function, tuple(shapes), groups)
        if key not in self.procedures:
            self.procedures[key] = entry = Entry(function, tuple(shapes), groups)
            entry.read(self, flat)
        return self.procedures[key]


class Entry:
    """A procedure and the types of what it takes and gives."""

    def __init__(self, function: Any, shapes: tuple[Shape, ...], groups: tuple[int, ...]) -> None:
        self.function = function
        self.shapes = shapes
        name = function.__name__
        self.procedure = Procedure(name if name.isidentifier() else "function", [], None, [])  # type: ignore[arg-type]
        self.procedure.groups = groups
        # What is assumed of it until it has been read, as recursive calls have to.
        self.result: Shape = Scalar("f8")
        self.recursive = False
        self.reading = False
        # Whether a result may share memory with an argument.
        self.shares = False

    def read(self, program: Program, flat: list[Shape]) -> None:
        """Read the function, again and again until what recursive calls assume is true."""
        procedure = self.procedure
        self.reading = True
        for _ in range(MOST_ROUNDS):
            lowering = Lowering(program, source.read(self.function))
            block = lowering.builder.block
            params = [
                Var(shape, hint, False, block)  # type: ignore[arg-type]
                for shape, hint in zip(flat, self.hints(lowering.source), strict=True)
            ]
            for k, (param, group) in enumerate(zip(params, procedure.groups, strict=True)):
                lowering.adopt(param, {params[procedure.groups.index(group)]}, k)
            arguments = _pack(list(params), self.shapes)
            result = lowering.run(arguments)
            lowering.merger.check_copies(lowering)
            assumed = (self.result, procedure.writes)
            self.result = shape_of(result)
            writes = (
                frozenset(
                    k for k, p in enumerate(params) if lowering.roots[p] & lowering.written.keys()
                )
                if any(isinstance(p.type, Array) for p in params)
                else frozenset()
            )
            self.shares = any(
                lowering.roots[v] - lowering.local
                for v in leaves(result)
                if isinstance(v, Var) and isinstance(v.type, Array)
            )
            procedure.params, procedure.body = params, block
            procedure.results = leaves(result)
            procedure.writes = writes | procedure.writes
            if not self.recursive or assumed == (self.result, procedure.writes):
                break
        self.reading = False
        clean(procedure)
        simplify(procedure)

    def hints(self, read: source.Source) -> list[str]:
        """Names for the parameters."""
        most = len(read.parameters)
        if not most - len(read.function.__defaults__ or ()) <= len(self.shapes) <= most:
            raise TypeError(
                f"{read.name}() takes the arguments ({', '.join(read.parameters)}), got"
                f" {len(self.shapes)}: pass all that have no default."
            )
        out: list[str] = []
        for name, shape in zip(read.parameters, self.shapes, strict=False):
            parts = flatten(shape)
            fields = getattr(getattr(shape, "cls", None), "_fields", None)
            if isinstance(shape, TupleType):
                names = fields if fields and len(fields) == len(parts) else range(len(parts))
                out += [f"{name}_{n}" for n in names]
            elif parts:
                out.append(name)
        return out


def flatten(shape: Shape) -> list[Shape]:
    """The types of the numbers and arrays in a value of this type."""
    if isinstance(shape, TupleType):
        return [leaf for item in shape.items for leaf in flatten(item)]
    return [] if isinstance(shape, Static) else [shape]


def _pack(values: list[Any], shapes: Sequence[Shape]) -> list[Front]:
    """Make arguments of these types from numbers and arrays; empties `values`."""
    packed: list[Front] = []
    for shape in shapes:
        if isinstance(shape, TupleType):
            packed.append(Tuple(_pack(values, shape.items), shape.cls))
        else:
            packed.append(shape if isinstance(shape, Static) else values.pop(0))
    return packed


class Lowering:
    """Reads one function, and those that it inlines, into the blocks of one procedure."""

    def __init__(self, program: Program, read: source.Source) -> None:
        self.program = program
        self.source = read
        self.builder = Builder()
        self.env: dict[str, Front] = {}
        # Array -> those whose memory it may share: parameters, new arrays, results of calls.
        self.roots: dict[Var, frozenset[Var]] = {}
        # What is written to, and where first.
        self.written: dict[Var, ast.AST | None] = {}
        self.constant: set[Var] = set()
        # New arrays of this function.
        self.local: set[Var] = set()
        # The variables of the functions that this one is read into.
        self.frames: list[dict[str, Front]] = []
        self.dims: dict[Var, list[Value]] = {}
        self.merger = Merger()
        # The functions that are being read in place, and the calls that led there.
        self.inlined: list[Any] = [read.function]
        self.path: list[ast.Call] = []
        self.trees: dict[Any, list[ast.stmt]] = {}
        # Loop -> types found for what it carries: the first guess of the next time.
        self.guesses: dict[Any, Any] = {}
        self.outers: dict[int, Var] = {}

    def adopt(self, array: Var, roots: set[Var], position: int | None = None) -> None:
        """Note a new array: its roots and its extents."""
        if not isinstance(array.type, Array):
            if position is not None:
                self.roots[array] = frozenset()
            return
        self.roots[array] = frozenset(roots)
        self.dims[array] = list(self.builder.sizes(array))

    def write(self, array: Var, node: ast.AST | None) -> None:
        """Note that an array is written to."""
        if self.roots[array] & self.constant:
            self.source.refuse(
                node or self.source.tree,
                "an array that is global or closed over is written to",
                "Numba treats it as a constant; pass it as an argument",
            )
        for root in self.roots[array]:
            self.written.setdefault(root, node)

    def run(self, arguments: Sequence[Front]) -> Front:
        """Read the function's body with these arguments; return its result."""
        names = self.source.parameters
        defaults = self.source.function.__defaults__ or ()
        missing = len(names) - len(arguments)
        if missing < 0 or missing > len(defaults):
            raise TypeError(
                f"{self.source.name}() takes {len(names)} arguments, got {len(arguments)}."
            )
        filled = [*arguments, *(expressions.static(d) for d in defaults[len(defaults) - missing :])]
        self.env = dict(zip(names, filled, strict=True))
        # The same tree each time, since the guesses of loops belong to its nodes.
        path = tuple(self.path)
        if path not in self.trees:
            self.trees[path] = jumps.structured(self.source.tree)
        self.body(self.trees[path])
        result = self.env.get(jumps.RESULT, Static(None))
        values, may_be_none = jumps.results(self.source.tree)
        if isinstance(result, Undefined):
            self.refuse(
                self.last_return(),
                "this function returns arrays from within a loop, or values of several kinds",
                "write into one array or variable, and return it at the end",
            )
        if values and may_be_none:
            self.refuse(
                self.last_return(),
                "this function returns a value here, but may also end without one",
                "return a value of the same kind everywhere",
            )
        return result

    def last_return(self) -> ast.AST:
        """The last return of the function."""
        return [n for n in ast.walk(self.source.tree) if isinstance(n, ast.Return)][-1]

    def body(self, stmts: Sequence[ast.stmt]) -> None:
        """Read statements."""
        for stmt in stmts:
            self.statement(stmt)

    def statement(self, stmt: ast.stmt) -> None:
        """Read one statement."""
        match stmt:
            case ast.Assign():
                value = self.settled(expressions.lower(self, stmt.value), stmt)
                for target in stmt.targets:
                    assign(self, target, value, stmt)
            case ast.AnnAssign(value=ast.expr() as given):
                assign(self, stmt.target, self.settled(expressions.lower(self, given), stmt), stmt)
            case ast.AugAssign():
                augment(self, stmt)
            case ast.If():
                loops.branch(self, stmt)
            case ast.For():
                loops.for_loop(self, stmt)
            case ast.While():
                loops.while_loop(self, stmt)
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                pass
            case ast.Expr():
                expressions.lower(self, stmt.value)
            case ast.Raise():
                self.refuse(stmt, "raise is not supported", "leave checks to the caller")
            case ast.Assert():
                self.refuse(stmt, "assert is not supported", "leave checks to the caller")
            case _:
                kind = type(stmt).__name__
                names = {
                    "FunctionDef": "a function within a function",
                    "Try": "try",
                    "With": "with",
                    "ClassDef": "class",
                    "Delete": "del",
                    "Global": "global",
                    "Nonlocal": "nonlocal",
                    "Import": "import",
                    "ImportFrom": "import",
                    "Match": "match",
                }
                instead = {
                    "FunctionDef": "define it outside with @numgrad.njit and call it",
                    "Global": "return the value instead",
                    "Import": "import at the top of the file",
                    "ImportFrom": "import at the top of the file",
                    "Match": "write if, elif, else",
                    "Delete": "leave it out",
                }
                self.refuse(
                    stmt,
                    f"{names.get(kind, kind)} is not supported",
                    instead.get(kind, "write it with assignments, loops and branches"),
                )

    def settled(self, value: Front, stmt: ast.stmt) -> Front:
        """Make the arrays of a value that are still to be made, for a plain name to hold."""
        targets = getattr(stmt, "targets", [getattr(stmt, "target", None)])
        if isinstance(value, Lazy) and len(targets) == 1 and isinstance(targets[0], ast.Subscript):
            return value
        if isinstance(value, Tuple):
            return Tuple([self.settled(i, ast.Pass()) for i in value.items], value.cls)
        return expressions.made(self, value)

    def refuse(self, node: ast.AST, problem: str, instead: str) -> NoReturn:
        """Raise the error for what stands at `node`."""
        self.source.refuse(node, problem, instead)

    def visible(self, value: Value) -> bool:
        """Whether a value can be read in the current block."""
        return (
            isinstance(value, Const)
            or value.block is None
            or value.block.encloses(self.builder.block)
        )

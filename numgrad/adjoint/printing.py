"""Procedures in, Python text out."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from numgrad.adjoint.builder import BOOLEAN, CASTS, DETACHED, EXACT, OWN, nonneg
from numgrad.adjoint.ir import (
    B1,
    F4,
    F8,
    I8,
    Alloc,
    Call,
    Compute,
    Const,
    Fail,
    If,
    Load,
    Loop,
    Outer,
    Store,
    Value,
    Var,
    View,
    inner_operands,
    operands,
    walk,
)
from numgrad.kernels import build
from numgrad.value import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numgrad.adjoint.ir import Block, Procedure, Stmt

INDENT = "    "
DTYPES = {"f8": "np.float64", "f4": "np.float32", "i8": "np.int64", "b1": "np.bool_"}
# Names that the text uses for other things than variables.
TAKEN = frozenset(
    re.findall(r"\w+", build.PRELUDE + "math np range len abs max min float int bool print tuple")
    + re.findall(r"\w+", "arena called compiled from_bits release sign to_bits u")
)


def templates() -> dict[str, str]:
    """The text of every operation."""
    ops: dict[str, Any] = dict(REGISTRY)
    table = {
        name: op.template for name, op in ops.items() if getattr(op, "template", None) is not None
    }
    return {**table, "sign": "sign({0})", **OWN, **EXACT, **BOOLEAN, **CASTS, **DETACHED}


def source(procedure: Procedure, taken: Iterable[str] = ()) -> str:
    """The text of one procedure; `taken` are names of others, which no variable may have."""
    return _Printer(procedure, taken).text()


class _Printer:
    """Names variables and writes lines."""

    def __init__(self, procedure: Procedure, taken: Iterable[str]) -> None:
        self.procedure = procedure
        self.templates = templates()
        self.names: dict[Var, str] = {}
        self.used: dict[str, int] = dict.fromkeys((*TAKEN, *taken), 1)
        self.lines: list[str] = []
        self.arenas: list[Var] = []

    def text(self) -> str:
        """Return the whole function."""
        procedure = self.procedure
        arguments = ", ".join(self.name(p) for p in procedure.params)
        self.lines.append(f"def {procedure.name}({arguments}):")
        self.write(procedure.body, 1)
        results = [self.value(r) for r in procedure.results]
        self.lines += [f"{INDENT}{line}" for line in self.releases()]
        body = results[0] if len(results) == 1 else f"({', '.join(results)})"
        self.lines.append(f"{INDENT}return {body if results else '0'}")
        return "\n".join([*self.lines, ""])

    def releases(self) -> list[str]:
        """The lines that give the arenas back that have been taken so far."""
        return [f"release({self.name(a)})" for a in self.arenas]

    def name(self, var: Var) -> str:
        """Return the name of a variable, new if it is new."""
        if var not in self.names:
            hint = var.hint
            count = self.used.get(hint, 0)
            name = hint if not count else f"{hint}_{count}"
            while name in self.used:
                count += 1
                name = f"{hint}_{count}"
            self.used[hint] = count + 1
            self.used.setdefault(name, 1)
            self.names[var] = name
        return self.names[var]

    def value(self, value: Value) -> str:
        """Return the text of a value."""
        if isinstance(value, Var):
            return self.name(value)
        if value.type == B1:
            return str(bool(value.value))
        if value.type == I8:
            return str(int(value.value))
        text = repr(float(value.value))
        if not math.isfinite(value.value):
            text = f"({text})".replace("inf", "math.inf").replace("nan", "math.nan")
        return f"np.float32({text})" if value.type == F4 else text

    def index(self, items: Iterable[Value]) -> str:
        """Return the text of an index; u() tells Numba that it need not wrap around."""
        texts = [
            f"u({self.value(i)})" if isinstance(i, Var) and nonneg(i) else self.value(i)
            for i in items
        ]
        return ", ".join(texts) or "()"

    def shape(self, items: Sequence[Value]) -> str:
        """Return the text of a shape."""
        texts = [self.value(i) for i in items]
        return f"({', '.join(texts)}{',' if len(texts) == 1 else ''})"

    def write(self, block: Block, depth: int) -> None:
        """Write the statements of a block."""
        for stmt in block.stmts:
            for line in self.statement(stmt, depth):
                self.lines.append(f"{INDENT * depth}{line}")

    def argument(self, stmt: Compute, value: Value) -> str:
        """The text of an operand; functions of floats take no integers."""
        if isinstance(value, Const) and value.type == I8 and stmt.op in REGISTRY:
            value = Const(F8, float(value.value))
        return self.operand(value)

    def template(self, stmt: Compute) -> str:
        """The text of an operation; float() of Numba takes no bool."""
        if stmt.op in CASTS and stmt.args[0].type == B1:
            return CASTS[stmt.op].format("(1.0 if {0} else 0.0)")
        return self.templates[stmt.op]

    def statement(self, stmt: Stmt, depth: int) -> list[str]:
        """Return the lines of a simple statement, or write one with blocks."""
        match stmt:
            case Compute():
                text = self.template(stmt).format(*(self.argument(stmt, a) for a in stmt.args))
                return [f"{self.name(stmt.out)} = {_bare(text)}"]
            case Load():
                return [
                    f"{self.name(stmt.out)} = {self.name(stmt.array)}[{self.index(stmt.index)}]"
                ]
            case Store():
                sign = "+=" if stmt.add else "="
                target = f"{self.name(stmt.array)}[{self.index(stmt.index)}]"
                return [f"{target} {sign} {self.value(stmt.value)}"]
            case View():
                return [f"{self.name(stmt.out)} = {self.view(stmt)}"]
            case Alloc() if stmt.arena:
                self.arenas.append(stmt.out)
                return [f"{self.name(stmt.out)} = arena()"]
            case Alloc():
                make = "np.zeros" if stmt.zero else "np.empty"
                dtype = DTYPES[stmt.out.type.code]
                suffix = "" if dtype == "np.float64" else f", dtype={dtype}"
                return [f"{self.name(stmt.out)} = {make}({self.shape(stmt.shape)}{suffix})"]
            case Outer():
                return [f"{self.name(stmt.out)} = {stmt.name}"]
            case Call():
                outs = ", ".join(map(self.name, stmt.outs))
                arguments = ", ".join(map(self.value, stmt.args))
                call = f"{stmt.function.name}({arguments})"
                return [f"{outs} = {call}" if outs else call]
            case Fail():
                return [
                    f"if {self.value(stmt.test)}:",
                    *(f"{INDENT}{line}" for line in self.releases()),
                    f"{INDENT}raise {stmt.error}({stmt.message!r})",
                ]
            case If():
                self.write_if(stmt, depth)
            case Loop():
                self.write_loop(stmt, depth)
        return []

    def operand(self, value: Value) -> str:
        """Return the text of an operand; a negative number needs brackets."""
        text = self.value(value)
        return f"({text})" if text.startswith("-") else text

    def view(self, stmt: View) -> str:
        """Return the text of a view."""
        array = self.name(stmt.array)
        if stmt.kind == "transpose":
            return f"{array}.transpose({self.shape(stmt.items)})"  # type: ignore[arg-type]
        if stmt.kind == "reshape":
            return f"{array}.reshape({self.shape(stmt.items)})"  # type: ignore[arg-type]
        parts = []
        for item in stmt.items:
            if item is None:
                parts.append("np.newaxis")
            elif isinstance(item, tuple):
                start, stop, step = ("" if i is None else self.value(i) for i in item)
                parts.append(f"{start}:{stop}:{step}" if step else f"{start}:{stop}")
            else:
                parts.append(self.value(item))
        return f"{array}[{', '.join(parts)}]"

    def write_if(self, stmt: If, depth: int) -> None:
        """Write a branch; each side assigns what it gives."""
        indent = INDENT * depth
        sides = [
            (stmt.then, [(m.out, m.then) for m in stmt.merges]),
            (stmt.orelse, [(m.out, m.orelse) for m in stmt.merges]),
        ]
        test = self.value(stmt.test)
        if not stmt.then.stmts and not stmt.merges:
            test, sides = f"not {test}", sides[1:]
        for k, (block, gives) in enumerate(sides):
            if k and not block.stmts and not gives:
                continue
            self.lines.append(f"{indent}else:" if k else f"{indent}if {test}:")
            start = len(self.lines)
            self.write(block, depth + 1)
            self.assign(gives, depth + 1)
            if len(self.lines) == start:
                self.lines.append(f"{indent}{INDENT}pass")

    def write_loop(self, stmt: Loop, depth: int) -> None:
        """Write a loop; what it carries is assigned before it and at its end."""
        indent = INDENT * depth
        for phi in stmt.phis:
            # One variable serves: what the loop carries is what it leaves.
            self.names[phi.out] = self.name(phi.inner)
        self.assign([(phi.inner, phi.init) for phi in stmt.phis], depth)
        counts = self.counted(stmt)
        if counts:
            self.lines.append(f"{indent}{self.name(stmt.trips)} = 0")
        if stmt.bounds is None or stmt.index is None:
            self.lines.append(f"{indent}while True:")
        else:
            low, high, step = stmt.bounds
            bounds = [self.value(high)]
            if step != Const(I8, 1):
                bounds = [self.value(low), self.value(high), self.value(step)]
            elif low != Const(I8, 0):
                bounds = [self.value(low), self.value(high)]
            self.lines.append(f"{indent}for {self.name(stmt.index)} in range({', '.join(bounds)}):")
        start = len(self.lines)
        self.write(stmt.head, depth + 1)
        if stmt.test is not None:
            self.lines.append(f"{indent}{INDENT}if not {self.value(stmt.test)}:")
            self.lines.append(f"{indent}{INDENT * 2}break")
        self.write(stmt.body, depth + 1)
        self.assign([(phi.inner, phi.next) for phi in stmt.phis], depth + 1)
        if counts:
            self.lines.append(f"{indent}{INDENT}{self.name(stmt.trips)} += 1")
        if stmt.stop is not None:
            self.lines.append(f"{indent}{INDENT}if {self.value(stmt.stop)}:")
            self.lines.append(f"{indent}{INDENT * 2}break")
        if len(self.lines) == start:
            self.lines.append(f"{indent}{INDENT}pass")

    def counted(self, loop: Loop) -> bool:
        """Whether the number of iterations is read anywhere."""
        if not hasattr(self, "read"):
            self.read = {
                v for s in walk(self.procedure.body) for v in (*operands(s), *inner_operands(s))
            } | set(self.procedure.results)
        return loop.trips in self.read

    def assign(self, pairs: Sequence[tuple[Var, Value]], depth: int) -> None:
        """Assign at once: each value is that of before."""
        moves = [
            (self.name(out), self.value(value))
            for out, value in pairs
            if self.name(out) != self.value(value)
        ]
        indent = INDENT * depth
        targets = {target for target, _ in moves}
        late = [m for m in moves if m[1] in targets]
        # Those that read no variable that is assigned here come last; the others, if they are
        # several, in one statement.
        rest = [m for m in moves if m[1] not in targets]
        if len(late) == 1:
            self.lines.append(f"{indent}{late[0][0]} = {late[0][1]}")
        elif late:
            left, right = (", ".join(side) for side in zip(*late, strict=True))
            self.lines.append(f"{indent}{left} = {right}")
        self.lines += [f"{indent}{target} = {value}" for target, value in rest]


def _bare(text: str) -> str:
    """Strip brackets around the whole text."""
    if text.startswith("(") and text.endswith(")"):
        depth = 0
        for k, character in enumerate(text):
            depth += (character == "(") - (character == ")")
            if not depth and k < len(text) - 1:
                return text
        return text[1:-1]
    return text

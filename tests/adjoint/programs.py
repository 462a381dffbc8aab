"""Random programs, and whether their gradients are those of the oracle.

    python -m tests.adjoint.programs --count 5000

writes programs, differentiates each with the generated adjoint, run by the plain interpreter, and
compares with the oracle. `--compiled` has Numba compile them. A program that differs is made
smaller as long as it differs, then printed.
"""

from __future__ import annotations

import argparse
import ast
import collections
import contextlib
import itertools
import linecache
import math
import random
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.adjoint import oracle, subject
from tests.adjoint.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOLERANCE = 1e-9
"""The largest difference, relative to the largest entry of the gradient."""
LARGEST = 1e5
"""Programs with larger results or gradients are passed over: rounding would decide."""
MOST_NUMBERS = 20_000
"""Programs that compute more numbers than this are passed over."""

_names = itertools.count()


@dataclass(frozen=True)
class Program:
    """The text of a program with arguments for `main`, and seeds for its results."""

    seed: int
    text: str
    arguments: tuple[Any, ...]

    def args(self) -> list[Any]:
        """The arguments, arrays made anew."""
        return [np.array(a) if isinstance(a, list) else a for a in self.arguments]

    def load(self, decorate: Callable[[Any], Any]) -> Any:
        """`main`, every function of which is decorated; `inspect` finds its source."""
        return load(self.text, decorate)

    @property
    def argnums(self) -> tuple[int, ...]:
        """The arguments to differentiate: all floats."""
        return tuple(n for n, a in enumerate(self.arguments) if not isinstance(a, int))

    def seeds(self, count: int) -> list[float]:
        """A weight for each scalar of the result."""
        weights = random.Random(self.seed)  # noqa: S311 - no secret hangs on it
        return [round(weights.uniform(0.5, 1.5), 2) for _ in range(count)]


class Mismatch(Exception):  # noqa: N818 - it is what is looked for
    """The gradient of a program is not that of the oracle."""


class Unfit(Exception):  # noqa: N818 - it says that there is nothing to compare
    """A program with results that are too large, not finite, or not computable."""


def write(seed: int) -> Program:
    """The program of a seed."""
    writer = Writer(seed)
    return Program(seed, writer.program(), tuple(writer.arguments()))


def load(text: str, decorate: Callable[[Any], Any]) -> Any:
    """`main` of a program, every function of which is decorated; `inspect` finds its source."""
    name = f"<program {next(_names)}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    names: dict[str, Any] = {"math": math, "np": np, "njit": decorate, "__name__": "__main__"}
    exec(compile(text, name, "exec"), names)  # noqa: S102
    return names["main"]


def expected(program: Program) -> tuple[np.ndarray, list[float], np.ndarray]:
    """Values, seeds and gradient after the oracle; raises Unfit where nothing can be compared."""
    function = load(program.text, lambda f: f)
    try:
        ties = oracle.numbers.ties[0]
        with np.errstate(all="ignore"), small():
            tape = oracle.Tape(function, program.args(), program.argnums)
            values = np.array([float(v) for v in tape.results])
            seeds = program.seeds(len(values))
            gradient = np.array([float(g) for g in tape.vjp(seeds)])
    except (ArithmeticError, ValueError) as error:
        raise Unfit(str(error)) from error
    if oracle.numbers.ties[0] > ties:
        raise Unfit("equal numbers compared")
    for found in (values, gradient):
        if not np.isfinite(found).all() or np.abs(found).max(initial=0.0) > LARGEST:
            raise Unfit("too large")
    return values, seeds, gradient


@contextlib.contextmanager
def small() -> Iterator[None]:
    """Stop programs that compute more than `MOST_NUMBERS` numbers."""
    count = itertools.count()
    before = oracle.numbers._serial

    class Counter:
        def __next__(self) -> int:
            number = next(count)
            if number > MOST_NUMBERS:
                raise Unfit("too long")
            return number

    oracle.numbers._serial = Counter()
    try:
        yield
    finally:
        oracle.numbers._serial = before


def difference(found: np.ndarray, wanted: np.ndarray) -> float:
    """The largest difference of two vectors, relative to the largest entry wanted."""
    if found.shape != wanted.shape or not np.isfinite(found).all():
        return math.inf
    return float(
        np.abs(found - wanted).max(initial=0.0) / max(1.0, np.abs(wanted).max(initial=0.0))
    )


def check(program: Program, *, compiled: bool = False) -> str:
    """Compare the gradient of a program; gives "same", or why it was refused.

    Raises:
        Mismatch: value or gradient differ, or the generated code fails.
        Unfit: the oracle says that there is nothing to compare.
    """
    values, seeds, gradient = expected(program)
    run = subject.compiled if compiled else subject.interpreted
    try:
        value, found = run(program, seeds)
    except subject.REFUSED as error:
        return f"refused: {error}"
    except Exception as error:
        raise Mismatch(f"{type(error).__name__}: {error}") from error
    if difference(value, values) > TOLERANCE:
        raise Mismatch(f"value\n  expected {values}\n  got      {value}")
    if difference(found, gradient) > TOLERANCE:
        raise Mismatch(f"gradient\n  expected {gradient}\n  got      {found}")
    return "same"


def differs(program: Program, *, compiled: bool = False, like: str = "") -> bool:
    """Whether a program, perhaps one that lost statements, is a mismatch that starts so."""
    try:
        with at_most(5 if compiled else 1):
            check(program, compiled=compiled)
    except Mismatch as mismatch:
        return str(mismatch).startswith(like)
    except Exception:  # noqa: BLE001 - what lost too much to run is no mismatch
        return False
    return False


@contextlib.contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Stop what a program that lost a statement may have become: a loop without an end."""

    def stop(*_: object) -> None:
        raise Unfit("too long")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def shrink(program: Program, *, compiled: bool = False, seconds: float = 60.0) -> Program:
    """The program with as few statements as still differ in the same way."""
    try:
        check(program, compiled=compiled)
    except Mismatch as mismatch:
        like = str(mismatch).split("\n", 1)[0][:45]
    until = time.monotonic() + seconds
    found = True
    while found and time.monotonic() < until:
        found = False
        for text in smaller(program.text):
            candidate = Program(program.seed, text, program.arguments)
            if differs(candidate, compiled=compiled, like=like):
                program, found = candidate, True
                break
            if time.monotonic() > until:
                break
    return program


def smaller(text: str) -> Iterator[str]:
    """Programs with one statement less, one block opened, or one expression made simpler."""

    def bodies(tree: ast.AST) -> list[tuple[ast.AST, str]]:
        return [
            (node, name)
            for node in ast.walk(tree)
            for name in ("body", "orelse")
            if isinstance(getattr(node, name, None), list)
        ]

    tree = ast.parse(text)
    for place, (node, name) in enumerate(bodies(tree)):
        for number in range(len(getattr(node, name))):
            for way in ("drop", "open", "else"):
                copy = ast.parse(text)
                owner, field = bodies(copy)[place]
                body = getattr(owner, field)
                statement = body[number]
                last = isinstance(owner, ast.FunctionDef) and number == len(body) - 1
                if last and isinstance(statement, ast.Return):
                    continue
                if way == "drop":
                    new: list[Any] = []
                elif way == "open" and isinstance(statement, ast.If | ast.For | ast.While):
                    new = statement.body
                elif way == "else" and isinstance(statement, ast.If) and statement.orelse:
                    new = statement.orelse
                else:
                    continue
                body[number : number + 1] = new
                if not body and field == "body":
                    if isinstance(owner, ast.Module):
                        continue
                    body.append(ast.Pass())
                    if isinstance(statement, ast.Pass):
                        continue
                yield ast.unparse(copy)
    yield from _simpler(text)


def _simpler(text: str) -> Iterator[str]:
    """Programs in which an operation, a call or a choice gives way to one of its operands."""

    def operands(node: ast.AST) -> list[ast.expr]:
        match node:
            case ast.BinOp(left=left, right=right):
                return [left, right]
            case ast.UnaryOp(operand=operand):
                return [operand]
            case ast.IfExp(body=body, orelse=orelse):
                return [body, orelse]
            case ast.Call(args=args):
                return args
        return []

    tree = ast.parse(text)
    for place, node in enumerate(ast.walk(tree)):
        for choice in range(len(operands(node))):
            copy = ast.parse(text)
            target = next(itertools.islice(ast.walk(copy), place, None))
            replacement = operands(target)[choice]
            if _replace(copy, target, replacement):
                yield ast.unparse(copy)


def _replace(tree: ast.AST, old: ast.AST, new: ast.AST) -> bool:
    for node in ast.walk(tree):
        for name, value in ast.iter_fields(node):
            if value is old:
                setattr(node, name, new)
                return True
            if isinstance(value, list) and any(item is old for item in value):
                value[[item is old for item in value].index(True)] = new
                return True
    return False


def report(program: Program, mismatch: str) -> str:
    """A mismatch to read: the program, its arguments, what was expected and what came."""
    return f"seed {program.seed}\n\n{program.text}\nmain(*{list(program.arguments)})\n{mismatch}\n"


def run(seeds: Any, *, compiled: bool, most: int, show_refused: bool) -> int:
    """Check many programs; prints mismatches and counts, and gives the number of mismatches."""
    counts: collections.Counter[str] = collections.Counter()
    refused: collections.Counter[str] = collections.Counter()
    for seed in seeds:
        program = write(seed)
        try:
            outcome = check(program, compiled=compiled)
        except Unfit:
            outcome = "unfit"
        except Mismatch:
            outcome = "MISMATCH"
            small_one = shrink(program, compiled=compiled)
            try:
                check(small_one, compiled=compiled)
            except Mismatch as last:
                mismatch = last
            print(report(small_one, str(mismatch)), flush=True)
        if outcome.startswith("refused"):
            refused[outcome] += 1
            outcome = "refused"
        counts[outcome] += 1
        if counts["MISMATCH"] >= most:
            break
    if show_refused:
        for message, number in refused.most_common(40):
            print(f"{number:5} {message}")
    print(", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items())))
    return counts["MISMATCH"]


def main() -> int:
    """The command line; 1 if any program differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.adjoint.programs")
    parser.add_argument("--count", type=int, default=5000, help="default: 5000")
    parser.add_argument("--start", type=int, default=0, help="the first seed; default: 0")
    parser.add_argument("--compiled", action="store_true", help="have Numba compile the adjoints")
    parser.add_argument("--most", type=int, default=10, help="mismatches to stop after")
    parser.add_argument(
        "--show-refused", action="store_true", help="print why programs are refused"
    )
    options = parser.parse_args()
    seeds = range(options.start, options.start + options.count)
    wrong = run(
        seeds, compiled=options.compiled, most=options.most, show_refused=options.show_refused
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

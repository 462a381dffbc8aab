"""Reads branches and loops: what they choose and what they carry."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from numgrad.adjoint import checkpoints, expressions, lazy, subscripts
from numgrad.adjoint.assignment import assign
from numgrad.adjoint.builder import ONE, ZERO, nonneg, number
from numgrad.adjoint.fronts import Front, Static, Tuple, Undefined, is_array, unify
from numgrad.adjoint.ir import (
    F4,
    F8,
    I8,
    Call,
    Const,
    If,
    Loop,
    Phi,
    Scalar,
    Store,
    Value,
    Var,
    walk,
)
from numgrad.adjoint.merging import cast, hint, merge

if TYPE_CHECKING:
    from collections.abc import Callable

    from numgrad.adjoint.lowering import Lowering

MOST_ROUNDS = 12
BUFFER = "buffer"


def branch(lo: Lowering, stmt: ast.If) -> None:
    """Read an if."""
    test = expressions.condition(lo, stmt.test)
    if isinstance(test, Const):
        lo.body(stmt.body if test.value else stmt.orelse)
        return
    before = lo.env
    node = If(test, lo.builder.child(), lo.builder.child(), [])
    envs = []
    for block, body in ((node.then, stmt.body), (node.orelse, stmt.orelse)):
        lo.env = dict(before)
        with lo.builder.inside(block):
            lo.body(body)
        envs.append(lo.env)
    lo.env = before
    merged: dict[str, Front] = {}
    for name in dict.fromkeys((*envs[0], *envs[1])):
        sides = (envs[0].get(name, Undefined(name)), envs[1].get(name, Undefined(name)))
        merged[name] = merge(lo, node, name, sides, (envs[0], envs[1]), stmt)
    lo.env = merged
    lo.builder.append(node)


def for_loop(lo: Lowering, stmt: ast.For) -> None:
    """Read a for loop over a range, an array, or a tuple."""
    iterated, every = _under_checkpoint(lo, stmt)
    sequence, bind = _sequence(lo, stmt, iterated)
    if isinstance(sequence, Tuple):
        if hasattr(stmt, "stop"):
            lo.refuse(stmt, "break in a loop over a tuple is not supported", "use range and an if")
        for item in sequence.items:
            assign(lo, stmt.target, item, stmt)
            lo.body(stmt.body)
        return
    bounds: Any = sequence
    low, high, step = bounds
    rising = isinstance(step, Const) and (
        (step.value > 0 and nonneg(low))
        or (step.value < 0 and isinstance(high, Const) and high.value >= -1)
    )

    def start(index: Var) -> None:
        bind(index)

    _carry(lo, stmt, bounds, start, rising=rising, every=every)


def _under_checkpoint(lo: Lowering, stmt: ast.For) -> tuple[ast.expr, Value | None]:
    """What a loop runs over, and of `checkpoint` how many iterations are run again at once."""
    node = stmt.iter
    if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)):
        called = expressions.lower(lo, node.func)
        if isinstance(called, Static) and called.value is checkpoints.checkpoint:
            return checkpoints.of_range(lo, node)
    return node, None


def _sequence(lo: Lowering, stmt: ast.For, iterated: ast.expr) -> tuple[Any, Callable[[Var], None]]:
    """What a loop runs over: bounds, and what binds its variables to an index; or a tuple."""

    def indexed(fronts: list[Front], *, count: bool) -> tuple[Any, Callable[[Var], None]]:
        arrays = [expressions.made(lo, f) for f in fronts]
        length = lo.dims[arrays[0]][0]  # type: ignore[index]
        for other in arrays[1:]:
            length = lo.builder.emit("i.min", length, lo.dims[other][0])  # type: ignore[index]

        def bind(index: Var) -> None:
            items: list[Front] = [subscripts.item(lo, a, [index], stmt) for a in arrays]
            value = items[0] if len(items) == 1 else Tuple(items)
            assign(lo, stmt.target, Tuple([index, value]) if count else value, stmt)

        return (ZERO, length, ONE), bind

    def in_range(args: list[Value]) -> tuple[Any, Callable[[Var], None]]:
        low, high, step = (
            (ZERO, args[0], ONE) if len(args) == 1 else (*args, ONE) if len(args) == 2 else args
        )
        if isinstance(step, Const) and step.value == 0:
            lo.refuse(stmt, "range() has a step of 0", "give another step")
        return (low, high, step), lambda index: assign(lo, stmt.target, index, stmt)

    if isinstance(iterated, ast.Call):
        called = expressions.lower(lo, iterated.func)
        name = getattr(called.value, "__name__", "") if isinstance(called, Static) else ""
        if name in {"range", "prange"}:
            return in_range([expressions.integer(lo, a) for a in iterated.args])
        if name == "enumerate" and len(iterated.args) == 1:
            return indexed([_array(lo, iterated.args[0])], count=True)
        if name == "zip":
            return indexed([_array(lo, a) for a in iterated.args], count=False)
    value = expressions.lower(lo, iterated)
    if isinstance(value, Tuple):
        return value, lambda _: None
    if is_array(value):
        return indexed([value], count=False)
    return lo.refuse(
        stmt, "a loop over this is not supported", "loop over range(n), an array or a tuple"
    )


def _array(lo: Lowering, node: ast.expr) -> Front:
    value = expressions.lower(lo, node)
    if not is_array(value):
        lo.refuse(node, "only arrays can be enumerated here", "loop over range(n) and index")
    return value


def while_loop(lo: Lowering, stmt: ast.While) -> None:
    """Read a while loop."""
    _carry(lo, stmt, None, None, rising=False)


def _carry(
    lo: Lowering,
    stmt: ast.For | ast.While,
    bounds: Any,
    start: Callable[[Var], None] | None,
    *,
    rising: bool,
    every: Value | None = None,
) -> None:
    """Read a loop, again until the types of what it carries are known."""
    names = _assigned(stmt)
    guess: dict[Any, Any] = lo.guesses.setdefault(stmt, {})
    before = lo.env
    for _ in range(MOST_ROUNDS):
        kept, copies = len(lo.builder.block.stmts), len(lo.merger.copies)
        attempt = _Attempt(lo, stmt, names, guess, bounds, rising=rising, every=every)
        if attempt.run(start):
            return
        del lo.builder.block.stmts[kept:]
        del lo.merger.copies[copies:]
        lo.env = before
    lo.refuse(stmt, "the types of what this loop assigns cannot be found", "assign one type only")


class _Attempt:
    """One reading of a loop with assumed types."""

    def __init__(
        self,
        lo: Lowering,
        stmt: ast.For | ast.While,
        names: list[str],
        guess: dict[Any, Any],
        bounds: Any,
        *,
        rising: bool,
        every: Value | None,
    ) -> None:
        self.lo = lo
        self.every = every
        self.stmt = stmt
        self.names = names
        self.guess = guess
        self.bounds = bounds
        self.rising = rising
        self.before = lo.env
        self.head = lo.builder.child()
        with lo.builder.inside(self.head):
            self.body = lo.builder.child()
        self.phis: list[tuple[Any, Var, Value, str]] = []
        self.buffers: dict[Any, Var] = {}
        self.complete = True

    def run(self, start: Callable[[Var], None] | None) -> bool:
        """Read the loop; False if an assumption was wrong."""
        lo, stmt = self.lo, self.stmt
        env = dict(self.before)
        for name in self.names:
            env[name] = self.enter((name,), self.before.get(name, Undefined(name)), name)
        lo.env = dict(env)
        index = Var(I8, hint(_target_hint(stmt)), self.rising, self.head)
        test: Value | None = None
        if isinstance(stmt, ast.While):
            with lo.builder.inside(self.head):
                test = expressions.condition(lo, stmt.test)
            if any(isinstance(s, (Store, Call)) for s in walk(self.head)):
                lo.refuse(
                    stmt,
                    "the condition of a while loop calls a function that is not read in place",
                    "compute it into a variable before the loop and at its end",
                )
            if isinstance(test, Const) and test.value:
                test = None
        with lo.builder.inside(self.body):
            if start is not None:
                start(index)
            lo.body(stmt.body)
        stop = lo.env.get(getattr(stmt, "stop", ""), None)
        if isinstance(stop, Const) and not stop.value:
            stop = None
        ends: dict[str, Front] = lo.env
        nexts: dict[Any, Value] = {}
        for name in self.names:
            self.leave((name,), env[name], ends.get(name, Undefined(name)), name, nexts)
        if not self.complete:
            return False
        with lo.builder.inside(self.body):
            self.fill_buffers(ends)
        after = dict(self.before)
        phis = []
        outs: dict[Any, Var] = {}
        for key, inner, init, name in self.phis:
            out = lo.builder.var(inner.type, hint(name))
            outs[key] = out
            phis.append(Phi(inner, init, nexts[key], out))
        for name in self.names:
            after[name] = self.final((name,), env[name], outs, name)
        lo.env = after
        trips = lo.builder.var(I8, "trips", nonneg=True)
        is_for = self.bounds is not None
        lo.builder.append(
            Loop(
                index if is_for else None,
                self.bounds,
                self.head,
                test,
                self.body,
                stop,  # type: ignore[arg-type]
                phis,
                trips,
                every=self.every,
            )
        )
        return True

    def enter(self, key: Any, front: Front, name: str) -> Front:
        """What a variable is at the start of an iteration."""
        lo = self.lo
        known = self.guess.get(key)
        if isinstance(front, Tuple):
            return Tuple(
                [self.enter((*key, k), f, name) for k, f in enumerate(front.items)], front.cls
            )
        if isinstance(front, Undefined):
            if not isinstance(known, Scalar):
                return front
            zero = number(0.0) if known in (F8, F4) else Const(known, 0)
            return self.phi(key, known, zero, name)
        if isinstance(front, (Const, Var)) and isinstance(front.type, Scalar):
            type = known if isinstance(known, Scalar) else front.type
            return self.phi(key, type, cast(lo, front, type), name)
        if isinstance(front, Var) and known == BUFFER:
            out = lazy.new_array(lo, front.type.code, lo.dims[front], hint(name))
            lo.merger.note(lo, out, front, name, self.stmt)
            lazy.copy_into(lo, out, front)
            self.buffers[key] = out
            return out
        return front

    def phi(self, key: Any, type: Scalar, init: Value, name: str) -> Var:
        """Carry a number."""
        inner = Var(type, hint(name), False, self.head)
        self.phis.append((key, inner, init, name))
        return inner

    def leave(
        self, key: Any, entered: Front, front: Front, name: str, nexts: dict[Any, Value]
    ) -> None:
        """Compare what a variable is at the end of an iteration with what was assumed."""
        lo = self.lo
        if isinstance(entered, Tuple) and isinstance(front, Tuple):
            if len(entered.items) == len(front.items):
                for k, (e, f) in enumerate(zip(entered.items, front.items, strict=True)):
                    self.leave((*key, k), e, f, name, nexts)
                return
        elif isinstance(entered, Var) and isinstance(entered.type, Scalar):
            if isinstance(front, (Const, Var)) and isinstance(front.type, Scalar):
                type = unify(entered.type, front.type)
                if type == entered.type:
                    with lo.builder.inside(self.body):
                        nexts[key] = cast(lo, front, type)
                else:
                    self.assume(key, type)
                return
            if isinstance(front, Undefined):
                nexts[key] = entered
                return
        elif isinstance(entered, Undefined):
            if isinstance(front, (Const, Var)) and isinstance(front.type, Scalar):
                self.assume(key, front.type)
            return
        elif isinstance(entered, Var) and isinstance(front, Var):
            if front is entered:
                return
            if front.type == entered.type:
                if key not in self.buffers:
                    self.assume(key, BUFFER)
                return
        elif isinstance(entered, Static) and entered == front:
            return
        lo.refuse(
            self.stmt,
            f"{name.strip()!r} is one kind of thing before this loop and another in it",
            "use two variables",
        )

    def assume(self, key: Any, type: Any) -> None:
        """Note what has to be assumed the next time."""
        self.guess[key] = type
        self.complete = False

    def fill_buffers(self, ends: dict[str, Front]) -> None:
        """Copy the arrays that variables are bound to at the end into those of the loop."""
        lo = self.lo
        lo.env = ends
        moves = []
        for key, buffer in self.buffers.items():
            front: Any = ends[key[0]]
            for k in key[1:]:
                front = front.items[k]
            if front is not buffer:
                moves.append((key, buffer, front))
                lo.merger.note(lo, buffer, front, key[0], self.stmt)
        held = frozenset(r for b in self.buffers.values() for r in lo.roots[b])
        ready = []
        for _, buffer, front in moves:
            source = front
            if lo.roots[front] & held and len(moves) > 1:
                source = lazy.made(lo, lazy.as_lazy(lo, front))
            ready.append((buffer, source))
        for buffer, source in ready:
            lazy.copy_into(lo, buffer, source)

    def final(self, key: Any, entered: Front, outs: dict[Any, Var], name: str) -> Front:
        """What a variable is after the loop."""
        if isinstance(entered, Tuple):
            items = [self.final((*key, k), e, outs, name) for k, e in enumerate(entered.items)]
            return Tuple(items, entered.cls)
        return outs.get(key, entered)


def _assigned(stmt: ast.For | ast.While) -> list[str]:
    """The variables that a loop assigns."""
    names = {
        n.id
        for part in (*stmt.body, getattr(stmt, "target", None))
        if part is not None
        for n in ast.walk(part)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    return sorted(names)


def _target_hint(stmt: ast.stmt) -> str:
    target = getattr(stmt, "target", None)
    return target.id if isinstance(target, ast.Name) else "i"

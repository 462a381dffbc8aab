"""Rewrites break, continue and return into flags and branches.

What comes after a statement that may jump goes into a branch that is taken if it did not. A loop
that may be left has its flag as an attribute `stop`; the function's result is in `RESULT`.
"""

from __future__ import annotations

import ast
import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULT = "result "  # the blank keeps it apart from the user's names
RETURNED = "returned "

_JUMPS = (ast.Break, ast.Continue, ast.Return)


def structured(function: ast.FunctionDef) -> list[ast.stmt]:
    """The body of a function without jumps."""
    rewriter = _Rewriter()
    body = copy.deepcopy(function.body)
    rewriter.uses_returned = not _tail(body)
    start = [_assign(RETURNED, False, function)] if rewriter.uses_returned else []
    return [*start, *rewriter.block(body, None)]


def results(function: ast.FunctionDef) -> tuple[bool, bool]:
    """Whether a function returns values, and whether it may also return None."""
    found = [n for n in ast.walk(function) if isinstance(n, ast.Return)]
    values = [n for n in found if n.value is not None and not _is_none(n.value)]
    return bool(values), len(values) < len(found) or not _ends(function.body)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _ends(body: Sequence[ast.stmt]) -> bool:
    """Whether a block is certainly left by a return."""
    if not body:
        return False
    last = body[-1]
    if isinstance(last, ast.If):
        return _ends(last.body) and _ends(last.orelse)
    if isinstance(last, ast.While) and isinstance(last.test, ast.Constant) and last.test.value:
        return not _contains(last.body, ast.Break)
    return isinstance(last, ast.Return)


class _Rewriter:
    """Counts the loops, so that each has flags of its own."""

    def __init__(self) -> None:
        self.count = 0
        self.uses_returned = False

    def jumps(self, body: Sequence[ast.stmt], *, own: bool) -> bool:
        """Whether statements may jump; break and continue count where the loop is theirs."""
        for stmt in body:
            if isinstance(stmt, ast.Return) or (
                own and isinstance(stmt, (ast.Break, ast.Continue))
            ):
                return True
            inner = own and not isinstance(stmt, (ast.For, ast.While))
            if self.jumps(getattr(stmt, "body", []), own=inner) or self.jumps(
                getattr(stmt, "orelse", []), own=own
            ):
                return True
        return False

    def block(self, body: Sequence[ast.stmt], loop: int | None) -> list[ast.stmt]:
        """Rewrite statements within a loop, or outside of any."""
        out: list[ast.stmt] = []
        for k, stmt in enumerate(body):
            rest = body[k + 1 :]
            if isinstance(stmt, _JUMPS):
                return out + self.jump(stmt, loop)
            if isinstance(stmt, (ast.For, ast.While)):
                returns = _contains_deep([stmt], ast.Return)
                out += self.loop(stmt)
                if rest and returns:
                    return [*out, self.unless(RETURNED, self.block(rest, loop), stmt)]
                continue
            if not isinstance(stmt, ast.If):
                out.append(stmt)
                continue
            if not self.jumps([stmt], own=True):
                stmt.body = self.block(stmt.body, loop)
                stmt.orelse = self.block(stmt.orelse, loop)
                out.append(stmt)
                continue
            then, orelse = _always(stmt.body), _always(stmt.orelse)
            if then and orelse:
                stmt.body = self.block(stmt.body, loop)
                stmt.orelse = self.block(stmt.orelse, loop)
                return [*out, stmt]
            if then:
                stmt.body = self.block(stmt.body, loop)
                stmt.orelse = self.block([*stmt.orelse, *rest], loop)
                return [*out, stmt]
            if orelse:
                stmt.body = self.block([*stmt.body, *rest], loop)
                stmt.orelse = self.block(stmt.orelse, loop)
                return [*out, stmt]
            return out + self.split(stmt, rest, loop)
        return out

    def split(self, stmt: ast.If, rest: Sequence[ast.stmt], loop: int | None) -> list[ast.stmt]:
        """Rewrite a branch that may jump or not, and what comes after it."""
        inside = [stmt]
        flags = []
        if _contains(inside, ast.Return):
            flags.append(RETURNED)
        if loop is not None and _contains(inside, ast.Break):
            flags.append(f"broken {loop}")
        if loop is not None and _contains(inside, ast.Continue):
            flags.append(f"continued {loop}")
        stmt.body = self.block(stmt.body, loop)
        stmt.orelse = self.block(stmt.orelse, loop)
        after = self.block(rest, loop)
        for flag in flags:
            after = [self.unless(flag, after, stmt)] if after else []
        return [stmt, *after]

    def loop(self, stmt: ast.For | ast.While) -> list[ast.stmt]:
        """Rewrite a loop."""
        self.count += 1
        number = self.count
        may_break = _contains(stmt.body, ast.Break) or _contains_deep(stmt.body, ast.Return)
        may_continue = _contains(stmt.body, ast.Continue)
        returns_within = _nested_return(stmt.body)
        body = self.block(stmt.body, number)
        orelse = self.block(stmt.orelse, None) if stmt.orelse else []
        flags = [_assign(f"continued {number}", False, stmt)] if may_continue else []
        before = []
        if may_break:
            flag = f"broken {number}"
            before = [_assign(flag, False, stmt)]
            if returns_within:
                check = _if(_name(RETURNED, stmt), [_assign(flag, True, stmt)], [], stmt)
                body = [*body, check]
            stmt.stop = flag  # type: ignore[union-attr]
            if orelse:
                orelse = [self.unless(flag, orelse, stmt)]
        stmt.body = [*flags, *body]
        stmt.orelse = []
        return [*before, stmt, *orelse]

    def jump(self, stmt: ast.stmt, loop: int | None) -> list[ast.stmt]:
        """Rewrite a jump into the setting of its flags."""
        if isinstance(stmt, ast.Return):
            value = stmt.value or ast.copy_location(ast.Constant(None), stmt)
            target = ast.copy_location(ast.Name(RESULT, ast.Store()), stmt)
            out: list[ast.stmt] = [ast.copy_location(ast.Assign([target], value), stmt)]
            if self.uses_returned:
                out.append(_assign(RETURNED, True, stmt))
            if loop is not None:
                out.append(_assign(f"broken {loop}", True, stmt))
            return out
        kind = "broken" if isinstance(stmt, ast.Break) else "continued"
        return [_assign(f"{kind} {loop}", True, stmt)]

    @staticmethod
    def unless(flag: str, body: list[ast.stmt], near: ast.stmt) -> ast.stmt:
        """Run statements unless a flag is set."""
        return _if(_name(flag, near), [ast.copy_location(ast.Pass(), near)], body, near)


def _tail(body: Sequence[ast.stmt]) -> bool:
    """Whether every return ends the function where it stands, without a flag."""
    for k, stmt in enumerate(body):
        if isinstance(stmt, ast.Return):
            return True
        if isinstance(stmt, (ast.For, ast.While)) and _contains_deep([stmt], ast.Return):
            return False
        if isinstance(stmt, ast.If) and _contains_deep([stmt], ast.Return):
            then, orelse = _always(stmt.body), _always(stmt.orelse)
            rest = list(body[k + 1 :])
            if not then and not orelse and rest:
                return False
            first = list(stmt.body) if then else [*stmt.body, *(rest if orelse else [])]
            second = [*stmt.orelse, *(rest if then and not orelse else [])]
            return _tail(first) and _tail(second)
    return True


def _always(body: Sequence[ast.stmt]) -> bool:
    """Whether a block certainly jumps at its end."""
    if not body:
        return False
    last = body[-1]
    return isinstance(last, _JUMPS) or (
        isinstance(last, ast.If) and _always(last.body) and _always(last.orelse)
    )


def _contains(body: Sequence[Any], kind: type) -> bool:
    """Whether a jump of this loop is among statements; a return is, wherever it stands."""
    if kind is ast.Return:
        return _contains_deep(body, kind)
    for stmt in body:
        if isinstance(stmt, kind):
            return True
        if isinstance(stmt, ast.If) and (
            _contains(stmt.body, kind) or _contains(stmt.orelse, kind)
        ):
            return True
        if isinstance(stmt, (ast.For, ast.While)) and _contains(stmt.orelse, kind):
            return True
    return False


def _contains_deep(body: Sequence[Any], kind: type) -> bool:
    return any(isinstance(n, kind) for stmt in body for n in ast.walk(stmt))


def _nested_return(body: Sequence[Any]) -> bool:
    """Whether a return stands in a loop within."""
    return any(
        _contains_deep([n], ast.Return)
        for stmt in body
        for n in ast.walk(stmt)
        if isinstance(n, (ast.For, ast.While))
    )


def _name(name: str, near: ast.AST) -> ast.expr:
    return ast.copy_location(ast.Name(name, ast.Load()), near)


def _assign(name: str, value: bool, near: ast.stmt) -> ast.stmt:
    target = ast.copy_location(ast.Name(name, ast.Store()), near)
    constant = ast.copy_location(ast.Constant(value), near)
    return ast.copy_location(ast.Assign([target], constant), near)


def _if(test: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt], near: ast.stmt) -> ast.stmt:
    return ast.copy_location(ast.If(test, body, orelse), near)

"""Reads expressions into values."""

from __future__ import annotations

import ast
import types
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.adjoint import arrays, calls, lazy, scalars
from numgrad.adjoint.builder import COMPARE, ZERO, number
from numgrad.adjoint.fronts import (
    Front,
    Lazy,
    Static,
    Tuple,
    Undefined,
    describe,
    is_array,
    is_number,
)
from numgrad.adjoint.ir import B1, Array, Compute, Const, If, Outer, Value, Var

if TYPE_CHECKING:
    from numgrad.adjoint.lowering import Lowering

BINARY = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "div",
    ast.FloorDiv: "floordiv",
    ast.Mod: "mod",
    ast.Pow: "pow",
    ast.BitAnd: "and",
    ast.BitOr: "or",
    ast.BitXor: "xor",
    ast.LShift: "lshift",
    ast.RShift: "rshift",
    ast.MatMult: "matmul",
}
COMPARISONS = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}


def static(value: Any) -> Front:
    """What a Python object stands for."""
    if isinstance(value, (bool, np.bool_)):
        return number(bool(value))
    if isinstance(value, (int, np.integer)):
        return number(int(value))
    if isinstance(value, (float, np.floating)):
        return number(float(value))
    if isinstance(value, tuple):
        cls = type(value) if type(value) is not tuple else None
        return Tuple([static(v) for v in value], cls)
    return Static(value)


def lower(lo: Lowering, node: ast.expr) -> Front:
    """Read an expression."""
    from numgrad.adjoint import subscripts

    match node:
        case ast.Constant():
            return static(node.value)
        case ast.Name():
            return name(lo, node)
        case ast.Tuple():
            return Tuple([lower(lo, e) for e in node.elts])
        case ast.BinOp():
            op = BINARY[type(node.op)]
            return binary(lo, op, lower(lo, node.left), lower(lo, node.right), node)
        case ast.UnaryOp():
            return unary(lo, node)
        case ast.Compare():
            return compare(lo, node)
        case ast.BoolOp():
            return boolean(lo, node)
        case ast.IfExp():
            return choice(lo, node)
        case ast.Subscript():
            return subscripts.subscript(lo, node)
        case ast.Attribute():
            return attribute(lo, node)
        case ast.Call():
            return calls.call(lo, node)
        case ast.List():
            return Static([lower(lo, e) for e in node.elts])
        case _:
            return lo.refuse(
                node,
                f"{type(node).__name__} is not supported in an expression",
                "write it with operators, calls and indices",
            )


def name(lo: Lowering, node: ast.Name) -> Front:
    """Read a variable."""
    if node.id in lo.env:
        front = lo.env[node.id]
        if isinstance(front, Undefined):
            lo.refuse(
                node,
                f"{node.id!r} may have no value here, or values of several kinds",
                "assign it before the branch or the loop",
            )
        return front
    if node.id not in lo.source.names:
        lo.refuse(node, f"{node.id!r} is not defined", "define it before")
    return known(lo, lo.source.names[node.id], node.id)


def known(lo: Lowering, value: Any, text: str) -> Front:
    """Read an object from outside of the function."""
    if isinstance(value, np.ndarray):
        if id(value) not in lo.outers:
            kind = {"f8": "f8", "f4": "f4", "b1": "b1"}.get(value.dtype.str[1:])
            if kind is None and value.dtype.kind in "iu":
                kind = "i8"
            if kind is None:
                return Static(value)
            root = lo.builder.block
            while root.parent is not None:
                root = root.parent
            out = Var(Array(kind, value.ndim), text, False, root)
            root.stmts.insert(0, Outer(out, text, value))
            lo.roots[out] = frozenset({out})
            lo.constant.add(out)
            lo.dims[out] = [number(n) for n in value.shape]
            lo.outers[id(value)] = out
        return lo.outers[id(value)]
    return static(value)


def made(lo: Lowering, front: Front) -> Front:
    """Make a lazy array; leave other values."""
    return lazy.made(lo, front) if isinstance(front, Lazy) else front


def integer(lo: Lowering, node: ast.expr) -> Value:
    """Read an integer."""
    value = lower(lo, node)
    if is_number(value) and value.type.code in {"i8", "b1"}:  # type: ignore[union-attr]
        return value if value.type.code == "i8" else lo.builder.emit("to_int", value)  # type: ignore[union-attr, arg-type, return-value]
    return lo.refuse(node, f"an integer is needed here, got {describe(value)}", "use int(...)")


def condition(lo: Lowering, node: ast.expr) -> Value:
    """Read a condition."""
    value = lower(lo, node)
    if isinstance(value, Static):
        return number(bool(value.value))
    if not is_number(value):
        lo.refuse(node, f"a condition cannot be {describe(value)}", "compare numbers")
    return truth(lo, value)  # type: ignore[arg-type]


def truth(lo: Lowering, value: Value) -> Value:
    """Whether a number is not 0."""
    if isinstance(value, Const):
        return number(bool(value.value))
    return value if value.type == B1 else lo.builder.emit("to_bool", value)


def binary(lo: Lowering, op: str, left: Front, right: Front, node: ast.AST) -> Front:
    """Apply an operator."""
    if op == "matmul":
        return arrays.matmul(lo, left, right, node)
    if is_number(left) and is_number(right):
        return scalars.binary(lo, op, left, right)  # type: ignore[arg-type]
    if (is_array(left) or is_number(left)) and (is_array(right) or is_number(right)):
        return lazy.elementwise(lo, lambda x, y: scalars.binary(lo, op, x, y), left, right)
    if op == "add" and isinstance(left, Tuple) and isinstance(right, Tuple):
        return Tuple([*left.items, *right.items])
    if op == "mul" and isinstance(left, Static) and isinstance(left.value, list):
        return Static(left.value)
    return lo.refuse(
        node,
        f"an operator between {describe(left)} and {describe(right)} is not supported",
        "use numbers and arrays",
    )


def unary(lo: Lowering, node: ast.UnaryOp) -> Front:
    """Apply a sign or a negation."""
    value = lower(lo, node.operand)
    match node.op:
        case ast.Not():
            return lo.builder.emit("not", condition(lo, node.operand))
        case ast.UAdd():
            return value
        case ast.USub():
            op = "neg"
        case _:
            op = "invert"
    if is_number(value):
        return scalars.unary(lo, op, value)  # type: ignore[arg-type]
    if is_array(value):
        return lazy.elementwise(lo, lambda x: scalars.unary(lo, op, x), value)
    return lo.refuse(node, f"a sign before {describe(value)} is not supported", "use numbers")


def compare(lo: Lowering, node: ast.Compare) -> Front:
    """Compare; a chain holds if every link does."""
    fronts = [lower(lo, node.left), *(lower(lo, c) for c in node.comparators)]
    result: Front = number(True)
    for op, a, b in zip(node.ops, fronts, fronts[1:], strict=False):
        link: Front
        if isinstance(op, (ast.Is, ast.IsNot)):
            same = isinstance(a, Static) and isinstance(b, Static) and a.value is b.value
            link = number(same is isinstance(op, ast.Is))
        elif type(op) not in COMPARISONS:
            return lo.refuse(node, "`in` is not supported", "compare one by one")
        elif is_number(a) and is_number(b):
            link = scalars.compare(lo, COMPARISONS[type(op)], a, b)  # type: ignore[arg-type]
        elif isinstance(a, Static) and isinstance(b, Static):
            link = number((a.value == b.value) is isinstance(op, ast.Eq))
        elif (is_array(a) or is_number(a)) and (is_array(b) or is_number(b)):
            sign = COMPARISONS[type(op)]
            link = lazy.elementwise(lo, lambda x, y, s=sign: scalars.compare(lo, s, x, y), a, b)
        else:
            return lo.refuse(
                node, f"{describe(a)} and {describe(b)} cannot be compared", "compare numbers"
            )
        if len(node.ops) == 1:
            return link
        result = lo.builder.emit("and", result, link)  # type: ignore[arg-type]
    return result


def boolean(lo: Lowering, node: ast.BoolOp) -> Front:
    """Read and/or: what comes later is computed only if it decides."""
    is_and = isinstance(node.op, ast.And)

    def rest(k: int) -> Value:
        value = condition(lo, node.values[k])
        if k == len(node.values) - 1:
            return value
        if isinstance(value, Const):
            return rest(k + 1) if bool(value.value) is is_and else value
        later = lo.builder.child()
        with lo.builder.inside(later):
            other = rest(k + 1)
        if all(isinstance(s, Compute) for s in later.stmts):
            _adopt(lo, later)
            return lo.builder.emit("and" if is_and else "or", value, other)
        empty = lo.builder.child()
        blocks = (later, empty) if is_and else (empty, later)
        gives = (other, number(False)) if is_and else (number(True), other)
        return _choose(lo, value, blocks, gives)

    return rest(0)


def _adopt(lo: Lowering, block: Any) -> None:
    """Move the statements of an inner block into the current one."""
    for stmt in block.stmts:
        stmt.out.block = lo.builder.block
        lo.builder.append(stmt)


def _choose(lo: Lowering, test: Value, blocks: Any, gives: tuple[Value, Value]) -> Value:
    from numgrad.adjoint.ir import Merge

    out = lo.builder.var(gives[0].type, "c")
    lo.builder.append(If(test, blocks[0], blocks[1], [Merge(out, *gives)]))
    return out


def choice(lo: Lowering, node: ast.IfExp) -> Front:
    """Read `a if test else b`: one of the two is computed."""
    from numgrad.adjoint.merging import merge

    test = condition(lo, node.test)
    if isinstance(test, Const):
        return lower(lo, node.body if test.value else node.orelse)
    stmt = If(test, lo.builder.child(), lo.builder.child(), [])
    sides = []
    for block, side in ((stmt.then, node.body), (stmt.orelse, node.orelse)):
        with lo.builder.inside(block):
            sides.append(made(lo, lower(lo, side)))
    if not stmt.then.stmts and not stmt.orelse.stmts and all(map(is_number, sides)):
        return scalars.select(lo, test, *sides)  # type: ignore[arg-type]
    result = merge(lo, stmt, "choice", (sides[0], sides[1]), (lo.env, lo.env), node)
    if isinstance(result, Undefined):
        lo.refuse(
            node,
            f"the choice is {describe(sides[0])} or {describe(sides[1])}",
            "give two numbers, or two arrays of one rank and dtype",
        )
    lo.builder.append(stmt)
    return result


def attribute(lo: Lowering, node: ast.Attribute) -> Front:
    """Read an attribute."""
    value = lower(lo, node.value)
    if isinstance(value, Static):
        if not isinstance(value.value, types.ModuleType) and not hasattr(value.value, node.attr):
            lo.refuse(node, f"{describe(value)} has no attribute {node.attr}", "check the name")
        return known(lo, getattr(value.value, node.attr), node.attr)
    if isinstance(value, Tuple):
        fields = getattr(value.cls, "_fields", ())
        if node.attr in fields:
            return value.items[fields.index(node.attr)]
    if is_array(value):
        return arrays.attribute(lo, value, node)
    return lo.refuse(
        node, f"the attribute {node.attr} of {describe(value)} is not supported", "pass arrays"
    )


__all__ = ["COMPARE", "ZERO", "lower"]

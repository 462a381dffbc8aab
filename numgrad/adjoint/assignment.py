"""Reads what is assigned to: variables, tuples of them, elements and slices."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from numgrad.adjoint import expressions, lazy, scalars, subscripts
from numgrad.adjoint.builder import number
from numgrad.adjoint.fronts import Front, Tuple, Undefined, describe, is_array, is_number, rank
from numgrad.adjoint.ir import Array, Const, Var

if TYPE_CHECKING:
    from numgrad.adjoint.lowering import Lowering


def assign(lo: Lowering, target: ast.expr, value: Front, node: ast.AST) -> None:
    """Bind a name, several names, or write into an array."""
    match target:
        case ast.Name():
            lo.env[target.id] = expressions.made(lo, value)
        case ast.Tuple() | ast.List():
            items = unpack(lo, value, len(target.elts), node)
            for part, item in zip(target.elts, items, strict=True):
                assign(lo, part, item, node)
        case ast.Subscript():
            store(lo, target, value)
        case _:
            lo.refuse(
                node,
                f"assignment to {type(target).__name__.lower()} is not supported",
                "assign to names, elements and slices",
            )


def unpack(lo: Lowering, value: Front, count: int, node: ast.AST) -> list[Front]:
    """The items of a tuple or of a short array."""
    if isinstance(value, Tuple):
        if len(value.items) != count:
            lo.refuse(node, f"{len(value.items)} values for {count} names", "match their number")
        return value.items
    if is_array(value):
        array = expressions.made(lo, value)
        return [subscripts.item(lo, array, [number(k)], node) for k in range(count)]
    return lo.refuse(node, f"{describe(value)} cannot be unpacked", "assign a tuple")


def _target(lo: Lowering, target: ast.Subscript) -> tuple[Var, list[Any]]:
    """The array and the index that are written to."""
    array = expressions.lower(lo, target.value)
    if not isinstance(array, Var) or not isinstance(array.type, Array):
        lo.refuse(target, f"{describe(array)} cannot be written to", "write into arrays")
    index = subscripts.indices(lo, target.slice, array)
    if any(is_array(i) for i in index) and len(index) != 1:
        lo.refuse(
            target, "an array among several indices is not supported", "loop over its elements"
        )
    lo.write(array, target)
    return array, index


def store(lo: Lowering, target: ast.Subscript, value: Front) -> None:
    """array[index] = value."""
    array, index = _target(lo, target)
    code = array.type.code
    if is_array(index[0]) if index else False:
        subscripts.scatter(lo, array, index[0], value, target, add=False)
    elif rank(array) == len(index) and all(is_number(i) for i in index):
        if not is_number(value):
            lo.refuse(target, f"an element cannot be {describe(value)}", "store a number")
        lo.builder.store(array, index, lazy.to_code(lo, value, code))  # type: ignore[arg-type]
    elif is_array(value) or is_number(value):
        lazy.copy_into(lo, subscripts.part(lo, array, index), value)
    else:
        lo.refuse(target, f"{describe(value)} cannot be stored", "store numbers and arrays")


def augment(lo: Lowering, stmt: ast.AugAssign) -> None:
    """target op= value."""
    op = expressions.BINARY[type(stmt.op)]
    if isinstance(stmt.target, ast.Name):
        _augment_name(lo, stmt, stmt.target, op)
        return
    if not isinstance(stmt.target, ast.Subscript):
        lo.refuse(stmt, "this cannot be assigned to", "assign to names, elements and slices")
    array, index = _target(lo, stmt.target)
    if index and is_array(index[0]):
        value = expressions.lower(lo, stmt.value)
        if op != "add":
            lo.refuse(stmt, "only += is supported at an index array", "loop over its elements")
        subscripts.scatter(lo, array, index[0], value, stmt, add=True)
        return
    if not all(is_number(i) for i in index):
        in_place(lo, subscripts.part(lo, array, index), op, stmt)
        return
    code = array.type.code
    simple = op in {"add", "sub"} and code in {"f8", "f4"} and not _calls(stmt.value)
    old = None if simple else lo.builder.load(array, index, hint=f"{array.hint}_i")
    value = expressions.lower(lo, stmt.value)
    if not is_number(value):
        lo.refuse(stmt, f"an element cannot be {describe(value)}", "store a number")
    if old is None:
        term = lo.builder.as_float(value)  # type: ignore[arg-type]
        if op == "sub":
            term = lo.builder.emit("neg", term)
        lo.builder.store(array, index, term, add=True)
    else:
        new = scalars.binary(lo, op, old, value)  # type: ignore[arg-type]
        lo.builder.store(array, index, lazy.to_code(lo, new, code))


def _calls(node: ast.expr) -> bool:
    """Whether an expression calls anything, which might write to the array."""
    return any(isinstance(n, ast.Call) for n in ast.walk(node))


def _augment_name(lo: Lowering, stmt: ast.AugAssign, target: ast.Name, op: str) -> None:
    old = lo.env.get(target.id, Undefined(target.id))
    if isinstance(old, Undefined):
        lo.refuse(stmt, f"{target.id!r} may have no value here", "assign it before")
    if is_array(old):
        lo.write(old, stmt)  # type: ignore[arg-type]
        in_place(lo, old, op, stmt)  # type: ignore[arg-type]
        return
    value = expressions.lower(lo, stmt.value)
    lo.env[target.id] = expressions.made(lo, expressions.binary(lo, op, old, value, stmt))


def in_place(lo: Lowering, array: Var, op: str, stmt: ast.AugAssign) -> None:
    """array op= value, element by element."""
    value = expressions.lower(lo, stmt.value)
    if not (is_array(value) or is_number(value)):
        lo.refuse(stmt, f"{describe(value)} cannot be stored", "store numbers and arrays")
    if op in {"add", "sub"} and array.type.code in {"f8", "f4"}:
        if lazy.overlaps(lo, array, value):
            value = lazy.made(lo, lazy.as_lazy(lo, value))
        if is_array(value):
            _require(lo, array, value)

        def add(index: list[Any]) -> None:
            term = lo.builder.as_float(lazy.element(lo, value, index))
            if op == "sub":
                term = lo.builder.emit("neg", term)
            lo.builder.store(array, index, term, add=True)

        lazy.each(lo, lo.dims[array], add)
        return
    lazy.copy_into(lo, array, expressions.binary(lo, op, array, value, stmt))


def _require(lo: Lowering, array: Var, value: Front) -> None:
    dims, own = lo.dims[array], lazy.dims_of(lo, value)
    for d, o in zip(dims[len(dims) - len(own) :], own, strict=True):
        if not (isinstance(o, Const) and o.value == 1):
            lazy.require_equal(lo, d, o)

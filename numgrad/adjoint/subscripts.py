"""Reads elements, slices and items of tuples, and writes through arrays of indices."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from numgrad.adjoint import expressions, lazy
from numgrad.adjoint.builder import ONE, ZERO, number
from numgrad.adjoint.fronts import (
    Front,
    Lazy,
    Static,
    Tuple,
    code_of,
    describe,
    is_array,
    is_number,
    rank,
)
from numgrad.adjoint.ir import Const, Value, Var

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numgrad.adjoint.ir import Item
    from numgrad.adjoint.lowering import Lowering


def subscript(lo: Lowering, node: ast.Subscript) -> Front:
    """Read an element, a slice, or an item of a tuple."""
    value = expressions.lower(lo, node.value)
    if isinstance(value, Tuple):
        return _tuple_item(lo, value, node)
    if not is_array(value):
        lo.refuse(node, f"{describe(value)} cannot be indexed", "index arrays and tuples")
    array = expressions.made(lo, value)
    index = indices(lo, node.slice, array)  # type: ignore[arg-type]
    return item(lo, array, index, node)


def _tuple_item(lo: Lowering, value: Tuple, node: ast.Subscript) -> Front:
    if isinstance(node.slice, ast.Slice):
        parts = [
            None if p is None else expressions.lower(lo, p)
            for p in (node.slice.lower, node.slice.upper, node.slice.step)
        ]
        if all(p is None or isinstance(p, Const) for p in parts):
            ends = [None if p is None else int(p.value) for p in parts]  # type: ignore[union-attr]
            return Tuple(value.items[slice(*ends)])
    else:
        index = expressions.lower(lo, node.slice)
        if isinstance(index, Const):
            if not -len(value.items) <= index.value < len(value.items):
                lo.refuse(node, "the index is outside of the tuple", "check it")
            return value.items[int(index.value)]
    return lo.refuse(node, "the index of a tuple has to be a constant", "use an array")


def indices(lo: Lowering, node: ast.expr, array: Var) -> list[Any]:
    """Read an index: a Value, a slice as a tuple, None for a new axis, or an array, an axis."""
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    items: list[Any] = []
    for part in parts:
        if isinstance(part, ast.Slice):
            ends = (part.lower, part.upper, part.step)
            items.append(tuple(None if e is None else expressions.integer(lo, e) for e in ends))
            continue
        value = expressions.lower(lo, part)
        if isinstance(value, Static) and value.value is None:
            items.append(None)
        elif isinstance(value, Static) and value.value is Ellipsis:
            items.append(Ellipsis)
        elif isinstance(value, Tuple):
            items += [integer_of(lo, v, part) for v in value.items]
        elif is_array(value):
            items.append(value)
        else:
            items.append(integer_of(lo, value, part))
    ndim = rank(array)
    used = sum(1 for i in items if i is not None and i is not Ellipsis)
    if used > ndim:
        lo.refuse(node, f"{used} indices for an array of {ndim} dimensions", "leave some out")
    full = [(None, None, None)] * (ndim - used)
    if Ellipsis in [i for i in items if not is_array(i)]:
        at = next(k for k, i in enumerate(items) if i is Ellipsis)
        return [*items[:at], *full, *items[at + 1 :]]
    return [*items, *full]


def integer_of(lo: Lowering, value: Front, node: ast.AST) -> Value:
    """Check that a value is an integer."""
    if is_number(value) and value.type.code in {"i8", "b1"}:  # type: ignore[union-attr]
        return value  # type: ignore[return-value]
    return lo.refuse(node, f"an index has to be an integer, got {describe(value)}", "use int(...)")


def item(lo: Lowering, front: Front, index: Sequence[Any], node: ast.AST) -> Front:
    """Return the element or the part of an array at an index."""
    array: Any = front
    if any(is_array(i) for i in index):
        return gather(lo, array, index, node)
    full = [*index, *[(None, None, None)] * (rank(array) - sum(i is not None for i in index))]
    if all(isinstance(i, (Const, Var)) for i in full):
        return lo.builder.load(array, full, hint=f"{array.hint}_i")
    return part(lo, array, full)


def part(lo: Lowering, array: Var, index: Sequence[Any]) -> Var:
    """Return a view of part of an array."""
    items: list[Item] = []
    dims: list[Value | None] = []
    axis = 0
    for i in index:
        items.append(i)
        if i is None:
            dims.append(ONE)
            continue
        if isinstance(i, tuple):
            n = lo.dims[array][axis]
            if i == (None, None, None):
                dims.append(n)
            elif i[:2] == (None, None) and isinstance(i[2], Const) and i[2].value:
                step = abs(int(i[2].value))
                more = lo.builder.emit("i.add", n, number(step - 1))
                dims.append(lo.builder.emit("i.floordiv", more, number(step)))
            else:
                dims.append(None)
        axis += 1
    ndim = len(dims)
    if all(i == (None, None, None) for i in items) and ndim == rank(array):
        return array
    out = lo.builder.view(array, "slice", items, ndim, f"{array.hint}_part")
    lo.adopt(out, set(lo.roots[array]))
    if array in lo.local:
        lo.local.add(out)
    lo.dims[out] = [
        own if known is None else known for known, own in zip(dims, lo.dims[out], strict=True)
    ]
    return out


def gather(lo: Lowering, array: Var, index: Sequence[Any], node: ast.AST) -> Front:
    """Read a[k] with an array of integers k."""
    first, rest = index[0], index[1:]
    if any(i != (None, None, None) for i in rest) or not is_array(first) or code_of(first) != "i8":
        lo.refuse(
            node,
            "an index of this kind is not supported",
            "index with numbers and slices, or with one array of integers in front",
        )
    ndim = rank(first)
    shape = [*lazy.dims_of(lo, first), *lazy.dims_of(lo, array)[1:]]

    def at(i: Sequence[Value]) -> Value:
        k = lazy.element(lo, first, i[:ndim])
        return lo.builder.load(array, [k, *i[ndim:]], hint=f"{array.hint}_i")

    return Lazy(code_of(array), shape, at, [(array, False), *lazy.roots_of(first, here=False)])


def scatter(lo: Lowering, array: Var, index: Any, value: Any, node: ast.AST, *, add: bool) -> None:
    """Read a[k] = value and a[k] += value with an array of integers k."""
    if rank(array) != 1 or rank(index) != 1 or code_of(index) != "i8" or add:
        lo.refuse(node, "an index array is not supported here", "loop over its elements")
    if lazy.overlaps(lo, array, value):
        value = lazy.made(lo, lazy.as_lazy(lo, value))
    shape = lazy.dims_of(lo, index)

    def one(i: Value, _: list[Value]) -> list[Value]:
        k = lazy.element(lo, index, [i])
        lo.builder.store(
            array, [k], lazy.to_code(lo, lazy.element(lo, value, [i]), array.type.code)
        )
        return []

    lazy.for_range(lo, (ZERO, shape[0], ONE), [], one)

"""Reads functions and methods of arrays."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.adjoint import lazy, scalars
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
from numgrad.adjoint.ir import F4, F8, I8, Const, Scalar, Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numgrad.adjoint.lowering import Lowering


def attribute(lo: Lowering, front: Any, node: ast.Attribute) -> Front:
    """Read an attribute of an array."""
    dims = lazy.dims_of(lo, front)
    match node.attr:
        case "shape":
            return Tuple(list(dims))
        case "size":
            return lazy.product_of(lo, dims)
        case "ndim":
            return number(len(dims))
        case "T":
            return transpose(lo, front, range(len(dims))[::-1])
        case "dtype":
            return Static(np.dtype({"b1": "bool"}.get(code_of(front), code_of(front))))
    return lo.refuse(
        node, f"the attribute {node.attr} of arrays is not supported", "use shape, size, ndim or T"
    )


def transpose(lo: Lowering, front: Any, axes: Sequence[int]) -> Front:
    """Return the array with its axes in another order."""
    dims = lazy.dims_of(lo, front)
    if len(dims) == 1:
        return front  # type: ignore[no-any-return]
    if isinstance(front, Lazy):
        back = [list(axes).index(k) for k in range(len(dims))]
        return Lazy(
            front.code,
            [dims[k] for k in axes],
            lambda index: front.at([index[k] for k in back]),
            lazy.roots_of(front, here=False),
        )
    out = lo.builder.view(
        front, "transpose", [number(k) for k in axes], len(dims), f"{front.hint}_T"
    )
    lo.adopt(out, set(lo.roots[front]))
    lo.dims[out] = [dims[k] for k in axes]
    return out


def reshape(lo: Lowering, front: Any, shape: Sequence[Value]) -> Front:
    """Return a contiguous array in another shape."""
    from numgrad.adjoint import expressions

    array: Any = expressions.made(lo, front)
    dims = list(shape)
    unknown = [k for k, d in enumerate(dims) if isinstance(d, Const) and d.value == -1]
    total = lazy.product_of(lo, lo.dims[array])
    rest = lazy.product_of(lo, [d for k, d in enumerate(dims) if k not in unknown])
    if unknown:
        dims[unknown[0]] = lo.builder.emit("i.floordiv", total, rest)
    else:
        lazy.require_equal(lo, total, rest)
    out = lo.builder.view(array, "reshape", dims, len(dims), f"{array.hint}_r")
    lo.adopt(out, set(lo.roots[array]))
    lo.dims[out] = dims
    return out


def method(lo: Lowering, front: Any, node: ast.Call) -> Front:
    """Read a call of a method of an array."""
    from numgrad.adjoint import calls, expressions, subscripts

    assert isinstance(node.func, ast.Attribute)
    name = node.func.attr
    args = [expressions.lower(lo, a) for a in node.args]
    keywords = {str(k.arg): expressions.lower(lo, k.value) for k in node.keywords}
    match name:
        case "copy" | "flatten" if name == "copy":
            return lazy.made(lo, lazy.as_lazy(lo, front))
        case "transpose":
            given = args[0].items if args and isinstance(args[0], Tuple) else args
            axes = [int(a.value) for a in given] or range(rank(front))[::-1]  # type: ignore[union-attr]
            return transpose(lo, front, list(axes))
        case "ravel" | "flatten":
            array = lazy.made(lo, lazy.as_lazy(lo, front)) if name == "flatten" else front
            return reshape(lo, array, [lazy.product_of(lo, lazy.dims_of(lo, front))])
        case "reshape":
            given = args[0].items if isinstance(args[0], Tuple) else args
            return reshape(lo, front, given)  # type: ignore[arg-type]
        case "fill":
            lo.write(front, node)
            lazy.copy_into(lo, front, args[0])
            return Static(None)
        case "astype":
            return calls.convert(lo, front, dtype_code(lo, args[0], node), node)
        case "item":
            index = args or [number(0)] * rank(front)
            return subscripts.item(lo, expressions.made(lo, front), index, node)
    result = function(lo, name, [front, *args], keywords, node)
    if result is None:
        return lo.refuse(
            node, f"the method {name} of arrays is not supported", "write it out with loops"
        )
    return result


def dtype_code(lo: Lowering, front: Front | None, node: ast.AST, default: str = "f8") -> str:
    """The code of a dtype argument."""
    if front is None or (isinstance(front, Static) and front.value is None):
        return default
    try:
        dtype = np.dtype(getattr(front, "value", None))
    except TypeError:
        dtype = None
    if dtype is not None:
        if dtype.kind in "iu":
            return "i8"
        code = {"f8": "f8", "f4": "f4", "b1": "b1"}.get(dtype.str[1:])
        if code:
            return code
    return lo.refuse(node, "this dtype is not supported", "use float64 or float32")


def shape_argument(lo: Lowering, front: Front, node: ast.AST) -> list[Value]:
    """The extents of a shape argument."""
    items = front.items if isinstance(front, Tuple) else [front]
    for i in items:
        if not is_number(i) or i.type.code != "i8":  # type: ignore[union-attr]
            lo.refuse(node, f"a shape cannot be {describe(i)}", "give integers")
    return list(items)  # type: ignore[arg-type]


CREATION = {"zeros", "ones", "empty", "full"}
LIKE = {"zeros_like", "ones_like", "empty_like", "full_like"}


def function(
    lo: Lowering, name: str, args: list[Any], keywords: dict[str, Any], node: ast.Call
) -> Front | None:
    """Read a call of a function of NumPy; None if it is not known."""
    from numgrad.adjoint import expressions, reductions, subscripts

    if name in CREATION or name in LIKE:
        return create(lo, name, args, keywords, node)
    if name in {"copy", "ascontiguousarray", "asarray", "array"} and args:
        if is_array(args[0]):
            return lazy.made(lo, lazy.as_lazy(lo, args[0]))
        if isinstance(args[0], Static) and isinstance(args[0].value, list):
            return literal(lo, Tuple(args[0].value), keywords, node)
        if isinstance(args[0], Tuple):
            return literal(lo, args[0], keywords, node)
        return None
    if name == "arange":
        return arange(lo, args)
    if name == "linspace":
        return linspace(lo, args, keywords)
    if name in {"eye", "identity"}:
        n = shape_argument(lo, args[0], node) * 2
        return Lazy("f8", n, lambda index: _unit(lo, index), [])
    if name in {"dot", "matmul", "vdot"} and len(args) == 2:
        return matmul(lo, args[0], args[1], node)
    if name == "outer" and len(args) == 2:
        a, b = (expressions.made(lo, x) for x in args)
        return lazy.elementwise(
            lo,
            lambda x, y: scalars.binary(lo, "mul", x, y),
            subscripts.part(lo, a, [(None, None, None), None]),  # type: ignore[arg-type]
            b,
        )
    if name == "transpose" and len(args) == 1:
        return transpose(lo, args[0], range(rank(args[0]))[::-1])
    if name in {"ravel", "reshape"}:
        shape = [number(-1)] if name == "ravel" else shape_argument(lo, args[1], node)
        return reshape(lo, args[0], shape)
    if name == "clip" and len(args) == 3 and (is_array(args[0]) or is_number(args[0])):
        low = [("maximum", args[1])] if not _none(args[1]) else []
        high = [("minimum", args[2])] if not _none(args[2]) else []
        result = args[0]
        for op, bound in (*low, *high):
            ends = {"maximum": "clamp_min", "minimum": "clamp_max"}[op]
            result = (
                lazy.elementwise(
                    lo,
                    lambda x, y, e=ends: lo.builder.emit(
                        e, lo.builder.as_float(x), lo.builder.as_float(y)
                    ),
                    result,
                    bound,
                )
                if is_array(result) or is_array(bound)
                else lo.builder.emit(ends, lo.builder.as_float(result), lo.builder.as_float(bound))
            )
        return result  # type: ignore[no-any-return]
    if args and is_array(args[0]):
        return reductions.reduce(lo, name, args, keywords, node)
    return None


def _unit(lo: Lowering, index: Sequence[Value]) -> Value:
    """The element of the unit matrix at an index."""
    return scalars.select(lo, lo.builder.emit("c==", *index), number(1.0), number(0.0))


def _none(front: Any) -> bool:
    return isinstance(front, Static) and front.value is None


def create(
    lo: Lowering, name: str, args: list[Any], keywords: dict[str, Any], node: ast.AST
) -> Front:
    """Read np.zeros and its kin."""
    rest = list(args[1:])
    fill: Any = None
    if name.startswith("full"):
        fill = keywords.get("fill_value", rest.pop(0) if rest else None)
    elif name.startswith("ones"):
        fill = number(1.0)
    if name in LIKE:
        shape, default = list(lazy.dims_of(lo, args[0])), code_of(args[0])
    else:
        given = keywords["shape"] if "shape" in keywords else args[0]
        shape, default = shape_argument(lo, given, node), "f8"
        if name == "full" and is_number(fill) and fill.type.code != "b1":
            default = fill.type.code
    code = dtype_code(lo, keywords.get("dtype", rest[0] if rest else None), node, default)
    out = lazy.new_array(lo, code, shape, "a", zero=name.startswith("zeros"))
    if fill is not None:
        lazy.copy_into(lo, out, fill)
    return out


def literal(lo: Lowering, items: Tuple, keywords: dict[str, Any], node: ast.AST) -> Front:
    """Read np.array([a, b, c]), also of rows."""

    def as_rows(front: Any) -> Any:
        if isinstance(front, Static) and isinstance(front.value, list):
            return [as_rows(f) for f in front.value]
        if isinstance(front, Tuple):
            return [as_rows(f) for f in front.items]
        if not is_number(front):
            lo.refuse(node, f"np.array() of {describe(front)} is not supported", "give numbers")
        return front

    rows = as_rows(items)
    flat: list[Any] = rows
    shape = [len(rows)]
    while flat and isinstance(flat[0], list):
        shape.append(len(flat[0]))
        if any(not isinstance(r, list) or len(r) != shape[-1] for r in flat):
            lo.refuse(node, "the rows of this array differ in length", "make them equal")
        flat = [v for row in flat for v in row]
    codes = {v.type.code for v in flat}
    default = "f8" if codes - {"i8", "b1"} or not codes else "i8"
    code = dtype_code(lo, keywords.get("dtype"), node, default)
    out = lazy.new_array(lo, code, [number(n) for n in shape], "a")
    for position, value in zip(np.ndindex(*shape), flat, strict=True):
        index = [number(int(k)) for k in position]
        lo.builder.store(out, index, lazy.to_code(lo, value, code))
    return out


def arange(lo: Lowering, args: list[Any]) -> Front:
    """Read np.arange of integers, or of floats."""
    low, high, step = (
        (ZERO, args[0], ONE)
        if len(args) == 1
        else (args[0], args[1], args[2] if len(args) > 2 else ONE)
    )
    emit = lo.builder.emit
    if all(v.type.code == "i8" for v in (low, high, step)):
        count = emit("trips", low, high, step)
        return Lazy(
            "i8", [count], lambda index: emit("i.add", low, emit("i.mul", index[0], step)), []
        )
    low, high, step = map(lo.builder.as_float, (low, high, step))
    steps = emit("ceil", emit("div", emit("sub", high, low), step))
    count = emit("i.max", emit("to_int", steps), ZERO)
    return Lazy(
        "f8", [count], lambda i: emit("add", low, emit("mul", emit("to_f8", i[0]), step)), []
    )


def linspace(lo: Lowering, args: list[Any], keywords: dict[str, Any]) -> Front:
    """Read np.linspace."""
    count: Any = args[2] if len(args) > 2 else keywords.get("num", number(50))
    emit = lo.builder.emit
    low, high = (lo.builder.as_float(a) for a in args[:2])
    parts = emit("i.max", emit("i.sub", count, ONE), ONE)
    step = emit("div", emit("sub", high, low), emit("to_f8", parts))
    return Lazy(
        "f8", [count], lambda i: emit("add", low, emit("mul", emit("to_f8", i[0]), step)), []
    )


def matmul(lo: Lowering, left: Any, right: Any, node: ast.AST) -> Front:
    """Read a product of vectors and matrices."""
    from numgrad.adjoint import expressions

    if not (is_array(left) and is_array(right)) or not (1 <= rank(left) <= 2 >= rank(right) >= 1):
        if is_number(left) or is_number(right):
            return expressions.binary(lo, "mul", left, right, node)
        lo.refuse(
            node,
            f"a product of {describe(left)} and {describe(right)} is not supported",
            "multiply vectors and matrices, in a loop over what is stacked",
        )
    a, b = expressions.made(lo, left), expressions.made(lo, right)
    rows, columns = rank(a) == 2, rank(b) == 2
    inner = lazy.dims_of(lo, a)[-1]
    lazy.require_equal(lo, inner, lazy.dims_of(lo, b)[0])
    type = F4 if code_of(a) == code_of(b) == "f4" else F8

    def dot(index: list[Value], column: list[Value]) -> Value:
        def term(k: list[Value], total: Value) -> Value:
            x = lo.builder.load(a, [*index, *k], hint=f"{a.hint}_i")  # type: ignore[arg-type, union-attr]
            y = lo.builder.load(b, [*k, *column], hint=f"{b.hint}_i")  # type: ignore[arg-type, union-attr]
            return lo.builder.emit(
                "add", total, lo.builder.emit("mul", lo.builder.as_float(x), lo.builder.as_float(y))
            )

        start = Const(F4, 0.0) if type == F4 else number(0.0)
        return lazy.fold(lo, [inner], ("total", type, start), term)

    if not rows and not columns:
        return dot([], [])
    shape = [*lazy.dims_of(lo, a)[:-1], *lazy.dims_of(lo, b)[1:]]
    out = lazy.new_array(lo, type.code, shape, "m", zero=columns)
    if not columns:
        lazy.each(lo, shape, lambda index: lo.builder.store(out, index, dot(index, [])))
        return out

    def row(i: list[Value]) -> None:
        def along(k: Value, _: list[Value]) -> list[Value]:
            x = lo.builder.as_float(lo.builder.load(a, [*i, k], hint=f"{a.hint}_i"))  # type: ignore[arg-type, union-attr]

            def each(j: list[Value]) -> None:
                y = lo.builder.as_float(lo.builder.load(b, [k, *j], hint=f"{b.hint}_i"))  # type: ignore[arg-type, union-attr]
                lo.builder.store(out, [*i, *j], lo.builder.emit("mul", x, y), add=True)

            lazy.each(lo, [shape[-1]], each)
            return []

        lazy.for_range(lo, (ZERO, inner, ONE), [], along, hint="k")

    lazy.each(lo, shape[:-1], row)
    return out


__all__ = ["I8", "Scalar"]

"""Reads calls: of built-in and NumPy functions, and of the user's own."""

from __future__ import annotations

import ast
import builtins
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.adjoint import arrays, lazy, scalars, source
from numgrad.adjoint.builder import number
from numgrad.adjoint.fronts import (
    Front,
    Lazy,
    Static,
    Tuple,
    TupleType,
    describe,
    is_array,
    is_number,
    leaves,
    shape_of,
)
from numgrad.adjoint.ir import Array, Call, Const, Scalar, Value, Var

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numgrad.adjoint.lowering import Lowering

CASTS = {
    "float": "f8",
    "float64": "f8",
    "double": "f8",
    "float32": "f4",
    "int": "i8",
    "int64": "i8",
    "int32": "i8",
    "intp": "i8",
    "bool": "b1",
    "bool_": "b1",
}
# Functions of at most so many syntax nodes are read into their callers.
INLINE_NODES = 400


def python_function(value: Any) -> Any:
    """The Python function behind a compiled one; None if it is no compiled function."""
    function = getattr(value, "py_func", None)
    return function if callable(function) and hasattr(function, "__code__") else None


def call(lo: Lowering, node: ast.Call) -> Front:
    """Read a call."""
    from numgrad.adjoint import expressions

    if isinstance(node.func, ast.Attribute):
        owner = expressions.lower(lo, node.func.value)
        if is_array(owner):
            return arrays.method(lo, owner, node)
    called = expressions.lower(lo, node.func)
    if not isinstance(called, Static):
        return lo.refuse(node, f"{describe(called)} cannot be called", "call functions")
    function = called.value
    if any(isinstance(a, ast.Starred) for a in node.args) or any(
        k.arg is None for k in node.keywords
    ):
        lo.refuse(node, "* and ** in calls are not supported", "pass every argument by itself")
    args = [expressions.lower(lo, a) for a in node.args]
    keywords = {str(k.arg): expressions.lower(lo, k.value) for k in node.keywords}
    derived = getattr(function, "lower_call", None)
    if derived is not None:
        result: Front = derived(lo, args, keywords, node)
        return result
    transform = transform_of(function)
    if transform is not None:
        return Static(
            transform(
                *(static_argument(lo, a, node) for a in args),
                **{k: static_argument(lo, v, node) for k, v in keywords.items()},
            )
        )
    inner = python_function(function)
    if inner is not None:
        return user_call(lo, inner, args, keywords, node)
    if isinstance(function, type) and issubclass(function, tuple) and hasattr(function, "_fields"):
        items = args + [keywords[f] for f in function._fields[len(args) :]]
        return Tuple([expressions.made(lo, i) for i in items], function)
    return library_call(lo, function, args, keywords, node)


def transform_of(function: Any) -> Any:
    """The transform of compiled functions that a function stands for; None if it is none."""
    if getattr(function, "lower_transform", None) is not None:
        return function
    if (getattr(function, "__module__", "") or "").startswith("numgrad.func"):
        from numgrad import adjoint

        return getattr(adjoint, getattr(function, "__name__", ""), None)
    return None


def static_argument(lo: Lowering, front: Front, node: ast.AST) -> Any:
    """The Python object of an argument that has to be known now."""
    if isinstance(front, (Static, Const)):
        return front.value
    if isinstance(front, Tuple):
        return tuple(static_argument(lo, i, node) for i in front.items)
    return lo.refuse(node, "this argument has to be a constant", "write it as a literal")


def library_call(
    lo: Lowering, function: Any, args: list[Front], keywords: dict[str, Front], node: ast.Call
) -> Front:
    """Read a call of a function of Python or NumPy."""
    name = getattr(function, "__name__", "")
    module = next(
        (
            m
            for m, owner in (("builtins", builtins), ("math", math), ("numpy", np))
            if getattr(owner, name, None) is function
        ),
        getattr(function, "__module__", "") or "",
    )
    if module == "builtins":
        result = _builtin(lo, name, args, node)
        if result is not None:
            return result
    if name in CASTS and module in {"builtins", "numpy"} and len(args) == 1:
        return convert(lo, args[0], CASTS[name], node)
    if module == "math" and name == "frexp" and is_number(args[0]):
        return Tuple([*scalars.fraction(lo, lo.builder.as_float(args[0]))])  # type: ignore[arg-type]
    if module in {"builtins", "math", "numpy"} and not keywords:
        front = scalar_function(lo, name, args, whole=module == "math")
        if front is not None:
            return front
    if module.startswith("numpy"):
        result = arrays.function(lo, name, args, keywords, node)
        if result is not None:
            return result
    expressions_of = describe(Static(function))
    return lo.refuse(
        node,
        f"there is no derivative of {expressions_of}"
        + (f" of {', '.join(map(describe, args))}" if args else ""),
        "write it out with numbers and loops, or call a @numgrad.njit function",
    )


def scalar_function(lo: Lowering, name: str, args: Sequence[Front], *, whole: bool) -> Front | None:
    """Apply a function of numbers, to every element of arrays."""
    if not args or not all(is_number(a) or is_array(a) for a in args):
        return None
    scratch = lo.builder.child()
    with lo.builder.inside(scratch):
        probe = scalars.apply(lo, name, [_probe(lo, a) for a in args], whole=whole)
    if probe is None:
        return None

    def apply(*values: Value) -> Value:
        result = scalars.apply(lo, name, list(values), whole=whole)
        assert result is not None
        return result

    if all(map(is_number, args)):
        return apply(*args)  # type: ignore[arg-type]
    return lazy.elementwise(lo, apply, *args)


def _probe(lo: Lowering, front: Any) -> Value:
    if isinstance(front, Const):
        return front
    code = front.code if isinstance(front, Lazy) else front.type.code
    return lo.builder.var(Scalar(code))


def _builtin(lo: Lowering, name: str, args: list[Front], node: ast.Call) -> Front | None:
    """Read a call of a built-in function; None if it is not one of these."""
    if name == "len":
        if isinstance(args[0], Tuple):
            return number(len(args[0].items))
        if is_array(args[0]):
            return lazy.dims_of(lo, args[0])[0]
    if name in {"min", "max"}:
        items = args[0].items if len(args) == 1 and isinstance(args[0], Tuple) else args
        if len(items) == 1 and is_array(items[0]):
            return arrays.function(lo, name, items, {}, node)
        if all(map(is_number, items)):
            result: Any = items[0]
            for other in items[1:]:
                result = scalars.apply(lo, f"{name}imum", [result, other])  # type: ignore[list-item]
            return result  # type: ignore[no-any-return]
    if name == "round" and is_number(args[0]):
        x: Any = args[0]
        if len(args) == 1:
            if x.type.code in {"i8", "b1"}:
                return x  # type: ignore[no-any-return]
            return lo.builder.emit("to_int", lo.builder.emit("rint", x))
        if isinstance(args[1], Const):
            scale = number(10.0 ** args[1].value)
            scaled = lo.builder.emit("mul", lo.builder.as_float(x), scale)
            return lo.builder.emit("div", lo.builder.emit("rint", scaled), scale)
    if name == "divmod" and len(args) == 2:
        a, b = args
        return Tuple(
            [scalars.binary(lo, "floordiv", a, b), scalars.binary(lo, "mod", a, b)]  # type: ignore[arg-type]
        )
    if name == "sum" and len(args) == 1:
        if isinstance(args[0], Tuple):
            total: Any = number(0)
            for item in args[0].items:
                total = scalars.binary(lo, "add", total, item)  # type: ignore[arg-type]
            return total  # type: ignore[no-any-return]
        return arrays.function(lo, "sum", args, {}, node)
    if name == "pow" and len(args) == 2 and all(map(is_number, args)):
        return scalars.binary(lo, "pow", args[0], args[1])  # type: ignore[arg-type]
    if name == "tuple" and isinstance(args[0], Tuple):
        return args[0]
    if name == "print":
        return Static(None)
    return None


def convert(lo: Lowering, front: Front, code: str, node: ast.AST) -> Front:
    """Read float(x), int(x), np.float32(x) and their kin."""
    if is_array(front):
        return lazy.elementwise(lo, lambda x: _convert(lo, x, code), front)
    if not is_number(front):
        return lo.refuse(node, f"{describe(front)} cannot be converted", "convert numbers")
    return _convert(lo, front, code)  # type: ignore[arg-type]


def _convert(lo: Lowering, value: Value, code: str) -> Value:
    op = {"f8": "to_f8", "f4": "to_f4", "i8": "to_int", "b1": "to_bool"}[code]
    return value if value.type.code == code else lo.builder.emit(op, value)


def user_call(
    lo: Lowering,
    function: Any,
    args: list[Front],
    keywords: dict[str, Front],
    node: Any,
    *,
    again: bool = False,
) -> Front:
    """Read a call of a compiled function: its body in place, or a call if that is long.

    `again`: it is run again on the way back, instead of saving.
    """
    from numgrad.adjoint import expressions

    read = source.read(function)
    names = read.parameters
    filled = [expressions.made(lo, a) for a in args]
    if len(filled) > len(names):
        lo.refuse(node, f"{read.name}() takes {len(names)} arguments", "pass as many")
    defaults = dict(
        zip(
            names[len(names) - len(function.__defaults__ or ()) :],
            function.__defaults__ or (),
            strict=True,
        )
    )
    for name in names[len(filled) :]:
        if name in keywords:
            filled.append(expressions.made(lo, keywords[name]))
        elif name in defaults:
            filled.append(expressions.static(defaults[name]))
        else:
            lo.refuse(node, f"{read.name}() misses its argument {name!r}", "pass it")
    unknown = set(keywords) - set(names)
    if unknown:
        lo.refuse(node, f"{read.name}() has no parameter {min(unknown)!r}", "check the name")
    small = sum(1 for _ in ast.walk(read.tree)) <= INLINE_NODES
    if small and not again and function not in lo.inlined and not _calls_itself(read):
        return inline(lo, read, filled, node)
    return invoke(lo, function, filled, node, again=again)


def _calls_itself(read: source.Source) -> bool:
    return any(isinstance(n, ast.Name) and n.id == read.tree.name for n in ast.walk(read.tree))


def inline(lo: Lowering, read: source.Source, args: list[Front], node: ast.Call) -> Front:
    """Read a function's body in place of its call."""
    saved = lo.source, lo.env
    lo.frames.append(lo.env)
    lo.inlined.append(read.function)
    lo.path.append(node)
    lo.source = read
    try:
        return lo.run(args)
    finally:
        lo.source, lo.env = saved
        lo.frames.pop()
        lo.inlined.pop()
        lo.path.pop()


def invoke(
    lo: Lowering, function: Any, args: list[Front], node: ast.AST, *, again: bool = False
) -> Front:
    """Call a function that is a procedure of its own."""
    flat = [leaf for a in args for leaf in leaves(a)]
    groups = grouped(lo, flat)
    entry = lo.program.entry(function, [shape_of(a) for a in args], groups)
    if entry.reading:
        entry.recursive = True
    if entry.shares:
        lo.refuse(
            node,
            f"{function.__name__}() returns an array that it was given, or a part of it",
            "return a copy, as in a.copy()",
        )
    for k in entry.procedure.writes:
        lo.write(flat[k], node)  # type: ignore[arg-type]
    return append_call(lo, entry.procedure, flat, entry.result, again=again)


def grouped(lo: Lowering, flat: Sequence[Value]) -> tuple[int, ...]:
    """Number arguments so that those that may share memory have the same number."""
    groups: list[int] = []
    for k, a in enumerate(flat):
        same = k
        if isinstance(a, Var) and isinstance(a.type, Array):
            for j in range(k):
                other = flat[j]
                if isinstance(other, Var) and other in lo.dims and lo.roots[other] & lo.roots[a]:
                    same = groups[j]
                    break
        groups.append(same)
    return tuple(groups)


def append_call(
    lo: Lowering, procedure: Any, args: Sequence[Value], result: Any, *, again: bool = False
) -> Front:
    """Append a call and return its result, of this type."""
    outs: list[Var] = []

    def build(shape: Any) -> Front:
        if isinstance(shape, TupleType):
            return Tuple([build(i) for i in shape.items], shape.cls)
        if isinstance(shape, Static):
            return shape
        out = lo.builder.var(shape, "r")
        outs.append(out)
        return out

    front = build(result)
    lo.builder.append(Call(tuple(outs), procedure, tuple(args), again))
    for out in outs:
        if isinstance(out.type, Array):
            lo.adopt(out, {out})
            lo.local.add(out)
    return front

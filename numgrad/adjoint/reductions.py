"""Reads reductions of arrays: sums, products, extremes, means, norms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from numgrad.adjoint import lazy, scalars
from numgrad.adjoint.builder import ONE, ZERO, number
from numgrad.adjoint.fronts import Front, Lazy, Static, code_of, is_number, rank
from numgrad.adjoint.ir import F4, F8, I8, Const, Fail, Scalar, Value

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Sequence

    from numgrad.adjoint.lowering import Lowering

EXTREMES = {"max": "maximum", "min": "minimum", "amax": "maximum", "amin": "minimum"}


def reduce(
    lo: Lowering, name: str, args: list[Any], keywords: dict[str, Any], node: ast.AST
) -> Front | None:
    """Read a reduction, along one axis or over all; None if it is not known."""
    front = args[0]
    axis = keywords.get("axis", args[1] if len(args) > 1 else None)
    if axis is not None and not (isinstance(axis, Static) and axis.value is None):
        if not isinstance(axis, Const) or name == "norm":
            return None
        return along(lo, name, front, int(axis.value) % rank(front), node)
    shape = lazy.dims_of(lo, front)
    return over(lo, name, front, shape, lambda index: lazy.element(lo, front, index))


def along(lo: Lowering, name: str, front: Any, axis: int, node: ast.AST) -> Front | None:
    """Reduce along one axis."""
    from numgrad.adjoint import expressions

    array: Any = expressions.made(lo, front)
    if rank(array) == 1:
        return reduce(lo, name, [array], {}, node)
    shape = lazy.dims_of(lo, array)
    kept = [d for k, d in enumerate(shape) if k != axis]

    def at(index: Sequence[Value]) -> Value:
        def inside(k: Sequence[Value]) -> Value:
            return lazy.element(lo, array, [*index[:axis], *k, *index[axis:]])

        value = over(lo, name, array, [shape[axis]], inside)
        assert is_number(value)
        return value  # type: ignore[return-value]

    scratch = lo.builder.child()
    with lo.builder.inside(scratch):
        probe = over(
            lo, name, array, [shape[axis]], lambda _: lo.builder.var(Scalar(code_of(array)))
        )
    if probe is None or not is_number(probe):
        return None
    return Lazy(code_of(probe), kept, at, lazy.roots_of(array, here=False))


def over(
    lo: Lowering,
    name: str,
    front: Any,
    shape: list[Value],
    at: Callable[[Sequence[Value]], Value],
) -> Front | None:
    """Reduce everything that `at` gives."""
    emit = lo.builder.emit
    code = code_of(front)
    exact = code in {"i8", "b1"}
    type = I8 if exact else F4 if code == "f4" else F8

    def start(value: float) -> Const:
        return Const(type, int(value) if exact else value)

    def total(term: Callable[[Value], Value]) -> Value:
        return lazy.fold(
            lo,
            shape,
            ("total", type, start(0)),
            lambda i, s: scalars.binary(lo, "add", s, term(at(i))),
        )

    def count() -> Value:
        return lo.builder.as_float(lazy.product_of(lo, shape))

    match name:
        case "sum":
            return total(lambda x: x)
        case "prod":
            return lazy.fold(
                lo,
                shape,
                ("total", type, start(1)),
                lambda i, s: scalars.binary(lo, "mul", s, at(i)),
            )
        case "mean":
            return emit("div", lo.builder.as_float(total(lambda x: x)), count())
        case "var" | "std":
            mean = emit("div", lo.builder.as_float(total(lambda x: x)), count())

            def squared(x: Value) -> Value:
                d = emit("sub", lo.builder.as_float(x), mean)
                return emit("mul", d, d)

            spread = emit("div", lo.builder.as_float(total(squared)), count())
            return spread if name == "var" else emit("sqrt", spread)
        case "norm":
            return emit("sqrt", total(lambda x: emit("mul", x, x))) if not exact else None
        case "max" | "min" | "amax" | "amin":
            return extreme(lo, EXTREMES[name], shape, type, at)
        case "argmax" | "argmin" if len(shape) == 1:
            return position(lo, name == "argmax", shape, type, at)
        case "any" | "all":
            return flag(lo, name, shape, at)
        case "ptp":
            high = extreme(lo, "maximum", shape, type, at)
            return scalars.binary(lo, "sub", high, extreme(lo, "minimum", shape, type, at))
        case "cumsum" if len(shape) == 1:
            return cumulate(lo, shape, type, at)
    return None


def _not_empty(lo: Lowering, shape: Sequence[Value]) -> None:
    empty = lo.builder.emit("c==", lazy.product_of(lo, shape), ZERO)
    if not isinstance(empty, Const):
        lo.builder.append(Fail(empty, "ValueError", "an empty array has no largest element"))


def extreme(
    lo: Lowering, op: str, shape: Sequence[Value], type: Scalar, at: Callable[..., Value]
) -> Value:
    """The largest or smallest; equal ones share the derivative evenly."""
    emit = lo.builder.emit
    _not_empty(lo, shape)
    if type == I8:
        first = at([ZERO] * len(shape))
        sign = "i.max" if op == "maximum" else "i.min"
        return lazy.fold(lo, shape, ("best", type, first), lambda i, best: emit(sign, best, at(i)))
    infinity = -math.inf if op == "maximum" else math.inf
    start = Const(type, infinity)
    # The derivative does not go through the comparisons: `best` is a constant, and 0 is added to
    # it, which has a derivative to each element that equals it.
    best = lazy.fold(
        lo,
        shape,
        ("best", type, start),
        lambda i, b: emit("constant", emit(op, b, at(i))),
    )

    def same(x: Value) -> Value:
        return emit("or", emit("equal", x, best), emit("not_equal", x, x))

    ties = lazy.fold(
        lo,
        shape,
        ("ties", I8, ZERO),
        lambda i, n: emit("i.add", n, emit("i.select", same(at(i)), ONE, ZERO)),
    )
    share = emit("div", number(1.0), emit("to_f8", ties))
    rest = lazy.fold(
        lo,
        shape,
        ("shares", type, Const(type, 0.0)),
        lambda i, s: emit("add", s, emit("where", same(at(i)), emit("unit", at(i)), number(0.0))),
    )
    return emit("add", best, emit("mul", rest, share))


def position(
    lo: Lowering, largest: bool, shape: Sequence[Value], type: Scalar, at: Callable[..., Value]
) -> Value:
    """The index of the first that is largest or smallest."""
    emit = lo.builder.emit
    _not_empty(lo, shape)
    sign = ">" if largest else "<"

    def body(i: Value, carried: list[Value]) -> list[Value]:
        x = at([i])
        better = scalars.compare(lo, sign, x, carried[0])
        return [scalars.select(lo, better, x, carried[0]), emit("i.select", better, i, carried[1])]

    first = at([ZERO])
    outs = lazy.for_range(lo, (ONE, shape[0], ONE), [("best", type, first), ("at", I8, ZERO)], body)
    return outs[1]


def flag(lo: Lowering, name: str, shape: Sequence[Value], at: Callable[..., Value]) -> Value:
    """Whether any is, or all are, true."""
    start = number(name == "all")
    op = "and" if name == "all" else "or"
    return lazy.fold(
        lo,
        shape,
        ("flag", start.type, start),
        lambda i, s: lo.builder.emit(op, s, scalars.truth(lo, at(i))),
    )


def cumulate(lo: Lowering, shape: Sequence[Value], type: Scalar, at: Callable[..., Value]) -> Front:
    """The sums of everything up to each element."""
    out = lazy.new_array(lo, type.code, shape, "sums")

    def body(i: Value, carried: list[Value]) -> list[Value]:
        total = scalars.binary(lo, "add", carried[0], at([i]))
        lo.builder.store(out, [i], total)
        return [total]

    start = Const(type, 0)
    lazy.for_range(lo, (ZERO, shape[0], ONE), [("total", type, start)], body)
    return out

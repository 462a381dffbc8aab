"""Derivatives in directions, Jacobians and Hessians of compiled functions."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from numgrad.adjoint import derive
from numgrad.adjoint.binding import behind
from numgrad.adjoint.builder import Builder, number
from numgrad.adjoint.clean import clean
from numgrad.adjoint.forward import tangent
from numgrad.adjoint.fronts import Shape, Static, TupleType
from numgrad.adjoint.function import derived_for
from numgrad.adjoint.ir import F8, Alloc, Array, Block, Call, Procedure, Scalar, Value, Var
from numgrad.adjoint.memory import nest
from numgrad.adjoint.signature import floats
from numgrad.adjoint.transforms import (
    Transformed,
    derivative_shape,
    describe,
    positions,
)
from numgrad.adjoint.writing import Derived

if TYPE_CHECKING:
    from collections.abc import Sequence


class Directional(Transformed):
    """The derivative along given tangents: `h(primals, tangents)` gives (value, tangent)."""

    def __init__(self, f: Any) -> None:
        super().__init__(f, None)
        self.signature = behind("primals", behind("tangents", inspect.Signature()))

    def derive(self, shapes: tuple[Shape, ...], groups: tuple[int, ...] | None) -> Derived:
        """One procedure with tangents."""
        primals, tangents = shapes
        if (
            not isinstance(primals, TupleType)
            or not isinstance(tangents, TupleType)
            or len(primals.items) != len(tangents.items)
        ):
            raise TypeError(
                f"jvp() of {self.name} needs a tuple of arguments and one of as many tangents,"
                f" got {describe(primals)} and {describe(tangents)}."
            )
        count = sum(len(floats(s)) for s in primals.items)
        own = None if groups is None else groups[:count]
        inner = derived_for(self.function, tuple(primals.items), own)
        active: list[bool] = []
        for p, t in zip(primals.items, tangents.items, strict=True):
            active += _matches(self.name, p, t)
        if not any(active):
            raise TypeError(f"jvp() of {self.name} got no tangent: pass one for an argument.")
        procedure = _keeping(tangent(inner.procedure, active), len(active))
        return Derived(
            procedure,
            shapes,
            TupleType((inner.result, derivative_shape(inner.result))),
        )


def _keeping(procedure: Procedure, first: int) -> Procedure:
    """The procedure with copies of the tangents, from parameter `first` on, that it writes to."""
    params = list(procedure.params)
    builder = Builder()
    for k in range(first, len(params)):
        own = params[k]
        if k in procedure.writes and isinstance(own.type, Array):
            params[k] = given = Var(own.type, own.hint)
            builder.append(Alloc(own, builder.sizes(given), False))
            nest(
                builder,
                builder.sizes(given),
                lambda i, c=own, p=given: builder.store(c, i, builder.load(p, i)),
            )
    return Procedure(
        procedure.name,
        params,
        Block(None, [*builder.block.stmts, *procedure.body.stmts]),
        procedure.results,
        frozenset(k for k in procedure.writes if k < first),
        procedure.groups,
    )


def _matches(name: str, primal: Shape, given: Shape) -> list[bool]:
    """Which numbers and arrays of an argument have a tangent."""
    if isinstance(given, Static) and given.value is None:
        return [False] * len(floats(primal))
    if isinstance(primal, TupleType) and isinstance(given, TupleType):
        return [
            on
            for p, t in zip(primal.items, given.items, strict=True)
            for on in _matches(name, p, t)
        ]
    alike = isinstance(given, Array) == isinstance(primal, Array) and any(floats(primal))
    if alike and isinstance(given, Array) and isinstance(primal, Array):
        alike = given.ndim == primal.ndim
    if not alike or not any(floats(given)):
        raise TypeError(
            f"the tangent of {describe(primal)} for {name} cannot be {describe(given)}: pass floats"
            " of the argument's shape, or None for a constant."
        )
    return [True]


class Jacobian(Transformed):
    """All first derivatives of the result with respect to one argument."""

    def __init__(self, f: Any, argnums: int, *, mode: str = "auto") -> None:
        super().__init__(f, argnums)
        self.mode = mode

    def derive(self, shapes: tuple[Shape, ...], groups: tuple[int, ...] | None) -> Derived:
        """A loop over directions, or over seeds."""
        inner = derived_for(self.function, shapes, groups)
        (chosen,) = self.wrt(shapes)
        source, result = shapes[chosen], inner.result
        while isinstance(result, TupleType) and len(result.items) == 1:
            result = result.items[0]
        if not isinstance(source, (Scalar, Array)) or not isinstance(result, (Scalar, Array)):
            raise TypeError(
                f"jacobian() of {self.name} needs one number or array as argument and as result,"
                f" got {describe(source)} and {describe(result)}."
            )
        (position,) = positions(shapes, [chosen])
        backward = isinstance(result, Scalar) and isinstance(source, Array)
        if self.mode != "auto":
            backward = self.mode == "reverse"
        write = _by_seeds if backward else _by_directions
        procedure = write(inner, position, result)
        procedure.groups = inner.procedure.groups
        clean(procedure)
        rank = getattr(source, "ndim", 0) + getattr(result, "ndim", 0)
        return Derived(procedure, shapes, Array("f8", rank) if rank else F8)


def _fresh(builder: Builder, params: Sequence[Var], written: frozenset[int]) -> list[Value]:
    """The arguments of one more call: copies of what it writes to."""
    out: list[Value] = []
    for k, param in enumerate(params):
        if k in written and isinstance(param.type, Array):
            copy = builder.alloc(param.type.code, builder.sizes(param), param.hint, zero=False)
            nest(
                builder,
                builder.sizes(param),
                lambda i, c=copy, p=param: builder.store(c, i, builder.load(p, i)),
            )
            out.append(copy)
        else:
            out.append(param)
    return out


def _by_directions(inner: Derived, position: int, result: Scalar | Array) -> Procedure:
    """Forward mode: one call for each element of the argument."""
    base = inner.procedure
    params = [Var(p.type, p.hint, p.nonneg) for p in base.params]
    source = params[position]
    callee = tangent(base, [k == position for k in range(len(params))])
    builder = Builder()
    out: Any = None
    if not isinstance(source.type, Array):
        value, slope = _tangent_call(builder, callee, params, base, number(1.0), result)
        del value
        return Procedure(f"{base.name}_jacobian", params, builder.block, [slope])
    sizes = builder.sizes(source)
    direction = builder.alloc("f8", sizes, "direction", zero=True)
    if isinstance(result, Scalar):
        out = builder.alloc("f8", sizes, "jacobian", zero=True)
    else:
        # One call to learn the shape of the result.
        args = _fresh(builder, params, base.writes)
        first = builder.var(result, "value")
        builder.append(Call((first,), base, tuple(args)))
        shape = (*builder.sizes(first), *sizes)
        out = builder.alloc("f8", shape, "jacobian", zero=True)

    def column(index: list[Value]) -> None:
        builder.store(direction, index, number(1.0))
        _, slope = _tangent_call(builder, callee, params, base, direction, result)
        builder.store(direction, index, number(0.0))
        if isinstance(result, Scalar):
            builder.store(out, index, slope)
        else:
            nest(
                builder,
                builder.sizes(slope),  # type: ignore[arg-type]
                lambda i: builder.store(out, [*i, *index], builder.load(slope, i)),  # type: ignore[arg-type]
            )

    nest(builder, sizes, column, parallel=False)
    return Procedure(f"{base.name}_jacobian", params, builder.block, [out])


def _tangent_call(
    builder: Builder,
    callee: Procedure,
    params: Sequence[Var],
    base: Procedure,
    direction: Value,
    result: Scalar | Array,
) -> tuple[Value, Value]:
    args = _fresh(builder, params, base.writes)
    value = builder.var(result, "value")
    slope = builder.var(result if isinstance(result, Array) else F8, "slope")
    builder.append(Call((value, slope), callee, (*args, direction)))
    return value, slope


def _by_seeds(inner: Derived, position: int, result: Scalar | Array) -> Procedure:
    """Reverse mode: one call for each element of the result."""
    base = inner.procedure
    params = [Var(p.type, p.hint, p.nonneg) for p in base.params]
    builder = Builder()
    callee = derive.gradient(
        base,
        [position],
        derive.Variants(),
        seeded=[0],
        seeds=True,
        value=False,
        name=f"{base.name}_row",
    )
    source = params[position]
    kind = source.type if isinstance(source.type, Array) else F8
    if isinstance(result, Scalar):
        args = _fresh(builder, params, base.writes)
        row = builder.var(kind, "row")
        builder.append(Call((row,), callee, (*args, number(1.0))))
        return Procedure(f"{base.name}_jacobian", params, builder.block, [row])
    args = _fresh(builder, params, base.writes)
    first = builder.var(result, "value")
    builder.append(Call((first,), base, tuple(args)))
    sizes = builder.sizes(first)
    seed = builder.alloc("f8", sizes, "seed", zero=True)
    own = builder.sizes(source) if isinstance(source.type, Array) else ()
    out = builder.alloc("f8", (*sizes, *own), "jacobian", zero=True)

    def line(index: list[Value]) -> None:
        builder.store(seed, index, number(1.0))
        again = _fresh(builder, params, base.writes)
        row = builder.var(kind, "row")
        builder.append(Call((row,), callee, (*again, seed)))
        builder.store(seed, index, number(0.0))
        if isinstance(kind, Array):
            nest(builder, own, lambda i: builder.store(out, [*index, *i], builder.load(row, i)))
        else:
            builder.store(out, index, row)

    nest(builder, sizes, line, parallel=False)
    return Procedure(f"{base.name}_jacobian", params, builder.block, [out])

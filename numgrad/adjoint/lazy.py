"""Arrays as loops: broadcasting, elementwise work, reductions, copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numgrad.adjoint.builder import ONE, ZERO, is_number, nonneg, number
from numgrad.adjoint.fronts import Lazy, code_of
from numgrad.adjoint.ir import (
    I8,
    Const,
    Fail,
    Loop,
    Phi,
    Scalar,
    Value,
    Var,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numgrad.adjoint.fronts import Front
    from numgrad.adjoint.ir import Array, Type
    from numgrad.adjoint.lowering import Lowering


def dims_of(lo: Lowering, front: Front) -> list[Value]:
    """The extents of an array."""
    if isinstance(front, Lazy):
        return list(front.shape)
    assert isinstance(front, Var)
    return lo.dims[front]


def element(lo: Lowering, front: Any, index: Sequence[Value]) -> Value:
    """Compute an element; a number is the same everywhere, axes of extent 1 are repeated."""
    if isinstance(front, Const) or (isinstance(front, Var) and isinstance(front.type, Scalar)):
        return front
    dims = dims_of(lo, front)
    own = list(index)[len(index) - len(dims) :]
    own = [ZERO if is_number(d, 1) else i for i, d in zip(own, dims, strict=True)]
    if isinstance(front, Lazy):
        return front.at(own)
    return lo.builder.load(front, own, hint=f"{front.hint}_i")


def roots_of(front: Any, *, here: bool) -> list[tuple[Var, bool]]:
    """The arrays that an operand reads."""
    if isinstance(front, Lazy):
        return front.roots if here else [(root, False) for root, _ in front.roots]
    if isinstance(front, Var) and not isinstance(front.type, Scalar):
        return [(front, here)]
    return []


def broadcast(lo: Lowering, fronts: Sequence[Front]) -> list[Value]:
    """The common shape of operands; extents that nobody knows to be equal are compared."""
    shapes = [dims_of(lo, f) for f in fronts if not _is_scalar(f)]
    ndim = max(map(len, shapes), default=0)
    out: list[Value] = []
    for axis in range(ndim):
        chosen: Value = ONE
        for shape in shapes:
            k = axis - ndim + len(shape)
            if k < 0 or is_number(shape[k], 1):
                continue
            if is_number(chosen, 1):
                chosen = shape[k]
            else:
                require_equal(lo, chosen, shape[k])
                if isinstance(shape[k], Const):
                    chosen = shape[k]
        out.append(chosen)
    return out


def require_equal(lo: Lowering, a: Value, b: Value) -> None:
    """Raise ValueError where two extents differ."""
    if a is b or a == b:
        return
    lo.builder.append(
        Fail(
            lo.builder.emit("c!=", a, b),
            "ValueError",
            "shapes of arrays do not match; an axis of extent 1 is repeated only where it is"
            " written as np.newaxis",
        )
    )


def _is_scalar(front: Any) -> bool:
    return isinstance(front, Const) or (isinstance(front, Var) and isinstance(front.type, Scalar))


def elementwise(lo: Lowering, function: Callable[..., Value], *fronts: Any) -> Lazy:
    """Apply a function of numbers to every element of arrays and numbers."""
    shape = broadcast(lo, fronts)

    def at(index: Sequence[Value]) -> Value:
        return function(*(element(lo, f, index) for f in fronts))

    roots = []
    for f in fronts:
        same = (
            not _is_scalar(f)
            and len(dims_of(lo, f)) == len(shape)
            and not any(
                is_number(d, 1) and not is_number(s, 1)
                for d, s in zip(dims_of(lo, f), shape, strict=True)
            )
        )
        roots += roots_of(f, here=same)
    return Lazy(_probe(lo, function, fronts), shape, at, roots)


def _probe(lo: Lowering, function: Callable[..., Value], fronts: Sequence[Any]) -> str:
    """The code of what a function of numbers gives, found by calling it on variables."""
    scratch = lo.builder.child()
    with lo.builder.inside(scratch):
        args = [f if _is_scalar(f) else lo.builder.var(Scalar(code_of(f))) for f in fronts]
        return code_of(function(*args))


def for_range(
    lo: Lowering,
    bounds: tuple[Value, Value, Value],
    carried: Sequence[tuple[str, Type, Value]],
    body: Callable[[Value, list[Value]], Sequence[Value]],
    *,
    parallel: bool = False,
    hint: str = "i",
) -> list[Value]:
    """Append a loop over a range; `body` gives the next of what is carried."""
    builder = lo.builder
    head = builder.child()
    with builder.inside(head):
        inner_block = builder.child()
    step = bounds[2]
    rising = isinstance(step, Const) and step.value > 0 and nonneg(bounds[0])
    index = Var(I8, hint, rising, head)
    inners = [Var(type, name, False, head) for name, type, _ in carried]
    with builder.inside(inner_block):
        nexts = body(index, list(inners))
    outs = [builder.var(type, name) for name, type, _ in carried]
    phis = [
        Phi(inner, init, next_, out)
        for inner, (_, _, init), next_, out in zip(inners, carried, nexts, outs, strict=True)
    ]
    trips = builder.var(I8, "trips", nonneg=True)
    builder.append(Loop(index, bounds, head, None, inner_block, None, phis, trips, parallel))
    return list(outs)


def each(lo: Lowering, shape: Sequence[Value], body: Callable[[list[Value]], None]) -> None:
    """Append loops over every index of a shape, in any order."""

    def level(axis: int, index: list[Value]) -> None:
        if axis == len(shape):
            body(index)
            return
        if is_number(shape[axis], 1):
            level(axis + 1, [*index, ZERO])
            return

        def inner(i: Value, _: list[Value]) -> list[Value]:
            level(axis + 1, [*index, i])
            return []

        for_range(lo, (ZERO, shape[axis], ONE), [], inner, parallel=True, hint="ijkl"[axis % 4])

    level(0, [])


def fold(
    lo: Lowering,
    shape: Sequence[Value],
    init: tuple[str, Type, Value],
    body: Callable[[list[Value], Value], Value],
) -> Value:
    """Carry one number through every index of a shape."""
    name, type, start = init

    def level(axis: int, index: list[Value], so_far: Value) -> Value:
        if axis == len(shape):
            return body(index, so_far)

        def inner(i: Value, carried: list[Value]) -> list[Value]:
            return [level(axis + 1, [*index, i], carried[0])]

        return for_range(
            lo, (ZERO, shape[axis], ONE), [(name, type, so_far)], inner, hint="ijkl"[axis % 4]
        )[0]

    return level(0, [], start)


def new_array(
    lo: Lowering, code: str, shape: Sequence[Value], hint: str, *, zero: bool = False
) -> Var:
    """Make an array."""
    out = lo.builder.alloc(code, shape, hint, zero=zero)
    lo.adopt(out, {out})
    lo.local.add(out)
    lo.dims[out] = list(shape)
    return out


def made(lo: Lowering, front: Lazy, hint: str = "a") -> Var:
    """Make a lazy array."""
    out = new_array(lo, front.code, front.shape, hint)
    each(lo, front.shape, lambda index: lo.builder.store(out, index, front.at(index)))
    return out


def overlaps(lo: Lowering, target: Var, front: Any) -> bool:
    """Whether writing elements of `target` one by one may change what `front` reads later."""
    return any(
        lo.roots[root] & lo.roots[target] and not (here and root is target)
        for root, here in roots_of(front, here=True)
    )


def copy_into(lo: Lowering, target: Var, front: Any) -> None:
    """target[...] = front."""
    if not _is_scalar(front):
        if overlaps(lo, target, front):
            front = made(lo, as_lazy(lo, front))
        dims, own = lo.dims[target], dims_of(lo, front)
        for k in range(len(own)):
            if not is_number(own[len(own) - 1 - k], 1):
                require_equal(lo, dims[len(dims) - 1 - k], own[len(own) - 1 - k])
    code = target.type.code
    each(
        lo,
        lo.dims[target],
        lambda index: lo.builder.store(target, index, to_code(lo, element(lo, front, index), code)),
    )


def as_lazy(lo: Lowering, front: Any) -> Lazy:
    """An array as one that is to be made."""
    if isinstance(front, Lazy):
        return front
    return Lazy(
        code_of(front),
        list(lo.dims[front]),
        lambda index: lo.builder.load(front, index, hint=f"{front.hint}_i"),
        [(front, True)],
    )


def to_code(lo: Lowering, value: Value, code: str) -> Value:
    """Convert a number to be stored; NumPy truncates towards zero."""
    own = code_of(value)
    if code in {"f8", "f4"}:
        return lo.builder.as_float(value)
    if own in {"f8", "f4"}:
        return lo.builder.emit("to_int", value)
    return value


def product_of(lo: Lowering, values: Sequence[Value]) -> Value:
    """The product of extents."""
    total: Value = number(1)
    for v in values:
        total = lo.builder.emit("i.mul", total, v)
    return total


def full_type(array: Array) -> Scalar:
    """The type of an array's elements."""
    return Scalar(array.code)

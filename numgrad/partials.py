"""Tangents of elementwise ops, by the expressions that their gradients are made of."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import compiled, dtypes
from numgrad.batched import Batched, on_elements
from numgrad.expr import evaluate
from numgrad.modes import modes
from numgrad.ops.arithmetic import add
from numgrad.ops.broadcast import cast, expand_to
from numgrad.programs import staged
from numgrad.tensor import Tensor, alias
from numgrad.wrapped import Wrapped

if TYPE_CHECKING:
    from collections.abc import Callable

    from numgrad.op import Elementwise


def elementwise_tangent(
    op: Elementwise, primals: list[Any], tangents: list[Tensor | None], out: Tensor
) -> Tensor | None:
    """Tangent of the result of an elementwise op."""
    if not op.differentiable or out.dtype.kind not in dtypes.FLOATING:
        return None
    strict = modes().strict_ieee
    gradients = op.gradients(strict=strict)
    values = {**dict(zip(op.params, primals, strict=True)), "out": out}
    plain = not modes().recording and _have_kernels(primals, tangents, out)
    total: Any = None
    for k, t in enumerate(tangents):
        expression = gradients[k]
        if t is None or expression is None:
            continue
        if isinstance(expression, (int, float)):  # zero everywhere
            term: Any = zeros_like(out)
        elif plain:
            term = _computed(op, k, t, values, strict=strict)
        else:
            (term,) = evaluate([expression], {"g": t, **values})
        total = term if total is None else add(total, term)
    if total is None:
        return None
    if total.shape != out.shape:
        total = expand_to(total, shape=out.shape)
    return total if total.dtype == out.dtype else cast(total, dtype=out.dtype)  # type: ignore[no-any-return]


def _have_kernels(primals: list[Any], tangents: list[Tensor | None], out: Tensor) -> bool:
    """Whether the fused kernels serve: all are of one dtype, and none is a dual."""
    dtype = out.dtype
    return not any(
        (isinstance(t, Wrapped) and type(t) is not Batched) or t.dtype != dtype
        for t in (*primals, *tangents)
        if isinstance(t, Tensor)
    )


def _computed(
    op: Elementwise, k: int, t: Tensor, values: dict[str, Any], *, strict: bool
) -> Tensor:
    """Contribution of one tangent by the kernel of the vjp, which is the same product."""
    if repr(op.gradients(strict=strict)[k]) == "g":
        return t
    code = values["out"].dtype.char
    size = t.array.size
    if type(t) is Batched and not any(
        isinstance(v, Tensor) and 4 * v.array.size > size for v in values.values()
    ):
        run, reads = staged(op, k, code, strict)
        names = ("g", *(reads - {"g"}))
        given = [t if name == "g" else values[name] for name in names]
        rank = max(v.ndim for v in given if isinstance(v, Tensor))
        return on_elements(by_name(run, names), given, rank)
    kernel, names = _kernel(op, k, code, strict)
    given = [t if name == "g" else values[name] for name in names]
    rank = max(v.ndim for v in given if isinstance(v, Tensor))
    return on_elements(kernel, given, rank)


@functools.cache
def _kernel(op: Elementwise, k: int, code: str, strict: bool) -> tuple[Any, tuple[str, ...]]:
    (kernel,) = compiled.vjp(op, (k,), code, strict=strict)
    return kernel.load(), kernel.parameters


def by_name(run: Callable[[dict[str, Any]], Any], names: tuple[str, ...]) -> Callable[..., Any]:
    """Let a program take its arrays by position."""
    return lambda *arrays: run(dict(zip(names, arrays, strict=True)))


def zeros_like(t: Tensor) -> Tensor:
    """Zeros in the shape and dtype of a tensor."""
    return alias(np.zeros(t.shape, t.dtype), None)

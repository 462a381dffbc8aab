"""How einsum computes: sums over one array, and contractions of pairs as matrix products.

Labels are strings, a letter a dimension.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numgrad.modes import modes
from numgrad.op import structural
from numgrad.ops import batched_products
from numgrad.ops.choice import where
from numgrad.ops.matmul import multiply

# Up to so many multiplications NumPy's own loop takes less time than a matrix product's set-up.
SMALL = 2048


@structural(node="Einsum", linear=True, batch=batched_products.summing)
def summed(x: Any, *, labels: str, out: str) -> Any:
    """Take diagonals of repeated labels, sum over those that `out` lacks, and reorder the rest."""
    result = np.einsum(f"{labels}->{out}", x)
    return result.copy() if np.may_share_memory(result, x) else result


@summed.vjp("x")
def _(g: Any, *, labels: str, out: str, shapes: Any) -> Any:
    return unsummed(g, labels=out, out=labels, shape=shapes[0])


@structural(node="Einsum", linear=True, batch=batched_products.summing)
def unsummed(x: Any, *, labels: str, out: str, shape: tuple[int, ...]) -> Any:
    """The adjoint of `summed`: repeat along labels that x lacks, fill diagonals."""
    unique = "".join(dict.fromkeys(out))
    result = np.zeros(shape, x.dtype)
    places = np.einsum(f"{out}->{unique}", result)
    present = "".join(a for a in unique if a in labels)
    values = np.einsum(f"{labels}->{present}", x)
    places[...] = values[tuple(slice(None) if a in labels else None for a in unique)]
    return result


@unsummed.vjp("x")
def _(g: Any, *, labels: str, out: str) -> Any:
    return summed(g, labels=out, out=labels)


def _contract(x: Any, y: Any, a: str, b: str, out: str) -> Any:
    extents = {**dict(zip(a, x.shape, strict=True)), **dict(zip(b, y.shape, strict=True))}
    if math.prod(extents.values()) <= SMALL:
        return np.asarray(np.einsum(f"{a},{b}->{out}", x, y))
    batch = [c for c in out if c in a and c in b]
    rows = [c for c in out if c not in b]
    columns = [c for c in out if c not in a]
    inner = [c for c in a if c in b and c not in out]

    def matrix(array: Any, labels: str, *groups: list[str]) -> Any:
        ordered = array.transpose([labels.index(c) for group in groups for c in group])
        return ordered.reshape([math.prod(extents[c] for c in group) for group in groups])

    left, right = matrix(x, a, batch, rows, inner), matrix(y, b, batch, inner, columns)
    result = multiply(left, right) if batch else multiply(left[0], right[0])
    order = [*batch, *rows, *columns]
    return result.reshape([extents[c] for c in order]).transpose([order.index(c) for c in out])


def _blanks(arrays: list[Any], depth: int, result: Any) -> Any:
    return None if modes().strict_ieee else batched_products.blanks(arrays, depth, result)


@structural(
    node="Einsum",
    batch=batched_products.contracting(_contract),
)
def contracted(x: Any, y: Any, *, a: str, b: str, out: str) -> Any:
    """Multiply x with labels `a` by y with labels `b`; sum over labels that `out` lacks.

    No label repeats in one operand, and each is in the other or in `out`.
    """
    return _contract(x, y, a, b, out)


@structural(
    node="Einsum",
    batch=batched_products.contracting(_contract, _blanks),
)
def chain_contracted(x: Any, y: Any, *, a: str, b: str, out: str) -> Any:
    """The same in the chain rule: 0 if one operand is 0 throughout and the other not finite."""
    result = _contract(x, y, a, b, out)
    if modes().strict_ieee or not _blank(x, y, result):
        return result
    return np.zeros_like(result)


def _blank(x: Any, y: Any, result: Any) -> bool:
    if math.isfinite(result.sum()):
        return False
    return bool(
        (not x.any() and not np.isfinite(y).all()) or (not y.any() and not np.isfinite(x).all())
    )


def _nothing_of_batch(kernel: Any, arrays: list[Any], hidden: tuple[int, ...], _: Any) -> Any:
    lost = _blanks(arrays, len(hidden), None)
    return np.zeros(hidden, np.bool_) if lost is None else lost


@structural(batch=_nothing_of_batch)
def nothing(x: Any, y: Any) -> Any:
    """Whether a contraction of the chain rule is a blank: the constant 0, without derivatives."""
    return np.asarray(not modes().strict_ieee and _blank(x, y, np.asarray(math.nan)))


@contracted.vjp("x")
def _(g: Any, y: Any, *, a: str, b: str, out: str) -> Any:
    return chain_contracted(g, y, a=out, b=b, out=a)


@contracted.vjp("y")
def _(g: Any, x: Any, *, a: str, b: str, out: str) -> Any:
    return chain_contracted(g, x, a=out, b=a, out=b)


@chain_contracted.vjp("x")
def _(g: Any, x: Any, y: Any, *, a: str, b: str, out: str) -> Any:
    return chain_contracted(g, where(nothing(x, y), 0, y), a=out, b=b, out=a)


@chain_contracted.vjp("y")
def _(g: Any, x: Any, y: Any, *, a: str, b: str, out: str) -> Any:
    return chain_contracted(g, where(nothing(x, y), 0, x), a=out, b=a, out=b)


@contracted.jvp("x")
def _(t: Any, y: Any, *, a: str, b: str, out: str) -> Any:
    return chain_contracted(t, y, a=a, b=b, out=out)


@contracted.jvp("y")
def _(t: Any, x: Any, *, a: str, b: str, out: str) -> Any:
    return chain_contracted(x, t, a=a, b=b, out=out)


@chain_contracted.jvp("x")
def _(t: Any, x: Any, y: Any, *, a: str, b: str, out: str) -> Any:
    return chain_contracted(t, where(nothing(x, y), 0, y), a=a, b=b, out=out)


@chain_contracted.jvp("y")
def _(t: Any, x: Any, y: Any, *, a: str, b: str, out: str) -> Any:
    return chain_contracted(where(nothing(x, y), 0, x), t, a=a, b=b, out=out)

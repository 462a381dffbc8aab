"""Vector norms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.errors import ShapeError
from numgrad.kernels import layout
from numgrad.op import structural
from numgrad.ops import batching
from numgrad.ops.arithmetic import abs_, pow_, product, sign
from numgrad.ops.axes import MISSING
from numgrad.ops.choice import equal, where
from numgrad.ops.extrema import ties
from numgrad.ops.reduce import count, floating, kept, reduction, spread, sum_over, zeros_for
from numgrad.value import lift

if TYPE_CHECKING:
    from numgrad.tensor import Tensor

__all__ = ["norm"]


@structural(node="LinalgVectorNorm", batch=batching.shifted)
def norm_over(x: Any, *, p: float, axes: tuple[int, ...] | None, keepdims: Any) -> Any:
    """The p-norm over dimensions, None for all."""
    if p == 2:
        return layout.fold("euclidean", x, axes, keepdims=keepdims)
    if p == 1:
        return layout.fold("sum_of_magnitudes", x, axes, keepdims=keepdims)
    if p == 0:
        return np.add.reduce(x != 0, axis=axes, keepdims=keepdims, dtype=x.dtype)
    if math.isinf(p):
        choose = np.maximum if p > 0 else np.minimum
        return choose.reduce(np.abs(x), axis=axes, keepdims=keepdims)
    with np.errstate(all="ignore"):
        total = np.add.reduce(np.abs(x) ** p, axis=axes, keepdims=keepdims)
        return total ** (1 / p)


@norm_over.vjp("x")
def _(
    g: Any,
    x: Any,
    out: Any,
    *,
    p: float,
    axes: tuple[int, ...] | None,
    keepdims: bool,
    shapes: Any,
) -> Any:
    if p == 0:
        return zeros_for(g, shape=shapes[0])
    local = _local(x, kept(out, shapes[0], axes, keepdims=keepdims), p, axes)
    return product(spread(g, shape=shapes[0], axes=axes, keepdims=keepdims), local)


@norm_over.jvp("x")
def _(
    t: Any,
    x: Any,
    out: Any,
    *,
    p: float,
    axes: tuple[int, ...] | None,
    keepdims: bool,
    shapes: Any,
) -> Any:
    if p == 0:
        return zeros_for(t, shape=out.shape)
    local = _local(x, kept(out, shapes[0], axes, keepdims=keepdims), p, axes)
    return sum_over(product(t, local), axes=axes, keepdims=keepdims)


def _local(x: Any, out: Any, p: float, axes: tuple[int, ...] | None) -> Any:
    """Derivative of the norm to each element; `out` has the dimensions of x."""
    if p == 2:
        return where(equal(out, 0.0), 0.0, x / out)
    if p == 1:
        return sign(x)
    if math.isinf(p):
        return sign(x) * ties(abs_(x), out, axes=axes)
    return where(equal(x, 0.0), 0.0, sign(x) * pow_(abs_(x) / out, p - 1))


def norm(
    x: Tensor,
    p: Any = "fro",
    dim: Any = MISSING,
    keepdim: Any = MISSING,
    dtype: Any = None,
    *,
    axis: Any = MISSING,
    keepdims: Any = MISSING,
) -> Tensor:
    """The p-norm of the elements over `dim`, an int or a tuple; over all without it.

    `p` is a number, also 0 (how many are not 0), inf or -inf; "fro" is 2. Dtype: integers and
    bools give the default dtype. At the edges: the gradient at 0 is 0, and so is that to an
    element 0 for any p; for inf it is split evenly among the largest.

    Raises: ShapeError for p = inf or p < 0 of nothing; ValueError for another p.

    Source: torch.norm.

    >>> import numgrad as ng
    >>> ng.norm(ng.tensor([3.0, 4.0]))
    tensor(5.)
    """
    x = floating(lift(x, "norm"), dtype)
    if p is None or p == "fro":
        p = 2.0
    if isinstance(p, str):
        raise ValueError(
            f'norm() takes p as a number or "fro", got {p!r}: for norms of matrices use'
            " numgrad.linalg.matrix_norm()."
        )
    p = float(p)
    axes, keep = reduction("norm", x.ndim, dim, keepdim, axis, keepdims)
    if (p == math.inf or p < 0) and not count(x.shape, axes):
        raise ShapeError(
            f"norm() with p={p} over dimensions {axes} of shape {x.shape} has no elements to"
            " choose from: check for an empty tensor first."
        )
    return norm_over(x, p=p, axes=axes, keepdims=keep)  # type: ignore[no-any-return]

"""Reductions: one value out of many along some dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.op import structural
from numgrad.ops.axes import MISSING, axes_in, either, reduced_shape
from numgrad.ops.broadcast import cast, expand_to, view_as
from numgrad.value import lift

if TYPE_CHECKING:
    from numgrad.tensor import Tensor


@structural(node="Sum")
def sum_over(x: Any, *, axes: tuple[int, ...], keepdims: bool) -> Any:
    """Sum over dimensions."""
    return np.add.reduce(x, axis=axes, keepdims=keepdims)


@sum_over.vjp("x")
def _(g: Any, *, axes: tuple[int, ...], shapes: Any) -> Any:
    return expand_to(view_as(g, shape=reduced_shape(shapes[0], axes)), shape=shapes[0])


def sum(  # noqa: PLR0913 - both spellings
    x: Tensor,
    dim: Any = MISSING,
    keepdim: Any = MISSING,
    *,
    dtype: Any = None,
    axis: Any = MISSING,
    keepdims: Any = MISSING,
) -> Tensor:
    """Sum of elements over `dim`, an int or a tuple; over all without it.

    Dtype: integers and bools are summed in int64. At the edges: the sum of nothing is 0.

    >>> import numgrad as ng
    >>> ng.sum(ng.ones(2, 3), dim=1)
    tensor([3., 3.])
    """
    x = lift(x, "sum")
    axes = axes_in("sum", either("sum", "dim", dim, "axis", axis, None), x.ndim)
    keep = either("sum", "keepdim", keepdim, "keepdims", keepdims, default=False)
    if dtype is not None:
        x = cast(x, dtype=np.dtype(dtype))
    return sum_over(x, axes=axes, keepdims=bool(keep))  # type: ignore[no-any-return]



"""Running sums and products, and the product of all.

Nothing here divides: derivatives of products are made of running products from both ends and of
linear recurrences, which are exact whatever elements are 0, to any order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.kernels import layout
from numgrad.op import structural
from numgrad.ops import batching
from numgrad.ops.arithmetic import product
from numgrad.ops.axes import MISSING, axis_in
from numgrad.ops.broadcast import cast, view_as
from numgrad.ops.reduce import KERNELS, dense, reduction, spread, sum_over, summed, zeros_for
from numgrad.value import lift

if TYPE_CHECKING:
    from numgrad.tensor import Tensor

__all__ = ["cumprod", "cumsum", "prod"]


@structural(node="Cumsum", linear=True, batch=batching.shifted)
def cumsum_along(x: Any, *, axis: int, reverse: bool) -> Any:
    """Running sum along a dimension, from its end if `reverse`."""
    return _accumulate("cumsum", np.add, x, axis, reverse=reverse)


@cumsum_along.vjp("x")
def _(g: Any, *, axis: int, reverse: bool) -> Any:
    return cumsum_along(g, axis=axis, reverse=not reverse)


@structural(node="Cumprod", batch=batching.shifted)
def cumprod_along(x: Any, *, axis: int, reverse: bool) -> Any:
    """Running product along a dimension, from its end if `reverse`."""
    return _accumulate("cumprod", np.multiply, x, axis, reverse=reverse)


@cumprod_along.vjp("x")
def _(g: Any, x: Any, out: Any, *, axis: int, reverse: bool) -> Any:
    # d out[i] / d x[j] = (product before j) * (product from j + 1 to i); the sum over i of g[i]
    # times the latter is z[j] = g[j] + x[j + 1] * z[j + 1].
    following = shift(x, axis=axis, reverse=not reverse, fill=0.0)
    z = recurrence(following, g, axis=axis, reverse=not reverse)
    return product(z, shift(out, axis=axis, reverse=reverse, fill=1.0))


@structural(batch=batching.shifted)
def recurrence(a: Any, b: Any, *, axis: int, reverse: bool) -> Any:
    """Solve z[i] = a[i] * z[i - 1] + b[i] along a dimension, z[i + 1] for z[i - 1] if `reverse`."""
    if not a.ndim:
        return b.copy()
    if not reverse:
        return layout.along("recurrence", (axis,), a, b)
    solved = layout.along("recurrence", (axis,), np.flip(a, axis), np.flip(b, axis))
    return np.flip(solved, axis)


@recurrence.vjp()
def _(g: Any, a: Any, out: Any, *, axis: int, reverse: bool) -> Any:
    following = shift(a, axis=axis, reverse=not reverse, fill=0.0)
    to_b = recurrence(following, g, axis=axis, reverse=not reverse)
    return product(to_b, shift(out, axis=axis, reverse=reverse, fill=0.0)), to_b


@recurrence.jvp("a")
def _(t: Any, a: Any, out: Any, *, axis: int, reverse: bool) -> Any:
    before = shift(out, axis=axis, reverse=reverse, fill=0.0)
    return recurrence(a, product(t, before), axis=axis, reverse=reverse)


@recurrence.jvp("b")
def _(t: Any, a: Any, *, axis: int, reverse: bool) -> Any:
    return recurrence(a, t, axis=axis, reverse=reverse)


@structural(batch=batching.shifted)
def shift(x: Any, *, axis: int, reverse: bool, fill: float) -> Any:
    """Move elements one place on along a dimension, back if `reverse`; `fill` the place left."""
    out = np.full_like(x, fill)
    if x.ndim and x.shape[axis]:
        before = (slice(None),) * axis
        first, rest = (*before, slice(None, -1)), (*before, slice(1, None))
        target, source = (first, rest) if reverse else (rest, first)
        out[target] = x[source]
    return out


@shift.vjp("x")
def _(g: Any, *, axis: int, reverse: bool) -> Any:
    if not g.ndim:
        return zeros_for(g, shape=())
    return shift(g, axis=axis, reverse=not reverse, fill=0.0)


@shift.jvp("x")
def _(t: Any, *, axis: int, reverse: bool) -> Any:
    return shift(t, axis=axis, reverse=reverse, fill=0.0)


@structural(node="Prod", batch=batching.shifted)
def prod_over(x: Any, *, axes: tuple[int, ...], keepdims: Any) -> Any:
    """Product over dimensions."""
    if x.dtype.char in KERNELS and dense(x, axes):
        return layout.fold("product", x, axes, keepdims=keepdims)
    with np.errstate(all="ignore"):
        return np.multiply.reduce(x, axis=axes, keepdims=keepdims, dtype=summed(x.dtype))


@prod_over.vjp("x")
def _(g: Any, x: Any, *, axes: tuple[int, ...], keepdims: bool, shapes: Any) -> Any:
    others = from_rows(products_of_others(as_rows(x, axes=axes)), shape=shapes[0], axes=axes)
    return product(spread(g, shape=shapes[0], axes=axes, keepdims=keepdims), others)


@prod_over.jvp("x")
def _(t: Any, x: Any, *, axes: tuple[int, ...], keepdims: bool, shapes: Any) -> Any:
    others = from_rows(products_of_others(as_rows(x, axes=axes)), shape=shapes[0], axes=axes)
    return sum_over(product(t, others), axes=axes, keepdims=keepdims)


@structural(batch=batching.leading(1))
def products_of_others(x: Any) -> Any:
    """For each element along the last dimension, the product of all the others."""
    return layout.along("others", (x.ndim - 1,), x)


@products_of_others.vjp("x")
def _(g: Any, x: Any) -> Any:
    # out[j] = before[j] * after[j]. The product of all but j and k is, for j > k, before[k] times
    # what lies between times after[j]; the sum over j runs as a recurrence. For j < k likewise.
    axis = x.ndim - 1
    before, after = (
        shift(cumprod_along(x, axis=axis, reverse=r), axis=axis, reverse=r, fill=1.0)
        for r in (False, True)
    )
    from_behind = recurrence(x, product(g, after), axis=axis, reverse=True)
    from_front = recurrence(x, product(g, before), axis=axis, reverse=False)
    return product(before, shift(from_behind, axis=axis, reverse=True, fill=0.0)) + product(
        after, shift(from_front, axis=axis, reverse=False, fill=0.0)
    )


@structural(view=True, linear=True, batch=batching.shifted)
def as_rows(x: Any, *, axes: tuple[int, ...]) -> Any:
    """Make one last dimension of several."""
    return layout.as_rows(x, axes)


@as_rows.vjp("x")
def _(g: Any, *, axes: tuple[int, ...], shapes: Any) -> Any:
    return from_rows(g, shape=shapes[0], axes=axes)


@structural(view=True, linear=True, batch=batching.shifted)
def from_rows(x: Any, *, shape: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    """Undo `as_rows` for a tensor of this shape."""
    return layout.from_rows(x, shape, axes)


@from_rows.vjp("x")
def _(g: Any, *, axes: tuple[int, ...]) -> Any:
    return as_rows(g, axes=axes)


def cumsum(x: Tensor, dim: Any = MISSING, *, dtype: Any = None, axis: Any = MISSING) -> Tensor:
    """Running sum along a dimension; `axis=None` flattens first.

    Dtype: integers and bools are summed in int64.

    Raises: TypeError without a dimension.

    >>> import numgrad as ng
    >>> ng.cumsum(ng.tensor([1.0, 2.0, 3.0]), dim=0)
    tensor([1., 3., 6.])
    """
    x, k = _dimension("cumsum", x, dim, axis, dtype)
    return cumsum_along(x, axis=k, reverse=False)  # type: ignore[no-any-return]


def cumprod(x: Tensor, dim: Any = MISSING, *, dtype: Any = None, axis: Any = MISSING) -> Tensor:
    """Running product along a dimension; `axis=None` flattens first.

    Dtype: integers and bools are multiplied in int64. The gradient is exact with any number of
    zeros.

    Raises: TypeError without a dimension.

    >>> import numgrad as ng
    >>> ng.cumprod(ng.tensor([1.0, 2.0, 3.0]), dim=0)
    tensor([1., 2., 6.])
    """
    x, k = _dimension("cumprod", x, dim, axis, dtype)
    return cumprod_along(x, axis=k, reverse=False)  # type: ignore[no-any-return]


def prod(
    x: Tensor,
    dim: Any = MISSING,
    keepdim: Any = MISSING,
    *,
    dtype: Any = None,
    axis: Any = MISSING,
    keepdims: Any = MISSING,
) -> Tensor:
    """Product of elements over `dim`, an int or a tuple; over all without it.

    Dtype: integers and bools are multiplied in int64. At the edges: the product of nothing is 1,
    the gradient is exact with any number of zeros; empty tuples as in `sum`.

    >>> import numgrad as ng
    >>> x = ng.tensor([0.0, 2.0, 3.0], requires_grad=True)
    >>> ng.prod(x).backward()
    >>> x.grad
    tensor([6., 0., 0.])
    """
    x = lift(x, "prod")
    axes, keep = reduction("prod", x.ndim, dim, keepdim, axis, keepdims)
    if dtype is not None:
        x = cast(x, dtype=np.dtype(dtype))
    return prod_over(x, axes=axes, keepdims=keep)  # type: ignore[no-any-return]


def _dimension(name: str, x: Any, dim: Any, axis: Any, dtype: Any) -> tuple[Any, int]:
    """Return the tensor to scan and the dimension to scan along."""
    x = lift(x, name)
    if dtype is not None:
        x = cast(x, dtype=np.dtype(dtype))
    if (dim is MISSING) == (axis is MISSING):
        raise TypeError(
            f"{name}() takes one dimension, as dim= or axis=: axis=None runs over the flat tensor."
        )
    if axis is None:
        return view_as(x, shape=(x.numel(),)), 0
    return x, axis_in(name, dim if axis is MISSING else axis, x.ndim)


def _accumulate(kernel: str, ufunc: np.ufunc, x: Any, axis: int, *, reverse: bool) -> Any:
    if reverse and x.ndim:
        return np.flip(_accumulate(kernel, ufunc, np.flip(x, axis), axis, reverse=False), axis)
    if not x.ndim:
        return x.astype(summed(x.dtype))
    if x.dtype.char in KERNELS and axis == x.ndim - 1:
        return layout.along(kernel, (axis,), x)
    with np.errstate(all="ignore"):
        return ufunc.accumulate(x, axis, summed(x.dtype))

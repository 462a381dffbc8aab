"""Norms of vectors and matrices: `numgrad.linalg.norm` and its two halves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.errors import ShapeError
from numgrad.ops.axes import MISSING, axes_in, axis_in, either, reduced_shape
from numgrad.ops.broadcast import cast, view_as
from numgrad.ops.matrices import floating
from numgrad.ops.norm import norm_over
from numgrad.ops.permute import moveaxis
from numgrad.ops.reduce import sum_over
from numgrad.ops.svd import svdvals_

if TYPE_CHECKING:
    from numgrad.tensor import Tensor

__all__ = ["matrix_norm", "norm", "vector_norm"]


def _as(x: Any, name: str, dtype: Any) -> Any:
    x = floating(x, name)
    return x if dtype is None else cast(x, dtype=np.dtype(dtype))


def vector_norm(
    x: Tensor,
    ord: Any = 2,
    dim: Any = MISSING,
    keepdim: Any = MISSING,
    *,
    dtype: Any = None,
    axis: Any = MISSING,
    keepdims: Any = MISSING,
) -> Tensor:
    """The norm of order `ord` of the elements over `dim`, an int or a tuple; over all without it.

    `ord` is a number, also 0 (how many are not 0), inf or -inf. At the edges: the gradient at 0
    is 0; for inf and -inf it is split evenly among the elements that attain them. Raises
    ShapeError for inf or a negative order of nothing, TypeError for an order that is no number.

    Source: torch.linalg.vector_norm, numpy.linalg.vector_norm.

    >>> import numgrad as ng
    >>> ng.linalg.vector_norm(ng.tensor([3.0, 4.0]))
    tensor(5.)
    """
    name = "vector_norm"
    x = _as(x, name, dtype)
    axes = axes_in(name, either(name, "dim", dim, "axis", axis, None), len(x.shape))
    keep = either(name, "keepdim", keepdim, "keepdims", keepdims, default=False)
    return _vector_norm(name, x, ord, axes, keep=bool(keep))


def _vector_norm(name: str, x: Any, ord: Any, axes: tuple[int, ...], *, keep: bool) -> Tensor:
    if isinstance(ord, str):
        raise TypeError(f"{name}() takes a number as order for vectors, got {ord!r}.")
    p = float(ord)
    if (p < 0 or p == math.inf) and math.prod(x.shape[k] for k in axes) == 0:
        raise ShapeError(
            f"{name}() of order {ord} over dimensions {axes} of shape {x.shape} has no elements to"
            " choose from: check for an empty tensor first."
        )
    return norm_over(x, p=p, axes=axes, keepdims=keep)  # type: ignore[no-any-return]


def matrix_norm(
    A: Tensor,
    ord: Any = "fro",
    dim: Any = MISSING,
    keepdim: Any = MISSING,
    *,
    dtype: Any = None,
    axis: Any = MISSING,
    keepdims: Any = MISSING,
) -> Tensor:
    """A norm of the matrices in two dimensions, the last two without `dim`.

    `ord` is "fro" (root of the sum of squares), "nuc" (sum of singular values), 1 or -1 (largest
    or smallest sum of magnitudes in a column), inf or -inf (in a row), 2 or -2 (largest or
    smallest singular value). At the edges: where several attain it the gradient is split evenly
    among them; see `svd` for equal singular values. Raises ShapeError for fewer than two
    dimensions, or a largest or smallest of nothing; ValueError for another order.

    Source: torch.linalg.matrix_norm, numpy.linalg.matrix_norm.

    >>> import numgrad as ng
    >>> ng.linalg.matrix_norm(ng.tensor([[3.0, 0.0], [0.0, 4.0]]), "nuc")
    tensor(7.)
    """
    name = "matrix_norm"
    A = _as(A, name, dtype)
    if len(A.shape) < 2:
        raise ShapeError(f"{name}() takes matrices, got shape {A.shape}: see vector_norm().")
    dims = either(name, "dim", dim, "axis", axis, (-2, -1))
    keep = either(name, "keepdim", keepdim, "keepdims", keepdims, default=False)
    return _matrix_norm(name, A, ord, dims, keep=bool(keep))


def _matrix_norm(name: str, A: Any, ord: Any, dims: Any, *, keep: bool) -> Tensor:
    if not isinstance(dims, (tuple, list)) or len(dims) != 2:
        raise ShapeError(f"{name}() takes the two dimensions of the matrices, got {dims}.")
    rows, columns = (axis_in(name, d, len(A.shape)) for d in dims)
    if rows == columns:
        raise RuntimeError(f"{name}() needs two different dimensions, got {rows} twice.")
    axes = (min(rows, columns), max(rows, columns))
    if ord is None or ord == "fro":
        return norm_over(A, p=2.0, axes=axes, keepdims=keep)  # type: ignore[no-any-return]
    if ord in (1, -1, math.inf, -math.inf):
        summed, rest = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = norm_over(A, p=1.0, axes=(summed,), keepdims=True)
        # The sums are not negative, so that the order chooses among them.
        result = _vector_norm(name, sums, math.copysign(math.inf, ord), (rest,), keep=True)
    elif ord in (2, -2, "nuc"):
        s = svdvals_(moveaxis(A, (rows, columns), (-2, -1)))
        last = (len(s.shape) - 1,)
        if ord == "nuc":
            result = sum_over(s, axes=last, keepdims=False)
        else:
            result = _vector_norm(name, s, math.copysign(math.inf, ord), last, keep=False)
    else:
        raise ValueError(
            f"{name}() takes 'fro', 'nuc', 1, -1, 2, -2, inf or -inf as order for matrices,"
            f" got {ord!r}."
        )
    kept = reduced_shape(A.shape, axes)
    shape = kept if keep else tuple(n for k, n in enumerate(A.shape) if k not in axes)
    return result if result.shape == shape else view_as(result, shape=shape)


def norm(
    A: Tensor,
    ord: Any = None,
    dim: Any = MISSING,
    keepdim: Any = MISSING,
    *,
    dtype: Any = None,
    axis: Any = MISSING,
    keepdims: Any = MISSING,
) -> Tensor:
    """A norm of vectors (`dim` an int, or A of one dimension) or matrices (`dim` a pair, or two).

    Without `ord` it is the root of the sum of squares, without `dim` too over all elements. Orders
    are those of `vector_norm` and `matrix_norm`. Raises ShapeError for an order without `dim` and
    other than one or two dimensions.

    Source: numpy.linalg.norm, torch.linalg.norm.

    >>> import numgrad as ng
    >>> ng.linalg.norm(ng.tensor([[3.0, 0.0], [0.0, 4.0]]), 2)
    tensor(4.)
    """
    A = _as(A, "norm", dtype)
    dims = either("norm", "dim", dim, "axis", axis, None)
    keep = bool(either("norm", "keepdim", keepdim, "keepdims", keepdims, default=False))
    rank = len(A.shape)
    if dims is None:
        if ord is None:
            return norm_over(A, p=2.0, axes=tuple(range(rank)), keepdims=keep)  # type: ignore[no-any-return]
        if rank not in (1, 2):
            raise ShapeError(
                f"norm() of order {ord!r} is that of a vector or a matrix, got shape {A.shape}:"
                " give dim."
            )
        dims = tuple(range(rank))
    if isinstance(dims, (tuple, list)) and len(dims) == 2:
        return _matrix_norm("norm", A, ord, dims, keep=keep)
    axes = axes_in("norm", dims, rank)
    if len(axes) != 1:
        raise ShapeError(f"norm() is over one dimension or two, got {dims}: see vector_norm().")
    return _vector_norm("norm", A, 2 if ord is None else ord, axes, keep=keep)

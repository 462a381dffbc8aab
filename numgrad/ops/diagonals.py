"""Diagonals and triangles of matrices.

The offset of a diagonal is counted from the main one, positive above it: PyTorch's `diagonal` or
`offset`, NumPy's `k`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.errors import ShapeError
from numgrad.op import structural
from numgrad.ops import batching
from numgrad.ops.axes import MISSING, axis_in, either
from numgrad.value import lift

if TYPE_CHECKING:
    from numgrad.tensor import Tensor


def _diagonal_of(array: Any, offset: int, axes: tuple[int, int]) -> Any:
    """NumPy's diagonal, which is a view, and one that can be written to where the array can."""
    result = array.diagonal(offset, *axes)
    result.flags.writeable = array.flags.writeable
    return result


@structural(node="Diagonal", view=True, linear=True, batch=batching.shifted)
def diagonal_of(x: Any, *, offset: int, axes: tuple[int, int]) -> Any:
    """The elements whose indices in two dimensions differ by the offset, as a last dimension."""
    return _diagonal_of(x, offset, axes)


@diagonal_of.vjp("x")
def _(g: Any, *, offset: int, axes: tuple[int, int], shapes: Any) -> Any:
    return place_diagonal(g, offset=offset, axes=axes, shape=shapes[0])


@structural(node="DiagEmbed", linear=True, batch=batching.shifted)
def place_diagonal(x: Any, *, offset: int, axes: tuple[int, int], shape: tuple[int, ...]) -> Any:
    """Zeros of a shape with x on a diagonal."""
    result = np.zeros(shape, x.dtype)
    _diagonal_of(result, offset, axes)[...] = x
    return result


@place_diagonal.vjp("x")
def _(g: Any, *, offset: int, axes: tuple[int, int]) -> Any:
    return diagonal_of(g, offset=offset, axes=axes)


@structural(node="Tril", linear=True, batch=batching.leading(2))
def lower_triangle(x: Any, *, offset: int) -> Any:
    """The elements on and below a diagonal, zeros above it."""
    return np.tril(x, offset)


@lower_triangle.vjp("x")
def _(g: Any, *, offset: int) -> Any:
    return lower_triangle(g, offset=offset)


@structural(node="Triu", linear=True, batch=batching.leading(2))
def upper_triangle(x: Any, *, offset: int) -> Any:
    """The elements on and above a diagonal, zeros below it."""
    return np.triu(x, offset)


@upper_triangle.vjp("x")
def _(g: Any, *, offset: int) -> Any:
    return upper_triangle(g, offset=offset)


def diagonal(
    x: Tensor,
    offset: int = 0,
    dim1: Any = MISSING,
    dim2: Any = MISSING,
    *,
    axis1: Any = MISSING,
    axis2: Any = MISSING,
) -> Tensor:
    """A diagonal of the matrices in two dimensions, as the last dimension of the result; a view.

    Raises ShapeError for fewer than two dimensions, RuntimeError if both are the same.

    >>> import numgrad as ng
    >>> ng.diagonal(ng.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([1., 4.])
    """
    x = _matrices(x, "diagonal")
    first = axis_in("diagonal", either("diagonal", "dim1", dim1, "axis1", axis1, 0), x.ndim)
    second = axis_in("diagonal", either("diagonal", "dim2", dim2, "axis2", axis2, 1), x.ndim)
    if first == second:
        raise RuntimeError(f"diagonal() needs two different dimensions, got {first} twice.")
    return diagonal_of(x, offset=offset, axes=(first, second))  # type: ignore[no-any-return]


def diag(x: Tensor, diagonal: Any = MISSING, *, k: Any = MISSING) -> Tensor:
    """The matrix with a vector on its diagonal, or the diagonal of a matrix as a view.

    Raises ShapeError for other than one or two dimensions.

    >>> import numgrad as ng
    >>> ng.diag(ng.tensor([1.0, 2.0]))
    tensor([[1., 0.],
            [0., 2.]])
    """
    x = lift(x, "diag")
    offset = either("diag", "diagonal", diagonal, "k", k, 0)
    if x.ndim == 1:
        extent = x.shape[0] + abs(offset)
        return place_diagonal(x, offset=offset, axes=(0, 1), shape=(extent, extent))  # type: ignore[no-any-return]
    if x.ndim == 2:
        return diagonal_of(x, offset=offset, axes=(0, 1))  # type: ignore[no-any-return]
    raise ShapeError(f"diag() takes a vector or a matrix, got shape {x.shape}: see diagonal().")


def tril(x: Tensor, diagonal: Any = MISSING, *, k: Any = MISSING) -> Tensor:
    """The lower triangles of matrices, up to a diagonal, with zeros above it.

    Raises ShapeError for fewer than two dimensions.

    >>> import numgrad as ng
    >>> ng.tril(ng.ones(2, 3))
    tensor([[1., 0., 0.],
            [1., 1., 0.]])
    """
    x = _matrices(x, "tril")
    return lower_triangle(x, offset=either("tril", "diagonal", diagonal, "k", k, 0))  # type: ignore[no-any-return]


def triu(x: Tensor, diagonal: Any = MISSING, *, k: Any = MISSING) -> Tensor:
    """The upper triangles of matrices, from a diagonal, with zeros below it.

    Raises ShapeError for fewer than two dimensions.
    """
    x = _matrices(x, "triu")
    return upper_triangle(x, offset=either("triu", "diagonal", diagonal, "k", k, 0))  # type: ignore[no-any-return]


def _matrices(x: Any, name: str) -> Any:
    x = lift(x, name)
    if x.ndim < 2:
        raise ShapeError(f"{name}() needs two dimensions or more, got shape {x.shape}.")
    return x

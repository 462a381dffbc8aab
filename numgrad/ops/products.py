"""Products of vectors and matrices beside the matrix product: dot of any rank, outer, Kronecker."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.errors import ShapeError
from numgrad.op import structural
from numgrad.ops import batching
from numgrad.ops.axes import axis_in
from numgrad.ops.broadcast import expand_to, view_as
from numgrad.ops.diagonals import place_diagonal
from numgrad.ops.einsum import tensordot
from numgrad.ops.matmul import dot, matmul
from numgrad.value import lift

if TYPE_CHECKING:
    from numgrad.tensor import Tensor

__all__ = ["kron", "outer", "trace", "vdot"]


def flat(x: Any, name: str) -> Any:
    """All elements in one dimension."""
    x = lift(x, name)
    return x if len(x.shape) == 1 else view_as(x, shape=(math.prod(x.shape),))


def vdot(x: Tensor, other: Tensor) -> Tensor:
    """Sum of the products of all elements, in row-major order. ShapeError if not as many.

    >>> import numgrad as ng
    >>> ng.vdot(ng.tensor([1.0, 2.0]), ng.tensor([3.0, 4.0]))
    tensor(11.)
    """
    return dot(flat(x, "vdot"), flat(other, "vdot"))


def numpy_dot(x: Tensor, y: Tensor) -> Tensor:
    """NumPy's `dot`: for matrices their product, for others a sum over last and second to last."""
    x, y = lift(x, "dot"), lift(y, "dot")
    if not x.shape or not y.shape:
        return x * y  # type: ignore[no-any-return]
    if len(x.shape) <= 2 and len(y.shape) <= 2:
        return matmul(x, y)
    return tensordot(x, y, ([-1], [-min(len(y.shape), 2)]))


def outer(x: Tensor, vec2: Tensor) -> Tensor:
    """Matrix of the products of each element of x with each of vec2, flattened if not vectors.

    >>> import numgrad as ng
    >>> ng.outer(ng.tensor([1.0, 2.0]), ng.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    x, vec2 = flat(x, "outer"), flat(vec2, "outer")
    return view_as(x, shape=(*x.shape, 1)) * view_as(vec2, shape=(1, *vec2.shape))  # type: ignore[no-any-return]


def kron(x: Tensor, other: Tensor) -> Tensor:
    """Kronecker product: each element of x times all of other; ranks are filled up in front.

    Source: numpy.kron, torch.kron.

    >>> import numgrad as ng
    >>> ng.kron(ng.tensor([1.0, 10.0]), ng.tensor([1.0, 2.0]))
    tensor([ 1.,  2., 10., 20.])
    """
    x, other = lift(x, "kron"), lift(other, "kron")
    rank = max(len(x.shape), len(other.shape))
    big, small = ((1,) * (rank - len(t.shape)) + t.shape for t in (x, other))
    left = view_as(x, shape=tuple(n for extent in big for n in (extent, 1)))
    right = view_as(other, shape=tuple(n for extent in small for n in (1, extent)))
    shape = tuple(a * b for a, b in zip(big, small, strict=True))
    return view_as(left * right, shape=shape)  # type: ignore[no-any-return]


@structural(node="Trace", linear=True, batch=batching.shifted)
def trace_(x: Any, *, offset: int, axes: tuple[int, int]) -> Any:
    """Sums of diagonals."""
    return np.trace(x, offset, *axes)


@trace_.vjp("x")
def _(g: Any, *, offset: int, axes: tuple[int, int], shapes: Any) -> Any:
    n, m = (shapes[0][k] for k in axes)
    length = max(min(n, m, n + offset, m - offset), 0)
    repeated = expand_to(view_as(g, shape=(*g.shape, 1)), shape=(*g.shape, length))
    return place_diagonal(repeated, offset=offset, axes=axes, shape=shapes[0])


def trace(x: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """Sum of the elements of a diagonal of the matrices in two dimensions.

    At the edges: 0 for matrices without elements. Raises ShapeError for fewer than two dimensions,
    RuntimeError if both are the same.

    Source: torch.trace, which takes matrices alone; numpy.trace.

    >>> import numgrad as ng
    >>> ng.trace(ng.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(5.)
    """
    x = lift(x, "trace")
    if len(x.shape) < 2:
        raise ShapeError(f"trace() needs two dimensions or more, got shape {x.shape}.")
    axes = axis_in("trace", axis1, len(x.shape)), axis_in("trace", axis2, len(x.shape))
    if axes[0] == axes[1]:
        raise RuntimeError(f"trace() needs two different dimensions, got {axes[0]} twice.")
    return trace_(x, offset=offset, axes=axes)  # type: ignore[no-any-return]

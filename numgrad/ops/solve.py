"""Inverses and linear systems, general and triangular."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.errors import ShapeError
from numgrad.op import structural
from numgrad.ops import batching
from numgrad.ops.broadcast import cast, view_as
from numgrad.ops.diagonals import lower_triangle, upper_triangle
from numgrad.ops.lapack import attempt, first_failure, raise_singular, where_possible, whose
from numgrad.ops.matmul import chain_nn, chain_nt, chain_tn
from numgrad.ops.matrices import column, floating, matrices
from numgrad.ops.permute import matrix_transpose

if TYPE_CHECKING:
    from numgrad.tensor import Tensor

__all__ = ["inv", "solve"]

# From this size on, SciPy's triangular solver saves more than its import and its calls cost.
LARGE = 64


@structural(node="LinalgInvEx", batch=batching.leading(2))
def inv_(x: Any) -> Any:
    """Inverses; LinAlgError for a singular matrix."""
    return attempt(np.linalg.inv, x, partial(raise_singular, "inv"))


@inv_.vjp("x")
def _(g: Any, out: Any) -> Any:
    return -chain_nt(chain_tn(out, g), out)


@inv_.jvp("x")
def _(t: Any, out: Any) -> Any:
    return -chain_nn(chain_nn(out, t), out)


def _solve_of_batch(kernel: Any, arrays: list[Any], hidden: tuple[int, ...], metadata: Any) -> Any:
    cores = (2, 1 if metadata["vector"] else 2)
    return kernel(*batching.aligned(arrays, hidden, cores), **metadata)


@structural(node="LinalgSolveEx", batch=_solve_of_batch)
def solve_(A: Any, B: Any, *, vector: bool) -> Any:
    """Solutions X of A X = B, where B holds matrices or single columns."""
    right = B[..., None] if vector else B
    try:
        result = np.linalg.solve(A, right)
    except np.linalg.LinAlgError:
        index, matrix = first_failure(np.linalg.inv, A)
        raise_singular("solve", whose(index), matrix)
    return result[..., 0] if vector else result


@solve_.vjp()
def _(g: Any, A: Any, out: Any, *, needs: tuple[bool, bool], vector: bool) -> Any:
    to_B = solve_(matrix_transpose(A), g, vector=vector)
    if not needs[0]:
        return None, to_B
    if vector:
        return -chain_nt(column(to_B), column(out)), to_B
    return -chain_nt(to_B, out), to_B


@solve_.jvp("A")
def _(t: Any, A: Any, out: Any, *, vector: bool) -> Any:
    if not vector:
        return -solve_(A, chain_nn(t, out), vector=False)
    moved = solve_(A, chain_nn(t, column(out)), vector=False)
    return -view_as(moved, shape=moved.shape[:-1])


@solve_.jvp("B")
def _(t: Any, A: Any, *, vector: bool) -> Any:
    return solve_(A, t, vector=vector)


@structural(node="LinalgSolveTriangular", batch=batching.leading(2, 2))
def solve_triangular_(A: Any, B: Any, *, lower: bool, transposed: bool) -> Any:
    """Solutions of T X = B or Tᵀ X = B, T a triangle of A; nan for a singular T."""
    if A.shape[-1] >= LARGE:
        return where_possible(_substitute(lower=lower, transposed=transposed), A, B)
    triangle = np.tril(A) if lower else np.triu(A)
    return where_possible(np.linalg.solve, triangle.swapaxes(-2, -1) if transposed else triangle, B)


def _substitute(*, lower: bool, transposed: bool) -> Any:
    """Make the solver of single systems, and of batches by looking at each."""
    from scipy import linalg

    solver: Any = linalg.solve_triangular

    def compute(a: Any, b: Any) -> Any:
        if a.ndim == b.ndim == 2:
            return solver(a, b, lower=lower, trans=int(transposed), check_finite=False)
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        result = np.empty(batch + b.shape[-2:], np.result_type(a, b))
        a, b = (np.broadcast_to(x, batch + x.shape[-2:]) for x in (a, b))
        for index in np.ndindex(batch):
            result[index] = compute(a[index], b[index])
        return result

    return compute


@solve_triangular_.vjp()
def _(g: Any, A: Any, out: Any, *, lower: bool, transposed: bool, needs: Any) -> Any:
    to_B = solve_triangular_(A, g, lower=lower, transposed=not transposed)
    if not needs[0]:
        return None, to_B
    full = chain_nt(out, to_B) if transposed else chain_nt(to_B, out)
    triangle = lower_triangle if lower else upper_triangle
    return -triangle(full, offset=0), to_B


@solve_triangular_.jvp("A")
def _(t: Any, A: Any, out: Any, *, lower: bool, transposed: bool) -> Any:
    triangle = (lower_triangle if lower else upper_triangle)(t, offset=0)
    moved = (chain_tn if transposed else chain_nn)(triangle, out)
    return -solve_triangular_(A, moved, lower=lower, transposed=transposed)


@solve_triangular_.jvp("B")
def _(t: Any, A: Any, *, lower: bool, transposed: bool) -> Any:
    return solve_triangular_(A, t, lower=lower, transposed=transposed)


def inv(A: Tensor) -> Tensor:
    """Inverse of each matrix in the last two dimensions.

    At the edges: the inverse of a 0x0 matrix is one. To multiply by it, `solve` is faster and
    more accurate. Raises LinAlgError that names the batch item for a singular matrix, ShapeError
    for matrices that are not square.

    Source: numpy.linalg.inv, torch.linalg.inv.

    >>> import numgrad as ng
    >>> ng.linalg.inv(ng.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return inv_(matrices(A, "inv", square=True))  # type: ignore[no-any-return]


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """Solution X of A X = B, or of X A = B with `left=False`.

    Shape: A (..., n, n). B is a vector (n,), a batch of vectors if its shape is that of A without
    the last dimension, and otherwise (..., n, k), with k right-hand sides; batches broadcast.
    Dtype: integers give the default dtype. Raises LinAlgError that names the batch item for a
    singular matrix, ShapeError for shapes that do not fit.

    Source: torch.linalg.solve; numpy.linalg.solve, which takes vectors in one dimension alone.

    >>> import numgrad as ng
    >>> ng.linalg.solve(ng.tensor([[2.0, 0.0], [0.0, 4.0]]), ng.tensor([1.0, 1.0]))
    tensor([0.5000, 0.2500])
    """
    A = matrices(A, "solve", square=True)
    B = floating(B, "solve")
    vector = B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1])
    return _solve(A, B, vector=vector, left=left)


def _solve(A: Any, B: Any, *, vector: bool, left: bool) -> Tensor:
    extent = A.shape[-1]
    given = B.shape[-1 if vector or not left else -2] if B.ndim else -1
    try:
        np.broadcast_shapes(A.shape[:-2], B.shape[: -1 if vector else -2])
    except ValueError:
        given = -1
    if given != extent:
        raise ShapeError(
            f"solve() takes matrices (..., n, n) and right-hand sides (n,) or (..., n, k)"
            f" with batches that broadcast, got shapes {A.shape} and {B.shape}."
        )
    if A.dtype != B.dtype:
        common = np.result_type(A.dtype, B.dtype)
        A, B = (x if x.dtype == common else cast(x, dtype=common) for x in (A, B))
    if left:
        return solve_(A, B, vector=vector)  # type: ignore[no-any-return]
    if vector:
        return solve_(matrix_transpose(A), B, vector=True)  # type: ignore[no-any-return]
    return matrix_transpose(solve_(matrix_transpose(A), matrix_transpose(B), vector=False))


def numpy_solve(a: Tensor, b: Tensor) -> Tensor:
    """`solve` as NumPy reads shapes: b holds a vector only in one dimension alone."""
    A, B = matrices(a, "solve", square=True), floating(b, "solve")
    return _solve(A, B, vector=B.ndim == 1, left=True)

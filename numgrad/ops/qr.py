"""The QR decomposition: tall, square and wide matrices, with all columns of Q or without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import return_types
from numgrad.op import structural
from numgrad.ops import batching
from numgrad.ops.choice import equal, where
from numgrad.ops.diagonals import diagonal_of, lower_triangle, upper_triangle
from numgrad.ops.eigen import diagonal_matrix
from numgrad.ops.index import place_at, slice_at
from numgrad.ops.join import cat_along
from numgrad.ops.matmul import chain_nn, chain_nt, chain_tn
from numgrad.ops.matrices import matrices
from numgrad.ops.permute import matrix_transpose
from numgrad.ops.solve import solve_, solve_triangular_

if TYPE_CHECKING:
    from numgrad.tensor import Tensor

__all__ = ["qr"]


@structural(node="LinalgQr", outputs=2, batch=batching.leading(2))
def qr_(x: Any, *, complete: bool) -> Any:
    """Factors Q and R, as LAPACK signs them."""
    return tuple(np.linalg.qr(x, "complete" if complete else "reduced"))


@qr_.vjp("x")
def _(g: Any, out: Any, *, shapes: Any) -> Any:
    to_Q, to_R = g
    Q, R = out
    m, n = shapes[0][-2:]
    if Q.shape[-1] > n:  # all columns of Q, and rows of zeros in R
        if to_Q is not None:
            to_Q = _to_first_columns(to_Q, Q, n)
        if to_R is not None:
            to_R = _rows(to_R, 0, n)
        return _square(to_Q, to_R, _columns(Q, 0, n), _rows(R, 0, n))
    if m >= n:
        return _square(to_Q, to_R, Q, R)
    # The first m columns determine Q; the others are Q times those of R.
    left, right = _columns(R, 0, m), _columns(R, m, n)
    if to_R is None:
        to_left = _square(to_Q, None, Q, left)
        return place_at(to_left, key=(..., slice(0, m)), shape=shapes[0])
    to_right = _columns(to_R, m, n)
    through_Q = chain_nt(chain_nn(Q, right), to_right)
    to_Q = through_Q if to_Q is None else to_Q + through_Q
    to_left = _square(to_Q, _columns(to_R, 0, m), Q, left)
    return cat_along(to_left, chain_nn(Q, to_right), axis=len(shapes[0]) - 1)


def _columns(x: Any, start: int, end: int) -> Any:
    return slice_at(x, key=(..., slice(start, end)))


def _rows(x: Any, start: int, end: int) -> Any:
    return slice_at(x, key=(..., slice(start, end), slice(None)))


def _square(to_Q: Any, to_R: Any, Q: Any, R: Any) -> Any:
    """Where R is square: (to_Q + Q sym(M)) R⁻ᵀ with M = R to_Rᵀ - to_Qᵀ Q.

    sym mirrors the lower triangle. Walter and Lehmann, Algorithmic differentiation of linear
    algebra functions (2010).
    """
    M = None
    if to_R is not None:
        M = chain_nt(R, upper_triangle(to_R, offset=0))
    if to_Q is not None:
        other = chain_tn(to_Q, Q)
        M = -other if M is None else M - other
    mirrored = lower_triangle(M, offset=0) + matrix_transpose(lower_triangle(M, offset=-1))
    total = chain_nn(Q, mirrored)
    if to_Q is not None:
        total = to_Q + total
    return matrix_transpose(
        solve_triangular_(R, matrix_transpose(total), lower=False, transposed=False)
    )


def _to_first_columns(to_Q: Any, Q: Any, n: int) -> Any:
    """Cotangent of the first n columns of Q, where LAPACK has made the others from them.

    Q is a product of n reflections, I - V W with V unit lower triangular and W upper triangular;
    so the first columns Q1 determine both, and with C = I - (first n rows of Q1) the others are
    (0, I) + ((I, 0) - Q1) C⁻ᵀ (last rows of Q1)ᵀ.
    """
    m = Q.shape[-1]
    Q1 = _columns(Q, 0, n)
    to_rest = _columns(to_Q, n, m)
    C = np.eye(n, dtype=Q.dtype) - _rows(Q1, 0, n)
    # A column that was zero below the diagonal needs no reflection: its row and column of C are 0.
    diagonal = diagonal_of(C, offset=0, axes=(C.ndim - 2, C.ndim - 1))
    missing = where(equal(diagonal, 0), 1.0, 0.0)
    C = C + diagonal_matrix(missing)
    Z = solve_(matrix_transpose(C), matrix_transpose(_rows(Q1, n, m)), vector=False)
    first = np.eye(m, n, dtype=Q.dtype)
    Y = solve_(C, chain_tn(first - Q1, to_rest), vector=False)
    through_C = cat_along(chain_nt(Z, Y), matrix_transpose(Y), axis=Q.ndim - 2)
    return _columns(to_Q, 0, n) - chain_nt(to_rest, Z) + through_C


def qr(A: Tensor, mode: str = "reduced") -> Any:
    """Matrices with orthonormal columns and upper triangular ones with Q R = A, as (Q, R).

    Shape: A (..., m, n), and k = min(m, n): Q (..., m, k) and R (..., k, n) in mode "reduced";
    Q (..., m, m) and R (..., m, n) in mode "complete"; in mode "r", Q is empty and R reduced.
    At the edges: signs are LAPACK's, and in mode "complete" so are the additional columns, whose
    gradient is that of these very columns. Where the first k columns of A are dependent the
    gradient is not finite. Raises ValueError for another mode.

    Source: numpy.linalg.qr, torch.linalg.qr.

    >>> import numgrad as ng
    >>> ng.linalg.qr(ng.tensor([[3.0], [4.0]])).R
    tensor([[-5.]])
    """
    A = matrices(A, "qr")
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"qr() takes mode 'reduced', 'complete' or 'r', got {mode!r}.")
    complete = mode == "complete" and A.shape[-2] > A.shape[-1]
    Q, R = qr_(A, complete=complete)
    return return_types.linalg_qr(
        slice_at(Q.detach().reshape(-1), key=slice(0)) if mode == "r" else Q, R
    )

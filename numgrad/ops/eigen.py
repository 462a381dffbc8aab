"""Eigenvalues and eigenvectors of symmetric matrices."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import return_types
from numgrad.op import structural
from numgrad.ops import batching
from numgrad.ops.choice import where
from numgrad.ops.diagonals import diagonal_of, place_diagonal
from numgrad.ops.gaps import entangled, quotient, tied, unless_tied
from numgrad.ops.lapack import attempt, raise_diverged
from numgrad.ops.matmul import chain_nn, chain_nt, chain_tn
from numgrad.ops.matrices import column, matrices, row
from numgrad.ops.permute import matrix_transpose

if TYPE_CHECKING:
    from numgrad.tensor import Tensor

__all__ = ["eigh", "eigvalsh"]


@structural(node="LinalgEigh", outputs=2, batch=batching.leading(2))
def eigh_(x: Any, *, uplo: str) -> Any:
    """Eigenvalues in ascending order, and eigenvectors as columns."""
    compute = partial(np.linalg.eigh, UPLO=uplo)
    return tuple(attempt(compute, x, partial(raise_diverged, "eigh")))


@eigh_.vjp("x")
def _(g: Any, out: Any) -> Any:
    to_w, to_V = g
    w, V = (unless_tied(x, out[0], rectangular=False, name="eigh") for x in out)
    if to_V is None:
        return chain_nt(V * row(to_w), V)
    # dV = V (F * (Vᵀ dA V)) with F = 1 / gaps, and dA symmetric. Giles (2008), section 3.1.
    X = chain_tn(V, to_V)
    Xt = matrix_transpose(X)
    gaps = row(w) - column(w)
    ties = tied(gaps, w)
    inner = quotient(0.5 * (X - Xt), gaps, ties, X, name="eigh")
    if to_w is not None:
        lost = entangled(0.5 * (X + Xt), to_w, ties, gaps, X, name="eigh")
        inner = where(lost, np.nan, inner) + diagonal_matrix(to_w)
    return chain_nt(chain_nn(V, inner), V)


@eigh_.jvp("x")
def _(t: Any, out: Any) -> Any:
    w, V = (unless_tied(x, out[0], rectangular=False, name="eigh") for x in out)
    turned = chain_tn(V, chain_nn(0.5 * (t + matrix_transpose(t)), V))
    gaps = row(w) - column(w)
    ties = tied(gaps, w)
    last = len(turned.shape) - 1
    to_w = diagonal_of(turned, offset=0, axes=(last - 1, last))
    apart = turned - diagonal_matrix(to_w)
    return to_w, chain_nn(V, quotient(apart, gaps, ties, turned, name="eigh"))


def diagonal_matrix(x: Any) -> Any:
    """Matrices with the vectors in the last dimension on their diagonals."""
    k = len(x.shape)
    shape = (*x.shape, x.shape[-1])
    return place_diagonal(x, offset=0, axes=(k - 1, k), shape=shape)


@structural(node="LinalgEigh", batch=batching.leading(2))
def eigvalsh_(x: Any, *, uplo: str) -> Any:
    """Eigenvalues in ascending order."""
    compute = partial(np.linalg.eigvalsh, UPLO=uplo)
    return attempt(compute, x, partial(raise_diverged, "eigvalsh"))


@eigvalsh_.vjp("x")
def _(g: Any, x: Any, *, uplo: str) -> Any:
    w, V = eigh_(x, uplo=uplo)
    V = unless_tied(V, w, rectangular=False, name="eigvalsh")
    return chain_nt(V * row(g), V)


def _uplo(name: str, UPLO: Any) -> str:
    if not isinstance(UPLO, str) or UPLO.upper() not in ("L", "U"):
        raise ValueError(f"{name}() takes UPLO 'L' or 'U', the triangle to read, got {UPLO!r}.")
    return UPLO.upper()


def eigh(A: Tensor, UPLO: str = "L") -> Any:
    """Eigenvalues in ascending order and eigenvectors of symmetric matrices.

    They come as (eigenvalues, eigenvectors), the vectors as columns, signed as LAPACK does. Only
    one triangle of A is read and its symmetry is not checked; the gradient is that with respect
    to a symmetric A, and symmetric.

    At the edges, for eigenvalues that are equal (to within 10 n eps of the largest): the gradient
    through the values is V diag(g) Vᵀ, right for symmetric functions of them. That through the
    vectors counts a pair of equal values as 0 if the loss does not depend on the basis: if the
    numerator is at most 100 n eps of the cotangent's largest element, and the loss does not weigh
    the same values while mixing their vectors, where that would tell too little. Otherwise, and
    in second order, it is nan, with a RuntimeWarning. Raises LinAlgError that names the batch
    item where LAPACK does not converge, ShapeError for matrices that are not square.

    Source: numpy.linalg.eigh, torch.linalg.eigh.

    >>> import numgrad as ng
    >>> ng.linalg.eigh(ng.tensor([[2.0, 1.0], [1.0, 2.0]])).eigenvalues
    tensor([1., 3.])
    """
    return return_types.linalg_eigh(
        *eigh_(matrices(A, "eigh", square=True), uplo=_uplo("eigh", UPLO))
    )


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """Eigenvalues of symmetric matrices in ascending order; see `eigh`.

    >>> import numgrad as ng
    >>> ng.linalg.eigvalsh(ng.tensor([[2.0, 1.0], [1.0, 2.0]]))
    tensor([1., 3.])
    """
    A = matrices(A, "eigvalsh", square=True)
    return eigvalsh_(A, uplo=_uplo("eigvalsh", UPLO))  # type: ignore[no-any-return]

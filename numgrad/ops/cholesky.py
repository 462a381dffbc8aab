"""The Cholesky factor of positive definite matrices."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.op import structural
from numgrad.ops import batching
from numgrad.ops.diagonals import lower_triangle
from numgrad.ops.lapack import attempt, raise_indefinite
from numgrad.ops.matmul import chain_nn, chain_tn
from numgrad.ops.matrices import matrices
from numgrad.ops.permute import matrix_transpose
from numgrad.ops.solve import solve_triangular_

if TYPE_CHECKING:
    from numgrad.tensor import Tensor

__all__ = ["cholesky"]


@structural(node="LinalgCholeskyEx", batch=batching.leading(2))
def cholesky_(x: Any) -> Any:
    """Lower factors; LinAlgError for a matrix that is not positive definite."""
    return attempt(np.linalg.cholesky, x, partial(raise_indefinite, "cholesky"))


@cholesky_.vjp("x")
def _(g: Any, out: Any) -> Any:
    # Murray, Differentiation of the Cholesky decomposition (2016): L⁻ᵀ Φ(Lᵀ g) L⁻¹, made
    # symmetric; Φ takes the lower triangle, half of its diagonal.
    inner = chain_tn(out, lower_triangle(g, offset=0))
    phi = 0.5 * (lower_triangle(inner, offset=0) + lower_triangle(inner, offset=-1))
    half = solve_triangular_(out, phi, lower=True, transposed=True)
    full = solve_triangular_(out, matrix_transpose(half), lower=True, transposed=True)
    return 0.5 * (full + matrix_transpose(full))


@cholesky_.jvp("x")
def _(t: Any, out: Any) -> Any:
    # The same backwards: L Φ(L⁻¹ t L⁻ᵀ), with t made symmetric.
    whole = 0.5 * (t + matrix_transpose(t))
    half = solve_triangular_(out, whole, lower=True, transposed=False)
    inner = solve_triangular_(out, matrix_transpose(half), lower=True, transposed=False)
    phi = 0.5 * (lower_triangle(inner, offset=0) + lower_triangle(inner, offset=-1))
    return chain_nn(out, phi)


def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """Lower triangular L with L Lᵀ = A, or upper triangular U with Uᵀ U = A.

    Only the lower triangle of A is read (the upper with `upper=True`) and its symmetry is not
    checked; the gradient is that with respect to a symmetric A, and symmetric. Raises LinAlgError
    that names the batch item for a matrix that is not positive definite.

    Source: numpy.linalg.cholesky, torch.linalg.cholesky.

    >>> import numgrad as ng
    >>> ng.linalg.cholesky(ng.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    A = matrices(A, "cholesky", square=True)
    return matrix_transpose(cholesky_(matrix_transpose(A))) if upper else cholesky_(A)

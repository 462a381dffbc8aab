"""The singular value decomposition: tall, square and wide matrices, all vectors or the first."""

from __future__ import annotations

import functools
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import return_types
from numgrad.op import structural
from numgrad.ops import batching
from numgrad.ops.arithmetic import abs_, add
from numgrad.ops.choice import where
from numgrad.ops.diagonals import diagonal_of
from numgrad.ops.eigen import diagonal_matrix
from numgrad.ops.gaps import entangled, quotient, tied, unless_tied
from numgrad.ops.index import slice_at
from numgrad.ops.join import cat_along
from numgrad.ops.lapack import attempt, raise_diverged
from numgrad.ops.matmul import chain_nn, chain_nt, chain_tn
from numgrad.ops.matrices import column, matrices, number, row
from numgrad.ops.permute import matrix_transpose
from numgrad.ops.reduce import sum_over

if TYPE_CHECKING:
    from numgrad.tensor import Tensor

__all__ = ["svd", "svdvals"]


@structural(node="LinalgSvd", outputs=3, batch=batching.leading(2))
def svd_(x: Any, *, full: bool) -> Any:
    """U, singular values in descending order, and V transposed."""
    compute = partial(np.linalg.svd, full_matrices=full)
    return tuple(attempt(compute, x, partial(raise_diverged, "svd")))


@svd_.vjp("x")
def _(g: Any, out: Any, *, shapes: Any) -> Any:
    m, n = shapes[0][-2:]
    k = min(m, n)
    to_U, to_s, to_Vh = g
    to_V = None if to_Vh is None else matrix_transpose(to_Vh)
    U, to_U, U_free = _thin(out[0], to_U, k)
    V, to_V, V_free = _thin(matrix_transpose(out[2]), to_V, k)
    s, U, V = (unless_tied(x, out[1], rectangular=m != n, name="svd") for x in (out[1], U, V))
    to_x = chain_nt(chain_nn(U, _inner((U, to_U), (V, to_V), to_s, s)), V)
    if m > n and to_U is not None:
        to_x = to_x + chain_nt(_beside(U, to_U, s), V)
    if n > m and to_V is not None:
        to_x = to_x + chain_nt(U, _beside(V, to_V, s))
    for free in (U_free, V_free):
        to_x = to_x if free is None else to_x + free
    return to_x


@svd_.jvp("x")
def _(t: Any, out: Any, *, shapes: Any) -> Any:
    m, n = shapes[0][-2:]
    k = min(m, n)
    s = out[1]
    U, V = _columns(out[0], 0, k), _columns(matrix_transpose(out[2]), 0, k)
    s, U, V = (unless_tied(x, out[1], rectangular=m != n, name="svd") for x in (s, U, V))
    inner = chain_tn(U, chain_nn(t, V))
    turned = matrix_transpose(inner)
    last = len(inner.shape) - 1
    to_s = diagonal_of(inner, offset=0, axes=(last - 1, last))
    even = 0.5 * (inner + turned) - diagonal_matrix(to_s)
    odd = 0.5 * (inner - turned)
    gaps, sums = row(s) - column(s), row(s) + column(s)
    within = quotient(even, gaps, tied(gaps, s), inner, name="svd")
    across = quotient(odd, sums, tied(sums, s), inner, name="svd")
    to_U = _moved(out[0], U, within + across, chain_nn(t, V), s)
    to_V = _moved(matrix_transpose(out[2]), V, within - across, chain_tn(t, U), s)
    return to_U, to_s, matrix_transpose(to_V)


def _moved(W: Any, first: Any, within: Any, image: Any, s: Any) -> Any:
    """Tangent of vectors: what turns the first among themselves, and what moves them outside.

    `image` is what the tangent of the matrix makes of the vectors of the other side.
    """
    moved = chain_nn(first, within)
    m, k = first.shape[-2:]
    if m == k:
        return moved
    outside = image - chain_nn(first, chain_tn(first, image))
    gaps = row(s)
    moved = moved + quotient(outside, gaps, tied(gaps, s), image, name="svd")
    size = W.shape[-1]
    if size == k:
        return moved
    others = _columns(W, k, size)
    beyond = -chain_nn(first, chain_tn(moved, others))
    return cat_along(moved, beyond, axis=len(moved.shape) - 1)


def _thin(W: Any, to_W: Any, k: int) -> tuple[Any, Any, Any]:
    """The first k vectors, the cotangent as it acts through them, and what it says of the others.

    The others are any basis of what is orthogonal to the first: the last result is 0 where the
    loss does not depend on which, and nan otherwise.
    """
    size = W.shape[-1]
    if size == k:
        return W, to_W, None
    first, others = _columns(W, 0, k), _columns(W, k, size)
    if to_W is None:
        return first, None, None
    to_others = _columns(to_W, k, size)
    to_first = _columns(to_W, 0, k) - chain_nn(others, chain_tn(to_others, first))
    X = chain_tn(others, to_others)
    zeros = np.zeros((size - k, size - k), X.dtype)
    free = quotient(X - matrix_transpose(X), zeros, zeros == 0, to_W, name="svd")
    last = len(X.shape) - 1
    return first, to_first, number(sum_over(free, axes=(last - 1, last), keepdims=False))


def _columns(x: Any, start: int, end: int) -> Any:
    return slice_at(x, key=(..., slice(start, end)))


def _beside(W: Any, to_W: Any, s: Any) -> Any:
    """What moves vectors out of the space that they span, over their singular values."""
    outside = to_W - chain_nn(W, chain_tn(W, to_W))
    gaps = row(s)
    return quotient(outside, gaps, tied(gaps, s), to_W, name="svd")


def _inner(left: tuple[Any, Any], right: tuple[Any, Any], to_s: Any, s: Any) -> Any:
    """The cotangent of Uᵀ A V.

    Off the diagonal it is half of (KU + KV) / (s_j - s_i) + (KU - KV) / (s_j + s_i), where KU and
    KV are Uᵀ to_U and Vᵀ to_V minus their transposes. The usual quotients by s_j² - s_i² add up
    to this, but here the second is finite at equal values.
    """
    terms = []
    for (W, to_W), sign in ((left, 1), (right, -1)):
        if to_W is not None:
            X = chain_tn(W, to_W)
            Xt = matrix_transpose(X)
            K = X - Xt
            terms.append((K, K if sign > 0 else -K, X + Xt, abs_(X)))
    on_diagonal = None if to_s is None else diagonal_matrix(to_s)
    if not terms:
        return on_diagonal
    turning, against, mixing, size = (
        functools.reduce(add, each) for each in zip(*terms, strict=True)
    )
    gaps, sums = row(s) - column(s), row(s) + column(s)
    ties = tied(gaps, s)
    inner = 0.5 * (
        quotient(turning, gaps, ties, size, name="svd")
        + quotient(against, sums, tied(sums, s), size, name="svd")
    )
    if on_diagonal is None:
        return inner
    lost = entangled(mixing, to_s, ties, gaps, size, name="svd")
    return where(lost, np.nan, inner) + on_diagonal


@structural(node="LinalgSvd", batch=batching.leading(2))
def svdvals_(x: Any) -> Any:
    """Singular values in descending order."""
    compute = partial(np.linalg.svd, compute_uv=False)
    return attempt(compute, x, partial(raise_diverged, "svdvals"))


@svdvals_.vjp("x")
def _(g: Any, x: Any) -> Any:
    U, s, Vh = svd_(x, full=False)
    m, n = x.shape[-2:]
    U, V = (
        unless_tied(W, s, rectangular=m != n, name="svdvals") for W in (U, matrix_transpose(Vh))
    )
    return chain_nt(U * row(g), V)


def svd(A: Tensor, full_matrices: bool = True) -> Any:
    """U, singular values S in descending order, and Vh, with U diag(S) Vh = A.

    Shape: A (..., m, n), and k = min(m, n): U (..., m, m), S (..., k), Vh (..., n, n); with
    `full_matrices=False` U (..., m, k) and Vh (..., k, n).

    At the edges, for singular values that are equal or 0 (to within 10 k eps of the largest): as
    `eigh`. The additional vectors of full matrices are any basis: their gradient is nan, with a
    RuntimeWarning, where the loss depends on which. Raises LinAlgError that names the batch item
    where LAPACK does not converge, as for nan.

    Source: numpy.linalg.svd, torch.linalg.svd.

    >>> import numgrad as ng
    >>> ng.linalg.svd(ng.tensor([[3.0, 0.0], [0.0, 4.0]])).S
    tensor([4., 3.])
    """
    return return_types.linalg_svd(*svd_(matrices(A, "svd"), full=bool(full_matrices)))


def svdvals(A: Tensor) -> Tensor:
    """Singular values of matrices, in descending order; see `svd`.

    >>> import numgrad as ng
    >>> ng.linalg.svdvals(ng.tensor([[3.0, 0.0], [0.0, 4.0]]))
    tensor([4., 3.])
    """
    return svdvals_(matrices(A, "svdvals"))  # type: ignore[no-any-return]

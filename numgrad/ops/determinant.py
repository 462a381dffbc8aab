"""Determinants, and their derivatives of every order.

The gradient of det is the matrix of cofactors, the transposed adjugate, a polynomial of the
elements: it exists at singular matrices of any rank, and so do all derivatives after it. Through
A = U S Vᵀ they are sums of products of singular values that leave some of them out, which needs
no division: no inverse, and nothing that breaks down where a singular value is 0.
"""

from __future__ import annotations

import itertools
import math
import string
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import return_types
from numgrad.op import structural
from numgrad.ops import batching
from numgrad.ops.arithmetic import product
from numgrad.ops.broadcast import view_as
from numgrad.ops.index import select_at
from numgrad.ops.join import cat_along, stack_along
from numgrad.ops.matmul import chain_nn, chain_nt, chain_tn
from numgrad.ops.matrices import eps, matrices, number
from numgrad.ops.permute import matrix_transpose

if TYPE_CHECKING:
    from numgrad.tensor import Tensor

__all__ = ["det", "slogdet"]


@structural(node="LinalgDet", batch=batching.leading(2))
def det_(x: Any) -> Any:
    """Determinants."""
    with np.errstate(all="ignore"):
        return np.linalg.det(x)


@det_.vjp("x")
def _(g: Any, x: Any) -> Any:
    none = np.empty((0, *x.shape), x.dtype)
    return product(number(g), cofactors(x, none))


def _cofactors_of_batch(
    kernel: Any, arrays: list[Any], hidden: tuple[int, ...], metadata: Any
) -> Any:
    x, directions = (batching.expanded(a, hidden) for a in arrays)
    return kernel(x, np.moveaxis(directions, len(hidden), 0))


@structural(batch=_cofactors_of_batch)
def cofactors(x: Any, directions: Any) -> Any:
    """Gradient of the derivative of det along as many directions as the first dimension holds.

    Without any: the matrices of cofactors. Exact to rounding at matrices of any rank.
    """
    if not len(directions):
        quick = _well_conditioned_cofactors(x)
        if quick is not None:
            return quick
    finite = np.isfinite(x).all((-2, -1), keepdims=True)
    u, s, vh = np.linalg.svd(np.where(finite, x, np.eye(x.shape[-1], dtype=x.dtype)))
    sign = np.linalg.det(u) * np.linalg.det(vh)
    turned = [u.swapaxes(-2, -1) @ e @ vh.swapaxes(-2, -1) for e in directions]
    inner = _of_diagonal(s, turned)
    result = np.round(sign)[..., None, None] * (u @ inner @ vh)
    return np.where(finite, result, np.nan).astype(x.dtype, copy=False)


def _well_conditioned_cofactors(x: Any) -> Any:
    """Cofactors from the inverses; None where that would lose digits."""
    try:
        inverse = np.linalg.inv(x)
    except np.linalg.LinAlgError:
        return None
    squares = np.square(x).sum((-2, -1)) * np.square(inverse).sum((-2, -1))
    # Two thirds of the digits are kept, or more.
    if not (squares < eps(x.dtype) ** (-2 / 3)).all():
        return None
    return np.linalg.det(x)[..., None, None] * inverse.swapaxes(-2, -1)


def _of_diagonal(s: Any, directions: list[Any]) -> Any:
    """The same at a diagonal matrix.

    The derivative of det along E_1 ... E_q is the sum over permutations p of 1 ... q, and over
    indices i_1 ... i_q, of sgn(p) prod_a E_a[i_a, i_p(a)] times the product of the values other
    than s at i_1 ... i_q: none if two of these are equal. The gradient to E_q is what is asked.
    """
    order = len(directions) + 1
    others = _products_without(s, order)
    letters = string.ascii_letters[:order]
    last = order - 1
    result = np.zeros((*s.shape, s.shape[-1]), s.dtype)
    diagonal = np.einsum("...ii->...i", result)
    for p in itertools.permutations(range(order)):
        terms = [f"...{letters[a]}{letters[p[a]]}" for a in range(last)]
        on_diagonal = p[last] == last
        out = f"...{letters[last]}" if on_diagonal else f"...{letters[last]}{letters[p[last]]}"
        subscripts = ",".join([f"...{letters}", *terms]) + "->" + out
        value = _sign(p) * np.einsum(subscripts, others, *directions)
        if on_diagonal:
            diagonal += value
        else:
            result += value
    return result


def _sign(permutation: tuple[int, ...]) -> int:
    pairs = itertools.combinations(permutation, 2)
    return -1 if sum(a > b for a, b in pairs) % 2 else 1


def _products_without(s: Any, order: int) -> Any:
    """Products of all values but those at `order` indices, 0 where two of these are equal.

    Mantissas and exponents are multiplied apart, so that nothing overflows on the way.
    """
    n = s.shape[-1]
    mantissa, exponent = np.frexp(s)
    same = np.eye(n, dtype=np.bool_)
    for _ in range(order - 1):
        mantissa = np.where(same, 1.0, mantissa[..., None, :])
        exponent = np.where(same, 0, exponent[..., None, :])
    ones = np.ones_like(mantissa[..., :1])
    before = np.cumprod(np.concatenate([ones, mantissa[..., :-1]], -1), -1)[..., :n]
    after = np.cumprod(np.concatenate([ones, mantissa[..., :0:-1]], -1), -1)[..., :n][..., ::-1]
    result = np.ldexp(before * after, exponent.sum(-1, keepdims=True) - exponent)
    for first, second in itertools.combinations(range(order), 2):
        index = np.indices((n,) * order, sparse=True)
        result = np.where(index[first] == index[second], 0, result)
    return result


@cofactors.vjp()
def _(g: Any, x: Any, directions: Any, *, needs: Any, shapes: Any) -> Any:
    shape = shapes[1]
    along = view_as(g, shape=(1, *shape[1:]))
    to_x = cofactors(x, cat_along(directions, along, axis=0)) if needs[0] else None
    if not needs[1]:
        return to_x, None
    each = [select_at(directions, key=(k, ...)) for k in range(shape[0])]
    parts = [
        cofactors(x, stack_along(*each[:k], g, *each[k + 1 :], axis=0)) for k in range(shape[0])
    ]
    return to_x, stack_along(*parts, axis=0)


@structural(node="LinalgSlogdet", outputs=2, batch=batching.leading(2))
def slogdet_(x: Any) -> Any:
    """Signs of determinants, and logarithms of their absolute values."""
    with np.errstate(all="ignore"):
        return tuple(np.linalg.slogdet(x))


@slogdet_.vjp("x")
def _(g: Any, x: Any) -> Any:
    if g[1] is None:
        return None
    return product(number(g[1]), matrix_transpose(inverse_or_inf(x)))


@structural(batch=batching.leading(2))
def inverse_or_inf(x: Any) -> Any:
    """Inverses, with inf in place of those of singular matrices."""
    try:
        return np.linalg.inv(x)
    except np.linalg.LinAlgError:
        singular = np.linalg.slogdet(x)[0] == 0
        return np.where(
            singular[..., None, None],
            math.inf,
            np.linalg.inv(np.where(singular[..., None, None], np.eye(x.shape[-1]), x)),
        ).astype(x.dtype, copy=False)


@inverse_or_inf.vjp("x")
def _(g: Any, out: Any) -> Any:
    return -chain_nt(chain_tn(out, g), out)


@inverse_or_inf.jvp("x")
def _(t: Any, out: Any) -> Any:
    return -chain_nn(chain_nn(out, t), out)


def det(A: Tensor) -> Tensor:
    """Determinant of each matrix in the last two dimensions.

    At the edges: 1 for 0x0 matrices. The gradient is the transposed adjugate, also at singular
    matrices of any rank, where derivatives of every order are right. Time and memory of the
    derivative of order k + 1 grow as n to the power max(3, k). Raises ShapeError for matrices
    that are not square.

    Source: numpy.linalg.det, torch.linalg.det.

    >>> import numgrad as ng
    >>> ng.linalg.det(ng.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(-2.0000)
    """
    return det_(matrices(A, "det", square=True))  # type: ignore[no-any-return]


def slogdet(A: Tensor) -> Any:
    """Sign and logarithm of the absolute value of each determinant, as (sign, logabsdet).

    At the edges: (0, -inf) for singular matrices, where the gradient is not finite, and (1, 0)
    for 0x0 matrices. The gradient of the sign is 0. Raises ShapeError for matrices that are not
    square.

    Source: numpy.linalg.slogdet, torch.linalg.slogdet.

    >>> import numgrad as ng
    >>> ng.linalg.slogdet(ng.tensor([[1.0, 2.0], [3.0, 4.0]])).sign
    tensor(-1.)
    """
    return return_types.linalg_slogdet(*slogdet_(matrices(A, "slogdet", square=True)))

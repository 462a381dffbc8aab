"""Matrix products by rank, and the products that the chain rule makes of them.

Forward products follow IEEE. Those of the chain rule, `chain_*`, follow the NaN-safe rule for each
matrix as a whole: one that is 0 throughout times one that is not finite is 0. Each is the
derivative of the others, so that they serve every order, and transposes are never made.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.errors import ShapeError
from numgrad.kernels.quiet import quiet
from numgrad.modes import modes
from numgrad.op import structural
from numgrad.ops import batched_products
from numgrad.ops.arithmetic import product
from numgrad.ops.broadcast import view_as
from numgrad.ops.choice import where
from numgrad.ops.reduce import sum_over, zeros_for
from numgrad.value import Value, lift

if TYPE_CHECKING:
    from collections.abc import Callable

    from numgrad.op import Structural
    from numgrad.tensor import Tensor

__all__ = ["bmm", "dot", "matmul", "mm", "mv"]


def multiply(x: Any, y: Any) -> Any:
    """Product of arrays by rank; batches of matrices broadcast."""
    try:
        return quiet.run(x.dot if x.ndim < 3 and y.ndim < 3 else x.__matmul__, y)
    except ValueError as error:
        raise mismatch("matmul", x, y) from error


def mismatch(name: str, x: Any, y: Any) -> ShapeError:
    """Make the error for shapes that have no product."""
    return ShapeError(
        f"{name}() multiplies rows of {x.shape} with columns of {y.shape}: the last extent of the"
        " one must be the second to last of the other (its only one, if a vector)."
    )


@structural(node="Mm", batch=batched_products.products("nn"))
def mm_(x: Any, y: Any) -> Any:
    """Product of two matrices."""
    return multiply(x, y)


@structural(node="Bmm", batch=batched_products.products("nn"))
def bmm_(x: Any, y: Any) -> Any:
    """Products of the matrices in two batches, which broadcast."""
    return multiply(x, y)


@structural(node="Mv", batch=batched_products.products("mv"))
def mv_(x: Any, y: Any) -> Any:
    """Product of a matrix and a vector."""
    return multiply(x, y)


@structural(node="Mv", batch=batched_products.products("vm"))
def vm_(x: Any, y: Any) -> Any:
    """Product of a vector and a matrix."""
    return multiply(x, y)


@structural(node="Dot", batch=batched_products.products("dot"))
def dot_(x: Any, y: Any) -> Any:
    """Sum of the products of the elements of two vectors."""
    return multiply(x, y)


def settled(result: Any, x: Any, y: Any) -> Any:
    """A product of the chain rule, with 0 for what the NaN-safe rule blanks."""
    elements = result.reshape(-1)
    # The sum of squares is finite if all elements are, and costs next to nothing.
    if math.isfinite(elements.dot(elements)) or modes().strict_ieee:
        return result
    return np.where(blanked(x, y), 0, result).astype(result.dtype, copy=False)


def blanked(x: Any, y: Any) -> Any:
    """Which pairs of matrices have one that is 0 throughout and one that is not finite."""
    x_zero, x_finite = _zero_and_finite(x)
    y_zero, y_finite = _zero_and_finite(y)
    return (x_zero & ~y_finite) | (y_zero & ~x_finite)


def _zero_and_finite(a: Any) -> tuple[Any, Any]:
    axes = tuple(range(a.ndim))[-2:]
    keep = a.ndim > 2
    return ~a.any(axis=axes, keepdims=keep), np.isfinite(a).all(axis=axes, keepdims=keep)


def _blanks(x: Any, y: Any) -> Any:
    if modes().strict_ieee:
        return np.zeros((*np.broadcast_shapes(x.shape[:-2], y.shape[:-2]), 1, 1), np.bool_)
    return blanked(x, y)


_idle_of_batch = batched_products.idling(_blanks)


@structural(batch=_idle_of_batch)
def idle(x: Any, y: Any) -> Any:
    """Where a product of the chain rule is a blank: the constant 0, without derivatives."""
    return np.zeros((), np.bool_) if modes().strict_ieee else np.asarray(blanked(x, y))


def _unless_idle_of_batch(
    kernel: Any, arrays: list[Any], hidden: tuple[int, ...], metadata: Any
) -> Any:
    if _both_finite(*arrays):
        return arrays[0]
    x = arrays[0]
    depth = len(hidden)
    lost = _idle_of_batch(idle.kernel, arrays, hidden, metadata)
    return np.where(lost.reshape(lost.shape + (1,) * (x.ndim - max(lost.ndim, depth))), 0, x)


@structural(batch=_unless_idle_of_batch)
def unless_idle(x: Any, y: Any) -> Any:
    """Factor x of a product of the chain rule with y, and 0 where that is a blank."""
    return x if _both_finite(x, y) else np.where(idle.kernel(x, y), 0, x)


def _both_finite(x: Any, y: Any) -> bool:
    """Whether all elements are finite, for sure: their squares may overflow."""
    x, y = x.reshape(-1), y.reshape(-1)
    return math.isfinite(x.dot(x)) and math.isfinite(y.dot(y))


@unless_idle.vjp("x")
def _(g: Any, x: Any, y: Any) -> Any:
    return where(idle(x, y), 0, g)


@unless_idle.jvp("x")
def _(t: Any, x: Any, y: Any) -> Any:
    return where(idle(x, y), 0, t)


@unless_idle.vjp("y")
def _(g: Any, *, shapes: Any) -> Any:
    return zeros_for(g, shape=shapes[1])


@unless_idle.jvp("y")
def _(t: Any, x: Any) -> Any:
    return None


def _outer(x: Any, y: Any) -> Any:
    return quiet.run(np.multiply.outer, x, y)


def _chain(form: str, kernel: Callable[..., Any], to_x: str, to_y: str) -> Any:
    """Make a product of the chain rule; `to_x` and `to_y` say which ones its derivatives are.

    "nt(g, y)" is the product `nt` of the cotangent and y.
    """

    def chain(x: Any, y: Any) -> Any:
        return settled(kernel(x, y), x, y)

    chain.__name__ = f"chain_{form}"
    chain.__doc__ = f"Product of the chain rule, in form {form}."
    op = structural(node="Bmm", batch=batched_products.products(form, settled))(chain)

    @op.vjp("x")
    def _(g: Any, x: Any, y: Any) -> Any:
        return _apply(to_x, g=g, x=x, y=unless_idle(y, x))

    @op.vjp("y")
    def _(g: Any, x: Any, y: Any) -> Any:
        return _apply(to_y, g=g, x=unless_idle(x, y), y=y)

    @op.jvp("x")
    def _(t: Any, x: Any, y: Any) -> Any:
        return op(t, unless_idle(y, x))

    @op.jvp("y")
    def _(t: Any, x: Any, y: Any) -> Any:
        return op(unless_idle(x, y), t)

    return op


def _apply(call: str, **operands: Any) -> Any:
    form, first, second = call.split()
    return chains[form](operands[first], operands[second])


chains: dict[str, Any] = {
    form: _chain(form, kernel, to_x, to_y)
    for form, kernel, to_x, to_y in (
        ("nn", multiply, "nt g y", "tn x g"),
        ("nt", lambda x, y: multiply(x, y.swapaxes(-2, -1)), "nn g y", "tn g x"),
        ("tn", lambda x, y: multiply(x.swapaxes(-2, -1), y), "nt y g", "nn x g"),
        ("mv", multiply, "outer g y", "vm g x"),
        ("vm", multiply, "mv y g", "outer x g"),
        ("outer", _outer, "mv g y", "vm x g"),
    )
}
# x y, x yᵀ and xᵀ y of matrices or batches of them; matrix by vector, vector by matrix; x_i y_j.
chain_nn, chain_nt, chain_tn, chain_mv, chain_vm, chain_outer = chains.values()


@mm_.vjp("x")
def _(g: Any, y: Any) -> Any:
    return chain_nt(g, y)


@mm_.vjp("y")
def _(g: Any, x: Any) -> Any:
    return chain_tn(x, g)


@bmm_.vjp("x")
def _(g: Any, y: Any) -> Any:
    return chain_nt(g, y)


@bmm_.vjp("y")
def _(g: Any, x: Any) -> Any:
    return chain_tn(x, g)


@mv_.vjp("x")
def _(g: Any, y: Any) -> Any:
    return chain_outer(g, y)


@mv_.vjp("y")
def _(g: Any, x: Any) -> Any:
    return chain_vm(g, x)


@vm_.vjp("x")
def _(g: Any, y: Any) -> Any:
    return chain_mv(y, g)


@vm_.vjp("y")
def _(g: Any, x: Any) -> Any:
    return chain_outer(x, g)


@dot_.vjp("x")
def _(g: Any, y: Any) -> Any:
    return product(g, y)


@dot_.vjp("y")
def _(g: Any, x: Any) -> Any:
    return product(g, x)


@dot_.jvp("x")
def _(t: Any, y: Any) -> Any:
    return sum_over(product(t, y), axes=None, keepdims=False)


@dot_.jvp("y")
def _(t: Any, x: Any) -> Any:
    return sum_over(product(t, x), axes=None, keepdims=False)


def _tangents(op: Structural, chain: Any) -> None:
    """Declare that tangents multiply as the op does, by the chain rule."""

    @op.jvp("x")
    def _(t: Any, y: Any) -> Any:
        return chain(t, y)

    @op.jvp("y")
    def _(t: Any, x: Any) -> Any:
        return chain(x, t)


for _op, _chained in ((mm_, chain_nn), (bmm_, chain_nn), (mv_, chain_mv), (vm_, chain_vm)):
    _tangents(_op, _chained)


_BY_RANK = {(2, 2): mm_, (2, 1): mv_, (1, 2): vm_, (1, 1): dot_}


def matmul(x: Tensor, other: Tensor) -> Tensor:
    """Matrix product, `x @ y`.

    Shape: vectors with vectors give numbers; a vector on the left is a row, on the right a
    column, and its dimension vanishes; matrices in the last two dimensions multiply, those before
    them are batches, which broadcast. Dtype: integers stay integers. At the edges: a sum of no
    products is 0. Raises ShapeError for shapes that do not fit, and for 0-d tensors.

    Source: numpy.matmul, torch.matmul.

    >>> import numgrad as ng
    >>> ng.matmul(ng.tensor([[1.0, 2.0], [3.0, 4.0]]), ng.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    if not isinstance(x, Value):
        x = lift(x, "matmul")
    if not isinstance(other, Value):
        other = lift(other, "matmul")
    ranks = x.ndim, other.ndim
    op = _BY_RANK.get(ranks)
    if op is not None:
        return op.eager(x, other)  # type: ignore[no-any-return]
    if 0 in ranks:
        raise ShapeError(
            f"matmul() takes vectors and matrices, got shapes {x.shape} and {other.shape}:"
            " multiply by a number with *."
        )
    if ranks[1] > 2:
        if ranks[0] > 1:
            return bmm_(x, other)  # type: ignore[no-any-return]
        rows = bmm_(view_as(x, shape=(1, *x.shape)), other)
        return view_as(rows, shape=(*rows.shape[:-2], rows.shape[-1]))  # type: ignore[no-any-return]
    # All rows of the batch make one matrix, so that one product serves them.
    *batch, extent = x.shape
    if extent != other.shape[0]:
        raise mismatch("matmul", x, other)
    flat = _BY_RANK[2, ranks[1]](view_as(x, shape=(math.prod(batch), extent)), other)
    return view_as(flat, shape=(*batch, *other.shape[1:]))  # type: ignore[no-any-return]


def _of_ranks(name: str, op: Any, x: Any, y: Any, ranks: tuple[int, int]) -> Any:
    x, y = lift(x, name), lift(y, name)
    if (x.ndim, y.ndim) != ranks:
        raise ShapeError(
            f"{name}() takes tensors of {ranks[0]} and {ranks[1]} dimensions, got shapes {x.shape}"
            f" and {y.shape}: matmul() takes any."
        )
    if x.shape[-1] != y.shape[-min(ranks[1], 2)]:
        raise mismatch(name, x, y)
    return op(x, y)


def mm(x: Tensor, mat2: Tensor) -> Tensor:
    """Product of two matrices. Raises ShapeError for other than two dimensions each.

    >>> import numgrad as ng
    >>> ng.mm(ng.ones(2, 3), ng.ones(3, 1))
    tensor([[3.],
            [3.]])
    """
    return _of_ranks("mm", mm_, x, mat2, (2, 2))  # type: ignore[no-any-return]


def mv(x: Tensor, vec: Tensor) -> Tensor:
    """Product of a matrix and a vector. Raises ShapeError for other ranks."""
    return _of_ranks("mv", mv_, x, vec, (2, 1))  # type: ignore[no-any-return]


def bmm(x: Tensor, mat2: Tensor) -> Tensor:
    """Products of the matrices of two batches, one by one; `matmul` broadcasts them.

    Raises ShapeError for other than three dimensions each, or batches of different sizes.
    """
    x, mat2 = lift(x, "bmm"), lift(mat2, "bmm")
    if x.ndim == mat2.ndim == 3 and x.shape[0] != mat2.shape[0]:
        raise ShapeError(
            f"bmm() needs as many matrices in both batches, got shapes {x.shape} and"
            f" {mat2.shape}: matmul() broadcasts them."
        )
    return _of_ranks("bmm", bmm_, x, mat2, (3, 3))  # type: ignore[no-any-return]


def dot(x: Tensor, tensor: Tensor) -> Tensor:
    """Sum of the products of the elements of two vectors, as PyTorch's `dot`.

    Raises ShapeError for other ranks: `matmul`, `inner` and `tensordot` take them, and
    `numpy.dot` of tensors is NumPy's.

    >>> import numgrad as ng
    >>> ng.dot(ng.tensor([1.0, 2.0]), ng.tensor([3.0, 4.0]))
    tensor(11.)
    """
    return _of_ranks("dot", dot_, x, tensor, (1, 1))  # type: ignore[no-any-return]

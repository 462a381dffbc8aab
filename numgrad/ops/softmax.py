"""Softmax, its logarithm, and the logarithm of sums of exponentials.

All shift by the largest element, so nothing overflows. The kernels work on a row at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numgrad import dtypes
from numgrad.kernels import layout
from numgrad.op import structural
from numgrad.ops import batching
from numgrad.ops.arithmetic import product
from numgrad.ops.axes import MISSING, axes_in, either
from numgrad.ops.reduce import KERNELS, floating, kept, reduction, sum_over, zeros_for
from numgrad.value import REGISTRY, lift

if TYPE_CHECKING:
    from numgrad.tensor import Tensor

__all__ = ["log_softmax", "logsumexp", "softmax"]


@structural(node="Softmax", batch=batching.shifted)
def softmax_along(x: Any, *, axes: tuple[int, ...]) -> Any:
    """exp(x) / sum(exp(x)) over dimensions."""
    return layout.along("softmax", axes, x)


@softmax_along.vjp("x")
def _(g: Any, out: Any, *, axes: tuple[int, ...]) -> Any:
    return softmax_vjp(g, out, axes=axes)


@softmax_along.jvp("x")
def _(t: Any, out: Any, *, axes: tuple[int, ...]) -> Any:
    return softmax_vjp(t, out, axes=axes)


@structural(linear=("x",), batch=batching.shifted)
def softmax_vjp(x: Any, y: Any, *, axes: tuple[int, ...]) -> Any:
    """y * (x - sum(x * y)): the gradient of a softmax y, given the cotangent x."""
    return layout.along("softmax_vjp", axes, x, y)


@softmax_vjp.vjp("x")
def _(g: Any, y: Any, *, axes: tuple[int, ...]) -> Any:
    return softmax_vjp(g, y, axes=axes)


@softmax_vjp.vjp("y")
def _(g: Any, x: Any, y: Any, *, axes: tuple[int, ...]) -> Any:
    along_x = sum_over(product(x, y), axes=axes, keepdims=True)
    along_g = sum_over(product(g, y), axes=axes, keepdims=True)
    return product(g, x - along_x) - product(x, along_g)


@structural(node="LogSoftmax", batch=batching.shifted)
def log_softmax_along(x: Any, *, axes: tuple[int, ...]) -> Any:
    """x - log(sum(exp(x))) over dimensions."""
    return layout.along("log_softmax", axes, x)


@log_softmax_along.vjp("x")
def _(g: Any, out: Any, *, axes: tuple[int, ...]) -> Any:
    return log_softmax_vjp(g, out, axes=axes)


@log_softmax_along.jvp("x")
def _(t: Any, out: Any, *, axes: tuple[int, ...]) -> Any:
    return t - sum_over(product(t, REGISTRY["exp"](out)), axes=axes, keepdims=True)


@structural(linear=("x",), batch=batching.shifted)
def log_softmax_vjp(x: Any, y: Any, *, axes: tuple[int, ...]) -> Any:
    """x - exp(y) * sum(x): the gradient of a log-softmax y, given the cotangent x."""
    return layout.along("log_softmax_vjp", axes, x, y)


@log_softmax_vjp.vjp()
def _(g: Any, x: Any, y: Any, *, axes: tuple[int, ...]) -> Any:
    scaled = product(g, REGISTRY["exp"](y))
    to_x = g - sum_over(scaled, axes=axes, keepdims=True)
    return to_x, -product(sum_over(x, axes=axes, keepdims=True), scaled)


@structural(node="Logsumexp", batch=batching.shifted)
def logsumexp_over(x: Any, *, axes: tuple[int, ...], keepdims: bool) -> Any:
    """log(sum(exp(x))) over dimensions."""
    return layout.fold("logsumexp", x, axes, keepdims=keepdims)


@logsumexp_over.vjp("x")
def _(g: Any, x: Any, *, axes: tuple[int, ...], keepdims: bool, shapes: Any) -> Any:
    return logsumexp_vjp(kept(g, shapes[0], axes, keepdims=keepdims), x, axes=axes)


@structural(linear=("cotangent",), batch=batching.shifted)
def logsumexp_vjp(cotangent: Any, x: Any, *, axes: tuple[int, ...]) -> Any:
    """The cotangent, which has x's dimensions, times the softmax of x, but with limits.

    They are 1/n for n elements of -inf, 1/k for k elements of +inf.
    """
    factor = cotangent.reshape([n for k, n in enumerate(x.shape) if k not in axes])
    return layout.along("shares", axes, x, others=(factor,))


@logsumexp_vjp.vjp()
def _(g: Any, cotangent: Any, x: Any, *, axes: tuple[int, ...]) -> Any:
    share = logsumexp_vjp(zeros_for(cotangent, shape=cotangent.shape) + 1.0, x, axes=axes)
    to_cotangent = sum_over(product(g, share), axes=axes, keepdims=True)
    return to_cotangent, product(cotangent, softmax_vjp(g, share, axes=axes))


def softmax(x: Tensor, dim: Any = MISSING, dtype: Any = None, *, axis: Any = MISSING) -> Tensor:
    """exp(x) / sum(exp(x)) along a dimension; `axis` may be a tuple, or None for all.

    Dtype: integers and bools give the default dtype. At the edges: rows that have +inf or only
    -inf give nan.

    Raises: TypeError without a dimension.

    >>> import numgrad as ng
    >>> ng.softmax(ng.tensor([1000.0, 1000.0]), dim=0)
    tensor([0.5000, 0.5000])
    """
    x, axes = _arguments("softmax", x, dim, dtype, axis)
    return softmax_along(x, axes=axes)  # type: ignore[no-any-return]


def log_softmax(x: Tensor, dim: Any = MISSING, dtype: Any = None, *, axis: Any = MISSING) -> Tensor:
    """Logarithm of the softmax along a dimension; `axis` may be a tuple, or None for all.

    Dtype and edges are those of `softmax`.

    Raises: TypeError without a dimension.

    >>> import numgrad as ng
    >>> ng.log_softmax(ng.tensor([1000.0, 1000.0]), dim=0)
    tensor([-0.6931, -0.6931])
    """
    x, axes = _arguments("log_softmax", x, dim, dtype, axis)
    return log_softmax_along(x, axes=axes)  # type: ignore[no-any-return]


def logsumexp(
    x: Tensor,
    dim: Any = MISSING,
    keepdim: Any = MISSING,
    *,
    axis: Any = MISSING,
    keepdims: Any = MISSING,
) -> Tensor:
    """log(sum(exp(x))) over `dim`, an int or a tuple; over all without it.

    Dtype: integers and bools give the default dtype. At the edges: of nothing or of n elements
    -inf it is -inf, with gradient 1/n; with k elements +inf it is +inf, with gradient 1/k on those.

    >>> import numgrad as ng
    >>> ng.logsumexp(ng.tensor([1000.0, 1000.0]), dim=0)
    tensor(1000.6931)
    """
    x = computed("logsumexp", floating(lift(x, "logsumexp")))
    axes, keep = reduction("logsumexp", x.ndim, dim, keepdim, axis, keepdims)
    return logsumexp_over(x, axes=axes, keepdims=keep)  # type: ignore[no-any-return]


def _arguments(name: str, x: Any, dim: Any, dtype: Any, axis: Any) -> tuple[Any, tuple[int, ...]]:
    """Return the tensor in the dtype to compute in, and the axes to normalise over."""
    x = computed(name, floating(lift(x, name), dtype))
    if axis is MISSING and type(dim) is int and -x.ndim <= dim < x.ndim:
        return x, (dim % x.ndim,)
    over = either(name, "dim", dim, "axis", axis, MISSING)
    if over is MISSING or (over is None and axis is MISSING):
        raise TypeError(f"{name}() takes the dimension that sums to 1, as dim= or axis=.")
    return x, axes_in(name, over, x.ndim)


def computed(name: str, x: Any) -> Any:
    """Return a tensor in a dtype that has kernels; raise TypeError for another."""
    if x.dtype.char not in KERNELS:
        raise TypeError(
            f"{name}() computes in float32 and float64, got {x.dtype}: convert first, as in"
            f" x.to({dtypes.float32})."
        )
    return x

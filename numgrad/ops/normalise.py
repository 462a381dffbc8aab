"""Shifting and scaling to mean 0 and variance 1, along dimensions: layer normalisation.

The variance is the mean of squares, with `eps` added before its root. Kernels take a row at a time,
forward and backward, and compute its mean and variance anew on the way back, while the row is in
the processor's cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from numgrad.kernels import layout, rows
from numgrad.op import structural
from numgrad.ops.arithmetic import mul, neg, product
from numgrad.ops.broadcast import expand_to
from numgrad.ops.exponential import rsqrt
from numgrad.ops.moments import deviation, var_over
from numgrad.ops.reduce import count, mean_over, sum_over


@structural(node="NativeLayerNorm")
def standardise(x: Any, *, axes: tuple[int, ...], eps: float) -> Any:
    """x shifted and scaled to mean 0 and variance 1 along dimensions."""
    return layout.along("standardise", axes, x, others=(x.dtype.type(eps),))


@standardise.vjp("x")
def _(g: Any, x: Any, *, axes: tuple[int, ...], eps: float) -> Any:
    return standardise_vjp(g, x, axes=axes, eps=eps)


@structural
def standardise_vjp(cotangent: Any, x: Any, *, axes: tuple[int, ...], eps: float) -> Any:
    """The gradient of `standardise`, which is linear in the cotangent, and symmetric."""
    return layout.along("standardise_vjp", axes, cotangent, x, others=(x.dtype.type(eps),))


@standardise_vjp.vjp("cotangent")
def _(g: Any, x: Any, *, axes: tuple[int, ...], eps: float) -> Any:
    return standardise_vjp(g, x, axes=axes, eps=eps)


@standardise_vjp.vjp("x")
def _(g: Any, cotangent: Any, x: Any, *, axes: tuple[int, ...], eps: float) -> Any:
    return _curvature(g, cotangent, x, axes, eps)


@structural(node="NativeLayerNorm")
def affine_norm(x: Any, weight: Any, bias: Any, *, axes: tuple[int, ...], eps: float) -> Any:
    """The same over the last dimensions, times a weight and plus a bias of their shape."""
    flat = (layout.flat(weight), layout.flat(bias), x.dtype.type(eps))
    return layout.along("layer_norm", axes, x, others=flat)


@affine_norm.vjp()
def _(g: Any, x: Any, weight: Any, *, axes: tuple[int, ...], eps: float) -> Any:
    return affine_norm_vjp(g, x, weight, axes=axes, eps=eps)


@structural(outputs=3)
def affine_norm_vjp(
    cotangent: Any, x: Any, weight: Any, *, axes: tuple[int, ...], eps: float
) -> Any:
    """The gradients of x, weight and bias."""
    kernel = rows.kernel("layer_norm_vjp", x.dtype.char)
    n = count(x.shape, axes)
    shape = (count(x.shape, range(axes[0])), n)
    g, x_rows = (layout.as_rows(a, axes).reshape(shape) for a in (cotangent, x))
    # Arrays that are no views: the walk back copies gradients that are.
    found = tuple(np.empty(a.shape, x.dtype) for a in (x, weight, weight))
    flat = (found[0].reshape(shape), *(a.reshape(n) for a in found[1:]))
    kernel(g, x_rows, layout.flat(weight), x.dtype.type(eps), *flat)
    return found


@affine_norm_vjp.vjp()
def _(g: Any, cotangent: Any, x: Any, weight: Any, *, axes: tuple[int, ...], eps: float) -> Any:
    # The gradients are L(c * w), sum(c * s) and sum(c), for the linear map L of `standardise_vjp`
    # and s the standardised x.
    along_x, along_weight, along_bias = g
    leading = tuple(range(axes[0]))
    parts: list[list[Any]] = [[], [], []]
    if along_x is not None:
        mapped = standardise_vjp(along_x, x, axes=axes, eps=eps)
        parts[0].append(product(mapped, weight))
        parts[1].append(_curvature(along_x, product(cotangent, weight), x, axes, eps))
        parts[2].append(sum_over(product(mapped, cotangent), axes=leading, keepdims=False))
    if along_weight is not None:
        normal = standardise(x, axes=axes, eps=eps)
        parts[0].append(product(normal, along_weight))
        terms = product(cotangent, along_weight)
        parts[1].append(standardise_vjp(terms, x, axes=axes, eps=eps))
    if along_bias is not None:
        parts[0].append(expand_to(along_bias, shape=x.shape))
    return tuple(None if not some else sum(some[1:], some[0]) for some in parts)


def _curvature(u: Any, h: Any, x: Any, axes: tuple[int, ...], eps: float) -> Any:
    """The gradient in x of sum(u * L(h)), where L is the linear map of `standardise_vjp` at x.

    L(h) is r * (h - mean(h) - s * mean(s * h)), s the standardised x and r the root that it is
    multiplied by, whose gradient is -r * r * s / n.
    """
    s = standardise(x, axes=axes, eps=eps)
    r = rsqrt(var_over(x, axes=axes, correction=0.0, keepdims=True) + eps)
    a = mean_over(product(u, s), axes=axes, keepdims=True)
    b = mean_over(product(h, s), axes=axes, keepdims=True)
    spread = mean_over(product(deviation(u, axes=axes), h), axes=axes, keepdims=True)
    mixed = product(r, product(u, b) + product(h, a))
    slope = mul(r, mul(r, spread - a * b))
    return neg(product(s, slope) + standardise_vjp(mixed, x, axes=axes, eps=eps))

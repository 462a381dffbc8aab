"""What the layers of a network compute: linear maps, normalisation, dropout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from numgrad import functions
from numgrad.errors import ShapeError
from numgrad.inplace import in_place
from numgrad.ops.broadcast import cast
from numgrad.ops.matmul import matmul
from numgrad.ops.normalise import affine_norm, standardise
from numgrad.ops.permute import t
from numgrad.ops.reduce import floating
from numgrad.random import rand
from numgrad.record import as_tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numgrad.tensor import Tensor

functions.lift_structural()


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Input times the transpose of `weight`, plus `bias`.

    Shape: the input (..., n), the weight (m, n) or (n,), the bias (m,) or (); the result (..., m),
    or (...) with a weight of one dimension.

    >>> ng.nn.functional.linear(ng.ones(2), ng.tensor([[1.0, 2.0]]), ng.tensor([0.5]))
    tensor([3.5000])
    """
    product = matmul(input, t(as_tensor(weight, "linear")))
    return product if bias is None else functions.add(product, bias)


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Shift and scale the last dimensions to mean 0 and variance 1, then by `weight` and `bias`.

    The variance is the mean of squares, with `eps` added before its root.

    Shape: `normalized_shape` are the extents of those dimensions, and the shape of weight and bias.

    Raises:
        ShapeError: the input does not end in `normalized_shape`, or weight or bias differ from it.

    >>> ng.nn.functional.layer_norm(ng.tensor([1.0, 3.0]), (2,), eps=0.0)
    tensor([-1.,  1.])
    """
    x = floating(as_tensor(input, "layer_norm"))
    shape = tuple(normalized_shape)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ShapeError(
            f"layer_norm() over {shape} takes an input that ends in it, got shape {x.shape}."
        )
    for what, parameter in (("weight", weight), ("bias", bias)):
        if parameter is not None and parameter.shape != shape:
            raise ShapeError(
                f"layer_norm() takes a {what} of shape {shape}, got {parameter.shape}."
            )
    axes = tuple(range(x.ndim - len(shape), x.ndim))
    if weight is not None and bias is not None and x.dtype == weight.dtype == bias.dtype:
        return affine_norm(x, weight, bias, axes=axes, eps=eps)  # type: ignore[no-any-return]
    y = standardise(x, axes=axes, eps=eps)
    if weight is not None:
        y = functions.mul(y, weight)
    return y if bias is None else functions.add(y, bias)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Set elements to 0 with probability p and divide the others by 1 - p, if `training`.

    What is set to 0 is drawn from the stream that `manual_seed` starts anew.

    Raises:
        ValueError: p is not in [0, 1].

    >>> ng.nn.functional.dropout(ng.ones(3), training=False)
    tensor([1., 1., 1.])
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout() takes a probability p in [0, 1], got {p}.")
    if not training or p == 0:
        return input
    x = as_tensor(input, "dropout")
    scale = 1 / (1 - p) if p < 1 else 0.0
    dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
    factor = cast(rand(*x.shape, dtype=np.float64) >= p, dtype=dtype) * dtype.type(scale).item()
    multiply = in_place(functions.mul, "dropout_") if inplace else functions.mul
    return multiply(x, factor)

"""Limits on gradients between `backward` and the step of an optimizer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.inplace import bump
from numgrad.tensor import Tensor, constant

if TYPE_CHECKING:
    from collections.abc import Iterable

# What PyTorch adds to the norm that it divides by.
_TINY = 1e-6


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients in place so that their joint norm is at most `max_norm`.

    Returns the norm that they had. Parameters without a gradient are left out.

    Raises:
        RuntimeError: the norm is not finite and `error_if_nonfinite`.

    >>> x = ng.tensor([3.0, 4.0], requires_grad=True)
    >>> (x * x / 2).sum().backward()
    >>> ng.nn.utils.clip_grad_norm_([x], 1.0)
    tensor(5.)
    >>> x.grad
    tensor([0.6000, 0.8000])
    """
    gradients = _gradients(parameters)
    dtype = np.result_type(np.float32, *(g.array for g in gradients))
    norms = [np.linalg.norm(g.array.ravel(), norm_type) for g in gradients]
    norm = float(np.linalg.norm(norms, norm_type)) if norms else 0.0
    if error_if_nonfinite and not math.isfinite(norm):
        raise RuntimeError(
            f"clip_grad_norm_() got gradients whose norm is {norm}: look for the first operation"
            " that is not finite, or pass error_if_nonfinite=False."
        )
    factor = max_norm / (norm + _TINY)
    if not factor >= 1.0:
        for g in gradients:
            np.multiply(g.array, factor, out=g.array)
            bump(g)
    return constant(np.asarray(norm, dtype))


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limit each element of all gradients to [-clip_value, clip_value], in place."""
    for g in _gradients(parameters):
        np.clip(g.array, -clip_value, clip_value, out=g.array)
        bump(g)


def _gradients(parameters: Any) -> list[Tensor]:
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [t.grad for t in tensors if t.grad is not None]

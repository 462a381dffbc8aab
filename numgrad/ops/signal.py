"""Convolution of signals in one dimension."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.errors import ShapeError
from numgrad.op import structural
from numgrad.ops.choice import where
from numgrad.ops.contraction import nothing
from numgrad.value import lift

if TYPE_CHECKING:
    from numgrad.tensor import Tensor

__all__ = ["convolve"]


@structural(node="Convolution")
def convolved(a: Any, v: Any, *, start: int, length: int, flip: bool) -> Any:
    """A window of the convolution of a with v, or with v reversed; zeros beyond its ends."""
    return _window(a, v, start, length, flip=flip)


@structural(node="Convolution")
def chain_convolved(a: Any, v: Any, *, start: int, length: int, flip: bool) -> Any:
    """The same in the chain rule: 0 if one is 0 throughout and the other not finite."""
    result = _window(a, v, start, length, flip=flip)
    if not math.isfinite(result.sum()) and nothing.kernel(a, v):
        return np.zeros_like(result)
    return result


def _window(a: Any, v: Any, start: int, length: int, *, flip: bool) -> Any:
    if flip:
        v = v[::-1]
    if not a.size or not v.size:
        return np.zeros(length, np.result_type(a, v))
    small = min(a.size, v.size)
    if start == small - 1 and length == abs(a.size - v.size) + 1:
        return np.convolve(a, v, "valid")
    full = np.convolve(a, v)
    first, last = max(start, 0), min(start + length, full.size)
    if (first, last) == (start, start + length):
        return full[first:last].copy() if length < full.size else full
    result = np.zeros(length, full.dtype)
    if first < last:
        result[first - start : last - start] = full[first:last]
    return result


def _to_a(g: Any, v: Any, start: int, shapes: Any, *, flip: bool) -> Any:
    (n,), (m,) = shapes
    return chain_convolved(g, v, start=m - 1 - start, length=n, flip=not flip)


def _to_v(g: Any, a: Any, start: int, shapes: Any, *, flip: bool) -> Any:
    (n,), (m,) = shapes
    if flip:
        return chain_convolved(a, g, start=g.shape[0] - m + start, length=m, flip=True)
    return chain_convolved(g, a, start=n - 1 - start, length=m, flip=True)


@convolved.vjp("a")
def _(g: Any, v: Any, *, start: int, flip: bool, shapes: Any) -> Any:
    return _to_a(g, v, start, shapes, flip=flip)


@convolved.vjp("v")
def _(g: Any, a: Any, *, start: int, flip: bool, shapes: Any) -> Any:
    return _to_v(g, a, start, shapes, flip=flip)


@chain_convolved.vjp("a")
def _(g: Any, a: Any, v: Any, *, start: int, flip: bool, shapes: Any) -> Any:
    return _to_a(g, where(nothing(a, v), 0, v), start, shapes, flip=flip)


@chain_convolved.vjp("v")
def _(g: Any, a: Any, v: Any, *, start: int, flip: bool, shapes: Any) -> Any:
    return _to_v(g, where(nothing(a, v), 0, a), start, shapes, flip=flip)


@convolved.jvp("a")
def _(t: Any, v: Any, *, start: int, length: int, flip: bool) -> Any:
    return chain_convolved(t, v, start=start, length=length, flip=flip)


@convolved.jvp("v")
def _(t: Any, a: Any, *, start: int, length: int, flip: bool) -> Any:
    return chain_convolved(a, t, start=start, length=length, flip=flip)


@chain_convolved.jvp("a")
def _(t: Any, a: Any, v: Any, *, start: int, length: int, flip: bool) -> Any:
    return chain_convolved(t, where(nothing(a, v), 0, v), start=start, length=length, flip=flip)


@chain_convolved.jvp("v")
def _(t: Any, a: Any, v: Any, *, start: int, length: int, flip: bool) -> Any:
    return chain_convolved(where(nothing(a, v), 0, a), t, start=start, length=length, flip=flip)


def convolve(a: Tensor, v: Tensor, mode: str = "full") -> Tensor:
    """Discrete convolution of two vectors, sum over k of a[k] v[n - k].

    Shape: n + m - 1 in mode "full", max(n, m) in mode "same" (the middle of it), and in mode
    "valid" max(n, m) - min(n, m) + 1, where the vectors overlap completely. Raises ShapeError
    for empty vectors and other ranks, ValueError for another mode.

    Source: numpy.convolve.

    >>> import numgrad as ng
    >>> ng.convolve(ng.tensor([1.0, 2.0, 3.0]), ng.tensor([1.0, 1.0]))
    tensor([1., 3., 5., 3.])
    """
    a, v = lift(a, "convolve"), lift(v, "convolve")
    if len(a.shape) != 1 or len(v.shape) != 1 or not a.shape[0] or not v.shape[0]:
        raise ShapeError(
            f"convolve() takes vectors of one element or more, got shapes {a.shape} and {v.shape}."
        )
    large, small = max(a.shape[0], v.shape[0]), min(a.shape[0], v.shape[0])
    windows = {
        "full": (0, large + small - 1),
        "same": ((small - 1) // 2, large),
        "valid": (small - 1, large - small + 1),
    }
    if mode not in windows:
        raise ValueError(f"convolve() takes mode 'full', 'same' or 'valid', got {mode!r}.")
    start, length = windows[mode]
    return convolved(a, v, start=start, length=length, flip=False)  # type: ignore[no-any-return]

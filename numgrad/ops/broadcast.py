"""The linear maps that undo one another behind every op: expand and sum back, change of dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

from numgrad.kernels.quiet import quiet
from numgrad.op import structural
from numgrad.ops import batching


@structural(node="Expand", view=True, linear=True, batch=batching.expanding)
def expand_to(x: Any, *, shape: tuple[int, ...]) -> Any:
    """Repeat along dimensions of extent 1 and along new leading ones, without copying."""
    new = len(shape) - x.ndim
    if not x.flags.c_contiguous or not x.size or new < 0:
        return _broadcast(x, shape)
    strides = [0] * new
    for have, want, stride in zip(x.shape, shape[new:], x.strides, strict=True):
        if have not in (1, want):
            return _broadcast(x, shape)
        strides.append(stride if have == want else 0)
    # np.broadcast_to takes eight times as long.
    return np.ndarray(shape, x.dtype, x, 0, strides)


def _broadcast(x: Any, shape: tuple[int, ...]) -> Any:
    """`np.broadcast_to`, as writable as x: parts whose elements share no memory may be written."""
    result = np.broadcast_to(x, shape)
    result.flags.writeable = x.flags.writeable
    return result


@expand_to.vjp("x")
def _(g: Any, *, shapes: Any) -> Any:
    return sum_to(g, shape=shapes[0])


@structural(node="SumToSize", linear=True, batch=batching.summing)
def sum_to(x: Any, *, shape: tuple[int, ...]) -> Any:
    """Sum to a shape that broadcasts to that of x: what broadcasting does to cotangents."""
    new = x.ndim - len(shape)
    axes = (
        *range(new),
        *(new + k for k, n in enumerate(shape) if n == 1 and x.shape[new + k] != 1),
    )
    return np.asarray(quiet.run(np.add.reduce, x, axis=axes)).reshape(shape)


@sum_to.vjp("x")
def _(g: Any, *, shapes: Any) -> Any:
    extra = len(shapes[0]) - g.ndim
    return expand_to(view_as(g, shape=(1,) * extra + g.shape), shape=shapes[0])


@structural(node="View", view=True, linear=True, batch=batching.reshaping)
def view_as(x: Any, *, shape: tuple[int, ...]) -> Any:
    """Give the same elements in row-major order another shape; a view where strides allow."""
    return x.reshape(shape)


@view_as.vjp("x")
def _(g: Any, *, shapes: Any) -> Any:
    return view_as(g, shape=shapes[0])


@structural(node="ToCopy", linear=True, batch=batching.leading(0))
def cast(x: Any, *, dtype: Any) -> Any:
    """Convert to another dtype; the gradient goes back to the dtype of x."""
    return x.astype(dtype)


@cast.vjp("x")
def _(g: Any, *, dtypes: Any) -> Any:
    return cast(g, dtype=dtypes[0])

"""Writing to a part of a tensor that a chain of views shows."""

from __future__ import annotations

from typing import Any

import numpy as np

from numgrad.op import structural


def laid_out(x: Any, strides: tuple[int, ...]) -> Any:
    """Copy an array without gaps, its axes in the order in memory that these strides have."""
    order = sorted(range(x.ndim), key=lambda k: -abs(strides[k]))
    return x.transpose(order).copy(order="C").transpose(np.argsort(order))


@structural(node="CopySlices", suffix="", linear=True)
def write_region(x: Any, value: Any, *, path: Any, strides: tuple[int, ...]) -> Any:
    """Copy x with `value` in the part that `path` leads to.

    A path is a chain of views, each an op and its keywords; `strides` are those of a tensor for
    which all of them are views.
    """
    result = region = laid_out(x, strides)
    for op, metadata in path:
        region = op.kernel(region, **metadata)
    region[...] = value
    return result


@write_region.vjp("x")
def _(g: Any, *, path: Any, strides: tuple[int, ...]) -> Any:
    return write_region(g, 0, path=path, strides=strides)


@write_region.vjp("value")
def _(g: Any, *, path: Any) -> Any:
    for op, metadata in path:
        g = op(g, **metadata)
    return g

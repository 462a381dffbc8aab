"""Largest and smallest: `max`, `min`, `amax`, `amin`, `argmax`, `argmin`. nan wins them all."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import return_types
from numgrad.errors import ShapeError
from numgrad.kernels import layout
from numgrad.op import Structural, structural
from numgrad.ops import batching
from numgrad.ops.arithmetic import product
from numgrad.ops.axes import MISSING, axis_in, reduced_shape
from numgrad.ops.broadcast import view_as
from numgrad.ops.reduce import KERNELS, dense, kept, reduction, spread, sum_over, zeros_for
from numgrad.ops.sorting import pick_along, place_along
from numgrad.value import REGISTRY, lift

if TYPE_CHECKING:
    from collections.abc import Callable

    from numgrad.tensor import Tensor

__all__ = ["amax", "amin", "argmax", "argmin", "max", "min"]


def _over(name: str, node: str, row: str, reduce: Callable[..., Any]) -> Structural:
    """Declare an extremum over dimensions, None for all; ties share the gradient."""

    def kernel(x: Any, *, axes: tuple[int, ...] | None, keepdims: bool) -> Any:
        if x.dtype.char in KERNELS and dense(x, axes):
            return layout.fold(row, x, axes, keepdims=keepdims)
        return reduce(x, axis=axes, keepdims=keepdims)

    def rule(
        g: Any, x: Any, out: Any, *, axes: tuple[int, ...] | None, keepdims: bool, shapes: Any
    ) -> Any:
        weights = ties(x, kept(out, shapes[0], axes, keepdims=keepdims), axes=axes)
        return product(spread(g, shape=shapes[0], axes=axes, keepdims=keepdims), weights)

    def forward_rule(
        t: Any, x: Any, out: Any, *, axes: tuple[int, ...] | None, keepdims: bool, shapes: Any
    ) -> Any:
        weights = ties(x, kept(out, shapes[0], axes, keepdims=keepdims), axes=axes)
        return sum_over(product(t, weights), axes=axes, keepdims=keepdims)

    kernel.__name__ = name
    op = structural(node=node, batch=batching.shifted)(kernel)
    op.vjp("x")(rule)
    op.jvp("x")(forward_rule)
    return op


max_over = _over("max_over", "Max", "highest", np.maximum.reduce)
min_over = _over("min_over", "Min", "lowest", np.minimum.reduce)
amax_over = _over("amax_over", "Amax", "highest", np.maximum.reduce)
amin_over = _over("amin_over", "Amin", "lowest", np.minimum.reduce)


@structural(batch=batching.shifted)
def ties(x: Any, extremum: Any, *, axes: tuple[int, ...] | None) -> Any:
    """1/k where x is one of k elements that equal the extremum, which has x's dimensions."""
    if x.dtype.char in KERNELS:
        over = tuple(range(x.ndim)) if axes is None else axes
        best = extremum.reshape([n for k, n in enumerate(x.shape) if k not in over])
        return layout.along("ties", over, x, others=(best,))
    found = x == extremum
    unordered = extremum != extremum  # noqa: PLR0124 - nan
    if unordered.any():
        found |= unordered & (x != x)  # noqa: PLR0124
    counts = np.add.reduce(found, axis=axes, keepdims=True, dtype=x.dtype)
    with np.errstate(invalid="ignore"):
        return np.divide(found, counts, dtype=x.dtype)


@ties.vjp()
def _(g: Any, *, shapes: Any) -> Any:
    return zeros_for(g, shape=shapes[0]), zeros_for(g, shape=shapes[1])


def _along(
    name: str, node: str, reduce: Callable[..., Any], find: Callable[..., Any]
) -> Structural:
    """Declare an extremum along a dimension and its first position, which the gradient follows."""

    def kernel(x: Any, *, axis: int, keepdims: bool) -> Any:
        if not x.ndim:
            return x.copy(), np.zeros((), np.int64)
        return reduce(x, axis=axis, keepdims=keepdims), find(x, axis, keepdims=keepdims)

    def rule(g: Any, out: Any, *, axis: int, keepdims: bool, shapes: Any) -> Any:
        shape = reduced_shape(shapes[0], (axis,))
        values, index = (
            each if keepdims else view_as(each, shape=shape) for each in (g[0], out[1])
        )
        return place_along(values, index, axis=axis, shape=shapes[0])

    def forward_rule(t: Any, out: Any, *, axis: int, keepdims: bool, shapes: Any) -> Any:
        index = out[1]
        if not keepdims:
            index = view_as(index, shape=reduced_shape(shapes[0], (axis,)))
        picked = pick_along(t, index, axis=axis)
        return picked if keepdims else view_as(picked, shape=out[1].shape), None

    kernel.__name__ = name
    op = structural(node=node, outputs=2, batch=batching.shifted)(kernel)
    op.vjp("x")(rule)
    op.jvp("x")(forward_rule)
    return op


max_along = _along("max_along", "Max", np.maximum.reduce, np.argmax)
min_along = _along("min_along", "Min", np.minimum.reduce, np.argmin)


@structural(batch=batching.flattening)
def argmax_over(x: Any, *, axis: int | None, keepdims: bool) -> Any:
    """Position of the first largest element along a dimension, None for that among all."""
    return np.argmax(x, axis, keepdims=keepdims)


@structural(batch=batching.flattening)
def argmin_over(x: Any, *, axis: int | None, keepdims: bool) -> Any:
    """Position of the first smallest element along a dimension, None for that among all."""
    return np.argmin(x, axis, keepdims=keepdims)


def max(
    x: Tensor,
    dim: Any = MISSING,
    keepdim: Any = MISSING,
    *,
    other: Any = MISSING,
    axis: Any = MISSING,
    keepdims: Any = MISSING,
) -> Any:
    """Largest element: of all, along a dimension, or of two tensors.

    `max(x)` gives the value and splits the gradient over ties; so does NumPy's `axis`, an int, a
    tuple or None. `max(x, dim)` gives a named tuple (values, indices), the gradient follows the
    index of the first. `max(x, other)` is `maximum`. At the edges: nan is largest.

    Raises: ShapeError for the largest of nothing; TypeError where keywords of both libraries are
    given.

    >>> import numgrad as ng
    >>> ng.max(ng.tensor([[1.0, 4.0], [3.0, 2.0]]), 1)
    numgrad.return_types.max(
    values=tensor([4., 3.]),
    indices=tensor([1, 0]))
    >>> ng.max(ng.tensor([[1.0, 4.0], [3.0, 2.0]]), axis=1)
    tensor([4., 3.])
    """
    if dim is keepdim is other is axis is keepdims and 0 not in (x := lift(x, "max")).shape:
        return max_over(x, axes=None, keepdims=False)
    chosen = (max_over, max_along, return_types.max)
    return _extremum("max", chosen, x, dim, keepdim, other, axis, keepdims)


def min(
    x: Tensor,
    dim: Any = MISSING,
    keepdim: Any = MISSING,
    *,
    other: Any = MISSING,
    axis: Any = MISSING,
    keepdims: Any = MISSING,
) -> Any:
    """Smallest element: of all, along a dimension, or of two tensors; see `max`.

    >>> import numgrad as ng
    >>> ng.min(ng.tensor([[1.0, 4.0], [3.0, 2.0]]))
    tensor(1.)
    """
    if dim is keepdim is other is axis is keepdims and 0 not in (x := lift(x, "min")).shape:
        return min_over(x, axes=None, keepdims=False)
    chosen = (min_over, min_along, return_types.min)
    return _extremum("min", chosen, x, dim, keepdim, other, axis, keepdims)


def _extremum(
    name: str,
    chosen: tuple[Any, Any, Any],
    x: Any,
    dim: Any,
    keepdim: Any,
    other: Any,
    axis: Any,
    keepdims: Any,
) -> Any:
    """Read the spellings of `max` and `min`."""
    over, along, result = chosen
    x = lift(x, name)
    if other is MISSING and isinstance(dim, (type(x), np.ndarray)):
        dim, other = MISSING, dim
    pytorch = [each for each in (dim, keepdim) if each is not MISSING]
    numpy = [each for each in (axis, keepdims) if each is not MISSING]
    if other is not MISSING:
        if pytorch or numpy:
            raise TypeError(f"{name}() of two tensors takes no dimensions: reduce the result.")
        return REGISTRY[f"{name}imum"](x, other)
    if pytorch and numpy:
        raise TypeError(
            f"{name}() got keywords of PyTorch (dim, keepdim), which give values and indices, and"
            " of NumPy (axis, keepdims), which give values: use those of one."
        )
    if dim is not MISSING and dim is not None:
        k = axis_in(name, dim, x.ndim)
        _check(name, x.shape, (k,) if x.ndim else ())
        return result(*along(x, axis=k, keepdims=keepdim is not MISSING and bool(keepdim)))
    axes, keep = reduction(name, x.ndim, dim, keepdim, axis, keepdims)
    _check(name, x.shape, axes)
    return over(x, axes=axes, keepdims=keep)


def amax(
    x: Tensor,
    dim: Any = MISSING,
    keepdim: Any = MISSING,
    *,
    axis: Any = MISSING,
    keepdims: Any = MISSING,
) -> Tensor:
    """Largest element over `dim`, an int or a tuple; over all without it.

    At the edges: ties split the gradient, nan is largest, empty tuples as in `sum`.

    Raises: ShapeError for the largest of nothing.

    >>> import numgrad as ng
    >>> ng.amax(ng.tensor([[1.0, 4.0], [3.0, 2.0]]), dim=1)
    tensor([4., 3.])
    """
    x = lift(x, "amax")
    axes, keep = reduction("amax", x.ndim, dim, keepdim, axis, keepdims)
    _check("amax", x.shape, axes)
    return amax_over(x, axes=axes, keepdims=keep)  # type: ignore[no-any-return]


def amin(
    x: Tensor,
    dim: Any = MISSING,
    keepdim: Any = MISSING,
    *,
    axis: Any = MISSING,
    keepdims: Any = MISSING,
) -> Tensor:
    """Smallest element over `dim`, an int or a tuple; over all without it; see `amax`.

    >>> import numgrad as ng
    >>> ng.amin(ng.tensor([[1.0, 4.0], [3.0, 2.0]]), dim=1)
    tensor([1., 2.])
    """
    x = lift(x, "amin")
    axes, keep = reduction("amin", x.ndim, dim, keepdim, axis, keepdims)
    _check("amin", x.shape, axes)
    return amin_over(x, axes=axes, keepdims=keep)  # type: ignore[no-any-return]


def argmax(
    x: Tensor,
    dim: Any = MISSING,
    keepdim: Any = MISSING,
    *,
    axis: Any = MISSING,
    keepdims: Any = MISSING,
) -> Tensor:
    """Position of the first largest element along `dim`; in the flat tensor without it.

    No gradient. At the edges: nan is largest.

    Raises: ShapeError for the largest of nothing.

    >>> import numgrad as ng
    >>> ng.argmax(ng.tensor([[1.0, 4.0], [3.0, 2.0]]), dim=1)
    tensor([1, 0])
    """
    return _position("argmax", argmax_over, x, dim, keepdim, axis, keepdims)


def argmin(
    x: Tensor,
    dim: Any = MISSING,
    keepdim: Any = MISSING,
    *,
    axis: Any = MISSING,
    keepdims: Any = MISSING,
) -> Tensor:
    """Position of the first smallest element along `dim`; in the flat tensor without it.

    No gradient; see `argmax`.

    >>> import numgrad as ng
    >>> ng.argmin(ng.tensor([[1.0, 4.0], [3.0, 2.0]]))
    tensor(0)
    """
    return _position("argmin", argmin_over, x, dim, keepdim, axis, keepdims)


def _position(
    name: str, op: Any, x: Any, dim: Any, keepdim: Any, axis: Any, keepdims: Any
) -> Tensor:
    x = lift(x, name)
    one = [each for each in (dim, axis) if each is not MISSING and each is not None]
    if one:
        axis_in(name, one[0], x.ndim)
    axes, keep = reduction(name, x.ndim, dim, keepdim, axis, keepdims)
    _check(name, x.shape, axes)
    return op(x, axis=axes[0] if one and axes else None, keepdims=keep)  # type: ignore[no-any-return]


def _check(name: str, shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    """Raise ShapeError where something would be taken out of nothing."""
    if not math.prod(shape[k] for k in axes):
        raise ShapeError(
            f"{name}() over dimensions {axes} of shape {shape} has no elements to choose from:"
            " check for an empty tensor first."
        )

"""Changes of shape: the same elements in the same order, a view wherever strides allow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.errors import ShapeError
from numgrad.op import structural
from numgrad.ops import batching
from numgrad.ops.axes import MISSING, axes_in, axis_in, either
from numgrad.ops.broadcast import expand_to, view_as
from numgrad.ops.permute import extents, reverse_dims
from numgrad.value import Value, lift

if TYPE_CHECKING:
    from numgrad.tensor import Tensor


@structural(node="View", view=True, linear=True, batch=batching.reshaping)
def strict_view(x: Any, *, shape: tuple[int, ...]) -> Any:
    """Another shape on the same memory; RuntimeError where the strides do not allow it."""
    result = x.reshape(shape)
    if result.size and not np.may_share_memory(result, x):
        raise RuntimeError(
            f"view() from shape {x.shape} with strides {x.strides} to {shape} needs a copy:"
            " use reshape(), which makes one."
        )
    return result


@strict_view.vjp("x")
def _(g: Any, *, shapes: Any) -> Any:
    return view_as(g, shape=shapes[0])


@structural(node="Squeeze", view=True, linear=True, batch=batching.shifted)
def squeeze_axes(x: Any, *, axes: tuple[int, ...]) -> Any:
    """Without some dimensions of extent 1."""
    return x.squeeze(axes) if axes else x[...]  # NumPy would give x itself


@squeeze_axes.vjp("x")
def _(g: Any, *, shapes: Any) -> Any:
    return view_as(g, shape=shapes[0])


@structural(node="Unsqueeze", view=True, linear=True, batch=batching.shifted)
def unsqueeze_axes(x: Any, *, axes: tuple[int, ...]) -> Any:
    """With new dimensions of extent 1, at these positions of the result."""
    return np.expand_dims(x, axes)


@unsqueeze_axes.vjp("x")
def _(g: Any, *, shapes: Any) -> Any:
    return view_as(g, shape=shapes[0])


def _reshape(name: str, op: Any, x: Any, shape: tuple[int, ...]) -> Any:
    """Run an op that gives x another shape; -1 stands for what is left."""
    reason = None
    if not shape or min(shape) >= -1:
        try:
            return op.eager(x, shape=shape)
        except ValueError as error:
            reason = error
    raise ShapeError(
        f"{name}() from shape {x.shape} to {shape} does not keep its {math.prod(x.shape)}"
        " elements: the extents must multiply to that, and -1 may stand for one of them."
    ) from reason


def reshape(x: Tensor, *sizes: Any, shape: Any = None, order: str = "C") -> Tensor:
    """Give the same elements another shape; a view where strides allow, otherwise a copy.

    `reshape(2, 3)` or `reshape((2, 3))`; one extent may be -1. `order="F"` counts elements in
    column-major order, as NumPy does. Raises ShapeError if the number of elements differs.

    >>> import numgrad as ng
    >>> ng.reshape(ng.tensor([1.0, 2.0, 3.0, 4.0]), (2, -1))
    tensor([[1., 2.],
            [3., 4.]])
    """
    if not isinstance(x, Value):
        x = lift(x, "reshape")
    wanted = extents("reshape", sizes if shape is None else (*sizes, shape))
    if order == "C":
        return _reshape("reshape", view_as, x, wanted)  # type: ignore[no-any-return]
    if order != "F":
        raise ValueError(f"reshape() takes order 'C' or 'F', got {order!r}.")
    return reverse_dims(_reshape("reshape", view_as, reverse_dims(x), wanted[::-1]))


def view(x: Tensor, *sizes: Any) -> Tensor:
    """Give the same memory another shape, never a copy.

    Raises ShapeError if the number of elements differs, RuntimeError if strides do not allow it:
    `reshape` copies then.
    """
    x = lift(x, "view")
    return _reshape("view", strict_view, x, extents("view", sizes))  # type: ignore[no-any-return]


def view_like(x: Tensor, other: Tensor) -> Tensor:
    """Give the same memory the shape of another tensor: PyTorch's `view_as`."""
    return view(x, other.shape)


def reshape_as(x: Tensor, other: Tensor) -> Tensor:
    """Give the same elements the shape of another tensor."""
    return reshape(x, other.shape)


def ravel(x: Tensor, *, order: str = "C") -> Tensor:
    """All elements in one dimension; a view where strides allow."""
    return reshape(x, (-1,), order=order)


def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1, *, order: str = "C") -> Tensor:
    """Merge the dimensions from `start_dim` to `end_dim` into one; a view where strides allow.

    At the edges: a 0-d tensor gives one dimension of extent 1.

    >>> import numgrad as ng
    >>> ng.flatten(ng.ones(2, 3, 4), 1).shape
    (2, 12)
    """
    x = lift(x, "flatten")
    shape = x.shape or (1,)
    first, last = (axis_in("flatten", d, len(shape)) for d in (start_dim, end_dim))
    if first > last:
        raise RuntimeError(
            f"flatten() needs start_dim up to end_dim, got {start_dim} and {end_dim}."
        )
    merged = math.prod(shape[first : last + 1])
    return reshape(x, (*shape[:first], merged, *shape[last + 1 :]), order=order)


def unflatten(x: Tensor, dim: int, sizes: Any) -> Tensor:
    """Split one dimension into several of these extents, of which one may be -1."""
    x = lift(x, "unflatten")
    k = axis_in("unflatten", dim, x.ndim)
    known = extents("unflatten", (sizes,))
    rest = -math.prod(known)
    filled = tuple(x.shape[k] // rest if n == -1 and rest > 0 else n for n in known)
    if math.prod(filled) != x.shape[k]:
        raise ShapeError(f"unflatten() cannot split extent {x.shape[k]} into {known}.")
    return reshape(x, (*x.shape[:k], *filled, *x.shape[k + 1 :]))


def squeeze(x: Tensor, dim: Any = MISSING, *, axis: Any = MISSING) -> Tensor:
    """Remove dimensions of extent 1: all, or those in `dim`; a view.

    Other extents are left alone with `dim`, as in PyTorch, and ShapeError with `axis`, as in NumPy.

    >>> import numgrad as ng
    >>> ng.squeeze(ng.ones(1, 2, 1)).shape, ng.squeeze(ng.ones(1, 2, 1), 0).shape
    ((2,), (2, 1))
    """
    x = lift(x, "squeeze")
    given = axes_in("squeeze", either("squeeze", "dim", dim, "axis", axis, None), x.ndim)
    axes = tuple(k for k in given if x.shape[k] == 1)
    if axis is not MISSING and axis is not None and axes != given:
        raise ShapeError(f"squeeze() removes extents of 1, got axis {axis} of shape {x.shape}.")
    return squeeze_axes(x, axes=axes)  # type: ignore[no-any-return]


def unsqueeze(x: Tensor, dim: Any = MISSING, *, axis: Any = MISSING) -> Tensor:
    """Insert a dimension of extent 1 at a position of the result, or several (a tuple); a view.

    >>> import numgrad as ng
    >>> ng.unsqueeze(ng.ones(3), 0).shape, ng.unsqueeze(ng.ones(3), -1).shape
    ((1, 3), (3, 1))
    """
    x = lift(x, "unsqueeze")
    dims = either("unsqueeze", "dim", dim, "axis", axis, MISSING)
    if dims is MISSING or dims is None:
        raise TypeError("unsqueeze() needs the position of the new dimension: dim or axis.")
    number = len(dims) if isinstance(dims, (tuple, list)) else 1
    axes = axes_in("unsqueeze", dims, x.ndim + number)
    return unsqueeze_axes(x, axes=axes)  # type: ignore[no-any-return]


def expand(x: Tensor, *sizes: Any) -> Tensor:
    """Repeat dimensions of extent 1, and along new leading ones, without copying; -1 keeps one.

    The result is a view whose elements share memory, so it cannot be written to.

    >>> import numgrad as ng
    >>> ng.expand(ng.tensor([[1.0], [2.0]]), -1, 3)
    tensor([[1., 1., 1.],
            [2., 2., 2.]])
    """
    x = lift(x, "expand")
    given = extents("expand", sizes)
    new = len(given) - x.ndim
    shape = tuple(x.shape[k - new] if n == -1 and k >= new else n for k, n in enumerate(given))
    try:
        return expand_to(x, shape=shape)  # type: ignore[no-any-return]
    except ValueError as error:
        raise ShapeError(
            f"expand() from shape {x.shape} to {given}: only extents of 1 can be expanded,"
            " and -1 keeps one that is there."
        ) from error


def broadcast_to(x: Tensor, shape: Any) -> Tensor:
    """Expand to a shape by NumPy's rules of broadcasting; a view that cannot be written to."""
    return expand(x, shape)


def expand_as(x: Tensor, other: Tensor) -> Tensor:
    """Expand to the shape of another tensor."""
    return expand(x, other.shape)


def atleast_1d(x: Tensor) -> Tensor:
    """At least one dimension: a 0-d tensor gets one."""
    x = lift(x, "atleast_1d")
    return x if x.ndim else reshape(x, (1,))


def atleast_2d(x: Tensor) -> Tensor:
    """At least two dimensions: new ones come first."""
    x = lift(x, "atleast_2d")
    return x if x.ndim > 1 else reshape(x, (1, -1))

"""The order of dimensions, and of the elements along them: transposes, flips, rolls.

A keyword `dim` or `dims` is read as PyTorch does, `axis` or `axes` as NumPy does.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.errors import ShapeError
from numgrad.op import structural
from numgrad.ops import batching
from numgrad.ops.axes import MISSING, axes_in, axis_in, either
from numgrad.value import lift

if TYPE_CHECKING:
    from numgrad.tensor import Tensor


@structural(node="Permute", view=True, linear=True, batch=batching.permuting)
def permute_axes(x: Any, *, axes: tuple[int, ...]) -> Any:
    """The dimensions in another order."""
    return x.transpose(axes)


@permute_axes.vjp("x")
def _(g: Any, *, axes: tuple[int, ...]) -> Any:
    return permute_axes(g, axes=tuple(axes.index(k) for k in range(len(axes))))


@structural(node="Transpose", view=True, linear=True, batch=batching.shifted)
def swap_axes(x: Any, *, axes: tuple[int, int]) -> Any:
    """Two dimensions exchanged."""
    return x.swapaxes(*axes)


@swap_axes.vjp("x")
def _(g: Any, *, axes: tuple[int, int]) -> Any:
    return swap_axes(g, axes=axes)


@structural(node="Flip", view=True, linear=True, batch=batching.shifted)
def reverse_axes(x: Any, *, axes: tuple[int, ...]) -> Any:
    """The order of elements reversed along some dimensions."""
    return np.flip(x, axes)


@reverse_axes.vjp("x")
def _(g: Any, *, axes: tuple[int, ...]) -> Any:
    return reverse_axes(g, axes=axes)


@structural(node="Roll", linear=True, batch=batching.flattening)
def roll_axes(x: Any, *, shifts: tuple[int, ...], axes: tuple[int, ...] | None) -> Any:
    """Elements moved along dimensions, or along the flattened array, in a circle."""
    return np.roll(x, shifts, axes)


@roll_axes.vjp("x")
def _(g: Any, *, shifts: tuple[int, ...], axes: tuple[int, ...] | None) -> Any:
    return roll_axes(g, shifts=tuple(-s for s in shifts), axes=axes)


def extents(name: str, sizes: tuple[Any, ...]) -> tuple[int, ...]:
    """Return the integers of a shape or an order, given as one sequence or one by one."""
    for size in sizes:
        if type(size) is not int:
            break
    else:
        return sizes
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = tuple(sizes[0])
    try:
        return tuple(map(operator.index, sizes))
    except TypeError as error:
        kinds = ", ".join(type(s).__name__ for s in sizes)
        raise TypeError(
            f"{name}() takes integers, one by one or as a tuple, got {kinds}."
        ) from error


def permute(x: Tensor, *dims: Any, axes: Any = MISSING) -> Tensor:
    """The dimensions in the order given, all of them: `permute(2, 0, 1)` or one tuple; a view.

    Raises ShapeError unless each dimension is named once.

    >>> import numgrad as ng
    >>> ng.permute(ng.ones(2, 3, 4), (2, 0, 1)).shape
    (4, 2, 3)
    """
    x = lift(x, "permute")
    given = extents("permute", dims if axes is MISSING else (*dims, axes))
    order = tuple(axis_in("permute", d, x.ndim) for d in given)
    if sorted(order) != list(range(x.ndim)):
        raise ShapeError(f"permute() needs each dimension of shape {x.shape} once, got {given}.")
    return permute_axes(x, axes=order)  # type: ignore[no-any-return]


def transpose(
    x: Tensor, dim0: Any = MISSING, dim1: Any = MISSING, *rest: Any, axes: Any = MISSING
) -> Tensor:
    """Exchange two dimensions, as PyTorch: `transpose(0, 1)`; a view.

    With one tuple, `axes=` or other than two dimensions it is NumPy's permutation of all of them,
    and without any it reverses their order.

    >>> import numgrad as ng
    >>> ng.ones(2, 3, 4).transpose(0, 2).shape, ng.ones(2, 3, 4).transpose((2, 0, 1)).shape
    ((4, 3, 2), (4, 2, 3))
    """
    x = lift(x, "transpose")
    if axes is not MISSING and dim0 is not MISSING:
        raise TypeError("transpose() got both dimensions and axes=: give one of them.")
    order = dim0 if axes is MISSING else axes
    if order is MISSING or order is None:
        return _reversed(x)
    if dim1 is MISSING or rest:
        return permute(x, order, *(() if dim1 is MISSING else (dim1, *rest)))
    first, second = (axis_in("transpose", d, x.ndim) for d in (dim0, dim1))
    if x.ndim == 0:
        return _reversed(x)
    return swap_axes(x, axes=(first, second))  # type: ignore[no-any-return]


def _reversed(x: Any) -> Tensor:
    return permute_axes(x, axes=tuple(range(x.ndim))[::-1])  # type: ignore[no-any-return]


def reverse_dims(x: Tensor) -> Tensor:
    """All dimensions in reversed order, for matrices the transpose: the property `T`; a view."""
    return _reversed(lift(x, "T"))


def matrix_transpose(x: Tensor) -> Tensor:
    """Exchange the last two dimensions: the property `mT`; a view.

    Raises ShapeError for fewer than two dimensions.
    """
    x = lift(x, "matrix_transpose")
    if x.ndim < 2:
        raise ShapeError(f"matrix_transpose() needs two dimensions or more, got shape {x.shape}.")
    return swap_axes(x, axes=(x.ndim - 2, x.ndim - 1))  # type: ignore[no-any-return]


def t(x: Tensor) -> Tensor:
    """The transpose of a matrix; vectors and 0-d tensors as they are. Others: ShapeError."""
    x = lift(x, "t")
    if x.ndim > 2:
        raise ShapeError(f"t() takes up to two dimensions, got shape {x.shape}: use mT.")
    return swap_axes(x, axes=(0, 1)) if x.ndim == 2 else _reversed(x)


def swapaxes(x: Tensor, axis0: int, axis1: int) -> Tensor:
    """Exchange two dimensions; a view."""
    return transpose(x, axis0, axis1)


def moveaxis(x: Tensor, source: Any, destination: Any) -> Tensor:
    """Move dimensions, an int or a tuple, to other positions; the others keep their order.

    >>> import numgrad as ng
    >>> ng.moveaxis(ng.ones(2, 3, 4), 0, -1).shape
    (3, 4, 2)
    """
    x = lift(x, "moveaxis")
    ends = []
    for dims in (source, destination):
        several = dims if isinstance(dims, (tuple, list)) else (dims,)
        ends.append([axis_in("moveaxis", d, x.ndim) for d in several])
    if len(ends[0]) != len(ends[1]) or any(len(set(e)) != len(e) for e in ends):
        raise ShapeError(
            "moveaxis() needs as many sources as destinations, each once,"
            f" got {source} and {destination}."
        )
    if x.ndim == 0:
        return _reversed(x)
    order = [k for k in range(x.ndim) if k not in ends[0]]
    for k, position in sorted(zip(*ends, strict=True), key=operator.itemgetter(1)):
        order.insert(position, k)
    return permute_axes(x, axes=tuple(order))  # type: ignore[no-any-return]


def flip(x: Tensor, *dims: Any, axis: Any = MISSING) -> Tensor:
    """Reverse the order of elements along dimensions, along all without any; a view.

    >>> import numgrad as ng
    >>> ng.flip(ng.tensor([1.0, 2.0, 3.0]), 0)
    tensor([3., 2., 1.])
    """
    x = lift(x, "flip")
    one = MISSING if not dims else dims[0] if len(dims) == 1 else dims
    axes = axes_in("flip", either("flip", "dims", one, "axis", axis, None), x.ndim)
    return reverse_axes(x, axes=axes)  # type: ignore[no-any-return]


def roll(x: Tensor, shifts: Any, dims: Any = MISSING, *, axis: Any = MISSING) -> Tensor:
    """Move elements along dimensions; what leaves at one end enters at the other.

    Without dimensions the flattened tensor is rolled. One shift serves all dimensions.

    >>> import numgrad as ng
    >>> ng.roll(ng.tensor([1.0, 2.0, 3.0]), 1)
    tensor([3., 1., 2.])
    """
    x = lift(x, "roll")
    given = either("roll", "dims", dims, "axis", axis, None)
    axes = None
    moves = tuple(shifts) if isinstance(shifts, (tuple, list)) else (shifts,)
    if given not in (None, ()) and x.ndim:
        several = given if isinstance(given, (tuple, list)) else (given,)
        axes = tuple(axis_in("roll", d, x.ndim) for d in several)
        moves = moves * len(axes) if len(moves) == 1 else moves
    if len(moves) != (1 if axes is None else len(axes)):
        raise ShapeError(f"roll() needs a shift for each dimension, got {shifts} for {given}.")
    return roll_axes(x, shifts=tuple(map(operator.index, moves)), axes=axes)  # type: ignore[no-any-return]

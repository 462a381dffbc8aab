"""Writing to a tensor in place: `x.add_(y)`, `x += y`, `x[i] = v`.

A write that is recorded runs the op on a copy of the old value and then moves the result, and
the history that comes with it, into the tensor: so whatever the new node saves stays as it was,
and whatever older nodes saved of this memory is found overwritten by its version. A write to a
view becomes history of the tensor that it is a view of.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import dtypes, saved
from numgrad.errors import ShapeError
from numgrad.modes import modes
from numgrad.op import structural
from numgrad.ops import batching
from numgrad.ops.broadcast import cast, sum_to
from numgrad.ops.index import array_key, assign, set_items
from numgrad.ops.regions import write_region
from numgrad.plans import StructuralPlan
from numgrad.record import as_tensor, edge_of, record_structural
from numgrad.tape import INFERENCE, node_class, raise_inference
from numgrad.tensor import Tensor, alias
from numgrad.views import path_of
from numgrad.wrapped_writes import concerns, write_wrapped

if TYPE_CHECKING:
    from collections.abc import Callable

_KINDS = "biuf"


@structural(node="Fill", batch=batching.leading(0))
def filled(x: Any, *, value: float) -> Any:
    """A tensor like x with one value everywhere; x gets gradient 0."""
    return np.full_like(x, value)


@filled.vjp("x")
def _(g: Any) -> Any:
    return filled(g, value=0.0)


@filled.jvp("x")
def _(t: Any) -> Any:
    return filled(t, value=0.0)


@structural(node="Copy", linear=True, batch=batching.overwriting)
def overwritten(x: Any, source: Any) -> Any:
    """The values of `source` in the shape and dtype of x; x gets gradient 0."""
    result = np.empty_like(x)
    np.copyto(result, source, casting="unsafe")
    return result


@overwritten.vjp("x")
def _(g: Any) -> Any:
    return filled(g, value=0.0)


@overwritten.vjp("source")
def _(g: Any, *, shapes: Any, dtypes: Any) -> Any:
    return cast(sum_to(g, shape=shapes[1]), dtype=dtypes[1])


def check_writable(x: Tensor, name: str) -> None:
    """Raise if the tensor cannot be written to in place now; nothing is changed then."""
    if saved.PROTECTED:
        saved.protect(x.array)
    if x._counter is INFERENCE and not modes().inference:
        raise_inference(f"{name}() cannot write to an inference tensor")
    array = x.array
    if 0 in array.strides and any(
        n > 1 and s == 0 for n, s in zip(array.shape, array.strides, strict=True)
    ):
        message = (
            f"{name}() cannot write to a tensor of shape {array.shape} whose elements share memory,"
            " as after expand(): clone() it first."
        )
        raise RuntimeError(message)
    if not array.flags.writeable:
        message = f"{name}() cannot write to a tensor of read-only memory: clone() it first."
        raise ValueError(message)
    if not modes().recording:
        return
    root = x if x._base is None else x._base
    if root._wants or x._wants:
        what = "a leaf that requires grad" if x._wants else "a view of a leaf that requires grad"
        message = (
            f"{name}() would change {what} in place while gradients are recorded:"
            " do it under numgrad.no_grad(), or on a clone()."
        )
        raise RuntimeError(message)
    x.renew()


def in_place(function: Callable[..., Tensor], name: str) -> Callable[..., Tensor]:
    """Make the in-place form of a function whose result replaces its first argument."""

    @functools.wraps(function)
    def method(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return write(x, name, function, args, kwargs)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"Do what `{function.__name__}` does in place, and return the tensor."
    return method


def write(
    x: Tensor,
    name: str,
    function: Callable[..., Tensor],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Tensor:
    """Replace the values of x by `function(x, ...)`, with the history of the result."""
    if (type(x) is not Tensor or args or x._base is not None) and concerns(x, args):
        return write_wrapped(x, name, function, args, kwargs, write)
    check_writable(x, name)
    if not is_recorded(x, args):
        result = function(x, *args, **kwargs)
        check_result(x, result.array, name)
        np.copyto(x.array, result.array, casting="unsafe")
        bump(x)
        return x
    path = () if x._base is None else path_of(x, name)
    old = alias(x.array.copy(), None)
    old._edge = x._edge
    result = function(old, *[old if a is x else a for a in args], **kwargs)
    check_result(x, result.array, name)
    if result.array.dtype != x.array.dtype:
        result = cast(result, dtype=x.array.dtype)
    np.copyto(x.array, result.array)
    bump(x)
    if x._base is None:
        x._edge = result._edge
    else:
        _rewrite(x._base, result, path)
    return x


def is_recorded(x: Any, args: tuple[Any, ...]) -> bool:
    """Whether a write to a tensor of what is computed from `args` is recorded."""
    if not modes().recording:
        return False
    root = x if not isinstance(x, Tensor) or x._base is None else x._base
    return any(isinstance(t, Tensor) and t.requires_grad for t in (root, *args))


def _rewrite(base: Tensor, result: Tensor, path: Any) -> None:
    """Make a write to a view, which `path` leads to, the history of the base.

    The history of its views is renewed from there, that of the view written to as well.
    """
    before = alias(base.array, None)
    before._edge = base._edge
    needs = tuple(k for k, t in enumerate((before, result)) if edge_of(t) is not None)
    if not needs or base.array.dtype.kind not in dtypes.FLOATING:
        return
    node = object.__new__(_CopySlices)
    metadata = {"path": path, "strides": base.array.strides}
    record_structural(node, _region_plan(needs), [base], [before, result], metadata)


_CopySlices = node_class(write_region)


@functools.cache
def _region_plan(needs: tuple[int, ...]) -> StructuralPlan:
    return StructuralPlan(write_region, needs)


def check_result(x: Tensor, array: Any, name: str) -> None:
    """Raise if a result does not fit into x."""
    if array.shape != x.array.shape:
        message = (
            f"{name}() has a result of shape {array.shape}, which does not fit into shape"
            f" {x.array.shape}: use the form that makes a new tensor."
        )
        raise ShapeError(message)
    if _KINDS.index(array.dtype.kind) > max(1, _KINDS.index(x.array.dtype.kind)) or (
        x.array.dtype == np.bool_ and array.dtype != np.bool_
    ):
        message = (
            f"{name}() has a result of dtype {array.dtype}, which {x.array.dtype} cannot hold:"
            f" convert first, as in x.to(numgrad.{array.dtype})."
        )
        raise RuntimeError(message)


def bump(x: Tensor) -> None:
    """Count a write."""
    if x._counter is not INFERENCE:
        x.counter().bump()


def setitem(x: Tensor, key: Any, value: Any) -> None:
    """Write `value` to the elements that `key` selects, as `x[key] = value`."""
    if concerns(x, (value, *(key if type(key) is tuple else (key,)))):
        write(x, "setitem", set_items, (as_tensor(value, "setitem"),), {"key": key})
        return
    check_writable(x, "setitem")
    source = as_tensor(value, "setitem")
    if source.array.dtype.kind not in _KINDS[: _KINDS.index(x.array.dtype.kind) + 1] and (
        isinstance(value, (Tensor, np.ndarray))
    ):
        check_result(x, np.empty(x.array.shape, source.array.dtype), "setitem")
    if is_recorded(x, (source,)):
        write(x, "setitem", set_items, (source,), {"key": key})
        return
    assign(x.array, array_key(key), source.array)
    bump(x)


def zero_(x: Tensor) -> Tensor:
    """Set all elements to 0, and return the tensor."""
    return fill_(x, 0)


def fill_(x: Tensor, value: Any) -> Tensor:
    """Set all elements to a number or to the value of a 0-d tensor, and return the tensor."""
    if isinstance(value, Tensor):
        if value.ndim:
            message = f"fill_() takes a number or a 0-d tensor, got shape {value.shape}."
            raise ShapeError(message)
        return copy_(x, value)
    return write(x, "fill_", filled, (), {"value": value})


def copy_(x: Tensor, source: Any) -> Tensor:
    """Copy the values of `source`, which broadcasts to x, and return x."""
    values = as_tensor(source, "copy_")
    try:
        np.broadcast_to(values.array, x.shape)
    except ValueError as error:
        message = f"copy_() got shape {values.shape}, which does not broadcast to {x.shape}."
        raise ShapeError(message) from error
    return write(x, "copy_", overwritten, (values,), {})

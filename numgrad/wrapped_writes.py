"""Writes in place where the target or what is written is wrapped by a transform.

The values of a dual are written as those of its primal are; its tangent is replaced by another. A
view of a dual takes its tangent from the dual that it is a view of, so that both agree after a
write to either. What is batched is written to where every item has memory of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.batched import Batched, batched
from numgrad.dual import Dual, become_dual, dual, parts
from numgrad.entering import enter
from numgrad.errors import ShapeError
from numgrad.modes import modes
from numgrad.ops.arithmetic import add
from numgrad.ops.broadcast import cast
from numgrad.ops.convert import clone
from numgrad.partials import zeros_like
from numgrad.tensor import Tensor, alias
from numgrad.wrapped import Wrapped

if TYPE_CHECKING:
    from collections.abc import Callable

    Write = Callable[..., Tensor]


# Types of arguments that are not wrapped, to be told at a glance.
_ORDINARY = frozenset({Tensor, float, int, np.ndarray})


def concerns(x: Any, args: tuple[Any, ...]) -> bool:
    """Whether the target or one of the arguments is wrapped."""
    for a in (x, *args):
        if type(a) is Tensor and a._base is not None:
            a.settle()
        if type(a) not in _ORDINARY and isinstance(a, Wrapped) and type(a.settled()) is not Tensor:
            return True
    return False


def write_wrapped(
    x: Tensor,
    name: str,
    function: Callable[..., Tensor],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    write: Write,
) -> Tensor:
    """Replace the values of x by `function(x, ...)`; `write` does so for the parts of it."""
    levels = [a.settled().level for a in (x, *args) if isinstance(a, Dual) and a.settled() is a]
    if not levels:
        _write_batched(x, name, function, args, kwargs)
        return x
    level = max(levels, key=lambda each: each.number)
    primal, tangent = parts(x, level)
    old = _copy(primal)
    before = dual(old, tangent, level)
    result = function(before, *[before if a is x else a for a in args], **kwargs)
    moved = parts(result, level)[1]
    # The values are written first: what must not be written raises before anything is changed.
    # What was recorded for them saved duals.
    values = parts(result, level)[0]
    write(primal, name, lambda *_: values, tuple(parts(a, level)[0] for a in args), {})
    if moved is None:
        moved = zeros_like(primal)
    if moved.dtype != primal.dtype:
        moved = cast(moved, dtype=primal.dtype)
    if not isinstance(x, Dual) or x.level is not level:
        become_dual(x, level)
    _replace_tangent(x, moved, write)  # type: ignore[arg-type]
    return x


def _copy(t: Any) -> Any:
    """A tensor of the same values and history in memory of its own."""
    if isinstance(t, Dual):
        return t.with_primal(_copy(t.primal))
    copy = (
        batched(t.array.copy(), t.batches)
        if isinstance(t, Batched)
        else alias(t.array.copy(), None)
    )
    copy._edge = t._edge
    return copy


def _replace_tangent(x: Dual, tangent: Tensor, write: Write) -> None:
    path = []
    root = x
    while root.view_of is not None:
        root, op, metadata = root.view_of
        path.append((op, metadata))
    if path:
        # All of it has the tangents and batches that its new part has.
        assert root.tangent is not None  # noqa: S101 - its view has one
        region = whole = add(clone(root.tangent), _zero_like(tangent))
        for op, metadata in reversed(path):
            region = op.eager(region, **metadata)
        write(region, "copy_", lambda _, source: clone(source), (tangent,), {})
        tangent = whole
    root.tangent = tangent
    root.writes += 1


def _zero_like(t: Any) -> Any:
    """0 with a tangent, or in a batch, as the tensor."""
    if isinstance(t, Dual):
        return dual(_zero_like(t.primal), alias(np.zeros((), t.dtype), None), t.level)
    if isinstance(t, Batched):
        return batched(np.zeros(t.array.shape[: t.hidden], t.dtype), t.batches)
    return alias(np.zeros((), t.dtype), None)


def _write_batched(
    x: Tensor, name: str, function: Callable[..., Tensor], args: tuple[Any, ...], kwargs: Any
) -> None:
    old = _copy(x)
    result = function(old, *[old if a is x else a for a in args], **kwargs)
    own = x.batches if isinstance(x, Batched) else ()
    found = result.batches if isinstance(result, Batched) else ()
    if set(found) - set(own):
        message = (
            f"{name}() would write a value for each item of the batch to a tensor that vmap() does"
            " not map over: use the form that makes a new tensor."
        )
        raise RuntimeError(message)
    if result.shape != x.shape:
        message = f"{name}() has a result of shape {result.shape}, which does not fit {x.shape}."
        raise ShapeError(message)
    if modes().recording and result.requires_grad and x._base is not None:
        message = f"{name}() cannot record a write to a view of a batched tensor: clone() it first."
        raise RuntimeError(message)
    if result.dtype != x.dtype:
        result = cast(result, dtype=x.dtype)
    array = enter(result, own).array
    if array.shape == x.array.shape and x.array.flags.writeable:
        np.copyto(x.array, array)
    elif x._base is None:  # the items shared their memory, from now on they do not
        x.array = np.array(np.broadcast_to(array, np.broadcast_shapes(array.shape, x.array.shape)))
    else:
        message = f"{name}() cannot write to a view of what all items of a batch share: clone() it."
        raise RuntimeError(message)
    x.counter().bump()
    if modes().recording:
        x._edge = result._edge

"""Into batches and out of them, and variables to differentiate by inside of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import batch_ops  # noqa: F401 - gives batched tensors their ops
from numgrad.batched import Batch, Batched, batched
from numgrad.entering import enter, linked, start
from numgrad.modes import modes, transforms
from numgrad.ops.broadcast import expand_to
from numgrad.ops.permute import moveaxis
from numgrad.ops.shape import unsqueeze
from numgrad.record import edge_of
from numgrad.tensor import Tensor, alias
from numgrad.wrapped import Wrapped

if TYPE_CHECKING:
    from collections.abc import Iterable


def batch(x: Any, level: Batch, dim: int = 0) -> Any:
    """Hide a dimension: its indices are the items of the batch."""
    if isinstance(x, Wrapped) and not isinstance(x, Batched):
        return x.mapped(lambda t: batch(t, level, dim))
    own = x.batches if isinstance(x, Batched) else ()
    batches = tuple(sorted((*own, level)))
    array = np.moveaxis(x.array, len(own) + dim, batches.index(level))
    out = batched(array, batches)
    if x._counter is not None or x.requires_grad:
        out._counter = x.counter()
    return linked(out, x, "Batch", lambda g: unbatch(g, level, dim))


def unbatch(x: Any, level: Batch, dim: int = 0) -> Any:
    """Show the dimension of a batch again, at a position among the others."""
    if isinstance(x, Wrapped):
        x = x.settled()
    if isinstance(x, Wrapped) and not isinstance(x, Batched):
        return x.mapped(lambda t: unbatch(t, level, dim))
    if not isinstance(x, Batched) or level not in x.batches:
        # It is the same for all items.
        wide = expand_to(unsqueeze(x, 0), shape=(level.size, *x.shape))
        return moveaxis(wide, 0, dim) if dim else wide
    own = x.batches
    k = own.index(level)
    array = x.array
    if array.shape[k] != level.size:
        array = np.broadcast_to(array, (*array.shape[:k], level.size, *array.shape[k + 1 :]))
    rest = own[:k] + own[k + 1 :]
    array = np.moveaxis(array, k, len(rest) + dim)
    out = batched(array, rest) if rest else alias(array, None)
    if x._counter is not None or x.requires_grad:
        out._counter = x.counter()
    return linked(out, x, "Unbatch", lambda g: batch(g, level, dim))


def variable(x: Tensor) -> Tensor:
    """Another handle on a tensor, to differentiate by; what the tensor was made of lies behind it.

    Inside of batches it has a gradient of its own for each item.
    """
    if isinstance(x, Wrapped):
        x = x.settled()
    if isinstance(x, Wrapped) and not isinstance(x, Batched):
        return x.with_primal(variable(x.primal))  # type: ignore[no-any-return]
    inside = enter(x, transforms().batches)
    # What a function writes to its arguments in place would be written to those of the caller.
    array = inside.array.view()
    array.flags.writeable = False
    if isinstance(inside, Batched):
        out: Tensor = batched(array, inside.batches)
    else:
        out = alias(array, None)
    out._counter = x._counter
    node = start(edge_of(inside) if modes().recording else None)
    node.plan.live = True  # type: ignore[attr-defined]
    out._edge = node
    return out


def retire(variables: Iterable[Tensor]) -> None:
    """End the transform of these variables: what depends on them alone depends on nothing."""
    for v in variables:
        edge: Any = v._edge
        edge.plan.live = False

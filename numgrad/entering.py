"""Linear maps between batches, on the tape: into a batch from outside, and sums over its items."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.batched import Batched, batched, physical
from numgrad.modes import modes, transforms
from numgrad.plans import LiftedPlan
from numgrad.record import edge_of
from numgrad.tape import Node
from numgrad.tensor import Tensor, alias
from numgrad.wrapped import Wrapped

if TYPE_CHECKING:
    from collections.abc import Callable

    from numgrad.batched import Batches
    from numgrad.tape import Edge


def finish(node: Node, plan: LiftedPlan, saved: list[Any]) -> None:
    """Give a node its plan and what it saves."""
    node.plan = plan
    node.extra = None
    node.saved = tuple(saved)
    counters = [v._counter if isinstance(v, Tensor) else None for v in saved]
    node.versions = tuple(0 if c is None else c.value for c in counters) if any(counters) else None


class AdjointPlan(LiftedPlan):
    """The plan of a linear map of batches: its vjp is another such map."""

    # Whether the node is the variable of a transform that has not ended.
    live = False

    def __init__(self, adjoint: Callable[[Any], Any]) -> None:
        self.adjoint = adjoint
        self.keeps, self.params, self.inputs, self.keeps_out = (), ("x",), (), False

    def pull_recorded(self, node: Node, g: Any) -> list[Any]:  # noqa: ARG002 - as plans have it
        """Map the cotangent."""
        return [self.adjoint(g)]


def linked(out: Tensor, x: Tensor, name: str, adjoint: Callable[[Any], Any]) -> Tensor:
    """Record that `out` was made of x by a linear map, if x has a history."""
    edge = edge_of(x)
    if edge is None or not modes().recording:
        return out
    node = object.__new__(_map_class(name))
    node.edges = (edge,)
    node.keywords = node.shapes = None
    finish(node, AdjointPlan(adjoint), [])
    out._edge = node
    return out


@functools.cache
def _map_class(name: str) -> type[Node]:
    return type(f"{name}Backward0", (Node,), {"__slots__": (), "op_name": name.lower()})


def start(edge: Edge) -> Node:
    """Make a node to walk back to, with nothing or with `edge` behind it."""
    node = object.__new__(_map_class("Alias"))
    node.edges = (edge,)
    node.keywords = node.shapes = None
    plan = AdjointPlan(_unchanged)
    levels = transforms().dual_levels
    plan.inner = levels[-1].number if levels and edge is None else 0
    finish(node, plan, [])
    return node


def _unchanged(g: Any) -> Any:
    return g


def enter(x: Any, batches: Batches) -> Any:
    """Let a tensor from outside of batches be the same for all their items.

    The gradient sums over the items.
    """
    if isinstance(x, Wrapped) and not isinstance(x, Batched):
        return x.mapped(lambda t: enter(t, batches))
    own = x.batches if isinstance(x, Batched) else ()
    added = tuple(b for b in batches if b not in own)
    if not added:
        return x
    union = tuple(sorted((*own, *added)))
    out = batched(physical(x, union), union)
    if x.requires_grad and modes().recording:
        out._counter = x.counter()
    return linked(out, x, "Enter", lambda g: total(g, added))


def total(x: Any, batches: Batches) -> Any:
    """Sum over the items of batches."""
    if isinstance(x, Wrapped) and not isinstance(x, Batched):
        return x.mapped(lambda t: total(t, batches))
    own = x.batches if isinstance(x, Batched) else ()
    axes = tuple(k for k, b in enumerate(own) if b in batches)
    # Items that are the same are stored once.
    times = math.prod(b.size for b in batches if b not in own or x.array.shape[own.index(b)] == 1)
    array = x.array.sum(axes) if axes else x.array
    if times != 1:
        array = array * np.asarray(times, array.dtype)
    rest = tuple(b for b in own if b not in batches)
    out = batched(np.asarray(array), rest) if rest else alias(np.asarray(array), None)
    return linked(out, x, "Total", lambda g: g)

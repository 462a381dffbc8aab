"""How ops run on batched tensors, and are recorded."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import dtypes
from numgrad.batched import Batched, batched, for_elements, physical, union
from numgrad.entering import enter, finish
from numgrad.modes import modes
from numgrad.op import Elementwise
from numgrad.ops.batching import PerItem, one_by_one
from numgrad.plans import ElementwisePlan, LiftedPlan, StructuralPlan
from numgrad.record import Recorder, as_tensor, edge_of
from numgrad.tape import Node, Output, node_class
from numgrad.tensor import Tensor
from numgrad.views import make_view

if TYPE_CHECKING:
    from numgrad.batched import Batches
    from numgrad.op import Structural


def apply(_self: Any, op: Any, args: tuple[Any, ...], metadata: dict[str, Any]) -> Any:
    """Run an op on all items."""
    batches = union(args, metadata)
    recording = modes().recording and any(isinstance(a, Tensor) and a.requires_grad for a in args)
    if recording:
        args = tuple(enter(a, batches) if isinstance(a, Tensor) else a for a in args)
    if isinstance(op, Elementwise):
        return _elementwise(op, args, batches, recording=recording)
    return _structural(op, args, metadata, batches, recording=recording)


def joined(self: Batched, x: Any) -> Tensor:
    """Another tensor, in the batches of this one."""
    return enter(as_tensor(x, "vmap"), self.batches)  # type: ignore[no-any-return]


Batched.apply = apply  # type: ignore[method-assign, assignment]
Batched.joined = joined  # type: ignore[method-assign]


def _elementwise(
    op: Elementwise, args: tuple[Any, ...], batches: Batches, *, recording: bool
) -> Tensor:
    r, code = _recorder(op).run(for_elements(args, batches))
    out = batched(r, batches)
    if code is None or not recording or not op.differentiable:
        return out
    gradients = op.gradients(strict=False)
    edges = [edge_of(a) if isinstance(a, Tensor) else None for a in args]
    needs = tuple(k for k, e in enumerate(edges) if e is not None and gradients[k] is not None)
    if not needs:
        return out
    plan = _recorder(op).plan(needs, code)
    node = object.__new__(_node_class(op))
    node.edges = tuple(e if k in needs else None for k, e in enumerate(edges))
    node.keywords = None
    node.shapes = tuple((a.shape, a.dtype) if k in needs else None for k, a in enumerate(args))
    saved: list[Any] = [args[k] for k in plan.inputs]
    if plan.keeps_out:
        saved.append(batched(r, batches))
    finish(node, BatchedPlan(plan, batches), saved)
    out._edge = node
    return out


def _structural(
    op: Structural,
    args: tuple[Any, ...],
    metadata: dict[str, Any],
    batches: Batches,
    *,
    recording: bool,
) -> Any:
    arrays = [physical(a, batches) for a in args]
    extra = {k: _items(v, batches) for k, v in metadata.items()}
    depth = len(batches)
    try:
        hidden = np.broadcast_shapes(*(a.shape[:depth] for a in (*arrays, *_arrays(extra))))
    except ValueError as error:  # pragma: no cover - sizes of a batch agree
        raise AssertionError from error
    result = (op.batch or one_by_one)(op.kernel, arrays, hidden, extra)
    several = type(result) is tuple
    outs = [batched(np.asarray(r), batches) for r in (result if several else (result,))]
    if op.view:
        make_view(outs[0], args[0], op, metadata)
    if recording:
        _record(op, args, metadata, batches, outs)
    return tuple(outs) if several else outs[0]


def _record(
    op: Structural,
    args: tuple[Any, ...],
    metadata: dict[str, Any],
    batches: Batches,
    outs: list[Batched],
) -> None:
    if not any(o.dtype.kind in dtypes.FLOATING for o in outs):
        return
    edges = tuple(edge_of(a) for a in args)
    needs = tuple(k for k, e in enumerate(edges) if e is not None)
    plan = _structural_plan(op, () if op.variadic else needs)
    node = object.__new__(_node_class(op))
    node.edges = edges
    node.keywords = metadata
    node.shapes = tuple((a.shape, a.dtype) for a in args)
    saved: list[Any] = [args[k] for k in plan.inputs]
    if plan.keeps_out:
        results = tuple(batched(o.array, batches) for o in outs)
        saved.append(results if len(outs) > 1 else results[0])
    finish(node, BatchedPlan(plan, batches), saved)
    for k, o in enumerate(outs):
        if o.dtype.kind in dtypes.FLOATING:
            o._edge = Output(node, k) if k else node


_recorder = functools.cache(Recorder)
_structural_plan = functools.cache(StructuralPlan)
_node_class = functools.cache(node_class)


def _items(value: Any, batches: Batches) -> Any:
    if isinstance(value, Batched):
        return PerItem(physical(value, batches))
    if type(value) is tuple:
        return tuple(_items(v, batches) for v in value)
    return value


def _arrays(metadata: dict[str, Any]) -> list[Any]:
    return [
        item.array
        for value in metadata.values()
        for item in (value if type(value) is tuple else (value,))
        if isinstance(item, PerItem)
    ]


class BatchedPlan(LiftedPlan):
    """The plan of a node with batched inputs: cotangents are batched alike."""

    def __init__(self, plan: ElementwisePlan | StructuralPlan, batches: Batches) -> None:
        super().__init__(plan)
        self.batches = batches

    def pull_recorded(self, node: Node, g: Any) -> list[Any]:
        """Run the rule on items."""
        if type(g) is tuple:
            g = tuple(None if each is None else enter(each, self.batches) for each in g)
        else:
            g = enter(g, self.batches)
        return self.plan.pull_recorded(node, g)

"""PyTorch's `torch.autograd.graph`: nodes and edges of the tape, and hooks on them."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from numgrad.autograd.saved_tensors import (
    allow_mutation_on_saved_tensors,
    disable_saved_tensors_hooks,
    save_compressed,
    save_on_disk,
    saved_tensors_hooks,
)
from numgrad.handles import RemovableHandle
from numgrad.hooks import WalkHook, hooks_of, run
from numgrad.tape import AccumulateGrad, Node, Output
from numgrad.tensor import Tensor, alias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "GradientEdge",
    "Node",
    "RemovableHandle",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "register_multi_grad_hook",
    "save_compressed",
    "save_on_disk",
    "saved_tensors_hooks",
]


class GradientEdge(NamedTuple):
    """Where the gradient of a tensor goes; it stands for the tensor in `inputs` and `outputs`.

    It keeps the graph alive, but not the values of the tensor.
    """

    node: Node | AccumulateGrad
    output_nr: int
    # Shape and dtype of the tensor, where they are known.
    like: tuple[tuple[int, ...], Any] | None = None


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """Return the edge of a tensor. Raises RuntimeError where it does not require grad.

    >>> import numgrad as ng
    >>> x = ng.tensor(3.0, requires_grad=True)
    >>> y = x * x
    >>> edge = ng.autograd.graph.get_gradient_edge(y)
    >>> z = y * 2
    >>> ng.autograd.grad(z, edge)
    (tensor(2.),)
    """
    if not tensor.requires_grad:
        message = "get_gradient_edge() needs a tensor that requires grad, this one does not."
        raise RuntimeError(message)
    like = tensor.shape, tensor.dtype
    node = tensor.grad_fn
    if node is None:
        return GradientEdge(AccumulateGrad(tensor), 0, like)
    return GradientEdge(node, tensor.output_nr, like)


def tensor_of(edge: Any) -> Any:
    """Return a tensor with the edge as its history; anything but an edge as it is."""
    if not isinstance(edge, GradientEdge):
        return edge
    if isinstance(edge.node, AccumulateGrad):
        return edge.node.variable
    shape, dtype = edge.like or ((), np.float64)
    t = alias(np.broadcast_to(np.zeros((), dtype), shape), None)
    t._edge = Output(edge.node, edge.output_nr) if edge.output_nr else edge.node
    return t


class _Joint:
    """One hook on several tensors, and in each walk what has come for them."""

    def __init__(self, tensors: Sequence[Tensor], function: Callable[..., Any], mode: str) -> None:
        self.function = function
        self.first = mode == "any"
        # Nodes of computed tensors, None for leaves. Held weakly: they hold the hooks.
        self.nodes = tuple([None if t.grad_fn is None else weakref.ref(t.grad_fn) for t in tensors])

    def expected(self, walk: Any) -> set[int] | None:
        """Positions of the computed tensors that the walk meets; None while leaves are to come."""
        expected: set[int] = set()
        for k, node in enumerate(self.nodes):
            if node is None:
                return None
            if node() in walk.counts:
                expected.add(k)
        return expected


class _Part(WalkHook):
    """The hook on one of them."""

    def __init__(self, joint: _Joint, position: int) -> None:
        self.joint = joint
        self.position = position

    def __call__(self, walk: Any, gradient: Tensor | None) -> None:
        """Note the gradient, and call the function when it is due."""
        joint = self.joint
        if walk.multiple is None:
            walk.multiple = {}
        known = walk.multiple.setdefault(joint, {})
        if joint.first:
            if not known and gradient is not None:
                known[self.position] = gradient
                joint.function(gradient)
            return
        known[self.position] = gradient
        if joint.expected(walk) == set(known):
            _call(walk, joint)


def _call(walk: Any, joint: _Joint) -> None:
    known = walk.multiple.pop(joint)
    run(joint.function, [known.get(k) for k in range(len(joint.nodes))])


def finish(walk: Any) -> None:
    """Call the joint hooks for which nothing more can come."""
    for joint in list(walk.multiple):
        if not joint.first:
            _call(walk, joint)


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable[..., Any], *, mode: str = "all"
) -> RemovableHandle:
    """Call `fn` once in each backward with the gradients of several tensors.

    With mode "all", `fn(grads)` takes a list when all of them are there, with None for tensors that
    this backward does not reach; with "any", `fn(grad)` takes the first that comes. What it returns
    is ignored. Raises ValueError for another mode, RuntimeError for a tensor that does not
    require grad.

    >>> import numgrad as ng
    >>> x, y = ng.tensor(2.0, requires_grad=True), ng.tensor(3.0, requires_grad=True)
    >>> handle = ng.autograd.graph.register_multi_grad_hook((x, y), print)
    >>> (x * y).backward()
    [tensor(3.), tensor(2.)]
    """
    if mode not in {"all", "any"}:
        message = f'register_multi_grad_hook() takes mode "all" or "any", got {mode!r}.'
        raise ValueError(message)
    tables = [hooks_of(t, "register_multi_grad_hook") for t in tensors]
    joint = _Joint(tensors, fn, mode)
    handle = RemovableHandle(())
    for k, hooks in enumerate(tables):
        handle = handle.joined(hooks.add(_Part(joint, k)))
    return handle

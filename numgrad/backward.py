"""The walk back through the tape.

First every node on the way is found, counted and checked, so that an error leaves the tape and
every `.grad` as they were; then nodes are pulled when all their cotangents have arrived, and the
leaves are written last. Cotangents are arrays, or tensors where the walk itself is recorded.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import compiled, hooks, saved
from numgrad.modes import modes, set_modes
from numgrad.ops.arithmetic import add
from numgrad.ops.broadcast import cast, sum_to
from numgrad.tape import Node, Output, raise_freed
from numgrad.tensor import Tensor, alias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numgrad.tape import Edge, Plan


ndarray = np.ndarray


class Walk:
    """One walk: cotangents on their way, and where they are wanted."""

    # What `inputs` restricts the walk to; None: everything.
    wanted: set[Any] | None = None
    nodes: set[Node] | None = None
    pulled: set[Node] | None = None
    # Gradients of computed tensors that are among the inputs, or retain theirs.
    captured: dict[Any, Any]
    retained: list[tuple[Tensor, Any]] | None = None
    # Whether what is done on the way can be differentiated in turn.
    create_graph = False
    # Nodes on the way, and what hooks on several tensors have seen.
    counts: dict[Node, int]
    multiple: dict[Any, Any] | None = None

    def __init__(self, inputs: Sequence[Tensor] | None, *, keep: bool, recorded: bool) -> None:
        self.keep = keep
        self.recorded = recorded
        # Node, or (node, number) for results other than the first -> cotangent.
        self.pending: dict[Any, Any] = {}
        # Leaf -> gradient.
        self.leaves: dict[Tensor, Any] = {}
        # Keys of the two whose array nothing else shares memory with.
        self.owned: set[Any] = set()
        if inputs is not None:
            self.captured = {}
            self.wanted = {_key(t._edge) if t._edge is not None else t for t in inputs}

    def run(self, outputs: Sequence[Tensor], seeds: Sequence[Any]) -> None:
        """Find what is on the way, then pull node after node."""
        starts: list[Node] = []
        for t in outputs:
            edge = t._edge
            if edge is not None:
                node: Any = edge.node if type(edge) is Output else edge
                if node not in starts:
                    starts.append(node)
        if self.wanted is not None:
            self.restrict(starts)
        self.counts = counts = self.count(starts)
        if self.recorded:
            seeds = [alias(s, None) if type(s) is ndarray else s for s in seeds]
            if modes().on_arrays:
                set_modes(modes()._replace(on_arrays=False))
        for t, seed in zip(outputs, seeds, strict=True):
            edge = t._edge
            self.deliver(t if edge is None else edge, seed, fresh=False)
        self.pull([node for node in starts if not counts.get(node, 1)], counts)

    def restrict(self, starts: Iterable[Node]) -> None:
        """Find the nodes from which something wanted can be reached."""
        wanted: set[Any] = self.wanted or set()
        ends = {k[0] if type(k) is tuple else k for k in wanted if type(k) is not Tensor}
        pulled: set[Node] = set()
        seen: set[Node] = set()
        stack: list[tuple[Node, bool]] = [(node, False) for node in starts]
        while stack:
            node, done = stack.pop()
            if done:
                if any(
                    e in wanted if type(e) is Tensor else _node(e) in pulled or _node(e) in ends
                    for e in node.edges
                    if e is not None
                ):
                    pulled.add(node)
            elif node not in seen:
                seen.add(node)
                stack.append((node, True))
                stack.extend(
                    (_node(e), False) for e in node.edges if e is not None and type(e) is not Tensor
                )
        self.pulled = pulled
        self.nodes = pulled | ends

    def count(self, starts: Iterable[Node]) -> dict[Node, int]:  # noqa: C901 - a hot loop
        """Count the cotangents that each node waits for, and check what the nodes saved."""
        nodes, pulled = self.nodes, self.pulled
        stack = [node for node in starts if nodes is None or node in nodes]
        counts = dict.fromkeys(stack, 0)
        while stack:
            node = stack.pop()
            if pulled is not None and node not in pulled:
                continue
            values = node.saved
            if values is None:
                raise_freed(node.name())
            if node.versions is not None or node.extra is not None:
                node.check()
            else:
                for value in values:
                    if type(value) is Tensor and value._counter is not None:
                        node.check()
            if node.plan.missing:
                self.meet(node)
            for edge in node.edges:
                if edge is None or type(edge) is Tensor:
                    continue
                target: Any = edge.node if type(edge) is Output else edge
                if target in counts:
                    counts[target] += 1
                elif nodes is None or target in nodes:
                    counts[target] = 1
                    stack.append(target)
        return counts

    def meet(self, node: Node) -> None:
        """Raise for a missing rule; walk with tensors if a node saved wrapped ones."""
        plan = node.plan
        if not plan.lifted or plan.unruled:
            plan.raise_missing()
        node.check()
        self.recorded = True

    def pull(  # noqa: C901, PLR0912, PLR0915 - the hot loop, in one piece
        self, ready: list[Node], counts: dict[Node, int]
    ) -> None:
        """Pull the nodes that are ready, and those that become so.

        The hot loop of the walk, in one piece: what it reads is in local variables.
        """
        pending, owned = self.pending, self.owned
        nodes, pulled, wanted = self.nodes, self.pulled, self.wanted
        recorded, keep = self.recorded, self.keep
        strict = modes().strict_ieee
        gradients: Any
        pairs: Any
        try:
            while ready:
                node = ready.pop()
                plan = node.plan
                g = pending.pop(node, None)
                own = node in owned
                if plan.outputs > 1:
                    rest = [pending.pop((node, k), None) for k in range(1, plan.outputs)]
                    g = None if g is None and not any(r is not None for r in rest) else (g, *rest)
                    own = False
                if wanted is not None or node.extra is not None:
                    g, plan = self.arrive(node, g, own)
                    own = False
                    if pulled is not None and node not in pulled:
                        continue
                edges = node.edges
                single = plan.single
                if g is None:
                    pairs = [(edge, None) for edge in edges]
                elif recorded:
                    gradients = plan.pull_recorded(node, g)
                    if node.shapes is not None:
                        gradients = fitted(gradients, node, recorded=True)
                    pairs = zip(edges, gradients)  # noqa: B905 - the hot loop
                elif single is not None:
                    value = plan.pull_strict(node, g, own) if strict else plan.pull(node, g, own)
                    if node.shapes is not None and value is not None:
                        value = fit(value, *node.shapes[single])
                    gradients = (value,)
                    pairs = ((edges[single], value),)
                else:
                    gradients = (plan.pull_strict if strict else plan.pull)(node, g, own)
                    if node.shapes is not None:
                        gradients = fitted(gradients, node, recorded=False)
                    pairs = zip(edges, gradients)  # noqa: B905 - the hot loop
                for edge, value in pairs:
                    if edge is None:
                        continue
                    if type(edge) is Tensor:
                        if value is not None and (wanted is None or edge in wanted):
                            if value is g:
                                fresh = own and single is not None
                            else:
                                fresh = plan.gives_fresh or _fresh(value, gradients, node)
                            self.deliver(edge, value, fresh=fresh)
                        continue
                    target: Any = edge.node if type(edge) is Output else edge
                    if nodes is not None and target not in nodes:
                        continue
                    if value is not None:
                        if value is g:
                            fresh = own and single is not None
                        else:
                            fresh = plan.gives_fresh or _fresh(value, gradients, node)
                        if target is edge and edge not in pending:
                            pending[edge] = value
                            if fresh:
                                owned.add(edge)
                        else:
                            self.deliver(edge, value, fresh=fresh)
                    left = counts[target] - 1
                    if left:
                        counts[target] = left
                    else:
                        ready.append(target)
                if not keep and node.saved:
                    node.saved = None
        except Exception:
            if node.saved is None:  # another walk, which began before this one, was quicker
                raise_freed(node.name())
            raise

    def deliver(self, edge: Edge, value: Any, *, fresh: bool) -> None:
        """Add a cotangent to what has arrived at the end of an edge."""
        table: dict[Any, Any]
        if type(edge) is Tensor:
            table, key = self.leaves, edge
        else:
            table, key = self.pending, _key(edge)
        known = table.get(key)
        if known is None:
            table[key] = value
        elif self.recorded:
            table[key] = add(known, value)
        elif key in self.owned:
            adder(known.dtype.char)(known, value, known)
            return
        elif fresh:
            table[key] = adder(known.dtype.char)(known, value, value)
        else:
            table[key] = np.asarray(adder(known.dtype.char)(known, value))
            fresh = True
        if fresh:
            self.owned.add(key)

    def arrive(self, node: Node, g: Any, own: bool) -> tuple[Any, Plan]:
        """Do what is rare when a cotangent has arrived: hooks, and noting it.

        Returns the cotangent to go on with, and the plan to pull it by.
        """
        extra, plan = node.extra, node.plan
        if extra is None:
            self.capture(node, g)
            return g, plan
        if extra.hooks is not None:
            g = self.hooked(extra.hooks, g, several=plan.outputs > 1, own=own)
        self.capture(node, g)
        if g is None or (self.pulled is not None and node not in self.pulled):
            return g, plan
        if extra.prehooks:
            g = hooks.through_prehooks(node, extra.prehooks, g, recorded=self.recorded)
        if extra.packed and not plan.unpacks:
            plan = saved.UnpackingPlan(plan)
        if extra.posthooks:
            plan = hooks.HookedPlan(plan, extra.posthooks, fitted)
        return g, plan

    def hooked(self, table: dict[int, Any], g: Any, *, several: bool, own: bool) -> Any:
        """Pass the cotangents of a node's results through the hooks of these tensors."""
        values = list(g) if several and g is not None else [g]
        for number, found in table.items():
            if number and not several:
                continue
            each = values[number] if number < len(values) else None
            each = hooks.through_tensor_hooks(found, each, self, owned=own, recorded=self.recorded)
            if number < len(values):
                values[number] = each
        return tuple(values) if several and g is not None else values[0]

    def capture(self, node: Node, g: Any) -> None:
        """Note the cotangents of results that are wanted or that retain theirs."""
        several = node.plan.outputs > 1
        for number, each in enumerate(g if several else (g,)):
            if each is None:
                continue
            key = (node, number) if number else node
            if self.wanted is not None and key in self.wanted:
                self.captured[key] = each
            if node.extra is not None:
                for k, reference in node.extra.retained:
                    t = reference()
                    if k == number and t is not None:
                        self.retained = [*(self.retained or ()), (t, each)]

    def gradient(self, t: Tensor) -> Any:
        """What arrived at one of the inputs; None if nothing did."""
        return self.leaves.get(t) if t._edge is None else self.captured.get(_key(t._edge))


@functools.cache
def adder(code: str) -> np.ufunc:
    """Return the kernel that adds cotangents; unlike NumPy's it does not warn of inf - inf."""
    return compiled.forward(add, code).load()


def _node(edge: Any) -> Node:
    return edge.node if type(edge) is Output else edge


def _key(edge: Any) -> Any:
    return (edge.node, edge.number) if type(edge) is Output else edge


def _fresh(value: Any, gradients: Any, node: Node) -> bool:
    """Whether an array owns memory that no forward value and no other gradient holds."""
    held = node.saved
    if type(value) is not ndarray or value.base is not None or held is None:
        return False
    holders = 0
    for other in gradients:
        holders += other is value
    for kept in held:
        if kept is value or (type(kept) is Tensor and kept.array is value):
            return False
    return holders == 1


def fitted(gradients: Sequence[Any], node: Node, *, recorded: bool) -> list[Any]:
    """Fit all gradients of a node to its inputs."""
    shapes: Any = node.shapes
    change = fit_recorded if recorded else fit
    return [
        g if g is None or s is None else change(g, *s)
        for g, s in zip(gradients, shapes, strict=True)
    ]


def fit(value: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Undo broadcasting and promotion: sum a cotangent to its input's shape, cast to its dtype."""
    if value.shape != shape:
        value = sum_to.kernel(value, shape=shape)
    return value if value.dtype is dtype or value.dtype == dtype else value.astype(dtype)


def fit_recorded(value: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Do the same to a tensor."""
    if (value.array if type(value) is Tensor else value).shape != shape:
        value = sum_to(value, shape=shape)
    return value if value.array.dtype == dtype else cast(value, dtype=dtype)

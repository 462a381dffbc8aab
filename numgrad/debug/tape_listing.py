"""A tape as a list: nodes and leaves, each once, in the order in which backward reaches them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from numgrad.tape import Node, Output
from numgrad.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numgrad.tape import Edge

    Array: TypeAlias = np.ndarray[Any, Any]


@dataclass
class Saved:
    """One value that a node keeps for its vjp."""

    name: str
    shape: tuple[int, ...]
    nbytes: int


@dataclass
class Entry:
    """A node of the tape, or a leaf."""

    name: str
    # "MulBackward0", or "leaf".
    kind: str
    # Shape and dtype of each result; None where nothing tells, as of results that were not used.
    results: list[tuple[tuple[int, ...], Any] | None]
    # Where each input comes from, and which of the results of that.
    inputs: list[tuple[Entry, int]] = field(default_factory=list)
    saved: list[Saved] = field(default_factory=list)
    freed: bool = False
    root: bool = False

    @property
    def saved_bytes(self) -> int:
        """Bytes of all values that it keeps."""
        return sum(s.nbytes for s in self.saved)


@dataclass
class Listing:
    """Nodes and leaves, with what they amount to."""

    entries: list[Entry]
    nodes: int
    leaves: int
    # Of the distinct arrays that the tape keeps alive, and how many these are.
    kept_bytes: int
    kept_arrays: int


def listed(roots: Sequence[Tensor], names: Mapping[str, Any]) -> Listing:
    """List what tensors were computed from: first the tensors, and each entry before its inputs.

    `names` names tensors, which stand for the nodes that made them.
    """
    edges = [t if t._edge is None else t._edge for t in roots]
    order = _order(map(_target, edges))
    known = {id(t if t._edge is None else _target(t._edge)): name for name, t in names.items()}
    facts = {_key(edge): (t.shape, t.dtype) for edge, t in zip(edges, roots, strict=True)}
    entries: dict[Any, Entry] = {}
    memory: dict[int, int] = {}
    number = 0
    for target in order:
        name = known.get(id(target))
        if name is None:
            name = f"%{number}"
            number += 1
        if isinstance(target, Tensor):
            entries[target] = Entry(name, "leaf", [(target.shape, target.dtype)])
            continue
        results = [facts.get((target, k)) for k in range(target.plan.outputs)]
        entries[target] = entry = Entry(name, target.name(), results)
        entry.freed = target.saved is None
        entry.saved = list(_saved(target, memory))
        # The tape notes the inputs of a node where they are not like its result.
        inputs = target.shapes or (results[0],) * len(target.edges)
        for edge, fact in zip(target.edges, inputs, strict=True):
            if edge is not None and fact is not None:
                facts.setdefault(_key(edge), fact)
    for target, entry in entries.items():
        if isinstance(target, Node):
            keys = [_key(edge) for edge in target.edges if edge is not None]
            entry.inputs = [(entries[source], number) for source, number in keys]
    for edge in edges:
        entries[_target(edge)].root = True
    nodes = sum(isinstance(target, Node) for target in order)
    return Listing(
        list(entries.values()), nodes, len(order) - nodes, sum(memory.values()), len(memory)
    )


def _target(edge: Edge) -> Any:
    return edge.node if isinstance(edge, Output) else edge


def _key(edge: Edge) -> tuple[Any, int]:
    """A node or leaf, and which of its results is meant."""
    return (edge.node, edge.number) if isinstance(edge, Output) else (edge, 0)


def _order(starts: Iterable[Any]) -> list[Any]:
    """Everything that is reached, each before its inputs; near ones before far ones."""
    starts = list(dict.fromkeys(starts))
    counts = dict.fromkeys(starts, 0)
    stack = list(starts)
    while stack:
        for target in _inputs(stack.pop()):
            if target not in counts:
                counts[target] = 0
                stack.append(target)
            counts[target] += 1
    ready = [target for target in starts if not counts[target]]
    order = []
    for target in ready:  # grows while it is read
        order.append(target)
        for source in _inputs(target):
            counts[source] -= 1
            if not counts[source]:
                ready.append(source)
    return order


def _inputs(target: Any) -> list[Any]:
    if isinstance(target, Tensor):
        return []
    return [_target(edge) for edge in target.edges if edge is not None]


def _saved(node: Node, memory: dict[int, int]) -> Iterable[Saved]:
    """What a node keeps; notes the memory behind it by address."""
    names = itertools.chain(node.plan.keeps, itertools.repeat("saved"))
    for name, value in zip(names, node.saved or (), strict=False):
        for each in value if isinstance(value, tuple) else (value,):
            array = getattr(each, "array", each)
            if not isinstance(array, np.ndarray):
                continue
            owner: Any = array
            while isinstance(owner.base, np.ndarray):
                owner = owner.base
            memory[id(owner)] = owner.nbytes
            yield Saved(name, array.shape, array.nbytes)

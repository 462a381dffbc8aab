"""Levels of forward mode: one for each derivative in progress."""

from __future__ import annotations

import itertools
import weakref
from typing import TYPE_CHECKING, Any

from numgrad.tape import Node, Output

if TYPE_CHECKING:
    from numgrad.dual import Dual

_numbers = itertools.count(1)


class DualLevel:
    """One derivative in progress: tangents of different levels do not mix."""

    __slots__ = ("__weakref__", "alive", "known", "number", "saved")

    def __init__(self) -> None:
        self.number = next(_numbers)
        self.alive = True
        # Results that nodes saved, whose tangents may lead back to these nodes.
        self.saved: list[weakref.ref[Dual]] = []
        # Nodes that are known to be inner ones, see `inner`.
        self.known: weakref.WeakSet[Node] = weakref.WeakSet()

    def end(self) -> None:
        """From now on tensors have no tangents at this level."""
        self.alive = False
        for reference in self.saved:
            dual = reference()
            if dual is not None:
                dual.tangent = None
        self.saved.clear()


def inner(edge: Any, level: DualLevel) -> bool:
    """Whether all behind an edge are variables that a transform has made inside of the level.

    Tangents of the level are seen outside of that transform alone, so their derivatives by its
    variables are never asked for, and need not be recorded.
    """
    number = level.number
    known = level.known
    stack: list[tuple[Any, bool]] = [(edge, False)]
    while stack:
        at, done = stack.pop()
        node = at.node if type(at) is Output else at
        if not isinstance(node, Node):
            return False
        if node.plan.lifted and node.plan.inner:  # type: ignore[attr-defined]
            if node.plan.inner < number:  # type: ignore[attr-defined]
                return False
            continue
        if node in known:
            continue
        edges = [e for e in node.edges if e is not None]
        if not edges:
            return False
        if done:
            known.add(node)
        else:
            stack.append((at, True))
            stack.extend((e, False) for e in edges)
    return True

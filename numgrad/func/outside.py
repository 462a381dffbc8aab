"""Whether results depend on what was tracked outside of a transform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numgrad.dual import Dual, base_of
from numgrad.modes import modes
from numgrad.tape import Node, Output
from numgrad.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def depends_on_outside(  # noqa: C901, PLR0912 - one search, in one piece
    results: Iterable[Any], variables: Sequence[Tensor]
) -> bool:
    """Whether anything but these variables is behind the results, and gradients are recorded.

    Then their derivatives must be recorded, too; otherwise that would be in vain.
    """
    if not modes().recording:
        return False
    own: set[Any] = set()
    for v in variables:
        base = base_of(v)
        edge: Any = base._edge
        if edge is None:
            own.add(base)
        elif edge.edges[0] is not None:
            return True
        else:
            own.add(edge)
    stack: list[Any] = []
    for t in results:
        _push(stack, t)
    seen: set[Any] = set()
    while stack:
        edge = stack.pop()
        if type(edge) is Output:
            edge = edge.node
        if edge in own or edge in seen:
            continue
        if not isinstance(edge, Node):
            return True
        seen.add(edge)
        behind = [e for e in edge.edges if e is not None]
        if not behind and getattr(edge.plan, "live", True):  # of a transform around this one
            return True
        stack.extend(behind)
        if edge.plan.lifted:
            for value in edge.saved or ():
                for each in value if type(value) is tuple else (value,):
                    if isinstance(each, Dual):
                        _push(stack, each)
    return False


def _push(stack: list[Any], t: Any) -> None:
    """Add the edge of a tensor, and those of its tangents."""
    while isinstance(t, Dual):
        if t.tangent is not None:
            _push(stack, t.tangent)
        t = t.primal
    if isinstance(t, Tensor):
        if t._edge is not None:
            stack.append(t._edge)
        elif t._wants:
            stack.append(t)

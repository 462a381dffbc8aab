"""Views: which tensor's memory a tensor shows, and how it was taken from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.modes import modes
from numgrad.tape import INFERENCE

if TYPE_CHECKING:
    from numgrad.tensor import Tensor


def make_view(out: Tensor, source: Tensor, op: Any, metadata: dict[str, Any]) -> None:
    """Let `out` share the version counter of `source` if it shows memory of that.

    It notes how it was taken: a recorded write to the memory renews its history by that.
    """
    base = out.array.base
    if base is None:
        return
    array = source.array
    if base is not array and base is not array.base and not np.may_share_memory(out.array, array):
        return
    if source._counter is INFERENCE:
        out._counter = INFERENCE
        return
    out._counter = source.counter()
    out._base = root = source if source._base is None else source._base
    out._view = (source, op, metadata, modes().recording)
    if root._edge is not None:
        out._base_edge = root._edge


def hide_path(view: Tensor, name: str) -> None:
    """Note that a view was taken by a function of a user: its history cannot be renewed."""
    assert view._view is not None  # noqa: S101 - all views have one
    view._view = (view._view[0], None, {}, True)
    view.one_of = name


def path_of(x: Tensor, name: str) -> tuple[tuple[Any, dict[str, Any]], ...]:
    """Return the ops that lead from the base of a view to it, if it can be written to.

    Raises RuntimeError for a view that was made under no_grad, together with others, or by a
    custom function.
    """
    path: list[tuple[Any, dict[str, Any]]] = []
    t = x
    while t._view is not None:
        if t.one_of is not None:
            message = (
                f"{name}() would write to a view that {t.one_of}() gave, which may be one of"
                " several, and the write is recorded: clone() the view, or index the tensor for"
                " one view alone."
            )
            raise RuntimeError(message)
        _, op, metadata, _ = t._view
        path.append((op, metadata))
        t = t.path_source()
    return tuple(reversed(path))

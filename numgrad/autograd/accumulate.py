"""What becomes of the gradients that a walk has found: adding them to `.grad`."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import hooks
from numgrad.backward import adder
from numgrad.modes import modes, recorded, set_modes
from numgrad.ops.convert import clone
from numgrad.tensor import Tensor, alias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numgrad.backward import Walk

# Reading, adding and writing back are one step: walks of several threads may meet in one leaf.
_adding = threading.RLock()


def _renew_lock() -> None:
    """In a forked process no thread holds the lock, whoever held it in the parent.

    Forks do not wait for it: who holds it may load kernels, and wait for a fork.
    """
    global _adding  # noqa: PLW0603 - a lock cannot be opened by a process that did not close it
    _adding = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def accumulate_leaves(walk: Walk) -> None:
    """Add to the `.grad` of all leaves that the walk has reached."""
    owned = walk.owned
    hooked: list[tuple[Tensor, Any]] | None = None
    with _adding:
        for t, gradient in walk.leaves.items():
            if t._hooks is None:
                _add(t, gradient, owned=t in owned)
            else:
                hooked = [*(hooked or ()), (t, gradient)]
    for t, gradient in hooked or ():
        _add_with_hooks(walk, t, gradient)


def accumulate_inputs(walk: Walk, inputs: Iterable[Tensor]) -> None:
    """Add to the `.grad` of the inputs of the walk."""
    for t in inputs:
        if t._edge is None and t._hooks is not None:
            if t in walk.leaves:
                _add_with_hooks(walk, t, walk.leaves[t])
        else:
            with _adding:
                _add(t, walk.gradient(t), owned=False)


def accumulate_retained(walk: Walk, inputs: tuple[Tensor, ...] | None) -> None:
    """Add to the `.grad` of computed tensors that retain theirs, unless they are inputs."""
    for t, gradient in walk.retained or ():
        if inputs is None or not any(t is w for w in inputs):
            with _adding:
                _add(t, gradient, owned=False)


def through_leaf_hooks(walk: Walk, t: Tensor, gradient: Any) -> Any:
    """Pass the gradient of a leaf through the hooks of this tensor."""
    if gradient is None:
        return None
    before = modes()
    set_modes(recorded(before, walk.create_graph))
    try:
        return hooks.through_tensor_hooks(
            t._hooks.tensor,
            gradient,
            walk,
            owned=t in walk.owned,
            recorded=isinstance(gradient, Tensor),
        )
    finally:
        set_modes(before)


def _add_with_hooks(walk: Walk, t: Tensor, gradient: Any) -> None:
    gradient = through_leaf_hooks(walk, t, gradient)
    before = modes()
    set_modes(recorded(before, walk.create_graph))
    try:
        hooks.accumulated(t, gradient, _add_alone)
    finally:
        set_modes(before)


def _add_alone(t: Tensor, gradient: Any) -> None:
    with _adding:
        _add(t, gradient, owned=False)


def _add(t: Tensor, gradient: Any, *, owned: bool) -> None:
    """Add to `.grad`, in place where the walk was not recorded."""
    known = t._grad
    if gradient is None:
        return
    if isinstance(gradient, Tensor):
        _add_recorded(t, gradient)
    elif known is None:
        array = t.array
        if not owned or gradient.strides != array.strides:
            own = np.empty_like(array)
            own[...] = gradient
            gradient = own
        t._grad = alias(gradient, None)
    elif known._edge is not None:
        _add_recorded(t, alias(gradient, None))
    else:
        adder(known.array.dtype.char)(known.array, gradient, known.array)
        if known._counter is not None:
            known._counter.bump()


def _add_recorded(t: Tensor, gradient: Tensor) -> None:
    """Add out of place: an older `.grad` may be on the tape. The sum is on it in any mode."""
    before = modes()
    set_modes(before._replace(recording=True, inference=False))
    try:
        t._grad = clone(gradient) if t._grad is None else t._grad + gradient
    finally:
        set_modes(before)

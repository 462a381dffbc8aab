"""What the current thread or task does with gradients: record them or not, blank 0 * inf or not.

A context variable holds it: a new thread starts with the values below, an asyncio task with those
of the code that made it, and what either sets is seen by itself alone.
"""

from __future__ import annotations

import functools
from contextvars import ContextVar
from typing import Any, NamedTuple


class Modes(NamedTuple):
    """The switches. Replaced as a whole, never changed: tasks may share them."""

    # Record ops whose inputs require grad.
    recording: bool = True
    # Results are inference tensors: without version counters, never to be recorded.
    inference: bool = False
    # Chain-rule products follow IEEE, 0 * inf is nan, instead of the NaN-safe rule.
    strict_ieee: bool = False
    # Ops on arrays give arrays, not tensors: so the rules of a walk run that is not recorded.
    on_arrays: bool = False
    # Backward tells where what fails was recorded, and whether it makes nan is looked at.
    anomaly: bool = False
    check_nan: bool = True
    # How much of memory shared with arrays is looked at for writes: "off", "sample" or "full".
    alias_check: str = "sample"


_current = ContextVar("numgrad modes", default=Modes())  # noqa: B039 - a NamedTuple is immutable

# The modes in force, as in `modes().recording`; and what puts others in force.
modes = _current.get
set_modes = _current.set


# What each context manager that this thread or task is in has to put back: so one that is entered
# by several of them at a time leaves each as it was.
_entered: ContextVar[tuple[tuple[object, Any], ...]] = ContextVar("numgrad entered", default=())


def entering(manager: object, before: Any) -> None:
    """Note what a context manager is to put back on leaving."""
    _entered.set((*_entered.get(), (manager, before)))


def leaving(manager: object) -> Any:
    """Return what was noted when the manager was entered last, and forget it.

    None where that was in another thread or task, as for a generator that is closed elsewhere.
    """
    entered = _entered.get()
    for k in range(len(entered) - 1, -1, -1):
        if entered[k][0] is manager:
            _entered.set(entered[:k] + entered[k + 1 :])
            return entered[k][1]
    return None


@functools.cache
def walking(before: Modes, recorded: bool) -> Modes:
    """Modes of a walk back through the tape."""
    return before._replace(recording=recorded, on_arrays=not recorded)


@functools.cache
def recorded(before: Modes, recording: bool) -> Modes:
    """Modes in which tensors compute, with or without being recorded."""
    inference = before.inference and not recording
    return before._replace(recording=recording, inference=inference, on_arrays=False)


class Transforms(NamedTuple):
    """The transforms that the current thread or task is inside of, from the outermost on."""

    # Levels of forward mode that have begun.
    dual_levels: tuple[Any, ...] = ()
    # Batches that are being mapped over.
    batches: tuple[Any, ...] = ()


_transforms = ContextVar("numgrad transforms", default=Transforms())  # noqa: B039 - as above
transforms = _transforms.get
set_transforms = _transforms.set

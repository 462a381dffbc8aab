"""Finding the line of a program whose derivative goes wrong.

In the mode every node remembers where it was recorded. Nothing on the way of ops asks for the
mode: while somebody is in it, an observer stands before the ops, see numgrad.interception.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
import traceback
import warnings
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary, WeakSet

import numpy as np

from numgrad import interception
from numgrad.backward import Walk
from numgrad.locks import process_lock
from numgrad.modes import entering, leaving, modes, set_modes
from numgrad.tape import Node, Output
from numgrad.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

    Call: TypeAlias = Callable[..., Any]

_PACKAGE = str(Path(__file__).resolve().parent.parent)
# The steps of a walk that look at one node after the other.
_STEPS = frozenset(step.__code__ for step in (Walk.restrict, Walk.count, Walk.pull))


class detect_anomaly:  # noqa: N801 - PyTorch's name
    """Tell where in the program a backward that fails was recorded, as a context manager.

    An error in a backward gets a note with the lines that called the op, and a UserWarning with
    the same text. Holds for the thread, or the asyncio task, that enters it, for what is recorded
    and walked inside. Slow: warns of that on entry.

    Args:
        check_nan: raise RuntimeError where a backward makes nan, too. A contribution that the
            NaN-safe rule blanks is 0, not nan.

    As in

        with numgrad.autograd.detect_anomaly():
            loss = model(x)
            loss.backward()
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._check_nan = check_nan

    def __enter__(self) -> None:
        warnings.warn(
            "detect_anomaly() makes every operation slow: use it to find an error, then remove it.",
            UserWarning,
            stacklevel=2,
        )
        entering(self, _switch(True, self._check_nan))

    def __exit__(self, *exception: object) -> None:
        before = leaving(self)
        if before is not None:
            _switch(*before)


class set_detect_anomaly:  # noqa: N801 - PyTorch's name
    """Switch the mode of `detect_anomaly` on or off, from the call on, without a warning.

    As a context manager it puts back on leaving what was before the call.

    >>> with ng.autograd.set_detect_anomaly(True):
    ...     ng.autograd.is_anomaly_enabled()
    True
    >>> ng.autograd.is_anomaly_enabled()
    False
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = _switch(mode, check_nan)

    def __enter__(self) -> None:
        """Do nothing: the call has switched."""

    def __exit__(self, *exception: object) -> None:
        _switch(*self._before)


def is_anomaly_enabled() -> bool:
    """Whether this thread or task looks for anomalies."""
    return modes().anomaly


def is_anomaly_check_nan_enabled() -> bool:
    """Whether it looks for nan, too."""
    return modes().check_nan


# --- who is in the mode ------------------------------------------------------------------------


class _Presence:
    """Is there as long as a thread or task is in the mode."""

    __slots__ = ("__weakref__",)


_presence: ContextVar[_Presence | None] = ContextVar("numgrad anomaly mode", default=None)

_lock = process_lock()
_present: WeakSet[_Presence] = WeakSet()
# Whether the observer is attached: while anybody is in the mode.
_attached = False


def _switch(anomaly: bool, check_nan: bool) -> tuple[bool, bool]:
    before = modes()
    presence = _Presence() if anomaly else None
    if presence is not None:
        _present.add(presence)
    _presence.set(presence)
    set_modes(before._replace(anomaly=anomaly, check_nan=check_nan))
    _attach_or_detach()
    return before.anomaly, before.check_nan


def _attach_or_detach() -> None:
    """Have the observer attached if anybody is in the mode.

    Not called where a task ends in the mode, since it may do so at any moment: the observer stays,
    and is detached by whoever comes here next.
    """
    global _attached  # noqa: PLW0603 - of the whole process, as the ops are
    with _lock:
        wanted = bool(_present)
        if wanted != _attached:
            (interception.attach if wanted else interception.detach)(_observer)
            _attached = wanted


# --- what is seen ------------------------------------------------------------------------------


class _Trace(NamedTuple):
    """Where a node was recorded."""

    node: str
    stack: traceback.StackSummary
    # Where the node was recorded in whose backward this one was.
    induced_by: _Trace | None

    def text(self) -> str:
        """The lines of the program, and of the one that induced it."""
        lines = "".join(self.stack.format())
        if self.induced_by is None:
            return lines
        return (
            f"{lines}It was recorded in the backward of {self.induced_by.node}, whose forward call"
            f" was:\n{self.induced_by.text()}"
        )


_traces: WeakKeyDictionary[Node, _Trace] = WeakKeyDictionary()
# The node that is pulled now.
_pulled: ContextVar[Node | None] = ContextVar("numgrad pulled node", default=None)


class _Observer:
    """Notes where nodes are recorded, and looks at what their pulls give."""

    @staticmethod
    def of_op(_op: Any, call: Call) -> Call:
        """Note the stack of every node that an op records."""

        def noting(*args: Any, **keywords: Any) -> Any:
            result = call(*args, **keywords)
            if modes().anomaly:
                for t in result if isinstance(result, tuple) else (result,):
                    if isinstance(t, Tensor) and t._edge is not None:
                        note(t._edge.node if isinstance(t._edge, Output) else t._edge)
            return result

        return noting

    @staticmethod
    def of_pull(call: Call) -> Call:
        """Look for nan in gradients."""

        def looking(node: Node, g: Any, *rest: Any) -> Any:
            now = modes()
            if not now.anomaly:
                return call(node, g, *rest)
            token = _pulled.set(node)
            try:
                result = call(node, g, *rest)
            finally:
                _pulled.reset(token)
            if now.check_nan:
                _look_for_nan(node, result)
            return result

        return looking

    @staticmethod
    def of_walk(call: Call) -> Call:
        """Tell with an error where the node that it concerns was recorded."""

        def telling(*args: Any) -> Any:
            if not _present:
                _attach_or_detach()
            try:
                return call(*args)
            except Exception as error:
                if modes().anomaly:
                    _tell(error)
                raise

        return telling


_observer = _Observer()


def note(node: Node) -> None:
    """Remember the stack of a node that was recorded just now, unless it is known."""
    if node in _traces:
        return
    frames = list(traceback.walk_stack(sys._getframe(1)))
    while frames and frames[0][0].f_code.co_filename.startswith(_PACKAGE):
        del frames[0]
    stack = traceback.StackSummary.extract(iter(frames[::-1]), lookup_lines=False)
    inducing = _pulled.get()
    outer = None if inducing is None else _traces.get(inducing)
    _traces[node] = _Trace(node.name(), stack, outer)


def _is_inside(frame_and_line: tuple[FrameType, int]) -> bool:
    return frame_and_line[0].f_code.co_filename.startswith(_PACKAGE)


def _look_for_nan(node: Node, result: Any) -> None:
    """Raise RuntimeError if a pull gave nan."""
    plan = node.plan
    if isinstance(result, (list, tuple)):
        given = list(enumerate(result))
    else:
        given = [(plan.single or 0, result)]
    for k, value in given:
        array = value.array if isinstance(value, Tensor) else value
        if array is None or array.dtype.kind not in "fc" or not np.isnan(array).any():
            continue
        place = f"{plan.params[k]!r}" if len(plan.params) == len(node.edges) else f"input {k}"
        raise RuntimeError(
            f"{node.name()} returned nan in output {k}, which is the gradient of {node.op_name}()"
            f" in {place}, of shape {array.shape}."
        )


def _tell(error: Exception) -> None:
    """Add the forward lines of the node that a walk was at to an error, and warn with them."""
    node = _node_of(error.__traceback__)
    if node is None:
        return
    trace = _traces.get(node)
    if trace is None:
        text = (
            f"Error detected in {node.name()}, which was recorded outside of detect_anomaly():"
            " record it inside to see the line."
        )
    else:
        text = (
            f"Error detected in {node.name()}. Traceback of the forward call that caused the"
            f" error:\n{trace.text()}"
        )
    error.add_note(text)
    # Where warnings are errors, the error that there is stays the one that is raised.
    with contextlib.suppress(UserWarning):
        inside = itertools.takewhile(_is_inside, traceback.walk_stack(sys._getframe()))
        warnings.warn(text, UserWarning, stacklevel=1 + sum(1 for _ in inside))


def _node_of(trace: TracebackType | None) -> Node | None:
    """Return the node that the outermost walk in a traceback was at, if it was at one."""
    while trace is not None:
        frame = trace.tb_frame
        # Frames keep the dict of their locals once it was asked for: one that holds the error
        # would make a cycle of it.
        if frame.f_code in _STEPS:
            node = frame.f_locals.get("node")
            if isinstance(node, Node):
                return node
        trace = trace.tb_next
    return None

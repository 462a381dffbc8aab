"""Where the time of ops goes: a table by op, and a trace for a browser."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias

import numpy as np

from numgrad import interception
from numgrad.debug.units import aligned, size
from numgrad.locks import process_lock
from numgrad.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numgrad.tape import Node

    Call: TypeAlias = Callable[..., Any]
    OpPath: TypeAlias = tuple[str, ...]

# How many events a trace holds where the caller does not say.
MOST_EVENTS = 1_000_000
_ORDERS = ("total", "calls", "forward", "backward", "bytes", "threads", "name")


class Row(NamedTuple):
    """What an op did. Times are seconds, and contain those of the ops that it called."""

    # The names of the ops around it, from the outermost on, and its own.
    path: OpPath
    # How often it was called; on the way back its vjp is not counted, ops that this calls are.
    calls: int
    forward: float
    backward: float
    # Memory of the new arrays that it gave, in both directions.
    bytes: int
    # How many threads ran it.
    threads: int

    @property
    def name(self) -> str:
        """Name of the op."""
        return self.path[-1]

    @property
    def total(self) -> float:
        """Seconds in both directions."""
        return self.forward + self.backward


class Event(NamedTuple):
    """One call of an op or of its vjp, in nanoseconds."""

    name: str
    backward: bool
    start: int
    end: int
    bytes: int


class _Tally:
    """What an op did in one thread, in nanoseconds."""

    __slots__ = ("backward", "bytes", "calls", "forward")

    def __init__(self) -> None:
        self.calls = self.forward = self.backward = self.bytes = 0


class _Thread:
    """What one thread did, and where it is now."""

    def __init__(self) -> None:
        self.number = threading.get_native_id()
        self.name = threading.current_thread().name
        self.path: OpPath = ()
        # Whether a vjp is around what runs now.
        self.backward = False
        self.tallies: dict[OpPath, _Tally] = {}
        self.events: list[Event] = []


class profile:  # noqa: N801 - used like a function, as `with numgrad.profile() as p`
    """Measure all ops in all threads while the context is open.

    Ops that another op calls, and those of which a vjp is made, stand below it in the table,
    indented. A first call of an op loads its kernels, or compiles them: run the program once
    before it is measured. What is not measured costs nothing; what is, a few microseconds a call.

    Args:
        max_events: how many calls the trace holds; the table counts all.

    Raises RuntimeError where another profile measures, or this one has been used.

    >>> x = ng.tensor([1.0, 2.0], requires_grad=True)
    >>> with ng.profile() as p:
    ...     (x * x).sum().backward()
    >>> [(row.name, row.calls) for row in p.rows(sort_by="name") if len(row.path) == 1]
    [('mul', 1), ('sum_over', 1)]
    """

    _active: ClassVar[profile | None] = None
    _guard: ClassVar[Any] = process_lock()

    def __init__(self, *, max_events: int = MOST_EVENTS) -> None:
        self._room = max_events
        self._threads: list[_Thread] = []
        self._local = threading.local()
        self._start: int | None = None
        self._end: int | None = None

    def __enter__(self) -> profile:  # noqa: PYI034 - it is not meant to be derived from
        with profile._guard:
            if profile._active is not None:
                raise RuntimeError(
                    "profile() measures all threads, and one is measuring already: leave its"
                    " context before another is entered."
                )
            if self._start is not None:
                raise RuntimeError("profile() measures once: make a new one for each context.")
            profile._active = self
        self._start = perf_counter_ns()
        interception.attach(self)
        return self

    def __exit__(self, *exception: object) -> None:
        interception.detach(self)
        self._end = perf_counter_ns()
        profile._active = None

    # --- what is measured ------------------------------------------------------------------

    def of_op(self, op: Any, call: Call) -> Call:
        """Measure the calls of an op."""
        name = op.name

        def watched(*args: Any, **keywords: Any) -> Any:
            here = self._here()
            around = here.path
            here.path = (*around, name)
            start = perf_counter_ns()
            try:
                result = call(*args, **keywords)
            finally:
                end, path, here.path = perf_counter_ns(), here.path, around
            if isinstance(result, (Tensor, np.ndarray, tuple)):
                self._note(here, path, here.backward, start, end, _new_bytes(result, args))
                here.tallies[path].calls += 1
            return result

        return watched

    def of_pull(self, call: Call) -> Call:
        """Measure the vjps of nodes."""

        def watched(node: Node, g: Any, *rest: Any) -> Any:
            here = self._here()
            around = here.path, here.backward
            here.path, here.backward = (*here.path, node.op_name or node.name()), True
            start = perf_counter_ns()
            try:
                result = call(node, g, *rest)
            finally:
                end, path = perf_counter_ns(), here.path
                here.path, here.backward = around
            self._note(here, path, True, start, end, _new_bytes(result, (g,)))
            return result

        return watched

    def of_walk(self, call: Call) -> Call:
        """Walks are not measured as such."""
        return call

    def _here(self) -> _Thread:
        here: _Thread | None = getattr(self._local, "thread", None)
        if here is None:
            here = self._local.thread = _Thread()
            self._threads.append(here)
        return here

    def _note(
        self, here: _Thread, path: OpPath, backward: bool, start: int, end: int, new: int
    ) -> None:
        tally = here.tallies.get(path)
        if tally is None:
            tally = here.tallies[path] = _Tally()
        if backward:
            tally.backward += end - start
        else:
            tally.forward += end - start
        tally.bytes += new
        if self._room > 0:
            self._room -= 1
            here.events.append(Event(path[-1], backward, start, end, new))

    # --- what is told ----------------------------------------------------------------------

    @property
    def seconds(self) -> float:
        """How long the context was open, or has been so far."""
        if self._start is None:
            return 0.0
        return ((self._end or perf_counter_ns()) - self._start) / 1e9

    def rows(self, sort_by: str = "total") -> list[Row]:
        """Return a row for each op, ops inside others after these; the largest first.

        `sort_by` is "total", "calls", "forward", "backward", "bytes", "threads", or "name".
        """
        if sort_by not in _ORDERS:
            raise ValueError(f"rows() sorts by one of {', '.join(_ORDERS)}, got {sort_by!r}.")
        merged: dict[OpPath, Row] = {}
        for thread in list(self._threads):
            for path, tally in list(thread.tallies.items()):
                known = merged.get(path, Row(path, 0, 0.0, 0.0, 0, 0))
                merged[path] = Row(
                    path,
                    known.calls + tally.calls,
                    known.forward + tally.forward / 1e9,
                    known.backward + tally.backward / 1e9,
                    known.bytes + tally.bytes,
                    known.threads + 1,
                )
        below: dict[OpPath, list[Row]] = {}
        for row in merged.values():
            below.setdefault(row.path[:-1], []).append(row)

        def place(row: Row) -> tuple[Any, str]:
            return (0 if sort_by == "name" else -getattr(row, sort_by), row.name)

        ordered: list[Row] = []
        stack = sorted(below.get((), ()), key=place, reverse=True)
        while stack:
            ordered.append(stack.pop())
            stack += sorted(below.get(ordered[-1].path, ()), key=place, reverse=True)
        return ordered

    def table(self, sort_by: str = "total", limit: int | None = None) -> str:
        """Return the rows as text, the first `limit` of them."""
        rows = self.rows(sort_by)
        cells = [("op", "calls", "forward ms", "backward ms", "bytes", "threads")]
        cells += [
            (
                "  " * (len(row.path) - 1) + row.name,
                str(row.calls),
                f"{row.forward * 1e3:.3f}",
                f"{row.backward * 1e3:.3f}",
                size(row.bytes),
                str(row.threads),
            )
            for row in rows[:limit]
        ]
        inside = sum(row.total for row in rows if len(row.path) == 1)
        lines = aligned(cells, numbers_from=1)
        if len(rows) >= len(cells):
            lines.append(f"... and {len(rows) - len(cells) + 1} more")
        lines.append(f"{inside * 1e3:.3f} ms in ops, of {self.seconds * 1e3:.3f} ms")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.table()

    def export_chrome_trace(self, path: str | os.PathLike[str]) -> None:
        """Write every call as a bar on the line of its thread, for chrome://tracing or Perfetto."""
        process = os.getpid()
        start = self._start or 0
        events: list[dict[str, Any]] = []
        for thread in list(self._threads):
            where = {"pid": process, "tid": thread.number}
            events.append({"ph": "M", "name": "thread_name", "args": {"name": thread.name}} | where)
            events += [
                {
                    "ph": "X",
                    "name": f"{event.name} backward" if event.backward else event.name,
                    "cat": "backward" if event.backward else "forward",
                    "ts": (event.start - start) / 1e3,
                    "dur": (event.end - event.start) / 1e3,
                    "args": {"bytes": event.bytes},
                }
                | where
                for event in list(thread.events)
            ]
        text = json.dumps({"traceEvents": events, "displayTimeUnit": "ns"})
        Path(path).write_text(text, encoding="utf-8")


def _new_bytes(result: Any, given: Iterable[Any]) -> int:
    """Bytes of the arrays in a result that own their memory and were not given."""
    several = result if isinstance(result, (tuple, list)) else (result,)
    arrays = (getattr(each, "array", each) for each in several)
    old = [getattr(each, "array", each) for each in given]
    return sum(
        a.nbytes
        for a in arrays
        if isinstance(a, np.ndarray) and a.base is None and not any(a is b for b in old)
    )

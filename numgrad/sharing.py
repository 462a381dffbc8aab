"""Memory that arrays of the user show as well: writes to it that nobody counts are found.

A version counter counts the writes of numgrad. What NumPy writes to memory that it shares with a
tensor is found by fingerprints: a counter of such memory takes one when it is read, which is when a
node saves a value and when a walk uses it, and counts a write where it differs from the last.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.modes import modes
from numgrad.tape import INFERENCE, Counter

if TYPE_CHECKING:
    from numgrad.tensor import Tensor

    Array = np.ndarray[Any, Any]

# Bytes up to which a fingerprint is all of an array, and how many elements it has of a larger one:
# from either end, and spread between them. About a microsecond.
WHOLE, END, SPREAD = 512, 8, 48
# How many pieces of one memory are watched one by one; beyond that, all of it is.
PIECES = 4


class SharedCounter(Counter):
    """The counter of memory that arrays of the user show."""

    __slots__ = ()

    @property
    def value(self) -> int:
        """How often the memory was written to, as far as that is known now."""
        now = modes()
        kind = "full" if now.anomaly else now.alias_check
        count: int = _count.__get__(self)
        seen = count
        for memory in self.memories:
            if memory.changed(kind):
                count = seen + 1
        if count != seen:
            _count.__set__(self, count)
        return count

    @value.setter
    def value(self, value: int) -> None:
        _count.__set__(self, value)

    def bump(self) -> None:
        """Count a write by numgrad."""
        _count.__set__(self, _count.__get__(self) + 1)
        for memory in self.memories:
            memory.last = None

    def watch(self, array: Array) -> None:
        """Watch the memory of an array."""
        if any(memory.shows(array) for memory in self.memories):
            return
        if len(self.memories) == PIECES:
            _ = self.value
            array = _owner(array)
            self.memories = []
        self.memories.append(Memory(array))


_count: Any = vars(Counter)["value"]


class Memory:
    """Memory that may change, and what it looked like."""

    __slots__ = ("array", "kind", "last", "parts")

    def __init__(self, array: Array) -> None:
        self.array = array
        self.parts = _parts(array)
        self.last: Any = None
        self.kind = ""

    def shows(self, array: Array) -> bool:
        """Whether it is that of an array, neither more nor less."""
        mine = self.array
        return mine is array or (
            mine.ctypes.data == array.ctypes.data
            and mine.shape == array.shape
            and mine.strides == array.strides
        )

    def changed(self, kind: str) -> bool:
        """Whether it changed since the last look of the same kind."""
        found: Any
        if kind == "sample":
            parts = self.parts
            found = parts[0].tobytes() if len(parts) == 1 else [part.tobytes() for part in parts]
        elif kind == "full":
            found = hashlib.blake2b(np.ascontiguousarray(self.array).data).digest()
        else:
            self.last = None
            return False
        before, known = self.last, self.kind
        self.last, self.kind = found, kind
        return before is not None and known == kind and before != found


def _parts(array: Array) -> tuple[Array, ...]:
    """Views that a fingerprint is made of."""
    if array.nbytes <= WHOLE:
        return (array,)
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        steps = tuple(slice(None, None, max(1, n // 4)) for n in array.shape)
        corner = tuple(slice(-4, None) for _ in array.shape)
        return array[steps], array[corner]
    flat = array.ravel(order="K")
    return flat[:END], flat[-END:], flat[:: max(1, flat.size // SPREAD)]


def _owner(array: Array) -> Array:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def counter_of(array: Array) -> SharedCounter:
    """Make the counter of a tensor that shows an array of the user."""
    counter = SharedCounter.__new__(SharedCounter)
    counter.value = 0
    counter.memories = [Memory(array)]
    return counter


def share(t: Tensor) -> None:
    """Note that the array of a tensor is handed to the user."""
    counter = t.counter()
    if counter is INFERENCE:
        return
    if type(counter) is not SharedCounter:
        counter.memories = []
        counter.__class__ = SharedCounter
    counter.watch(t.array)  # type: ignore[attr-defined]
    # The first look is now: what was saved before has the value that it has now.
    _ = counter.value

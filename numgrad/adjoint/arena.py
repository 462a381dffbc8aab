"""Where saved values are kept: memory that is reserved once and used again by every gradient.

A table of integers, known to compiled code by the name `numgrad_arena`, holds the address of the
memory, the size of one place in it, the number of places, and for each place whether it is taken.
A gradient takes a free place while it runs; where none is free, it allocates. Memory is reserved,
not filled: what is never written to costs nothing.
"""

from __future__ import annotations

import functools
import mmap
import os
import sys
from typing import Any

import numpy as np

SYMBOL = "numgrad_arena"
PLACES = 32
ADDRESS, BYTES, COUNT, FIRST = range(4)
DEFAULT_MEGABYTES = 1024

_NORESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000 if sys.platform == "linux" else 0x40)

# Address, bytes of a place, places, then 0 or 1 for each.
table = np.zeros(FIRST + PLACES, np.int64)
# What the addresses handed out so far belong to.
_kept: list[Any] = []


@functools.cache
def reserve() -> None:
    """Reserve the memory, when it is first needed."""
    set_arena(int(os.environ.get("NUMGRAD_ARENA_MB", str(DEFAULT_MEGABYTES))))


def set_arena(megabytes: int) -> None:
    """Set how much memory one gradient may use for the values it saves.

    Memory is reserved, and filled as it is used. Call it while no gradient runs. The environment
    variable `NUMGRAD_ARENA_MB` sets it at the start; the default is 1024.
    """
    size = megabytes << 20
    if megabytes < 1:
        raise ValueError(f"set_arena() needs at least one megabyte, got {megabytes}.")
    table[COUNT] = 0
    table[BYTES] = size
    table[FIRST:] = 0
    if sys.platform == "win32" or sys.maxsize < 2**32:
        return
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE
    for places in (PLACES, 4, 1):
        try:
            memory = mmap.mmap(-1, size * places, flags=flags)
        except (OSError, ValueError, OverflowError):
            continue
        _kept.append(memory)
        table[ADDRESS] = np.frombuffer(memory, np.uint8).ctypes.data
        table[COUNT] = places
        return

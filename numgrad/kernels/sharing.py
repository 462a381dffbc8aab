"""A kernel that calls any compiled loop, so that the thread pool shares it as it shares kernels."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from numgrad.kernels import build, cost

# The address of the loop is the first word of the table, which all calls of the loop are handed.
_SOURCE = """\
from numgrad.kernels.calling import call_at

DENSE = True

def loop(args, dims, steps, data):
    call_at(load_i8(args[1], 0), args, dims, steps, data)
"""
_TYPES, _CORE = "ll->l", "(),(k)->()"
# The table is as long as a block is costly: so the pool knows what is worth its while.
_MOST_WORDS = 4096


def run(table: Any, numbers: Any, nanoseconds: float = 0.0) -> Any:
    """Call a loop for blocks of work, by their numbers, in the threads of the pool.

    `table` holds words: the address of the loop, then what the loop makes of it. The loop is that
    of a gufunc, of numbers, the table and what it answers for each block. `nanoseconds` is about
    what a block takes.
    """
    words = max(len(table), min(int(nanoseconds / _word_cost()), _MOST_WORDS))
    padded = np.zeros(words, np.int64)
    padded[: len(table)] = table
    return _kernel()(numbers, padded)


@functools.cache
def _kernel() -> np.ufunc:
    return build.kernel("share", _SOURCE, _TYPES, _CORE)


@functools.cache
def _word_cost() -> float:
    """What the pool takes an element of a table for, in nanoseconds."""
    return cost.nanoseconds(_SOURCE, _TYPES)

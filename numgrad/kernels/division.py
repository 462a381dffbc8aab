"""How the work of a kernel may be divided among threads: what its ufunc's `data` says.

`data` is an array of words that NumPy hands to every call of the kernel. The kernel compares what
it has to do with a threshold there, and from there on calls the pool, which reads the rest (see
`numgrad.kernels.pool_code`).
"""

from __future__ import annotations

import ctypes
import functools
import re

from numgrad.kernels import cost
from numgrad.kernels.ufunc import DTYPES

# Places in `data`, in words.
THRESHOLD = 0  # the number of elements from which on threads are worth their while
POOL = 1  # the address of the pool's memory, 0 for none
ARGUMENTS = 2  # how many arguments the loop has
INPUTS = 3  # how many of them are inputs
DIMENSIONS = 4  # how many numbers `dims` has
AXIS = 5  # which of them is divided
ELEMENTWISE = 6  # 1 for a ufunc, 0 for a gufunc
TABLE = 7  # for each argument: the place of its step along the axis, or -1; and its itemsize

# Places in the pool's memory: the address of what shares a call; while that is 0, the address of
# what starts the pool. The call is then done by its caller.
RUN, START = 0, 1

# What the pool has room for.
MOST_ARGUMENTS, MOST_DIMENSIONS = 64, 16

# Serial work that takes less is not divided: waking a thread takes some microseconds, on a busy
# machine many.
WORTHWHILE_NANOSECONDS = 60_000.0

_NEVER = 2 ** (8 * ctypes.sizeof(ctypes.c_ssize_t) - 1) - 1

# All that were made; and the address of the pool's memory, once there is one.
_made: list[ctypes.Array[ctypes.c_ssize_t]] = []
_pool = 0


def shapes(core: str | None) -> list[tuple[str, ...]]:
    """Return the core dimensions of each argument, by name: [("n",), ()] for "(n)->()"."""
    found = re.findall(r"\(([^)]*)\)", core or "")
    return [tuple(re.findall(r"[^\s,]+", shape)) for shape in found]


def dimensions(core: str | None) -> list[str]:
    """Return the names of all core dimensions, in the order of `dims`."""
    return list(dict.fromkeys(name for shape in shapes(core) for name in shape))


def immortal(words: int) -> ctypes.Array[ctypes.c_ssize_t]:
    """Return an array of zeros that is never freed.

    Threads may read it while the interpreter shuts down.
    """
    allocate = ctypes.pythonapi.PyMem_RawCalloc
    allocate.argtypes, allocate.restype = [ctypes.c_size_t] * 2, ctypes.c_void_p
    return (ctypes.c_ssize_t * words).from_address(allocate(words, ctypes.sizeof(ctypes.c_ssize_t)))


def data(source: str, types: str, core: str | None, along: str | None = None) -> int:
    """Return the address of what the pool needs to know of a kernel.

    A kernel is divided along what it is called for: the elements of a ufunc, the rows of a gufunc.
    `along` names a core dimension instead, whose elements must not depend on each other.
    """
    inputs, outputs = types.split("->")
    names, per_argument = dimensions(core), shapes(core)
    count = len(inputs + outputs)
    words = immortal(TABLE + 2 * count)
    words[THRESHOLD] = max(1, int(WORTHWHILE_NANOSECONDS / cost.nanoseconds(source, types)))
    if count > MOST_ARGUMENTS or len(names) >= MOST_DIMENSIONS:
        words[THRESHOLD] = _NEVER
    words[ARGUMENTS], words[INPUTS] = count, len(inputs)
    words[DIMENSIONS] = 1 + len(names)
    words[AXIS] = 0 if along is None else 1 + names.index(along)
    words[ELEMENTWISE] = core is None
    first = count  # the steps along core dimensions follow those from row to row
    for k, code in enumerate(inputs + outputs):
        shape = per_argument[k] if per_argument else ()
        words[TABLE + 2 * k] = k
        if along is not None:
            words[TABLE + 2 * k] = first + shape.index(along) if along in shape else -1
        words[TABLE + 2 * k + 1] = DTYPES[code].itemsize
        first += len(shape)
    words[POOL] = _pool
    _made.append(words)
    return ctypes.addressof(words)


@functools.cache
def undivided() -> int:
    """Return the address of what says that a kernel is never divided."""
    words = immortal(TABLE)
    words[THRESHOLD] = _NEVER
    return ctypes.addressof(words)


def use_pool(address: int) -> None:
    """Have the kernels that there are, and those to come, share their work through a pool."""
    global _pool  # noqa: PLW0603 - there is one pool in a process
    _pool = address
    for words in _made:
        words[POOL] = address

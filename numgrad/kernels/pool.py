"""The thread pool: its memory, its size, and what happens to it when a process forks.

The code that runs is in `numgrad.kernels.pool_code`, and is compiled and stored as kernels are. It
starts threads when a call first needs them.
"""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import struct
import threading

from numgrad.kernels import build, division, link

WORD = struct.calcsize("P")
# More threads than this are never asked for.
MOST_THREADS = 1024

# The functions of the pool's code.
FUNCTIONS = ("run", "serve", "prepare", "close", "reopen")

# What the pool's memory holds, at which offset. No lock or condition of a system is larger than 128
# bytes. What threads write to while others work is 64 bytes apart: a line of their caches.
RUN = division.RUN * WORD  # the address that kernels call
SERVE = 1 * WORD  # the address that threads live at
THREADS = 2 * WORD  # how many threads a call may use, the caller among them
PROCESS = 3 * WORD  # whose threads these are
SET_MASK = 4 * WORD  # what pthread_sigmask() is told
HIRED = 5 * WORD  # how many threads there are
ENROLLED = 6 * WORD  # how many of them have taken a seat
CLOSING = 7 * WORD  # 1 if they are to end
LOOP = 8 * WORD  # the call that shares its work: what the kernel was called with
ARGS = 9 * WORD
DIMS = 10 * WORD
STEPS = 11 * WORD
DATA = 12 * WORD
SIZE = 13 * WORD  # elements, or rows, in a block
PARTS = 14 * WORD  # how many threads take part
ARITHMETIC = 15 * WORD  # how the caller computes
PROCESSOR = 16 * WORD  # where the caller runs
OPEN = 17 * WORD  # 1 while threads may begin
CALL = 192  # the number of the call
ACTIVE = 256  # how many threads are at work, the caller not counted
OWNER = 320  # lock: who holds it shares work
LOCK = 448  # lock: of what threads and caller tell each other
DONE = 576  # condition: the last thread has finished
SEATS = 704  # a seat for the caller and each thread

SEAT = 256
NEXT = 0  # in a seat: the first block of its part that nobody has begun
END = WORD  # where its part ends
ASLEEP = 64  # 1 while the thread waits for a call
THREAD = 64 + WORD  # the system's name of the thread
WAKE = 128  # condition: there is a call

_SIZE = SEATS + (MOST_THREADS + 1) * SEAT
_LINE = 64

# The number that was chosen, if one was.
_chosen: list[int] = []


def threads() -> int:
    """Return how many threads a kernel may use."""
    if not is_possible():
        return 1
    return _chosen[0] if _chosen else _default()


def set_threads(count: int) -> None:
    """Choose how many threads a kernel may use, from the next call of a kernel on."""
    with link.lock:
        _chosen[:] = [count]
        if _memory.cache_info().currsize:
            _word(_memory(), THREADS).value = count
        else:
            offer()


def offer() -> None:
    """Have kernels with much to do start the pool, if there is more than one thread to use.

    To load the pool takes a millisecond or two, to compile it the first time a second or two: that
    is for those who need it. To be called with `link.lock` held.
    """
    if not _memory.cache_info().currsize:
        division.use_pool(_starter() if threads() > 1 else 0)


def is_possible() -> bool:
    """Whether the system has the threads that the pool is made of."""
    return os.name == "posix"


def load() -> None:
    """Load the pool's code, or compile it; no thread is started."""
    with link.lock:
        _memory()


@functools.cache
def _default() -> int:
    """As many as the environment says, or else as there are processors for this process."""
    own = os.environ.get("NUMGRAD_NUM_THREADS", "").strip()
    if own:
        if not own.isdecimal() or not 1 <= int(own) <= MOST_THREADS:
            raise ValueError(
                f"NUMGRAD_NUM_THREADS is {own!r}: set it to a number from 1 to {MOST_THREADS}, "
                "or unset it."
            )
        return int(own)
    # OpenMP's variable may list a number for each depth of nested regions.
    common = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if common.isdecimal() and int(common) > 0:
        return min(int(common), MOST_THREADS)
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), MOST_THREADS)
    return min(os.cpu_count() or 1, MOST_THREADS)


@functools.cache
def _starter() -> int:
    """The address of what stands for the pool until it is there."""
    words = division.immortal(2)
    words[division.START] = ctypes.cast(_start, ctypes.c_void_p).value or 0
    return ctypes.addressof(words)


@ctypes.CFUNCTYPE(None)
def _start() -> None:
    """Load the pool; the call that asked for it is not shared yet."""
    # Nobody waits here: whoever holds the lock may be waiting for this thread.
    if link.lock.acquire(blocking=False):
        try:
            _memory()
        except KeyboardInterrupt:
            # From here it cannot go on through NumPy: it comes again when NumPy is done.
            main = threading.main_thread().ident
            threading.Timer(0.01, signal.pthread_kill, (main, signal.SIGINT)).start()
        except Exception:  # noqa: BLE001 - whatever it is, calls can be done without threads
            division.use_pool(0)
        finally:
            link.lock.release()


@functools.cache
def _memory() -> int:
    """The address of the pool's memory, with all in it that threads need to start.

    To be called with `link.lock` held, unless it has been called before.
    """
    content = build.key("from numgrad.kernels import pool_code", "threads")
    symbols = [f"numgrad_{content}_{name}" for name in FUNCTIONS]

    def compiled() -> bytes:
        from numgrad.kernels import jit, pool_code

        return jit.compile_functions(
            {s: getattr(pool_code, name) for s, name in zip(symbols, FUNCTIONS, strict=True)}
        )

    run, serve, *others = build.load(content, compiled, *symbols)
    room = ctypes.addressof(division.immortal((_SIZE + _LINE) // WORD))
    memory = -(-room // _LINE) * _LINE
    function = ctypes.CFUNCTYPE(ctypes.c_ssize_t, ctypes.c_ssize_t)
    prepare, close, reopen = (function(address) for address in others)
    prepare(memory)
    words = {
        RUN: run,
        SERVE: serve,
        THREADS: threads(),
        PROCESS: os.getpid(),
        SET_MASK: int(signal.SIG_SETMASK),
    }
    for offset, value in words.items():
        _word(memory, offset).value = value

    def after_in_child() -> None:
        _word(memory, PROCESS).value = os.getpid()
        reopen(memory)

    # A fork leaves the threads behind. So they end before, and start again when there is work.
    os.register_at_fork(
        before=lambda: close(memory),
        after_in_parent=lambda: reopen(memory),
        after_in_child=after_in_child,
    )
    division.use_pool(memory)
    return memory


def _word(memory: int, offset: int) -> ctypes.c_ssize_t:
    return ctypes.c_ssize_t.from_address(memory + offset)

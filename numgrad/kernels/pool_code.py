"""The thread pool's compiled code: kernels call `run`, threads live in `serve`.

One call shares its work at a time. It is cut into blocks, each a run of neighbouring elements. A
thread begins with its own part of them, the same from call to call, since that is what its cache
holds; one that has finished helps the next. So a thread that the system does not let run delays
nobody by more than a block, and the caller does all the work itself if no other comes.

Which thread computes an element does not change it: blocks begin at multiples of `GRAIN`, and all
go through the same code. Nothing here is Python when it runs, and no thread but those of the user
ever has to do with the interpreter.
"""

from __future__ import annotations

import sys
from typing import Any

from numgrad.kernels import division as d
from numgrad.kernels import pool as p
from numgrad.kernels.jit import inline
from numgrad.kernels.words import (
    call_loop,
    getpid,
    load,
    load_shared,
    pause,
    pthread_cond_destroy,
    pthread_cond_init,
    pthread_cond_signal,
    pthread_cond_wait,
    pthread_create,
    pthread_join,
    pthread_mutex_init,
    pthread_mutex_lock,
    pthread_mutex_trylock,
    pthread_mutex_unlock,
    pthread_sigmask,
    read_arithmetic,
    room,
    sched_getaffinity,
    sched_getcpu,
    sched_setaffinity,
    sigfillset,
    store,
    store_shared,
    take_number,
    write_arithmetic,
)

W = p.WORD

# Elements: kernels may work in blocks, and a block must hold the same elements whoever does it.
GRAIN = 1024
# Blocks a thread, so that the last ones end at about the same time.
BLOCKS = 4
# How often a thread looks for the next call, or for the end of this one, before it sleeps. That is
# 10 to 50 microseconds: the time between two ops of a gradient.
SPINS = 1000

# A set of signals, or of processors, has at most 1024 bits.
_arguments, _dimensions, _set = map(room, (d.MOST_ARGUMENTS, d.MOST_DIMENSIONS, 1024 // 8 // W))


def run(loop: int, args: int, dims: int, steps: int, data: int, work: int) -> int:
    """Do what a kernel was called for, with the threads that are free."""
    pool = load(data + d.POOL * W)
    n = load(dims + load(data + d.AXIS * W) * W)
    parts = min(load(pool + p.THREADS), 2 * work // load(data + d.THRESHOLD * W), n)
    if (
        parts > 1
        and _divisible(args, steps, data, n)
        and pthread_mutex_trylock(pool + p.OWNER) == 0
    ):
        # A child that was forked behind Python's back has the memory of the pool, not its threads.
        parts = 1 + _hire(pool, parts - 1) if getpid() == load(pool + p.PROCESS) else 1
        if parts > 1:
            store(pool + p.LOOP, loop)
            store(pool + p.ARGS, args)
            store(pool + p.DIMS, dims)
            store(pool + p.STEPS, steps)
            store(pool + p.DATA, data)
            _cut(pool, parts, n, work)
            read_arithmetic(pool + p.ARITHMETIC)
            store(pool + p.PROCESSOR, _processor())
            _share(pool, parts)
            pthread_mutex_unlock(pool + p.OWNER)
            return 0
        pthread_mutex_unlock(pool + p.OWNER)
    call_loop(loop, args, dims, steps, data)
    return 0


def serve(pool: int) -> int:
    """Be a thread of the pool, until it is closed."""
    lock = pool + p.LOCK
    pthread_mutex_lock(lock)
    me = load(pool + p.ENROLLED) + 1
    store(pool + p.ENROLLED, me)
    seat = _seat(pool, me)
    last = 0
    while load(pool + p.CLOSING) == 0:
        call = load(pool + p.CALL)
        if load(pool + p.OPEN) != 0 and call != last and me < load(pool + p.PARTS):
            last = call
            store(pool + p.ACTIVE, load(pool + p.ACTIVE) + 1)
            pthread_mutex_unlock(lock)
            write_arithmetic(pool + p.ARITHMETIC)
            _leave(load(pool + p.PROCESSOR))
            _work(pool, me)
            pthread_mutex_lock(lock)
            active = load(pool + p.ACTIVE) - 1
            store_shared(pool + p.ACTIVE, active)
            if active == 0:
                pthread_cond_signal(pool + p.DONE)
            pthread_mutex_unlock(lock)
            spins = 0
            while spins < SPINS and load_shared(pool + p.CALL) == last:
                pause()
                spins += 1
            pthread_mutex_lock(lock)
        else:
            store(seat + p.ASLEEP, 1)
            pthread_cond_wait(seat + p.WAKE, lock)
            store(seat + p.ASLEEP, 0)
    pthread_mutex_unlock(lock)
    return 0


def prepare(pool: int) -> int:
    """Make the locks, in memory that is all zeros."""
    pthread_mutex_init(pool + p.OWNER, 0)
    pthread_mutex_init(pool + p.LOCK, 0)
    pthread_cond_init(pool + p.DONE, 0)
    return 0


def close(pool: int) -> int:
    """Wait for the call that shares its work, keep others from it, and end all threads."""
    pthread_mutex_lock(pool + p.OWNER)
    pthread_mutex_lock(pool + p.LOCK)
    store(pool + p.CLOSING, 1)
    # For those that look out for the next call.
    store_shared(pool + p.CALL, load(pool + p.CALL) + 1)
    pthread_mutex_unlock(pool + p.LOCK)
    count = load(pool + p.HIRED)
    for k in range(1, count + 1):
        pthread_cond_signal(_seat(pool, k) + p.WAKE)
    for k in range(1, count + 1):
        pthread_join(load(_seat(pool, k) + p.THREAD), 0)
        pthread_cond_destroy(_seat(pool, k) + p.WAKE)
    store(pool + p.HIRED, 0)
    store(pool + p.ENROLLED, 0)
    store(pool + p.CLOSING, 0)
    return 0


def reopen(pool: int) -> int:
    """Let calls share their work again, after `close`."""
    pthread_mutex_unlock(pool + p.OWNER)
    return 0


def _linux_processor() -> Any:
    """The processor that this thread runs on."""
    return sched_getcpu()


def _linux_leave(processor: Any) -> Any:
    """If this thread runs on the processor that the caller keeps busy, move to another one.

    Linux wakes a thread where it last ran, and may leave it there for seconds while other
    processors have nothing to do. Where it may run is as before afterwards.
    """
    if sched_getcpu() == processor:
        allowed = _set()
        if sched_getaffinity(0, 8 * 16, allowed) >= 0:
            word = allowed + processor // (8 * W) * W
            bit = load(word) & (1 << (processor % (8 * W)))
            store(word, load(word) ^ bit)
            sched_setaffinity(0, 8 * 16, allowed)  # fails if this was the only one
            store(word, load(word) ^ bit)
            sched_setaffinity(0, 8 * 16, allowed)


def _no_processor() -> Any:
    return -1


def _stay(processor: Any) -> Any:
    """Leave it to the system where threads run."""


_ON_LINUX = sys.platform == "linux"
_processor = inline(_linux_processor if _ON_LINUX else _no_processor)
_leave = inline(_linux_leave if _ON_LINUX else _stay)


@inline
def _seat(pool: Any, k: Any) -> Any:
    """What the pool keeps for its thread k."""
    return pool + p.SEATS + k * p.SEAT


@inline
def _divisible(args: Any, steps: Any, data: Any, n: Any) -> Any:
    """Whether no element needs what another one gives.

    Reductions give all results to one place; `accumulate` takes what it has just given. NumPy
    copies any other arguments that share memory in part.
    """
    inputs = load(data + d.INPUTS * W)
    for k in range(inputs, load(data + d.ARGUMENTS * W)):
        row = data + (d.TABLE + 2 * k) * W
        place = load(row)
        if place < 0:
            continue
        step = load(steps + place * W)
        if step == 0:
            return False
        if load(data + d.ELEMENTWISE * W) == 0:
            continue
        start = load(args + k * W)
        low = _low(start, step, n)
        high = low + abs(step) * (n - 1) + load(row + W)
        for j in range(inputs):
            other, pace = load(args + j * W), load(steps + j * W)
            if other == start and pace == step:
                continue
            first = _low(other, pace, n)
            end = first + abs(pace) * (n - 1) + load(data + (d.TABLE + 2 * j + 1) * W)
            if first < high and low < end:
                return False
    return True


@inline
def _low(start: Any, step: Any, n: Any) -> Any:
    """The lowest address of n elements."""
    return start + min(0, step * (n - 1))


@inline
def _hire(pool: Any, wanted: Any) -> Any:
    """Have so many threads, if the system gives them; returns how many there are of these."""
    count = load(pool + p.HIRED)
    if count < wanted:
        # Signals are for the threads of the user.
        everything, before = _set(), _set()
        sigfillset(everything)
        pthread_sigmask(load(pool + p.SET_MASK), everything, before)
        while count < wanted:
            seat = _seat(pool, count + 1)
            pthread_cond_init(seat + p.WAKE, 0)
            if pthread_create(seat + p.THREAD, 0, load(pool + p.SERVE), pool) != 0:
                pthread_cond_destroy(seat + p.WAKE)
                break
            count += 1
        pthread_sigmask(load(pool + p.SET_MASK), before, 0)
        store(pool + p.HIRED, count)
    return min(count, wanted)


@inline
def _cut(pool: Any, parts: Any, n: Any, work: Any) -> Any:
    """Cut n elements or rows into blocks, and give each of the threads its part."""
    grain, row = GRAIN, work // n
    while grain > 1 and grain * row > 2 * GRAIN:
        grain //= 2
    grains = (n + grain - 1) // grain
    size = max(1, grains // (parts * BLOCKS)) * grain
    blocks = (n + size - 1) // size
    store(pool + p.SIZE, size)
    store(pool + p.PARTS, parts)
    for k in range(parts):
        store(_seat(pool, k) + p.NEXT, k * blocks // parts)
        store(_seat(pool, k) + p.END, (k + 1) * blocks // parts)


@inline
def _share(pool: Any, parts: Any) -> Any:
    """Wake the threads, work with them, and wait until all is done."""
    lock = pool + p.LOCK
    pthread_mutex_lock(lock)
    store(pool + p.OPEN, 1)
    store_shared(pool + p.CALL, load(pool + p.CALL) + 1)
    pthread_mutex_unlock(lock)
    for k in range(1, parts):
        seat = _seat(pool, k)
        if load_shared(seat + p.ASLEEP) != 0:
            pthread_cond_signal(seat + p.WAKE)
    _work(pool, 0)
    # Nobody may begin any more, and those who have begun are at their last block.
    pthread_mutex_lock(lock)
    store(pool + p.OPEN, 0)
    pthread_mutex_unlock(lock)
    spins = 0
    while spins < SPINS and load_shared(pool + p.ACTIVE) != 0:
        pause()
        spins += 1
    pthread_mutex_lock(lock)
    while load(pool + p.ACTIVE) != 0:
        pthread_cond_wait(pool + p.DONE, lock)
    pthread_mutex_unlock(lock)


@inline
def _work(pool: Any, me: Any) -> Any:
    """Do the blocks that nobody has begun, those of one's own part first."""
    parts = load(pool + p.PARTS)
    for k in range(me, me + parts):
        seat = _seat(pool, k % parts)
        end = load(seat + p.END)
        block = take_number(seat + p.NEXT)
        while block < end:
            _do(pool, block)
            block = take_number(seat + p.NEXT)


@inline
def _do(pool: Any, block: Any) -> Any:
    """Call the loop for one block."""
    args, dims, steps = load(pool + p.ARGS), load(pool + p.DIMS), load(pool + p.STEPS)
    data, size = load(pool + p.DATA), load(pool + p.SIZE)
    start = block * size
    places, counts = _arguments(), _dimensions()
    for k in range(load(data + d.ARGUMENTS * W)):
        step = load(data + (d.TABLE + 2 * k) * W)
        offset = start * load(steps + step * W) if step >= 0 else 0
        store(places + k * W, load(args + k * W) + offset)
    for k in range(load(data + d.DIMENSIONS * W)):
        store(counts + k * W, load(dims + k * W))
    axis = load(data + d.AXIS * W) * W
    store(counts + axis, min(size, load(dims + axis) - start))
    call_loop(load(pool + p.LOOP), places, counts, steps, data)

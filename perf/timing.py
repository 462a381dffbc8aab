"""Timing: check that the contestants agree, then take turns, then medians."""

from __future__ import annotations

import gc
import random
import statistics
import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from perf.declare import Array, Benchmark, Entry

REPEAT_SECONDS = 0.004
"""How long one turn of one contestant should last; short calls are looped to fill it."""
BENCHMARK_SECONDS = 2.5
"""What the turns of one benchmark may take in all, as far as `MIN_ROUNDS` lets it."""
MIN_ROUNDS, MAX_ROUNDS = 7, 31
WARM_UP_SHARE = 10
"""A turn opens with a tenth of its calls untimed, at least one."""
AGREEMENT = {np.dtype(np.float32): 1e-3, np.dtype(np.float64): 1e-7}
"""The relative difference by dtype up to which two answers are the same answer."""


class DisagreementError(Exception):
    """Two contestants computed different things, so that their times cannot be compared."""


@dataclass(frozen=True)
class Timing:
    """Seconds per operation over the rounds of one contestant."""

    median: float
    lower_quartile: float
    upper_quartile: float
    rounds: int
    loops: int


def measure(benchmark: Benchmark) -> dict[str, Timing]:
    """Time every contestant of `benchmark`, turn about so that noise of the machine hits all."""
    entries = {name: prepare() for name, prepare in benchmark.prepare.items()}
    _require_agreement(benchmark.case, entries)
    with _quiet_collector():
        loops = {name: _loops(entry.step) for name, entry in entries.items()}
        turn = {name: _seconds(entry.step, loops[name]) for name, entry in entries.items()}
        affordable = int(BENCHMARK_SECONDS / sum(turn.values()))
        rounds = min(max(affordable, MIN_ROUNDS), MAX_ROUNDS)
        seconds: dict[str, list[float]] = {name: [] for name in entries}
        order = list(entries)
        shuffle = random.Random(0).shuffle  # noqa: S311 - no secret hangs on it
        for _ in range(rounds):
            # In a new order each round, so that nobody always has the same predecessor.
            shuffle(order)
            for name in order:
                step = entries[name].step
                # What the predecessor left behind goes untimed: its reference cycles, cold caches.
                gc.collect()
                _seconds(step, 1 + loops[name] // WARM_UP_SHARE)
                seconds[name].append(_seconds(step, loops[name]))
    return {name: _summary(seconds[name], loops=loops[name], per=benchmark.per) for name in entries}


def _seconds(step: Callable[[], Any], loops: int) -> float:
    start = time.perf_counter()
    for _ in repeat(None, loops):
        step()
    return time.perf_counter() - start


def _loops(step: Callable[[], Any]) -> int:
    """How many calls fill one turn, by doubling until a count takes a measurable part of it."""
    loops = 1
    while (seconds := _seconds(step, loops)) < REPEAT_SECONDS / 2:
        loops *= 2
    return max(1, round(loops * REPEAT_SECONDS / seconds))


def _summary(seconds: Sequence[float], *, loops: int, per: int) -> Timing:
    lower, median, upper = (
        cut / (loops * per) for cut in statistics.quantiles(seconds, n=4, method="inclusive")
    )
    return Timing(median, lower, upper, rounds=len(seconds), loops=loops)


@contextmanager
def _quiet_collector() -> Iterator[None]:
    """No collection while timing. What exists already is frozen: collecting in between is cheap."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def _require_agreement(case: str, entries: Mapping[str, Entry]) -> None:
    """Run every step once and compare the answers with the first contestant's.

    An answer may leave out what comes last: a function alone gives a value, but no gradients.
    """
    answers = {}
    for name, entry in entries.items():
        try:
            answers[name] = [np.array(part) for part in entry.answer(entry.step())]
        except Exception as error:
            error.add_note(f"in benchmark {case!r}, contestant {name}")
            raise
    first, expected = next(iter(answers.items()))
    for name, answer in answers.items():
        if not 0 < len(answer) <= len(expected) or not all(map(_agree, answer, expected)):
            message = f"{case}: {name} computes {answer}, where {first} computes {expected}"
            raise DisagreementError(message)


def _agree(one: Array, other: Array) -> bool:
    tolerance = AGREEMENT[one.dtype]
    return (
        one.dtype == other.dtype
        and one.shape == other.shape
        and np.allclose(one, other, rtol=tolerance, atol=tolerance)
    )

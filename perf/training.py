"""One training step of a network: forward, cross entropy, backward, Adam.

Weights and data are the same for all; `perf.training_steps` writes the step library by library.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from perf.declare import Benchmark, Table
from perf.training_steps import STEPS, Network

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

NETWORKS = (
    Network(sizes=(64, 64, 10), batch=64),
    Network(sizes=(784, 256, 128, 10), batch=128, dtype="float32"),
)


def tables(contestants: Collection[str]) -> Iterator[Table]:
    """One table, a row a network."""
    yield Table("training", "step", "us", "a step of Adam", [*_benchmarks(contestants)])


def _benchmarks(contestants: Collection[str]) -> Iterator[Benchmark]:
    for network in NETWORKS:
        prepare = {name: partial(STEPS[name], network) for name in contestants}
        yield Benchmark(str(network), prepare)

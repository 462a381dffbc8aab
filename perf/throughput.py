"""What one element costs in arrays of 1e3, 1e5 and 1e6 float64: values, and values with gradients.

A thousand elements still show the cost of the call; a million show that of memory.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from perf import expressions
from perf.declare import Array, Benchmark, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from perf.contestants.contestant import Contestant
    from perf.expressions import Expression

SIZES = {"1e3": 1_000, "1e5": 100_000, "1e6": 1_000_000}

EXPRESSIONS = (expressions.EXP, expressions.TANH, expressions.SUM, expressions.MIXED)


def tables(contestants: Mapping[str, Contestant]) -> Iterator[Table]:
    """Values, then values with gradients."""
    of = "an element, float64"
    yield Table("throughput", "value", "ns", of, [*_values(contestants)])
    yield Table("throughput", "value and gradient", "ns", of, [*_gradients(contestants)])


def _values(contestants: Mapping[str, Contestant]) -> Iterator[Benchmark]:
    for case, expression, inputs in _cases():
        prepare = {
            name: partial(contestant.value, expression, inputs)
            for name, contestant in contestants.items()
        }
        yield Benchmark(case, prepare, per=inputs[0].size)


def _gradients(contestants: Mapping[str, Contestant]) -> Iterator[Benchmark]:
    for case, expression, inputs in _cases():
        seed = expression.seed(inputs)
        prepare = {
            name: partial(contestant.gradient, expression, inputs, seed)
            for name, contestant in contestants.items()
        }
        yield Benchmark(case, prepare, per=inputs[0].size)


def _cases() -> Iterator[tuple[str, Expression, list[Array]]]:
    for expression in EXPRESSIONS:
        for label, size in SIZES.items():
            yield f"{expression.name} {label}", expression, expression.inputs((size,))

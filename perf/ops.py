"""What one small op costs: forward, and forward with backward, at 8 float64 elements.

Nearly all of it is the library's own work around the arithmetic, which `numpy` shows.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from perf import expressions
from perf.declare import Benchmark, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from perf.contestants.contestant import Contestant

VECTOR, MATRIX = (8,), (8, 8)

CASES = (
    (expressions.ADD, VECTOR),
    (expressions.MUL, VECTOR),
    (expressions.DIV, VECTOR),
    (expressions.SQUARE, VECTOR),
    (expressions.EXP, VECTOR),
    (expressions.LOG, VECTOR),
    (expressions.TANH, VECTOR),
    (expressions.SIN, VECTOR),
    (expressions.SIGMOID, VECTOR),
    (expressions.RELU, VECTOR),
    (expressions.SUM, VECTOR),
    (expressions.MATMUL, MATRIX),
    (expressions.GETITEM, VECTOR),
    (expressions.RESHAPE, VECTOR),
    (expressions.CHAIN, VECTOR),
)


def tables(contestants: Mapping[str, Contestant]) -> Iterator[Table]:
    """Forward, then forward with backward."""
    of = "an op; 8 float64 elements, matmul 8x8"
    yield Table("ops", "forward", "us", of, [*_forward(contestants)])
    yield Table("ops", "forward+backward", "us", of, [*_forward_backward(contestants)])


def _forward(contestants: Mapping[str, Contestant]) -> Iterator[Benchmark]:
    for expression, shape in CASES:
        inputs = expression.inputs(shape)
        prepare = {
            name: partial(contestant.recorded, expression, inputs)
            for name, contestant in contestants.items()
        }
        yield Benchmark(expression.name, prepare, per=expression.operations)


def _forward_backward(contestants: Mapping[str, Contestant]) -> Iterator[Benchmark]:
    for expression, shape in CASES:
        inputs = expression.inputs(shape)
        seed = expression.seed(inputs)
        prepare = {
            name: partial(contestant.accumulate, expression, inputs, seed)
            for name, contestant in contestants.items()
        }
        yield Benchmark(expression.name, prepare, per=expression.operations)

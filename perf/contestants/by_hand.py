"""NumPy, with the gradients written by hand: what the arithmetic itself costs from Python."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from perf.contestants.contestant import Contestant
from perf.declare import Entry
from perf.expressions import NUMPY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perf.declare import Array
    from perf.expressions import Expression


class ByHand(Contestant):
    """NumPy."""

    namespace = NUMPY

    def value(self, expression: Expression, inputs: Sequence[Array]) -> Entry:
        """Call NumPy's functions."""
        step = partial(expression.call(self.namespace), *inputs)
        return Entry(step, answer=lambda value: [value])

    def recorded(self, expression: Expression, inputs: Sequence[Array]) -> Entry:
        """Call NumPy's functions; there is nothing to record."""
        return self.value(expression, inputs)

    def gradient(self, expression: Expression, inputs: Sequence[Array], seed: Array) -> Entry:
        """Run the derivative that comes with the expression."""
        step = partial(expression.by_hand, seed, *inputs)
        return Entry(step, answer=lambda value_and_gradients: value_and_gradients[1:])

    def accumulate(self, expression: Expression, inputs: Sequence[Array], seed: Array) -> Entry:
        """Run the derivative and add it to arrays that stay."""
        by_hand = expression.by_hand
        totals = [np.zeros_like(array) for array in inputs]

        def step() -> None:
            _, *gradients = by_hand(seed, *inputs)
            for total, gradient in zip(totals, gradients, strict=True):
                np.add(total, gradient, out=total)

        return Entry(step, answer=lambda _: totals)

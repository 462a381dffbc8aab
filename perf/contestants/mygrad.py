"""MyGrad."""

from __future__ import annotations

import importlib
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from perf.contestants.contestant import Contestant
from perf.declare import Entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perf.declare import Array
    from perf.expressions import Expression


class MyGrad(Contestant):
    """mygrad with its settings as they come, guard of memory included."""

    def __init__(self) -> None:
        self._mygrad = importlib.import_module("mygrad")
        activations = importlib.import_module("mygrad.nnet.activations")
        self.namespace = SimpleNamespace(
            **vars(self._mygrad), sigmoid=activations.sigmoid, relu=activations.relu
        )

    def value(self, expression: Expression, inputs: Sequence[Array]) -> Entry:
        """Call under `no_autodiff`."""
        function = self._mygrad.no_autodiff(expression.call(self.namespace))
        step = partial(function, *map(self._mygrad.tensor, inputs))
        return Entry(step, answer=lambda value: [value.data])

    def recorded(self, expression: Expression, inputs: Sequence[Array]) -> Entry:
        """Call on tensors."""
        step = partial(expression.call(self.namespace), *self._leaves(inputs))
        return Entry(step, answer=lambda value: [value.data])

    def gradient(self, expression: Expression, inputs: Sequence[Array], seed: Array) -> Entry:
        """Forward and backward; mygrad drops the gradients of before by itself."""
        function = expression.call(self.namespace)
        leaves = self._leaves(inputs)

        def step() -> None:
            function(*leaves).backward(seed)

        return Entry(step, answer=lambda _: [leaf.grad for leaf in leaves])

    def _leaves(self, inputs: Sequence[Array]) -> list[Any]:
        return [self._mygrad.tensor(array) for array in inputs]

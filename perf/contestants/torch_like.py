"""numgrad and PyTorch: the same code, with one name in place of the other."""

from __future__ import annotations

import importlib
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from perf.contestants.contestant import Contestant
from perf.declare import Entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perf.declare import Array
    from perf.expressions import Expression


class TorchLike(Contestant):
    """A library with the interface of PyTorch."""

    def __init__(self, name: str) -> None:
        self.namespace = importlib.import_module(name)
        if hasattr(self.namespace, "set_num_threads"):
            self.namespace.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

    def value(self, expression: Expression, inputs: Sequence[Array]) -> Entry:
        """Call on tensors that do not require gradients."""
        step = partial(expression.call(self.namespace), *map(self.namespace.tensor, inputs))
        return Entry(step, answer=lambda value: [value.numpy()])

    def recorded(self, expression: Expression, inputs: Sequence[Array]) -> Entry:
        """Call on leaves: the result holds its graph until it is dropped."""
        step = partial(expression.call(self.namespace), *self._leaves(inputs))
        return Entry(step, answer=lambda value: [value.detach().numpy()])

    def gradient(self, expression: Expression, inputs: Sequence[Array], seed: Array) -> Entry:
        """Drop the gradients of before, as `zero_grad` does, then forward and backward."""
        function = expression.call(self.namespace)
        leaves = self._leaves(inputs)
        cotangent = self.namespace.tensor(seed)

        def step() -> None:
            for leaf in leaves:
                leaf.grad = None
            function(*leaves).backward(cotangent)

        return Entry(step, answer=lambda _: [leaf.grad.numpy() for leaf in leaves])

    def accumulate(self, expression: Expression, inputs: Sequence[Array], seed: Array) -> Entry:
        """Forward and backward into the gradients that are there."""
        function = expression.call(self.namespace)
        leaves = self._leaves(inputs)
        cotangent = self.namespace.tensor(seed)

        def step() -> None:
            function(*leaves).backward(cotangent)

        return Entry(step, answer=lambda _: [leaf.grad.numpy() for leaf in leaves])

    def _leaves(self, inputs: Sequence[Array]) -> list[Any]:
        return [self.namespace.tensor(array, requires_grad=True) for array in inputs]

"""JAX, compiled by `jit`."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from perf.contestants.contestant import Contestant
from perf.declare import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perf.declare import Array
    from perf.expressions import Expression


class Jax(Contestant):
    """jax in float64: one compiled call a step, waited for."""

    def __init__(self) -> None:
        self._jax = importlib.import_module("jax")
        self._jax.config.update("jax_enable_x64", True)
        numpy = importlib.import_module("jax.numpy")
        self.namespace = SimpleNamespace(
            **vars(numpy), sigmoid=self._jax.nn.sigmoid, relu=self._jax.nn.relu
        )

    def value(self, expression: Expression, inputs: Sequence[Array]) -> Entry:
        """Call the compiled function."""
        step = self._compiled(expression.call(self.namespace), inputs)
        return Entry(step, answer=lambda value: [np.asarray(value)])

    def recorded(self, expression: Expression, inputs: Sequence[Array]) -> Entry:
        """Call the compiled function; jax records when it compiles, not when it runs."""
        return self.value(expression, inputs)

    def gradient(self, expression: Expression, inputs: Sequence[Array], seed: Array) -> Entry:
        """Call the compiled value and vjp."""
        function = expression.call(self.namespace)

        def value_and_vjp(g: Any, *arguments: Any) -> Any:
            value, vjp = self._jax.vjp(function, *arguments)
            return value, vjp(g)

        step = self._compiled(value_and_vjp, [seed, *inputs])
        return Entry(step, answer=lambda pair: [np.asarray(gradient) for gradient in pair[1]])

    def _compiled(self, function: Callable[..., Any], inputs: Sequence[Array]) -> Callable[[], Any]:
        # jit keeps a weak reference, which functions written in C do not have.
        compiled = self._jax.jit(lambda *arguments: function(*arguments))  # noqa: PLW0108
        arguments = [self._jax.device_put(array) for array in inputs]
        block_until_ready = self._jax.block_until_ready
        return lambda: block_until_ready(compiled(*arguments))

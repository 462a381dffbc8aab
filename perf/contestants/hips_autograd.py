"""HIPS autograd."""

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


class HipsAutograd(Contestant):
    """autograd, which wraps NumPy's functions and differentiates functions of arrays."""

    def __init__(self) -> None:
        self._autograd = importlib.import_module("autograd")
        self._core = importlib.import_module("autograd.core")
        self._tracer = importlib.import_module("autograd.tracer")
        numpy = importlib.import_module("autograd.numpy")
        self.namespace = SimpleNamespace(
            **vars(numpy),
            sigmoid=lambda x: 1.0 / (1.0 + numpy.exp(-x)),
            relu=lambda x: numpy.maximum(x, 0.0),
        )

    def value(self, expression: Expression, inputs: Sequence[Array]) -> Entry:
        """Call on arrays."""
        step = partial(expression.call(self.namespace), *inputs)
        return Entry(step, answer=lambda value: [value])

    def recorded(self, expression: Expression, inputs: Sequence[Array]) -> Entry:
        """Call on boxes, as `make_vjp` does."""
        with self._tracer.trace_stack.new_trace() as trace:
            boxes = [self._box(array, trace) for array in inputs]
        step = partial(expression.call(self.namespace), *boxes)
        return Entry(step, answer=lambda value: [value._value])  # noqa: SLF001 - no public name

    def gradient(self, expression: Expression, inputs: Sequence[Array], seed: Array) -> Entry:
        """Trace anew every time, as autograd does: `make_vjp`, then the vjp."""
        several = len(inputs) > 1
        # Several arguments are named by a tuple, and their gradients come as one.
        positions = tuple(range(len(inputs))) if several else 0
        make_vjp = self._autograd.make_vjp(expression.call(self.namespace), positions)

        def step() -> Any:
            vjp, _ = make_vjp(*inputs)
            return vjp(seed)

        return Entry(step, answer=lambda gradients: gradients if several else [gradients])

    def _box(self, array: Array, trace: int) -> Any:
        return self._tracer.new_box(array, trace, self._core.VJPNode.new_root())

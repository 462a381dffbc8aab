"""What every contestant can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perf.declare import Array, Entry
    from perf.expressions import Expression


class Contestant(ABC):
    """One library, used as its own documentation uses it.

    `namespace` is where expressions find its functions by NumPy's names (and `sigmoid`, `relu`).
    """

    namespace: Any

    @abstractmethod
    def value(self, expression: Expression, inputs: Sequence[Array]) -> Entry:
        """The value alone, nothing recorded for a gradient."""

    @abstractmethod
    def recorded(self, expression: Expression, inputs: Sequence[Array]) -> Entry:
        """The forward half of a gradient: the value, recorded where the library records."""

    @abstractmethod
    def gradient(self, expression: Expression, inputs: Sequence[Array], seed: Array) -> Entry:
        """The value and a fresh vjp of `seed` for every input."""

    def accumulate(self, expression: Expression, inputs: Sequence[Array], seed: Array) -> Entry:
        """As `gradient`, added to the gradients of before by libraries that do so."""
        return self.gradient(expression, inputs, seed)

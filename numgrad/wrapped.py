"""Wrapped tensors: what transforms hand to the functions that they transform.

They are tensors of a class of their own, so that the fast paths of ops, which ask for `Tensor`
itself, pass them on to the general ones, and these hand the op over here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from numgrad.op import Elementwise
from numgrad.tensor import Tensor
from numgrad.value import lift

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numgrad.op import Structural
    from numgrad.tape import Edge


_NUMBERS = frozenset({float, int, bool})


class Wrapped(Tensor):
    """A tensor that carries more than its array: a tangent, or a batch that is not seen."""

    __slots__ = ()

    # Which wrapped argument of an op takes the op over: that of the highest rank.
    rank = 0

    @property
    def hidden(self) -> int:
        """How many leading dimensions of the array are not seen from outside."""
        return 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Its extents, as a tuple."""
        shape: tuple[int, ...] = self.array.shape[self.hidden :]
        return shape

    @property
    def ndim(self) -> int:
        """How many dimensions it has."""
        return self.array.ndim - self.hidden

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.numel() * self.array.itemsize

    def size(self, dim: int | None = None) -> Any:
        """Return its extents, or that of one dimension."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """Return how many dimensions it has."""
        return self.ndim

    def numel(self) -> int:
        """Return how many elements it has."""
        return math.prod(self.shape)

    nelement = numel

    def __len__(self) -> int:
        if not self.ndim:
            message = "len() of a 0-d tensor: it has no dimensions."
            raise TypeError(message)
        return self.shape[0]

    def __iter__(self) -> Any:
        return (self[k] for k in range(len(self)))

    def settled(self) -> Tensor:
        """Return what is left of it where its transform has ended."""
        return self

    def apply(
        self, op: Elementwise | Structural, args: tuple[Any, ...], metadata: dict[str, Any]
    ) -> Any:
        """Run an op of which this is the argument of the highest rank."""
        raise NotImplementedError

    def pulled(self, plan: Any, values: dict[str, Any]) -> dict[int, Any] | None:
        """Run the fused vjp kernels of an elementwise op where this is the highest of `values`.

        None where the op's expressions have to be evaluated instead.
        """
        raise NotImplementedError

    def mapped(self, function: Callable[[Any], Any]) -> Tensor:
        """Apply a linear map to its parts."""
        raise NotImplementedError

    def with_edge(self, edge: Edge) -> Tensor:
        """Return it with the history that it had when it was saved."""
        raise NotImplementedError

    def as_output(self, edge: Any) -> Tensor:
        """Return it, saved without history, as a result of the node that saved it."""
        raise NotImplementedError


def apply(op: Elementwise | Structural, args: tuple[Any, ...], metadata: dict[str, Any]) -> Any:
    """Run an op with wrapped tensors among its arguments."""
    numbers = isinstance(op, Elementwise)
    args = tuple(
        [
            a.settled()
            if isinstance(a, Wrapped)
            else a
            if type(a) is Tensor or (numbers and type(a) in _NUMBERS)
            else lift(a, op.name)
            for a in args
        ]
    )
    top = highest(args)
    if top is None:
        return op.eager(*args, **metadata)
    return top.apply(op, args, metadata)


def highest(values: Iterable[Any]) -> Wrapped | None:
    """Return the wrapped tensor of the highest rank."""
    top: Wrapped | None = None
    for v in values:
        if isinstance(v, Wrapped) and (top is None or v.rank > top.rank):
            top = v
    return top

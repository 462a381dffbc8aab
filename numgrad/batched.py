"""Batched tensors: tensors of one shape, one for each item of a batch, seen as one of them.

The array has a dimension for each batch in front, which nobody sees: shapes, dimensions and
indices are those of one item. An op on them runs one kernel on all items. Where all items are the
same, the hidden dimension has extent 1; so what the items share is computed once.

A node that is recorded here has batched inputs, results and cotangents, and its vjp rule sees
single items, too. Tensors from outside of the batch come in by `enter`, whose vjp sums over it.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from numgrad.modes import modes
from numgrad.programs import staged
from numgrad.tensor import Tensor, alias
from numgrad.wrapped import Wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numgrad.tape import Edge

_numbers = itertools.count(1)


class Batch:
    """A batch that is mapped over: its size, and what random numbers do in it."""

    __slots__ = ("number", "randomness", "size")

    def __init__(self, size: int, randomness: str = "error") -> None:
        self.number = next(_numbers)
        self.size = size
        self.randomness = randomness

    def __lt__(self, other: Batch) -> bool:
        return self.number < other.number


Batches = tuple[Batch, ...]


class Batched(Wrapped):
    """A tensor for each item of one or more batches."""

    # All is in `__dict__`, as for any tensor.
    __slots__ = ()

    # In the order of the hidden dimensions.
    batches: Batches

    @property
    def hidden(self) -> int:
        """How many leading dimensions of the array are not seen from outside."""
        return len(self.batches)

    def joined(self, x: Any) -> Tensor:
        """Another tensor, in the batches of this one; see numgrad.batch_ops."""
        raise NotImplementedError

    def with_array(self, array: Any) -> Batched:
        """Another array in the same batches."""
        return batched(array, self.batches)

    def detach(self) -> Tensor:
        """Return a tensor of the same memory and version counter, without history."""
        return batched(self.array, self.batches)

    def pulled(self, plan: Any, values: dict[str, Any]) -> dict[int, Any] | None:
        """Run the fused vjp kernels of an elementwise op on all items."""
        batches = union(tuple(values.values()), {})
        operands = for_elements(values.values(), batches)
        g, *others = operands
        rank = values["g"].ndim
        if any(4 * getattr(a, "size", 1) > g.size for a in others):
            arrays = plan.on_arrays(*operands)
        else:
            environment = dict(zip(values, operands, strict=True))
            strict = modes().strict_ieee
            arrays = {
                k: np.asarray(staged(plan.op, k, plan.code, strict)[0](environment))
                for k in plan.needs
                if plan.op.gradients(strict=strict)[k] is not None
            }
            arrays = {k: a if a.ndim else np.full(g.shape, a, g.dtype) for k, a in arrays.items()}
        return {k: shown(a, batches, rank) for k, a in arrays.items()}

    def with_edge(self, edge: Edge) -> Tensor:
        """Return it with the history that it had when it was saved."""
        return self if self._edge is edge else self.as_output(edge)

    def as_output(self, edge: Any) -> Tensor:
        """Return it, saved without history, as a result of the node that saved it."""
        t = batched(self.array, self.batches)
        t._counter = self._counter
        t._edge = edge
        return t

    def __repr__(self) -> str:
        sizes = ", ".join(str(b.size) for b in self.batches)
        return f"batched(shape={self.shape}, dtype={self.dtype}, batch=({sizes}))"

    def __format__(self, spec: str) -> str:
        return repr(self)

    def _refuse(self, name: str) -> NoReturn:
        message = (
            f"{name} of a tensor inside vmap() would have one value for each item of the batch:"
            " choose with where() instead of if, and leave numbers tensors."
        )
        raise RuntimeError(message)

    def item(self) -> Any:
        """Raise RuntimeError: there is no single value."""
        self._refuse("item()")

    def tolist(self) -> Any:
        """Raise RuntimeError: there is no single value."""
        self._refuse("tolist()")

    def numpy(self, *, force: bool = False) -> Any:  # noqa: ARG002 - as Tensor has it
        """Raise RuntimeError: there is no single array."""
        self._refuse("numpy()")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        self._refuse("the array")

    def __bool__(self) -> bool:  # noqa: PLE0304 - it always raises
        self._refuse("the truth")

    def __float__(self) -> float:
        self._refuse("float()")

    def __int__(self) -> int:
        self._refuse("int()")

    def __complex__(self) -> complex:
        self._refuse("complex()")

    def __index__(self) -> int:  # noqa: PLE0305 - it always raises
        self._refuse("the index")


def batched(array: Any, batches: Batches) -> Batched:
    """Make a batched tensor of an array as it is, without history."""
    t = Batched.__new__(Batched)
    t.array = array
    t.batches = batches
    t._edge = None
    t._wants = False
    t._counter = None
    return t


def union(args: tuple[Any, ...], metadata: dict[str, Any]) -> Batches:
    """All batches that arguments and metadata are in, in order."""
    found: set[Batch] = set()
    values = [*args]
    for value in metadata.values():
        values.extend(value if type(value) is tuple else (value,))
    for a in values:
        if isinstance(a, Batched):
            found.update(a.batches)
    return tuple(sorted(found))


def physical(a: Any, batches: Batches) -> Any:
    """The array of a tensor with a hidden dimension for each of the batches."""
    own = a.batches if isinstance(a, Batched) else ()
    array = a.array
    if own == batches:
        return array
    extents = dict(zip(own, array.shape, strict=False))
    return array.reshape(tuple(extents.get(b, 1) for b in batches) + array.shape[len(own) :])


def for_elements(args: Iterable[Any], batches: Batches) -> list[Any]:
    """Arrays that broadcast as the tensors do, with hidden dimensions in front."""
    args = list(args)
    rank = max(a.ndim for a in args if isinstance(a, Tensor))
    depth = len(batches)
    operands = []
    for a in args:
        if not isinstance(a, Batched):
            operands.append(a.array if isinstance(a, Tensor) else a)
            continue
        array = physical(a, batches)
        if array.ndim - depth < rank:
            ones = (1,) * (rank + depth - array.ndim)
            array = array.reshape(array.shape[:depth] + ones + array.shape[depth:])
        operands.append(array)
    return operands


def on_elements(function: Callable[..., Any], args: Iterable[Any], rank: int) -> Tensor:
    """Call a function that works element by element on the arrays of plain and batched tensors.

    `rank` is the number of dimensions that the result is seen to have.
    """
    args = list(args)
    batches = union(tuple(args), {})
    if not batches:
        arrays = [a.array if isinstance(a, Tensor) else a for a in args]
        return alias(np.asarray(function(*arrays)), None)
    array = np.asarray(function(*for_elements(args, batches)))
    return shown(array, batches, rank)


def shown(array: Any, batches: Batches, rank: int) -> Tensor:
    """A batched tensor of an array, which may lack the hidden dimensions."""
    missing = len(batches) + rank - array.ndim
    if missing:  # what it was computed of has fewer dimensions, or is in no batch
        array = array.reshape((1,) * missing + array.shape)
    return batched(array, batches)

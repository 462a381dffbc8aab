"""Compiled functions over a batch: one compiled loop, in the threads of the pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numgrad.adjoint import tensors
from numgrad.adjoint.batch_loop import Loop
from numgrad.adjoint.fronts import Shape, Static, TupleType
from numgrad.adjoint.function import Compiled, Function, derived_for, python_function
from numgrad.adjoint.ir import Array, Block, Procedure, Scalar
from numgrad.adjoint.lowering import flatten
from numgrad.adjoint.signature import floats, shape_of_value
from numgrad.adjoint.transforms import Pullback, positions
from numgrad.adjoint.writing import Derived

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Mapped:
    """A compiled function over the leading axis of some of its arguments.

    Arguments and results are seen as the numbers and arrays in them: `mapped` says which of the
    arguments have a value for each item, `summed` which of the results are summed over the items.
    """

    def __init__(
        self, function: Any, mapped: tuple[bool, ...], summed: tuple[bool, ...] | None = None
    ) -> None:
        self.function = function
        self.mapped = mapped
        self.summed = summed
        self.argnums: tuple[int, ...] = ()
        self.__name__ = f"vmap_{function.__name__}"
        self.loops: dict[Any, Loop] = {}
        self.pullbacks: dict[Any, Mapped] = {}

    def __call__(self, *args: Any) -> Any:
        """Call with arguments that have the batch in front."""
        return tensors.call(self, args) if tensors.holds_tensor(args) else self.plain(*args)

    def derived(self, shapes: tuple[Shape, ...]) -> Derived:
        """The types of what it takes and gives; there is no procedure."""
        inner = self.inner(shapes)
        sums = iter(self.sums(inner.result))
        empty = Procedure(self.__name__, [], Block(), [])
        return Derived(empty, shapes, _with_axis(inner.result, sums))

    def pullback(
        self, argnums: tuple[int, ...], shapes: tuple[Shape, ...], result: Shape
    ) -> Mapped:
        """The function of seeds, then of the arguments, that gives their derivatives."""
        key = argnums, shapes
        if key not in self.pullbacks:
            sums = self.sums(result)
            seeds = tuple(
                not on for on, is_float in zip(sums, floats(result), strict=True) if is_float
            )
            leaves = positions(shapes, argnums)
            f = self.function
            known = f if isinstance(f, Compiled) else Function(python_function(f), {})
            self.pullbacks[key] = pulled = Mapped(
                Pullback(known, argnums, value=False),
                (*seeds, *self.mapped),
                tuple(not self.mapped[k] for k in leaves),
            )
            pulled.argnums = argnums
        return self.pullbacks[key]

    def plain(self, *args: Any) -> Any:
        """Call with plain numbers and arrays."""
        shapes = tuple(shape_of_value(a, self.__name__, k) for k, a in enumerate(args))
        if shapes not in self.loops:
            inner = self.inner(shapes)
            self.loops[shapes] = Loop(inner, self.mapped, self.sums(inner.result))
        loop = self.loops[shapes]
        leaves = [
            leaf for a, s in zip(args, shapes, strict=True) for leaf in _numbers_and_arrays(a, s)
        ]
        return tensors.pack(iter(loop.run(leaves)), loop.inner.result)

    def inner(self, shapes: Sequence[Shape]) -> Derived:
        """What is derived from the function for the arguments of one item."""
        flags = iter(self.mapped)
        items = tuple(_without_axis(s, flags) for s in shapes)
        f = self.function
        return derived_for(f if isinstance(f, Compiled) else python_function(f), items)

    def sums(self, result: Shape) -> tuple[bool, ...]:
        """For each number and array of the result, whether it is summed."""
        return self.summed or (False,) * len(flatten(result))


def _without_axis(shape: Shape, flags: Iterator[bool]) -> Shape:
    """The type of an item of an argument of this type."""
    if isinstance(shape, TupleType):
        return TupleType(tuple(_without_axis(i, flags) for i in shape.items), shape.cls)
    if isinstance(shape, Static) or not next(flags):
        return shape
    if not isinstance(shape, Array):
        raise ValueError(
            f"vmap() maps over arrays, got {shape}: None in in_dims says that an argument is the"
            " same for all items."
        )
    return Array(shape.code, shape.ndim - 1) if shape.ndim > 1 else Scalar(shape.code)


def _with_axis(shape: Shape, sums: Iterator[bool]) -> Shape:
    """The type of the results of all items."""
    if isinstance(shape, TupleType):
        return TupleType(tuple(_with_axis(i, sums) for i in shape.items), shape.cls)
    if isinstance(shape, Static) or next(sums):
        return shape
    return Array(shape.code, getattr(shape, "ndim", 0) + 1)


def _numbers_and_arrays(value: Any, shape: Shape) -> list[Any]:
    if isinstance(shape, TupleType):
        return [
            leaf
            for v, s in zip(value, shape.items, strict=True)
            for leaf in _numbers_and_arrays(v, s)
        ]
    return [] if isinstance(shape, Static) else [value]

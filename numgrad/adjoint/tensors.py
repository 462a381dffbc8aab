"""Compiled functions of tensors: a call is one op, the derivatives of which are such ops again."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import record
from numgrad.adjoint.fronts import Shape, Static, TupleType
from numgrad.adjoint.ir import Array
from numgrad.adjoint.signature import floats, shape_of_value
from numgrad.op import Structural
from numgrad.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@dataclass(frozen=True)
class Slot:
    """The place of a tensor among the arguments."""

    number: int


@dataclass
class Program:
    """A compiled function with its arguments, in which slots stand for tensors."""

    function: Any
    template: tuple[Any, ...]
    inputs: int
    result: Shape = field(default_factory=lambda: Static(None))
    writes: frozenset[int] = frozenset()
    shapes: tuple[tuple[int, ...], ...] = ()
    arguments: tuple[Shape, ...] = ()

    def run(self, arrays: Sequence[Any]) -> Any:
        """Call the function on arrays; give the arrays of its results."""
        written = {s.number for k, s in enumerate(_slots(self.template)) if k in self.writes}
        given = [np.array(a) if k in written else a for k, a in enumerate(arrays)]
        results = [np.asarray(r) for r in _flat(self.function.plain(*_fill(self.template, given)))]
        self.shapes = tuple(r.shape for r in results)
        return tuple(results) if len(results) > 1 else results[0]

    def prepare(self, tensors: Sequence[Any]) -> None:
        """Find the type of the result."""
        # Tensors in a batch have the shape of an item.
        arrays = [np.empty((0,) * len(t.shape), t.dtype) for t in tensors]
        args = _fill(self.template, arrays)
        name = self.function.__name__
        shapes = tuple(shape_of_value(a, name, k) for k, a in enumerate(args))
        self.arguments = shapes
        derived = self.function.derived(shapes)
        self.result = derived.result
        self.writes = _leaf_positions(self.template, shapes, derived.procedure.writes)

    def pull(self, needs: Sequence[bool], given: Sequence[bool]) -> Program:
        """The program of the derivatives to the inputs that need one: of seeds, then inputs."""
        from numgrad.adjoint.transforms import Pullback

        seeds = iter(range(sum(given)))
        on = iter(given)
        seed = _seed(self.result, seeds, on)
        argnums = tuple(
            k
            for k, part in enumerate(self.template)
            if any(needs[s.number] for s in _slots((part,)))
        )
        count = sum(given)
        moved = _shifted(self.template, count)
        own = getattr(self.function, "pullback", None)
        if own is not None:
            function = own(argnums, self.arguments, self.result)
        else:
            function = _pullback(Pullback, self.function, argnums)
        return Program(function, (seed, *moved), self.inputs + count)


@functools.lru_cache(maxsize=256)
def _pullback(make: Callable[..., Any], function: Any, argnums: tuple[int, ...]) -> Any:
    return make(function, argnums, value=False)


def _seed(result: Shape, numbers: Iterator[int], given: Iterator[bool]) -> Any:
    """The seed like a result: a slot for each float, None for the rest."""
    if isinstance(result, TupleType):
        items = [_seed(i, numbers, given) for i in result.items]
        return tuple(items) if result.cls is None else result.cls(*items)
    if isinstance(result, Static):
        return None
    on = next(given)
    return Slot(next(numbers)) if on and any(floats(result)) else None


def call(function: Any, args: tuple[Any, ...]) -> Any:
    """Call a compiled function on arguments among which there are tensors."""
    tensors: list[Tensor] = []
    template = tuple(_template(a, tensors) for a in args)
    program = Program(function, template, len(tensors))
    program.prepare(tensors)
    results = apply(program, tensors)
    return pack(iter(results), program.result)


def apply(program: Program, inputs: Sequence[Any]) -> tuple[Any, ...]:
    """Run a program on tensors or arrays."""
    outputs = _count(program.result)
    results = _op(program.function.__name__, len(inputs), outputs)(*inputs, program=program)
    return results if isinstance(results, tuple) else (results,)


@functools.cache
def _op(name: str, inputs: int, outputs: int) -> Structural:
    """The op of all compiled functions of a name with so many inputs and results."""
    names = [f"x{k}" for k in range(inputs)]

    def kernel(*arrays: Any, program: Program) -> Any:
        return program.run(arrays)

    def rule(g: Any, *arrays: Any, program: Program, needs: Any) -> Any:
        return _rule(g, arrays, program, needs)

    kernel.__name__ = "".join(c if c.isalnum() else "_" for c in name) or "compiled"
    kernel.__signature__ = _signature(names, ["program"])  # type: ignore[attr-defined]
    rule.__signature__ = _signature(["g", *names], ["program", "needs"])  # type: ignore[attr-defined]
    op = Structural(kernel, outputs=outputs)
    op.vjp()(rule)
    op.run_by(record.structural(op))
    return op


def _signature(names: Sequence[str], keywords: Sequence[str]) -> inspect.Signature:
    kinds = inspect.Parameter
    return inspect.Signature(
        [
            *(kinds(n, kinds.POSITIONAL_OR_KEYWORD) for n in names),
            *(kinds(n, kinds.KEYWORD_ONLY) for n in keywords),
        ]
    )


def _rule(g: Any, arrays: Sequence[Any], program: Program, needs: Sequence[bool]) -> Any:
    """The derivatives to all inputs; None where none is needed."""
    parts = g if isinstance(g, tuple) else (g,)
    is_float = floats(program.result)
    seeds = [
        np.zeros(shape) if each is None else each
        for each, shape, on in zip(parts, program.shapes, is_float, strict=True)
        if on
    ]
    pull = program.pull(needs, is_float)
    pull.prepare([*seeds, *arrays])
    results = iter(apply(pull, [*seeds, *arrays]))
    argnums = pull.function.argnums
    found: dict[int, Any] = {}
    for k in argnums:
        for leaf in _leaves(program.template[k]):
            is_slot = isinstance(leaf, Slot)
            if is_slot or isinstance(leaf, (float, np.floating)) or _is_float_array(leaf):
                value = next(results)
                if is_slot:
                    known = found.get(leaf.number)
                    found[leaf.number] = value if known is None else known + value
    return tuple(found.get(k) if need else None for k, need in enumerate(needs))


def _is_float_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _template(value: Any, tensors: list[Tensor]) -> Any:
    """An argument with slots for tensors; integer tensors are constants."""
    if isinstance(value, Tensor):
        if value.dtype.kind != "f":
            return value.array if value.ndim else value.array.item()
        tensors.append(value)
        return Slot(len(tensors) - 1)
    if isinstance(value, tuple):
        items = [_template(v, tensors) for v in value]
        return tuple(items) if type(value) is tuple else type(value)(*items)
    return value


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, tuple):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value]


def _slots(value: Any) -> list[Slot]:
    return [leaf for leaf in _leaves(value) if isinstance(leaf, Slot)]


def _leaf_positions(
    template: Any, shapes: Sequence[Shape], writes: frozenset[int]
) -> frozenset[int]:
    """Which slots a function writes to, by their order among the slots."""
    if not writes:
        return frozenset()
    leaves = list(_leaves(template))
    kinds = [f for shape in shapes for f in _kinds(shape)]
    numbered = [leaf for leaf, kind in zip(leaves, kinds, strict=True) if kind]
    slots = [leaf for leaf in leaves if isinstance(leaf, Slot)]
    written = {id(numbered[k]) for k in writes}
    return frozenset(k for k, slot in enumerate(slots) if id(slot) in written)


def _kinds(shape: Shape) -> list[bool]:
    """For each leaf, whether it is a number or an array."""
    if isinstance(shape, TupleType):
        return [k for item in shape.items for k in _kinds(item)]
    return [not isinstance(shape, Static)]


def _fill(template: Any, arrays: Sequence[Any]) -> Any:
    """The arguments, with arrays for slots; a 0-d array is a number."""
    if isinstance(template, Slot):
        array = arrays[template.number]
        return array if array.ndim else array[()]
    if isinstance(template, tuple):
        items = [_fill(t, arrays) for t in template]
        return tuple(items) if type(template) is tuple else type(template)(*items)
    return template


def _shifted(template: Any, by: int) -> Any:
    if isinstance(template, Slot):
        return Slot(template.number + by)
    if isinstance(template, tuple):
        items = [_shifted(t, by) for t in template]
        return tuple(items) if type(template) is tuple else type(template)(*items)
    return template


def _flat(value: Any) -> list[Any]:
    if isinstance(value, tuple):
        return [leaf for item in value for leaf in _flat(item)]
    return [] if value is None else [value]


def _count(shape: Shape) -> int:
    if isinstance(shape, TupleType):
        return sum(map(_count, shape.items))
    return 0 if isinstance(shape, Static) else 1


def pack(results: Iterator[Any], shape: Shape) -> Any:
    """Put flat results together as the type says."""
    if isinstance(shape, TupleType):
        items = [pack(results, i) for i in shape.items]
        return tuple(items) if shape.cls is None else shape.cls(*items)
    return None if isinstance(shape, Static) else next(results)


def holds_tensor(args: tuple[Any, ...]) -> bool:
    """Whether there is a tensor among arguments, or in a tuple among them."""
    return any(isinstance(a, Tensor) or (isinstance(a, tuple) and holds_tensor(a)) for a in args)


__all__ = ["Array", "call", "holds_tensor"]

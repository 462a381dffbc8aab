"""Gradients, products with seeds, Jacobians: functions derived from compiled functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numgrad.adjoint import derive, tensors
from numgrad.adjoint.binding import behind, signature_of
from numgrad.adjoint.fronts import Shape, Static, TupleType
from numgrad.adjoint.function import Compiled, derived_for, python_function
from numgrad.adjoint.ir import F8, Array, Scalar
from numgrad.adjoint.signature import floats
from numgrad.adjoint.writing import Derived

if TYPE_CHECKING:
    from collections.abc import Sequence


Argnums = int | tuple[int, ...] | None


class Transformed(Compiled):
    """What is derived from a function by differentiating it in some of its arguments."""

    def __init__(self, f: Any, argnums: Argnums) -> None:
        self.function: Any
        if isinstance(f, Compiled):
            self.function, self.signature = f, f.signature
        else:
            self.function = python_function(f)
            self.signature = signature_of(self.function)
        self.argnums = argnums
        self.__name__ = self.name = f"{self.function.__name__}_{type(self).__name__.lower()}"
        self.__doc__ = f"The {self.name}."

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """Call with numbers and arrays."""
        entry = None if keywords else self.ready(args)
        if entry is not None:
            return entry(*args)
        args = self.bound(args, keywords)
        return tensors.call(self, args) if tensors.holds_tensor(args) else self.run(*args)

    def wrt(self, shapes: Sequence[Shape]) -> tuple[int, ...]:
        """The arguments that are differentiated, by position.

        Raises:
            TypeError: one is not of floats.
            IndexError: there is no such argument.
        """
        if self.argnums is None:
            return tuple(k for k, s in enumerate(shapes) if any(floats(s)))
        wanted = self.argnums if isinstance(self.argnums, tuple) else (self.argnums,)
        out = []
        for k in wanted:
            if not -len(shapes) <= k < len(shapes):
                raise IndexError(
                    f"argnums {k} is out of range: {self.function.__name__}() got"
                    f" {len(shapes)} arguments."
                )
            if not any(floats(shapes[k])):
                raise TypeError(
                    f"{self.function.__name__}() cannot be differentiated in argument {k}, which"
                    f" is {describe(shapes[k])}: pass a float, or choose others with argnums."
                )
            out.append(k % len(shapes))
        return tuple(out)


def describe(shape: Shape) -> str:
    """A type, for messages."""
    if isinstance(shape, Static):
        return f"{shape.value!r}"
    return "a tuple" if isinstance(shape, TupleType) else str(shape)


def positions(shapes: Sequence[Shape], chosen: Sequence[int]) -> list[int]:
    """The numbers and arrays of floats in the chosen arguments, by their position among all."""
    starts, total = [], 0
    for shape in shapes:
        starts.append(total)
        total += len(floats(shape))
    return [starts[k] + j for k in chosen for j, float_ in enumerate(floats(shapes[k])) if float_]


def derivative_shape(shape: Shape) -> Shape:
    """The type of the derivative with respect to a value of this type."""
    if isinstance(shape, TupleType):
        return TupleType(tuple(derivative_shape(i) for i in shape.items), shape.cls)
    if isinstance(shape, Static) or not any(floats(shape)):
        return Static(None)
    return shape if isinstance(shape, Array) else F8


class Gradient(Transformed):
    """The gradient of a function with one number as result; with the value where `value`."""

    def __init__(self, f: Any, argnums: Argnums, *, value: bool, has_aux: bool) -> None:
        super().__init__(f, argnums)
        self.value = value
        self.has_aux = has_aux

    def derive(self, shapes: tuple[Shape, ...], groups: tuple[int, ...] | None) -> Derived:
        """Both ways in one procedure."""
        entry = derived_for(self.function, tuple(shapes), groups)
        result = entry.result
        if self.has_aux and isinstance(result, TupleType) and len(result.items) == 2:
            head = result.items[0]
        else:
            head = result
        if not (isinstance(head, Scalar) and head.code in {"f8", "f4"}):
            raise TypeError(
                "the gradient needs a function with one float as result,"
                f" {self.function.__name__}() gives {describe(head)}:"
                " use numgrad.vjp with a seed, or numgrad.jacobian."
            )
        chosen = self.wrt(shapes)
        aux = self.has_aux and not self.value
        procedure = derive.gradient(
            entry.procedure,
            positions(shapes, chosen),
            derive.Variants(),
            seeded=[0],
            seeds=False,
            value=self.value or aux,
            name=f"{entry.procedure.name}_gradient",
        )
        gradients = [derivative_shape(shapes[k]) for k in chosen]
        single = not isinstance(self.argnums, tuple) and len(gradients) == 1
        gradient: Shape = gradients[0] if single else TupleType(tuple(gradients))
        if aux:
            procedure.results = procedure.results[1:]
            assert isinstance(result, TupleType)
            order = len(procedure.results) - sum(len(floats(g)) for g in gradients)
            procedure.results = procedure.results[order:] + procedure.results[:order]
            return Derived(procedure, shapes, TupleType((gradient, result.items[1])))
        whole = TupleType((result, gradient)) if self.value else gradient
        return Derived(procedure, shapes, whole)


class Pullback(Transformed):
    """The product of a seed for the results with the Jacobian: `h(seed, *args)`."""

    def __init__(self, f: Any, argnums: Argnums, *, value: bool = True) -> None:
        super().__init__(f, argnums)
        self.value = value
        self.signature = behind("seed", self.signature)

    def derive(self, shapes: tuple[Shape, ...], groups: tuple[int, ...] | None) -> Derived:
        """Both ways in one procedure, with seeds as parameters."""
        seed, *rest = shapes
        own = None if groups is None else _without(groups, len(floats(seed)))
        entry = derived_for(self.function, tuple(rest), own)
        wanted = derivative_shape(entry.result)
        check_seed(self.function.__name__, wanted, seed)
        chosen = self.wrt(rest)
        seeded = [k for k, on in enumerate(floats(entry.result)) if on]
        procedure = derive.gradient(
            entry.procedure,
            positions(rest, chosen),
            derive.Variants(),
            seeded=seeded,
            seeds=True,
            value=self.value,
            name=f"{entry.procedure.name}_pullback",
        )
        count = len(seeded)
        last = len(procedure.params) - count
        moved = {k: (k + count) % len(procedure.params) for k in range(len(procedure.params))}
        procedure.params = [*procedure.params[last:], *procedure.params[:last]]
        procedure.writes = frozenset(moved[k] for k in procedure.writes)
        procedure.groups = groups or ()
        gradients = [derivative_shape(rest[k]) for k in chosen]
        single = isinstance(self.argnums, int)
        gradient: Shape = gradients[0] if single else TupleType(tuple(gradients))
        whole = TupleType((entry.result, gradient)) if self.value else gradient
        return Derived(procedure, shapes, whole)


def _without(groups: tuple[int, ...], count: int) -> tuple[int, ...]:
    """The groups of the arguments behind the first `count`."""
    return tuple(g - count if g >= count else k for k, g in enumerate(groups[count:]))


def check_seed(name: str, wanted: Shape, seed: Shape) -> None:
    """Raise TypeError for a seed that is not like the float results."""
    if isinstance(wanted, TupleType) and isinstance(seed, TupleType):
        if len(wanted.items) == len(seed.items):
            for w, s in zip(wanted.items, seed.items, strict=True):
                check_seed(name, w, s)
            return
    elif isinstance(wanted, Static):
        return
    elif isinstance(wanted, Array):
        if isinstance(seed, Array) and seed.ndim == wanted.ndim and any(floats(seed)):
            return
    elif isinstance(seed, Scalar) and seed.code in {"f8", "f4"}:
        return
    raise TypeError(
        f"the seed for {name}() has to be like its result, {describe(wanted)}, got"
        f" {describe(seed)}: pass floats and arrays of the result's shape."
    )


def adjoint(f: Any, shapes: tuple[Shape, ...]) -> Derived:
    """The gradient by all arguments of floats; of other results than one float, with seeds.

    Raises:
        TypeError: there is no float among the arguments, or among the results.
    """
    name = f.__name__
    if not any(any(floats(s)) for s in shapes):
        raise TypeError(f"{name}() has no argument of floats: there is nothing to differentiate.")
    result = derived_for(python_function(f), shapes).result
    if not any(floats(result)):
        raise TypeError(f"{name}() gives {describe(result)}: only floats can be differentiated.")
    if isinstance(result, Scalar):
        return Gradient(f, None, value=False, has_aux=False).derived_once(shapes, None)
    return Pullback(f, None).derived_once((derivative_shape(result), *shapes), None)

"""What generated code runs on, and where Numba meets the package: the only module to import it.

Nothing imports this module but code that is about to compile.
"""

from __future__ import annotations

import functools
import math
import sys
import types as types_of_python
from typing import Any

import numba
import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import registry
from numba.extending import intrinsic, overload

from numgrad.adjoint import arena as arenas
from numgrad.adjoint import disk
from numgrad.adjoint.fronts import Shape, Static, TupleType
from numgrad.adjoint.ir import B1, F4, F8, I8, Array
from numgrad.adjoint.signature import code_of_dtype, shape_of_value
from numgrad.kernels import build, intrinsics, scalar
from numgrad.kernels.jit import LOOP, f8, inline
from numgrad.kernels.vecmath import trigonometric

# All names that the templates of ops use; some have a form of their own below.
exec(build.PRELUDE, globals())

# Beyond this the circular functions that vectorise are not right, in either dtype.
_LIMIT = trigonometric.LIMIT_f4

FLAGS = {"error_model": "numpy", "nogil": True}


def njit(function: Any, **options: Any) -> Any:
    """Compile a function of the user."""
    return numba.njit(**options)(function)


@inline
def u(i: Any) -> Any:
    """An index that is not negative: Numba need not ask whether to wrap it around."""
    return np.uint64(i)


@inline
def maximum(x: Any, y: Any) -> Any:
    """The larger; nan if either is."""
    return intrinsics.maximum(f8(x), f8(y))


@inline
def minimum(x: Any, y: Any) -> Any:
    """The smaller; nan if either is."""
    return intrinsics.minimum(f8(x), f8(y))


@inline
def copysign(x: Any, y: Any) -> Any:
    """x with the sign of y."""
    return intrinsics.copysign(f8(x), f8(y))


@inline
def fmod(x: Any, y: Any) -> Any:
    """The remainder with the sign of x."""
    return intrinsics.fmod(f8(x), f8(y))


@inline
def remainder(x: Any, y: Any) -> Any:
    """The remainder with the sign of y."""
    return scalar.remainder(f8(x), f8(y))


@inline
def sin(x: Any) -> Any:
    """Sine; that of the kernels is for arguments up to a limit."""
    return trigonometric.sin(x) if abs(x) <= _LIMIT else math.sin(x)


@inline
def cos(x: Any) -> Any:
    """Cosine."""
    return trigonometric.cos(x) if abs(x) <= _LIMIT else math.cos(x)


@inline
def tan(x: Any) -> Any:
    """Tangent."""
    return trigonometric.tan(x) if abs(x) <= _LIMIT else math.tan(x)


@inline
def sign(x: Any) -> Any:
    """-1, 0 or 1; nan for nan."""
    return x if x != x else f8((x > 0) - (x < 0))  # noqa: PLR0124 - nan differs from itself


def _entry(builder: Any, index: Any) -> Any:
    """The address of an entry of the table of the arena."""
    integer = ir.IntType(64)
    known = builder.module.globals.get(arenas.SYMBOL)
    start = known or ir.GlobalVariable(builder.module, integer, arenas.SYMBOL)
    return builder.gep(start, [index])


@intrinsic
def _entry_of_table(typing: Any, index: Any) -> Any:
    """Read the table."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_entry(builder, arguments[0]))

    return types.int64(types.int64), generate


@intrinsic
def _exchange(typing: Any, index: Any, old: Any, new: Any) -> Any:
    """Write `new` where the table holds `old`, in one step; whether it did."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place, before, after = arguments
        result = builder.cmpxchg(_entry(builder, place), before, after, "acq_rel", "acquire")
        return builder.extract_value(result, 1)

    return types.boolean(types.int64, types.int64, types.int64), generate


@intrinsic
def _pointer(typing: Any, address: Any) -> Any:
    """A pointer to float64 of an address."""
    kind = types.CPointer(types.float64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(kind))

    return kind(types.int64), generate


@intrinsic
def _address(typing: Any, number: Any) -> Any:
    """A pointer of an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), generate


@inline
def array_at(address: Any, shape: Any, dtype: Any) -> Any:
    """The array at an address."""
    return numba.carray(_address(address), shape, dtype)


@numba.njit(**FLAGS)
def arena() -> Any:
    """An array for saves: a place that nobody uses, or else a new one."""
    size = _entry_of_table(arenas.BYTES)
    for k in range(_entry_of_table(arenas.COUNT)):
        if _exchange(arenas.FIRST + k, 0, 1):
            address = _entry_of_table(arenas.ADDRESS) + k * size
            return numba.carray(_pointer(address), (size // 8,), np.float64)
    return np.empty(size // 8)


@numba.njit(**FLAGS)
def release(saved: Any) -> None:
    """Give a place back."""
    offset = saved.ctypes.data - _entry_of_table(arenas.ADDRESS)
    k = offset // _entry_of_table(arenas.BYTES)
    if offset >= 0 and k < _entry_of_table(arenas.COUNT):
        _exchange(arenas.FIRST + k, 1, 0)


def _start() -> None:
    """Make the table known to compiled code."""
    arenas.reserve()
    binding.add_symbol(arenas.SYMBOL, arenas.table.ctypes.data)


_start()


from_bits, to_bits = intrinsics.from_bits, intrinsics.to_bits
_OWN = {"arena", "compiled", "from_bits", "release", "sign", "to_bits", "u"} | {"array_at", "loop"}
# What generated code calls.
__all__ = [  # noqa: PLE0604 - names of the templates
    *sorted(
        _OWN
        | {
            name
            for line in build.PRELUDE.splitlines()
            if line.startswith("from")
            for name in line.partition(" import ")[2].split(", ")
        }
    )
]


def compiled(function: Any) -> Any:
    """Compile a function of a generated module, which Numba finds again in the next process."""
    return numba.njit(cache=True, **FLAGS)(function)


def loop(function: Any) -> Any:
    """Compile the inner loop of a ufunc of a generated module, as `compiled` does."""
    return numba.cfunc(LOOP, cache=True, error_model="numpy")(function)


def load(text: Any) -> Any:
    """The entry function of a module, compiled when it is first called."""
    return load_module(text).entry


def load_module(text: Any) -> Any:
    """A module, its functions compiled when they are first called."""
    module = disk.load(text)
    if module is not None:
        return module
    names = {
        **{name: globals()[name] for name in __all__},
        **text.objects,
        "math": math,
        "np": np,
        "compiled": numba.njit(**FLAGS),
        "loop": numba.cfunc(LOOP, error_model="numpy"),
    }
    exec(compile(disk.decorated(text.body), "<adjoint>", "exec"), names)
    return types_of_python.SimpleNamespace(**names)


Untyped = numba.core.errors.TypingError


def shape_of_type(kind: Any) -> Shape:
    """The type in the language of a type of Numba."""
    if isinstance(kind, types.Array):
        code = code_of_dtype(np.dtype(str(kind.dtype)))
        if code is not None:
            return Array(code, kind.ndim)
    if isinstance(kind, types.Float):
        return F4 if kind == types.float32 else F8
    if isinstance(kind, (types.IntegerLiteral, types.Integer)):
        return I8
    if isinstance(kind, (types.Boolean, types.BooleanLiteral)):
        return B1
    if isinstance(kind, types.BaseTuple):
        return TupleType(
            tuple(shape_of_type(t) for t in kind.types), getattr(kind, "instance_class", None)
        )
    if isinstance(kind, types.Dispatcher):
        return Static(kind.dispatcher)
    if isinstance(kind, types.NoneType):
        return Static(None)
    if isinstance(kind, types.Omitted):
        return shape_of_value(kind.value, "a default", 0)
    if isinstance(kind, types.StringLiteral):
        return Static(kind.literal_value)
    raise Untyped(
        f"numgrad differentiates with numbers, arrays, tuples and compiled functions, got {kind}"
    )


def numba_function(load_for: Any, signature: Any) -> Any:
    """A Numba function that asks `load_for(shapes)` for its code when its types are known."""
    names = list(signature.parameters)
    arguments = ", ".join(names)
    found: dict[str, Any] = {}

    def typed(*args: Any) -> Any:
        # Defaults are arguments like others: constants in the code that calls.
        given = [f"default_{k}" if isinstance(a, types.Omitted) else names[k]
                 for k, a in enumerate(args)]  # fmt: skip
        values = {
            f"default_{k}": a.value for k, a in enumerate(args) if isinstance(a, types.Omitted)
        }
        shapes = [shape_of_type(a) for a in args]
        used = [n for n, s in zip(given, shapes, strict=True) if not isinstance(s, Static)]
        inside = {"target": load_for(shapes), **values}
        exec(f"def run({arguments}):\n    return target({', '.join(used)})", inside)
        return inside["run"]

    found["typed"] = typed
    exec(f"def choose({arguments}):\n    return typed({arguments})", found)
    exec(f"def stub({arguments}):\n    raise NotImplementedError", found)
    overload(found["stub"], strict=False)(found["choose"])
    with_defaults = []
    for name, parameter in signature.parameters.items():
        if parameter.default is parameter.empty:
            with_defaults.append(name)
        else:
            found[f"default_of_{name}"] = parameter.default
            with_defaults.append(f"{name}=default_of_{name}")
    exec(f"def call({', '.join(with_defaults)}):\n    return stub({arguments})", found)
    return numba.njit(**FLAGS)(found["call"])


def lifted_type(function: Any, count: int) -> Any:
    """The type of a function of so many numbers that takes arrays, too."""
    arguments = ", ".join(f"a{k}" for k in range(count))
    found = {"function": function}
    exec(f"def call({arguments}):\n    return function({arguments})", found)
    lifted = numba.vectorize(found["call"])
    return registry.cpu_target.typing_context.resolve_value_type(lifted)


def _constant(kind: Any) -> Any:
    """The Python object of an argument that has to be known when code is compiled."""
    if isinstance(kind, types.Literal):
        return kind.literal_value
    if isinstance(kind, types.Omitted):
        return kind.value
    if isinstance(kind, types.BaseTuple):
        return tuple(_constant(t) for t in kind.types)
    if isinstance(kind, types.NoneType):
        return None
    if isinstance(kind, types.Dispatcher):
        return kind.dispatcher
    if isinstance(kind, (bool, int, str, tuple)) or kind is None:
        return kind
    raise numba.core.errors.TypingError("argnums and the like have to be written as literals")


def _register(transform: Any) -> None:
    """Let compiled code call a transform on a compiled function."""

    def plain(f: Any, argnums: Any = 0, has_aux: Any = False) -> Any:
        options = {"has_aux": True} if _constant(has_aux) else {}
        derived = transform(_constant(f), _constant(argnums), **options).dispatcher
        return lambda f, argnums=0, has_aux=False: derived

    def product(f: Any) -> Any:
        derived = transform(_constant(f)).dispatcher
        return lambda f: derived

    def directional(f: Any, primals: Any, tangents: Any) -> Any:
        derived = transform(_constant(f)).dispatcher
        return lambda f, primals, tangents: derived(primals, tangents)

    chosen = {"vjp": product, "jvp": directional}.get(transform.__name__, plain)
    names = {transform}
    outer = getattr(sys.modules.get("numgrad.func"), transform.__name__, None)
    for each in {*names, outer} - {None}:
        overload(each, strict=False, prefer_literal=True)(chosen)


@functools.cache
def register() -> None:
    """Let compiled code call the transforms of `numgrad.adjoint`; Numba calls this, too."""
    from numgrad import adjoint

    for transform in adjoint.TRANSFORMS:
        _register(transform)

    def same(what: Any, every: Any = None) -> Any:
        return lambda what, every=None: what

    overload(adjoint.checkpoint, strict=False)(same)


def dispatcher_type(dispatcher: Any) -> Any:
    """The type of a Numba function, as Numba asks for it."""
    return types.Dispatcher(dispatcher)


def dispatcher(value: Any) -> bool:
    """Whether it is a function that Numba has compiled."""
    return isinstance(value, numba.core.dispatcher.Dispatcher)


register()

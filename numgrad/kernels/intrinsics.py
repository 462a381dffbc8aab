"""The operations on memory and on floating-point numbers that kernels use and Python lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir

from numgrad.kernels.jit import intrinsic, types

if TYPE_CHECKING:
    from collections.abc import Callable

_POINTER = types.CPointer(types.int8)
# The integers of as many bits as a float.
_BITS = {types.float64: types.int64, types.float32: types.int32}


def _address(context: Any, builder: Any, dtype: Any, p: Any, offset: Any) -> Any:
    """The address `offset` bytes behind p, as that of an element in memory."""
    return builder.bitcast(builder.gep(p, [offset]), context.get_data_type(dtype).as_pointer())


def _load(dtype: Any) -> Any:
    """Make `load(p, offset)`: the element that lies `offset` bytes behind the pointer p."""

    @intrinsic
    def load(typing: Any, p: Any, offset: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            address = _address(context, builder, dtype, *arguments)
            return context.unpack_value(builder, dtype, address)

        return dtype(_POINTER, types.intp), generate

    return load


def _store(dtype: Any) -> Any:
    """Make `store(p, offset, value)`: write the element `offset` bytes behind the pointer p."""

    @intrinsic
    def store(typing: Any, p: Any, offset: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            *place, element = arguments
            address = _address(context, builder, dtype, *place)
            context.pack_value(builder, dtype, element, address)
            return context.get_dummy_value()

        return types.void(_POINTER, types.intp, dtype), generate

    return store


@intrinsic
def moved(typing: Any, p: Any, offset: Any) -> Any:
    """The pointer `offset` bytes behind p."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return _POINTER(_POINTER, types.intp), generate


load_f8, store_f8 = _load(types.float64), _store(types.float64)
load_f4, store_f4 = _load(types.float32), _store(types.float32)
load_i8, store_i8 = _load(types.int64), _store(types.int64)
load_b1, store_b1 = _load(types.boolean), _store(types.boolean)


def _call(name: str) -> Callable[..., Any]:
    """Code that calls an intrinsic function of LLVM, of the type of the arguments."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = arguments[0].type
        form = ir.FunctionType(kind, [kind] * len(arguments))
        return builder.call(builder.module.declare_intrinsic(name, [kind], form), arguments)

    return generate


def _unary(name: str) -> Any:
    """Make a function of one float."""

    @intrinsic
    def function(typing: Any, x: Any) -> Any:
        return (x(x), _call(name)) if x in _BITS else None

    return function


def _binary(name: str) -> Any:
    """Make a function of two floats of one dtype."""

    @intrinsic
    def function(typing: Any, x: Any, y: Any) -> Any:
        return (x(x, x), _call(name)) if x in _BITS and x == y else None

    return function


rint, fabs, sqrt = _unary("llvm.rint"), _unary("llvm.fabs"), _unary("llvm.sqrt")
floor, ceil, trunc = _unary("llvm.floor"), _unary("llvm.ceil"), _unary("llvm.trunc")
copysign = _binary("llvm.copysign")
# NaN if either is NaN; -0 is less than +0. Loops that reduce with these are vectorised, which
# those with Python's `x if x > y else y` are not.
maximum, minimum = _binary("llvm.maximum"), _binary("llvm.minimum")


@intrinsic
def fma(typing: Any, x: Any, y: Any, z: Any) -> Any:
    """x * y + z, rounded once."""
    return (x(x, x, x), _call("llvm.fma")) if x in _BITS and x == y == z else None


def _bitcast(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))


@intrinsic
def to_bits(typing: Any, x: Any) -> Any:
    """The integer with the bits of x: int64 for a float64, int32 for a float32."""
    return (_BITS[x](x), _bitcast) if x in _BITS else None


@intrinsic
def from_bits(typing: Any, n: Any) -> Any:
    """The float with the bits of n: float64 for an int64, float32 for an int32."""
    floats = {integer: x for x, integer in _BITS.items()}
    return (floats[n](n), _bitcast) if n in floats else None


def _frem(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return builder.frem(*arguments)


@intrinsic
def fmod(typing: Any, x: Any, y: Any) -> Any:
    """x - trunc(x / y) * y, exact, with the sign of x."""
    return (x(x, x), _frem) if x in _BITS and x == y else None

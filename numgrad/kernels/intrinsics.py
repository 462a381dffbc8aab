"""The operations on memory and on floating-point numbers that kernels use and Python lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir

from numgrad.kernels import cpu
from numgrad.kernels.jit import intrinsic, types

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_POINTER = types.CPointer(types.int8)
# The integers of as many bits as a float.
_BITS = {types.float64: types.int64, types.float32: types.int32}
_INT32, _INT64 = ir.IntType(32), ir.IntType(64)


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


def polynomial(*coefficients: float) -> Any:
    """Make a polynomial of one float, from its coefficients, that of the highest power last.

    Each step is rounded once where the processor can do that. The last steps are Horner's rule, for
    their rounding shows. Those before run in two chains, of even and odd powers: one would take
    longer than what the processor can do ahead of it.
    """

    @intrinsic
    def function(typing: Any, x: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            (x,) = arguments
            constants = [ir.Constant(x.type, _rounded(c, x.type)) for c in coefficients]
            last, rest = constants[:_LAST_STEPS], constants[_LAST_STEPS:]
            if len(rest) < _SHORT:
                return _horner(builder, x, constants)
            square = builder.fmul(x, x)
            even, odd = (_horner(builder, square, rest[k::2]) for k in range(2))
            return _horner(builder, x, [*last, _multiply_add(builder, odd, x, even)])

        return (x(x), generate) if x in _BITS else None

    return function


# How polynomials are split, see above.
_LAST_STEPS, _SHORT = 3, 6


def _horner(builder: Any, x: Any, coefficients: Sequence[Any]) -> Any:
    *others, total = coefficients
    for c in reversed(others):
        total = _multiply_add(builder, total, x, c)
    return total


def _multiply_add(builder: Any, x: Any, y: Any, z: Any) -> Any:
    return builder.fma(x, y, z) if cpu.has_fma() else builder.fadd(builder.fmul(x, y), z)


def _rounded(number: float, kind: Any) -> float:
    """The nearest number of LLVM's type."""
    return float(np.float32(number)) if kind == ir.FloatType() else number


def table(values: Sequence[float]) -> Any:
    """Make `function(t)`: the element of `values` whose place the lowest bits of t hold.

    As many bits count as the length of `values`, a power of two, needs. t is the sum of the place
    and 1.5 * 2**52, or in float32 1.5 * 2**23, see `numgrad.kernels.vecmath`.
    """

    @intrinsic
    def function(typing: Any, t: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            (t,) = arguments
            kind = ir.ArrayType(t.type, len(values))
            elements = [ir.Constant(t.type, _rounded(v, t.type)) for v in values]
            module = builder.module
            data = ir.GlobalVariable(module, kind, module.get_unique_name(".table"))
            data.linkage, data.global_constant = "internal", True
            data.initializer = ir.Constant(kind, elements)
            bits = _as_integer(builder, t)
            place = builder.and_(bits, bits.type(len(values) - 1))
            place = builder.zext(place, _INT64) if bits.type != _INT64 else place
            return builder.load(builder.gep(data, [_INT64(0), place], inbounds=True))

        return (t(t), generate) if t in _BITS else None

    return function


def _as_integer(builder: Any, x: Any) -> Any:
    return builder.bitcast(x, _INT64 if x.type == ir.DoubleType() else _INT32)


def _fraction_bits(x: Any) -> int:
    """How many bits below that of the exponent a float has."""
    return 52 if x.type == ir.DoubleType() else 23


@intrinsic
def add_to_exponent(typing: Any, x: Any, t: Any) -> Any:
    """x * 2**k, for the integer k in the lowest bits of t; no exponent may leave its range."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, t = arguments
        bits = _as_integer(builder, t)
        shifted = builder.shl(bits, bits.type(_fraction_bits(x)))
        return builder.bitcast(builder.add(_as_integer(builder, x), shifted), x.type)

    return (x(x, x), generate) if x in _BITS and x == t else None


def _exponent(builder: Any, x: Any) -> tuple[Any, Any]:
    """The bits of x, and the integer k for which x / 2**k is from sqrt(0.5) to sqrt(2)."""
    bits = _as_integer(builder, x)
    root = 0x3FE6A09E667F3BCD if x.type == ir.DoubleType() else 0x3F3504F3
    size = bits.type(_fraction_bits(x))
    return bits, builder.ashr(builder.sub(bits, bits.type(root)), size)


@intrinsic
def mantissa(typing: Any, x: Any) -> Any:
    """x / 2**k from sqrt(0.5) to sqrt(2), for the k of `exponent`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (x,) = arguments
        bits, k = _exponent(builder, x)
        moved = builder.shl(k, k.type(_fraction_bits(x)))
        return builder.bitcast(builder.sub(bits, moved), x.type)

    return (x(x), generate) if x in _BITS else None


@intrinsic
def exponent(typing: Any, x: Any) -> Any:
    """The whole number k for which x / 2**k is from sqrt(0.5) to sqrt(2), for positive normal x."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (x,) = arguments
        _, k = _exponent(builder, x)
        # Not every processor converts vectors of int64 to floats. Added to the bits of this float,
        # k is added to its value.
        shift = 1.5 * 2.0 ** _fraction_bits(x)
        origin = ir.Constant(x.type, shift)
        sum_ = builder.add(k, _as_integer(builder, origin))
        return builder.fsub(builder.bitcast(sum_, x.type), origin)

    return (x(x), generate) if x in _BITS else None


@intrinsic
def is_odd(typing: Any, t: Any) -> Any:
    """Whether the lowest bit of t is 1."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = _as_integer(builder, arguments[0])
        return builder.icmp_unsigned("!=", builder.and_(bits, bits.type(1)), bits.type(0))

    return (types.boolean(t), generate) if t in _BITS else None


@intrinsic
def negate_if_odd(typing: Any, x: Any, t: Any) -> Any:
    """x, or -x where the lowest bit of t is 1."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, t = arguments
        bits = _as_integer(builder, x)
        sign = builder.shl(_as_integer(builder, t), bits.type(bits.type.width - 1))
        return builder.bitcast(builder.xor(bits, sign), x.type)

    return (x(x, t), generate) if x in _BITS and x == t else None

"""The operations on memory and on bits that kernels use and Python has no word for."""

from __future__ import annotations

from llvmlite import ir

from numgrad.kernels.jit import intrinsic, types

_POINTER = types.CPointer(types.int8)


def _load(dtype):
    """`load(p, offset)`: the element that lies `offset` bytes behind the `char *` p."""

    @intrinsic
    def load(typing, p, offset):
        def generate(context, builder, signature, arguments):
            place = builder.gep(arguments[0], [arguments[1]])
            memory = context.get_data_type(dtype)
            value = builder.load(builder.bitcast(place, memory.as_pointer()))
            return context.data_model_manager[dtype].from_data(builder, value)

        return dtype(_POINTER, types.intp), generate

    return load


def _store(dtype):
    """`store(p, offset, value)`: writes the element that lies `offset` bytes behind p."""

    @intrinsic
    def store(typing, p, offset, value):
        def generate(context, builder, signature, arguments):
            place = builder.gep(arguments[0], [arguments[1]])
            memory = context.get_data_type(dtype)
            value = context.data_model_manager[dtype].as_data(builder, arguments[2])
            builder.store(value, builder.bitcast(place, memory.as_pointer()))
            return context.get_dummy_value()

        return types.void(_POINTER, types.intp, dtype), generate

    return store


load_f8, store_f8 = _load(types.float64), _store(types.float64)
load_f4, store_f4 = _load(types.float32), _store(types.float32)
load_i8, store_i8 = _load(types.int64), _store(types.int64)
load_b1, store_b1 = _load(types.boolean), _store(types.boolean)


def _call(name):
    """Code that calls the LLVM intrinsic `name`, of the type of its arguments."""

    def generate(context, builder, signature, arguments):
        kind = arguments[0].type
        function = builder.module.declare_intrinsic(
            name, [kind], ir.FunctionType(kind, [kind] * len(arguments))
        )
        return builder.call(function, arguments)

    return generate


def _unary(name):
    @intrinsic
    def function(typing, x):
        return (x(x), _call(name)) if isinstance(x, types.Float) else None

    return function


def _binary(name):
    @intrinsic
    def function(typing, x, y):
        return (x(x, x), _call(name)) if isinstance(x, types.Float) and x == y else None

    return function


rint, fabs, sqrt = _unary("llvm.rint"), _unary("llvm.fabs"), _unary("llvm.sqrt")
copysign = _binary("llvm.copysign")
# NaN if either is NaN, and -0 below +0. Unlike Python's `x if x > y else y`, these vectorise
# in reductions.
maximum, minimum = _binary("llvm.maximum"), _binary("llvm.minimum")


@intrinsic
def fma(typing, x, y, z):
    """x * y + z, rounded once."""
    return (x(x, x, x), _call("llvm.fma")) if isinstance(x, types.Float) and x == y == z else None

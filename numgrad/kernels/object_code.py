"""From the LLVM code of a loop to object code for the machine of this process."""

from __future__ import annotations

import functools
import struct
from typing import TYPE_CHECKING

from llvmlite import binding, ir

from numgrad.kernels import cpu, link, ufunc

if TYPE_CHECKING:
    from collections.abc import Iterator

# Bytes from one element to the next, for each argument; None stands for any number.
Steps = list[int | None]

# What a kernel may call: every process has it, with or without Numba.
_CALLABLE = frozenset(
    f"{name}{suffix}"
    for suffix in ("", "f")
    for name in (
        *("acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil", "copysign"),
        *("cos", "cosh", "erf", "erfc", "exp", "exp2", "expm1", "fabs", "floor", "fma", "fmax"),
        *("fmin", "fmod", "hypot", "ldexp", "lgamma", "log", "log10", "log1p", "log2", "nearbyint"),
        *("pow", "rint", "round", "sin", "sinh", "sqrt", "tan", "tanh", "tgamma", "trunc"),
    )
) | {"memcpy", "memmove", "memset"}

_INT32, _INTP = ir.IntType(32), ir.IntType(8 * struct.calcsize("P"))
_POINTER = ir.IntType(8).as_pointer()
_PARAMETERS = [_POINTER.as_pointer(), _INTP.as_pointer(), _INTP.as_pointer(), _POINTER]
_VOID = ir.VoidType()

# The bits of the x86 control and status register that NumPy makes warnings of (invalid, division
# by zero, overflow, underflow), and all bits but the six of exceptions.
_WARNED_X86 = 0b011101
_KEPT_X86 = 0xFFFFFFFF ^ 0b111111


def from_llvm(code: str, loop: str, symbol: str, types: str, core: str | None) -> bytes:
    """Object code that exports the function `loop` of the LLVM code `code` as `symbol`.

    Raises:
        RuntimeError: the loop calls what a process without Numba has not got.
    """
    module = _with_entry(code, loop, symbol, list(_common_steps(types, core)))
    # Where Numba found Intel's SVML, vectorising brings calls of it, which other processes could
    # not resolve: such a loop stays scalar.
    for vectorise in (True, False):
        candidate = module.clone()
        _optimise(candidate, vectorise=vectorise)
        foreign = _foreign(candidate)
        if not foreign:
            return bytes(_machine().emit_object(candidate))
    raise RuntimeError(
        f"numgrad internal error: kernel {symbol} needs {', '.join(foreign)}, "
        "which a process without Numba has not got."
    )


def _common_steps(types: str, core: str | None) -> Iterator[Steps]:
    """The steps that get code of their own, which LLVM can vectorise, tried in this order.

    Elementwise: dense arguments, then all dense but one input that is constant, such as a
    scalar. A gufunc: dense along the last core dimension of each argument.
    """
    inputs, outputs = types.split("->")
    sizes = [ufunc.DTYPES[code].itemsize for code in inputs + outputs]
    if core is None:
        yield [*sizes]
        if len(inputs) > 1:
            for k in range(len(inputs)):
                yield [*sizes[:k], 0, *sizes[k + 1 :]]
        return
    steps: Steps = [None] * len(sizes)
    for size, shape in zip(sizes, core.replace("->", ",").split("),("), strict=True):
        names = [name for name in shape.strip("()").split(",") if name]
        steps += [*[None] * (len(names) - 1), size] if names else []
    if len(steps) > len(sizes):
        yield steps


def _with_entry(code: str, loop: str, symbol: str, variants: list[Steps]) -> binding.ModuleRef:
    """The code with its exported function; all else is private to it."""
    # Numba keeps its C wrapper from inlining the loop. Here every call of it must be inlined, to
    # be compiled for the steps at hand.
    module = binding.parse_assembly(code.replace("{ noinline }", "{ alwaysinline }"))
    module.get_function(loop).add_function_attribute("alwaysinline")
    entry = _entry(loop, symbol, variants)
    entry.triple, entry.data_layout = module.triple, module.data_layout
    module.link_in(binding.parse_assembly(str(entry)))
    for value in (*module.functions, *module.global_variables):
        if not value.is_declaration and value.name != symbol:
            value.linkage = "internal"
    return module


def _entry(loop: str, symbol: str, variants: list[Steps]) -> ir.Module:
    """A function that calls the loop with the first of `variants` that fits the steps it gets."""
    module = ir.Module()
    target = ir.Function(module, ir.FunctionType(_POINTER, _PARAMETERS), loop)
    entry = ir.Function(module, ir.FunctionType(_VOID, _PARAMETERS), symbol)
    builder = ir.IRBuilder(entry.append_basic_block())
    arguments, dims, steps, data = entry.args
    end = entry.append_basic_block()
    for variant in variants:
        known = builder.alloca(ir.ArrayType(_INTP, len(variant)))
        fits = ir.Constant(ir.IntType(1), 1)
        for k, size in enumerate(variant):
            step = builder.load(builder.gep(steps, [_INTP(k)]))
            if size is not None:
                fits = builder.and_(fits, builder.icmp_signed("==", step, _INTP(size)))
            chosen = step if size is None else _INTP(size)
            builder.store(chosen, builder.gep(known, [_INTP(0), _INTP(k)]))
        with builder.if_then(fits):
            first = builder.gep(known, [_INTP(0), _INTP(0)])
            builder.call(target, [arguments, dims, first, data])
            builder.branch(end)
    builder.call(target, entry.args)
    builder.branch(end)
    builder.position_at_end(end)
    _clear_flags(builder)
    builder.ret_void()
    return module


def _clear_flags(builder: ir.IRBuilder) -> None:
    """Clears the floating-point flags, which NumPy would turn into warnings.

    A kernel does not warn: log(0) is -inf, and that is that.
    """
    if cpu.is_x86_64():
        kind = ir.FunctionType(_VOID, [_POINTER])
        with builder.goto_entry_block():
            place = builder.alloca(_INT32)
        address = builder.bitcast(place, _POINTER)
        builder.call(builder.module.declare_intrinsic("llvm.x86.sse.stmxcsr", (), kind), [address])
        flags = builder.load(place)
        warned = builder.and_(flags, _INT32(_WARNED_X86))
        # Writing the register takes longer than all the rest.
        with builder.if_then(builder.icmp_unsigned("!=", warned, _INT32(0)), likely=False):
            builder.store(builder.and_(flags, _INT32(_KEPT_X86)), place)
            builder.call(
                builder.module.declare_intrinsic("llvm.x86.sse.ldmxcsr", (), kind), [address]
            )
    elif cpu.is_aarch64():
        builder.asm(ir.FunctionType(_VOID, []), "msr fpsr, xzr", "", [], side_effect=True)


def _optimise(module: binding.ModuleRef, *, vectorise: bool) -> None:
    """LLVM's usual optimisation, for the machine's vectors. It changes no result: no fast-math."""
    options = binding.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.slp_vectorization = vectorise
    builder = binding.create_pass_builder(_machine(), options)
    builder.getModulePassManager().run(module, builder)


def _foreign(module: binding.ModuleRef) -> list[str]:
    """What the module needs from outside and may not need."""
    return sorted(
        value.name
        for value in (*module.functions, *module.global_variables)
        if value.is_declaration
        and value.name not in _CALLABLE
        and not value.name.startswith("llvm.")
    )


@functools.cache
def _machine() -> binding.TargetMachine:
    return link.target_machine()

"""From source to object code: the only module that calls Numba, and the owner of its flags."""

from __future__ import annotations

import contextlib
import functools
import re
from typing import TYPE_CHECKING

import numba
from llvmlite import binding
from numba import types
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic

from numgrad.kernels import cpu, link

__all__ = ["compile_loop", "f4", "f8", "inline", "intrinsic", "types"]

f8, f4 = numba.float64, numba.float32

# NumPy's error model: a division by zero gives inf, where Python's would raise, and a test before
# each division keeps loops from being vectorised.
_FLAGS = {"error_model": "numpy"}

# Inlined by LLVM, not by Numba: as fast when it runs and much faster to compile.
inline = numba.njit(forceinline=True, **_FLAGS)

_LOOP = types.void(
    types.CPointer(types.CPointer(types.int8)),
    types.CPointer(types.intp),
    types.CPointer(types.intp),
    types.voidptr,
)

# What a kernel may call. All of it is in the C library of every process, numba or not.
_ALLOWED = frozenset(
    name + suffix
    for suffix in ("", "f")
    for name in (
        "acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp2 "
        "expm1 fabs floor fma fmax fmin fmod hypot ldexp lgamma log log10 log1p log2 nearbyint "
        "pow remainder rint round sin sinh sqrt tan tanh tgamma trunc"
    ).split()
) | {"memcpy", "memmove", "memset"}

# Every kernel's exported function. NumPy turns floating-point flags into warnings, which kernels
# do not want: log(0) is -inf, and that is that. So the flags are cleared after the loop.
_ENTRY = """
define void @{symbol}(ptr %args, ptr %dims, ptr %steps, ptr %data) {{
  call void @"{loop}"(ptr %args, ptr %dims, ptr %steps, ptr %data)
{clear}
  ret void
}}
"""
_CLEAR_X86 = """
  %p = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %p)
  %flags = load i32, ptr %p
  %cleared = and i32 %flags, -64
  store i32 %cleared, ptr %p
  call void @llvm.x86.sse.ldmxcsr(ptr %p)
"""
_DECLARE_X86 = """
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)
"""


def compile_loop(source: str, name: str) -> bytes:
    """Object code that exports the function `loop` of `source` under `name`.

    Raises:
        RuntimeError: the loop calls what a process without Numba has not got.
    """
    namespace: dict[str, object] = {}
    exec(compile(source, f"<numgrad kernel {name}>", "exec"), namespace)
    module = _with_entry(*_plain_code(namespace["loop"]), name)
    _optimise(module)
    _check_calls(module, name)
    return _machine().emit_object(module)


def _plain_code(loop) -> tuple[str, str]:
    """LLVM code of a loop before optimisation, and the name of the function in it."""
    _start()
    # With the lock no other thread compiles under our setting.
    with global_compiler_lock, _unoptimised():
        compiled = numba.cfunc(_LOOP, **_FLAGS)(loop)
    return compiled.inspect_llvm(), compiled.native_name


@functools.cache
def _start() -> None:
    """Lets Numba make its machine, for the whole process, while its own settings hold."""
    numba.cfunc(types.void())(lambda: None)


@contextlib.contextmanager
def _unoptimised():
    """Numba leaves its code as it is: it would choose vector widths for the wrong machine."""
    level = numba.config.OPT
    numba.config.OPT = 0
    try:
        yield
    finally:
        numba.config.OPT = level


def _with_entry(code: str, loop: str, symbol: str):
    x86 = cpu.is_x86_64()
    entry = _ENTRY.format(symbol=symbol, loop=loop, clear=_CLEAR_X86 if x86 else "")
    module = binding.parse_assembly(code + entry + (_DECLARE_X86 if x86 else ""))
    for value in (*module.functions, *module.global_variables):
        if not value.is_declaration and value.name != symbol:
            value.linkage = "internal"
    return module


def _optimise(module) -> None:
    options = binding.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.slp_vectorization = True
    builder = binding.create_pass_builder(_machine(), options)
    builder.getModulePassManager().run(module, builder)


def _check_calls(module, name: str) -> None:
    foreign = sorted(
        value.name
        for value in (*module.functions, *module.global_variables)
        if value.is_declaration
        and value.name not in _ALLOWED
        and not value.name.startswith("llvm.")
    )
    if foreign:
        message = (
            f"numgrad internal error: the kernel {name} needs {', '.join(foreign)}, "
            "which a process without Numba has not got."
        )
        raise RuntimeError(message)


@functools.cache
def _machine():
    return link.target_machine()

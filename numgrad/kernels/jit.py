"""From Python source to LLVM code: the only module that calls Numba, and the owner of its flags."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

import numba
from numba import types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.errors import NumbaError
from numba.extending import intrinsic

from numgrad.kernels import object_code

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["compile_functions", "compile_loop", "f4", "f8", "inline", "intrinsic", "types"]

f4, f8 = numba.float32, numba.float64

# NumPy's error model: a division by zero gives inf. Python's would raise, and its tests keep loops
# from being vectorised. No fast-math: results are the same bits at every level and on every run.
_FLAGS = {"error_model": "numpy"}

# For the scalar functions that loops call. LLVM inlines them; Numba's own inlining takes several
# times as long to compile for no gain.
inline = numba.njit(forceinline=True, **_FLAGS)

_LOOP = types.void(
    types.CPointer(types.CPointer(types.int8)),
    types.CPointer(types.intp),
    types.CPointer(types.intp),
    types.voidptr,
)


def compile_loop(source: str, symbol: str, loop_types: str, core: str | None = None) -> bytes:
    """Object code that exports the function `loop` of `source` as `symbol`.

    A source that sets `DENSE` to True does not read the steps from element to element.

    Raises:
        RuntimeError: Numba cannot compile the loop, or the loop calls what a process without Numba
            has not got.
    """
    namespace: dict[str, Any] = {}
    exec(compile(source, f"<kernel {symbol}>", "exec"), namespace)
    _start()
    # With Numba's lock, no other thread compiles while its optimiser is off.
    with global_compiler_lock, _unoptimised():
        try:
            compiled = numba.cfunc(_LOOP, **_FLAGS)(namespace["loop"])
        except NumbaError as error:
            raise RuntimeError(f"numgrad internal error: {error}") from error
    code, name = compiled.inspect_llvm(), compiled.native_name
    dense = namespace.get("DENSE", False)
    return object_code.from_llvm(code, name, symbol, loop_types, core, dense=dense)


def compile_functions(functions: dict[str, Callable[..., int]]) -> bytes:
    """Object code that exports functions by these symbols; all they take and give are words."""
    compiled = {}
    _start()
    with global_compiler_lock, _unoptimised():
        for symbol, function in functions.items():
            words = [types.intp] * function.__code__.co_argcount
            made = numba.cfunc(types.intp(*words), **_FLAGS)(function)
            compiled[symbol] = made.inspect_llvm(), made.native_name
    return object_code.from_functions(compiled)


@functools.cache
def _start() -> None:
    """Has Numba set itself up while its optimiser is on: what it makes now, it keeps."""
    numba.cfunc(types.void())(lambda: None)


@contextlib.contextmanager
def _unoptimised() -> Iterator[None]:
    """Numba leaves its code as it is: it would vectorise for its own idea of the machine."""
    level = numba.config.OPT
    numba.config.OPT = 0
    try:
        yield
    finally:
        numba.config.OPT = level

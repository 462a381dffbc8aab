"""From Python source to LLVM code: the only module that calls Numba, and the owner of its flags."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from numba import types
from numba.core.compiler import Flags
from numba.core.compiler_lock import global_compiler_lock
from numba.core.errors import NumbaError
from numba.extending import intrinsic

from numgrad.kernels import cpu, link, object_code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "by_dtype",
    "called",
    "compile_functions",
    "compile_loop",
    "f4",
    "f8",
    "inline",
    "intrinsic",
    "outlined",
    "types",
]

# In a child that is forked while another thread compiles, nobody would open the lock.
link.fork_between(global_compiler_lock)

f4, f8 = numba.float32, numba.float64

# NumPy's error model: a division by zero gives inf. Python's would raise, and its tests keep loops
# from being vectorised. No fast-math: results are the same bits on every run, and at every level
# with FMA.
_FLAGS = {"error_model": "numpy"}

# For the scalar functions that loops call. LLVM inlines them; Numba's own inlining takes several
# times as long to compile for no gain. Nobody else calls them.
_INLINED = {"forceinline": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True, **_FLAGS}
inline = numba.njit(**_INLINED)

# The same for functions that call themselves.
called = numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **_FLAGS)

_SCALARS = {types.float64: np.float64, types.float32: np.float32}

LOOP = types.void(
    types.CPointer(types.CPointer(types.int8)),
    types.CPointer(types.intp),
    types.CPointer(types.intp),
    types.voidptr,
)


def by_dtype(
    make: Callable[[Any], Callable[..., Any]] | None = None,
    *,
    returns: tuple[Any, ...] = (),
    widened: bool = False,
    without_fma: Callable[..., Any] | None = None,
) -> Any:
    """Declare a scalar function for loops, inlined, that is made for each dtype.

    `make` takes the scalar type of the arguments, `np.float64` or `np.float32`, and returns the
    function; a number that is not of this type would widen float32. The function gives one number
    of the type of its first argument, or else a tuple of the types in `returns`, where None stands
    for that type. Where it is `widened`, float64 serves for float32, too. `without_fma` is what
    serves in its place where the processor has no fused multiply-add.
    """
    if make is None:
        return functools.partial(
            by_dtype, returns=returns, widened=widened, without_fma=without_fma
        )
    made = functools.cache(make)

    @intrinsic
    def function(typing: Any, *parameters: Any) -> Any:
        scalar = _SCALARS.get(parameters[0])
        if scalar is None:
            return None
        if without_fma is not None and not cpu.has_fma():
            chosen = without_fma
        elif widened and scalar is np.float32:
            chosen = by_way_of_float64[len(parameters)]
        else:
            chosen = made(scalar)
        several = types.BaseTuple.from_types([kind or parameters[0] for kind in returns])
        result = several if returns else parameters[0]
        return _call(chosen, result, parameters, inlined=True)

    in_float64: Any = function
    by_way_of_float64: dict[int, Callable[..., Any]] = {
        1: lambda x: np.float32(in_float64(np.float64(x))),
        2: lambda x, y: np.float32(in_float64(np.float64(x), np.float64(y))),
    }
    return function


def outlined(body: Callable[..., None]) -> Any:
    """Declare what a loop seldom does: LLVM makes one copy for all cases of the loop."""

    @intrinsic
    def function(typing: Any, *parameters: Any) -> Any:
        return _call(body, types.void, parameters, inlined=False)

    return function


def _call(function: Callable[..., Any], result: Any, parameters: Any, *, inlined: bool) -> Any:
    """The signature and the code of a call.

    Unlike a call of a function by `njit` it makes no machine code but that of the loop.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        flags = Flags()
        flags.error_model, flags.forceinline = "numpy", inlined
        inner = result(*parameters)
        compiled = context.compile_subroutine(builder, function, inner, flags=flags)
        # What is variable in number comes as one tuple.
        unpacked = [builder.extract_value(values[0], k) for k in range(len(parameters))]
        return context.call_internal(builder, compiled.fndesc, inner, unpacked)

    return result(types.StarArgTuple(parameters)), generate


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
            compiled = numba.cfunc(LOOP, **_FLAGS)(namespace["loop"])
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

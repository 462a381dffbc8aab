"""Machine words, memory that threads share, and the C functions for threads, for compiled code.

All that these functions take and give are words: integers as wide as an address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir

from numgrad.kernels import cpu
from numgrad.kernels.jit import intrinsic, types

if TYPE_CHECKING:
    from collections.abc import Callable

_WORD = types.intp
_VOID = ir.VoidType()
_BYTES = ir.IntType(8).as_pointer()


def _function(count: int, code: Callable[..., Any]) -> Any:
    """Make a function of so many words: `code` is given LLVM's builder and them."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return code(builder, *arguments)

    typed = _WORD(*[_WORD] * count), generate
    forms: dict[int, Callable[..., Any]] = {
        0: lambda typing: typed,
        1: lambda typing, a: typed,
        2: lambda typing, a, b: typed,
        3: lambda typing, a, b, c: typed,
        4: lambda typing, a, b, c, d: typed,
        5: lambda typing, a, b, c, d, e: typed,
    }
    return intrinsic(forms[count])


def _nothing(code: Callable[..., Any]) -> Callable[..., Any]:
    """Code that does this and gives 0."""

    def done(builder: Any, *arguments: Any) -> Any:
        code(builder, *arguments)
        return _word()(0)

    return done


def _word() -> Any:
    return ir.IntType(_WORD.bitwidth)


def _place(builder: Any, address: Any) -> Any:
    """The word at an address, as a place in memory."""
    return builder.inttoptr(address, _word().as_pointer())


def _load_shared(builder: Any, address: Any) -> Any:
    return builder.load_atomic(_place(builder, address), "acquire", _WORD.bitwidth // 8)


def _store_shared(builder: Any, address: Any, value: Any) -> Any:
    builder.store_atomic(value, _place(builder, address), "release", _WORD.bitwidth // 8)


def _take_number(builder: Any, address: Any) -> Any:
    return builder.atomic_rmw("add", _place(builder, address), _word()(1), "seq_cst")


def _call_loop(builder: Any, loop: Any, *others: Any) -> Any:
    kind = ir.FunctionType(_VOID, [value.type for value in others])
    builder.call(builder.inttoptr(loop, kind.as_pointer()), others)


def _intrinsic(name: str) -> Callable[..., Any]:
    """Code that calls a function of LLVM's for x86; it does nothing elsewhere."""

    def call(builder: Any, *addresses: Any) -> Any:
        if cpu.is_x86_64():
            kind = ir.FunctionType(_VOID, [_BYTES] * len(addresses))
            function = builder.module.declare_intrinsic(name, (), kind)
            builder.call(function, [builder.inttoptr(a, _BYTES) for a in addresses])

    return _nothing(call)


def _c(name: str, count: int) -> Any:
    """Make a function that calls one of C: of so many words, and with an int for a result."""

    def call(builder: Any, *arguments: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [_word()] * count)
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        return builder.sext(builder.call(function, arguments), _word())

    return _function(count, call)


def room(words: int) -> Any:
    """Make a function: the address of so many words, which are there until its caller returns."""

    def address(builder: Any) -> Any:
        with builder.goto_entry_block():
            array = builder.alloca(_word(), size=words)
        return builder.ptrtoint(array, _word())

    return _function(0, address)


# The word at an address, and writing one; the same where another thread may read or write it.
load = _function(1, lambda builder, address: builder.load(_place(builder, address)))
store = _function(2, _nothing(lambda builder, a, value: builder.store(value, _place(builder, a))))
load_shared = _function(1, _load_shared)
store_shared = _function(2, _nothing(_store_shared))
# Counts the word at an address up, and gives what it was: no two threads get the same.
take_number = _function(1, _take_number)
# Calls the inner loop of a ufunc: its address, args, dims, steps, data.
call_loop = _function(5, _nothing(_call_loop))
# Tells the processor that this is a loop that waits.
pause = _function(0, _intrinsic("llvm.x86.sse2.pause"))
# Keeps at an address how this thread computes, such as whether it takes subnormal numbers for 0;
# and has another thread compute alike.
read_arithmetic = _function(1, _intrinsic("llvm.x86.sse.stmxcsr"))
write_arithmetic = _function(1, _intrinsic("llvm.x86.sse.ldmxcsr"))

getpid = _c("getpid", 0)
pthread_cond_destroy = _c("pthread_cond_destroy", 1)
pthread_cond_init = _c("pthread_cond_init", 2)
pthread_cond_signal = _c("pthread_cond_signal", 1)
pthread_cond_wait = _c("pthread_cond_wait", 2)
pthread_create = _c("pthread_create", 4)
pthread_join = _c("pthread_join", 2)
pthread_mutex_init = _c("pthread_mutex_init", 2)
pthread_mutex_lock = _c("pthread_mutex_lock", 1)
pthread_mutex_trylock = _c("pthread_mutex_trylock", 1)
pthread_mutex_unlock = _c("pthread_mutex_unlock", 1)
pthread_sigmask = _c("pthread_sigmask", 3)
sched_getaffinity = _c("sched_getaffinity", 3)
sched_getcpu = _c("sched_getcpu", 0)
sched_setaffinity = _c("sched_setaffinity", 3)
sigfillset = _c("sigfillset", 1)

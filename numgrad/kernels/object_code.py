"""From the LLVM code of a loop to object code for the machine of this process."""

from __future__ import annotations

import functools
import itertools
import struct
from typing import TYPE_CHECKING, NamedTuple

from llvmlite import binding, ir

from numgrad.kernels import cpu, division, link, ufunc

if TYPE_CHECKING:
    from collections.abc import Iterator

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
) | {"feclearexcept", "memcpy", "memmove", "memset"}

_INT32, _INTP = ir.IntType(32), ir.IntType(8 * struct.calcsize("P"))
_POINTER = ir.IntType(8).as_pointer()
_PARAMETERS = [_POINTER.as_pointer(), _INTP.as_pointer(), _INTP.as_pointer(), _POINTER]
_VOID = ir.VoidType()
_INLINED = ["alwaysinline"]
# The function that does all of a call, whatever its size.
_WHOLE = "numgrad_whole"

# The bits of the x86 control and status register that NumPy makes warnings of (invalid, division
# by zero, overflow, underflow), and all bits but the six of exceptions.
_WARNED_X86 = 0b011101
_KEPT_X86 = 0xFFFFFFFF ^ 0b111111


class Case(NamedTuple):
    """A way in which a loop is called often enough to get code of its own.

    `steps` are the bytes from one element to the next, for each argument; None is any number.
    `in_place` says that the output is the first input.
    """

    steps: list[int | None]
    in_place: bool = False


def from_llvm(
    code: str, loop: str, symbol: str, types: str, core: str | None, *, dense: bool = False
) -> bytes:
    """Object code that exports the function `loop` of the LLVM code `code` as `symbol`.

    A loop for dense arguments is the same in all cases.

    Raises:
        RuntimeError: the loop calls what a process without Numba has not got.
    """
    module = _with_entry(code, loop, symbol, [] if dense else list(_cases(types, core)), core)
    # Where Numba found Intel's SVML, vectorising brings calls of it, which other processes could
    # not resolve: such a loop stays scalar.
    for vectorise in (True, False):
        candidate = module.clone()
        _optimise(candidate, vectorise=vectorise)
        foreign = _foreign(candidate)
        if not foreign:
            return bytes(_machine().emit_object(candidate))
    raise RuntimeError(
        f"numgrad internal error: the loop calls {', '.join(foreign)}, "
        "which a process without Numba has not got."
    )


def from_functions(functions: dict[str, tuple[str, str]]) -> bytes:
    """Object code that exports functions by these symbols.

    Each comes as the LLVM code of a module and its name there. They may call what C offers to every
    process: nothing is checked here.
    """
    whole = binding.parse_assembly("")
    for symbol, (code, name) in functions.items():
        module = binding.parse_assembly(code)
        module.get_function(name).name = symbol
        _hide(module, symbol)
        whole.triple, whole.data_layout = module.triple, module.data_layout
        whole.link_in(module)
    _optimise(whole, vectorise=False)
    return bytes(_machine().emit_object(whole))


def _cases(types: str, core: str | None) -> Iterator[Case]:
    """The cases that LLVM can vectorise, of which the first that fits is taken.

    Each adds some 13 ms to the compiling of a kernel. Elementwise they are dense arguments, in
    place and not, and all dense but one input that is constant, such as a scalar: either of two
    inputs, or the first of more, where kernels of gradients have the cotangent. In a gufunc it is
    arguments that are dense along their last core dimension.
    """
    inputs, outputs = types.split("->")
    sizes = [ufunc.DTYPES[code].itemsize for code in inputs + outputs]
    if core is None:
        if len(outputs) == 1 and inputs[0] == outputs:
            yield Case([*sizes], in_place=True)
        yield Case([*sizes])
        constant = {1: 0, 2: 2}.get(len(inputs), 1)
        for k in range(constant):
            yield Case([*sizes[:k], 0, *sizes[k + 1 :]])
        return
    ranks = [len(shape) for shape in division.shapes(core)]
    inner = [[*[None] * (rank - 1), size] for rank, size in zip(ranks, sizes, strict=True) if rank]
    if inner:
        yield Case([*[None] * len(sizes), *itertools.chain.from_iterable(inner)])


def _with_entry(
    code: str, loop: str, symbol: str, cases: list[Case], core: str | None
) -> binding.ModuleRef:
    """The code with its exported function; all else is private to it."""
    # Numba keeps its C wrapper from inlining the loop, but each case is to be compiled for itself.
    module = binding.parse_assembly(code.replace("{ noinline }", "{ alwaysinline }"))
    # The C library divides with remainder on the x87 unit, which has flags of its own.
    entry = _entry(loop, cases, x87=" frem " in code)
    _export(entry, symbol, core)
    entry.triple, entry.data_layout = module.triple, module.data_layout
    module.link_in(binding.parse_assembly(str(entry)))
    _hide(module, symbol)
    return module


def _hide(module: binding.ModuleRef, symbol: str) -> None:
    """Makes all that a module defines private to it, but for one function."""
    for value in (*module.functions, *module.global_variables):
        if not value.is_declaration and value.name != symbol:
            value.linkage = "internal"


def _export(module: ir.Module, symbol: str, core: str | None) -> None:
    """Adds the function that NumPy calls: where there is much to do, it has threads share it.

    See `numgrad.kernels.division` for what `data` holds.
    """
    exported = ir.Function(module, ir.FunctionType(_VOID, _PARAMETERS), symbol)
    builder = ir.IRBuilder(exported.append_basic_block())
    whole = module.get_global(_WHOLE)
    _, dims, _, data = exported.args
    words = builder.bitcast(data, _INTP.as_pointer())
    work = _work(builder, dims, core)
    enough = builder.icmp_signed(">=", work, _word(builder, words, division.THRESHOLD))
    with builder.if_then(enough, likely=False):
        pool = builder.inttoptr(_word(builder, words, division.POOL), _INTP.as_pointer())
        with builder.if_then(builder.icmp_unsigned("!=", pool, pool.type(None))):
            run = _word(builder, pool, division.RUN)
            with builder.if_else(builder.icmp_unsigned("!=", run, _INTP(0))) as (there, missing):
                with there:
                    kind = ir.FunctionType(_VOID, [whole.type, *_PARAMETERS, _INTP])
                    function = builder.inttoptr(run, kind.as_pointer())
                    builder.call(function, [whole, *exported.args, work])
                    builder.ret_void()
                with missing:
                    start = _word(builder, pool, division.START)
                    kind = ir.FunctionType(_VOID, [])
                    builder.call(builder.inttoptr(start, kind.as_pointer()), [])
    builder.call(whole, exported.args, tail="tail")
    builder.ret_void()


def _work(builder: ir.IRBuilder, dims: ir.Value, core: str | None) -> ir.Value:
    """How many elements one call works on: those of its largest argument."""
    rows, *sizes = _read(builder, dims, 1 + len(division.dimensions(core)))
    size = dict(zip(division.dimensions(core), sizes, strict=True))
    most: ir.Value = _INTP(1)
    for shape in dict.fromkeys(division.shapes(core)):
        elements = functools.reduce(builder.mul, [size[name] for name in shape], _INTP(1))
        larger = builder.icmp_signed(">", elements, most)
        most = builder.select(larger, elements, most)
    return builder.mul(rows, most) if sizes else rows


def _entry(loop: str, cases: list[Case], *, x87: bool) -> ir.Module:
    """A function that calls the loop with what is known in the first of `cases` that fits."""
    module = ir.Module()
    target = ir.Function(module, ir.FunctionType(_POINTER, _PARAMETERS), loop)
    entry = ir.Function(module, ir.FunctionType(_VOID, _PARAMETERS), _WHOLE)
    entry.attributes.add("noinline")
    builder = ir.IRBuilder(entry.append_basic_block())
    places, dims, steps, data = entry.args
    end = entry.append_basic_block()
    for case in cases:
        pairs = list(zip(_read(builder, steps, len(case.steps)), case.steps, strict=True))
        known = [s if size is None else _INTP(size) for s, size in pairs]
        tests = [builder.icmp_signed("==", s, _INTP(size)) for s, size in pairs if size is not None]
        case_places = places
        if None not in case.steps:
            # In an array of their own: what the loop stores could change that of the caller.
            first, *others, output = _read(builder, places, len(case.steps))
            if case.in_place:
                tests.append(builder.icmp_unsigned("==", first, output))
            case_places = _written(builder, [first, *others, first if case.in_place else output])
        fits = functools.reduce(builder.and_, tests)
        case_steps = _written(builder, known)
        with builder.if_then(fits):
            builder.call(target, [case_places, dims, case_steps, data], attrs=_INLINED)
            builder.branch(end)
    builder.call(target, entry.args, attrs=_INLINED)
    builder.branch(end)
    builder.position_at_end(end)
    _clear_flags(builder, x87=x87)
    builder.ret_void()
    return module


def _read(builder: ir.IRBuilder, array: ir.Value, length: int) -> list[ir.Value]:
    """The elements of an array."""
    return [builder.load(builder.gep(array, [_INTP(k)])) for k in range(length)]


def _word(builder: ir.IRBuilder, array: ir.Value, place: int) -> ir.Value:
    """One element of an array."""
    return builder.load(builder.gep(array, [_INTP(place)]))


def _written(builder: ir.IRBuilder, values: list[ir.Value]) -> ir.Value:
    """An array of these elements, which is gone once LLVM has inlined what reads it."""
    with builder.goto_entry_block():
        array = builder.alloca(values[0].type, size=len(values))
    for k, value in enumerate(values):
        builder.store(value, builder.gep(array, [_INTP(k)]))
    return array


def _clear_flags(builder: ir.IRBuilder, *, x87: bool) -> None:
    """Clears the floating-point flags, which NumPy would turn into warnings.

    A kernel does not warn: log(0) is -inf, and that is that.
    """
    if cpu.is_x86_64():
        if x87:
            _call_feclearexcept(builder, 0b111101)
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
        # There the call is as quick, and its argument is the same number on every system.
        _call_feclearexcept(builder, 0b11111)


def _call_feclearexcept(builder: ir.IRBuilder, flags: int) -> None:
    kind = ir.FunctionType(_INT32, [_INT32])
    builder.call(ir.Function(builder.module, kind, "feclearexcept"), [_INT32(flags)])


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

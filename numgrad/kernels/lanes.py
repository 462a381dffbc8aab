"""Reductions of dense rows to one number, in LLVM's vectors.

The elements of a row go to lanes in turn, and in the end the lanes are halved until one is left. So
the order of additions is fixed: results do not depend on the width of the machine's vectors. LLVM's
optimiser may not reorder additions, and so cannot vectorise sums itself.
"""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from llvmlite import ir

from numgrad.kernels.jit import intrinsic, types

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_POINTER = types.CPointer(types.int8)
_INDEX, _INT32, _BIT = ir.IntType(64), ir.IntType(32), ir.IntType(1)
# The bytes of all lanes: four of the longest vectors that machines have, so that one addition need
# not wait for the one before.
_BYTES = 256
# So many additions in a lane, then its sum is added to those of before, with compensation.
_LONG = 16

# The bytes of `room`, which hold whole lanes.
ROOM = _LONG * _BYTES


class Lanes(NamedTuple):
    """A vector of an element for each lane, or of one number in all, in code that is being made."""

    builder: ir.IRBuilder
    value: ir.Value

    def __add__(self, other: Any) -> Lanes:
        return Lanes(self.builder, self.builder.fadd(self.value, other.value))

    def __sub__(self, other: Lanes) -> Lanes:
        return Lanes(self.builder, self.builder.fsub(self.value, other.value))

    def __mul__(self, other: Any) -> Lanes:
        return Lanes(self.builder, self.builder.fmul(self.value, other.value))

    def __truediv__(self, other: Lanes) -> Lanes:
        return Lanes(self.builder, self.builder.fdiv(self.value, other.value))

    def __abs__(self) -> Lanes:
        kind = self.value.type
        form = ir.FunctionType(kind, [kind])
        function = _declared(self.builder, "llvm.fabs", form)
        return Lanes(self.builder, self.builder.call(function, [self.value]))


def safe(x: Lanes, y: Lanes) -> Lanes:
    """The product of the chain rule, see numgrad.ops.arithmetic.product."""
    return Lanes(x.builder, _safe_product(x.builder, x.value, y.value))


@intrinsic
def chain(typing: Any, x: Any, y: Any) -> Any:
    """The same of two numbers, for the text of kernels."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _safe_product(builder, *arguments)

    return x(x, y), generate


def _safe_product(builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    """x * y, but 0 where that is nan and one of them is 0."""
    plain = builder.fmul(x, y)
    count = getattr(x.type, "count", 0)
    zero = ir.Constant(x.type, [0.0] * count if count else 0.0)
    undefined = builder.fcmp_unordered("uno", plain, plain)
    either = builder.or_(*(builder.fcmp_ordered("==", z, zero) for z in (x, y)))
    return builder.select(builder.and_(undefined, either), zero, plain)


def summed(dtype: Any, arrays: int, term: Callable[..., Lanes]) -> Any:
    """Make `total(x, ..., n, c, ...)`: the sum of `term(x[i], ..., c, ...)`; -0 of nothing.

    The arrays are pointers to dense rows of n elements; as many numbers may follow as there are
    left in the term.
    """

    def generate(builder: ir.IRBuilder, row: _Row) -> ir.Value:
        neutral = row.everywhere(-0.0)

        def block(start: ir.Value, sums: Sequence[ir.Value]) -> list[ir.Value]:
            long = builder.add(start, _INDEX(_LONG * row.count))
            stop = builder.select(builder.icmp_signed("<", long, row.full), long, row.full)
            (lanes,) = _for(
                builder,
                (start, stop, row.count),
                [neutral],
                lambda i, lanes: [builder.fadd(lanes[0], row.terms(term, i))],
            )
            return grown(sums, lanes)

        def grown(sums: Sequence[ir.Value], more: ir.Value) -> list[ir.Value]:
            """Add to a sum, and what rounding takes from it to another."""
            whole, lost = sums
            larger = builder.fadd(whole, more)
            part = builder.fsub(larger, whole)
            error = builder.fsub(whole, builder.fsub(larger, part))
            error = builder.fadd(error, builder.fsub(more, part))
            return [larger, builder.fadd(lost, error)]

        blocks = (_INDEX(0), row.full, _LONG * row.count)
        sums = _for(builder, blocks, [neutral, neutral], block)
        sums = grown(sums, row.last_terms(term, neutral))
        whole, lost = (_halved(builder, each, builder.fadd) for each in sums)
        # Nothing is lost of -0, and what is lost of an infinite sum is nan.
        some = builder.fcmp_ordered("!=", lost, ir.Constant(lost.type, 0.0))
        finite = builder.fcmp_ordered("ord", builder.fsub(lost, lost), lost)
        return builder.select(builder.and_(some, finite), builder.fadd(whole, lost), whole)

    numbers = len(inspect.signature(term).parameters) - arrays
    return _function(dtype, arrays, numbers, generate)


def multiplied(dtype: Any) -> Any:
    """Make `product(x, n)`: the product of a dense row's elements; 1 of nothing."""

    def generate(builder: ir.IRBuilder, row: _Row) -> ir.Value:
        one = row.everywhere(1.0)
        (lanes,) = _for(
            builder,
            (_INDEX(0), row.full, row.count),
            [one],
            lambda i, lanes: [builder.fmul(lanes[0], row.terms(_itself, i))],
        )
        lanes = builder.fmul(lanes, row.last_terms(_itself, one))
        return _halved(builder, lanes, builder.fmul)

    return _function(dtype, 1, 0, generate)


def extreme(dtype: Any, better: str) -> Any:
    """Make `highest(x, n)`, or the lowest, by whether `better` is ">" or "<".

    nan if there is one; of nothing it is an infinity.
    """

    def generate(builder: ir.IRBuilder, row: _Row) -> ir.Value:
        def choose(x: ir.Value, y: ir.Value) -> ir.Value:
            return builder.select(builder.fcmp_ordered(better, x, y), x, y)

        def step(i: ir.Value, state: Sequence[ir.Value]) -> list[ir.Value]:
            return compared(state, row.terms(_itself, i))

        def compared(state: Sequence[ir.Value], x: ir.Value) -> list[ir.Value]:
            lanes, unordered = state
            nan = builder.fcmp_unordered("uno", x, x)
            return [choose(x, lanes), builder.or_(unordered, nan)]

        worst = row.everywhere(-math.inf if better == ">" else math.inf)
        nowhere = ir.Constant(ir.VectorType(_BIT, row.count), [0] * row.count)
        state = _for(builder, (_INDEX(0), row.full, row.count), [worst, nowhere], step)
        lanes, unordered = compared(state, row.last_terms(_itself, worst))
        bits = builder.bitcast(unordered, ir.IntType(row.count))
        best = _halved(builder, lanes, choose)
        found = builder.icmp_unsigned("!=", bits, bits.type(0))
        return builder.select(found, ir.Constant(best.type, math.nan), best)

    return _function(dtype, 1, 0, generate)


@intrinsic
def room(typing: Any) -> Any:
    """Memory of `ROOM` bytes, for as long as the kernel runs."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        with builder.goto_entry_block():
            return builder.alloca(ir.IntType(8), size=_INDEX(ROOM))

    return _POINTER(), generate


def access(dtype: Any, group: str, others: tuple[str, ...]) -> Any:
    """Make `load(p, offset)` and `store(p, offset, value)` for a group of arrays.

    LLVM is told that the groups share no memory. It would test that otherwise, where arrays are
    few, and not vectorise a loop where they are many.
    """

    def place(context: Any, builder: Any, p: Any, offset: Any) -> Any:
        address = builder.gep(p, [offset])
        return builder.bitcast(address, context.get_value_type(dtype).as_pointer())

    def told(instruction: Any) -> Any:
        module = instruction.parent.parent.module
        domain = module.add_metadata(["numgrad"])
        own, *rest = (module.add_metadata([name, domain]) for name in (group, *others))
        instruction.set_metadata("alias.scope", module.add_metadata([own]))
        instruction.set_metadata("noalias", module.add_metadata(rest))
        return instruction

    @intrinsic
    def load(typing: Any, p: Any, offset: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return told(builder.load(place(context, builder, *arguments)))

        return dtype(_POINTER, types.intp), generate

    @intrinsic
    def store(typing: Any, p: Any, offset: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            *where, element = arguments
            told(builder.store(element, place(context, builder, *where)))
            return context.get_dummy_value()

        return types.void(_POINTER, types.intp, dtype), generate

    return load, store


def _itself(x: Lanes) -> Lanes:
    return x


class _Row:
    """The elements of dense arrays, as many at a time as there are lanes, and numbers."""

    def __init__(
        self, builder: ir.IRBuilder, element: ir.Type, size: int, arrays: int, arguments: Any
    ) -> None:
        self.builder = builder
        self.size = size
        self.count = _BYTES // size
        self.vector = ir.VectorType(element, self.count)
        self.pointers = [builder.bitcast(p, element.as_pointer()) for p in arguments[:arrays]]
        self.n = arguments[arrays]
        self.numbers = [Lanes(builder, self._filled(c)) for c in arguments[arrays + 1 :]]
        # So many elements fill all lanes, one time after another.
        self.full = builder.and_(self.n, _INDEX(-self.count))

    def everywhere(self, number: float) -> ir.Constant:
        """A known number in each lane."""
        return ir.Constant(self.vector, [number] * self.count)

    def terms(self, term: Callable[..., Lanes], i: ir.Value) -> ir.Value:
        """What `term` makes of the elements from the i-th on."""
        elements = [self.builder.load(p, align=self.size) for p in self._places(i)]
        return self._made(term, elements)

    def last_terms(self, term: Callable[..., Lanes], neutral: ir.Value) -> ir.Value:
        """What it makes of those that do not fill all lanes, which are neutral beyond."""
        builder = self.builder
        indices = ir.VectorType(_INT32, self.count)
        rest = self._filled(builder.trunc(builder.sub(self.n, self.full), _INT32))
        mask = builder.icmp_signed("<", ir.Constant(indices, [*range(self.count)]), rest)
        zero = self.everywhere(0.0)
        arguments = [self.vector.as_pointer(), _INT32, mask.type, self.vector]
        form = ir.FunctionType(self.vector, arguments)
        load = _declared(builder, "llvm.masked.load", form, ".p0")
        elements = [
            builder.call(load, [p, _INT32(self.size), mask, zero]) for p in self._places(self.full)
        ]
        return builder.select(mask, self._made(term, elements), neutral)

    def _places(self, i: ir.Value) -> list[ir.Value]:
        """The addresses of vectors that start at the i-th element of each array."""
        kind = self.vector.as_pointer()
        return [self.builder.bitcast(self.builder.gep(p, [i]), kind) for p in self.pointers]

    def _made(self, term: Callable[..., Lanes], elements: Sequence[ir.Value]) -> ir.Value:
        return term(*(Lanes(self.builder, each) for each in elements), *self.numbers).value

    def _filled(self, value: ir.Value) -> ir.Value:
        """A computed number in each lane."""
        kind = ir.VectorType(value.type, self.count)
        nothing = ir.Constant(kind, ir.Undefined)
        first = self.builder.insert_element(nothing, value, _INT32(0))
        zeros = ir.Constant(ir.VectorType(_INT32, self.count), [0] * self.count)
        return self.builder.shuffle_vector(first, nothing, zeros)


def _function(
    dtype: Any, arrays: int, numbers: int, make: Callable[[ir.IRBuilder, _Row], ir.Value]
) -> Any:
    """Make a function of dense arrays, their length, and numbers."""
    arguments = (*[_POINTER] * arrays, types.intp, *[dtype] * numbers)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        element = context.get_value_type(dtype)
        return make(builder, _Row(builder, element, dtype.bitwidth // 8, arrays, values))

    def function(typing: Any, *given: Any) -> Any:
        return dtype(*arguments), generate

    # Numba asks for its parameters, and does not pass on a variable number of them.
    names = ("typing", *(f"a{k}" for k in range(len(arguments))))
    vars(function)["__signature__"] = inspect.Signature(
        [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    )
    return intrinsic(function)


def _declared(
    builder: ir.IRBuilder, name: str, form: ir.FunctionType, ending: str = ""
) -> ir.Function:
    """The function of LLVM of this name that gives vectors of floats."""
    vector = form.return_type
    name = f"{name}.v{vector.count}{vector.element.intrinsic_name}{ending}"
    return builder.module.globals.get(name) or ir.Function(builder.module, form, name)


def _for(
    builder: ir.IRBuilder,
    indices: tuple[ir.Value, ir.Value, int],
    state: Sequence[ir.Value],
    body: Callable[[ir.Value, Sequence[ir.Value]], Sequence[ir.Value]],
) -> list[ir.Value]:
    """A loop over indices from the first up to the second in steps of the third; its last state."""
    start, stop, step = indices
    before = builder.block
    head, inside, behind = (builder.append_basic_block() for _ in range(3))
    builder.branch(head)
    builder.position_at_end(head)
    i, *carried = (builder.phi(value.type) for value in (start, *state))
    builder.cbranch(builder.icmp_signed("<", i, stop), inside, behind)
    builder.position_at_end(inside)
    after = [*body(i, carried)]
    after.insert(0, builder.add(i, _INDEX(step)))
    for phi, first, following in zip((i, *carried), (start, *state), after, strict=True):
        phi.add_incoming(first, before)
        phi.add_incoming(following, builder.block)
    builder.branch(head)
    builder.position_at_end(behind)
    return carried


def _halved(builder: ir.IRBuilder, lanes: ir.Value, combine: Callable[..., ir.Value]) -> ir.Value:
    """All lanes made one."""
    nothing = ir.Constant(lanes.type, ir.Undefined)
    while (half := lanes.type.count // 2) > 0:
        nothing = ir.Constant(lanes.type, ir.Undefined)
        parts = (ir.Constant(ir.VectorType(_INT32, half), [*range(k, k + half)]) for k in (0, half))
        lanes = combine(*(builder.shuffle_vector(lanes, nothing, part) for part in parts))
    return builder.extract_element(lanes, _INT32(0))

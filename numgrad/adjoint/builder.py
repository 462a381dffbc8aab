"""Builds statements: types of results, constants folded, rules of ops spelled out."""

from __future__ import annotations

import contextlib
import functools
import math
from typing import TYPE_CHECKING, Any

import numgrad.functions  # noqa: F401 - declares the ops
from numgrad.adjoint.ir import (
    B1,
    F4,
    F8,
    I8,
    Alloc,
    Array,
    Block,
    Compute,
    Const,
    Load,
    Scalar,
    Store,
    Type,
    Value,
    Var,
    View,
)
from numgrad.expr import Apply, Expression, Input, Symbol, inputs, postorder
from numgrad.op import Elementwise
from numgrad.ops.special import digamma
from numgrad.value import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Operations on integers and bools, and between kinds, as Python text. The rest is in the registry.
EXACT = {
    "i.add": "{0} + {1}",
    "i.sub": "{0} - {1}",
    "i.mul": "{0} * {1}",
    "i.floordiv": "{0} // {1}",
    "i.mod": "{0} % {1}",
    "i.pow": "{0} ** {1}",
    "i.neg": "-{0}",
    "i.abs": "abs({0})",
    "i.max": "max({0}, {1})",
    "i.min": "min({0}, {1})",
    "i.and": "{0} & {1}",
    "i.or": "{0} | {1}",
    "i.xor": "{0} ^ {1}",
    "i.lshift": "{0} << {1}",
    "i.rshift": "{0} >> {1}",
    "i.invert": "~{0}",
    "i.select": "({1} if {0} else {2})",
    "to_int": "int({0})",
    "from_bits": "from_bits({0})",
    "to_bits": "to_bits({0})",
    "i.gcd": "math.gcd({0}, {1})",
    "exponent": "math.frexp({0})[1]",
    "size": "{0}.shape[{1}]",
    "trips": "len(range({0}, {1}, {2}))",
}
COMPARE = {
    "==": "equal",
    "!=": "not_equal",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
}
BOOLEAN = {
    **{f"c{k}": f"({{0}} {k} {{1}})" for k in COMPARE},
    "and": "({0} and {1})",
    "or": "({0} or {1})",
    "not": "(not {0})",
    "b.select": "({1} if {0} else {2})",
    "to_bool": "({0} != 0)",
    "signbit": "(math.copysign(1.0, {0}) < 0.0)",
}
# Functions of one float that only this language has.
OWN = {"gamma": "math.gamma({0})"}
# A value without a derivative, and a derivative without a value.
DETACHED = {"constant": "{0}", "unit": "0.0"}
CASTS = {"to_f8": "float({0})", "to_f4": "np.float32({0})"}

_FOLD: dict[str, Any] = {
    "i.add": lambda a, b: a + b,
    "i.sub": lambda a, b: a - b,
    "i.mul": lambda a, b: a * b,
    "i.neg": lambda a: -a,
    "i.max": max,
    "i.min": min,
    "i.floordiv": lambda a, b: a // b,
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "neg": lambda a: -a,
    "to_f8": float,
    "not": lambda a: not a,
}
_NONNEG = {"i.add", "i.mul", "i.floordiv", "i.mod", "i.max", "i.min", "i.rshift"}


def number(value: float) -> Const:
    """The constant of a Python number."""
    if isinstance(value, bool):
        return Const(B1, value)
    return Const(I8 if isinstance(value, int) else F8, value)


ZERO, ONE = number(0), number(1)
NOTHING = number(0.0)


def is_number(value: Value, wanted: float) -> bool:
    """Whether a value is this constant."""
    return (
        isinstance(value, Const)
        and value.value == wanted
        and not (wanted == 0 and math.copysign(1.0, value.value) < 0)
    )


def nonneg(value: Value) -> bool:
    """Whether an integer is known not to be negative."""
    return value.value >= 0 if isinstance(value, Const) else value.nonneg


def result_type(op: str, args: Sequence[Value]) -> Scalar:
    """The type of what an operation gives."""
    if op in BOOLEAN:
        return B1
    if op in CASTS:
        return F4 if op == "to_f4" else F8
    if op == "from_bits" or op in OWN:
        return F8
    if op in DETACHED:
        return args[0].type  # type: ignore[return-value]
    if op in EXACT:
        return I8
    declared = REGISTRY[op]
    if isinstance(declared, Elementwise) and declared.logical:
        return B1
    typed = [a.type for a in (args[1:] if op == "where" else args)]
    return F4 if all(t == F4 for t in typed) else F8


class Builder:
    """Appends statements to the current block."""

    def __init__(self, block: Block | None = None) -> None:
        self.block = block or Block()

    @contextlib.contextmanager
    def inside(self, block: Block) -> Iterator[None]:
        """Append to another block for a while."""
        before, self.block = self.block, block
        try:
            yield
        finally:
            self.block = before

    def child(self) -> Block:
        """Return a new block within the current one."""
        return Block(self.block)

    def var(self, type: Type, hint: str = "t", *, nonneg: bool = False) -> Var:
        """Return a new variable of the current block."""
        return Var(type, hint, nonneg, self.block)

    def append(self, stmt: Any) -> None:
        """Append a statement."""
        self.block.stmts.append(stmt)

    def emit(self, op: str, *args: Value, hint: str = "t") -> Value:
        """Compute op(args), or find that nothing needs to be computed."""
        known = simplified(op, args)
        if known is not None:
            return known
        declared = REGISTRY.get(op)
        if isinstance(declared, Elementwise) and declared.template is None:
            return self.evaluate(_body(op), dict(zip(declared.params, args, strict=True)))
        type = result_type(op, args)
        out = self.var(type, hint)
        if type == I8:
            out.nonneg = (
                op in {"size", "trips", "i.abs"}
                or (op in _NONNEG and all(nonneg(a) for a in args))
                or (op == "i.mod" and isinstance(args[1], Const) and args[1].value > 0)
                or (op == "i.max" and any(nonneg(a) for a in args))
            )
        self.append(Compute(out, op, args))
        return out

    def evaluate(self, expression: Expression, environment: dict[str, Value]) -> Value:
        """Compute an expression of the registry's ops."""
        values: dict[int, Value] = {}

        def value_of(e: Expression) -> Value:
            return values[id(e)] if isinstance(e, Symbol) else number(e)

        for e in postorder([expression]):
            if isinstance(e, Input):
                values[id(e)] = environment[e.name]
            elif isinstance(e, Apply):
                values[id(e)] = self.emit(e.op.name, *map(value_of, e.args))
        return value_of(expression)

    def as_float(self, value: Value) -> Value:
        """Convert integers and bools to float64; leave floats."""
        if value.type in (F8, F4):
            return value
        return self.emit("to_f8", value)

    def size(self, array: Var, axis: int) -> Value:
        """Return the extent of an axis."""
        return self.emit("size", array, number(axis), hint="n")

    def sizes(self, array: Var) -> tuple[Value, ...]:
        """Return all extents."""
        assert isinstance(array.type, Array)
        return tuple(self.size(array, k) for k in range(array.type.ndim))

    def load(self, array: Var, index: Sequence[Value], hint: str = "t") -> Value:
        """Load an element."""
        out = self.var(Scalar(array.type.code), hint)
        self.append(Load(out, array, tuple(index)))
        return out

    def store(self, array: Var, index: Sequence[Value], value: Value, *, add: bool = False) -> None:
        """Store an element, or add to it."""
        self.append(Store(array, tuple(index), value, add))

    def alloc(self, code: str, shape: Sequence[Value], hint: str, *, zero: bool) -> Var:
        """Make a new array."""
        out = self.var(Array(code, len(shape)), hint)
        self.append(Alloc(out, tuple(shape), zero))
        return out

    def view(self, array: Var, kind: str, items: Sequence[Any], ndim: int, hint: str) -> Var:
        """Make a view of an array."""
        out = self.var(Array(array.type.code, ndim), hint)
        self.append(View(out, array, kind, tuple(items)))
        return out


@functools.cache
def _body(op: str) -> Expression:
    """What a composite computes."""
    declared = REGISTRY[op]
    result: Expression = declared.body(*inputs(*declared.params))  # type: ignore[attr-defined]
    return result


@functools.cache
def partials(op: str) -> tuple[Expression | None, ...]:
    """The local derivatives of an op as expressions of its parameters and `out`."""
    if op in DETACHED:
        return (0 if op == "constant" else 1,)
    if op in CASTS:
        return (1,)
    if op in EXACT or op in BOOLEAN:
        return (None, None, None)
    if op == "gamma":
        x, out = inputs("x", "out")
        return (out * digamma(x),)
    declared = REGISTRY[op]
    params = declared.params  # type: ignore[attr-defined]
    rules: tuple[Expression | None, ...] = declared.partials_at(  # type: ignore[attr-defined]
        *inputs(*params, "out")
    )
    return rules


def params_of(op: str) -> tuple[str, ...]:
    """The names of an op's operands in its rules."""
    return ("x",) if op in OWN else tuple(REGISTRY[op].params)  # type: ignore[attr-defined]


def simplified(op: str, args: tuple[Value, ...]) -> Value | None:
    """What an operation gives without computing anything; None: it has to be computed."""
    if (
        op in _FOLD
        and all(isinstance(a, Const) for a in args)
        and not (op == "i.floordiv" and is_number(args[1], 0))
    ):
        return number(_FOLD[op](*(a.value for a in args)))  # type: ignore[union-attr]
    if op == "i.add":
        for a, b in (args, args[::-1]):
            if is_number(b, 0) and a.type != B1:
                return a
    elif op in {"sub", "i.sub"}:
        if is_number(args[1], 0) and args[0].type != B1:
            return _keep(op, args[0])
    elif op in {"mul", "i.mul"}:
        for a, b in (args, args[::-1]):
            if is_number(b, 1) and a.type != B1:
                return _keep(op, a)
    elif op in {"div", "pow"}:
        if is_number(args[1], 1) and op == "pow":
            return _keep(op, args[0])
    elif op in {"where", "i.select", "b.select"}:
        test, a, b = args
        if isinstance(test, Const):
            return a if test.value else b
        if a is b or (isinstance(a, Const) and a == b):
            return a
        if op == "b.select" and is_number(a, True) and is_number(b, False):
            return test
    elif op in {"and", "or"}:
        absorbing = op == "or"
        for a, b in (args, args[::-1]):
            if isinstance(b, Const):
                return b if bool(b.value) is absorbing else a
    elif (
        (op == "to_f8" and args[0].type == F8)
        or (op == "to_f4" and args[0].type == F4)
        or (op == "to_int" and args[0].type == I8)
        or (op == "to_bool" and args[0].type == B1)
    ):
        return args[0]
    return None


def _keep(op: str, value: Value) -> Value | None:
    """The one operand that is the result, if it has the result's type."""
    if op.startswith("i."):
        return value
    return value if value.type in (F8, F4) else None

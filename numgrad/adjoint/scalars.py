"""Functions of numbers: which op of the registry, or which integer operation, a name means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numgrad.adjoint.builder import COMPARE, number
from numgrad.adjoint.ir import B1, F4, F8, I8, Const, Value

if TYPE_CHECKING:
    from numgrad.adjoint.lowering import Lowering

# Functions of one or two floats: name in math, NumPy or SciPy -> op.
FLOAT = {
    **{
        n: n
        for n in [
            "sin",
            "cos",
            "tan",
            "asin",
            "acos",
            "atan",
            "atan2",
            "sinh",
            "cosh",
            "tanh",
            "asinh",
            "acosh",
            "atanh",
            "hypot",
            "exp",
            "exp2",
            "expm1",
            "log",
            "log2",
            "log10",
            "log1p",
            "sqrt",
            "erf",
            "erfc",
            "lgamma",
            "copysign",
            "fmod",
            "logaddexp",
            "logaddexp2",
            "fmax",
            "fmin",
            "reciprocal",
        ]
    },
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arctan2": "atan2",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "fabs": "abs",
    "true_divide": "div",
    "divide": "div",
}
# Functions that keep integers: name -> (op of floats, operation on integers).
BOTH = {
    "abs": ("abs", "i.abs"),
    "absolute": ("abs", "i.abs"),
    "maximum": ("maximum", "i.max"),
    "minimum": ("minimum", "i.min"),
    "add": ("add", "i.add"),
    "subtract": ("sub", "i.sub"),
    "multiply": ("mul", "i.mul"),
    "negative": ("neg", "i.neg"),
    "mod": ("remainder", "i.mod"),
    "remainder": ("remainder", "i.mod"),
    "floor_divide": ("floor_divide", "i.floordiv"),
    "square": ("square", ""),
    "sign": ("sign", ""),
}
# Steps: NumPy keeps floats, math gives integers.
ROUNDING = {
    "floor": "floor",
    "ceil": "ceil",
    "trunc": "trunc",
    **dict.fromkeys(("rint", "round", "around"), "rint"),
}
# Real numbers have nothing to do for these.
SAME = {"positive", "conj", "conjugate", "real"}
PREDICATES = {"isnan", "isinf", "isfinite", "signbit"}
LOGIC = {"logical_and": "and", "logical_or": "or"}

_MOST_MULTIPLICATIONS = 4


def binary(lo: Lowering, op: str, a: Value, b: Value) -> Value:
    """Apply an operator to two numbers."""
    exact = a.type.code in {"i8", "b1"} and b.type.code in {"i8", "b1"}
    emit = lo.builder.emit
    if op in {"and", "or", "xor"} and a.type == B1 and b.type == B1:
        return emit(op, a, b) if op != "xor" else emit("c!=", a, b)
    if op in {"and", "or", "xor", "lshift", "rshift"}:
        return emit(f"i.{op}", a, b)
    if exact and op != "div" and not (op == "pow" and isinstance(b, Const) and b.value < 0):
        return emit(f"i.{op}", a, b)
    if op == "pow":
        return power(lo, a, b)
    name = {"floordiv": "floor_divide", "mod": "remainder"}.get(op, op)
    return emit(name, lo.builder.as_float(a), lo.builder.as_float(b))


def power(lo: Lowering, a: Value, b: Value) -> Value:
    """a ** b; small whole powers are products."""
    base = lo.builder.as_float(a)
    if isinstance(b, Const) and b.value == int(b.value) and b.type == I8:
        times = int(b.value)
        if 1 <= times <= _MOST_MULTIPLICATIONS:
            out = base
            if times == 4:
                out = lo.builder.emit("mul", base, base)
                return lo.builder.emit("mul", out, out)
            for _ in range(times - 1):
                out = lo.builder.emit("mul", out, base)
            return out
    return lo.builder.emit("pow", base, lo.builder.as_float(b))


def unary(lo: Lowering, op: str, a: Value) -> Value:
    """Apply a sign or an inversion."""
    if a.type in (F8, F4):
        return lo.builder.emit("neg", a)
    if a.type == B1 and op == "invert":
        return lo.builder.emit("not", a)
    return lo.builder.emit(f"i.{op}", a)


def compare(lo: Lowering, sign: str, a: Value, b: Value) -> Value:
    """Compare two numbers."""
    if isinstance(a, Const) and isinstance(b, Const):
        table: Any = {
            "==": a.value == b.value,
            "!=": a.value != b.value,
            "<": a.value < b.value,
            "<=": a.value <= b.value,
            ">": a.value > b.value,
            ">=": a.value >= b.value,
        }
        return number(table[sign])
    if a.type in (F8, F4) and b.type in (F8, F4):
        return lo.builder.emit(COMPARE[sign], a, b)
    return lo.builder.emit(f"c{sign}", a, b)


def select(lo: Lowering, test: Value, a: Value, b: Value) -> Value:
    """Choose between two numbers that are both known."""
    if a.type == B1 and b.type == B1:
        return lo.builder.emit("b.select", test, a, b)
    if a.type.code in {"i8", "b1"} and b.type.code in {"i8", "b1"}:
        return lo.builder.emit("i.select", test, a, b)
    return lo.builder.emit("where", test, lo.builder.as_float(a), lo.builder.as_float(b))


def apply(lo: Lowering, name: str, args: list[Value], *, whole: bool = False) -> Value | None:
    """Apply a named function to numbers; None: there is no such function of numbers.

    `whole`: a rounding function gives an integer, as those of `math` do.
    """
    emit = lo.builder.emit
    if name in LOGIC:
        return emit(LOGIC[name], *(truth(lo, a) for a in args))
    if name == "logical_not":
        return emit("not", truth(lo, args[0]))
    if name in BOTH:
        op, exact = BOTH[name]
        if all(a.type.code in {"i8", "b1"} for a in args):
            if exact:
                return emit(exact, *args)
            if name == "square":
                return emit("i.mul", args[0], args[0])
        return emit(op, *map(lo.builder.as_float, args))
    if name in ROUNDING and len(args) == 1:
        if args[0].type.code in {"i8", "b1"}:
            return args[0]
        rounded = emit(ROUNDING[name], args[0])
        return emit("to_int", rounded) if whole else rounded
    if name in {"pow", "power"}:
        return binary(lo, "pow", *args) if name == "power" else power(lo, *args)
    if name == "float_power":
        return power(lo, *args)
    if name in {"where", "select"}:
        return select(lo, truth(lo, args[0]), args[1], args[2])
    if name in PREDICATES:
        return emit(name, lo.builder.as_float(args[0]))
    if name in FLOAT:
        return emit(FLOAT[name], *map(lo.builder.as_float, args))
    if name in {"degrees", "rad2deg"}:
        return emit("mul", lo.builder.as_float(args[0]), number(57.29577951308232))
    if name in {"radians", "deg2rad"}:
        return emit("mul", lo.builder.as_float(args[0]), number(0.017453292519943295))
    if name in SAME:
        return args[0]
    if name == "gcd" and all(a.type.code in {"i8", "b1"} for a in args):
        return emit("i.gcd", *args)
    if name == "gamma":
        return emit("gamma", emit("to_f8", args[0]))
    if name == "ldexp" and args[1].type.code in {"i8", "b1"}:
        return scaled(lo, lo.builder.as_float(args[0]), args[1])
    if name == "sinc":
        return sinc(lo, lo.builder.as_float(args[0]))
    if name == "cbrt":
        x = lo.builder.as_float(args[0])
        root = emit("pow", emit("abs", x), number(1.0 / 3.0))
        return emit("copysign", root, x)
    return None


def scaled(lo: Lowering, x: Value, n: Value) -> Value:
    """x * 2**n, in two steps: 2**n alone may be too large."""
    emit = lo.builder.emit
    half = emit("i.floordiv", n, number(2))
    for part in (half, emit("i.sub", n, half)):
        x = emit("mul", x, emit("pow", number(2.0), emit("to_f8", part)))
    return x


def fraction(lo: Lowering, x: Value) -> tuple[Value, Value]:
    """The number from 1/2 to 1, and the power of 2, that give x."""
    power = lo.builder.emit("exponent", x)
    return scaled(lo, x, lo.builder.emit("i.neg", power)), power


def sinc(lo: Lowering, x: Value) -> Value:
    """sin(pi x) / (pi x), and 1 at 0."""
    emit = lo.builder.emit
    empty = emit("equal", x, number(0.0))
    # Not 0 where it divides: the side that is not chosen has a derivative, too.
    y = emit("mul", number(3.141592653589793), emit("where", empty, number(1.0), x))
    return emit("where", empty, number(1.0), emit("div", emit("sin", y), y))


def truth(lo: Lowering, value: Value) -> Value:
    """Whether a number is not 0."""
    return value if value.type == B1 else lo.builder.emit("to_bool", value)


__all__ = ["I8", "apply", "binary", "compare", "power", "select", "unary"]

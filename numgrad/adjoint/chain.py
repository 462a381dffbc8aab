"""The product of the chain rule: an incoming derivative times the local ones of the op table."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

from numgrad.adjoint.builder import Builder, params_of, partials
from numgrad.adjoint.ir import Compute, Const, Value
from numgrad.expr import Expression, Input, Symbol, reads
from numgrad.expr import contribution as product_of
from numgrad.value import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable

# Ops whose local derivative may be infinite where they are not: there the product is the one in
# which 0 times infinity is 0. Elsewhere it costs a comparison in every loop for nothing.
SINGULAR = frozenset(
    {
        "sqrt",
        "log",
        "log2",
        "log10",
        "log1p",
        "pow",
        "asin",
        "acos",
        "acosh",
        "atanh",
        "atan2",
        "hypot",
        "lgamma",
        "gamma",
        "digamma",
        "polygamma",
        "div",
    }
)


def contribution(
    builder: Builder,
    stmt: Compute,
    g: Value,
    rule: Expression,
    value: Callable[[Value], Value],
) -> Value:
    """What an incoming derivative gives to an operand; `value` names values where it is needed."""
    if not isinstance(rule, Symbol):
        return builder.emit("mul", g, _float(rule)) if rule != 1 else g
    params = params_of(stmt.op)
    known = dict(zip((*params, "out"), (*stmt.args, stmt.out), strict=True))
    if stmt.op == "div":
        return _quotient(builder, stmt, g, rule, value)
    expression = _product(stmt.op, next(k for k, r in enumerate(partials(stmt.op)) if r is rule))
    environment = {name: value(known[name]) for name in reads(expression) if name != "g"}
    if stmt.op == "pow" and isinstance(stmt.args[1], Const) and params[0] != "g":
        special = _power(builder, stmt, g, rule, environment)
        if special is not None:
            return special
    environment["g"] = g
    return builder.evaluate(expression, environment)


def _float(value: float) -> Const:
    from numgrad.adjoint.builder import number

    return number(float(value))


@functools.cache
def _product(op: str, position: int) -> Expression:
    """g times a local derivative, as an expression of the registry's ops."""
    rule = partials(op)[position]
    assert rule is not None
    return product_of(Input("g"), rule, strict=op not in SINGULAR)


def _quotient(
    builder: Builder, stmt: Compute, g: Value, rule: Expression, value: Callable[[Value], Value]
) -> Value:
    """The rule of x / y with one division: 0 / 0 is 0 where the incoming derivative is that 0."""
    divisor = value(stmt.args[1])
    quotient = builder.emit("div", g, divisor)
    if not (isinstance(divisor, Const) and divisor.value):
        blank = builder.emit(
            "and",
            builder.emit("not_equal", quotient, quotient),
            builder.emit("equal", g, _float(0)),
        )
        quotient = builder.emit("where", blank, _float(0), quotient)
    if rule is partials("div")[0]:
        return quotient
    minus = builder.emit("neg", value(stmt.out))
    return builder.emit("product", quotient, minus)


def _power(
    builder: Builder, stmt: Compute, g: Value, rule: Expression, known: dict[str, Value]
) -> Value | None:
    """x ** c for a constant c other than 0: c * x ** (c - 1)."""
    exponent = stmt.args[1]
    assert isinstance(exponent, Const)
    if rule is not partials("pow")[0] or exponent.value == 0 or not math.isfinite(exponent.value):
        return None
    rest = builder.emit("pow", known[REGISTRY["pow"].params[0]], _float(exponent.value - 1))  # type: ignore[attr-defined]
    partial = builder.emit("mul", _float(exponent.value), rest)
    return builder.emit("mul" if exponent.value >= 1 else "product", g, partial)

"""Expressions run on arrays one op after the other, by kernels that are there already.

Slower than a fused kernel on large arrays, but nothing is compiled for it: derivatives of
derivatives are many, and most are asked for a few times.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import compiled
from numgrad.expr import Apply, Expression, Input, differentiate, inputs, postorder, reads

if TYPE_CHECKING:
    from collections.abc import Callable

    from numgrad.op import Elementwise


# How often an expression runs before a kernel of its own is compiled for it.
MANY = 100


def program(root: Expression, code: str) -> Callable[[dict[str, Any]], Any]:
    """Make what computes an expression for arrays and numbers of a float typecode."""
    if isinstance(root, (int, float)):
        number = root
        return lambda _: number
    steps: list[tuple[Any, tuple[Any, ...]]] = []
    places: dict[int, int] = {}
    names: list[str] = []
    order = postorder([root])
    for e in order:
        if isinstance(e, Input):
            places[id(e)] = len(names)
            names.append(e.name)
    for e in order:
        if isinstance(e, Apply):
            args = tuple((True, places[id(a)]) if id(a) in places else (False, a) for a in e.args)
            if not any(known for known, _ in args):  # of numbers alone
                places[id(e)] = len(names) + len(steps)
                value = e.op.eager(*(a for _, a in args)).item()
                steps.append((None, ((False, value),)))
                continue
            places[id(e)] = len(names) + len(steps)
            steps.append(
                (_choose if e.op.name == "where" else compiled.forward(e.op, code).load(), args)
            )
    last = places[id(root)]

    def run(environment: dict[str, Any]) -> Any:
        values = [environment[name] for name in names]
        for kernel, args in steps:
            given = [values[a] if known else a for known, a in args]
            values.append(given[0] if kernel is None else kernel(*given))
        return np.asarray(values[last])

    return run


def _choose(condition: Any, x: Any, y: Any) -> Any:
    """`where`; one condition for all elements chooses once."""
    if getattr(condition, "size", 1) == 1:
        chosen, other = (x, y) if condition else (y, x)
        if np.ndim(chosen) or not np.ndim(other):
            return chosen
    return np.where(condition, x, y)


@functools.cache
def staged(
    op: Elementwise, k: int, code: str, strict: bool
) -> tuple[Callable[[dict[str, Any]], Any], frozenset[str]]:
    """Make what computes the vjp to parameter k of an op, and say what it reads.

    For a cotangent with many more elements than the values: what does not depend on it is computed
    for the values alone.
    """
    expression = op.gradients(strict=strict)[k]
    assert expression is not None  # noqa: S101 - the caller has looked
    return program(expression, code), reads(expression)


@functools.cache
def change(
    op: Elementwise, k: int, name: str, code: str, strict: bool
) -> Callable[[dict[str, Any]], Any] | None:
    """Make what computes how the vjp to parameter k moves with one of the values that it reads.

    It is given the tangent of that value as `t`; None where the vjp does not read it.
    """
    expression = op.gradients(strict=strict)[k]
    if expression is None or isinstance(expression, (int, float)):
        return None
    wanted = [e for e in postorder([expression]) if isinstance(e, Input) and e.name == name]
    if not wanted:
        return None
    (t,) = inputs("t")
    total: Expression = 0.0
    for w in wanted:
        (part,) = differentiate(expression, t, (w,), strict=strict)
        zero = isinstance(total, (int, float)) and total == 0
        total = part if zero else total + part
    if isinstance(total, (int, float)) and total == 0:
        return None
    return _warming(op, k, name, total, code, strict=strict)


def _warming(
    op: Elementwise, k: int, name: str, root: Expression, code: str, *, strict: bool
) -> Callable[[dict[str, Any]], Any]:
    """Make what runs an expression as a program at first, and by a kernel once it is used a lot."""
    calls = 0
    run = program(root, code)
    kernel: Any = None

    def step(environment: dict[str, Any]) -> Any:
        nonlocal calls, kernel
        calls += 1
        if calls < MANY:
            return run(environment)
        if kernel is None:
            made = compiled.moving(op, k, name, root, code, strict=strict)
            kernel = made.load(), made.parameters
        function, parameters = kernel
        return np.asarray(function(*(environment[p] for p in parameters)))

    return step

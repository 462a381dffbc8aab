"""Loops that run both ways in one pass: when they do, and that nothing is lost by it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from numgrad import adjoint
from tests.adjoint import oracle, subject
from tests.adjoint.programs import difference

if TYPE_CHECKING:
    from collections.abc import Callable

RANDOM = np.random.default_rng(0)
ARGS = (RANDOM.normal(size=3), RANDOM.normal(size=(7, 3)), RANDOM.normal(size=7))


class Case(NamedTuple):
    """A function of weights, points and values, and the outermost loops of its gradient."""

    name: str
    function: Callable[..., Any]
    loops: int
    in_pairs: bool


CASES: list[Case] = []


def case(*, loops: int, in_pairs: bool = False) -> Callable[[Any], Any]:
    """Put a function into the table."""

    def declare(function: Any) -> Any:
        CASES.append(Case(function.__name__, function, loops, in_pairs))
        return function

    return declare


@case(loops=2, in_pairs=True)
def mean(w, x, y):
    total = 0.0
    for i in range(x.shape[0]):
        s = 0.0
        for j in range(w.size):
            s += x[i, j] * w[j]
        total += y[i] * s - math.log(1.0 + math.exp(s))
    return total / x.shape[0]


@case(loops=2, in_pairs=True)
def two_sums(w, x, y):
    a = b = 0.0
    for i in range(x.shape[0] - 1):
        s = y[i]
        for j in range(w.size):
            s += x[i, j] * w[j]
        a += s * s
        b += math.exp(s)
    return a - 2.0 * b


@case(loops=1)
def numbers_from_before(w, x, y):
    a = w[0] * w[1]
    total = a
    i = 0
    while i < x.shape[0]:
        r = a * x[i, 0] + w[2] - y[i]
        total += r * r
        total -= a
        i += 1
    return 2.0 * total


@case(loops=1)
def sums_in_branches(w, x, y):
    total = 0.0
    for i in range(x.shape[0]):
        s = 0.0
        for j in range(w.size):
            s += x[i, j] * w[j]
        if s > 0.0:
            total += y[i] * s
        else:
            total -= math.exp(s)
    return total


@case(loops=3)
def sums_in_inner_loops(w, x, y):
    z = w * w
    total = 0.0
    count = 0
    for i in range(x.shape[0]):
        own = np.empty(w.size)
        for j in range(w.size):
            own[j] = math.sin(x[i, j] * z[j])
        for j in range(w.size):
            total += own[j] * y[i]
        count += 1
    return 3.0 * total + count


@case(loops=1)
def break_by_the_sum(w, x, y):
    total = 0.0
    for i in range(x.shape[0]):
        r = x[i, 0] * w[0] + x[i, 1] * w[1] - y[i]
        if total > 2.5:
            break
        total += r * r
    return total


@case(loops=1)
def backward_by_two(w, x, y):
    total = 0.0
    for i in range(x.shape[0] - 1, -1, -2):
        s = y[i]
        for j in range(w.size):
            s *= x[i, j] * w[j]
        total += s
    return total


@case(loops=2)
def seed_known_after(w, x, y):
    total = 0.0
    for i in range(x.shape[0]):
        r = x[i, 0] * w[0] + x[i, 1] * w[1] - y[i]
        total += r * r
    return math.sqrt(total)


@case(loops=7)
def overwritten_after(w, x, y):
    z = w * 2.0
    total = 0.0
    for i in range(x.shape[0]):
        r = y[i]
        for j in range(w.size):
            r += x[i, j] * z[j]
        total += r * r
    for j in range(w.size):
        z[j] = 1.0
    for j in range(w.size):
        total += z[j] * w[j]
    return total


@case(loops=1)
def the_sum_is_used(w, x, y):
    total = 0.0
    for i in range(x.shape[0]):
        r = x[i, 0] * w[0] + x[i, 1] * w[1] - y[i]
        total += r * r + 0.1 * total
    return total


@case(loops=2)
def elements_carry(w, x, y):
    state = np.zeros(1)
    total = 0.0
    for i in range(x.shape[0]):
        state[0] = math.sin(state[0] + w[0] * x[i, 0])
        total += state[0] * y[i]
    return total


@case(loops=2, in_pairs=True)
def a_view_of_a_view(w, x, y):
    turned = x.T
    rows = turned.T
    total = 0.0
    for i in range(x.shape[0]):
        for j in range(w.size):
            total += rows[i, j] * w[j] * y[i]
    return total * 0.5


BOTH = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)


@BOTH
def test_gradients(case):
    wanted = oracle.gradient(case.function, ARGS, (0, 1, 2), [1.0])
    with adjoint.interpreted():
        _, found = subject.gradient(case.function, ARGS, (0, 1, 2), [1.0])
        single = adjoint.grad(adjoint.njit(case.function), (0, 1, 2))(*ARGS)
    assert difference(found, wanted) < 1e-12
    assert difference(subject.flat(single), wanted) < 1e-12


@BOTH
def test_second_derivatives(case):
    wanted = oracle.hessian(case.function, ARGS, (0,), [1.0])
    with adjoint.interpreted():
        found = adjoint.hessian(adjoint.njit(case.function))(*ARGS)
    assert difference(found.ravel(), wanted.ravel()) < 1e-12


@BOTH
def test_which_loops_run_in_one_pass(case):
    text = adjoint.njit(case.function).adjoint_source(*ARGS)
    points = [line for line in text.splitlines() if line.startswith(("    for ", "    while "))]
    assert len(points) == case.loops
    assert ("pairs" in text) is case.in_pairs


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_pairs_of_any_number(count):
    args = (ARGS[0], ARGS[1][:count], ARGS[2][:count])
    wanted = oracle.gradient(two_sums, args, (0, 1), [1.0])
    with adjoint.interpreted():
        _, found = subject.gradient(two_sums, args, (0, 1), [1.0])
    assert difference(found, wanted) < 1e-12


def test_compiled_code_is_as_right():
    wanted = oracle.gradient(two_sums, ARGS, (0,), [1.0])
    found = adjoint.grad(adjoint.njit(two_sums))(*ARGS)
    assert difference(found, wanted) < 1e-12

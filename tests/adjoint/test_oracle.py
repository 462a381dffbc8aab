"""What gradients are compared with is right itself: two ways to it agree."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.adjoint import numbers, oracle
from tests.adjoint.array_constructs import CONSTRUCTS
from tests.adjoint.programs import difference

SINGLE = {"single_precision"}
"""In the oracle they are computed in float64, too."""


def argnums_of(args):
    return tuple(n for n, a in enumerate(args) if oracle.is_float(a))


def weights(count):
    return list(np.random.default_rng(1).uniform(0.5, 1.5, count))


def interpreted_on_copies(function):
    """The function on floats in the plain interpreter."""
    return lambda *args: oracle.Tape(function, args, ()).result


@pytest.mark.parametrize("construct", CONSTRUCTS, ids=lambda c: c.name)
def test_gradients_of_the_oracle(construct):
    argnums = argnums_of(construct.args)
    function = interpreted_on_copies(construct.function)
    seeds = weights(len(oracle.values(construct.function, construct.args)))
    exact = oracle.gradient(construct.function, construct.args, argnums, seeds)
    args = [doubled(a) for a in construct.args]
    numeric = oracle.differences(function, args, argnums, seeds)
    assert exact.any()
    assert difference(exact, numeric) < 2e-8


def doubled(argument):
    """A float32 argument in float64, for finite differences."""
    single = isinstance(argument, np.ndarray) and argument.dtype == np.float32
    return argument.astype(np.float64) if single else argument


@pytest.mark.parametrize("construct", CONSTRUCTS[:12], ids=lambda c: c.name)
def test_hessians_of_the_oracle(construct):
    argnums = argnums_of(construct.args)
    exact = oracle.hessian(construct.function, construct.args, argnums)
    for row, found in enumerate(exact):

        def entry(*args, row=row):
            return oracle.gradient(construct.function, args, argnums)[row]

        assert difference(found, oracle.differences(entry, construct.args, argnums)) < 1e-6
    assert difference(exact, exact.T) < 1e-12


@pytest.mark.parametrize("name", numbers.UNARY)
def test_a_function_of_one_number(name):
    x = 1.4 if name == "acosh" else 0.6

    def function(x):
        return numbers.UNARY[name](x)

    first = oracle.gradient(function, (x,))
    assert difference(first, oracle.differences(function, (x,))) < 1e-8
    second = oracle.hessian(function, (x,))[0]
    numeric = oracle.differences(lambda x: oracle.gradient(function, (x,))[0], (x,))
    assert name == "fabs" or difference(second, numeric) < 1e-7


def test_numpy_says_what_a_view_is():
    def function(a):
        b = a[::-1]
        b[0] = 2.0 * a[0]
        return a[3] * a[0] + np.sum(a[1:3])

    assert oracle.gradient(function, (np.array([3.0, 1.0, 1.0, 5.0]),)).tolist() == [12, 1, 1, 0]


def test_unwritten_elements_show():
    assert math.isnan(oracle.values(lambda x: np.empty(2)[0] * x, (1.0,))[0])


def test_equal_numbers_are_noticed():
    before = numbers.ties[0]
    oracle.gradient(lambda x, y: max(x * 2.0, y), (1.0, 2.0), (0, 1))
    assert numbers.ties[0] > before

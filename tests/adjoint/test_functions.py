"""Functions of numbers that need more than a row of the table of ops."""

from __future__ import annotations

import math

import numba
import numpy as np
import pytest

import numgrad as ng
from numgrad import adjoint

POINTS = (0.3, 2.6, -1.3)


def gamma(x):
    return math.gamma(x)


def fraction(x):
    m, e = math.frexp(x)
    return m * m * e


def scaled(x):
    return math.ldexp(x * x, 3) + math.ldexp(x, -2)


def sinc(x):
    return np.sinc(x) * x


def divisors(x):
    return x * math.gcd(12, 18) + x * x * np.gcd(4, 6)


def of_real_numbers(x):
    return np.positive(x) * np.conj(x) + np.real(x) * np.signbit(x) + np.round(x) * x


FUNCTIONS = (gamma, fraction, scaled, sinc, divisors, of_real_numbers)
ALL = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)


@ALL
def test_derivatives(function):
    with adjoint.interpreted():
        gradient, second = ng.grad(ng.njit(function)), ng.hessian(ng.njit(function))
        for x in POINTS:
            slope = (function(x + 1e-6) - function(x - 1e-6)) / 2e-6
            bend = (gradient(x + 1e-6) - gradient(x - 1e-6)) / 2e-6
            assert gradient(x) == pytest.approx(slope, rel=1e-7, abs=1e-8)
            assert second(x) == pytest.approx(bend, rel=1e-7, abs=1e-8)


def test_compiled_values_are_those_of_numba():
    @ng.njit
    def everything(x):
        m, e = math.frexp(x)
        y = math.gamma(x) + m * math.ldexp(x, e) + np.sinc(x) + x * math.gcd(12, 18)
        return y + np.positive(x) * np.signbit(x) + np.round(x) * x

    plain, differentiated = numba.njit(everything.py_func), ng.value_and_grad(everything)
    for x in POINTS:
        value, slope = differentiated(x)
        assert value == pytest.approx(plain(x), rel=1e-15)
        wanted = (plain(x + 1e-6) - plain(x - 1e-6)) / 2e-6
        assert slope == pytest.approx(wanted, rel=1e-7)


EDGES = {
    "sinc at 0": (lambda: ng.grad(ng.njit(sinc))(0.0), 1.0),
    "a power of 2 that is too large": (
        lambda: ng.value_and_grad(ng.njit(shrunk))(1e300),
        (math.ldexp(1e300, -1993), math.ldexp(1.0, -1993)),
    ),
    "frexp of 0": (lambda: ng.grad(ng.njit(fraction))(0.0), 0.0),
    "gamma at infinity": (lambda: ng.njit(gamma)(math.inf), math.inf),
}


def shrunk(x):
    return math.ldexp(x, -1993)


@pytest.mark.parametrize("name", EDGES)
def test_edges(name):
    ask, wanted = EDGES[name]
    with adjoint.interpreted():
        found = ask()
    assert found == wanted

"""How functions of `numgrad.njit` and their gradients are called, and how their code is read."""

from __future__ import annotations

import inspect

import numba
import numpy as np
import pytest

import numgrad as ng
from numgrad import adjoint


@ng.njit
def power(x, n=3, scale=2.0, mode=None):
    p = scale
    for _ in range(n):
        p *= x
    return p


@ng.njit
def scaled(seed, factor=2.0):
    return seed * factor


gradient = ng.grad(power)
STORED = np.array([1.0, 2.0])


@numba.njit
def in_numba(x):
    return gradient(x) + gradient(x, scale=1.0) + gradient(n=2, x=x) + power(x, scale=1.0)


@ng.njit
def differentiable(x):
    return gradient(x) + gradient(x, scale=1.0) + gradient(n=2, x=x) + power(x, scale=1.0)


def of_tensor(**keywords):
    x = ng.tensor(2.0, requires_grad=True)
    power(**{name: x if value is None else value for name, value in keywords.items()}).backward()
    return x.grad.item()


# What is asked for, and what it is.
ANSWERS = {
    "defaults": (lambda: gradient(2.0), 24.0),
    "a keyword": (lambda: gradient(2.0, scale=1.0), 12.0),
    "all keywords": (lambda: gradient(scale=1.0, n=2, x=2.0), 4.0),
    "value_and_grad": (lambda: ng.value_and_grad(power)(2.0, n=2), (8.0, 8.0)),
    "argnums of a default": (lambda: ng.grad(power, argnums=(0, 2))(2.0), (24.0, 8.0)),
    "all arguments": (lambda: ng.grad(power, argnums=None)(2.0), (24.0, 8.0)),
    "grad of grad": (lambda: ng.grad(gradient)(2.0, n=2), 4.0),
    "vjp": (lambda: ng.vjp(power, 2.0)[1](1.0), (24.0, 8.0)),
    "a parameter named seed": (lambda: ng.vjp(scaled, STORED)[1](STORED)[0], 2 * STORED),
    "jvp": (lambda: ng.jvp(power, (2.0,), (1.0,)), (16.0, 24.0)),
    "jvp of some defaults": (lambda: ng.jvp(power, (2.0, 2), (1.0, None)), (8.0, 8.0)),
    "jacobian": (lambda: ng.jacobian(power)(2.0, n=2), 8.0),
    "hessian": (lambda: ng.hessian(power)(2.0, scale=1.0), 12.0),
    "within numba.njit": (lambda: in_numba(2.0), 52.0),
    "within numgrad.njit": (lambda: ng.grad(differentiable)(2.0), 52.0),
    "a tensor with defaults": (lambda: of_tensor(x=None), 24.0),
    "a tensor by keyword": (lambda: of_tensor(x=3.0, scale=None), 27.0),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_keywords_and_defaults(name):
    ask, wanted = ANSWERS[name]
    if name.startswith("within"):
        found = ask()
    else:
        with adjoint.interpreted():
            found = ask()
    np.testing.assert_allclose(found, wanted, rtol=1e-14)


REFUSED = {
    "nothing": (gradient, "missing a required argument: 'x'"),
    "an unknown keyword": (lambda: gradient(2.0, m=2), "unexpected keyword argument 'm'"),
    "twice": (lambda: gradient(2.0, x=1.0), "multiple values for argument 'x'"),
    "too many": (lambda: gradient(1.0, 2, 3.0, None, 5), "with 5 arguments: too many"),
    "too few tangents": (lambda: ng.jvp(power, (), ()), "x, n, scale, mode"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_calls_that_do_not_fit(name):
    ask, text = REFUSED[name]
    with pytest.raises(TypeError, match=text):
        ask()


def test_signatures_are_known_to_inspect():
    assert str(inspect.signature(gradient)) == "(x, n=3, scale=2.0, mode=None)"
    assert str(inspect.signature(ng.func.vjp(scaled))) == "(seed_, seed, factor=2.0)"


def fresh():
    """A function that has not been compiled."""

    @ng.njit
    def product(x, n=3):
        return x * n

    return product


def compiled(*calls):
    """A function that has been compiled for some calls."""
    product = fresh()
    for call in calls:
        product(*call)
    return product


TEXT = fresh().adjoint_source(1.0, 3)
VECTOR = numba.float64[:]

# Texts, and what is in them.
SOURCES = {
    "arguments": (lambda: fresh().adjoint_source(1.0), [TEXT]),
    "a keyword": (lambda: fresh().adjoint_source(n=2, x=1.0), [TEXT]),
    "types": (lambda: fresh().adjoint_source(numba.float64, n=numba.int64), [TEXT]),
    "a signature": (lambda: fresh().adjoint_source(VECTOR(VECTOR, numba.int64)), ["seed, x, n"]),
    "compiled": (lambda: compiled((1.0,)).adjoint_source(), [TEXT]),
    "compiled twice": (
        lambda: compiled((1.0,), (STORED, 2)).adjoint_source(),
        ["# x: float64, n: int64\n" + TEXT, "# x: 1-d array of float64, n: int64\ndef product_pul"],
    ),
    "a gradient": (lambda: gradient(2.0) and gradient.source(), ["def power_gradient(x, n, scale"]),
    "a tangent": (
        lambda: adjoint.jvp(fresh()).source((1.0, 2), (1.0, None)),
        ["def product_tangent(x, n, t_x):"],
    ),
}


@pytest.mark.parametrize("name", SOURCES)
def test_generated_code_is_shown(name):
    ask, parts = SOURCES[name]
    text = ask()
    compile(text, "<text>", "exec")
    assert [part for part in parts if part not in text] == []


NOT_SHOWN = {
    "not compiled": (lambda: fresh().adjoint_source(), "not been compiled yet.*pass arguments"),
    "a gradient not compiled": (lambda: ng.grad(fresh()).source(), "not been compiled yet"),
    "an integer": (lambda: fresh().adjoint_source(1), "no argument of floats"),
    "an unknown type": (lambda: fresh().adjoint_source(numba.complex128), "no code for complex128"),
    "an unknown keyword": (lambda: fresh().adjoint_source(1.0, m=2), "keyword argument 'm'"),
    "a result of integers": (
        lambda: ng.njit(whole_part).adjoint_source(1.0),
        "only floats can be differentiated",
    ),
}


def whole_part(x):
    return int(x)


@pytest.mark.parametrize("name", NOT_SHOWN)
def test_code_that_cannot_be_shown(name):
    ask, text = NOT_SHOWN[name]
    with pytest.raises(TypeError, match=text):
        ask()

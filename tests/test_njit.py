"""`numgrad.njit`: what its functions and their transforms promise, from Python and from Numba."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import pytest

import numgrad as ng
from tests.processes import run

THETA = np.array([2.0, 0.3])


@ng.njit
def simulate(theta, steps):
    x = np.empty(2)
    x[0] = 1.0
    x[1] = 0.0
    for _ in range(steps):
        a = -theta[0] * x[0] - theta[1] * x[1]
        x[1] += 0.01 * a
        x[0] += 0.01 * x[1]
    return x[0]


@ng.njit
def product(x, y):
    return x * x * y


@ng.njit
def powers(x, n):
    out = np.empty(n)
    p = 1.0
    for k in range(n):
        p *= x
        out[k] = p
    return out


@numba.njit
def known_to_numba(x, y):
    return np.sin(x) * y


@ng.njit
def squared_up_to(x, most):
    while x * x < most:
        x = x * x + 1.0
    return x


def differences(f, x, h=1e-6):
    columns = [(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(len(x))]
    return np.stack(columns, -1)


GRADIENT = differences(lambda t: simulate(t, 100), THETA)
HESSIAN = differences(lambda t: ng.grad(simulate)(t, 100), THETA)

# What is asked for, and what it is.
ANSWERS = {
    "grad": (lambda: ng.grad(simulate)(THETA, 100), GRADIENT),
    "value_and_grad": (lambda: ng.value_and_grad(simulate)(THETA, 100)[1], GRADIENT),
    "value": (lambda: ng.value_and_grad(product)(3.0, 2.0)[0], 18.0),
    "argnums": (lambda: ng.grad(product, 1)(3.0, 2.0), 9.0),
    "several argnums": (lambda: ng.grad(product, (0, 1))(3.0, 2.0), (12.0, 9.0)),
    "vjp": (lambda: ng.vjp(powers, 2.0, 3)[1](np.array([1.0, 10.0, 100.0])), (1241.0,)),
    "jvp": (lambda: ng.jvp(simulate, (THETA, 100), (np.eye(2)[0], None))[1], GRADIENT[0]),
    "jacobian": (lambda: ng.jacobian(powers)(2.0, 3), [1.0, 4.0, 12.0]),
    "jacfwd": (lambda: ng.func.jacfwd(simulate)(THETA, 100), GRADIENT),
    "jacrev": (lambda: ng.func.jacrev(simulate)(THETA, 100), GRADIENT),
    "hessian": (lambda: ng.hessian(simulate)(THETA, 100), HESSIAN),
    "grad of grad": (lambda: ng.grad(ng.grad(product))(3.0, 2.0), 4.0),
    "a condition computed in the body, too": (
        lambda: ng.grad(squared_up_to)(1.5, 100.0),
        4 * 1.5 * (1.5**2 + 1),
    ),
    "a function of numba.njit": (lambda: ng.grad(known_to_numba)(0.5, 2.0), 2 * np.cos(0.5)),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_transforms(name):
    ask, wanted = ANSWERS[name]
    np.testing.assert_allclose(ask(), wanted, rtol=1e-6, atol=1e-9)


def test_it_computes_what_numba_computes():
    assert simulate(THETA, 50) == numba.njit(simulate.py_func)(THETA, 50)


@pytest.mark.parametrize("decorate", [numba.njit, ng.njit])
def test_gradients_within_compiled_code(decorate):
    gradient = ng.grad(simulate)

    @decorate
    def descend(theta, steps):
        total = 0.0
        for _ in range(steps):
            theta = theta - 0.05 * gradient(theta, 100)
            total += theta[0]
        return total

    theta, total = THETA, 0.0
    for _ in range(3):
        theta = theta - 0.05 * gradient(theta, 100)
        total += theta[0]
    assert descend(THETA, 3) == pytest.approx(total, rel=1e-12)
    if decorate is ng.njit:
        found = ng.grad(descend)(THETA, 3)
        np.testing.assert_allclose(found, differences(lambda t: descend(t, 3), THETA), rtol=1e-6)


def test_a_function_of_tensors_is_one_node():
    theta = ng.tensor(THETA, requires_grad=True)
    y = simulate(theta, 100)
    assert y.grad_fn.name() == "SimulateBackward0"
    [(leaf, _)] = y.grad_fn.next_functions
    assert leaf.name() == "AccumulateGrad"
    (y * y).backward()
    np.testing.assert_allclose(theta.grad.numpy(), 2 * y.item() * GRADIENT, rtol=1e-7)


def test_second_derivatives_through_the_tape():
    x = ng.tensor(3.0, requires_grad=True)
    (first,) = ng.autograd.grad(product(x, 2.0), x, create_graph=True)
    (second,) = ng.autograd.grad(first, x)
    assert (first.item(), second.item()) == (12.0, 4.0)


class Rates(NamedTuple):
    """Parameters by name."""

    birth: np.ndarray
    death: float


def test_named_tuples_are_parameters():
    @ng.njit
    def growth(rates, n):
        x = 1.0
        for k in range(n):
            x += x * rates.birth[k] - rates.death * x * x
        return x

    rates = Rates(np.array([0.3, 0.2, 0.1]), 0.05)
    gradient = ng.grad(growth)(rates, 3)
    assert isinstance(gradient, Rates)
    along = differences(lambda b: growth(Rates(b, 0.05), 3), rates.birth)
    np.testing.assert_allclose(gradient.birth, along, rtol=1e-6)


REFUSED = {
    "a result that is no number": (lambda: ng.grad(powers)(2.0, 3), TypeError, "one float"),
    "too few arguments": (
        lambda: ng.grad(simulate)(THETA),
        TypeError,
        "argument: 'steps'",
    ),
    "an integer": (lambda: ng.grad(product)(3, 2.0), TypeError, "float"),
    "an option": (lambda: ng.jacobian(powers, has_aux=True), TypeError, "no option has_aux"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    ask, error, text = REFUSED[name]
    with pytest.raises(error, match=text):
        ask()


def test_generated_code_can_be_read():
    text = ng.grad(simulate).source(THETA, 10)
    compile(text, "<text>", "exec")
    assert "for " in text
    assert "np.empty" not in text.split("for ")[-1]


SCRIPT = """
import numpy as np
import numgrad as ng
from numgrad.adjoint import disk

@ng.njit
def polynomial(x, c):
    total = 0.0
    for k in range(c.size - 1, -1, -1):
        total = total * x + c[k]
    return total

print(ng.grad(polynomial)(2.0, np.array([1.0, 2.0, 3.0])))
print(*sorted((p.name, p.stat().st_mtime_ns) for p in disk.folder().rglob("*.nbc")))
"""
RUN = "import runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__')"


def test_compiled_gradients_are_kept_on_disk(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    first, second = (run(RUN, tmp_path / "store", str(script)) for _ in range(2))
    assert first[0] == "14.0"
    assert len(first) > 1
    assert second == first  # nothing was compiled anew
    script.write_text(SCRIPT.replace("total * x", "total * x * 2.0"))
    changed = run(RUN, tmp_path / "store", str(script))
    assert len(changed) > len(first)


@ng.njit
def quartic(x, y, n):
    total = 0.0
    for _ in range(n):
        total += x[0] ** 2 * x[1] * y**2
    return total


@ng.njit
def cubed(x):
    return np.sum(x**3)


SECOND = {
    "hvp": (lambda x, y, v: ng.func.hvp(quartic, (x, y, 2), (v, 1.0, None)), False),
    "vhp": (lambda x, y, v: ng.func.vhp(quartic, (x, y, 2), (v, 1.0, None)), False),
    "hvp, y constant": (lambda x, y, v: ng.func.hvp(quartic, (x, y, 2), (v, None, None)), True),
    "vhp, y constant": (lambda x, y, v: ng.func.vhp(quartic, (x, y, 2), (v, None, None)), True),
}


@pytest.mark.parametrize("lift", [np.array, ng.tensor], ids=["arrays", "tensors"])
@pytest.mark.parametrize("name", SECOND)
def test_products_with_the_hessian(name, lift) -> None:
    call, constant = SECOND[name]
    to_x, to_y, to_n = call(lift([1.0, 2.0]), 3.0, lift([1.0, -1.0]))
    assert to_n is None
    # The Hessian by x is 2 y^2 times [[2 x1, 2 x0], [2 x0, 0]]; mixed 4 y [2 x0 x1, x0^2].
    mixed = np.zeros(2) if constant else 4 * 3.0 * np.array([4.0, 1.0])
    np.testing.assert_allclose(to_x, 18.0 * np.array([2.0, 2.0]) + mixed)
    if constant:
        assert to_y is None
    else:
        assert float(to_y) == pytest.approx(12.0 * 3.0 + 4 * 2.0)


def test_hvp_of_one_argument_gives_it_alone_and_linearize_takes_constants() -> None:
    v = np.array([1.0, -1.0])
    assert ng.func.hvp(cubed, (v,), (v,)).tolist() == [6.0, 6.0]
    assert ng.func.vhp(cubed, (v,), (v,)).tolist() == [6.0, 6.0]
    value, push = ng.func.linearize(quartic, np.array([1.0, 2.0]), 3.0, 2)
    assert value == 36.0
    assert push(v, None, None) == pytest.approx(18.0 * 3.0)
    with pytest.raises(ValueError, match="a vector for each argument"):
        ng.func.hvp(quartic, (v, 3.0, 2), (v,))
    with pytest.raises(ValueError, match="got no vector"):
        ng.func.vhp(quartic, (v, 3.0, 2), (None, None, None))


@pytest.mark.parametrize("transform", [ng.grad, ng.value_and_grad, ng.jacobian, ng.hessian])
def test_a_transform_is_made_once_however_often_it_is_asked_for(transform) -> None:
    @ng.njit
    def square(x):
        return x * x

    assert transform(square) is transform(square)
    assert ng.grad(square, [0]) is ng.grad(square, (0,))

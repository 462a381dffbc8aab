"""numgrad.vectorize: a function with loops and branches is an op like those of the library."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numba
import numpy as np
import pytest

import numgrad as ng
from numgrad.autograd import gradcheck, gradgradcheck
from tests.processes import run

SCALE = 1.5
TABLE = np.array([1.0, 2.0, 4.0])


@ng.njit
def shifted(x):
    return x * x + SCALE


@ng.vectorize
def newton(a, n):
    x = a
    for _ in range(8):
        x = 0.5 * (x + a / x) + 0.1 * n
    if x > 2.0:
        return shifted(x) * TABLE[1]
    return math.sin(x)


@ng.vectorize
def halvings(x):
    count = 0
    while x > 1.0 and count < 50:
        x *= 0.5
        count += 1
    return count


@ng.vectorize
def factorial(n):
    if n <= 1.0:
        return 1.0
    return n * factorial(n - 1.0)


@ng.vectorize
def taylor(x, terms):
    powers = np.zeros(3)
    for k in range(3):
        powers[k] = x**k
    total = powers.sum()
    for k in range(3, int(terms)):
        total += x**k / k
    return total


@ng.vectorize
def five(a, b, g, out, loop):
    exp = b if a > b else math.exp(g)
    return exp * out + a * loop


def leaf(values: Any, **options: Any) -> ng.Tensor:
    return ng.tensor(values, requires_grad=True, **options)


ARGUMENTS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "loop and branch": (newton, ([0.5, 2.0, 9.0], [[0.1], [0.2]])),
    "recursion": (factorial, ([2.5, 4.5],)),
    "small arrays": (taylor, ([0.5, 0.7], 5.5)),
    "names of kernels": (five, ([1.0, 2.0], 1.5, [0.3, 0.4], 2.0, [0.1, 0.2])),
}


@pytest.fixture(params=list(ARGUMENTS))
def case(request):
    function, values = ARGUMENTS[request.param]
    return function, [leaf(v) for v in values]


def test_values_are_those_of_the_function(case) -> None:
    function, xs = case
    arrays = [x.detach().numpy() for x in xs]
    expected = np.vectorize(lambda *args: float(function.py_func(*args)), otypes=[float])(*arrays)
    found = function(*arrays)
    assert type(found) is np.ndarray
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    np.testing.assert_allclose(function(*xs).detach(), expected, rtol=1e-13)
    np.testing.assert_allclose(
        ng.vmap(function, (0, *(None,) * (len(xs) - 1)))(np.array([arrays[0]] * 2), *arrays[1:]),
        [expected] * 2,
        rtol=1e-13,
    )


def test_all_modes(case) -> None:
    function, xs = case
    assert gradcheck(function, xs, check_forward_ad=True, check_batched_grad=True)


@ng.vectorize
def spiral(x, y):
    for _ in range(2):
        x, y = x * y, x - y
    return x if x > 0 else x * y


def test_second_order_in_all_modes() -> None:
    assert gradgradcheck(spiral, [leaf([1.5, 0.5]), leaf([[0.7], [2.0]])])


def test_one_node_and_few_kernels() -> None:
    y = newton(leaf([0.5, 9.0]), leaf(0.1))
    assert y.grad_fn.name() == "NewtonBackward0"
    assert {node.name() for node, _ in y.grad_fn.next_functions} == {"AccumulateGrad"}
    assert "def newton(" in newton.source()
    assert not newton(leaf(1.0), 0.1).detach().requires_grad
    with ng.no_grad():
        assert not newton(leaf(1.0), 0.1).requires_grad


@pytest.mark.parametrize(
    ("arguments", "dtype"),
    [
        ((np.float32([0.5, 4.0]), np.float32(0.0)), np.float32),
        ((np.float32([0.5, 4.0]), 0.5), np.float32),
        ((np.float32([0.5, 4.0]), np.float64(0.5)), np.float64),
        ((np.array([1, 4]), 0), np.float64),
        ((True, 0.5), np.float64),
    ],
    ids=str,
)
def test_dtypes(arguments, dtype) -> None:
    assert newton(*arguments).dtype == dtype
    assert newton(ng.as_tensor(arguments[0]), *arguments[1:]).dtype == dtype
    x = leaf(np.float32([0.5, 4.0]))
    newton(x, 0.5).sum().backward()
    assert x.grad.dtype == np.float32
    expected = ng.vmap(ng.grad(newton), (0, None))(np.array([0.5, 4.0]), 0.5)
    np.testing.assert_allclose(x.grad, expected, rtol=1e-5)


def test_numbers_give_numbers_and_keywords_work() -> None:
    assert type(newton(2.0, 1.0)) is np.float64
    assert newton(n=1.0, a=2.0) == newton(2.0, 1.0)
    with pytest.raises(TypeError, match="missing a required argument: 'n'"):
        newton(2.0)


def test_counts_are_floats_without_slope() -> None:
    assert halvings([3.0, 40.0]).tolist() == [2.0, 6.0]
    x = leaf([3.0, 40.0])
    halvings(x).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0]


def test_transforms_compose() -> None:
    third = ng.grad(ng.grad(ng.grad(factorial)))(3.5)
    # n (n - 1) (n - 2) between 3 and 4
    assert third == pytest.approx(6.0)
    value, slope = ng.jvp(factorial, (2.5,), (2.0,))
    assert (value, slope) == (pytest.approx(3.75), pytest.approx(8.0))
    x = leaf([2.5, 3.5])
    (g,) = ng.autograd.grad(factorial(x).sum(), x, create_graph=True)
    g.sum().backward()
    np.testing.assert_allclose(x.grad, [2.0, 6 * 3.5 - 6])


def scaled_by(k):
    @ng.vectorize
    def scaled(x):
        total = 0.0
        for _ in range(3):
            total += k * x
        return total

    return scaled


def test_closures_of_one_name_in_one_kernel() -> None:
    twice, thrice = scaled_by(2.0), scaled_by(3.0)
    both = ng.elementwise(lambda x: twice(x) * thrice(x) + ng.exp(0 * x))
    assert both(np.array([1.0, 2.0])).tolist() == [55.0, 217.0]
    assert ng.grad(both)(1.0) == 108.0


def test_a_rule_of_its_own() -> None:
    @ng.vectorize
    def root(c):
        x = c
        while abs(x * x - c) > 1e-12 * c:
            x = 0.5 * (x + c / x)
        return x

    @root.partial
    def _(c, out):
        return 0.5 / out

    assert ng.grad(root)(4.0) == pytest.approx(0.25)
    assert ng.hessian(root)(4.0) == pytest.approx(-1 / 32)

    @ng.njit
    def outer(x):
        return root(x)

    with pytest.raises(ng.errors.LanguageError, match=r"derivatives of its own, by \.partial"):
        ng.grad(outer)(4.0)


def pairs(x):
    return x, x


def filled(x):
    values = np.zeros(4)
    for k in range(int(x)):
        values[k] = x
    return values.sum()


def inverse(x):
    return np.linalg.inv(x)


LARGE = np.zeros(10_000)


def looked_up(x):
    return LARGE[int(x)] * x


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (pairs, TypeError, r"return one number; pairs\(\) returns"),
        (filled, ng.errors.LanguageError, "makes an array that numbers cannot replace"),
        (inverse, ng.errors.LanguageError, "no derivative of .* 'inv'"),
        (looked_up, ng.errors.LanguageError, "4096 at most"),
        (lambda *x: x, TypeError, r"vectorize\(\) takes functions of a fixed number"),
    ],
)
def test_what_it_refuses(function, error, message) -> None:
    with pytest.raises(error, match=message):
        ng.vectorize(function)(1.0)


@ng.njit
def total(x, k):
    return np.sum(newton(x, k)) + newton(x[0], 2.0)


@numba.njit
def total_by_numba(x, k):
    return np.sum(newton(x, k))


def test_from_compiled_code() -> None:
    x = np.array([0.7, 4.0])
    assert total(x, 0.1) == pytest.approx(newton(x, 0.1).sum() + newton(0.7, 2.0))
    assert total_by_numba(x, 0.1) == pytest.approx(newton(x, 0.1).sum())
    expected = ng.grad(lambda x, k: newton(x, k).sum() + newton(x[0], 2.0), (0, 1))(x, 0.1)
    for found, wanted in zip(ng.grad(total, (0, 1))(x, 0.1), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


@ng.elementwise
def bent(x):
    return ng.where(x > 1, x * x, x)


@ng.elementwise
def morse(r, depth, width=1.0):
    return depth * (1 - ng.exp(-width * (bent(r) - 1))) ** 2


@ng.njit
def energy(r, depth):
    return np.sum(morse(r, depth, 1.0)) + morse(r[0], 2, 1.5)


@numba.njit
def energy_by_numba(r, depth):
    return np.sum(morse(r, depth, 1.0))


def test_formulas_in_compiled_code() -> None:
    def expected(r, depth):
        return morse(r, depth).sum() + morse(r[0], 2, 1.5)

    r = np.array([0.5, 1.5])
    assert energy(r, 2.0) == pytest.approx(expected(r, 2.0).item())
    assert energy_by_numba(r, 2.0) == pytest.approx(morse(r, 2.0).sum().item())
    for found, wanted in zip(
        ng.grad(energy, (0, 1))(r, 2.0), ng.grad(expected, (0, 1))(r, 2.0), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


@ng.elementwise
def straight(x):
    return ng.floor(x)


@straight.partial
def _(x, out):
    return 1


@ng.elementwise("abs({0})")
def size(x):
    """A text."""


@ng.njit
def calls_straight(x):
    return straight(x)


@ng.njit
def calls_size(x):
    return size(x)


@pytest.mark.parametrize("function", [calls_straight, calls_size])
def test_formulas_with_rules_are_refused(function) -> None:
    with pytest.raises(ng.errors.LanguageError, match="a text or derivatives of its own"):
        ng.grad(function)(1.5)


def test_threads_change_no_bit() -> None:
    x = np.linspace(0.5, 20.0, 200_000)
    before = ng.get_num_threads()
    results = []
    try:
        for count in (1, 2, 3):
            ng.set_num_threads(count)
            results.append(newton(x, 0.1))
    finally:
        ng.set_num_threads(before)
    assert all(np.array_equal(r, results[0]) for r in results)


def test_pickle_and_repr() -> None:
    assert pickle.loads(pickle.dumps(newton)) is newton  # noqa: S301 - made here
    assert repr(newton) == "<vectorized function newton(a, n)>"


PROGRAM = """
import runpy, sys
space = runpy.run_path(sys.argv[1])
import numgrad as ng
x = ng.tensor([0.5, 3.0], requires_grad=True)
space["bent"](x).sum().backward()
print(*x.grad.tolist(), "numba" in sys.modules)
"""
FUNCTION = """
import numgrad as ng
@ng.vectorize
def bent(x):
    while x > 2.0:
        x = 0.5 * x
    return 2 * x
"""


def test_a_second_process_needs_no_numba(tmp_path) -> None:
    path = tmp_path / "function.py"
    path.write_text(FUNCTION, "utf-8")
    for compiled_here in (True, False):
        found = run(PROGRAM, tmp_path / "store", str(path))
        assert found == ["2.0", "1.0", str(compiled_here)]

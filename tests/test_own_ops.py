"""numgrad.elementwise: a user's formula is an op like those of the library."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest

import numgrad as ng
from numgrad.autograd import gradcheck, gradgradcheck


def leaf(values: Any, **options: Any) -> ng.Tensor:
    return ng.tensor(values, requires_grad=True, **options)


def plain_morse(r, depth, width=1.0):
    return depth * (1 - ng.exp(-width * (r - 1))) ** 2


FORMULAS = {
    "three arguments": plain_morse,
    "operators": lambda x, y: -x + 2 * y - x / 3 + 1 / y + x**2 + 2**x + y**1.5 + x % 2 + abs(x),
    "numpy": lambda x, y: np.exp(x) * np.tanh(y) + np.float32(0.5) * np.maximum(x, y),
    "methods": lambda x: x.sin().exp() + x.sqrt(),
    "choice": lambda x, y: ng.where((x == y) | (x > 2), x * y, ng.where(x != 1.5, y, x)),
    "loop": lambda x: sum(x**k / math.factorial(k) for k in range(1, 6)),
    "unused": lambda _, y: y * 3,
}
VALUES = ([0.5, 1.5, 2.5], [1.2, 0.7, 2.0], [0.9, 1.1, 1.3])


@pytest.fixture(params=[name for name in FORMULAS if name != "choice"])
def formula(request):
    return FORMULAS[request.param]


def arguments(function: Any, **options: Any) -> list[ng.Tensor]:
    count = function.__code__.co_argcount
    return [leaf(v, **options) for v in VALUES[:count]]


@pytest.mark.parametrize("dtype", [ng.float64, ng.float32])
def test_value_and_gradients_are_those_of_the_chain_of_ops(formula, dtype) -> None:
    xs = arguments(formula, dtype=dtype)
    found, expected = ng.elementwise(formula)(*xs), formula(*xs)
    assert found.dtype == dtype
    tolerance = 1e-5 if dtype == ng.float32 else 1e-13
    np.testing.assert_allclose(found.detach(), expected.detach(), rtol=tolerance)
    options = {"allow_unused": True, "materialize_grads": True}
    for a, b in zip(
        ng.autograd.grad(found.sum(), xs, **options),
        ng.autograd.grad(expected.sum(), xs, **options),
        strict=True,
    ):
        assert a.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_forward_mode_batches_and_second_order(formula) -> None:
    xs = arguments(formula)
    op = ng.elementwise(formula)
    assert gradcheck(op, xs, check_forward_ad=True, check_batched_grad=True)
    assert gradgradcheck(op, xs)
    batched = ng.vmap(op)(*xs)
    np.testing.assert_allclose(batched.detach(), op(*xs).detach())


def test_one_node_and_one_kernel_for_all_gradients() -> None:
    morse = ng.elementwise(plain_morse)
    y = morse(leaf([0.9, 1.5]), leaf(4.5), leaf(1.0))
    assert y.grad_fn.name() == "PlainMorseBackward0"
    assert {node.name() for node, _ in y.grad_fn.next_functions} == {"AccumulateGrad"}
    product = ng.elementwise(lambda x, y: ng.exp(x * y))
    assert product.source().count("def loop") == 2


def test_defaults_keywords_broadcasting_numbers_and_arrays() -> None:
    morse = ng.elementwise(plain_morse)
    r = np.array([[0.9], [1.5]])
    expected = plain_morse(r, np.array([4.0, 5.0]), 2.0).numpy()
    np.testing.assert_allclose(morse(r, np.array([4.0, 5.0]), 2.0), expected)
    np.testing.assert_allclose(morse(width=2.0, depth=np.array([4.0, 5.0]), r=r), expected)
    assert morse(1.0, 3).item() == 0.0
    assert morse(np.arange(3), 1).dtype == ng.float64
    with pytest.raises(TypeError, match="missing a required argument: 'depth'"):
        morse(r)


def test_choice_by_where() -> None:
    op = ng.elementwise(
        lambda x, y: ng.where(ng.logical_or(x == y, x > 2), x * y, ng.where(x != 1.5, y, x))
    )
    x, y = leaf([1.2, 1.5, 2.5, 0.5]), leaf([1.2, 0.7, 2.0, 4.0])
    z = op(x, y)
    np.testing.assert_allclose(z.detach(), [1.44, 1.5, 5.0, 4.0])
    z.sum().backward()
    assert x.grad.tolist() == [1.2, 1.0, 2.0, 0.0]
    assert y.grad.tolist() == [1.2, 0.0, 2.5, 1.0]


def test_the_nan_safe_rule_holds() -> None:
    x = leaf([0.0, 4.0])
    ng.elementwise(lambda x: ng.where(x > 0, ng.sqrt(x), 0.0))(x).sum().backward()
    assert x.grad.tolist() == [0.0, 0.25]


def test_an_op_in_an_op() -> None:
    inner = ng.elementwise(lambda x: x * x + 1)
    outer = ng.elementwise(lambda x, y: inner(x) * inner(y) + ng.sin(x))
    assert ng.func.grad(outer, (0, 1))(2.0, 3.0) == (4 * 10 + np.cos(2.0), 5 * 6.0)


def test_a_rule_of_its_own() -> None:
    calls: list[int] = []

    @ng.elementwise
    def clipped(x, k):
        return ng.where(x > k, k, x)

    @clipped.partial
    def _(x, k, out):
        calls.append(1)
        return 1, None  # straight through

    x, k = leaf([1.0, 5.0]), leaf(2.0)
    clipped(x, k).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    assert k.grad is None
    assert calls == [1]


def test_a_text_and_its_rule() -> None:
    @ng.elementwise("math.exp(math.lgamma({0})) if {0} > 0 else math.nan")
    def gamma(x):
        """The gamma function."""

    assert gamma.__doc__ == "The gamma function."
    assert gamma(leaf([5.0, -1.0])).isnan().tolist() == [False, True]
    assert not gamma(leaf([5.0])).requires_grad  # no rule, no history

    @gamma.partial
    def _(x, out):
        return out * ng.digamma(x)

    x = leaf([1.5, 3.0])
    assert gradcheck(gamma, x)
    assert gradgradcheck(gamma, x)


def test_profiles_and_anomaly_mode_see_it() -> None:
    root = ng.elementwise(lambda x: x**0.5 - 1 + 0 * x)
    with ng.profile() as profile:
        root(leaf([1.0])).backward()
    assert [row.calls for row in profile.rows() if row.name == "lambda"] == [1]
    with ng.autograd.set_detect_anomaly(True):
        y = (root(leaf([-1.0])) * 1).sum()  # here
        with (
            pytest.warns(UserWarning, match="# here"),
            pytest.raises(RuntimeError, match="LambdaBackward0 returned nan"),
        ):
            y.backward()


def test_names_that_kernels_use_may_be_parameters() -> None:
    op = ng.elementwise(lambda out, g, math, t0, exp: out + 2 * g + 3 * math + 4 * t0 + exp.exp())
    xs = [leaf([1.0, 2.0]) for _ in range(5)]
    op(*xs).sum().backward()
    assert [x.grad.tolist()[0] for x in xs[:4]] == [1.0, 2.0, 3.0, 4.0]
    np.testing.assert_allclose(xs[4].grad, np.exp([1.0, 2.0]), rtol=1e-15)


def test_what_it_reads_is_fixed_when_it_is_declared() -> None:
    factor = 2.0
    op = ng.elementwise(lambda x: x * factor)
    factor = 3.0
    assert op(1.0).item() == 2.0


pickled = ng.elementwise(plain_morse)
pickled.__qualname__ = "pickled"


def test_it_is_pickled_by_name() -> None:
    assert pickle.loads(pickle.dumps(pickled)) is pickled  # noqa: S301 - its own


@pytest.mark.parametrize(
    ("body", "error", "text"),
    [
        (lambda x: x if x > 0 else -x, TypeError, r"numgrad.where\(condition, a, b\)"),
        (lambda x: x > 0 and x, TypeError, "if, and, or"),
        (math.exp, TypeError, "numgrad.exp for math.exp"),
        (lambda x: (x, x), TypeError, "one number.*got tuple"),
        (lambda _: None, TypeError, "one number.*got NoneType"),
        (lambda x: x * np.ones(2), TypeError, "got ndarray: pass it as an argument"),
        (lambda x: x * ng.ones(2), TypeError, "got Tensor: pass it as an argument"),
        (lambda x: ng.sum(x) * 2, TypeError, "takes tensors, arrays and numbers"),
        (lambda x: x.reshape(2), AttributeError, "no 'reshape'"),
        (lambda *xs: xs[0], TypeError, "fixed number of arguments"),
        (lambda: 1.0, TypeError, "fixed number of arguments"),
    ],
)
def test_what_cannot_be_declared(body, error, text) -> None:
    with pytest.raises(error, match=text):
        ng.elementwise(body)


@pytest.mark.parametrize(
    "template",
    [
        "{1}",
        "{0",
        "{0} +",
        "x = {0}",
        "",
        "sqare({0})",
        "os.name",
        "math.gamma({0})",
        "[{0}]",
        "'a'",
        "{0}.imag",
    ],
)
def test_texts_that_are_no_expressions(template) -> None:
    with pytest.raises(ValueError, match="text of an elementwise function"):
        ng.elementwise(template)(lambda _: None)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (lambda x, *_: x, "2 derivatives.*it gave 1"),
        (lambda x, y, _: (x, np.ones(2) * y), "got ndarray"),
        (lambda x, y, out: (x, y if out > 0 else x), "numgrad.where"),
    ],
)
def test_rules_that_are_none(rule, text) -> None:
    with pytest.raises(TypeError, match=text):
        ng.elementwise(lambda x, y: x * y).partial(rule)

"""numgrad.testing: closeness and its messages, derivatives by differences."""

from __future__ import annotations

import numpy as np
import pytest

import numgrad as ng
from numgrad import testing

T = ng.tensor

CLOSE = [
    (T([1.0, 2.0]), T([1.0, 2.0 + 1e-8]), {}),
    (T([1.0]), np.ones(1), {}),
    (np.ones(2), [1, 1], {}),
    ([1, 2.0], T([1.0, 2.0]), {}),
    (1.0, 1.0 + 1e-8, {}),
    (T(1.0), 1.0, {}),
    (T([1.0], dtype=ng.float32), T([1.0 + 1e-6], dtype=ng.float32), {}),
    (T([1.0], dtype=ng.float32), T([1.0 + 1e-6]), {"check_dtype": False}),
    (T([np.nan, np.inf]), T([np.nan, np.inf]), {"equal_nan": True}),
    (T([1.0]), T([1.5]), {"rtol": 0.0, "atol": 0.5}),
    ([T([1.0]), 2], [T([1.0]), 2], {}),
    ({"a": T([1.0]), "b": [1]}, {"b": [1], "a": T([1.0])}, {}),
    (T([True, False]), T([True, False]), {}),
    (ng.zeros(0, 3), np.zeros((0, 3)), {}),
    (T([1.0], requires_grad=True) * 2, T([2.0]), {}),
]


@pytest.mark.parametrize(("actual", "expected", "options"), CLOSE)
def test_close(actual, expected, options):
    testing.assert_close(actual, expected, **options)


FAR = [
    (T([1.0, 2.0]), T([1.0, 2.1]), {}, "Mismatched elements: 1 / 2 (50.0%)"),
    (T([1, 2]), T([1, 3]), {}, "Tensor-likes are not equal!"),
    (T([1.0]), T([np.nan]), {}, "Greatest absolute difference: nan at index (0,)"),
    (T([np.nan]), T([np.nan]), {}, "Mismatched elements: 1 / 1"),
    (T([np.inf]), T([-np.inf]), {}, "Greatest absolute difference: inf"),
    (T(1.0), T(2.0), {}, "Absolute difference: 1.0 (up to 1e-07 allowed)"),
    (
        T([1, 2]),
        T([1, 5]),
        {},
        "absolute difference: 3 at index (1,)\nGreatest relative difference: 0.6 at",
    ),
    (1.0, 2.0, {}, "Scalars are not close!\n\nExpected 2.0 but got 1.0."),
    (ng.ones(2), ng.ones(3), {}, "attribute 'shape' do not match: (2,) != (3,)"),
    (ng.ones(2), ng.ones(2, dtype=ng.float32), {}, "attribute 'dtype' do not match"),
    (ng.ones(2, 2), np.ones((2, 2)).T, {"check_stride": True}, "attribute 'strides'"),
    ([1, 2], [1], {}, "The length of the sequences do not match: 2 != 1"),
    ([T([1.0]), T([2.0])], [T([1.0]), T([3.0])], {}, "The failure occurred for item [1]"),
    ({"a": {"b": 1}}, {"a": {"b": 2}}, {}, "The failure occurred for item ['a']['b']"),
    ({"a": 1}, {"b": 1}, {}, "Missing keys in the actual mapping: ['b']"),
    (T([True]), T([False]), {}, "Mismatched elements: 1 / 1 (100.0%)"),
]


@pytest.mark.parametrize(("actual", "expected", "options", "said"), FAR)
def test_far(actual, expected, options, said):
    with pytest.raises(AssertionError) as caught:
        testing.assert_close(actual, expected, **options)
    assert said in str(caught.value)


def both(actual, expected, **options):
    """What numgrad and PyTorch say of the same values; None for nothing."""
    torch = pytest.importorskip("torch")

    def said(compare, make):
        try:
            compare(make(actual), make(expected), **options)
        except AssertionError as error:
            return str(error)
        return None

    return (
        said(testing.assert_close, lambda v: T(v) if isinstance(v, np.ndarray) else v),
        said(
            torch.testing.assert_close,
            lambda v: torch.tensor(v) if isinstance(v, np.ndarray) else v,
        ),
    )


rng = np.random.default_rng(3)
BASE = rng.standard_normal((3, 4))
PAIRS = [
    (BASE, BASE + 1e-9),
    (BASE, BASE + 1e-3),
    (BASE, np.where(BASE > 1, 7.0, BASE)),
    (BASE.astype("f4"), BASE.astype("f4") * np.float32(1 + 3e-6)),
    (BASE, BASE[:, :2]),
    (np.array(1.0), np.array(1.25)),
    (1.0, 1.5),
    (1.5, 1.5),
]


@pytest.mark.parametrize(("actual", "expected"), PAIRS)
def test_messages_are_pytorchs(actual, expected):
    ours, theirs = both(actual, expected)
    # Shapes print as tuples here.
    assert ours == (
        theirs
        and theirs.replace("torch.Size([3, 4])", "(3, 4)").replace("torch.Size([3, 2])", "(3, 2)")
    )


def test_message_of_ones_own():
    with pytest.raises(AssertionError, match=r"^mine$"):
        testing.assert_close(1, 2, msg="mine")
    with pytest.raises(AssertionError, match=r"^wrong: Scalars are not"):
        testing.assert_close(1, 2, msg=lambda text: f"wrong: {text}")


REFUSED = [
    (lambda: testing.assert_close(1, 1, rtol=0.1), ValueError, "rtol and atol together"),
    (lambda: testing.assert_close("a", "a"), TypeError, "got str"),
    (lambda: testing.assert_close(None, 1.0), TypeError, "got NoneType"),
    (
        lambda: testing.finite_difference_jacobian(float, [1.0]),
        TypeError,
        "gives a tensor, got float",
    ),
]


@pytest.mark.parametrize(("call", "error", "said"), REFUSED)
def test_refused(call, error, said):
    with pytest.raises(error, match=said):
        call()


def test_the_jacobian_of_several_inputs():
    x, y = T([[1.0, 2.0]]), T([3.0, 4.0])
    to_x, to_y = testing.finite_difference_jacobian(lambda x, y: (x * x).sum() * y, x, y)
    assert (to_x.shape, to_y.shape) == ((2, 1, 2), (2, 2))
    testing.assert_close(to_x, np.array([[[6.0, 12.0]], [[8.0, 16.0]]]), rtol=1e-9, atol=1e-9)
    testing.assert_close(to_y, 5 * np.eye(2), rtol=1e-9, atol=1e-9)


def test_extrapolation_is_exact_for_polynomials_of_degree_four():
    exact = 4 * 0.75**3
    with_it = testing.finite_difference_jacobian(lambda x: x**4, 0.75, step=0.125)
    without = testing.finite_difference_jacobian(
        lambda x: x**4, 0.75, step=0.125, extrapolate=False
    )
    assert with_it.item() == pytest.approx(exact, rel=1e-14)
    assert without.item() == pytest.approx(exact + 4 * 0.75 * 0.125**2, rel=1e-14)


def test_functions_that_drop_their_history_have_jacobians_too():
    found = testing.finite_difference_jacobian(lambda x: ng.tensor(np.exp(x.numpy())), [0.0, 1.0])
    testing.assert_close(found, np.diag([1.0, np.e]), rtol=1e-9, atol=1e-9)


def test_wrong_derivatives_are_told():
    with pytest.raises(AssertionError, match="derivatives of order 1 are off by") as caught:
        testing.assert_derivatives(lambda x: x.detach() * x, [1.0, 2.0])
    assert "in input 0, by numgrad:" in str(caught.value)


def test_the_second_order_is_told_alone():
    def straight(x):
        """The cube, with the right gradient, whose derivative is not."""
        return x * (3 * x * x).detach() - 2 * (x * x * x).detach()

    testing.assert_derivatives(straight, [1.0, 2.0], order=1)
    with pytest.raises(AssertionError, match="derivatives of order 2 are off by"):
        testing.assert_derivatives(straight, [1.0, 2.0])

"""NumPy's `out=`, `where=` and `.at` on tensors: writes in place, recorded (SEMANTICS V11)."""

from __future__ import annotations

import numpy as np
import pytest

import numgrad as ng
from numgrad.autograd import gradcheck

X = np.array([0.5, 1.5, -2.0])


def leaf(values=X) -> ng.Tensor:
    return ng.tensor(values, requires_grad=True)


def product(x, t):
    return np.multiply(x, t, out=t)


def chosen(x, t):
    np.multiply(x, 3.0, out=t, where=np.array([True, False, True]))
    return t


def into_view(x, t):
    np.exp(x[1:], out=t[::-1][:2])
    return t


def broadcast(x, t):
    both = t * np.ones((2, 1))
    np.sin(x, out=both)
    return both


def reduced(x, t):
    np.add.reduce(np.stack([x, x * 2.0]), axis=0, out=t)
    return t


def scanned(x, t):
    np.cumsum(x * x, out=t)
    return t


def of_itself(x, t):
    np.cumsum(t, out=t)
    return t


def joined(x, t):
    both = np.concatenate([t, t])
    np.concatenate([x, t], out=both)
    return both


def added_at(x, t):
    np.add.at(t, [0, 0, 2], x)
    return t


def subtracted_at(x, t):
    np.subtract.at(t, np.s_[1:], x[1:] * x[1:])
    return t


PROGRAMS = [
    product,
    chosen,
    into_view,
    broadcast,
    reduced,
    scanned,
    of_itself,
    joined,
    added_at,
    subtracted_at,
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_values_are_numpy_s(program) -> None:
    t = np.array([1.0, 2.0, 3.0])
    expected = program(X, t)
    assert program(leaf(), ng.tensor([1.0, 2.0, 3.0])).tolist() == expected.tolist()


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_write_is_recorded(program) -> None:
    def f(x, w):
        return program(x, w * 2.0)

    assert gradcheck(f, (leaf(), leaf([1.0, 2.0, 3.0])))


def test_out_is_returned_and_its_version_counts() -> None:
    t = ng.zeros(3)
    assert np.exp(leaf(), out=t) is t
    assert t.requires_grad
    assert t._version == 1
    plain = ng.zeros(3)
    assert np.exp(X, out=plain) is plain
    assert not plain.requires_grad
    assert plain._version == 1


def test_saved_values_that_out_overwrote_are_found() -> None:
    x = leaf()
    t = ng.ones(3)
    y = x * t
    np.exp(X, out=t)
    with pytest.raises(RuntimeError, match="in place"):
        y.sum().backward()


def test_under_no_grad_arrays_are_written_as_well() -> None:
    x, found = leaf(), np.zeros(3)
    with ng.no_grad():
        np.exp(x, out=found)
    np.testing.assert_array_equal(found, np.exp(X))


def test_transforms() -> None:
    _, tangent = ng.func.jvp(lambda x: np.multiply(x, x, out=ng.zeros(3)), (X,), (np.ones(3),))
    np.testing.assert_array_equal(tangent, 2 * X)
    rows = ng.vmap(lambda x: np.multiply(x, x, out=x * 0))(np.stack([X, -X]))
    np.testing.assert_array_equal(rows, np.stack([X * X, X * X]))


@pytest.mark.parametrize(
    ("write", "error", "match"),
    [
        (lambda x: np.exp(x, out=np.zeros(3)), RuntimeError, "history"),
        (lambda x: np.sum(x, out=np.zeros(())), RuntimeError, "history"),
        (lambda x: np.add.at(np.zeros(3), [0], x[:1]), RuntimeError, "history"),
        (lambda x: np.exp(x, out=x), RuntimeError, "leaf"),
        (lambda x: np.exp(x, out=ng.zeros(2)), ng.errors.ShapeError, "expand"),
        (lambda x: np.exp(x, out=ng.zeros(1, 2)), ng.errors.ShapeError, "expand"),
        (lambda x: np.cumsum(x, out=ng.zeros(())), ng.errors.ShapeError, "fit"),
        (lambda x: np.exp(x, out=ng.zeros(3, dtype=ng.int64)), RuntimeError, "cannot hold"),
        (lambda x: np.modf(x, out=(ng.zeros(3), ng.zeros(3))), TypeError, "out="),
        (lambda x: np.multiply.at(ng.zeros(3), [0], x[:1]), TypeError, "multiply.at"),
    ],
)
def test_what_is_refused_changes_nothing(write, error, match) -> None:
    x = leaf()
    with pytest.raises(error, match=match):
        write(x)
    assert x.tolist() == X.tolist()
    assert x.is_leaf

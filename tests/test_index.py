"""Indexing, gather and scatter: values are NumPy's, gradients the adjoints, with repeats too."""

from __future__ import annotations

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given

import numgrad as ng
from tests.test_shape import check_linear

RNG = np.random.default_rng(0)
A = RNG.normal(size=(4, 3, 5))
V = RNG.normal(size=5)
M = RNG.normal(size=(3, 4))
ROWS = np.array([0, 2, 2, -1, 0])
GRID = np.array([[0, 1], [-1, 0]])

# A key, and the node that records it.
BASIC = {
    "integer": (1, "Select"),
    "negative integer": (-1, "Select"),
    "integers": ((1, -1), "Select"),
    "all integers": ((1, -1, 0), "Select"),
    "integer and Ellipsis": ((..., 2), "Select"),
    "slice before integer": ((slice(1, None), 2), "Select"),
    "NumPy integer": (np.int32(2), "Select"),
    "slice": (slice(1, 3), "Slice"),
    "whole slice": (slice(None), "Slice"),
    "step": (slice(None, None, 2), "Slice"),
    "negative step": (slice(None, None, -1), "Slice"),
    "negative steps": ((slice(3, 0, -2), slice(None), slice(None, None, -3)), "Slice"),
    "empty slice": (slice(2, 2), "Slice"),
    "slices": ((slice(1), ..., slice(1, 4)), "Slice"),
    "None": (None, "Unsqueeze"),
    "None last": ((0, None), "Unsqueeze"),
    "None first": ((None, 0), "Select"),
    "Ellipsis": (..., "Alias"),
    "nothing": ((), "Alias"),
}
ADVANCED = {
    "rows": ROWS,
    "list": [0, 2, 2],
    "range": range(2),
    "empty list": [],
    "grid": GRID,
    "small integers": ROWS.astype(np.int8),
    "two arrays": (ROWS[:3], np.array([0, 1, 1])),
    "outer": (GRID[:, :1], np.array([1, 1, 0])),
    "three arrays": (ROWS[:3], np.array([0, 1, 1]), np.array([0, 0, 0])),
    "array and slice": (ROWS, slice(None, None, -1)),
    "slice and array": (slice(1, None), np.array([0, 0, 2])),
    "array last": (..., np.array([0, -1, 0])),
    "apart": (ROWS[:3], slice(None), np.array([4, 4, 4])),
    "integer beside array": (0, slice(None), np.array([1, 1])),
    "array and None": (ROWS, None, slice(1)),
    "mask": A > 0,
    "mask of rows": np.array([True, False, True, True]),
    "mask of matrices": M[:, :4].T > 0,
    "mask last": (..., np.array([True, False, True, True, False])),
    "mask and integer": (np.array([True, False, True, True]), 1),
    "mask and array": (np.array([True, False, True, False]), np.array([1, 1])),
    "two masks": (np.array([True, False, True, False]), np.array([True, True, False])),
    "empty mask": np.zeros(4, bool),
    "True": True,
    "False": False,
}


@pytest.mark.parametrize(("key", "node"), BASIC.values(), ids=BASIC)
def test_basic_keys_give_views(key, node):
    x = ng.tensor(A)
    y = x[key]
    np.testing.assert_array_equal(y.numpy(), A[key])
    assert y._counter is x._counter or not y.numpy().size
    assert y._base is x or not y.numpy().size
    x.requires_grad_()
    assert x[key].grad_fn.name() == f"{node}Backward0"
    check_linear(lambda x: x[key], A)


@pytest.mark.parametrize("key", ADVANCED.values(), ids=ADVANCED)
def test_arrays_as_keys_give_copies(key):
    x = ng.tensor(A)
    y = x[key]
    np.testing.assert_array_equal(y.numpy(), A[key])
    assert y._base is None
    assert not np.shares_memory(x.numpy(), y.numpy())
    x.requires_grad_()
    assert x[key].grad_fn.name() == "IndexBackward0"
    check_linear(lambda x: x[key], A)


@pytest.mark.parametrize("key", [*(k for k, _ in BASIC.values()), *ADVANCED.values()])
def test_written_values(key):
    region = A[key].shape
    value = RNG.normal(size=region)
    expected = A.copy()
    expected[key] = value
    x = ng.tensor(A)
    x[key] = ng.tensor(value)
    np.testing.assert_array_equal(x.numpy(), expected)

    def write(x, value):
        y = x * 1.0
        y[key] = value
        return y

    check_linear(write, A, value)
    if region:
        check_linear(write, A, RNG.normal(size=(1, *region[1:])))
    check_linear(write, A, np.array(2.0))


def test_tensors_as_keys():
    x = ng.tensor(A)
    rows = ng.tensor(ROWS)
    np.testing.assert_array_equal(x[rows].numpy(), A[ROWS])
    np.testing.assert_array_equal(x[rows, 1:].numpy(), A[ROWS, 1:])
    np.testing.assert_array_equal(x[x > 0].numpy(), A[A > 0])
    np.testing.assert_array_equal(x[ng.tensor(2)].numpy(), A[2])
    assert x[ng.tensor(2)]._base is x
    np.testing.assert_array_equal(x[ng.tensor(1) : ng.tensor(3)].numpy(), A[1:3])
    np.testing.assert_array_equal(x[[ng.tensor(1), ng.tensor(0)]].numpy(), A[[1, 0]])


def test_one_element_of_a_vector_is_a_view():
    x = ng.tensor(V)
    assert np.shares_memory(x[2].numpy(), x.numpy())
    assert x[2].shape == ()


def test_repeated_indices_add_up():
    x = ng.tensor(np.zeros(3), requires_grad=True)
    x[[0, 0, 2]].sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [2, 0, 1])


def test_keys_are_copied():
    rows = np.array([0, 0, 1])
    mask = np.array([True, False, True])
    x = ng.tensor(np.zeros(3), requires_grad=True)
    y = ng.cat([x[rows], x[mask], ng.index_select(x, 0, rows), ng.gather(x, 0, rows)])
    rows[:] = 2
    mask[:] = False
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [2 * 3 + 1, 3, 1])


def test_second_order():
    x = ng.tensor(V, requires_grad=True)
    y = x[[0, 0, 3]]
    (gradient,) = ng.autograd.grad((y * y * y).sum(), x, create_graph=True)
    expected = 3 * V**2 * np.array([2, 0, 0, 1, 0])
    np.testing.assert_allclose(gradient.detach().numpy(), expected)
    gradient.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 6 * V * np.array([2, 0, 0, 1, 0]))


def test_unselected_elements_that_are_not_finite_get_zero():
    x = ng.tensor([np.nan, 1.0, np.inf], requires_grad=True)
    x[ng.tensor([False, True, False])].backward(ng.tensor([np.inf]))
    np.testing.assert_array_equal(x.grad.numpy(), [0, np.inf, 0])


def test_the_last_write_counts_and_its_gradient():
    x = ng.tensor(np.zeros(3), requires_grad=True)
    v = ng.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 1.0
    y[[0, 2, 0]] = v
    np.testing.assert_array_equal(y.detach().numpy(), [3, 0, 2])
    y.backward(ng.tensor([1.0, 10.0, 100.0]))
    np.testing.assert_array_equal(x.grad.numpy(), [0, 10, 0])
    np.testing.assert_array_equal(v.grad.numpy(), [0, 100, 1])


def check_last_writes(first, second, values):
    """The last write in row-major order stays, and its element of the value gets the gradient."""
    expected = np.zeros((2, 2))
    places = np.broadcast(first, second)
    for (i, j), value in zip(places, values.ravel(), strict=True):
        expected[i, j] = value
    v = ng.tensor(values, requires_grad=True)
    y = ng.index_put(ng.zeros(2, 2), (ng.tensor(first), ng.tensor(second)), v)
    np.testing.assert_array_equal(y.detach().numpy(), expected)
    y.backward(ng.tensor(np.ones((2, 2))))
    np.testing.assert_array_equal(v.grad.numpy(), np.isin(values, expected))


@given(
    hnp.arrays(np.int64, (3, 4), elements={"min_value": -2, "max_value": 1}),
    hnp.arrays(np.int64, (3, 1), elements={"min_value": -2, "max_value": 1}),
)
def test_the_last_write_is_the_last_in_row_major_order(first, second):
    check_last_writes(first, second, np.arange(1.0, 13.0).reshape(3, 4))


def test_the_last_write_does_not_depend_on_memory():
    first, second = np.array([[[1, 0]], [[0, 1]]]), np.array([[[1, 1], [0, 1]]])
    values = np.arange(1.0, 9.0).reshape(2, 2, 2)
    by_columns = values.transpose(1, 0, 2).copy().transpose(1, 0, 2)
    check_last_writes(first, second, values)
    x = ng.zeros(2, 2)
    x[first, second] = ng.as_tensor(by_columns)
    y = ng.index_put(ng.zeros(2, 2), (first, second), ng.as_tensor(by_columns))
    expected = ng.index_put(ng.zeros(2, 2), (first, second), values)
    np.testing.assert_array_equal(y.numpy(), expected.numpy())
    np.testing.assert_array_equal(x.numpy(), expected.numpy())


INDEX = np.array([[0, 2, 2, 1], [-1, 0, 0, 0]])
LONG = np.array([[0, 1, 1, 0, -3]] * 2)


def reference_gather(a, axis, index):
    out = np.empty(index.shape)
    for place in np.ndindex(*index.shape):
        there = list(place)
        there[axis] = index[place]
        out[place] = a[tuple(there)]
    return out


def reference_scatter(a, axis, index, src, *, add):
    out = a.copy()
    for place in np.ndindex(*index.shape):
        there = list(place)
        there[axis] = index[place]
        out[tuple(there)] = src[place] + (out[tuple(there)] if add else 0)
    return out


@pytest.mark.parametrize(
    ("axis", "index"), [(0, INDEX), (1, INDEX), (-1, INDEX[:1, :2]), (1, LONG)]
)
def test_gather_and_scatter(axis, index):
    x, places = ng.tensor(M), ng.tensor(index)
    gathered = x.gather(axis, places)
    np.testing.assert_array_equal(gathered.numpy(), reference_gather(M, axis, index))
    check_linear(lambda x: ng.gather(x, axis, places), M)
    for src in (RNG.normal(size=index.shape), RNG.normal(size=(5, 6))):
        for ours, add in ((ng.scatter, False), (ng.scatter_add, True)):
            y = ours(x, axis, places, ng.tensor(src))
            expected = reference_scatter(M, axis, index, src, add=add)
            np.testing.assert_allclose(y.numpy(), expected, rtol=1e-14)
            check_linear(lambda x, s, ours=ours: ours(x, axis, places, s), M, src)


def test_scatter_of_a_number():
    y = ng.tensor(M).scatter(1, ng.tensor([[0], [1]]), 7.0)
    expected = M.copy()
    expected[[0, 1], [0, 1]] = 7
    np.testing.assert_array_equal(y.numpy(), expected)
    same = ng.scatter(ng.tensor(M), 1, ng.tensor([[0], [1]]), value=7)
    np.testing.assert_array_equal(same.numpy(), expected)
    check_linear(lambda x, v: ng.scatter(x, 1, ng.tensor(INDEX), v), M, np.array(2.0))


def test_gather_and_scatter_add_are_adjoint():
    x = ng.tensor(M, requires_grad=True)
    g = ng.tensor(RNG.normal(size=INDEX.shape))
    (gradient,) = ng.autograd.grad(ng.gather(x, 1, ng.tensor(INDEX)), x, g)
    added = ng.scatter_add(ng.zeros(3, 4), 1, ng.tensor(INDEX), g)
    np.testing.assert_array_equal(gradient.numpy(), added.numpy())


ALONG = {
    "take_along_dim": (
        lambda x: ng.take_along_dim(x, INDEX[:, :1], 1),
        lambda a: np.take_along_axis(a, INDEX[:, :1], 1),
        M[:2],
    ),
    "take_along_dim broadcast": (
        lambda x: x.take_along_dim(ng.tensor(LONG[:1]), 1),
        lambda a: np.take_along_axis(a, LONG[:1], 1),
        M,
    ),
    "take_along_dim broadcast input": (
        lambda x: ng.take_along_dim(x, ng.tensor(LONG), axis=1),
        lambda a: np.take_along_axis(a, LONG, 1),
        M[:1],
    ),
    "take_along_dim flat": (
        lambda x: ng.take_along_dim(x, ng.tensor([11, 0, 0])),
        lambda a: a.ravel()[[11, 0, 0]],
        M,
    ),
    "take_along_axis": (
        lambda x: ng.take_along_axis(x, LONG[:1]),
        lambda a: np.take_along_axis(a, LONG[:1], -1),
        M,
    ),
    "index_select": (
        lambda x: x.index_select(1, ng.tensor([2, 0, 2])),
        lambda a: a[:, [2, 0, 2]],
        A,
    ),
    "index_select 0-d": (lambda x: x.index_select(0, ng.tensor([0])), lambda a: a, np.array(3.0)),
    "take": (lambda x: ng.take(x, GRID), lambda a: np.take(a, GRID), A),
    "take axis": (lambda x: ng.take(x, GRID, axis=1), lambda a: np.take(a, GRID, 1), A),
    "masked_select": (
        lambda x: x.masked_select(ng.tensor([[True], [False], [True]])),
        lambda a: a[[0, 2]].ravel(),
        M,
    ),
    "masked_select wide": (
        lambda x: ng.masked_select(x, M > 0),
        lambda a: np.broadcast_to(a, (3, 4))[M > 0],
        V[:4],
    ),
    "extract": (lambda x: ng.extract(M > 0, x), lambda a: np.extract(M > 0, a), M),
    "select": (lambda x: x.select(1, -1), lambda a: a[:, -1], A),
    "narrow": (lambda x: x.narrow(2, -3, 2), lambda a: a[..., 2:4], A),
    "masked_fill": (
        lambda x: x.masked_fill(M > 0, 0.0),
        lambda a: np.where(M > 0, 0, a),
        M,
    ),
}


@pytest.mark.parametrize(("ours", "numpys", "array"), ALONG.values(), ids=ALONG)
def test_selecting(ours, numpys, array):
    np.testing.assert_array_equal(ours(ng.tensor(array)).numpy(), numpys(array))
    check_linear(ours, array)


def added(a, b, key):
    a = a.copy()
    np.add.at(a, key, b)
    return a


ADDING = {
    "index_add": (
        lambda x, s: x.index_add(1, ng.tensor([0, 2, 0]), s),
        lambda a, b: added(a, b, (slice(None), [0, 2, 0])),
        (4, 3, 5),
    ),
    "index_add alpha": (
        lambda x, s: ng.index_add(x, 0, ng.tensor([-1]), s, alpha=-2),
        lambda a, b: added(a, -2 * b, [3]),
        (1, 3, 5),
    ),
    "index_put": (
        lambda x, s: ng.index_put(x, (ng.tensor(ROWS), ng.tensor([2])), s, accumulate=True),
        lambda a, b: added(a, b, (ROWS, [2])),
        (5, 5),
    ),
    "index_put broadcast": (
        lambda x, s: ng.index_put(x, (ng.tensor(ROWS),), s, accumulate=True),
        lambda a, b: added(a, b, ROWS),
        (5, 1, 1),
    ),
    "index_put mask": (
        lambda x, s: ng.index_put(x, (ng.tensor(A > 0),), s, accumulate=True),
        lambda a, b: a + (A > 0) * b,
        (),
    ),
}


@pytest.mark.parametrize(("ours", "numpys", "shape"), ADDING.values(), ids=ADDING)
def test_adding(ours, numpys, shape):
    source = RNG.normal(size=shape)
    y = ours(ng.tensor(A), ng.tensor(source))
    np.testing.assert_allclose(y.numpy(), numpys(A, source), rtol=1e-14)
    check_linear(ours, A, source)


def test_masked_fill_with_a_tensor():
    x = ng.tensor(np.array([1.0, 2.0], np.float32), requires_grad=True)
    value = ng.tensor(5.0, requires_grad=True)
    y = ng.masked_fill(x, np.array([[True, False], [True, True]]), value)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y.detach().numpy(), [[5, 2], [5, 5]])
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [0, 1])
    assert value.grad.item() == 3


def test_empty_indices_give_zero_gradient():
    x = ng.tensor(M, requires_grad=True)
    nothing = ng.tensor(np.zeros(0, np.int64))
    y = ng.cat([x[[]].reshape(-1), x.index_select(0, nothing).reshape(-1), x.take(nothing)])
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.zeros((3, 4)))


def test_integers_stay_integers():
    x = ng.tensor([1, 2, 3])
    assert x[[0, 0]].dtype == np.int64
    y = ng.scatter_add(x, 0, ng.tensor([0, 0]), ng.tensor([5, 6]))
    assert y.dtype == np.int64
    np.testing.assert_array_equal(y.numpy(), [12, 2, 3])


def test_inputs_are_not_written_to():
    x, s, places = ng.tensor(M), ng.tensor(M), ng.tensor(INDEX)
    ng.scatter(x, 1, places, s)
    ng.scatter_add(x, 1, places, s)
    ng.index_add(x, 0, ng.tensor([0, 0, 1]), s)
    ng.index_put(x, (ng.tensor([0]),), s[0])
    ng.masked_fill(x, x > 0, 0.0)
    np.testing.assert_array_equal(x.numpy(), M)
    np.testing.assert_array_equal(s.numpy(), M)
    np.testing.assert_array_equal(places.numpy(), INDEX)


# What is wrong, its error, and what the message says.
ERRORS = {
    "out of bounds": (lambda x: x[4], IndexError, "index 4 .* axis 0 with size 4"),
    "array out of bounds": (lambda x: x[:, [0, 3]], IndexError, "index 3 .* axis 1 with size 3"),
    "too many": (lambda x: x[0, 0, 0, 0], IndexError, "3-dimensional"),
    "arrays do not broadcast": (lambda x: x[[0, 1], [0, 1, 2]], IndexError, r"\(2,\) \(3,\)"),
    "mask of another shape": (lambda x: x[ng.tensor([True, False])], IndexError, "axis 0"),
    "float": (lambda x: x[1.0], TypeError, "float"),
    "float tensor": (lambda x: x[ng.tensor([1.0])], TypeError, r"index.long\(\)"),
    "string": (lambda x: x["a"], TypeError, "str"),
    "float slice": (lambda x: x[1.0:], TypeError, "integer"),
    "gather ndim": (lambda x: x.gather(0, ng.tensor([0])), ng.errors.ShapeError, "dimensions"),
    "gather size": (
        lambda x: x.gather(0, ng.tensor(np.zeros((1, 4, 1), int))),
        ng.errors.ShapeError,
        "no larger than the tensor",
    ),
    "gather bounds": (
        lambda x: x.gather(1, ng.tensor(np.full((1, 1, 1), 3))),
        IndexError,
        "index 3, out of bounds for axis 1 with size 3",
    ),
    "gather floats": (lambda x: x.gather(0, ng.zeros(1, 1, 1)), TypeError, "integer dtype"),
    "gather range": (lambda x: x.gather(3, ng.tensor([[[0]]])), IndexError, "dimension 3"),
    "scatter size": (
        lambda x: x.scatter(0, ng.tensor([[[0]], [[0]]]), ng.zeros(1, 1, 1)),
        ng.errors.ShapeError,
        "no larger than the source",
    ),
    "scatter nothing": (lambda x: x.scatter(0, ng.tensor([[[0]]])), TypeError, "value="),
    "scatter kind": (
        lambda x: ng.scatter(x > 0, 0, ng.tensor([[[0]]]), 1.5),
        TypeError,
        "float64 into bool",
    ),
    "index_select": (lambda x: x.index_select(0, GRID), ng.errors.ShapeError, "vector"),
    "index_select bounds": (lambda x: x.index_select(0, ng.tensor([-5])), IndexError, "-5"),
    "index_add": (
        lambda x: x.index_add(0, ng.tensor([0, 0]), x),
        ng.errors.ShapeError,
        r"\(2, 3, 5\), got \(4, 3, 5\)",
    ),
    "index_put bounds": (
        lambda x: ng.index_put(x, (ng.tensor([4]),), 1.0, accumulate=True),
        IndexError,
        "index 4",
    ),
    "index_put shape": (
        lambda x: ng.index_put(x, (ng.tensor([0, 1]),), ng.zeros(3, 3, 5)),
        ng.errors.ShapeError,
        r"\(3, 3, 5\)",
    ),
    "index_put sum shape": (
        lambda x: ng.index_put(x, (ng.tensor([0, 1]),), ng.zeros(3, 3, 5), accumulate=True),
        ng.errors.ShapeError,
        r"\(3, 3, 5\)",
    ),
    "take": (lambda x: x.take(ng.tensor([60])), IndexError, "size 60"),
    "take_along_dim": (
        lambda x: ng.take_along_dim(x, np.zeros((3, 3, 1), int), 1),
        ng.errors.ShapeError,
        "broadcast",
    ),
    "masked_fill floats": (lambda x: x.masked_fill(x, 0.0), TypeError, "x > 0"),
    "masked_fill shape": (lambda x: x.masked_fill(x > 0, [1.0, 2.0]), ng.errors.ShapeError, "0-d"),
    "masked_select": (
        lambda x: x.masked_select(ng.tensor([True, False])),
        ng.errors.ShapeError,
        "broadcast",
    ),
    "extract": (lambda x: ng.extract([True], x), ng.errors.ShapeError, "one condition"),
    "narrow": (lambda x: x.narrow(1, 2, 2), IndexError, "extent 3"),
    "select": (lambda x: x.select(1, 3), IndexError, "axis 1"),
}


@pytest.mark.parametrize(("wrong", "error", "message"), ERRORS.values(), ids=ERRORS)
def test_errors(wrong, error, message):
    with pytest.raises(error, match=message):
        wrong(ng.tensor(A))

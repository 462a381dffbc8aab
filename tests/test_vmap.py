"""vmap: every row of the table against a loop, then what it takes and refuses."""

from __future__ import annotations

import numpy as np
import pytest

import numgrad as ng
from numgrad.samples import ROWS
from tests.rows import floating, seeds_for

ITEMS = 3
# Rows that draw random numbers, or write to what is not mapped: they have tests below.
ALONE = {"nn.functional.dropout", "Tensor.__setitem__"}

MAPPED = [row for row in ROWS if row.name not in ALONE and not row.name.endswith("_")]

every_row = pytest.mark.parametrize("row", MAPPED, ids=str, scope="module")
# All inputs mapped; where there are several, one of them, too.
every_way = pytest.mark.parametrize(
    ("row", "which"),
    [
        pytest.param(row, which, id=f"{row} {which}")
        for row in MAPPED
        for which in ("all", "first", "last")
        if which == "all" or len(row.differentiable()) > 1
    ],
    scope="module",
)


def stacked(row, which):
    """Arrays of the row, those that are mapped with a dimension for the items; in_dims."""
    arrays, positions = row.arrays(), row.differentiable()
    mapped = {"all": positions, "first": positions[:1], "last": positions[-1:]}[which]
    full = [
        np.stack([a * (1 + 0.01 * i) for i in range(ITEMS)]) if k in mapped else a
        for k, a in enumerate(arrays)
    ]
    return full, tuple(0 if k in mapped else None for k in range(len(arrays)))


def item(full, dims, i):
    return [a if d is None else a[i] for a, d in zip(full, dims, strict=True)]


def assert_close(actual, expected):
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
    scale = 1 + np.max(np.abs(expected), initial=0.0, where=np.isfinite(expected))
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-10 * scale)


@every_way
def test_vmap_equals_a_loop(row, which):
    full, dims = stacked(row, which)
    results = ng.vmap(lambda *xs: tuple(row(*xs)), dims)(*map(ng.tensor, full))
    loop = [row(*map(ng.tensor, item(full, dims, i))) for i in range(ITEMS)]
    for k, r in enumerate(results):
        assert_close(r.numpy(), np.stack([each[k].numpy() for each in loop]))


def weighted(row):
    """A number made of all results of a row."""

    def loss(*xs):
        results = floating(row(*xs))
        weights = seeds_for(row, results)
        return sum(((r * ng.tensor(w)).sum() for r, w in zip(results, weights, strict=True)))

    return loss


@every_way
def test_vmap_of_grad_equals_a_loop(row, which):
    full, dims = stacked(row, which)
    gradient = ng.grad(weighted(row), row.differentiable())
    found = ng.vmap(gradient, dims)(*map(ng.tensor, full))
    loop = [gradient(*map(ng.tensor, item(full, dims, i))) for i in range(ITEMS)]
    for k, g in enumerate(found):
        assert_close(g.numpy(), np.stack([each[k].numpy() for each in loop]))


@every_way
def test_grad_of_vmap_equals_a_loop(row, which):
    full, dims = stacked(row, which)
    positions = row.differentiable()
    loss = weighted(row)
    found = ng.grad(lambda *xs: ng.vmap(loss, dims)(*xs).sum(), positions)(*map(ng.tensor, full))
    loop = ng.grad(lambda *xs: sum(loss(*item(xs, dims, i)) for i in range(ITEMS)), positions)(
        *map(ng.tensor, full)
    )
    for g, e in zip(found, loop, strict=True):
        assert_close(g.numpy(), e.numpy())


@every_row
def test_vmap_of_jvp_and_of_second_derivatives_equals_a_loop(row):
    full, dims = stacked(row, "all")
    positions = row.differentiable()
    loss = weighted(row)
    gradient = ng.grad(loss, positions)

    def products(*xs):
        primals = tuple(xs[k] for k in positions)
        put = lambda *new: [  # noqa: E731
            new[positions.index(k)] if k in positions else x for k, x in enumerate(xs)
        ]
        value, first = ng.jvp(lambda *new: loss(*put(*new)), primals, primals)
        second = ng.jvp(lambda *new: gradient(*put(*new)), primals, primals)[1]
        return value, first, second

    found = ng.func.tree_flatten(ng.vmap(products, dims)(*map(ng.tensor, full)))[0]
    loop = [
        ng.func.tree_flatten(products(*map(ng.tensor, item(full, dims, i))))[0]
        for i in range(ITEMS)
    ]
    for k, r in enumerate(found):
        assert_close(r.numpy(), np.stack([each[k].numpy() for each in loop]))


# --- dimensions ----------------------------------------------------------------------------------


def test_dimensions_in_and_out():
    x = ng.arange(24.0).reshape(2, 3, 4)
    total = lambda row: row.sum(0)  # noqa: E731
    for d in range(-3, 3):
        expected = np.moveaxis(x.numpy(), d, 0).sum(1)
        np.testing.assert_array_equal(ng.vmap(total, d)(x).numpy(), expected)
    assert ng.vmap(lambda row: row, 0, 1)(x).shape == (3, 2, 4)
    assert ng.vmap(lambda row: row, 1, -1)(x).shape == (2, 4, 3)
    assert ng.vmap(lambda row: (row, row.sum()), 0, (2, 0))(x)[0].shape == (3, 4, 2)


def test_trees_in_and_out():
    f = lambda p, x: {"y": p["w"] * x, "parts": [x, p["b"]]}  # noqa: E731
    p = {"w": ng.tensor([1.0, 2.0]), "b": ng.tensor(3.0)}
    found = ng.vmap(f, ({"w": 0, "b": None}, 0))(p, ng.tensor([10.0, 20.0]))
    assert found["y"].tolist() == [10.0, 40.0]
    assert found["parts"][1].tolist() == [3.0, 3.0]


def test_nested():
    products = ng.vmap(ng.vmap(lambda a, b: a * b, (None, 0)), (0, None))
    x, y = ng.arange(3.0), ng.arange(4.0)
    np.testing.assert_array_equal(products(x, y).numpy(), np.multiply.outer(x.numpy(), y.numpy()))


@pytest.mark.parametrize("chunk_size", [1, 2, 5, 9])
def test_chunks(chunk_size):
    x = ng.arange(10.0).reshape(5, 2)
    f = lambda row: (row.sum(), row * row)  # noqa: E731
    for out_dims in (0, (0, 1)):
        whole = ng.vmap(f, 0, out_dims)(x)
        parts = ng.vmap(f, 0, out_dims, chunk_size=chunk_size)(x)
        assert [w.tolist() for w in whole] == [p.tolist() for p in parts]


def test_arrays_give_arrays():
    found = ng.vmap(lambda row: row @ row)(np.ones((2, 3)))
    assert type(found) is np.ndarray
    assert found.tolist() == [3.0, 3.0]


def test_empty_batch():
    assert ng.vmap(lambda row: row.sum())(ng.zeros(0, 3)).shape == (0,)


def test_kernels_run_once():
    calls = []

    def f(row):
        calls.append(row.shape)
        return ng.exp(row)

    ng.vmap(f)(ng.ones(100, 2))
    assert calls == [(2,)]


def test_shapes_are_those_of_items():
    def f(row):
        assert (row.shape, row.ndim, len(row), row.numel(), row.size(0)) == ((3,), 1, 3, 3, 3)
        assert ng.zeros_like(row).shape == (3,)
        return sum(iter(row))

    assert ng.vmap(f)(ng.ones(2, 3)).tolist() == [3.0, 3.0]


# --- indices, masks, writes ----------------------------------------------------------------------

X = np.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize(
    ("f", "index"),
    [
        (lambda x, i: x[i], [0, 2]),
        (lambda x, i: x[i], [[0, 2], [1, 1]]),
        (lambda x, i: x[:, i], [[0, -1], [3, 1]]),
        (lambda x, i: x[i, 1:3], [0, 2]),
        (lambda x, i: x[i, [0, 1]], [[0, 2], [1, 1]]),
        (lambda x, i: x[i, i], [[0, 2], [1, 1]]),
        (lambda x, i: ng.gather(x, 0, i.reshape(1, -1)), [[0, 1, 2, 0], [2, 2, 1, 0]]),
        (lambda x, i: ng.take_along_dim(x, i.reshape(-1, 1), 1), [[0, 1, 2], [3, 2, 1]]),
        (lambda x, i: ng.index_select(x, 1, i), [[0, 1], [3, 3]]),
        (ng.take, [[0, -1], [11, 5]]),
    ],
)
def test_indices_that_differ(f, index):
    x, i = ng.tensor(X), ng.tensor(index)
    found = ng.vmap(f)(x, i)
    np.testing.assert_array_equal(
        found.numpy(), np.stack([f(x[k], i[k]).numpy() for k in range(2)])
    )
    shared = ng.vmap(f, (None, 0))(x[0], i)
    np.testing.assert_array_equal(
        shared.numpy(), np.stack([f(x[0], i[k]).numpy() for k in range(2)])
    )
    gradient = ng.grad(lambda x, i: (f(x, i) ** 2).sum())
    np.testing.assert_array_equal(
        ng.vmap(gradient)(x, i).numpy(), np.stack([gradient(x[k], i[k]).numpy() for k in range(2)])
    )


def loops(f, *arguments):
    found = ng.vmap(f)(*arguments)
    expected = np.stack([f(*(a[k] for a in arguments)).numpy() for k in range(2)])
    np.testing.assert_array_equal(found.numpy(), expected)


def test_writes_inside():
    def f(x, i, v):
        y = x.clone()
        y[i] = v
        return ng.index_put(y, (i,), v, accumulate=True)

    arguments = (
        ng.tensor(X[:, 0]),
        ng.tensor([[0, 1, 0], [3, 3, 2]]),
        ng.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
    )
    loops(f, *arguments)
    loops(ng.grad(lambda x, i, v: (f(x, i, v) ** 2).sum(), 2), *arguments)


def test_scatter_inside():
    arguments = (
        ng.tensor(X[:, 0]),
        ng.tensor([[0, 1, 0], [3, 3, 2]]),
        ng.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
    )
    for scatter in (ng.scatter, ng.scatter_add, ng.index_add):
        f = lambda x, i, v, scatter=scatter: scatter(x, 0, i, v)  # noqa: E731
        loops(f, *arguments)
        loops(ng.grad(lambda x, i, v, f=f: (f(x, i, v) ** 2).sum(), 2), *arguments)


def test_writes_in_place_inside():
    def f(x):
        y = x * 2
        y.add_(x)
        y[0] = 1.0
        y[1:].mul_(2.0)
        return y

    loops(f, ng.tensor(X[:, 0]))


def first_into(y):
    def f(x):
        y[0] = x[0]
        return x

    return f


def test_what_is_not_mapped_is_not_written_to():
    y = ng.zeros(4)
    with pytest.raises(RuntimeError, match="map"):
        ng.vmap(y.add_)(ng.tensor(X[:, 0]))
    with pytest.raises(RuntimeError, match="map"):
        ng.vmap(first_into(y))(ng.tensor(X[:, 0]))
    assert not y.numpy().any()


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x.item(),
        lambda x: x.tolist(),
        lambda x: x.numpy(),
        np.asarray,
        float,
        int,
        lambda x: x if x > 0 else -x,
        lambda x: ng.ones(3)[x > 0],
        lambda x: ng.masked_select(ng.ones(3), x > 0),
    ],
)
def test_what_needs_one_value_is_refused(f):
    with pytest.raises(RuntimeError, match="inside vmap"):
        ng.vmap(f)(ng.ones(3))


# --- what it refuses -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: ng.vmap(ng.add)(ng.ones(2), ng.ones(3)), r"one size.*\(2, 3\)"),
        (lambda: ng.vmap(ng.exp, 1)(ng.ones(2)), "in_dims 1"),
        (lambda: ng.vmap(ng.exp, "0")(ng.ones(2)), "in_dims"),
        (lambda: ng.vmap(ng.add, (0,))(ng.ones(2), ng.ones(2)), "one entry for each"),
        (lambda: ng.vmap(ng.exp, (None,))(ng.ones(2)), "at least one"),
        (lambda: ng.vmap(ng.add)(ng.ones(2), 1.0), "no dimensions"),
        (lambda: ng.vmap(ng.exp, 0, 1)(ng.ones(2)), "out_dims 1"),
        (lambda: ng.vmap(ng.exp, 0, (0, 0))(ng.ones(2)), "out_dims"),
        (lambda: ng.vmap(lambda _: 1.0)(ng.ones(2)), "returns tensors"),
        (lambda: ng.vmap(ng.exp, chunk_size=0), "chunk_size"),
        (lambda: ng.vmap(ng.exp, randomness="maybe"), "randomness"),
        (ng.vmap(ng.ones), "arguments"),
    ],
)
def test_wrong_calls(call, match):
    with pytest.raises(ValueError, match=match):
        call()


# --- random numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "draw",
    [
        lambda: ng.rand(4),
        lambda: ng.randn(4),
        lambda: ng.randint(0, 1000, (4,)),
        lambda: ng.random.randperm(50),
        lambda: ng.nn.functional.dropout(ng.ones(50)),
    ],
)
def test_random_numbers(draw):
    x = ng.ones(3)
    with pytest.raises(RuntimeError, match="randomness"):
        ng.vmap(lambda _: draw())(x)
    ng.random.manual_seed(0)
    different = ng.vmap(lambda _: draw(), randomness="different")(x)
    same = ng.vmap(lambda _: draw(), randomness="same")(x)
    assert different.shape == same.shape
    assert different[0].tolist() != different[1].tolist()
    assert same[0].tolist() == same[1].tolist()


# --- what surrounds it ---------------------------------------------------------------------------


def test_tensors_from_outside_get_their_gradients():
    w = ng.tensor([1.0, 2.0], requires_grad=True)
    x = ng.tensor([[1.0, 2.0], [3.0, 4.0]])
    y = ng.vmap(lambda row: (row * w).sum() ** 2)(x)
    y.sum().backward()
    first = w.grad.clone()
    w.grad = None
    sum((row * w).sum() ** 2 for row in x).backward()
    assert first.tolist() == w.grad.tolist()


def test_gradients_accumulate_in_place():
    w = ng.ones(2, requires_grad=True)
    for _ in range(2):
        ng.vmap(lambda row: row * w)(ng.ones(3, 2)).sum().backward()
        grad = w.grad
    assert w.grad is grad
    assert w.grad.tolist() == [6.0, 6.0]


def test_a_gradient_for_each_item_of_what_they_share():
    w, x = ng.tensor([1.0, 2.0], requires_grad=True), ng.tensor([[1.0, 2.0], [3.0, 4.0]])
    gradient = ng.vmap(ng.grad(lambda w, row: (row * w).sum() ** 2), (None, 0))(w, x)
    np.testing.assert_array_equal(gradient.detach().numpy(), [[10.0, 20.0], [66.0, 88.0]])
    (second,) = ng.autograd.grad(gradient.sum(), w)
    assert second.tolist() == [48.0, 68.0]


def test_losses_of_classes():
    rng = np.random.default_rng(0)
    x, t = ng.tensor(rng.standard_normal((4, 3))), ng.tensor([0, 2, 1, 2])
    weight = ng.tensor([1.0, 2.0, 3.0])
    for options in (
        {}, {"weight": weight}, {"ignore_index": 2, "reduction": "sum"}, {"label_smoothing": 0.1},
    ):  # fmt: skip
        loss = lambda x, t, o=options: ng.nn.functional.cross_entropy(x, t, **o)  # noqa: E731
        for f in (loss, ng.grad(loss)):
            found = ng.vmap(f)(x, t).numpy()
            expected = np.stack([f(x[k], t[k]).numpy() for k in range(4)])
            np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_products_of_zero_and_infinity():
    x = ng.tensor([[0.0, 1.0], [4.0, -1.0]])
    gradient = ng.grad(lambda x: (ng.where(x > 0, ng.sqrt(x), 0.0)).sum())
    assert ng.vmap(gradient)(x).tolist() == [[0.0, 0.5], [0.25, 0.0]]
    A = ng.tensor([[[np.inf, 1.0]], [[1.0, 1.0]]])
    f = lambda A, x: (ng.matmul(A, x) * 0.0).sum()  # noqa: E731
    found = ng.vmap(ng.grad(f, 1), (0, None))(A, ng.ones(2))
    expected = [ng.grad(f, 1)(a, ng.ones(2)).tolist() for a in A]
    assert found.tolist() == expected

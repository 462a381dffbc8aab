"""Matrix products by rank, einsum and its relatives, convolution and interpolation."""

from __future__ import annotations

import numpy as np
import pytest

import numgrad as ng
from numgrad.errors import ShapeError
from numgrad.testing import assert_derivatives
from tests.derivatives import gradient

RNG = np.random.default_rng(11)


def normal(*shape):
    return np.random.default_rng(len(shape) + sum(shape)).normal(size=shape)


SHAPES = [
    ((3,), (3,), "Dot"),
    ((2, 3), (3,), "Mv"),
    ((3,), (3, 2), "Mv"),
    ((2, 3), (3, 4), "Mm"),
    ((2, 2, 3), (3, 4), "View"),
    ((2, 2, 3), (3,), "View"),
    ((3,), (2, 3, 4), "View"),
    ((2, 3), (2, 3, 4), "Bmm"),
    ((2, 1, 2, 3), (3, 3, 4), "Bmm"),
    ((1, 1), (1, 1), "Mm"),
]
EMPTY = [((0, 3), (3, 2)), ((2, 0), (0, 2)), ((0,), (0,)), ((0, 2, 3), (3, 2)), ((2, 0), (0,))]


@pytest.mark.parametrize(("left", "right", "node"), SHAPES)
def test_matmul_equals_numpy_with_both_derivatives(left, right, node):
    x, y = normal(*left), normal(*right)
    result = ng.tensor(x, requires_grad=True) @ ng.tensor(y)
    assert result.grad_fn.name() == f"{node}Backward0"
    np.testing.assert_allclose(result.detach().numpy(), x @ y, rtol=1e-14, atol=1e-14)
    assert_derivatives(ng.matmul, x, y)


@pytest.mark.parametrize(("left", "right"), EMPTY)
def test_matmul_of_nothing(left, right):
    x, y = np.ones(left), np.ones(right)
    assert ng.matmul(ng.tensor(x), ng.tensor(y)).tolist() == (x @ y).tolist()
    to_x, to_y = gradient(ng.matmul, x, y)
    assert to_x.shape == left
    assert to_y.shape == right
    assert not to_y.any()


@pytest.mark.parametrize(
    ("left", "right"),
    [((2, 3), (2, 3)), ((3,), (2,)), ((2, 3), (2,)), ((2, 2, 3), (2, 2)), ((2, 2, 3), (3, 3, 2))],
)
def test_matmul_mismatch_names_both_shapes(left, right):
    with pytest.raises(ShapeError) as caught:
        ng.ones(left) @ ng.ones(right)
    assert str(left) in str(caught.value)
    assert str(right) in str(caught.value)


@pytest.mark.parametrize(
    ("function", "left", "right"),
    [
        (ng.matmul, (), (2,)),
        (ng.mm, (2,), (2, 2)),
        (ng.mm, (2, 3), (2, 3)),
        (ng.mv, (2, 2), (2, 2)),
        (ng.mv, (2, 3), (2,)),
        (ng.bmm, (2, 3), (3, 2)),
        (ng.bmm, (2, 2, 3), (3, 3, 2)),
        (ng.bmm, (2, 2, 3), (2, 2, 3)),
        (ng.dot, (2, 2), (2,)),
        (ng.vdot, (2, 2), (3,)),
        (ng.inner, (2, 2), (3,)),
        (ng.tensordot, (2, 2), (3, 2)),
    ],
)
def test_ranks_and_extents_are_checked(function, left, right):
    with pytest.raises(ShapeError, match=function.__name__.replace("vdot", "dot")):
        function(ng.ones(left), ng.ones(right))


def test_integers_stay_integers_and_dtypes_promote():
    x = ng.tensor([[1, 2], [3, 4]])
    assert (x @ x).dtype == ng.int64
    assert (x @ x).tolist() == [[7, 10], [15, 22]]
    single = ng.ones(2, 2, dtype=ng.float32, requires_grad=True)
    assert (single @ single).dtype == ng.float32
    mixed = single @ ng.ones(2, 2, requires_grad=True)
    assert mixed.dtype == ng.float64
    mixed.sum().backward()
    assert single.grad.dtype == ng.float32


def test_arrays_on_either_side():
    x = ng.tensor([[1.0, 2.0]], requires_grad=True)
    assert isinstance(np.ones((3, 1)) @ x, ng.Tensor)
    assert (x @ np.ones((2, 3))).requires_grad


@pytest.mark.parametrize(("left", "right", "node"), SHAPES)
def test_a_zero_cotangent_blanks_what_is_not_finite(left, right, node):
    x, y = normal(*left), normal(*right)
    y.flat[0] = np.inf
    x.flat[-1] = np.nan

    def unread(x, y):
        return ng.where(ng.tensor(False), x @ y, 0.0)

    for g in gradient(unread, x, y):
        assert not g.any()
    leaves = [ng.tensor(a, requires_grad=True) for a in (x, y)]
    first = ng.autograd.grad(unread(*leaves).sum(), leaves, create_graph=True)
    second = ng.autograd.grad(
        first, leaves, [np.ones(a.shape) for a in (x, y)], materialize_grads=True
    )
    for h in second:
        assert not h.numpy().any()


def test_only_whole_matrices_are_blanked():
    x = np.zeros((2, 2, 2))
    y = np.full((2, 2, 2), np.inf)
    seed = np.zeros((2, 2, 2))
    seed[1, 0, 0] = 1.0
    to_x, _ = gradient(ng.matmul, x, y, seed=seed)
    assert not to_x[0].any()
    np.testing.assert_array_equal(np.isnan(to_x[1]), [[True, True], [True, True]])
    with ng.autograd.strict_ieee(True):
        assert np.isnan(gradient(ng.matmul, x, y, seed=seed)[0][0]).all()


EQUATIONS = [
    ("ij,jk", (2, 3), (3, 4)),
    ("ij,jk->ki", (2, 3), (3, 4)),
    ("ba", (2, 3)),
    ("ii", (3, 3)),
    ("ii->i", (3, 3)),
    ("ij->", (2, 3)),
    ("ij->j", (2, 3)),
    ("iii->i", (2, 2, 2)),
    ("iij,j->i", (3, 3, 2), (2,)),
    ("iij,jkk->", (2, 2, 3), (3, 2, 2)),
    ("ij,kl->", (2, 3), (2, 2)),
    ("ij,ij->j", (1, 3), (2, 3)),
    ("ij,j->i", (2, 1), (3,)),
    ("...ij,...jk->...ik", (2, 2, 3), (3, 2)),
    ("...ij,...jk", (2, 1, 2, 3), (3, 3, 2)),
    ("i...,i...", (2, 3), (2, 1)),
    ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)),
    (",i->i", (), (3,)),
    ("i , j -> i j", (2,), (3,)),
    ("i,j,k->ijk", (2,), (3,), (2,)),
    ("i,i,i->", (3,), (3,), (3,)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
    ("ab,bc,cd,de->ae", (2, 3), (3, 2), (2, 2), (2, 3)),
    ("bi,ij,bj->b", (2, 3), (3, 3), (2, 3)),
]


@pytest.mark.parametrize("case", EQUATIONS, ids=lambda case: case[0])
def test_einsum_equals_numpy_with_both_derivatives(case):
    equation, *shapes = case
    arrays = [normal(*s) for s in shapes]
    result = ng.einsum(equation, *map(ng.tensor, arrays)).numpy()
    np.testing.assert_allclose(result, np.einsum(equation, *arrays), rtol=1e-12, atol=1e-13)
    assert_derivatives(lambda *xs: ng.einsum(equation, *xs), *arrays)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk->ik", [(20, 30), (30, 40)]),
        ("bij,bkj->kbi", [(5, 20, 30), (5, 40, 30)]),
        ("ia,jb->abij", [(9, 9), (9, 9)]),
        ("i,i->", [(5000,), (5000,)]),
    ],
)
def test_large_einsum_takes_the_way_through_products(equation, shapes):
    x, y = (normal(*s) for s in shapes)
    expected = np.einsum(equation, x, y)
    found = ng.einsum(equation, ng.tensor(x), ng.tensor(y)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)
    seed = normal(*expected.shape)
    left, out = equation.split("->")
    a, b = left.split(",")
    to_x, to_y = gradient(lambda x, y: ng.einsum(equation, x, y), x, y, seed=seed)
    np.testing.assert_allclose(to_x, np.einsum(f"{out},{b}->{a}", seed, y), atol=1e-10)
    np.testing.assert_allclose(to_y, np.einsum(f"{out},{a}->{b}", seed, x), atol=1e-10)


def test_einsum_takes_lists_and_numpys_sublists():
    x, y = normal(2, 3), normal(3, 2)
    expected = (x @ y).tolist()
    assert ng.einsum("ij,jk->ik", [ng.tensor(x), ng.tensor(y)]).numpy() == pytest.approx(x @ y)
    assert ng.einsum(ng.tensor(x), [0, 1], ng.tensor(y), [1, 2], [0, 2]).numpy() == pytest.approx(
        np.array(expected)
    )
    assert ng.einsum(ng.tensor(x), [..., 0], [..., 0]).tolist() == x.tolist()


def test_einsum_never_shares_memory():
    x = ng.tensor([[1.0, 2.0]])
    y = ng.einsum("ij->ji", x)
    y[0, 0] = 5.0
    assert x.tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("equation", "shapes", "kind"),
    [
        ("ij,jk", [(2, 3)], ValueError),
        ("ij->ijj", [(2, 3)], ValueError),
        ("ij->ik", [(2, 3)], ValueError),
        ("i1", [(2, 3)], ValueError),
        ("ij", [(2,)], ShapeError),
        ("i", [(2, 3)], ShapeError),
        ("ij,jk", [(2, 3), (2, 3)], ShapeError),
        ("ii", [(2, 3)], ShapeError),
    ],
)
def test_einsum_rejects(equation, shapes, kind):
    with pytest.raises(kind, match="einsum"):
        ng.einsum(equation, *(ng.ones(s) for s in shapes))


RELATIVES = [
    ("inner", ng.inner, np.inner, (2, 3), (4, 3)),
    ("inner, numbers", ng.inner, np.inner, (), (4, 3)),
    ("outer", ng.outer, np.outer, (2, 2), (3,)),
    ("vdot", ng.vdot, np.vdot, (2, 2), (4,)),
    ("kron", ng.kron, np.kron, (2, 3), (2, 2)),
    ("kron, ranks", ng.kron, np.kron, (2, 2), (3,)),
    ("tensordot", ng.tensordot, np.tensordot, (2, 3, 4), (3, 4, 2)),
    ("tensordot 0", lambda x, y: ng.tensordot(x, y, 0), lambda x, y: np.tensordot(x, y, 0),
     (2,), (3,)),
    ("tensordot pairs", lambda x, y: ng.tensordot(x, y, ([0, 1], [1, 0])),
     lambda x, y: np.tensordot(x, y, ([0, 1], [1, 0])), (2, 3, 2), (3, 2)),
    ("numpy.dot", np.dot, np.dot, (2, 2, 3), (2, 3, 2)),
    ("numpy.dot, vector", np.dot, np.dot, (2, 2, 3), (3,)),
]  # fmt: skip


@pytest.mark.parametrize("case", RELATIVES, ids=lambda case: case[0])
def test_relatives_equal_numpy_with_both_derivatives(case):
    _, function, reference, *shapes = case
    arrays = [normal(*s) for s in shapes]
    found = function(*(ng.tensor(a) for a in arrays))
    np.testing.assert_allclose(found.numpy(), reference(*arrays), rtol=1e-12, atol=1e-13)
    assert_derivatives(function, *arrays)


@pytest.mark.parametrize("options", [{}, {"offset": 1}, {"offset": -2}, {"offset": 9}])
def test_trace_of_matrices(options):
    x = normal(3, 4)
    assert ng.trace(ng.tensor(x), **options).item() == pytest.approx(np.trace(x, **options))
    assert_derivatives(lambda x: ng.trace(x, **options), x)


def test_trace_of_batches_and_of_nothing():
    x = normal(2, 3, 4)
    found = ng.trace(ng.tensor(x), 0, 2, 1).numpy()
    np.testing.assert_allclose(found, np.trace(x, 0, 2, 1))
    assert_derivatives(lambda x: ng.trace(x, 0, 2, 1), x)
    assert ng.trace(ng.zeros(0, 0)).item() == 0
    assert ng.trace(ng.tensor([[1, 2], [3, 4]])).item() == 5
    with pytest.raises(ShapeError, match="trace"):
        ng.trace(ng.ones(3))


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("sizes", [(3, 5), (5, 3), (1, 1), (4, 4), (6, 2), (1, 4)])
def test_convolve(sizes, mode):
    a, v = (RNG.normal(size=n) for n in sizes)
    found = ng.convolve(ng.tensor(a), ng.tensor(v), mode).numpy()
    np.testing.assert_allclose(found, np.convolve(a, v, mode), rtol=1e-13, atol=1e-14)
    assert_derivatives(lambda a, v: ng.convolve(a, v, mode), a, v)


def test_convolve_rejects():
    with pytest.raises(ShapeError, match="convolve"):
        ng.convolve(ng.zeros(0), ng.ones(2))
    with pytest.raises(ShapeError, match="convolve"):
        ng.convolve(ng.ones(2, 2), ng.ones(2))
    with pytest.raises(ValueError, match="mode"):
        ng.convolve(ng.ones(2), ng.ones(2), "round")


POINTS = np.array([0.0, 1.0, 2.5, 4.0])
AT = np.array([[-1.0, 0.3, 1.7], [3.9, 5.0, 2.4]])


@pytest.mark.parametrize(
    "options", [{}, {"left": 3.0}, {"right": 4.0}, {"left": 3.0, "right": 4.0}, {"period": 5.3}]
)
def test_interp(options):
    samples = normal(4)
    found = ng.interp(*map(ng.tensor, (AT, POINTS, samples)), **options).numpy()
    np.testing.assert_allclose(found, np.interp(AT, POINTS, samples, **options), rtol=1e-13)
    assert_derivatives(lambda *xs: ng.interp(*xs, **options), AT, POINTS, samples)


def test_interp_at_points_follows_the_piece_on_the_right():
    samples = np.array([1.0, 2.0, 4.0, 3.0])
    at = np.array([0.0, 1.0, 4.0, 4.5, -0.5])
    for right, end in ((None, 1.0), (9.0, 0.0)):
        to_x, to_points, to_samples = gradient(
            lambda *xs, right=right: ng.interp(*xs, right=right), at, POINTS, samples
        )
        np.testing.assert_allclose(to_x, [1.0, 4 / 3, 0.0, 0.0, 0.0])
        np.testing.assert_allclose(to_samples, [2.0, 1.0, 0.0, 1.0 + end])
        np.testing.assert_allclose(to_points, [-1.0, -4 / 3, 0.0, 0.0])


def test_interp_of_one_sample_and_of_numbers():
    found = ng.interp(ng.tensor(0.5), ng.tensor([1.0]), ng.tensor([7.0], requires_grad=True))
    assert found.item() == 7.0
    assert gradient(lambda f: ng.interp(ng.tensor(0.5), ng.tensor([1.0]), f), [7.0])[0] == [1.0]


def test_interp_rejects():
    x = ng.tensor([0.5])
    with pytest.raises(ValueError, match="increase"):
        ng.interp(x, ng.tensor([1.0, 0.0]), ng.ones(2))
    with pytest.raises(ShapeError, match="interp"):
        ng.interp(x, ng.ones(2), ng.ones(3))
    with pytest.raises(ShapeError, match="interp"):
        ng.interp(x, ng.ones(0), ng.ones(0))
    with pytest.raises(ValueError, match="period"):
        ng.interp(x, ng.ones(2), ng.ones(2), period=0)

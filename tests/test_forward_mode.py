"""Forward mode: every row of the table, then levels, writes in place, and what a dual is."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import numgrad as ng
from numgrad.autograd import forward_ad as fwd
from numgrad.autograd import strict_ieee
from numgrad.samples import ROWS
from tests.rows import assert_near, seeds_for
from tests.second_order import differences, floating, hessian_products
from tests.test_promises_singular import FIRST, NAN, SECOND, by_name

every_row = pytest.mark.parametrize("row", ROWS, ids=str, scope="module")


def pushed(f, arrays, tangents):
    """Values and tangents of a function's results, at arrays with tangents at some positions."""
    with fwd.dual_level():
        xs = [
            fwd.make_dual(ng.tensor(a), ng.tensor(tangents[k])) if k in tangents else ng.tensor(a)
            for k, a in enumerate(arrays)
        ]
        return [fwd.unpack_dual(o) for o in floating(f(*xs))]


@every_row
def test_jvp_equals_vjp(row):
    arrays, positions = row.arrays(), row.differentiable()
    rng = row.generator()
    tangents = {k: rng.uniform(0.5, 1.5, arrays[k].shape) for k in positions}
    pairs = pushed(row, arrays, tangents)
    xs = [ng.tensor(a, requires_grad=k in positions) for k, a in enumerate(arrays)]
    results = floating(row(*xs))
    inputs = [xs[k] for k in positions]
    for (primal, tangent), r, seed in zip(pairs, results, seeds_for(row, results), strict=True):
        assert_near([primal.numpy()], [r.detach().numpy()])
        if not r.requires_grad:
            continue
        assert (tangent.shape, tangent.dtype) == (r.shape, r.dtype)
        gradients = ng.autograd.grad(
            r, inputs, seed, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        reverse = sum(
            float((g.numpy() * tangents[k]).sum())
            for g, k in zip(gradients, positions, strict=True)
        )
        np.testing.assert_allclose((seed * tangent.numpy()).sum(), reverse, rtol=1e-9, atol=1e-11)


@every_row
def test_second_order_pairs_agree(row):
    products, weighed = hessian_products(row, row.arrays(), row.differentiable(), row.generator())
    first, *others = products
    scale = 1 + np.max(np.abs(first), initial=0.0)
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-9, atol=1e-9 * scale)
    np.testing.assert_allclose(weighed, weighed[0], rtol=1e-9, atol=1e-9 * scale)


@every_row
def test_float32_tangents_stay_float32(row):
    arrays = row.arrays(dtype="float32")
    tangents = {k: np.ones_like(arrays[k]) for k in row.differentiable()}
    for primal, tangent in pushed(row, arrays, tangents):
        assert primal.dtype == np.float32
        assert tangent is None or tangent.dtype == np.float32


@by_name(("function", "inputs", "expected"), FIRST)
def test_singular_points_first_order(function, inputs, expected):
    arrays = [np.asarray(x, dtype=np.float64) for x in inputs]
    for k, a in enumerate(arrays):
        found = np.zeros_like(a)
        for place in np.ndindex(a.shape):
            direction = np.zeros_like(a)
            direction[place] = 1.0
            ((_, tangent),) = pushed(function, arrays, {k: direction})
            with np.errstate(invalid="ignore"):
                found[place] = tangent.numpy().sum()
        np.testing.assert_allclose(found, expected[k], rtol=1e-13, atol=1e-13)


@by_name(("function", "x", "expected"), SECOND)
def test_singular_points_second_order(function, x, expected):
    expected = np.ravel(np.asarray(expected, dtype=np.float64))
    products, weighed = hessian_products(function, [np.asarray(x, dtype=np.float64)], [0])
    for product in products:
        np.testing.assert_allclose(product, expected, atol=1e-13)
    np.testing.assert_allclose(weighed, expected.sum(), atol=1e-13)


# Left out are powers of 0, where the convention for the derivative to the exponent is a constant
# and that for the base is not, so that they have no common second derivative; and equal
# eigenvalues, whose second derivative does not exist.
@by_name(
    ("function", "inputs", "expected"),
    [case for case in FIRST if case[0] not in {"powers at 0", "equal eigenvalues"}],
)
def test_singular_points_second_order_pairs_agree(function, inputs, expected):
    arrays = [np.asarray(x, dtype=np.float64) for x in inputs]
    products, weighed = hessian_products(function, arrays, range(len(arrays)))
    for product in products:
        np.testing.assert_allclose(product, products[0])
    np.testing.assert_allclose(weighed, weighed[0])


def test_a_blanked_contribution_is_a_constant():
    x = ng.tensor([0.0, 4.0])
    root = lambda x: ng.where(x > 0, ng.sqrt(x), 0.0)  # noqa: E731
    first, second = ng.jvp(lambda x: ng.jvp(root, (x,), (x,))[1], (x,), (ng.ones(2),))
    assert first.tolist() == [0.0, 1.0]
    assert second.tolist() == [0.0, 0.125]


def test_plain_products_on_request():
    with strict_ieee():
        _, tangent = ng.jvp(ng.sqrt, (ng.zeros(1),), (ng.zeros(1),))
    np.testing.assert_array_equal(tangent.numpy(), [NAN])


def test_vectors_of_equal_values_have_no_tangent():
    with pytest.warns(RuntimeWarning, match="gap"):
        _, (_, vectors) = ng.jvp(
            lambda x: tuple(ng.linalg.eigh(x)),
            (ng.eye(2),),
            (ng.tensor([[0.0, 1.0], [1.0, 0.0]]),),
        )
    assert np.isnan(vectors.numpy()).any()


def test_vectors_of_equal_values_have_one_along_their_basis():
    direction = ng.tensor([[1.0, 0.0], [0.0, 2.0]])
    _, tangent = ng.jvp(lambda x: tuple(ng.linalg.eigh(x)), (ng.eye(2),), (direction,))
    assert tangent[0].tolist() == [1.0, 2.0]
    assert not tangent[1].numpy().any()


# --- the interface ----------------------------------------------------------------------------


def test_make_and_unpack():
    x, t = ng.tensor([1.0, 2.0]), ng.tensor([1.0, 0.0])
    with fwd.dual_level():
        d = fwd.make_dual(x, t)
        assert fwd.unpack_dual(d) == (x, t)
        assert fwd.unpack_dual(x) == (x, None)
        assert fwd.unpack_dual(d * d).tangent.tolist() == [2.0, 0.0]
    assert fwd.unpack_dual(d) == (x, None)


def test_make_dual_needs_a_level():
    with pytest.raises(RuntimeError, match="dual_level"):
        fwd.make_dual(ng.ones(2), ng.ones(2))


def test_make_dual_needs_the_shape():
    with fwd.dual_level(), pytest.raises(ng.errors.ShapeError, match=r"\(2,\).*\(3,\)"):
        fwd.make_dual(ng.ones(2), ng.ones(3))


def test_make_dual_casts_the_tangent():
    with fwd.dual_level():
        d = fwd.make_dual(ng.ones(2, dtype=ng.float32), ng.ones(2))
        assert fwd.unpack_dual(d).tangent.dtype == ng.float32


def test_make_dual_takes_floats_alone():
    with fwd.dual_level(), pytest.raises(RuntimeError, match="floating"):
        fwd.make_dual(ng.tensor([1, 2]), ng.ones(2))


def test_levels_end_in_order():
    outer, inner = fwd.enter_dual_level(), fwd.enter_dual_level()
    with pytest.raises(RuntimeError, match="innermost"):
        fwd.exit_dual_level(level=outer)
    fwd.exit_dual_level(level=inner)
    fwd.exit_dual_level()
    with pytest.raises(RuntimeError, match="innermost"):
        fwd.exit_dual_level()


def test_nested_levels_see_their_own_tangents():
    # d/dx (x * d/dy (x + y)) is 1: a tangent of x taken for one of y would give 2.
    one = ng.tensor(1.0)
    with fwd.dual_level() as outer:
        x = fwd.make_dual(one, one)
        with fwd.dual_level() as inner:
            y = fwd.make_dual(one, one)
            assert fwd.unpack_dual(x, level=inner).tangent is None
            inside = fwd.unpack_dual(x + y, level=inner)
            assert fwd.unpack_dual(fwd.unpack_dual(x * y, level=outer).tangent).tangent.item() == 1
        assert fwd.unpack_dual(x * inside.tangent).tangent.item() == 1.0


def test_third_order():
    derivative = lambda f: lambda x: ng.jvp(f, (x,), (ng.ones_like(x),))[1]  # noqa: E731
    f = lambda x: x**4  # noqa: E731
    assert derivative(derivative(derivative(f)))(ng.tensor(2.0)).item() == 48.0


def test_integers_have_no_tangent():
    with fwd.dual_level():
        d = fwd.make_dual(ng.tensor([1.5, 0.5]), ng.ones(2))
        assert fwd.unpack_dual(ng.argmax(d)).tangent is None
        assert fwd.unpack_dual(d.long()).tangent is None
        assert (d > 1).tolist() == [True, False]


def test_no_grad_keeps_tangents_and_detach_drops_them():
    x = ng.ones(2)
    with ng.no_grad():
        assert ng.jvp(lambda x: x * x, (x,), (x,))[1].tolist() == [2.0, 2.0]
    assert ng.jvp(lambda x: x.detach() * x, (x,), (x,))[1].tolist() == [1.0, 1.0]


def test_a_dual_shows_its_tangent():
    with fwd.dual_level():
        d = fwd.make_dual(ng.tensor([1.0]), ng.tensor([2.0]))
        assert repr(d) == "tensor([1.], tangent=tensor([2.]))"


def test_a_tangent_is_not_lost_silently():
    with fwd.dual_level():
        d = fwd.make_dual(ng.ones(2), ng.ones(2))
        with pytest.raises(RuntimeError, match="tangent"):
            d.numpy()
        with pytest.raises(RuntimeError, match="tangent"):
            np.asarray(d)
        assert d.numpy(force=True).tolist() == [1.0, 1.0]
        assert d.detach().numpy().tolist() == [1.0, 1.0]
    assert d.numpy().tolist() == [1.0, 1.0]


def test_backward_of_a_dual():
    x = ng.tensor([1.0, 2.0], requires_grad=True)
    with fwd.dual_level():
        (fwd.make_dual(x, ng.ones(2)) ** 2).sum().backward()
        assert x.grad.tolist() == [2.0, 4.0]
        assert fwd.unpack_dual(x.grad).tangent.tolist() == [2.0, 2.0]


def test_a_graph_outlives_its_level():
    x = ng.tensor([1.0, 2.0], requires_grad=True)
    with fwd.dual_level():
        y = (fwd.make_dual(x, ng.ones(2)) ** 2).sum()
    y.backward()
    assert x.grad.tolist() == [2.0, 4.0]
    assert type(x.grad) is ng.Tensor


def test_values_saved_by_duals_are_checked():
    x = ng.tensor([1.0, 2.0], requires_grad=True)
    with fwd.dual_level():
        y = fwd.make_dual(x * 1.0, ng.ones(2))
        z = y * y
        y.mul_(2.0)
        with pytest.raises(RuntimeError, match="version"):
            z.sum().backward()


def test_nothing_is_left_when_a_level_ends():
    gc.collect()
    gc.disable()
    try:
        x = ng.tensor([1.0, 2.0], requires_grad=True)
        with fwd.dual_level():
            y = ng.exp(fwd.make_dual(x, ng.ones(2))).sum()
            watched = weakref.ref(y.grad_fn)
        del y
        assert watched() is None
    finally:
        gc.enable()


# --- writes in place -----------------------------------------------------------------------------


def grown(x):
    y = x * 2
    y.add_(x)
    y.mul_(y)
    return y


def through_a_view(x):
    y = x * 2
    y[1:].mul_(x[:-1])
    return y * y


def seen_by_a_view(x):
    y = x * 2
    z = y[1:]
    y.mul_(x)
    return z * z


def through_views_of_views(x):
    y = x.clone()
    z = y.reshape(3, 1)
    z[1:].mul_(y[:2].reshape(2, 1))
    return y * z[:, 0]


def into_a_constant(x):
    y = ng.zeros(3)
    y[1] = x[0] * x[1]
    y[2:] = x[2:] ** 2
    return y * x


def over_a_constant(x):
    y = ng.zeros(3)
    y.add_(x)
    y.exp_()
    y[0] = 7.0
    return y


@pytest.mark.parametrize(
    "f",
    [grown, through_a_view, seen_by_a_view, through_views_of_views, into_a_constant,
     over_a_constant],
)  # fmt: skip
def test_writes_in_place_keep_tangents(f):
    x = np.array([0.5, 1.0, 2.0])
    jacobian = ng.func.jacfwd(f)
    expected = differences(lambda x: f(ng.tensor(x)).numpy(), x)
    np.testing.assert_allclose(jacobian(x), expected, atol=1e-7)
    second = differences(jacobian, x)
    np.testing.assert_allclose(ng.func.jacfwd(jacobian)(x), second, atol=1e-6)


def test_a_view_of_a_constant_takes_the_tangent_of_what_is_written():
    def f(x):
        y = ng.zeros(3)
        y[1:].add_(x)
        return y

    _, tangent = ng.jvp(f, (ng.ones(2),), (ng.tensor([2.0, 3.0]),))
    assert tangent.tolist() == [0.0, 2.0, 3.0]

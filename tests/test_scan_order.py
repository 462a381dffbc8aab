"""Scans, softmax and sorting: values, derivatives of both orders, spellings, edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import numgrad as ng

INF, NAN = np.inf, np.nan
X = np.random.default_rng(0).normal(size=(3, 4, 2))


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


# Name: the function of a tensor and a dimension, and what it must equal on arrays.
FUNCTIONS: dict[str, tuple[Any, Any]] = {
    "cumsum": (ng.cumsum, np.cumsum),
    "cumprod": (ng.cumprod, np.cumprod),
    "softmax": (ng.softmax, softmax),
    "log_softmax": (ng.log_softmax, lambda x, axis: np.log(softmax(x, axis))),
    "sort": (lambda x, dim: ng.sort(x, dim)[0], np.sort),
    "sort_down": (lambda x, dim: ng.sort(x, dim, True).values, lambda x, axis: -np.sort(-x, axis)),
}

gradients: Any = ng.autograd.grad

LAYOUTS = {
    "dense": X,
    "transposed": X.T,
    "strided": np.repeat(X, 2, axis=1)[:, ::2],
    "reversed": X[::-1, :, ::-1],
    "fortran": np.asfortranarray(X),
    "empty": np.zeros((2, 0, 3)),
    "long": np.random.default_rng(1).normal(size=(2, 1500)),
}


def grad(f, x, g):
    """The gradient of a function of one tensor, given the cotangent g."""
    t = ng.tensor(x, requires_grad=True)
    return gradients(f(t), [t], ng.tensor(g))[0].numpy()


def second(f, x, g, v):
    """The gradients of (the gradient of f at x, given the cotangent g) times v, to x and to g."""
    t, c = ng.tensor(x, requires_grad=True), ng.tensor(g, requires_grad=True)
    (first,) = gradients(f(t), [t], c, create_graph=True)
    results = gradients(first, [t, c], ng.tensor(v), materialize_grads=True)
    return [each.numpy() for each in results]


def differences(f, x, step=1e-5):
    """Gradient of a scalar function of an array by central differences."""
    out = np.empty_like(x)
    for k in np.ndindex(x.shape):
        d = np.zeros_like(x)
        d[k] = step
        out[k] = (f(x + d) - f(x - d)) / (2 * step)
    return out


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values(name, layout):
    function, reference = FUNCTIONS[name]
    x = LAYOUTS[layout]
    for dim in range(-x.ndim, x.ndim):
        if x.size:
            result = function(ng.as_tensor(x), dim).numpy()
            np.testing.assert_allclose(result, reference(x, dim), rtol=1e-11, atol=1e-12)
        else:
            assert function(ng.as_tensor(x), dim).shape == x.shape


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives(name, dim):
    function, _ = FUNCTIONS[name]
    g, v = np.random.default_rng(2).normal(size=(2, *X.shape))

    def f(t):
        return function(t, dim)

    expected = differences(lambda y: np.sum(g * f(ng.tensor(y)).numpy()), X)
    np.testing.assert_allclose(grad(f, X, g), expected, rtol=1e-6, atol=1e-8)
    to_x, to_g = second(f, X, g, v)
    expected = differences(lambda y: np.sum(v * grad(f, y, g)), X)
    np.testing.assert_allclose(to_x, expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(
        to_g, differences(lambda h: np.sum(v * grad(f, X, h)), g), rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize("name", ["cumprod", "softmax", "log_softmax"])
def test_third_derivatives(name):
    function, _ = FUNCTIONS[name]
    x = X[:, 0]
    rng = np.random.default_rng(3)
    g, v, w = rng.normal(size=(3, *x.shape))

    def hessian_times_v(y):
        return second(lambda t: function(t, 0), y, g, v)[0]

    t = ng.tensor(x, requires_grad=True)
    (first,) = gradients(function(t, 0), [t], ng.tensor(g), create_graph=True)
    (twice,) = gradients(first, [t], ng.tensor(v), create_graph=True)
    result = gradients(twice, [t], ng.tensor(w))[0].numpy()
    expected = differences(lambda y: np.sum(w * hessian_times_v(y)), x)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_do_not_depend_on_the_layout(name, layout):
    function, _ = FUNCTIONS[name]
    x = LAYOUTS[layout]
    g = np.random.default_rng(4).normal(size=x.shape)
    t = ng.as_tensor(x).requires_grad_()
    (result,) = gradients(function(t, 1), [t], ng.tensor(g))
    expected = grad(lambda y: function(y, 1), np.ascontiguousarray(x), g)
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_stays_float32(name):
    function, reference = FUNCTIONS[name]
    x = X.astype(np.float32)
    for dim in (0, -1):
        result = function(ng.tensor(x), dim)
        assert result.dtype == np.float32
        np.testing.assert_allclose(result.numpy(), reference(X, dim), rtol=1e-5, atol=1e-5)
        assert grad(lambda t, dim=dim: function(t, dim), x, x).dtype == np.float32


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_0d_tensor_is_a_row_of_one(name):
    function, _ = FUNCTIONS[name]
    expected = {"softmax": 1.0, "log_softmax": 0.0}.get(name, 2.0)
    for dim in (0, -1):
        result = function(ng.tensor(2.0), dim)
        assert result.shape == ()
        assert result.item() == expected
        assert grad(lambda t, dim=dim: function(t, dim), 2.0, 1.0) == (expected == 2.0)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_bad_dimensions(name):
    function, _ = FUNCTIONS[name]
    for bad in (3, -4):
        with pytest.raises(IndexError, match=f"dimension {bad}"):
            function(ng.tensor(X), bad)
    with pytest.raises(TypeError, match="integers"):
        function(ng.tensor(X), 0.5)


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "softmax", "log_softmax"])
def test_the_dimension_is_required(name):
    function = getattr(ng, name)
    with pytest.raises(TypeError, match="dim"):
        function(ng.tensor(X))
    with pytest.raises(TypeError, match="axis"):
        function(ng.tensor(X), 0, axis=0)


# --- scans ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_spellings_of_scans(name):
    function, reference = FUNCTIONS[name]
    x = ng.tensor(X, requires_grad=True)
    np.testing.assert_array_equal(
        function(x, axis=1).detach().numpy(), getattr(x, name)(1).detach().numpy()
    )
    flat = function(x, axis=None)
    np.testing.assert_allclose(flat.detach().numpy(), reference(X), rtol=1e-13)
    assert gradients(flat.sum(), [x])[0].shape == X.shape
    integers = np.array([3, 0, 2], dtype=np.int32)
    for values in (integers, integers.astype(np.bool_)):
        result = function(ng.tensor(values), 0)
        assert result.dtype == np.int64
        np.testing.assert_array_equal(result.numpy(), reference(values, dtype=np.int64))
    assert function(ng.tensor(integers), 0, dtype=ng.float32).dtype == np.float32


@pytest.mark.parametrize("x", [[0.0, 2, 3], [0.0, 0, 3], [1.0, 0, 2, 0, 3], [0.0, 0, 0], [2.0]])
def test_running_products_with_zeros(x):
    x = np.array(x)
    n = len(x)
    jacobian = np.zeros((n, n))
    for i, j in np.ndindex(n, n):
        if j <= i:
            jacobian[i, j] = np.prod([x[k] for k in range(i + 1) if k != j])
    for i in range(n):
        result = grad(lambda t: ng.cumprod(t, 0), x, np.eye(n)[i])
        np.testing.assert_array_equal(result, jacobian[i])
    # Every element is linear in each other: differences of gradients over any step are exact.
    g, v = np.arange(n) + 1.0, np.arange(n) - 1.5

    def weighted(y):
        return np.sum(v * grad(lambda t: ng.cumprod(t, 0), y, g))

    to_x, _ = second(lambda t: ng.cumprod(t, 0), x, g, v)
    np.testing.assert_allclose(to_x, differences(weighted, x, step=1.0), atol=1e-13)


def test_scans_do_not_warn():
    x = ng.tensor([[1e308, 1e308, -INF], [INF, -INF, NAN]])
    for dim in (0, 1):
        ng.cumsum(x, dim)
        ng.cumprod(x, dim)
        ng.softmax(x, dim)
        ng.log_softmax(x, dim)


# --- softmax --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_over_several_dimensions(name):
    function, reference = FUNCTIONS[name]
    g = np.random.default_rng(5).normal(size=X.shape)
    expected = reference(X.reshape(1, -1), 1).reshape(X.shape)
    for axis in (None, (0, 1, 2)):
        result = function(ng.tensor(X), axis=axis).numpy()
        np.testing.assert_allclose(result, expected, rtol=1e-12)
    flat = grad(lambda t: function(t, 0), X.reshape(-1), g.reshape(-1))
    result = grad(lambda t: function(t, axis=(0, 2, 1)), X, g)
    np.testing.assert_allclose(result, flat.reshape(X.shape), rtol=1e-12)
    to_x, _ = second(lambda t: function(t, axis=None), X, g, X)
    flat, _ = second(lambda t: function(t, 0), *(a.reshape(-1) for a in (X, g, X)))
    np.testing.assert_allclose(to_x, flat.reshape(X.shape), rtol=1e-10, atol=1e-14)


def test_softmax_shifts():
    x = ng.tensor([[1e4, 1e4 - 1], [-1e308, 1e308]])
    expected = softmax(np.array([1.0, 0.0]), 0)
    np.testing.assert_allclose(ng.softmax(x, 1).numpy(), [expected, [0, 1]], rtol=1e-14)
    np.testing.assert_allclose(ng.log_softmax(x, 1).numpy()[0], np.log(expected), rtol=1e-14)


def test_softmax_at_infinity():
    masked = [0.0, -INF, 0.0]
    np.testing.assert_array_equal(ng.softmax(ng.tensor(masked), 0).numpy(), [0.5, 0, 0.5])
    gradient = grad(lambda t: ng.softmax(t, 0), masked, [1.0, 5.0, 2.0])
    np.testing.assert_allclose(gradient, [-0.25, 0, 0.25], rtol=1e-15)
    to_x, _ = second(lambda t: ng.softmax(t, 0), masked, [1.0, 5.0, 2.0], [1.0, 1.0, 2.0])
    assert np.isfinite(to_x).all()
    gradient = grad(lambda t: ng.log_softmax(t, 0), masked, [1.0, 0.0, 2.0])
    np.testing.assert_allclose(gradient, [-0.5, 0, 0.5], rtol=1e-15)
    for row in ([-INF, -INF], [INF, 0.0], [NAN, 0.0]):
        for function in (ng.softmax, ng.log_softmax):
            assert np.isnan(function(ng.tensor(row), 0).numpy()).any()


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_zero_cotangents_blank_rows_of_nan(name):
    function, _ = FUNCTIONS[name]
    x = np.array([[1.0, 2.0], [-INF, -INF], [NAN, 0.0]])
    g = np.array([[1.0, 3.0], [0.0, 0.0], [0.0, 0.0]])
    result = grad(lambda t: function(t, 1), x, g)
    np.testing.assert_array_equal(result[1:], 0)
    np.testing.assert_allclose(result[0], grad(lambda t: function(t, 0), x[0], g[0]), rtol=1e-14)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_dtypes_of_softmax(name):
    function = getattr(ng, name)
    assert function(ng.tensor([1, 2]), 0).dtype == np.float64
    assert function(ng.tensor([1, 2]), 0, ng.float32).dtype == np.float32
    assert function(ng.tensor([1.0, 2.0]), -1, dtype=ng.float32).dtype == np.float32


# --- sorting --------------------------------------------------------------------------------------


def test_sort_is_stable_and_follows_its_index():
    x = [2.0, 1.0, 2.0, 1.0]
    up, down = ng.sort(ng.tensor(x)), ng.sort(ng.tensor(x), descending=True)
    np.testing.assert_array_equal(up.indices.numpy(), [1, 3, 0, 2])
    np.testing.assert_array_equal(down.indices.numpy(), [0, 2, 1, 3])
    g = np.array([1.0, 2.0, 3.0, 4.0])
    np.testing.assert_array_equal(grad(lambda t: ng.sort(t)[0], x, g), [3, 1, 4, 2])
    np.testing.assert_array_equal(grad(lambda t: ng.sort(t, 0, True)[0], x, g), [1, 3, 2, 4])


def test_nan_is_greatest():
    x = ng.tensor([1.0, NAN, INF, 0.0])
    np.testing.assert_array_equal(ng.sort(x).indices.numpy(), [3, 0, 2, 1])
    np.testing.assert_array_equal(ng.sort(x, descending=True).indices.numpy(), [1, 2, 0, 3])


def test_spellings_of_sorting():
    x: Any = ng.tensor(X)
    assert type(ng.sort(x, axis=0)) is ng.Tensor
    np.testing.assert_array_equal(ng.sort(x, axis=None).numpy(), np.sort(X, axis=None))
    np.testing.assert_array_equal(ng.sort(x).values.numpy(), np.sort(X))
    for dim in (0, 1, -1):
        expected = np.argsort(X, dim)
        np.testing.assert_array_equal(ng.argsort(x, dim).numpy(), expected)
        np.testing.assert_array_equal(ng.argsort(x, axis=dim).numpy(), expected)
        np.testing.assert_array_equal(x.sort(dim)[1].numpy(), expected)
        backwards = np.argsort(-X, dim)
        np.testing.assert_array_equal(x.argsort(dim, descending=True).numpy(), backwards)
    np.testing.assert_array_equal(ng.argsort(x, axis=None).numpy(), np.argsort(X, None))
    for function in (ng.sort, ng.argsort):
        with pytest.raises(TypeError, match="both"):
            function(x, dim=0, axis=0)
    assert not ng.argsort(ng.tensor(X, requires_grad=True)).requires_grad


def test_sort_keeps_the_dtype():
    for dtype in (np.int32, np.bool_, np.float32):
        result = ng.sort(ng.tensor(np.array([3, 0, 2]).astype(dtype)))
        assert result.values.dtype == dtype
        assert result.indices.dtype == np.int64


def test_sort_prints_as_in_pytorch():
    assert repr(ng.sort(ng.tensor([2.0, 1.0], requires_grad=True))) == (
        "numgrad.return_types.sort(\nvalues=tensor([1., 2.], grad_fn=<SortBackward0>),\n"
        "indices=tensor([1, 0]))"
    )


def test_sort_is_linear_in_its_cotangent():
    x = ng.tensor([3.0, 1.0, 2.0], requires_grad=True)
    g = ng.tensor([1.0, 10.0, 100.0], requires_grad=True)
    (placed,) = ng.autograd.grad(x.sort().values, x, g, create_graph=True)
    assert placed.tolist() == [100.0, 1.0, 10.0]
    v = ng.tensor([5.0, 6.0, 7.0], requires_grad=True)
    (picked,) = ng.autograd.grad(placed, g, v, create_graph=True)
    assert picked.tolist() == [6.0, 7.0, 5.0]
    assert ng.autograd.grad(picked, v, ng.tensor([1.0, 2.0, 3.0]))[0].tolist() == [3.0, 1.0, 2.0]


def test_what_is_constant_by_choice_has_derivative_zero():
    x = ng.tensor([3.0, 1.0, 3.0], requires_grad=True)
    (g,) = ng.autograd.grad(x.amax(), x, create_graph=True)
    assert g.tolist() == [0.5, 0.0, 0.5]
    assert (
        ng.autograd.grad(g.sum(), x, allow_unused=True, materialize_grads=True)[0].tolist()
        == [0.0] * 3
    )
    assert ng.autograd.grad(x.norm(0), x)[0].tolist() == [0.0] * 3

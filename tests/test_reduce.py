"""Reductions: values as NumPy's, derivatives of both orders, both libraries' spellings, edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import numgrad as ng

INF, NAN = np.inf, np.nan
X = np.random.default_rng(0).normal(size=(3, 4, 2))

# Name: the function, and what it must equal on arrays.
FUNCTIONS: dict[str, tuple[Any, Any]] = {
    "sum": (ng.sum, np.sum),
    "mean": (ng.mean, np.mean),
    "prod": (ng.prod, np.prod),
    "amax": (ng.amax, np.max),
    "amin": (ng.amin, np.min),
    "var": (ng.var, lambda x, **how: np.var(x, ddof=1, **how)),
    "std": (ng.std, lambda x, **how: np.std(x, ddof=1, **how)),
    "logsumexp": (ng.logsumexp, lambda x, **how: np.log(np.sum(np.exp(x), **how))),
    "norm": (ng.norm, lambda x, **how: np.sqrt(np.sum(x * x, **how))),
    **{
        f"norm_{p}": (
            lambda x, p=p, **how: ng.norm(x, p, **how),
            lambda x, p=p, **how: np.sum(np.abs(x) ** p, **how) ** (1 / p),
        )
        for p in (1, 3, 2.5, 0.5, -1)
    },
    "norm_0": (lambda x, **how: ng.norm(x, 0, **how), lambda x, **how: np.sum(x != 0.0, **how)),
    "norm_inf": (lambda x, **how: ng.norm(x, INF, **how), lambda x, **how: np.max(abs(x), **how)),
    "norm_-inf": (lambda x, **how: ng.norm(x, -INF, **how), lambda x, **how: np.min(abs(x), **how)),
}
DIMS = [None, 0, -1, 1, (0, 2), (-1, -3), (0, 1, 2)]

gradients: Any = ng.autograd.grad

LAYOUTS = {
    "dense": X,
    "transposed": X.T,
    "strided": np.repeat(X, 2, axis=1)[:, ::2],
    "reversed": X[::-1, :, ::-1],
    "fortran": np.asfortranarray(X),
    "expanded": np.broadcast_to(X[:, :1], (3, 4, 2)),
    "long": np.random.default_rng(1).normal(size=(2, 1500, 2)),
}


def grad(f, x, g=None, **options):
    """The gradient of a function of one tensor, given the cotangent g (default: ones)."""
    t = ng.tensor(x, requires_grad=True)
    out = f(t)
    seed = ng.ones(*out.shape, dtype=out.dtype) if g is None else ng.tensor(g)
    return gradients(out, [t], seed, **options)[0]


def second(f, x, g, v):
    """The gradient of (the gradient of f at x, given the cotangent g) times v."""
    t = ng.tensor(x, requires_grad=True)
    (first,) = gradients(f(t), [t], ng.tensor(g), create_graph=True)
    if not first.requires_grad:
        return np.zeros_like(x)
    return gradients(first, [t], ng.tensor(v))[0].numpy()


def differences(f, x, step=1e-5):
    """Gradient of a scalar function of an array by central differences."""
    out = np.empty_like(x)
    for k in np.ndindex(x.shape):
        d = np.zeros_like(x)
        d[k] = step
        out[k] = (f(x + d) - f(x - d)) / (2 * step)
    return out


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dim", DIMS, ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values(name, dim, layout):
    function, reference = FUNCTIONS[name]
    x = LAYOUTS[layout]
    for keep in (False, True):
        expected = reference(x, axis=dim, keepdims=keep)
        result = function(ng.as_tensor(x), dim=dim, keepdim=keep)
        assert result.shape == np.shape(expected)
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("dim", DIMS, ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives(name, dim):
    function, reference = FUNCTIONS[name]
    rng = np.random.default_rng(2)
    x = X[:, :3]
    g = rng.normal(size=np.shape(reference(x, axis=dim)))
    v = rng.normal(size=x.shape)

    def f(t):
        return function(t, dim=dim)

    expected = differences(lambda y: np.sum(g * f(ng.tensor(y)).numpy()), x)
    np.testing.assert_allclose(grad(f, x, g).numpy(), expected, rtol=1e-5, atol=1e-7)
    expected = differences(lambda y: np.sum(v * grad(f, y, g).numpy()), x)
    np.testing.assert_allclose(second(f, x, g, v), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_kept_dimension_has_the_same_gradient(name):
    function, _ = FUNCTIONS[name]
    g = np.random.default_rng(3).normal(size=(3, 1, 2))
    kept = grad(lambda t: function(t, dim=1, keepdim=True), X, g)
    np.testing.assert_array_equal(
        kept.numpy(), grad(lambda t: function(t, dim=1), X, g[:, 0]).numpy()
    )


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_do_not_depend_on_the_layout(name, layout):
    function, _ = FUNCTIONS[name]
    x = LAYOUTS[layout]
    t = ng.as_tensor(x).requires_grad_()
    (result,) = gradients(function(t, dim=1).sum(), [t])
    expected = grad(lambda y: function(y, dim=1), np.ascontiguousarray(x))
    np.testing.assert_allclose(result.numpy(), expected.numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_stays_float32(name):
    function, reference = FUNCTIONS[name]
    x = X.astype(np.float32)
    for dim in (None, -1, 0, (0, 2)):
        result = function(ng.tensor(x), dim=dim)
        assert result.dtype == np.float32
        expected = reference(X, axis=dim)
        np.testing.assert_allclose(result.numpy(), expected, rtol=3e-5, atol=1e-6)
        assert grad(lambda t, dim=dim: function(t, dim=dim), x).dtype == np.float32


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_0d_tensor_is_one_element(name):
    function, _ = FUNCTIONS[name]
    if name in ("var", "std"):
        assert np.isnan(function(ng.tensor(2.0)).item())
        return
    for dim in (None, 0, -1):
        result = function(ng.tensor(2.0), dim=dim)
        assert result.shape == ()
        assert result.item() == pytest.approx(1.0 if name == "norm_0" else 2.0)
        expected = 0.0 if name == "norm_0" else 1.0
        assert grad(lambda t, dim=dim: function(t, dim=dim), 2.0).item() == pytest.approx(expected)


# What a reduction of nothing gives.
OF_NOTHING = {"sum": 0.0, "mean": NAN, "prod": 1.0, "var": NAN, "std": NAN, "logsumexp": -INF}
OF_NOTHING |= dict.fromkeys(["norm", *(f"norm_{p}" for p in (0, 0.5, 1, 2.5, 3))], 0.0)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nothing(name):
    function, _ = FUNCTIONS[name]
    assert function(ng.zeros(0, 3), dim=1).shape == (0,)
    assert grad(lambda t: function(t, dim=1), np.zeros((0, 3))).shape == (0, 3)
    for shape, dim, result in [((0,), None, ()), ((0, 2), 0, (2,)), ((2, 0), (1,), (2,))]:
        if name in OF_NOTHING:
            value = function(ng.zeros(*shape), dim=dim)
            np.testing.assert_array_equal(value.numpy(), np.full(result, OF_NOTHING[name]))
            gradient = grad(lambda t, dim=dim: function(t, dim=dim), np.zeros(shape))
            assert gradient.shape == shape
        else:
            with pytest.raises(ng.errors.ShapeError, match="no elements"):
                function(ng.zeros(*shape), dim=dim)


@pytest.mark.parametrize("function", [ng.max, ng.min, ng.argmax, ng.argmin])
def test_nothing_has_no_extremum(function):
    assert function(ng.zeros(0, 3), axis=1).shape == (0,)
    for call in (
        lambda: function(ng.zeros(0)),
        lambda: function(ng.zeros(0), 0),
        lambda: function(ng.zeros(2, 0), axis=1),
    ):
        with pytest.raises(ng.errors.ShapeError, match="no elements"):
            call()


def test_empty_tuples_follow_their_library():
    x = ng.tensor(X)
    assert ng.sum(x, dim=()).shape == ng.amax(x, dim=()).shape == ng.norm(x, dim=()).shape == ()
    for function in (ng.sum, ng.mean, ng.amax, ng.prod, ng.logsumexp):
        np.testing.assert_allclose(function(x, axis=()).numpy(), X, rtol=1e-15)
        np.testing.assert_allclose(grad(lambda t, f=function: f(t, axis=()), X).numpy(), 1.0)
    assert ng.all(x, dim=()).shape == ng.any(x, axis=()).shape == X.shape


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "amax", "var", "logsumexp", "norm"])
def test_bad_dimensions(name):
    function, _ = FUNCTIONS[name]
    x = ng.tensor(X)
    for bad in (3, -4, (0, 3)):
        with pytest.raises(IndexError, match=r"dimension -?\d"):
            function(x, dim=bad)
    with pytest.raises(RuntimeError, match="twice"):
        function(x, dim=(0, -3))
    with pytest.raises(TypeError, match="integers"):
        function(x, dim=1.5)
    with pytest.raises(TypeError, match="axis"):
        function(x, dim=0, axis=0)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, np.bool_])
def test_integers(dtype):
    x = np.array([[1, 0, 3], [2, 1, 1]]).astype(dtype)
    t: Any = ng.tensor(x)
    for name in ("sum", "prod"):
        result = getattr(t, name)(1)
        assert result.dtype == np.int64
        np.testing.assert_array_equal(result.numpy(), getattr(x, name)(1, dtype=np.int64))
    for name in ("mean", "var", "std", "norm", "logsumexp"):
        assert getattr(t, name)(dim=1).dtype == np.float64
    assert t.mean().item() == x.mean()
    for name in ("amax", "amin", "max", "min"):
        result = getattr(t, name)(axis=1)
        assert result.dtype == dtype
        np.testing.assert_array_equal(result.numpy(), getattr(x, name.lstrip("a"))(axis=1))


def test_the_dtype_asked_for():
    x = ng.tensor(X.astype(np.float32), requires_grad=True)
    for name in ("sum", "mean", "prod", "norm", "var", "std"):
        result = getattr(x, name)(dtype=ng.float64)
        assert result.dtype == np.float64
        assert gradients(result, [x])[0].dtype == np.float32
    assert ng.sum(ng.tensor([1, 2]), dtype=ng.float32).dtype == np.float32


def test_nothing_warns():
    huge = ng.tensor([[1e308, 1e308], [INF, -INF], [NAN, 1.0], [-0.0, 0.0]])
    for function, _ in FUNCTIONS.values():
        for dim in (None, 0, 1, (0, 1)):
            function(huge, dim=dim)  # pytest turns warnings into errors


def test_sums_are_accurate():
    x = np.full(10**6, 0.1)
    assert ng.sum(ng.tensor(x)).item() == pytest.approx(1e5, rel=1e-15)
    x = x.astype(np.float32)
    assert ng.sum(ng.tensor(x)).item() == pytest.approx(x.sum(dtype=np.float64), rel=2e-7)
    assert np.signbit(ng.sum(ng.tensor([-0.0, -0.0])).item())


# --- extrema ------------------------------------------------------------------------------------


def test_ties_share_the_gradient():
    x = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    shares = [[0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]]
    for f in (lambda t: ng.amax(t, 1), lambda t: ng.max(t, axis=1)):
        np.testing.assert_allclose(grad(f, x).numpy(), shares)
    for f in (lambda t: ng.amin(t, 1), lambda t: ng.min(t, axis=1)):
        np.testing.assert_allclose(grad(f, -x).numpy(), shares)
    np.testing.assert_array_equal(grad(ng.max, x).numpy(), [[0, 0.5, 0.5], [0, 0, 0]])
    np.testing.assert_array_equal(grad(ng.min, -x).numpy(), [[0, 0.5, 0.5], [0, 0, 0]])
    np.testing.assert_array_equal(second(ng.max, x, 1.0, x), 0 * x)


def test_an_extremum_along_a_dimension_follows_its_index():
    x = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    values, indices = ng.max(ng.tensor(x), 1)
    np.testing.assert_array_equal(values.numpy(), [3, 2])
    np.testing.assert_array_equal(indices.numpy(), [1, 0])
    np.testing.assert_array_equal(
        grad(lambda t: ng.max(t, 1).values, x, [5.0, 7.0]).numpy(), [[0, 5, 0], [7, 0, 0]]
    )
    np.testing.assert_array_equal(
        grad(lambda t: ng.min(t, 0, True)[0], x).numpy(), [[1, 0, 0], [0, 1, 1]]
    )


@pytest.mark.parametrize(("function", "pick"), [(ng.max, np.argmax), (ng.min, np.argmin)])
def test_derivatives_of_an_extremum_along_a_dimension(function, pick):
    for dim in (0, 1, -1):
        values, indices = function(ng.tensor(X), dim)
        np.testing.assert_array_equal(indices.numpy(), pick(X, dim))
        assert values.shape == indices.shape
        g = np.random.default_rng(4).normal(size=values.shape)

        def f(t, dim=dim):
            return ng.square(function(t, dim)[0])

        expected = differences(lambda y, f=f, g=g: np.sum(g * f(ng.tensor(y)).numpy()), X)
        np.testing.assert_allclose(grad(f, X, g).numpy(), expected, atol=1e-8)
        expected = differences(lambda y, f=f, g=g: np.sum(X * grad(f, y, g).numpy()), X)
        np.testing.assert_allclose(second(f, X, g, X), expected, atol=1e-8)


def test_nan_wins():
    x = np.array([1.0, NAN, 3.0, NAN])
    for function in (ng.max, ng.min, ng.amax, ng.amin):
        assert np.isnan(function(ng.tensor(x)).item())
        np.testing.assert_array_equal(grad(function, x).numpy(), [0, 0.5, 0, 0.5])
    for function in (ng.max, ng.min):
        assert function(ng.tensor(x), 0).indices.item() == 1
    assert ng.argmax(ng.tensor(x)).item() == ng.argmin(ng.tensor(x)).item() == 1


def test_max_of_two_is_maximum():
    x: Any = ng.tensor([1.0, 5.0])
    y = ng.tensor([4.0, 2.0])
    for result in (ng.max(x, y), ng.max(x, other=y), x.max(np.array([4.0, 2.0]))):
        np.testing.assert_array_equal(result.numpy(), [4, 5])
    np.testing.assert_array_equal(x.min(y).numpy(), [1, 2])
    with pytest.raises(TypeError, match="no dimensions"):
        ng.max(x, other=y, keepdim=True)


@pytest.mark.parametrize("function", [ng.max, ng.min])
def test_spellings_of_extrema(function):
    x = ng.tensor(X)
    assert function(x).shape == ()
    assert type(function(x, axis=0)) is ng.Tensor
    assert function(x, axis=(0, 1)).shape == (2,)
    assert function(x, axis=None, keepdims=True).shape == (1, 1, 1)
    assert function(x, 0, True).values.shape == function(x, dim=0, keepdim=True)[1].shape
    for mixed in ({"dim": 0, "keepdims": True}, {"axis": 0, "keepdim": True}):
        with pytest.raises(TypeError, match="use those of one"):
            function(x, **mixed)


def test_named_tuples_print_as_in_pytorch():
    text = repr(ng.max(ng.tensor([[1.0, 4.0]], requires_grad=True), 1))
    assert text == (
        "numgrad.return_types.max(\nvalues=tensor([4.], grad_fn=<MaxBackward0>),\n"
        "indices=tensor([1]))"
    )


@pytest.mark.parametrize(
    ("function", "reference"), [(ng.argmax, np.argmax), (ng.argmin, np.argmin)]
)
def test_positions(function, reference):
    x = ng.tensor(X, requires_grad=True)
    assert function(x).item() == reference(X)
    assert not function(x).requires_grad
    for dim in (0, 1, -1):
        for keep in (False, True):
            expected = reference(X, dim, keepdims=keep)
            np.testing.assert_array_equal(function(x, dim, keep).numpy(), expected)
            np.testing.assert_array_equal(function(x, axis=dim, keepdims=keep).numpy(), expected)
    assert function(ng.tensor(3.0), 0).item() == 0
    assert function(ng.tensor([True, False])).dtype == np.int64


# --- variance -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("ours", "reference"), [(ng.var, np.var), (ng.std, np.std)])
def test_spellings_of_variances(ours, reference):
    x = ng.tensor(X)
    cases: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({}, {"ddof": 1}),
        ({"dim": 0}, {"axis": 0, "ddof": 1}),
        ({"dim": (0, 1), "keepdim": True}, {"axis": (0, 1), "ddof": 1, "keepdims": True}),
        ({"dim": 0, "correction": 0}, {"axis": 0}),
        ({"correction": 2}, {"ddof": 2}),
        ({"unbiased": False}, {}),
        ({"dim": False}, {}),
        ({"axis": None}, {}),
        ({"axis": 0}, {"axis": 0}),
        ({"axis": 1, "ddof": 1}, {"axis": 1, "ddof": 1}),
        ({"axis": 1, "correction": 1}, {"axis": 1, "ddof": 1}),
        ({"ddof": 0.5}, {"ddof": 0.5}),
        ({"keepdims": True}, {"keepdims": True}),
    ]
    for how, means in cases:
        np.testing.assert_allclose(ours(x, **how).numpy(), reference(X, **means), rtol=1e-13)
    for mixed in ({"dim": 0, "ddof": 1}, {"axis": 0, "keepdim": True}, {"dim": 0, "keepdims": 1}):
        with pytest.raises(TypeError, match="use those of one"):
            ours(x, **mixed)
    with pytest.raises(TypeError, match="several"):
        ours(x, correction=1, ddof=1)


@pytest.mark.parametrize("function", [ng.var, ng.std])
def test_variance_of_too_few_is_nan(function):
    for x, correction in [([1.0], 1), ([1.0, 2.0], 2), ([1.0, 2.0], 3)]:
        assert np.isnan(function(ng.tensor(x), correction=correction).item())
        gradient = grad(lambda t, c=correction: function(t, correction=c), x)
        assert np.isnan(gradient.numpy()).all()


def test_variance_does_not_cancel():
    x = np.random.default_rng(5).normal(size=1000)
    for mean, error in ((1e8, 1e-7), (1e12, 1e-3)):
        moved = x + mean
        exact = moved - mean  # what rounding has left of x
        assert ng.var(ng.tensor(moved)).item() == pytest.approx(exact.var(ddof=1), rel=1e-12)
        expected = grad(ng.std, x).numpy()
        np.testing.assert_allclose(grad(ng.std, moved).numpy(), expected, rtol=0, atol=error)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e300, -7.3e-200])
@pytest.mark.parametrize("n", [2, 3, 10, 1001])
def test_equal_elements_do_not_deviate(value, n):
    x = np.full(n, value)
    assert ng.std(ng.tensor(x)).item() == ng.var(ng.tensor(x)).item() == 0
    np.testing.assert_array_equal(grad(ng.std, x).numpy(), 0)
    np.testing.assert_array_equal(second(ng.std, x, 1.0, np.arange(n) + 1.0), 0)


# --- products -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "gradient"),
    [([0.0, 2, 3], [6, 0, 0]), ([0.0, 0, 3], [0, 0, 0]), ([0.0], [1]), ([2.0, -3], [-3, 2])],
)
def test_products_with_zeros(x, gradient):
    np.testing.assert_array_equal(grad(ng.prod, x).numpy(), gradient)


@pytest.mark.parametrize("x", [[0.0, 2, 3], [0.0, 0, 3], [0.0, 0, 0, 5], [1.0, 0, 2, 0, 3]])
def test_second_derivatives_of_products_with_zeros(x):
    n = len(x)
    hessian = [second(ng.prod, np.array(x), 1.0, e) for e in np.eye(n)]
    expected = np.zeros((n, n))
    for i, j in np.argwhere(~np.eye(n, dtype=bool)):
        expected[i, j] = np.prod([x[k] for k in range(n) if k not in (i, j)])
    np.testing.assert_array_equal(hessian, expected)


# --- norms and logsumexp at their singular points -------------------------------------------------


@pytest.mark.parametrize("p", [0, 0.5, 1, 2, 2.5, INF, "fro"])
def test_norms_at_zero(p):
    zero = np.zeros(3)
    assert ng.norm(ng.tensor(zero), p).item() == 0
    np.testing.assert_array_equal(grad(lambda t: ng.norm(t, p), zero).numpy(), 0)
    np.testing.assert_array_equal(second(lambda t: ng.norm(t, p), zero, 1.0, zero + 1), 0)
    np.testing.assert_array_equal(
        second(lambda t: ng.square(ng.norm(t, p)), zero, 1.0, zero + 1), 0
    )


@pytest.mark.parametrize(
    ("p", "gradient"),
    [
        (1, [0, -1, 1]),
        (2, [0, -(0.5**0.5), 0.5**0.5]),
        (INF, [0, -0.5, 0.5]),
        (-INF, [0, 0, 0]),
        (0, [0, 0, 0]),
        (3, [0, -(0.25 ** (1 / 3)), 0.25 ** (1 / 3)]),
    ],
)
def test_norms_with_zeros_and_ties(p, gradient):
    result = grad(lambda t: ng.norm(t, p), [0.0, -2.0, 2.0])
    np.testing.assert_allclose(result.numpy(), gradient, rtol=1e-14)


@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e-160, 1e160, 1e300])
def test_the_2_norm_neither_overflows_nor_vanishes(scale):
    x = np.array([3 * scale, -4 * scale])
    assert ng.norm(ng.tensor(x)).item() == pytest.approx(5 * scale, rel=1e-13)
    np.testing.assert_allclose(grad(ng.norm, x).numpy(), [0.6, -0.8], rtol=1e-13)


def test_norm_refuses_what_is_for_matrices():
    with pytest.raises(ValueError, match="matrix_norm"):
        ng.norm(ng.tensor(X), "nuc")


@pytest.mark.parametrize(
    ("x", "value", "gradient"),
    [
        ([-INF, -INF], -INF, [0.5, 0.5]),
        ([INF, 1.0, INF], INF, [0.5, 0, 0.5]),
        ([-INF, 3.0], 3.0, [0, 1]),
        ([1000.0, 1000.0], 1000 + np.log(2), [0.5, 0.5]),
        ([NAN, INF], NAN, [NAN, NAN]),
    ],
)
def test_logsumexp_at_infinity(x, value, gradient):
    np.testing.assert_allclose(ng.logsumexp(ng.tensor(x), 0).item(), value, rtol=1e-15)
    np.testing.assert_array_equal(grad(lambda t: ng.logsumexp(t, 0), x).numpy(), gradient)


# --- logic ----------------------------------------------------------------------------------------


def test_all_and_any():
    x = np.array([[1.0, 0.0, NAN], [1.0, 2.0, 3.0]])
    t = ng.tensor(x, requires_grad=True)
    for function, reference in ((ng.all, np.all), (ng.any, np.any)):
        for dim in (None, 0, 1, (0, 1)):
            result = function(t, dim)
            assert result.dtype == np.bool_
            assert not result.requires_grad
            np.testing.assert_array_equal(result.numpy(), reference(x, axis=dim))
        assert function(t, 1, True).shape == function(t, axis=1, keepdims=True).shape == (2, 1)
    assert ng.all(ng.zeros(0)).item() is True
    assert ng.any(ng.zeros(0)).item() is False


def test_closeness():
    x, y = ng.tensor([1.0, INF, NAN, 1.0], requires_grad=True), [1.0 + 1e-9, INF, NAN, 1.1]
    np.testing.assert_array_equal(ng.isclose(x, y).numpy(), [True, True, False, False])
    np.testing.assert_array_equal(ng.isclose(x, y, equal_nan=True).numpy()[2], True)
    np.testing.assert_array_equal(ng.isclose(x, y, 0.2).numpy()[3], True)
    assert ng.allclose(x, y) is False
    assert ng.allclose(x, y, rtol=0.2, equal_nan=True) is True
    assert ng.allclose(x.detach(), 1.0) is False
    with pytest.raises(ng.errors.ShapeError, match="broadcast"):
        ng.isclose(ng.ones(2), ng.ones(3))


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "amax", "var", "std", "norm", "logsumexp"])
def test_zero_cotangents_blank_what_is_not_finite(name):
    """A row that the loss masks out does not spoil the gradient, whatever it holds."""
    function, _ = FUNCTIONS[name]
    x = np.array([[1.0, 2.0], [INF, -INF], [NAN, 0.0]])
    gradient = grad(lambda t: function(t, dim=1), x, [1.0, 0.0, 0.0]).numpy()
    np.testing.assert_array_equal(gradient[1:], 0)
    assert np.isfinite(gradient).all()

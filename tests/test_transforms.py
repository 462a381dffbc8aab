"""numgrad.func: what transforms take and give, that they compose and agree with torch."""

from __future__ import annotations

import gc
import itertools
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.optimize

import numgrad as ng
from numgrad.pytree import tree_flatten, tree_leaves, tree_map


def cubes(x):
    return (x**3).sum()


X = ng.tensor([1.0, 2.0])


# --- grad and its like -------------------------------------------------------------------------


def test_grad_and_value_and_grad():
    assert ng.grad(cubes)(X).tolist() == [3.0, 12.0]
    value, gradient = ng.value_and_grad(cubes)(X)
    assert (value.item(), gradient.tolist()) == (9.0, [3.0, 12.0])
    gradient, value = ng.func.grad_and_value(cubes)(X)
    assert (value.item(), gradient.tolist()) == (9.0, [3.0, 12.0])
    assert not value.requires_grad
    assert not gradient.requires_grad


def test_orders():
    f = lambda x: x**4  # noqa: E731
    assert [f(2.0), ng.grad(f)(2.0), ng.grad(ng.grad(f))(2.0)] == [16.0, 32.0, 48.0]
    assert ng.grad(ng.grad(ng.grad(ng.grad(ng.grad(f)))))(2.0) == 0.0


def test_argnums():
    f = lambda x, y: (x * y * y).sum()  # noqa: E731
    y = ng.tensor([3.0, 4.0])
    assert ng.grad(f, 1)(X, y).tolist() == [6.0, 16.0]
    assert ng.grad(f, -1)(X, y).tolist() == [6.0, 16.0]
    assert [g.tolist() for g in ng.grad(f, (1, 0))(X, y)] == [[6.0, 16.0], [9.0, 16.0]]
    (only,) = ng.grad(f, (0,))(X, y)
    assert only.tolist() == [9.0, 16.0]


@pytest.mark.parametrize("argnums", [2, -3, (0, 2), (0, 0), ()])
def test_argnums_that_do_not_exist(argnums):
    with pytest.raises(RuntimeError, match="argnums"):
        ng.grad(lambda x, y: (x * y).sum(), argnums)(X, X)


def test_has_aux():
    f = lambda x: (cubes(x), {"twice": x * 2, "text": "as it is"})  # noqa: E731
    gradient, aux = ng.grad(f, has_aux=True)(X)
    assert (gradient.tolist(), aux["twice"].tolist()) == ([3.0, 12.0], [2.0, 4.0])
    assert aux["text"] == "as it is"
    assert not aux["twice"].requires_grad
    (value, aux), gradient = ng.value_and_grad(f, has_aux=True)(X)
    assert (value.item(), gradient.tolist()) == (9.0, [3.0, 12.0])
    for transform in (ng.func.jacrev, ng.func.jacfwd, ng.jacobian):
        jacobian, aux = transform(lambda x: (x * x, x), has_aux=True)(X)
        assert (jacobian.tolist(), aux.tolist()) == ([[2.0, 0.0], [0.0, 4.0]], [1.0, 2.0])
    hessian, aux = ng.hessian(lambda x: (cubes(x), x), has_aux=True)(X)
    assert (hessian.tolist(), aux.tolist()) == ([[6.0, 0.0], [0.0, 12.0]], [1.0, 2.0])
    with pytest.raises(RuntimeError, match="has_aux"):
        ng.grad(cubes, has_aux=True)(X)


def test_keywords_are_passed_on():
    assert ng.grad(lambda x, *, power: (x**power).sum())(X, power=2).tolist() == [2.0, 4.0]


@pytest.mark.parametrize("result", [lambda x: x, lambda x: x.sum().reshape(1), lambda _: 1.0])
def test_grad_needs_a_number(result):
    with pytest.raises(RuntimeError, match="vjp"):
        ng.grad(result)(X)


def test_grad_needs_floats():
    with pytest.raises(RuntimeError, match="int64"):
        ng.grad(lambda x: x.sum())(ng.tensor([1, 2]))
    with pytest.raises(TypeError, match="str"):
        ng.grad(lambda x: x.sum())("x")


def test_constants_have_zeros():
    assert ng.grad(lambda _: ng.tensor(1.0))(X).tolist() == [0.0, 0.0]
    assert ng.grad(lambda x, _: x.sum(), 1)(X, X).tolist() == [0.0, 0.0]
    assert ng.func.jacrev(lambda _: ng.ones(3))(X).tolist() == [[0.0, 0.0]] * 3
    assert ng.func.jacfwd(lambda _: ng.ones(3))(X).tolist() == [[0.0, 0.0]] * 3
    assert ng.jvp(lambda _: ng.ones(3), (X,), (X,))[1].tolist() == [0.0] * 3
    assert ng.vjp(lambda _: ng.ones(3), X)[1](ng.ones(3))[0].tolist() == [0.0, 0.0]
    assert ng.func.linearize(lambda _: ng.ones(3), X)[1](X).tolist() == [0.0] * 3


def test_grad_attributes_are_left_alone():
    x = ng.tensor([1.0, 2.0], requires_grad=True)
    ng.grad(cubes)(x)
    ng.hessian(cubes)(x)
    assert x.grad is None
    assert x.is_leaf


def test_arguments_are_not_written_to():
    def f(x):
        x.mul_(2.0)
        return x.sum()

    a = np.ones(2)
    with pytest.raises(ValueError, match="read-only"):
        ng.grad(f)(a)
    assert a.tolist() == [1.0, 1.0]


# --- what is outside -----------------------------------------------------------------------------


def test_results_depend_on_what_is_tracked_outside():
    w = ng.tensor([1.0, 3.0], requires_grad=True)
    f = lambda x: (x * x * w).sum()  # noqa: E731
    for g in (ng.grad(f)(X), ng.vjp(f, X)[1](ng.tensor(1.0))[0], ng.func.jacrev(f)(X),
              ng.func.jacfwd(f)(X)):  # fmt: skip
        assert g.tolist() == [2.0, 12.0]
        assert ng.autograd.grad(g.sum(), w)[0].tolist() == [2.0, 4.0]
    value, _ = ng.value_and_grad(f)(X)
    assert ng.autograd.grad(value, w)[0].tolist() == [1.0, 4.0]
    h = ng.func.hvp(f, (X,), (X,))
    assert ng.autograd.grad(h.sum(), w)[0].tolist() == [2.0, 4.0]
    x = ng.tensor([1.0, 2.0], requires_grad=True)
    (second,) = ng.autograd.grad(ng.grad(cubes)(x).sum(), x)
    assert second.tolist() == [6.0, 12.0]


def test_nothing_is_recorded_under_no_grad():
    w = ng.tensor([1.0, 3.0], requires_grad=True)
    with ng.no_grad():
        g = ng.grad(lambda x: (x * x * w).sum())(X)
    assert g.tolist() == [2.0, 12.0]
    assert not g.requires_grad


def test_no_grad_inside_holds():
    def f(x):
        with ng.no_grad():
            y = x * x
        return (x * y).sum()

    assert ng.grad(f)(X).tolist() == [1.0, 4.0]


def test_objects_die_without_the_collector():
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        for _ in range(50):
            ng.grad(cubes)(X)
            ng.hessian(cubes)(X)
            ng.vmap(ng.grad(cubes))(ng.ones(3, 2))
            ng.jvp(cubes, (X,), (X,))
        assert len(gc.get_objects()) - before < 500
    finally:
        gc.enable()


# --- arrays and trees ----------------------------------------------------------------------------


def test_arrays_give_arrays():
    a = X.numpy()
    value, gradient = ng.value_and_grad(cubes)(a)
    assert (type(value), type(gradient)) == (np.float64, np.ndarray)
    for found in (ng.grad(cubes)(a), ng.hessian(cubes)(a), ng.jacobian(ng.exp)(a),
                  ng.func.hvp(cubes, (a,), (a,)), ng.vjp(ng.exp, a)[1](a)[0],
                  ng.func.linearize(ng.exp, a)[1](a)):  # fmt: skip
        assert type(found) is np.ndarray
    assert {type(t) for t in ng.jvp(ng.exp, (a,), (a,))} == {np.ndarray}
    assert ng.grad(lambda x: np.sin(x) * x)(2.0) == np.cos(2.0) * 2.0 + np.sin(2.0)
    assert ng.grad(lambda x, n: (x**n).sum())(a, 3).tolist() == [3.0, 12.0]


def test_scipy_takes_value_and_grad_as_it_is():
    def rosenbrock(x):
        return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()

    found = scipy.optimize.minimize(ng.value_and_grad(rosenbrock), np.zeros(4), jac=True)
    np.testing.assert_allclose(found.x, 1.0, atol=1e-5)
    found = scipy.optimize.minimize(
        ng.value_and_grad(rosenbrock), np.zeros(4), jac=True, hess=ng.hessian(rosenbrock),
        method="trust-exact",
    )  # fmt: skip
    np.testing.assert_allclose(found.x, 1.0, atol=1e-4)


class Point(NamedTuple):
    x: Any
    y: Any


@dataclass
class Model:
    weight: Any
    bias: Any
    name: str = "model"


def test_trees():
    p = {"b": ng.tensor(3.0), "a": [ng.tensor(1.0), (ng.tensor(2.0), None)], "p": Point(X, X)}
    f = lambda p: (  # noqa: E731
        p["b"] * p["a"][0] * p["a"][1][0] + (p["p"].x * p["p"].y).sum()
    )
    g = ng.grad(f)(p)
    assert list(g) == ["b", "a", "p"]
    assert (g["b"].item(), g["a"][0].item(), g["a"][1][0].item()) == (2.0, 6.0, 3.0)
    assert g["a"][1][1] is None
    assert type(g["p"]) is Point
    result, tangent = ng.jvp(lambda p: {"square": p.x * p.x}, (Point(X, X),), (Point(X, X),))
    assert (result["square"].tolist(), tangent["square"].tolist()) == ([1.0, 4.0], [2.0, 8.0])
    jacobian = ng.jacobian(lambda p: [p.x * 2.0, p.y.sum()])(Point(X, X))
    assert jacobian[0].x.tolist() == [[2.0, 0.0], [0.0, 2.0]]
    assert jacobian[1].y.tolist() == [1.0, 1.0]
    assert jacobian[1].x.tolist() == [0.0, 0.0]


def test_trees_keep_their_types():
    tree = OrderedDict(b=[1, (2, None)], a=Point(3, Model(4, 5, 6)))
    leaves, structure = tree_flatten(tree)
    assert leaves == [3, 4, 5, 6, 1, 2]
    again = structure.unflatten(leaves)
    assert again == tree
    assert type(again) is OrderedDict
    assert list(again) == ["b", "a"]
    assert tree_leaves({1: 2, "x": 3}) == [2, 3]
    assert tree_map(lambda x, y: x + y, [1, (2,)], [10, (20,)]) == [11, (22,)]
    with pytest.raises(ValueError, match="structure"):
        tree_map(lambda x, _: x, [1], (1,))
    with pytest.raises(ValueError, match="6 leaves"):
        structure.unflatten([1])


# --- vjp, jvp, linearize --------------------------------------------------------------------------


def test_vjp_again_and_again():
    y, pull = ng.vjp(lambda x, z: {"product": x * z, "sum": x.sum()}, X, X)
    ones = {"product": ng.ones(2), "sum": ng.tensor(1.0)}
    assert y["sum"].item() == 3.0
    for _ in range(2):
        assert [g.tolist() for g in pull(ones)] == [[2.0, 3.0], [1.0, 2.0]]
    with pytest.raises(ValueError, match="tree"):
        pull(ng.ones(2))
    with pytest.raises(ng.errors.ShapeError, match=r"\(2,\)"):
        pull({"product": ng.ones(3), "sum": ng.tensor(1.0)})
    _, pull, aux = ng.vjp(lambda x: (x * x, "aux"), X, has_aux=True)
    assert aux == "aux"
    seed = ng.ones(2, requires_grad=True)
    assert ng.autograd.grad(pull(seed)[0].sum(), seed)[0].tolist() == [2.0, 4.0]


def test_jvp_checks():
    with pytest.raises(TypeError, match="tuple of primals"):
        ng.jvp(ng.exp, X, (X,))
    with pytest.raises(ValueError, match="tree"):
        ng.jvp(ng.exp, (X,), (X, X))
    with pytest.raises(ng.errors.ShapeError, match=r"\(3,\)"):
        ng.jvp(ng.exp, (X,), (ng.ones(3),))
    y, t, aux = ng.jvp(lambda x: (x * x, x), (X,), (X,), has_aux=True)
    assert (y.tolist(), t.tolist(), aux.tolist()) == ([1.0, 4.0], [2.0, 8.0], [1.0, 2.0])


def test_linearize():
    calls = []

    def f(x, y):
        calls.append(1)
        return ng.sin(x) * y, x.sum()

    result, push = ng.func.linearize(f, X, X)
    for t in (X, ng.tensor([1.0, 0.0])):
        expected = ng.jvp(f, (X, X), (t, t))
        for r, e in zip((result, push(t, t)), expected, strict=True):
            for a, b in zip(r, e, strict=True):
                np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-14)
    assert len(calls) == 3


# --- matrices ------------------------------------------------------------------------------------


def test_shapes_of_jacobians_and_hessians():
    x = ng.ones(2, 3)
    f = lambda x: ng.stack([x, x * x, x**3, x**4]).sum(1)  # noqa: E731
    for transform in (ng.func.jacrev, ng.func.jacfwd, ng.jacobian):
        assert transform(f)(x).shape == (4, 3, 2, 3)
    assert ng.hessian(cubes)(ng.ones(2, 2)).shape == (2, 2, 2, 2)
    assert ng.hessian(f)(x).shape == (4, 3, 2, 3, 2, 3)
    assert ng.func.jacrev(cubes)(X).shape == (2,)
    assert ng.func.jacfwd(ng.exp)(ng.tensor(1.0)).shape == ()
    assert ng.jacobian(ng.exp)(ng.zeros(0)).shape == (0, 0)


@pytest.mark.parametrize("chunk_size", [1, 2, 3, 7])
def test_chunks_of_jacobians(chunk_size):
    f = lambda x: ng.cumprod(x, 0)  # noqa: E731
    x = ng.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    expected = ng.func.jacrev(f)(x).numpy()
    for transform in (ng.func.jacrev, ng.func.jacfwd, ng.jacobian):
        np.testing.assert_array_equal(transform(f, chunk_size=chunk_size)(x).numpy(), expected)
    with pytest.raises(ValueError, match="chunk_size"):
        ng.jacobian(f, chunk_size=0)


def test_jacobian_picks_the_mode_by_shape():
    wide: list[str] = []
    tall: list[str] = []

    def f(log, y):
        def logged(x):
            log.append(type(x).__name__)
            return y(x)

        return logged

    ng.jacobian(f(wide, lambda x: x[:1] * x[1:].sum()))(ng.ones(5))
    ng.jacobian(f(tall, lambda x: ng.ones(9) * x))(ng.ones(1))
    assert "Dual" not in wide
    assert "Dual" in tall


# --- in any order --------------------------------------------------------------------------------

TRANSFORMS = {
    "jacrev": ng.func.jacrev,
    "jacfwd": ng.func.jacfwd,
    "rows of vjp": lambda f: (
        lambda x: ng.vmap(lambda row, x=x: ng.vjp(f, x)[1](row)[0])(ng.eye(len(x)))
    ),
    "columns of jvp": lambda f: (
        lambda x: ng.vmap(lambda column, x=x: ng.jvp(f, (x,), (column,))[1], out_dims=-1)(
            ng.eye(len(x))
        )
    ),
    "columns of linearize": lambda f: (
        lambda x: ng.vmap(ng.func.linearize(f, x)[1], out_dims=-1)(ng.eye(len(x)))
    ),
}


@pytest.mark.parametrize("outer", TRANSFORMS)
@pytest.mark.parametrize("inner", TRANSFORMS)
def test_transforms_compose(outer, inner):
    A = ng.tensor(np.random.default_rng(0).standard_normal((3, 3)))
    f = lambda x: ng.tanh(A @ x) * x  # noqa: E731
    x = ng.tensor([0.3, -0.5, 0.8])
    expected = ng.func.jacfwd(ng.func.jacfwd(f))(x)
    found = TRANSFORMS[outer](lambda x: TRANSFORMS[inner](f)(x).reshape(3 * 3)[:3] * 1.0)(x)
    np.testing.assert_allclose(found.numpy(), expected.numpy()[0], rtol=1e-11, atol=1e-12)


def test_perturbations_are_not_confused():
    inner = lambda x: ng.grad(lambda y: x + y)(ng.tensor(1.0))  # noqa: E731
    assert ng.grad(lambda x: x * inner(x))(ng.tensor(1.0)).item() == 1.0
    forward = lambda f, x: ng.jvp(f, (x,), (ng.ones_like(x),))[1]  # noqa: E731
    one = ng.tensor(1.0)
    assert forward(lambda x: x * forward(lambda y: x + y, one), one).item() == 1.0
    assert forward(lambda x: x * ng.grad(lambda y: x + y)(one), one).item() == 1.0
    assert ng.grad(lambda x: x * forward(lambda y: x + y, one))(one).item() == 1.0
    assert ng.grad(lambda x: x * forward(lambda y: x * y, one))(one).item() == 2.0


def test_reverse_over_forward_inside_of_forward():
    # The tangents of the outer level are not recorded by the variables of the inner gradient, but
    # by what is outside of the level.
    w = ng.tensor(3.0, requires_grad=True)
    _, tangent = ng.jvp(ng.grad(lambda z: z**3 * w), (ng.tensor(2.0),), (ng.tensor(1.0),))
    assert tangent.item() == 36.0
    assert ng.autograd.grad(tangent, w)[0].item() == 12.0


# --- beside torch --------------------------------------------------------------------------------

RNG = np.random.default_rng(3)
DATA = {
    "x": RNG.standard_normal(4), "W": RNG.standard_normal((4, 4)), "B": RNG.standard_normal((5, 4))
}  # fmt: skip


def mlp(lib, W, x):
    return lib.tanh(W @ lib.tanh(W @ x)).sum()


def attention(lib, W, x):
    scores = lib.softmax((x[:, None] * W) @ W, -1)
    return (scores * lib.exp(-x * x)).sum()


def determinant(lib, W, x):
    return lib.linalg.det(W + lib.diag(x)) + lib.linalg.norm(lib.linalg.solve(W, x))


def pieces(lib, W, x):
    y = lib.where(x > 0, lib.sqrt(lib.abs(x) + 1.0), x * x)
    return (
        lib.cumprod(y, 0).sum()
        + lib.logsumexp(W[1:, ::2] @ y[:2], 0)
        + y.max() * y[[0, 0, 2]].sum()
    )


PARITY = [mlp, attention, determinant, pieces]
HOW = {
    "grad": lambda F, f: F.grad(f, 1),
    "grad of W": lambda F, f: F.grad(f),
    "hessian": lambda F, f: F.hessian(f, 1),
    "jacrev of jacrev": lambda F, f: F.jacrev(F.jacrev(f, 1), 0),
    "jacfwd of jacrev": lambda F, f: F.jacfwd(F.jacrev(f), 1),
    "vmap of grad": lambda F, f: lambda W, x: F.vmap(F.grad(f, 1), (None, 0))(W, x.repeat(3, 1)),
    "vmap of hessian": lambda F, f: (
        lambda W, x: F.vmap(F.hessian(f, 1), (None, 0))(W, x.repeat(2, 1) * 0.5)
    ),
    "grad of vmap": lambda F, f: F.grad(lambda W, x: F.vmap(f, (None, 0))(W, x.repeat(3, 1)).sum()),
    "jvp": lambda F, f: lambda W, x: F.jvp(f, (W, x), (W, x))[1],
    "jvp of grad": lambda F, f: lambda W, x: F.jvp(F.grad(f), (W, x), (W, x))[1],
    "vjp of grad": lambda F, f: lambda W, x: F.vjp(F.grad(f, 1), W, x)[1](x)[0],
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch warns of parts of itself
@pytest.mark.parametrize("f", PARITY, ids=lambda f: f.__name__)
@pytest.mark.parametrize("how", HOW)
def test_parity_with_torch(f, how):
    torch = pytest.importorskip("torch")
    if (f, how) == (determinant, "vmap of hessian"):
        how = "hessian"  # torch 2.13 gives two equal items two different Hessians there
    import torch.func as torch_func

    found = HOW[how](ng.func, lambda W, x: f(ng, W, x))(*(ng.tensor(DATA[k]) for k in ("W", "x")))
    expected = HOW[how](torch_func, lambda W, x: f(torch, W, x))(
        *(torch.tensor(DATA[k]) for k in ("W", "x"))
    )
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-9, atol=1e-9)


# --- autograd.functional and batches of seeds ---------------------------------------------------

F = ng.autograd.functional
PAIR = (X, ng.tensor([3.0, 4.0]))


def weighed(x, y):
    return (x**2 * y).sum()


def test_functional_products():
    for product in (F.hvp, F.vhp):
        value, (to_x, to_y) = product(weighed, PAIR, PAIR)
        assert (value.item(), to_x.tolist(), to_y.tolist()) == (19.0, [12.0, 32.0], [2.0, 8.0])
        assert product(cubes, X, X)[1].tolist() == [6.0, 24.0]
    assert F.vjp(weighed, PAIR)[1][1].tolist() == [1.0, 4.0]
    assert F.jvp(weighed, PAIR, PAIR)[1].item() == 57.0
    assert F.vjp(lambda x: (x, x * x), X, (X, X))[1].tolist() == [3.0, 10.0]


def test_functional_matrices():
    for strategy in ("reverse-mode", "forward-mode"):
        jacobian = F.jacobian(lambda x, y: (x * y, y.sum()), PAIR, strategy=strategy)
        assert jacobian[0][0].tolist() == [[3.0, 0.0], [0.0, 4.0]]
        assert jacobian[1][0].tolist() == [0.0, 0.0]
        assert F.jacobian(ng.square, X, strategy=strategy).tolist() == [[2.0, 0.0], [0.0, 4.0]]
        hessian = F.hessian(weighed, PAIR, outer_jacobian_strategy=strategy)
        assert hessian[0][1].tolist() == [[2.0, 0.0], [0.0, 4.0]]
        assert F.hessian(cubes, X).tolist() == [[6.0, 0.0], [0.0, 12.0]]


def test_functional_keeps_a_graph_on_request():
    x = ng.tensor([1.0, 2.0], requires_grad=True)
    for create_graph in (False, True):
        found = [
            F.jacobian(ng.square, x, create_graph), F.hessian(cubes, x, create_graph),
            *(p(cubes, x, v=X, create_graph=create_graph)[1] for p in (F.jvp, F.hvp, F.vhp)),
            F.vjp(cubes, x, create_graph=create_graph)[1],
        ]  # fmt: skip
        assert {t.requires_grad for t in found} == {create_graph}


def test_functional_refuses():
    for call in (F.vjp, F.jacobian):
        with pytest.raises(RuntimeError, match="input 1"):
            call(lambda x, _: x.sum(), PAIR, strict=True)
    for call in (F.jvp, F.hvp, F.vhp):
        with pytest.raises(RuntimeError, match="input 1"):
            call(lambda x, _: (x**3).sum(), PAIR, PAIR, strict=True)
    with pytest.raises(RuntimeError, match="needs v"):
        F.vjp(ng.exp, X)
    with pytest.raises(ng.errors.ShapeError, match="needs v"):
        F.jvp(ng.exp, X, ng.ones(3))
    with pytest.raises(TypeError, match="list"):
        F.vjp(ng.exp, [X])
    with pytest.raises(ValueError, match="sideways"):
        F.jacobian(ng.exp, X, strategy="sideways")
    with pytest.raises(RuntimeError, match="one element"):
        F.hessian(ng.exp, X)


def test_batches_of_seeds():
    x, y = (ng.tensor(v, requires_grad=True) for v in ([1.0, 2.0], [3.0, 4.0]))
    seeds = ng.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    found = ng.autograd.grad(x * x * y, (x, y), seeds, is_grads_batched=True, retain_graph=True)
    for k, seed in enumerate(seeds):
        each = ng.autograd.grad(x * x * y, (x, y), seed)
        assert [g[k].tolist() for g in found] == [g.tolist() for g in each]
    (first,) = ng.autograd.grad((x * x * y), x, seeds, is_grads_batched=True, create_graph=True)
    assert ng.autograd.grad(first.sum(), y)[0].tolist() == [4.0, 8.0]
    both = ng.autograd.grad(
        (x * 2, (y * y).sum()), (x, y), (seeds, ng.ones(3)), is_grads_batched=True
    )
    assert [g.shape for g in both] == [(3, 2), (3, 2)]
    for wrong in (None, (seeds, ng.ones(2)), ng.tensor(1.0)):
        with pytest.raises(RuntimeError, match="is_grads_batched"):
            ng.autograd.grad((x, y), (x, y), wrong, is_grads_batched=True)


def test_every_pair_of_modes_for_one_function():
    f = lambda x: (ng.sin(x) * x).sum()  # noqa: E731
    expected = -np.sin(X.numpy()) * X.numpy() + 2 * np.cos(X.numpy())
    for outer, inner in itertools.product((ng.func.jacrev, ng.func.jacfwd), repeat=2):
        np.testing.assert_allclose(np.diag(outer(inner(f))(X).numpy()), expected)

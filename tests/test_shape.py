"""Shapes, order and joins: values are NumPy's, views share memory, gradients are the adjoints."""

from __future__ import annotations

import numpy as np
import pytest

import numgrad as ng

RNG = np.random.default_rng(0)
A = RNG.normal(size=(2, 3, 4))
V = RNG.normal(size=5)
M = RNG.normal(size=(3, 4))


def differences(f, arrays, k, g):
    """The gradient of sum(g * f(*arrays)) to array k by central differences, exact if linear."""
    gradient = np.zeros_like(arrays[k])
    for place in np.ndindex(*arrays[k].shape):
        ends = []
        for step in (0.5, -0.5):
            moved = [a.copy() for a in arrays]
            moved[k][place] += step
            ends.append((g * f(*map(ng.tensor, moved)).numpy()).sum())
        gradient[place] = ends[0] - ends[1]
    return gradient


def check_linear(f, *arrays):
    """Gradients equal differences, in float32 too; the gradient of the gradient is f again."""
    inputs = [ng.tensor(a, requires_grad=True) for a in arrays]
    out = f(*inputs)
    g = ng.tensor(np.random.default_rng(1).normal(size=out.shape), requires_grad=True)
    gradients = ng.autograd.grad(out, inputs, g, create_graph=True)
    for k, gradient in enumerate(gradients):
        expected = differences(f, arrays, k, g.detach().numpy())
        np.testing.assert_allclose(gradient.detach().numpy(), expected, rtol=1e-9, atol=1e-12)
    # <grad, w> is linear in g, with f(w) as its gradient.
    ws = [np.random.default_rng(2).normal(size=a.shape) for a in arrays]
    (second,) = ng.autograd.grad(gradients, g, list(map(ng.tensor, ws)))
    offset = f(*[ng.tensor(np.zeros_like(a)) for a in arrays]).numpy()
    expected = f(*map(ng.tensor, ws)).numpy() - offset
    np.testing.assert_allclose(second.numpy(), expected, rtol=1e-9, atol=1e-12)
    singles = [ng.tensor(a.astype(np.float32), requires_grad=True) for a in arrays]
    out = f(*singles)
    assert out.dtype == np.float32
    out.backward(ng.tensor(np.ones(out.shape, np.float32)))
    assert all(x.grad.dtype == np.float32 for x in singles)


# Ours, NumPy's, an input, and whether the result is a view.
ONE = {
    "reshape": (lambda x: x.reshape(4, -1), lambda a: a.reshape(4, -1), A, True),
    "reshape tuple": (lambda x: ng.reshape(x, (6, 4)), lambda a: a.reshape(6, 4), A, True),
    "reshape keyword": (lambda x: ng.reshape(x, shape=(24,)), lambda a: a.reshape(24), A, True),
    "reshape copies": (lambda x: x.T.reshape(-1), lambda a: a.T.reshape(-1), A, False),
    "reshape F": (
        lambda x: ng.reshape(x, (4, 6), order="F"),
        lambda a: a.reshape((4, 6), order="F"),
        A,
        False,
    ),
    "view": (lambda x: x.view(6, 4), lambda a: a.reshape(6, 4), A, True),
    "view_as": (lambda x: x.view_as(ng.zeros(4, 6)), lambda a: a.reshape(4, 6), A, True),
    "ravel": (ng.ravel, np.ravel, A, True),
    "flatten": (lambda x: x.flatten(1), lambda a: a.reshape(2, 12), A, True),
    "flatten middle": (lambda x: x.flatten(0, 1), lambda a: a.reshape(6, 4), A, True),
    "unflatten": (lambda x: x.unflatten(2, (2, -1)), lambda a: a.reshape(2, 3, 2, 2), A, True),
    "transpose": (lambda x: x.transpose(0, -1), lambda a: a.swapaxes(0, -1), A, True),
    "transpose axes": (
        lambda x: ng.transpose(x, axes=(1, 2, 0)),
        lambda a: a.transpose(1, 2, 0),
        A,
        True,
    ),
    "transpose tuple": (lambda x: x.transpose((2, 0, 1)), lambda a: a.transpose(2, 0, 1), A, True),
    "transpose three": (lambda x: x.transpose(2, 0, 1), lambda a: a.transpose(2, 0, 1), A, True),
    "transpose all": (lambda x: x.transpose(), np.transpose, A, True),
    "permute": (lambda x: x.permute(1, -1, 0), lambda a: a.transpose(1, 2, 0), A, True),
    "permute_dims": (
        lambda x: ng.permute_dims(x, (1, 2, 0)),
        lambda a: a.transpose(1, 2, 0),
        A,
        True,
    ),
    "T": (lambda x: x.T, lambda a: a.T, A, True),
    "mT": (lambda x: x.mT, lambda a: a.swapaxes(1, 2), A, True),
    "matrix_transpose": (ng.matrix_transpose, lambda a: a.T, M, True),
    "t": (ng.t, lambda a: a.T, M, True),
    "swapaxes": (lambda x: ng.swapaxes(x, 0, 2), lambda a: a.swapaxes(0, 2), A, True),
    "moveaxis": (lambda x: ng.moveaxis(x, 0, -1), lambda a: np.moveaxis(a, 0, -1), A, True),
    "movedim": (
        lambda x: ng.movedim(x, (2, 0), (0, 1)),
        lambda a: np.moveaxis(a, (2, 0), (0, 1)),
        A,
        True,
    ),
    "squeeze": (lambda x: x.squeeze(), np.squeeze, V.reshape(1, 5, 1), True),
    "squeeze dim": (lambda x: x.squeeze(-1), lambda a: a[..., 0], V.reshape(1, 5, 1), True),
    "squeeze wide dim": (lambda x: x.squeeze(1), lambda a: a, V.reshape(1, 5, 1), True),
    "squeeze axis": (lambda x: ng.squeeze(x, axis=0), lambda a: a[0], V.reshape(1, 5, 1), True),
    "unsqueeze": (lambda x: x.unsqueeze(-2), lambda a: a[:, :, None], A, True),
    "expand_dims": (
        lambda x: ng.expand_dims(x, axis=(0, 2)),
        lambda a: np.expand_dims(a, (0, 2)),
        M,
        True,
    ),
    "expand": (
        lambda x: x.expand(2, -1, 5),
        lambda a: np.broadcast_to(a, (2, 3, 5)),
        M[:, :1],
        True,
    ),
    "broadcast_to": (
        lambda x: ng.broadcast_to(x, (2, 5)),
        lambda a: np.broadcast_to(a, (2, 5)),
        V,
        True,
    ),
    "flip": (lambda x: x.flip(0, 2), lambda a: np.flip(a, (0, 2)), A, True),
    "flip all": (ng.flip, np.flip, A, True),
    "flip axis": (lambda x: ng.flip(x, axis=1), lambda a: np.flip(a, 1), A, True),
    "roll": (lambda x: x.roll(2), lambda a: np.roll(a, 2), A, False),
    "roll dims": (
        lambda x: x.roll((1, -5), (0, 2)),
        lambda a: np.roll(a, (1, -5), (0, 2)),
        A,
        False,
    ),
    "roll axis": (lambda x: ng.roll(x, 1, axis=(0, 1)), lambda a: np.roll(a, 1, (0, 1)), A, False),
    "diagonal": (ng.diagonal, np.diagonal, A, True),
    "diagonal offset": (
        lambda x: x.diagonal(-1, 2, 1),
        lambda a: a.diagonal(-1, 2, 1),
        A,
        True,
    ),
    "diag matrix": (lambda x: ng.diag(x, 1), lambda a: np.diag(a, 1), M, True),
    "diag vector": (lambda x: ng.diag(x, -2), lambda a: np.diag(a, -2), V, False),
    "diag k": (lambda x: ng.diag(x, k=1), lambda a: np.diag(a, 1), V, False),
    "tril": (lambda x: x.tril(-1), lambda a: np.tril(a, -1), A, False),
    "triu": (lambda x: ng.triu(x, k=1), lambda a: np.triu(a, 1), M, False),
    "atleast_2d": (ng.atleast_2d, np.atleast_2d, V, True),
    "tile": (lambda x: x.tile((2, 1, 3)), lambda a: np.tile(a, (2, 1, 3)), M, False),
    "tile short": (lambda x: ng.tile(x, 2), lambda a: np.tile(a, 2), M, False),
    "repeat": (lambda x: x.repeat(2, 1, 3), lambda a: np.tile(a, (2, 1, 3)), M, False),
    "repeat axis": (lambda x: ng.repeat(x, 2, axis=1), lambda a: np.repeat(a, 2, 1), M, False),
    "repeat_interleave": (
        lambda x: x.repeat_interleave(ng.tensor([2, 0, 1]), 0),
        lambda a: np.repeat(a, [2, 0, 1], 0),
        M,
        False,
    ),
}


@pytest.mark.parametrize(("ours", "numpys", "array", "is_view"), ONE.values(), ids=ONE)
def test_one_input(ours, numpys, array, is_view):
    x = ng.tensor(array)
    y = ours(x)
    np.testing.assert_array_equal(y.numpy(), numpys(array))
    assert np.shares_memory(y.numpy(), x.numpy()) is is_view
    assert (y._base is x) is is_view
    check_linear(ours, array)
    integers = ng.tensor((array * 10).astype(np.int64))
    assert ours(integers).dtype == np.int64


SEVERAL = {
    "cat": (lambda *x: ng.cat(x), lambda *a: np.concatenate(a), [M, M[:1], M[:2]]),
    "cat dim": (lambda *x: ng.cat(x, dim=-1), lambda *a: np.concatenate(a, -1), [M, M[:, :1]]),
    "concatenate": (
        lambda *x: ng.concatenate(x, axis=1),
        lambda *a: np.concatenate(a, 1),
        [A, A[:, :2]],
    ),
    "cat flat": (lambda *x: ng.cat(x, axis=None), lambda *a: np.concatenate(a, None), [M, V]),
    "cat one": (lambda *x: ng.cat(x), lambda *a: np.concatenate(a), [M]),
    "cat empty rows": (lambda *x: ng.cat(x), lambda *a: np.concatenate(a), [M, M[:0]]),
    "stack": (lambda *x: ng.stack(x), lambda *a: np.stack(a), [M, -M, M]),
    "stack last": (lambda *x: ng.stack(x, -1), lambda *a: np.stack(a, -1), [M, -M]),
    "stack scalars": (lambda *x: ng.stack(x), lambda *a: np.stack(a), [V[0, ...], V[1, ...]]),
    "hstack": (lambda *x: ng.hstack(x), lambda *a: np.hstack(a), [M, M[:, :2]]),
    "hstack vectors": (lambda *x: ng.hstack(x), lambda *a: np.hstack(a), [V, V[0, ...]]),
    "vstack": (lambda *x: ng.vstack(x), lambda *a: np.vstack(a), [V, M[:2, :1] * np.ones(5)]),
    "meshgrid": (
        lambda x, y: ng.stack(ng.meshgrid(x, y)),
        lambda a, b: np.stack(np.meshgrid(a, b, indexing="ij")),
        [V, V[:3]],
    ),
    "meshgrid xy": (
        lambda x, y, z: ng.stack(ng.meshgrid([x, y, z], indexing="xy")),
        lambda *a: np.stack(np.meshgrid(*a)),
        [V, V[:3], V[:2]],
    ),
}


@pytest.mark.parametrize(("ours", "numpys", "arrays"), SEVERAL.values(), ids=SEVERAL)
def test_several_inputs(ours, numpys, arrays):
    arrays = [np.array(a) for a in arrays]
    tensors = [ng.tensor(a) for a in arrays]
    y = ours(*tensors)
    np.testing.assert_array_equal(y.numpy(), numpys(*arrays))
    assert not any(np.shares_memory(y.numpy(), x.numpy()) for x in tensors)
    check_linear(ours, *arrays)


def test_cat_leaves_out_empty_vectors():
    x = ng.tensor(M, requires_grad=True)
    y = ng.cat([ng.zeros(0), x], 1)
    np.testing.assert_array_equal(y.detach().numpy(), M)
    assert ng.cat([ng.zeros(0), ng.zeros(0)]).shape == (0,)


def test_cat_promotes_and_casts_gradients_back():
    x = ng.tensor(np.ones(2, np.float32), requires_grad=True)
    y = ng.tensor(np.ones(3), requires_grad=True)
    z = ng.cat([x, y])
    assert z.dtype == np.float64
    z.backward(ng.tensor(np.arange(5.0)))
    assert x.grad.dtype == np.float32
    np.testing.assert_array_equal(x.grad.numpy(), [0, 1])
    np.testing.assert_array_equal(y.grad.numpy(), [2, 3, 4])


def test_one_tensor_twice_in_cat():
    x = ng.tensor(V, requires_grad=True)
    ng.cat([x, x]).backward(ng.tensor(np.arange(10.0)))
    np.testing.assert_array_equal(x.grad.numpy(), np.arange(5.0) + np.arange(5.0, 10.0))


PIECES = {
    "split": (lambda x: x.split(2, 1), lambda a: np.split(a, [2], 1)),
    "split sizes": (lambda x: ng.split(x, [1, 0, 3], -1), lambda a: np.split(a, [1, 1], 2)),
    "split axis": (lambda x: ng.split(x, 2, axis=2), lambda a: np.split(a, 2, 2)),
    "split cuts": (lambda x: ng.split(x, [1, 3], axis=2), lambda a: np.split(a, [1, 3], 2)),
    "tensor_split": (lambda x: x.tensor_split(3, 2), lambda a: np.array_split(a, 3, 2)),
    "tensor_split cuts": (
        lambda x: x.tensor_split((3, 1, -1), 2),
        lambda a: np.array_split(a, (3, 1, -1), 2),
    ),
    "chunk": (lambda x: x.chunk(3, 2), lambda a: [a[..., :2], a[..., 2:]]),
    "unbind": (lambda x: x.unbind(1), lambda a: [a[:, 0], a[:, 1], a[:, 2]]),
}


@pytest.mark.parametrize(("ours", "numpys"), PIECES.values(), ids=PIECES)
def test_pieces(ours, numpys):
    x = ng.tensor(A)
    pieces = ours(x)
    assert isinstance(pieces, tuple)
    for piece, expected in zip(pieces, numpys(A), strict=True):
        np.testing.assert_array_equal(piece.numpy(), expected)
        assert piece._base is x or piece.numpy().size == 0
    check_linear(lambda x: ng.cat([p.reshape(-1) for p in ours(x)]), A)


NODES = [
    (lambda x: x.reshape(-1), "View"),
    (lambda x: x.view(-1), "View"),
    (lambda x: x.T, "Permute"),
    (lambda x: x.permute(2, 0, 1), "Permute"),
    (lambda x: x.transpose(0, 1), "Transpose"),
    (lambda x: x.mT, "Transpose"),
    (lambda x: x.squeeze(), "Squeeze"),
    (lambda x: x.unsqueeze(0), "Unsqueeze"),
    (lambda x: x.flip(0), "Flip"),
    (lambda x: x.roll(1), "Roll"),
    (lambda x: x.diagonal(), "Diagonal"),
    (lambda x: x.tril(), "Tril"),
    (lambda x: x.repeat(1, 1, 2), "Repeat"),
    (lambda x: ng.cat([x, x]), "Cat"),
    (lambda x: ng.stack([x, x]), "Stack"),
]


@pytest.mark.parametrize(("function", "node"), NODES)
def test_node_names(function, node):
    x = ng.tensor(A, requires_grad=True)
    assert function(x).grad_fn.name() == f"{node}Backward0"


def test_a_view_of_a_view_has_the_root_as_base():
    x = ng.tensor(A)
    assert x.T.reshape(4, 3, 2).unsqueeze(0)._base is x


def test_view_insists_on_the_same_memory():
    with pytest.raises(RuntimeError, match=r"use reshape\(\)"):
        ng.tensor(M).T.view(-1)


def test_diagonal_can_be_written_to():
    x = ng.tensor(np.zeros((2, 2)))
    ng.diagonal(x)[...] = 1.0
    np.testing.assert_array_equal(x.numpy(), np.eye(2))


def test_flip_of_reversed_memory():
    x = ng.tensor(V)
    y = x.flip(0).flip(0)
    np.testing.assert_array_equal(y.numpy(), V)
    assert y._base is x


ZERO_D = [
    (lambda x: x.reshape(1), (1,)),
    (lambda x: x.reshape(()), ()),
    (ng.ravel, (1,)),
    (lambda x: x.flatten(), (1,)),
    (lambda x: x.T, ()),
    (lambda x: x.transpose(0, -1), ()),
    (ng.t, ()),
    (lambda x: x.squeeze(), ()),
    (lambda x: x.squeeze(0), ()),
    (lambda x: x.unsqueeze(0), (1,)),
    (lambda x: x.expand(2, 3), (2, 3)),
    (lambda x: x.flip(0), ()),
    (lambda x: x.roll(3), ()),
    (lambda x: x.roll(3, 0), ()),
    (lambda x: x.repeat(2), (2,)),
    (lambda x: x.tile(()), ()),
    (ng.atleast_1d, (1,)),
    (ng.atleast_2d, (1, 1)),
]


@pytest.mark.parametrize(("function", "shape"), ZERO_D)
def test_zero_dimensions(function, shape):
    assert function(ng.tensor(3.0)).shape == shape
    check_linear(function, np.array(3.0))


EMPTY = [
    (lambda x: x.reshape(3, 0), (3, 0)),
    (lambda x: x.view(0, 7), (0, 7)),
    (ng.ravel, (0,)),
    (lambda x: x.T, (3, 0)),
    (lambda x: x.flip(1), (0, 3)),
    (lambda x: x.roll(1, 0), (0, 3)),
    (lambda x: x.expand(2, 0, 3), (2, 0, 3)),
    (lambda x: x.tile((2, 2)), (0, 6)),
    (lambda x: x.split(2, 0)[0], (0, 3)),
    (lambda x: x.diagonal(), (0,)),
    (lambda x: x.diagonal(9), (0,)),
    (lambda x: ng.cat([x, x], 1), (0, 6)),
    (lambda x: ng.stack([x, x]), (2, 0, 3)),
]


@pytest.mark.parametrize(("function", "shape"), EMPTY)
def test_empty(function, shape):
    x = ng.tensor(np.zeros((0, 3)), requires_grad=True)
    y = function(x)
    assert y.shape == shape
    y.backward(ng.tensor(np.ones(shape)))
    assert x.grad.shape == (0, 3)


# What is wrong, its error, and what the message says.
ERRORS = {
    "reshape size": (lambda x: x.reshape(5), ng.errors.ShapeError, r"\(2, 3, 4\) to \(5,\)"),
    "reshape two -1": (lambda x: x.reshape(-1, -1), ng.errors.ShapeError, "reshape"),
    "reshape -2": (lambda x: x.reshape(-2, 2), ng.errors.ShapeError, "reshape"),
    "reshape order": (lambda x: ng.reshape(x, -1, order="X"), ValueError, "'X'"),
    "reshape float": (lambda x: x.reshape(2.0, 12), TypeError, "float"),
    "view size": (lambda x: x.view(5), ng.errors.ShapeError, r"view\(\)"),
    "flatten order": (lambda x: x.flatten(2, 1), RuntimeError, "start_dim"),
    "unflatten": (lambda x: x.unflatten(0, (3, -1)), ng.errors.ShapeError, "extent 2"),
    "permute short": (lambda x: x.permute(0, 1), ng.errors.ShapeError, "each dimension"),
    "permute twice": (lambda x: x.permute(0, 0, 1), ng.errors.ShapeError, "each dimension"),
    "transpose range": (lambda x: x.transpose(0, 3), IndexError, "dimension 3"),
    "transpose both": (lambda x: ng.transpose(x, 0, 1, axes=(0, 1, 2)), TypeError, "axes="),
    "mT of a vector": (lambda x: x[0, 0].mT, ng.errors.ShapeError, "two dimensions"),
    "t of three": (ng.t, ng.errors.ShapeError, "mT"),
    "moveaxis": (lambda x: ng.moveaxis(x, (0, 1), 2), ng.errors.ShapeError, "sources"),
    "squeeze axis": (lambda x: ng.squeeze(x, axis=0), ng.errors.ShapeError, "axis 0"),
    "squeeze both": (lambda x: ng.squeeze(x, 0, axis=0), TypeError, "dim="),
    "unsqueeze": (lambda x: x.unsqueeze(4), IndexError, "dimension 4"),
    "expand": (lambda x: x.expand(3, 3, 4), ng.errors.ShapeError, "extents of 1"),
    "expand new -1": (lambda x: x.expand(-1, 2, 3, 4), ng.errors.ShapeError, "-1"),
    "flip twice": (lambda x: x.flip(0, 0), RuntimeError, "twice"),
    "roll": (lambda x: x.roll((1, 2), 0), ng.errors.ShapeError, "a shift for each"),
    "diagonal same": (lambda x: x.diagonal(0, 1, 1), RuntimeError, "different"),
    "diag": (ng.diag, ng.errors.ShapeError, "vector or a matrix"),
    "tril": (lambda x: x[0, 0].tril(), ng.errors.ShapeError, "two dimensions"),
    "cat nothing": (lambda x: ng.cat([x][:0]), ng.errors.ShapeError, "none"),
    "cat dims": (lambda x: ng.cat([x, x[0]]), ng.errors.ShapeError, r"\(3, 4\)"),
    "cat range": (lambda x: ng.cat([x, x], 3), IndexError, "dimension 3"),
    "stack shapes": (lambda x: ng.stack([x, x[0]]), ng.errors.ShapeError, "one shape"),
    "split zero": (lambda x: x.split(0), ng.errors.ShapeError, "1 or more"),
    "split sum": (lambda x: x.split([1, 2], 1 - 1), ng.errors.ShapeError, "add up"),
    "split unequal": (lambda x: ng.split(x, 2, axis=1), ng.errors.ShapeError, "equal"),
    "chunk": (lambda x: x.chunk(0), ng.errors.ShapeError, "one piece"),
    "unbind 0-d": (lambda x: x[0, 0, 0].unbind(), ng.errors.ShapeError, "0-d"),
    "repeat short": (lambda x: x.repeat(2), ng.errors.ShapeError, "repeat_interleave"),
    "repeat negative": (lambda x: x.repeat(1, 1, -1), ng.errors.ShapeError, "copies"),
    "interleave": (lambda x: x.repeat_interleave([1, 2], 1), ng.errors.ShapeError, "or 3"),
    "meshgrid": (lambda x: ng.meshgrid(x, indexing="yx"), ValueError, "'yx'"),
}


@pytest.mark.parametrize(("wrong", "error", "message"), ERRORS.values(), ids=ERRORS)
def test_errors(wrong, error, message):
    with pytest.raises(error, match=message):
        wrong(ng.tensor(A))


def test_triangles_blank_what_is_not_finite():
    x = ng.tensor(np.full((2, 2), np.nan), requires_grad=True)
    y = x.tril()
    y.backward(ng.tensor(np.full((2, 2), np.inf)))
    assert y[0, 1].item() == 0
    assert x.grad[0, 1].item() == 0


def test_second_order_through_a_chain_of_views():
    x = ng.tensor(M, requires_grad=True)
    y = x.T.reshape(2, 6).flip(1).unsqueeze(0).expand(3, -1, -1)
    (gradient,) = ng.autograd.grad((y * y * y).sum(), x, create_graph=True)
    np.testing.assert_allclose(gradient.detach().numpy(), 9 * M**2)
    gradient.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 18 * M)

"""Random graphs have the right derivatives, in every mode, at every shape, however it is walked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

import numgrad as ng
from numgrad import differences
from numgrad.autograd import forward_ad, graph
from numgrad.utils.checkpoint import checkpoint
from tests.random_graphs import programs

every_graph = given(program=programs())
with_rows = given(program=programs(rows=True))


def leaves(program):
    return [ng.tensor(a, requires_grad=True) for a in program.leaves]


def directions(program):
    rng = np.random.default_rng(1)
    return [ng.tensor(rng.uniform(0.5, 1.5, a.shape)) for a in program.leaves]


def arrays(tensors):
    return [t.detach().numpy() for t in tensors]


def gradients(program):
    inputs = leaves(program)
    return arrays(ng.autograd.grad(program(*inputs), inputs))


def assert_near(actual, expected, tolerance=1e-12):
    """Hold arrays against others, relative to the largest number in all of them."""
    scale = max(1.0, *(np.max(np.abs(e), initial=0.0) for e in expected))
    for a, e in zip(actual, expected, strict=True):
        assert a.shape == e.shape
        np.testing.assert_allclose(a, e, rtol=0, atol=tolerance * scale)


def assert_equals_differences(program) -> None:
    def values(*moved):
        return [program(*map(ng.tensor, moved)).numpy()]

    positions = range(len(program.leaves))
    expected = differences.gradients(values, program.leaves, positions, [np.ones(())])
    assert_near(gradients(program), expected, 1e-6)


@settings(max_examples=150)
@every_graph
def test_gradients_are_those_of_finite_differences(program) -> None:
    assert_equals_differences(program)


@settings(max_examples=250)
@with_rows
def test_gradients_through_rows_are_those_of_finite_differences(program) -> None:
    assert_equals_differences(program)


@settings(max_examples=150)
@with_rows
def test_forward_mode_agrees(program) -> None:
    moves = directions(program)
    with forward_ad.dual_level():
        duals = [
            forward_ad.make_dual(ng.tensor(a), t)
            for a, t in zip(program.leaves, moves, strict=True)
        ]
        tangent = forward_ad.unpack_dual(program(*duals)).tangent
    reverse = sum((g * t.numpy()).sum() for g, t in zip(gradients(program), moves, strict=True))
    assert_near([tangent.numpy()], [np.asarray(reverse)], 1e-10)


@settings(max_examples=100)
@with_rows
def test_second_derivatives_agree(program) -> None:
    """Reverse over reverse, forward over reverse, and reverse over forward."""
    moves = directions(program)
    places = tuple(range(len(moves)))
    points = tuple(map(ng.tensor, program.leaves))
    first = ng.grad(program, places)
    inputs = leaves(program)
    slopes = ng.autograd.grad(program(*inputs), inputs, create_graph=True)
    along = sum((g * t).sum() for g, t in zip(slopes, moves, strict=True))
    reverse = [np.zeros(a.shape) for a in program.leaves]
    if along.requires_grad:
        options = {"allow_unused": True, "materialize_grads": True}
        reverse = arrays(ng.autograd.grad(along, inputs, **options))
    forward = ng.jvp(first, points, tuple(moves))[1]
    assert_near(arrays(forward), reverse, 1e-9)
    through = ng.grad(lambda *xs: ng.jvp(program, xs, tuple(moves))[1], places)(*points)
    assert_near(arrays(through), reverse, 1e-9)


@settings(max_examples=100)
@every_graph
def test_second_derivatives_are_those_of_finite_differences(program) -> None:
    moves = directions(program)

    def slope(*moved):
        inputs = [ng.tensor(a, requires_grad=True) for a in moved]
        slopes = ng.autograd.grad(program(*inputs), inputs)
        return [sum((g * t).sum() for g, t in zip(slopes, moves, strict=True)).numpy()]

    positions = range(len(moves))
    expected = differences.gradients(slope, program.leaves, positions, [np.ones(())])
    points = tuple(map(ng.tensor, program.leaves))
    found = ng.jvp(ng.grad(program, tuple(positions)), points, tuple(moves))[1]
    assert_near(arrays(found), expected, 1e-5)


def walk_twice(program, inputs):
    result = program(*inputs)
    ng.autograd.grad(result, inputs, retain_graph=True)
    return ng.autograd.grad(result, inputs)


def into_grad(program, inputs):
    program(*inputs).backward()
    return [x.grad for x in inputs]


def one_by_one(program, inputs):
    result = program(*inputs)
    return [ng.autograd.grad(result, x, retain_graph=True)[0] for x in inputs]


def on_tensors(program, inputs):
    return ng.autograd.grad(program(*inputs), inputs, create_graph=True)


def with_checkpoint(program, inputs):
    return ng.autograd.grad(checkpoint(program, *inputs), inputs)


def with_packed_values(program, inputs):
    with graph.saved_tensors_hooks(ng.Tensor.clone, lambda t: t):
        result = program(*inputs)
    return ng.autograd.grad(result, inputs)


def with_hooks(program, inputs):
    result = program(*inputs)
    nodes = [result.grad_fn]
    seen = set()
    while nodes:
        node = nodes.pop()
        if node is not None and node not in seen:
            seen.add(node)
            node.register_prehook(lambda gs: gs)
            nodes += [n for n, _ in node.next_functions]
    for x in inputs:
        x.register_hook(ng.Tensor.clone)
    return ng.autograd.grad(result, inputs)


def by_transform(program, inputs):
    return ng.grad(program, tuple(range(len(inputs))))(*inputs)


def in_a_batch(program, inputs):
    places = tuple(range(len(inputs)))
    both = ng.vmap(ng.grad(program, places))(*(ng.stack([x * 0, x]).detach() for x in inputs))
    return [g[1] for g in both]


# Ways to walk, and whether their numbers have the same bits.
WALKS = {
    walk_twice: True,
    into_grad: True,
    one_by_one: True,
    on_tensors: False,
    with_checkpoint: True,
    with_packed_values: True,
    with_hooks: True,
    by_transform: False,
    in_a_batch: False,
}


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.__name__)
@settings(max_examples=40)
@every_graph
def test_all_ways_to_walk_agree(walk, program) -> None:
    expected = gradients(program)
    found = arrays(walk(program, leaves(program)))
    if WALKS[walk]:
        assert [g.tobytes() for g in found] == [g.tobytes() for g in expected]
    assert_near(found, expected, 1e-11)


@pytest.mark.filterwarnings("ignore:var\\(\\):UserWarning")  # of PyTorch, where there is no element
@settings(max_examples=200)
@every_graph
def test_pytorch_agrees(program) -> None:
    torch = pytest.importorskip("torch")
    inputs = [torch.tensor(a, requires_grad=True) for a in program.leaves]
    result = program(*inputs, lib=torch)
    assert_near([program(*leaves(program)).detach().numpy()], [result.detach().numpy()])
    expected = torch.autograd.grad(result, inputs)
    assert_near(gradients(program), [g.numpy() for g in expected], 1e-11)

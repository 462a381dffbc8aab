"""L-BFGS: PyTorch's steps, its line search, its state, and what is refused."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

import numgrad as ng
from numgrad.optim import LBFGS
from numgrad.optim.wolfe import Point, interpolate


def rosenbrock(x):
    return ((1 - x[:-1]) ** 2 + 100 * (x[1:] - x[:-1] ** 2) ** 2).sum()


def valley(x):
    """A function whose slope changes its sign often."""
    return (0.1 * x * x + (3 * x).sin()).sum()


def flat(x):
    return ((x - 1) ** 4).sum()


def steep(x):
    return (x.exp() - 5 * x).sum()


def minimise(library, function, start, steps, **options):
    """Losses and the parameters after each step, and how often the closure was called."""
    if library is ng:
        x = ng.tensor(start, requires_grad=True)
    else:
        x = library.tensor(start, requires_grad=True)
    optimizer = library.optim.LBFGS([x], **options)
    calls = []

    def closure():
        calls.append(x.detach().numpy().copy())
        optimizer.zero_grad()
        loss = function(x)
        loss.backward()
        return loss

    found = [
        (float(optimizer.step(closure).item()), *x.detach().numpy().tolist()) for _ in range(steps)
    ]
    return np.array(found), np.array(calls)


OPTIONS = [
    {"line_search_fn": "strong_wolfe"},
    {"line_search_fn": "strong_wolfe", "history_size": 2, "max_iter": 7},
    {"line_search_fn": "strong_wolfe", "max_eval": 9},
    {"line_search_fn": "strong_wolfe", "tolerance_grad": 1e-2},
    {"line_search_fn": "strong_wolfe", "tolerance_change": 1e-3, "lr": 0.5},
    {"lr": 0.1, "max_iter": 5},
    {"lr": 0.1, "max_iter": 4, "max_eval": 3, "history_size": 1},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("function", [valley, flat, steep, rosenbrock])
def test_steps_equal_pytorch(function, options):
    torch = pytest.importorskip("torch")
    start = np.array([-1.2, 1.0, 0.5, 2.0])
    if function is rosenbrock and "line_search_fn" not in options:
        options = {**options, "lr": 1e-3}
    ours, our_calls = minimise(ng, function, start, 4, **options)
    theirs, their_calls = minimise(torch, function, start, 4, **options)
    assert len(our_calls) == len(their_calls)
    np.testing.assert_allclose(our_calls[:12], their_calls[:12], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


def test_the_minimum_of_rosenbrock_is_found():
    found, _ = minimise(ng, rosenbrock, np.full(10, -1.0), 10, line_search_fn="strong_wolfe")
    np.testing.assert_allclose(found[-1, 1:], 1.0, rtol=1e-5)


def test_a_quadratic_takes_a_step_a_dimension():
    def bowl(x):
        return (x * x * ng.tensor([1.0, 10.0])).sum()

    found, calls = minimise(
        ng, bowl, np.array([1.0, 1.0]), 1, line_search_fn="strong_wolfe", max_iter=20
    )
    np.testing.assert_allclose(found[-1, 1:], 0.0, atol=1e-5)
    assert len(calls) < 12


def problem(**options):
    x = ng.tensor([[1.0, -2.0], [0.5, 3.0]], requires_grad=True)
    y = ng.tensor(2.0, requires_grad=True)
    unused = ng.ones(3, requires_grad=True)
    optimizer = LBFGS([x, y, unused], **options)

    def closure():
        optimizer.zero_grad()
        loss = ((x - y) ** 4).sum() + (y - 1) ** 2 + (x * x).sum()
        loss.backward()
        return loss

    return (x, y, unused), optimizer, closure


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_state_goes_on_where_it_was_saved(search, tmp_path):
    options = {"lr": 0.05, "max_iter": 3, "max_eval": 99, "line_search_fn": search}
    params, optimizer, closure = problem(**options)
    optimizer.step(closure)
    ng.save(optimizer.state_dict(), tmp_path / "state")
    values = [p.tolist() for p in params]
    others, other, other_closure = problem(**options)
    with ng.no_grad():
        for p, v in zip(others, values, strict=True):
            p.copy_(ng.tensor(v))
    other.load_state_dict(ng.load(tmp_path / "state"))
    for _ in range(2):
        optimizer.step(closure)
        other.step(other_closure)
    assert [p.tolist() for p in others] == [p.tolist() for p in params]
    state = optimizer.state_dict()["state"][0]
    assert {"func_evals", "n_iter", "d", "t", "old_dirs", "old_stps", "ro"} <= state.keys()
    assert state["n_iter"] == 9
    copy.deepcopy(state)


def test_parameters_of_any_shape_move_and_unused_ones_stay():
    params, optimizer, closure = problem(line_search_fn="strong_wolfe")
    before = closure().item()
    assert optimizer.step(closure).item() == before
    assert closure().item() < before
    assert params[2].tolist() == [1.0, 1.0, 1.0]
    assert all(p.grad is not None for p in params[:2])


def test_float32_stays_float32():
    found, _ = minimise(
        ng, flat, np.array([3.0, -1.0], np.float32), 3, line_search_fn="strong_wolfe"
    )
    assert found[-1, 0] < 1e-3
    x = ng.tensor(np.ones(2, np.float32), requires_grad=True)
    optimizer = LBFGS([x])

    def closure():
        optimizer.zero_grad()
        loss = (x * x).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert x.dtype == optimizer.state[x]["d"].dtype == ng.float32


def test_it_stops_at_once_where_the_gradient_is_small():
    _, calls = minimise(ng, flat, np.array([1.0, 1.0]), 2)
    assert len(calls) == 2


REFUSED = [
    (lambda: LBFGS([ng.ones(1)]).step(), TypeError, "needs a closure"),
    (lambda: LBFGS([ng.ones(1)], line_search_fn="armijo"), ValueError, "got 'armijo'"),
    (lambda: LBFGS([{"params": [ng.ones(1)]}] * 2), ValueError, "one"),
    (lambda: LBFGS([ng.ones(1)], lr=-1.0), ValueError, "lr of at least 0"),
]


@pytest.mark.parametrize(("call", "error", "said"), REFUSED)
def test_refused(call, error, said):
    with pytest.raises(error, match=said):
        call()


def test_interpolation_finds_the_minimum_of_a_cubic():
    def point(t):
        return Point(t, t**3 - 3 * t, np.zeros(0), 3 * t * t - 3)

    for one, other in [(0.0, 2.0), (2.0, 0.5), (-0.5, 1.5)]:
        assert interpolate(point(one), point(other)) == pytest.approx(1.0, rel=1e-14)
    assert interpolate(point(0.0), point(2.0), (1.25, 3.0)) == 1.25
    # A cubic that falls everywhere has no minimum: the middle.
    falling = [Point(t, -(t**3) - t, np.zeros(0), -3 * t * t - 1) for t in (0.0, 1.0)]
    assert interpolate(*falling) == 0.5
    assert math.isfinite(interpolate(falling[0], point(2.0)))

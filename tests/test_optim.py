"""Optimizers: numbers by hand and PyTorch's, groups, state, and what is refused."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

import numgrad as ng

SGD, Adam, AdamW = ng.optim.SGD, ng.optim.Adam, ng.optim.AdamW
RMSprop, Adagrad = ng.optim.RMSprop, ng.optim.Adagrad


def square_after(steps, make, start=(1.0, -2.0)):
    """Where the minimisation of the sum of squares gets to."""
    x = ng.tensor(list(start), requires_grad=True)
    optimizer = make([x])
    for _ in range(steps):
        optimizer.zero_grad()
        (x * x).sum().backward()
        optimizer.step()
    return x.tolist()


# Optimizer, number of steps, what x = 1 comes to under the gradient 2 x, worked out by hand.
BY_HAND = [
    (lambda p: SGD(p, lr=0.1), 1, 0.8),
    (lambda p: SGD(p, lr=0.1), 3, 0.8**3),
    (lambda p: SGD(p, lr=0.1, maximize=True), 2, 1.2**2),
    (lambda p: SGD(p, lr=0.1, weight_decay=0.5), 2, 0.75**2),
    # b = 2, x = 0.8; b = 0.5 * 2 + 1.6 = 2.6, x = 0.54
    (lambda p: SGD(p, lr=0.1, momentum=0.5), 2, 0.54),
    # b = 2, x = 0.8; b = 0.5 * 2 + 0.75 * 1.6 = 2.2, x = 0.58
    (lambda p: SGD(p, lr=0.1, momentum=0.5, dampening=0.25), 2, 0.58),
    # b = 2, x = 1 - 0.1 * 3 = 0.7; b = 1 + 1.4 = 2.4, x = 0.7 - 0.1 * (1.4 + 1.2) = 0.44
    (lambda p: SGD(p, lr=0.1, momentum=0.5, nesterov=True), 2, 0.44),
    # One step of Adam is lr, whatever the gradient.
    (lambda p: Adam(p, lr=0.1, eps=0.0), 1, 0.9),
    (lambda p: Adam(p, lr=0.1, eps=0.0, maximize=True), 1, 1.1),
    (lambda p: AdamW(p, lr=0.1, eps=0.0, weight_decay=0.5), 1, 0.85),
    (lambda p: Adam(p, lr=0.1, eps=1.0), 1, 1 - 0.1 * 2 / 3),
    # Mean of squares 0.25 * 4 = 1.
    (lambda p: RMSprop(p, lr=0.1, alpha=0.75, eps=0.0), 1, 0.8),
    # The mean is 1, too, that of gradients 0.5: variance 0.75.
    (
        lambda p: RMSprop(p, lr=0.1, alpha=0.75, eps=0.0, centered=True),
        1,
        1 - 0.2 / math.sqrt(0.75),
    ),
    # Steps 0.2 and 0.5 * 2 + 1.6 / sqrt(0.75 + 0.64) of 0.1.
    (
        lambda p: RMSprop(p, lr=0.1, alpha=0.75, eps=0.0, momentum=0.5),
        2,
        0.8 - 0.1 * (1 + 1.6 / math.sqrt(0.75 + 0.64)),
    ),
    (lambda p: Adagrad(p, lr=0.1, eps=0.0), 1, 0.9),
    (
        lambda p: Adagrad(p, lr=0.1, lr_decay=1.0, eps=0.0),
        2,
        0.9 - 0.05 * 1.8 / math.sqrt(4 + 3.24),
    ),
    (lambda p: Adagrad(p, lr=0.1, initial_accumulator_value=5.0, eps=0.0), 1, 1 - 0.1 * 2 / 3),
    # Without memory Adam goes by the sign of the gradient.
    (lambda p: Adam(p, lr=0.1, betas=(0.0, 0.0), eps=0.0), 4, 0.6),
    # g = 2, then 1.8: m = 0.19 / 0.19 * ..., by the definition.
    (
        lambda p: Adam(p, lr=0.1, betas=(0.9, 0.5), eps=0.0),
        2,
        0.9 - 0.1 * ((0.9 * 0.2 + 0.18) / 0.19) / math.sqrt((0.5 * 2.0 + 0.5 * 3.24) / 0.75),
    ),
]


@pytest.mark.parametrize(("make", "steps", "expected"), BY_HAND)
def test_steps_by_hand(make, steps, expected):
    assert square_after(steps, make, start=(1.0,))[0] == pytest.approx(expected, rel=1e-14)


def test_amsgrad_remembers_the_largest_mean():
    x = ng.tensor([0.0], requires_grad=True)
    optimizer = Adam([x], lr=0.1, betas=(0.0, 0.5), eps=0.0, amsgrad=True)
    for g in (4.0, 1.0):
        x.grad = ng.tensor([g])
        optimizer.step()
    # Means of squares 8 and 4.5, of which the larger stays: 0.1 / (sqrt(8) / sqrt(0.75)) more.
    assert x.item() == pytest.approx(-0.1 - 0.1 / math.sqrt(8 / 0.75), rel=1e-14)


OPTIONS = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.05, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.05, "amsgrad": True, "maximize": True}),
    ("Adam", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("AdamW", {"lr": 0.05}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.3, "amsgrad": True}),
    ("AdamW", {"lr": 0.05, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.05, "alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1, "momentum": 0.9}),
    ("RMSprop", {"lr": 0.05, "centered": True}),
    ("RMSprop", {"lr": 0.05, "centered": True, "momentum": 0.5, "maximize": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "eps": 1e-3}),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 2.0, "maximize": True}),
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_twenty_steps_equal_pytorch(name, options, dtype):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    starts = [rng.standard_normal(shape).astype(dtype) for shape in [(3, 4), (5,), ()]]
    ours = [ng.tensor(a, requires_grad=True) for a in starts]
    theirs = [torch.tensor(a, requires_grad=True) for a in starts]
    optimizers = [
        getattr(ng.optim, name)(ours, **options),
        getattr(torch.optim, name)(theirs, **options),
    ]
    for _ in range(20):
        for a, b in zip(ours, theirs, strict=True):
            g = (rng.standard_normal(a.shape) * 10.0 ** rng.integers(-3, 3)).astype(dtype)
            a.grad, b.grad = ng.tensor(np.asarray(g)), torch.tensor(g)
        for optimizer in optimizers:
            optimizer.step()
    rtol = 1e-13 if dtype == "float64" else 1e-5
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == dtype
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("make", [lambda p: SGD(p, momentum=0.9), Adam, RMSprop, Adagrad])
@pytest.mark.parametrize(
    "layout",
    [lambda a: a, lambda a: a.T, lambda a: a[::2], lambda a: a[:, 1:3], lambda a: a[::-1, ::-1]],
)
def test_memory_of_any_layout_is_updated_in_place(make, layout):
    rng = np.random.default_rng(1)
    memory = rng.standard_normal((6, 4))
    before = memory.copy()
    a = layout(memory)
    g = rng.standard_normal(a.shape)
    x, y = ng.from_numpy(a), ng.tensor(np.ascontiguousarray(a))
    for t in (x, y):
        t.requires_grad = True
        optimizer = make([t])
        for _ in range(3):
            t.grad = ng.tensor(g)
            optimizer.step()
    assert x.numpy(force=True) is a
    np.testing.assert_array_equal(a, y.detach().numpy())
    untouched = np.ones(memory.shape, bool)
    layout(untouched)[...] = False
    np.testing.assert_array_equal(memory[untouched], before[untouched])


def test_gradients_are_not_written_to():
    x = ng.ones(3, requires_grad=True)
    x.grad = ng.tensor([1.0, 2.0, 3.0])
    SGD([x], lr=0.1, momentum=0.9, weight_decay=0.1, maximize=True).step()
    assert x.grad.tolist() == [1.0, 2.0, 3.0]


def test_a_gradient_may_share_the_memory_of_its_parameter():
    a = np.array([1.0, 2.0])
    x = ng.from_numpy(a)
    x.requires_grad = True
    x.grad = ng.from_numpy(a)
    SGD([x], lr=0.5).step()
    assert a.tolist() == [0.5, 1.0]


def test_read_only_parameters_are_refused():
    a = np.ones(2)
    a.flags.writeable = False
    x = ng.from_numpy(a)
    x.requires_grad = True
    x.grad = ng.ones(2)
    with pytest.raises(ValueError, match="read-only"):
        SGD([x]).step()
    assert a.tolist() == [1.0, 1.0]


def test_a_step_counts_as_a_write():
    x = ng.ones(2, requires_grad=True)
    loss = (x * x).sum()
    x.grad = ng.ones(2)
    version = x._version
    SGD([x]).step()
    assert x._version == version + 1
    assert x.is_leaf
    with pytest.raises(RuntimeError, match="written to in place"):
        loss.backward()


def test_parameters_without_a_gradient_are_skipped():
    x, y = ng.ones(2, requires_grad=True), ng.ones(2, requires_grad=True)
    optimizer = Adam([x, y], lr=0.1, weight_decay=0.5)
    x.sum().backward()
    optimizer.step()
    assert y.tolist() == [1.0, 1.0]
    assert list(optimizer.state) == [x]


def test_zero_grad():
    x = ng.ones(2, requires_grad=True)
    optimizer = SGD([x])
    x.sum().backward()
    g = x.grad
    optimizer.zero_grad(set_to_none=False)
    assert x.grad is g
    assert g.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert x.grad is None
    optimizer.zero_grad(set_to_none=False)
    assert x.grad is None


def test_zero_grad_of_a_recorded_gradient_cuts_its_history():
    x = ng.ones(2, requires_grad=True)
    (x * x).sum().backward(create_graph=True)
    SGD([x]).zero_grad(set_to_none=False)
    assert x.grad.tolist() == [0.0, 0.0]
    assert not x.grad.requires_grad


def test_closure():
    x = ng.tensor([2.0], requires_grad=True)
    optimizer = SGD([x], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (x * x).sum()
        loss.backward()
        return loss

    with ng.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == 4.0
    assert x.item() == 1.0


def test_groups_have_options_of_their_own():
    x, y = ng.ones(1, requires_grad=True), ng.ones(1, requires_grad=True)
    optimizer = SGD([{"params": [x]}, {"params": y, "lr": 0.5}], lr=0.1)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.5]
    for t in (x, y):
        t.grad = ng.ones(1)
    optimizer.step()
    assert (x.item(), y.item()) == (0.9, 0.5)
    optimizer.param_groups[0]["lr"] = 1.0
    optimizer.step()
    assert x.item() == pytest.approx(-0.1)


def test_add_param_group():
    x, y = ng.ones(1, requires_grad=True), ng.ones(1, requires_grad=True)
    optimizer = Adam([x])
    optimizer.add_param_group({"params": [y], "lr": 0.5, "eps": 0.0})
    y.grad = ng.ones(1)
    optimizer.step()
    assert (x.item(), y.item()) == (1.0, 0.5)


@pytest.mark.parametrize(
    "make", [lambda p: SGD(p, lr=0.1, momentum=0.9), lambda p: Adam(p, 0.1), Adagrad, RMSprop]
)
def test_state_goes_on_where_it_was_saved(make, tmp_path):
    def step(x, optimizer):
        optimizer.zero_grad()
        (x**4).sum().backward()
        optimizer.step()

    x = ng.tensor([1.0, 2.0], requires_grad=True)
    optimizer = make([x])
    step(x, optimizer)
    y = x.detach().clone().requires_grad_()
    ng.save(optimizer.state_dict(), tmp_path / "state")
    other = make([y])
    other.load_state_dict(ng.load(tmp_path / "state"))
    for _ in range(2):
        step(x, optimizer)
        step(y, other)
    assert x.tolist() == y.tolist()
    assert other.state[y] is not optimizer.state[x]


def test_state_dict_names_parameters_by_numbers():
    x, y = ng.ones(1, requires_grad=True), ng.ones(1, requires_grad=True)
    optimizer = Adam([{"params": [x]}, {"params": [y]}])
    y.grad = ng.ones(1)
    optimizer.step()
    state = optimizer.state_dict()
    assert [group["params"] for group in state["param_groups"]] == [[0], [1]]
    assert list(state["state"]) == [1]
    assert set(state["state"][1]) == {"step", "exp_avg", "exp_avg_sq"}


def test_loading_takes_a_copy():
    x = ng.ones(1, requires_grad=True)
    optimizer = SGD([x], lr=0.1, momentum=0.9)
    x.grad = ng.ones(1)
    optimizer.step()
    state = optimizer.state_dict()
    kept = copy.deepcopy(state)
    optimizer.load_state_dict(state)
    optimizer.step()
    buffers = [s["state"][0]["momentum_buffer"].item() for s in (state, kept)]
    assert buffers[0] == buffers[1] == 1.0


def test_state_of_other_groups_is_refused():
    x, y = ng.ones(1, requires_grad=True), ng.ones(1, requires_grad=True)
    state = SGD([x]).state_dict()
    with pytest.raises(ValueError, match=r"SGD\.load_state_dict\(\) needs groups of \[2\]"):
        SGD([x, y]).load_state_dict(state)


def leaf():
    return ng.ones(2, requires_grad=True)


REFUSED = [
    (lambda: SGD([]), ValueError, "empty list"),
    (lambda: SGD(leaf()), TypeError, r"pass \[x\]"),
    (lambda: SGD([1.0]), TypeError, "got float"),
    (lambda: SGD([leaf() * 2]), ValueError, "leaf"),
    (lambda: SGD([leaf()], lr=-1.0), ValueError, "lr of at least 0, got -1.0"),
    (lambda: SGD([leaf()], lr=math.nan), ValueError, "lr"),
    (lambda: SGD([leaf()], momentum=-0.1), ValueError, "momentum"),
    (lambda: SGD([leaf()], weight_decay=-0.1), ValueError, "weight_decay"),
    (lambda: SGD([leaf()], nesterov=True), ValueError, "nesterov"),
    (lambda: SGD([leaf()], 0.1, 0.9, 0.1, nesterov=True), ValueError, "nesterov"),
    (lambda: Adam([leaf()], eps=-1.0), ValueError, "eps"),
    (lambda: Adam([leaf()], betas=(1.0, 0.9)), ValueError, "betas"),
    (lambda: AdamW([leaf()], betas=(0.9, -0.1)), ValueError, r"AdamW\(\) takes betas"),
    (lambda: RMSprop([leaf()], alpha=-0.1), ValueError, r"RMSprop\(\) takes alpha of at least 0"),
    (lambda: Adagrad([leaf()], lr_decay=-0.1), ValueError, "lr_decay"),
    (lambda: SGD([{"lr": 0.1}]), TypeError, "groups as dicts with 'params'"),
]


@pytest.mark.parametrize(("make", "error", "match"), REFUSED)
def test_refused(make, error, match):
    with pytest.raises(error, match=match):
        make()


def test_one_tensor_twice_warns():
    x = leaf()
    with pytest.warns(UserWarning, match="twice"):
        SGD([x, x])
    with pytest.raises(ValueError, match="two groups"):
        SGD([{"params": [x]}, {"params": [x]}])


def test_half_precision_is_refused():
    x = ng.tensor(np.ones(2, np.float16), requires_grad=True)
    x.grad = ng.tensor(np.ones(2, np.float16))
    with pytest.raises(TypeError, match="float16"):
        SGD([x]).step()


def test_repr_names_the_options():
    assert repr(SGD([leaf()], lr=0.5)).splitlines()[:4] == [
        "SGD (",
        "Parameter Group 0",
        "    dampening: 0",
        "    lr: 0.5",
    ]


def test_an_optimizer_without_an_update():
    x = leaf()
    x.grad = ng.ones(2)
    with pytest.raises(NotImplementedError, match=r"has no update\(\)"):
        ng.optim.Optimizer([x], {}).step()

"""gradcheck and gradgradcheck: what passes, what is found, and what is refused."""

from __future__ import annotations

import re

import numpy as np
import pytest

import numgrad as ng
from numgrad import functions
from numgrad.autograd import GradcheckError, forward_ad, gradcheck, gradgradcheck
from numgrad.op import elementwise
from numgrad.samples import ROWS
from numgrad.value import REGISTRY

rng = np.random.default_rng(0)


def leaf(*shape):
    return ng.tensor(rng.uniform(0.5, 1.5, shape), requires_grad=True)


def fixed(*shape):
    return ng.tensor(rng.uniform(0.5, 1.5, shape))


RIGHT = {
    "elementwise": (lambda x, y: x * y.exp(), (leaf(2, 3), leaf(3))),
    "one tensor": (lambda x: x.sin().sum(), leaf(3)),
    "number and constant": (lambda x, k, y: x * k + y, (leaf(2), 3.0, fixed(2))),
    "matrix product": (ng.matmul, (leaf(2, 3), leaf(3, 2))),
    "several results": (lambda x: (x.exp(), x.sum(), x.argmax()), leaf(3)),
    "a named tuple": (lambda x: ng.linalg.slogdet(x @ x.T), leaf(2, 2)),
    "an unused input": (lambda x, _: x * x, (leaf(2), leaf(2))),
    "an empty input": (lambda x: x.exp(), leaf(0)),
    "a linear function": (lambda x: 2 * x, leaf(2)),
    "a constant": (lambda x: ng.ones(2) * x.shape[0], leaf(2)),
    "integers": (lambda x: x.argmax(), leaf(2)),
    "transposed memory": (lambda x: x.exp(), ng.from_numpy(np.ones((3, 2)).T).requires_grad_()),
    "the input itself": (lambda x: x, leaf(2)),
    "a computed input": (lambda x: x.exp(), leaf(2) * 2),
}


@pytest.mark.parametrize("fast_mode", [False, True])
@pytest.mark.parametrize("name", RIGHT)
def test_right_derivatives_pass(name, fast_mode):
    function, inputs = RIGHT[name]
    assert gradcheck(function, inputs, fast_mode=fast_mode, check_grad_dtypes=True)
    assert gradgradcheck(function, inputs, fast_mode=fast_mode, check_grad_dtypes=True)


ALL_MODES = {
    "check_forward_ad": True,
    "check_batched_grad": True,
    "check_batched_forward_grad": True,
}


@pytest.mark.parametrize("name", RIGHT)
def test_forward_mode_and_batches_pass(name):
    function, inputs = RIGHT[name]
    assert gradcheck(function, inputs, **ALL_MODES)
    assert gradcheck(function, inputs, check_backward_ad=False, check_forward_ad=True)
    assert gradgradcheck(function, inputs, check_batched_grad=True)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_row_in_every_mode_and_order(row):
    positions = row.differentiable()
    arrays = enumerate(row.arrays())
    inputs = tuple(ng.tensor(a, requires_grad=k in positions) for k, a in arrays)
    if positions:
        assert gradcheck(row, inputs, fast_mode=True, **ALL_MODES)
        assert gradgradcheck(row, inputs, fast_mode=True)
    else:
        assert not any(y.requires_grad for y in row(*inputs))


FOUR = ("check_rev_over_rev", "check_fwd_over_rev", "check_rev_over_fwd", "check_fwd_over_fwd")


@pytest.mark.parametrize("fast_mode", [False, True])
@pytest.mark.parametrize("pair", FOUR)
def test_each_pair_of_modes_finds_a_wrong_second_order(pair, fast_mode):
    options = {name: name == pair for name in FOUR} | {"fast_mode": fast_mode}
    assert gradgradcheck(ng.sin, leaf(2), **options)
    # Its derivative is the cosine, but that has half of its own.
    wrong = elementwise(name="wrong_cos", template="math.cos({0})")(lambda x: x)
    wrong.partial(lambda x, _out: -0.5 * REGISTRY["sin"](x))
    right = elementwise(name="sin_of_wrong", template="math.sin({0})")(lambda x: x)
    right.partial(lambda x, _out: wrong(x))
    try:
        function, _ = functions.lift(right), functions.lift(wrong)
        assert gradcheck(function, leaf(2), check_forward_ad=True)
        with pytest.raises(GradcheckError, match="Jacobian of output 0"):
            gradgradcheck(function, leaf(2), **options)
    finally:
        for name in ("wrong_cos", "sin_of_wrong"):
            del REGISTRY[name]


def test_forward_mode_that_is_wrong_is_told():
    def forgets(x):
        primal, _ = forward_ad.unpack_dual(x)
        return primal * 2

    assert gradcheck(forgets, leaf(2))
    with pytest.raises(GradcheckError, match="not the same by forward mode and by finite"):
        gradcheck(forgets, leaf(2), check_forward_ad=True)
    with pytest.raises(GradcheckError, match=r"is 0\.0 by forward mode, [12]\."):
        gradcheck(forgets, leaf(2), check_forward_ad=True, fast_mode=True)


def half_cut(x):
    """Its gradient is half of what it is."""
    return x * x.detach()


def cut_twice(x):
    """Right in first order, constant in second."""
    return x * (3 * x * x).detach() - 2 * (x * x * x).detach()


@pytest.mark.parametrize("fast_mode", [False, True])
def test_wrong_derivatives_are_found(fast_mode):
    with pytest.raises(GradcheckError, match="Jacobian of output 0 with respect to input 0"):
        gradcheck(half_cut, leaf(3), fast_mode=fast_mode)
    assert not gradcheck(half_cut, leaf(3), fast_mode=fast_mode, raise_exception=False)
    assert gradcheck(cut_twice, leaf(3), fast_mode=fast_mode)
    with pytest.raises(GradcheckError, match="Jacobian of output 0 with respect to input 0"):
        gradgradcheck(cut_twice, leaf(3), fast_mode=fast_mode)


def test_the_error_shows_the_worst_element_and_both_jacobians():
    def function(c, x, y):
        return c, ng.stack([x.sum() + x[1].detach() * y.sum(), x[2] * y.prod()])

    inputs = (fixed(), ng.tensor([1.0, 2.0, 3.0], requires_grad=True), leaf(2))
    with pytest.raises(GradcheckError) as caught:
        gradcheck(function, inputs)
    said = str(caught.value)
    assert "output 1 with respect to input 1" in said
    assert "element (0,) of the output in element (1,) of the input is 1.0 by backward" in said
    assert re.search(r"numerical:\n\[\[[^\]]*\]\n \[[^\]]*\]\]\nanalytical:\n\[\[1\. ", said)
    assert isinstance(caught.value, RuntimeError)


def test_a_gradient_of_nan_is_found():
    with (
        ng.autograd.strict_ieee(),
        pytest.raises(GradcheckError, match=r"is nan by backward, 0\.99"),
    ):
        gradcheck(lambda x: x + (x * 0).sqrt(), ng.ones(1, requires_grad=True))


def test_a_history_that_is_dropped_is_found():
    with pytest.raises(GradcheckError, match="drops the history"):
        gradcheck(lambda x: x.detach() * 2, leaf(2))


REFUSED = [
    (lambda: gradcheck(ng.exp, ng.ones(2)), ValueError, "inputs that require grad, got none"),
    (lambda: gradgradcheck(ng.exp, (1.0,)), ValueError, "gradgradcheck.. takes derivatives"),
    (lambda: gradcheck(ng.exp, leaf(1).expand(3)), RuntimeError, "share memory"),
]


@pytest.mark.parametrize(("call", "error", "said"), REFUSED)
def test_refused(call, error, said):
    with pytest.raises(error, match=said):
        call()


def test_overlapping_windows_are_refused():
    windows = np.lib.stride_tricks.as_strided(np.ones(4), (3, 2), (8, 8))
    with pytest.raises(RuntimeError, match=r"input 1 of shape \(3, 2\) whose elements share"):
        gradcheck(lambda c, x: x * c, (2.0, ng.from_numpy(windows).requires_grad_()))


def test_single_precision_warns():
    x = ng.ones(2, dtype=ng.float32).requires_grad_()
    with pytest.warns(UserWarning, match="input 0 of dtype float32"):
        assert gradcheck(ng.square, x, eps=1e-2, atol=1e-2)


def test_tolerances_decide():
    x = ng.tensor([1.0], requires_grad=True)

    def off(x):
        return x + (x * 1e-2).detach()

    assert gradcheck(off, x, rtol=0.0, atol=0.011)
    assert gradcheck(off, x, rtol=0.011, atol=0.0)
    assert not gradcheck(off, x, raise_exception=False)


def test_inputs_and_their_grads_are_left_alone():
    x = leaf(2)
    x.grad = ng.ones(2)
    before = x.tolist()
    assert gradcheck(ng.exp, x)
    assert gradgradcheck(ng.exp, x)
    assert (x.tolist(), x.grad.tolist()) == (before, [1.0, 1.0])


def test_seeds_of_ones_own_are_used():
    x, seed = leaf(2), leaf(2)
    assert gradgradcheck(ng.exp, x, seed)
    assert gradgradcheck(ng.exp, x, (seed.detach(),))


@pytest.mark.parametrize("name", ["elementwise", "matrix product", "transposed memory"])
def test_pytorch_agrees_on_what_passes(name):
    torch = pytest.importorskip("torch")
    function, inputs = RIGHT[name]
    given = inputs if isinstance(inputs, tuple) else (inputs,)
    theirs = tuple(torch.tensor(x.detach().numpy(), requires_grad=True) for x in given)
    named = torch.matmul if function is ng.matmul else function
    assert torch.autograd.gradcheck(named, theirs)
    assert torch.autograd.gradgradcheck(named, theirs)

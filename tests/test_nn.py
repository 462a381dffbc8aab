"""Functions of networks: PyTorch's numbers, derivatives of two orders, edges, and Parameter."""

from __future__ import annotations

import copy
import itertools
import math

import numpy as np
import pytest

import numgrad as ng

F = ng.nn.functional

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 3))
Y = RNG.standard_normal((4, 3))
INDICES = np.array([2, 0, -100, 1])
IMAGE = RNG.standard_normal((2, 3, 4))
IMAGE_INDICES = np.array([[0, 1, 2, 2], [1, -100, 0, 1]])
PROBABILITIES = RNG.dirichlet(np.ones(3), 4)
BITS = RNG.uniform(size=(4, 3))
WEIGHT = np.array([0.5, 2.0, 1.5])
REDUCTIONS = ("none", "mean", "sum")


def over_reductions(name, tensors, rest=(), **options):
    return [(name, tensors, rest, {**options, "reduction": r}) for r in REDUCTIONS]


# Function, arguments that are differentiated, further arguments, options.
CASES = [
    ("linear", (X, RNG.standard_normal((5, 3)), RNG.standard_normal(5)), (), {}),
    ("linear", (IMAGE[:, :, 0], RNG.standard_normal((5, 3))), (), {}),
    ("linear", (RNG.standard_normal((2, 4, 3)), RNG.standard_normal((5, 3))), (), {}),
    ("linear", (X, RNG.standard_normal(3)), (), {}),
    ("relu", (X,), (), {}),
    ("sigmoid", (X,), (), {}),
    ("tanh", (X,), (), {}),
    ("softmax", (X,), (1,), {}),
    ("log_softmax", (X,), (0,), {}),
    ("softplus", (X,), (), {}),
    ("softplus", (X,), (), {"beta": 2.0, "threshold": 1.0}),
    ("gelu", (X,), (), {}),
    ("gelu", (X,), (), {"approximate": "tanh"}),
    ("silu", (X,), (), {}),
    ("logsigmoid", (X,), (), {}),
    ("leaky_relu", (X,), (), {}),
    ("leaky_relu", (X,), (0.3,), {}),
    ("elu", (X,), (), {}),
    ("elu", (X,), (0.3,), {}),
    ("layer_norm", (X,), ((3,),), {}),
    ("layer_norm", (IMAGE, RNG.standard_normal((3, 4)), None), ((3, 4),), {"eps": 0.1}),
    ("layer_norm", (X, WEIGHT, RNG.standard_normal(3)), ((3,),), {}),
    ("layer_norm", (X[0], WEIGHT, RNG.standard_normal(3)), ((3,),), {}),
    ("layer_norm", (RNG.standard_normal((2, 3, 3)), WEIGHT, WEIGHT + 1), ((3,),), {"eps": 0.1}),
    (
        "layer_norm",
        (IMAGE, RNG.standard_normal((3, 4)), RNG.standard_normal((3, 4))),
        ((3, 4),),
        {},
    ),
    ("layer_norm", (np.zeros((0, 3)), WEIGHT, RNG.standard_normal(3)), ((3,),), {}),
    *over_reductions("mse_loss", (X, Y)),
    ("mse_loss", (X.T, np.ascontiguousarray(Y.T)), (), {}),
    *over_reductions("l1_loss", (X, Y)),
    *over_reductions("nll_loss", (X,), (INDICES,)),
    *over_reductions("nll_loss", (X,), (INDICES, WEIGHT)),
    *over_reductions("nll_loss", (IMAGE,), (IMAGE_INDICES, WEIGHT)),
    ("nll_loss", (X[0],), (np.array(1),), {}),
    ("nll_loss", (X,), (np.array([2, 0, 1, 1]),), {}),
    ("nll_loss", (X,), (np.array([2, 0, 1, 1]),), {"ignore_index": 1}),
    ("cross_entropy", (X[0],), (np.array(1),), {}),
    ("cross_entropy", (X,), (np.array([2, 0, 1, 1]),), {"ignore_index": 1}),
    *over_reductions("cross_entropy", (X,), (INDICES,)),
    *over_reductions("cross_entropy", (X,), (INDICES, WEIGHT), label_smoothing=0.2),
    *over_reductions("cross_entropy", (X,), (INDICES,), label_smoothing=0.2),
    *over_reductions("cross_entropy", (IMAGE,), (IMAGE_INDICES, WEIGHT)),
    *over_reductions("cross_entropy", (IMAGE,), (IMAGE_INDICES, WEIGHT), label_smoothing=0.3),
    *over_reductions("cross_entropy", (IMAGE, RNG.uniform(size=IMAGE.shape)), (WEIGHT,)),
    ("cross_entropy", (X[0],), (np.array(1), WEIGHT), {"label_smoothing": 0.1}),
    ("cross_entropy", (X[0], PROBABILITIES[0]), (), {}),
    ("cross_entropy", (np.zeros((0, 3)),), (np.zeros(0, int),), {"reduction": "sum"}),
    ("cross_entropy", (X.T.copy().T,), (INDICES,), {}),
    *over_reductions("cross_entropy", (X, PROBABILITIES)),
    *over_reductions("cross_entropy", (X, PROBABILITIES), (WEIGHT,), label_smoothing=0.2),
    *over_reductions("binary_cross_entropy_with_logits", (X, BITS)),
    *over_reductions("binary_cross_entropy_with_logits", (X, BITS), (WEIGHT,)),
    ("binary_cross_entropy_with_logits", (X, BITS), (), {"pos_weight": WEIGHT}),
    ("binary_cross_entropy_with_logits", (X, BITS), (WEIGHT,), {"pos_weight": WEIGHT}),
]
NAMED = pytest.mark.parametrize(
    ("name", "tensors", "rest", "options"),
    CASES,
    ids=[f"{k}-{case[0]}" for k, case in enumerate(CASES)],
)


def called(module, name, tensors, rest, options, convert):
    """What a function of a library gives for tensors of that library."""
    rest = [convert(a) if isinstance(a, np.ndarray) else a for a in rest]
    options = {k: convert(a) if isinstance(a, np.ndarray) else a for k, a in options.items()}
    if name == "layer_norm":
        x, *parameters = tensors
        return module.layer_norm(x, *rest, *parameters, **options)
    return getattr(module, name)(*tensors, *rest, **options)


@NAMED
def test_equals_pytorch(name, tensors, rest, options):
    torch = pytest.importorskip("torch")
    ours = [None if a is None else ng.tensor(a, requires_grad=True) for a in tensors]
    theirs = [None if a is None else torch.tensor(a, requires_grad=True) for a in tensors]
    found = called(F, name, ours, rest, options, ng.tensor)
    expected = called(torch.nn.functional, name, theirs, rest, options, torch.tensor)
    np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), rtol=1e-13)
    ours = [t for t in ours if t is not None]
    theirs = [t for t in theirs if t is not None]
    weights = np.cos(np.arange(math.prod(found.shape))).reshape(found.shape)
    results = []
    for out, xs, weight, grad in (
        (found, ours, ng.tensor(weights), ng.autograd.grad),
        (expected, theirs, torch.tensor(weights), torch.autograd.grad),
    ):
        first = grad((out * weight).sum(), xs, create_graph=True)
        again = [(g * g).sum() for g in first if g.requires_grad]
        second = grad(sum(again), xs, allow_unused=True) if again else [None] * len(xs)
        arrays = [g.detach().numpy() for g in first]
        results.append(arrays + [0.0 if g is None else (g + 0).detach().numpy() for g in second])
    for a, b in zip(*results, strict=True):  # 0.0 stands for zeros
        np.testing.assert_allclose(*np.broadcast_arrays(a, b), rtol=1e-11, atol=1e-14)


@NAMED
def test_float32_stays_float32(name, tensors, rest, options):
    xs = [
        None if a is None else ng.tensor(a.astype(np.float32), requires_grad=True) for a in tensors
    ]
    narrow = [
        a.astype(np.float32) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a
        for a in rest
    ]
    options = {
        k: a.astype(np.float32) if isinstance(a, np.ndarray) else a for k, a in options.items()
    }
    out = called(F, name, xs, narrow, options, ng.tensor)
    out.sum().backward()
    assert {out.dtype, *(x.grad.dtype for x in xs if x is not None)} == {np.dtype(np.float32)}


# Numbers that need no PyTorch.
LN2 = math.log(2)
LITERAL = [
    (lambda: F.mse_loss(ng.tensor([1.0, 2.0]), ng.tensor([3.0, 2.0])), 2.0),
    (lambda: F.l1_loss(ng.tensor([1.0, 2.0]), ng.tensor([3.0, 2.0]), reduction="sum"), 2.0),
    (
        lambda: F.mse_loss(ng.tensor([1.0, 2.0]), ng.tensor([3.0, 5.0]), weight=[1.0, 3.0]),
        31 / 4,
    ),
    (lambda: F.cross_entropy(ng.zeros(3, 4), ng.tensor([0, 1, 3])), math.log(4)),
    (lambda: F.cross_entropy(ng.tensor([[1e4, 0.0]]), ng.tensor([1])), 1e4),
    (lambda: F.cross_entropy(ng.zeros(1, 2), ng.tensor([[0.5, 0.5]])), LN2),
    (
        lambda: F.cross_entropy(ng.tensor([[0.0, 3.0]]), ng.tensor([0]), label_smoothing=1.0),
        math.log1p(math.exp(3)) - 1.5,
    ),
    (lambda: F.nll_loss(ng.tensor([[-1.0, -2.0], [-3.0, -4.0]]), ng.tensor([0, 1])), 2.5),
    (
        lambda: F.nll_loss(
            ng.tensor([[-1.0, -2.0], [-3.0, -4.0]]), ng.tensor([0, 1]), weight=[1.0, 3.0]
        ),
        13 / 4,
    ),
    (lambda: F.binary_cross_entropy_with_logits(ng.zeros(3), ng.ones(3)), LN2),
    (lambda: F.binary_cross_entropy_with_logits(ng.tensor([800.0]), ng.ones(1)), 0.0),
    (lambda: F.binary_cross_entropy_with_logits(ng.tensor([-800.0]), ng.ones(1)), 800.0),
    (
        lambda: F.binary_cross_entropy_with_logits(
            ng.zeros(1), ng.ones(1), pos_weight=ng.tensor([3.0])
        ),
        3 * LN2,
    ),
    (lambda: F.softplus(ng.tensor(0.0), beta=2), LN2 / 2),
    (lambda: F.softplus(ng.tensor(30.0)), 30.0),
]


@pytest.mark.parametrize(("make", "expected"), LITERAL)
def test_literal_numbers(make, expected):
    assert make().item() == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("x", [-40.0, -3.0, 0.0, 3.0, 40.0])
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_binary_cross_entropy_does_not_cancel(x, target):
    t = ng.tensor(x, requires_grad=True)
    F.binary_cross_entropy_with_logits(t, ng.tensor(target)).backward()
    expected = 1 / (1 + math.exp(-x)) if target == 0 else -1 / (1 + math.exp(x))
    assert t.grad.item() == pytest.approx(expected, rel=1e-14)


def test_layer_norm_at_a_large_mean():
    x = ng.tensor([1e8, 1e8 + 2], requires_grad=True)
    assert F.layer_norm(x, (2,), eps=0.0).tolist() == [-1.0, 1.0]


def test_layer_norm_of_equal_elements():
    x = ng.tensor([3.0, 3.0, 3.0], requires_grad=True)
    y = F.layer_norm(x, (3,))
    assert y.tolist() == [0.0, 0.0, 0.0]
    y[0].backward()
    assert np.isfinite(x.grad.numpy()).all()


@pytest.mark.parametrize("function", [F.nll_loss, F.cross_entropy])
def test_nothing_but_ignored_targets(function):
    x = ng.tensor(X, requires_grad=True)
    target = ng.tensor([-100] * 4)
    assert math.isnan(function(x, target).item())
    assert function(x, target, reduction="sum").item() == 0.0
    assert function(x, target, reduction="none").tolist() == [0.0] * 4


@pytest.mark.parametrize("function", [F.nll_loss, F.cross_entropy])
def test_an_empty_batch(function):
    x = ng.zeros(0, 3, requires_grad=True)
    target = ng.tensor(np.zeros(0, int))
    loss = function(x, target)
    assert math.isnan(loss.item())
    loss.backward()
    assert x.grad.shape == (0, 3)
    assert function(x, target, reduction="none").shape == (0,)


def test_mse_loss_of_nothing():
    x = ng.zeros(0, requires_grad=True)
    loss = F.mse_loss(x, ng.zeros(0))
    assert math.isnan(loss.item())
    loss.backward()
    assert x.grad.shape == (0,)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_cross_entropy_ignores_what_is_not_finite(value, smoothing):
    x = ng.tensor([[value] * 3, [1.0, 2.0, 3.0]], requires_grad=True)
    loss = F.cross_entropy(x, ng.tensor([-100, 0]), label_smoothing=smoothing)
    loss.backward()
    y = ng.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    expected = F.cross_entropy(y, ng.tensor([0]), label_smoothing=smoothing)
    expected.backward()
    assert loss.item() == expected.item()
    assert x.grad.tolist() == [[0.0] * 3, *y.grad.tolist()]


def test_a_class_that_is_impossible_and_does_not_occur():
    x = ng.tensor([[0.0, -math.inf, 0.0]], requires_grad=True)
    loss = F.cross_entropy(x, ng.tensor([[0.5, 0.0, 0.5]]))
    loss.backward()
    assert loss.item() == pytest.approx(LN2, rel=1e-15)
    assert x.grad.tolist() == [[0.0, 0.0, 0.0]]


def test_classes_of_any_integer_dtype():
    for dtype in (np.uint8, np.int32, np.uint64):
        x = ng.tensor(X, requires_grad=True)
        F.cross_entropy(x, ng.tensor(np.array([2, 0, 1, 1], dtype))).backward()
        y = ng.tensor(X, requires_grad=True)
        F.cross_entropy(y, ng.tensor([2, 0, 1, 1])).backward()
        np.testing.assert_array_equal(x.grad.numpy(), y.grad.numpy())


def test_probabilities_of_another_dtype():
    x = ng.tensor(X.astype(np.float32), requires_grad=True)
    loss = F.cross_entropy(x, ng.tensor(PROBABILITIES))
    assert loss.dtype == np.float64
    loss.backward()
    assert x.grad.dtype == np.float32


def test_layer_norm_with_a_bias_alone():
    bias = ng.tensor(WEIGHT, requires_grad=True)
    y = F.layer_norm(ng.tensor(X), (3,), None, bias)
    expected = F.layer_norm(ng.tensor(X), (3,), ng.ones(3), ng.tensor(WEIGHT))
    np.testing.assert_array_equal(y.numpy(force=True), expected.numpy())
    y.sum().backward()
    assert bias.grad.tolist() == [4.0] * 3


@pytest.mark.parametrize("affine", [False, True])
def test_layer_norm_blanks_rows_without_cotangents(affine):
    x = ng.tensor([[math.nan, 1.0, 2.0], [0.0, 1.0, 5.0]], requires_grad=True)
    parameters = [ng.ones(3, requires_grad=True), ng.zeros(3, requires_grad=True)] * affine
    F.layer_norm(x, (3,), *parameters)[1, 0].backward()
    assert x.grad[0].tolist() == [0.0] * 3
    for t in (x, *parameters):
        assert np.isfinite(t.grad.numpy()).all()


@pytest.mark.parametrize("classes", [1, 7, 2000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_long_rows_and_short_ones(classes, dtype):
    x = np.random.default_rng(1).normal(0, 5, (5, classes)).astype(dtype)
    wide = x.astype(np.longdouble)
    high = wide.max(1, keepdims=True)
    log_p = wide - high - np.log(np.exp(wide - high).sum(1, keepdims=True))
    target = np.arange(5) % classes
    t = ng.tensor(x, requires_grad=True)
    loss = F.cross_entropy(t, ng.tensor(target), reduction="none")
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(loss.numpy(force=True), -log_p[range(5), target], 8 * eps, 8 * eps)
    loss.sum().backward()
    expected = np.exp(log_p)
    expected[range(5), target] -= 1
    np.testing.assert_allclose(t.grad.numpy(), expected, 64 * eps, 8 * eps)


def test_what_is_ignored_does_not_spoil_the_rest():
    x = ng.tensor([[-math.inf, 0.0], [0.0, 0.0]], requires_grad=True)
    F.nll_loss(x, ng.tensor([-100, 1])).backward()
    assert x.grad.tolist() == [[0.0, 0.0], [0.0, -1.0]]


def test_dropout():
    ng.manual_seed(0)
    x = ng.ones(10_000, requires_grad=True)
    y = F.dropout(x, 0.2)
    values = set(y.tolist())
    assert values == {0.0, 1.25}
    assert np.mean(y.detach().numpy() == 0) == pytest.approx(0.2, abs=0.02)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())


def test_dropout_at_the_ends():
    x = ng.ones(5, dtype=ng.float32)
    assert F.dropout(x, 0.0) is x
    assert F.dropout(x, training=False) is x
    assert F.dropout(x, 1.0).tolist() == [0.0] * 5
    assert F.dropout(x, 0.5).dtype == np.float32


def test_dropout_follows_the_seed():
    x = ng.ones(100)
    draws = []
    for seed in (1, 1, 2):
        ng.manual_seed(seed)
        draws.append(F.dropout(x).tolist())
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize(
    ("function", "arguments"),
    [(F.relu, ()), (F.leaky_relu, (0.1,)), (F.elu, (1.0,)), (F.silu, ()), (F.dropout, (0.5,))],
)
def test_in_place(function, arguments):
    ng.manual_seed(3)
    expected = function(ng.tensor(X), *arguments)
    ng.manual_seed(3)
    leaf = ng.tensor(X, requires_grad=True)
    x = leaf * 1.0
    assert function(x, *arguments, inplace=True) is x
    assert x.tolist() == expected.tolist()
    x.sum().backward()
    assert leaf.grad.shape == leaf.shape


REFUSED = [
    (lambda: F.dropout(ng.ones(2), 1.5), ValueError, r"p in \[0, 1\], got 1.5"),
    (lambda: F.dropout(ng.ones(2), -0.1, training=False), ValueError, "got -0.1"),
    (lambda: F.gelu(ng.ones(2), approximate="erf"), ValueError, "'none' or 'tanh'"),
    (lambda: F.mse_loss(ng.ones(2), ng.ones(2), reduction="max"), ValueError, "reduction"),
    (lambda: F.cross_entropy(ng.ones(2, 3), ng.tensor([0, 3])), IndexError, "0 to 2"),
    (lambda: F.cross_entropy(ng.ones(2, 3), ng.tensor([0, -1])), IndexError, "-1"),
    (lambda: F.cross_entropy(ng.ones(2, 3), ng.tensor([0])), ng.errors.ShapeError, r"\(2,\)"),
    (lambda: F.cross_entropy(ng.ones(2, 3), ng.ones(2)), ng.errors.ShapeError, "probabilities"),
    (lambda: F.cross_entropy(ng.tensor(1.0), ng.tensor(0)), ng.errors.ShapeError, "classes"),
    (
        lambda: F.cross_entropy(ng.ones(2, 3), ng.tensor([0, 1]), weight=[1.0, 2.0]),
        ng.errors.ShapeError,
        "3 classes",
    ),
    (
        lambda: F.cross_entropy(ng.ones(2, 3), ng.tensor([0, 1]), label_smoothing=2.0),
        ValueError,
        "label_smoothing",
    ),
    (lambda: F.nll_loss(ng.ones(2, 3), ng.ones(2)), TypeError, "integer"),
    (
        lambda: F.binary_cross_entropy_with_logits(ng.ones(2, 3), ng.ones(3)),
        ng.errors.ShapeError,
        r"\(2, 3\)",
    ),
    (lambda: F.layer_norm(ng.ones(2, 3), (2,)), ng.errors.ShapeError, "ends in"),
    (lambda: F.layer_norm(ng.ones(2, 3), (3,), ng.ones(2)), ng.errors.ShapeError, "weight"),
    (lambda: F.softmax(ng.ones(2)), TypeError, "dim"),
]


@pytest.mark.parametrize(("call", "error", "match"), REFUSED)
def test_refused(call, error, match):
    with pytest.raises(error, match=match):
        call()


@pytest.mark.parametrize("function", [F.mse_loss, F.l1_loss])
def test_shapes_that_differ_warn(function):
    with pytest.warns(UserWarning, match=r"shape \(3,\) and a target of shape \(3, 1\)"):
        function(ng.ones(3), ng.ones(3, 1))


def test_parameter():
    a = np.array([1.0, 2.0])
    p = ng.nn.Parameter(ng.from_numpy(a))
    assert repr(p) == "Parameter containing:\ntensor([1., 2.], requires_grad=True)"
    assert isinstance(p, ng.nn.Parameter)
    assert isinstance(p, ng.Tensor)
    assert p.is_leaf
    assert p.numpy(force=True) is a
    assert not isinstance(p * 1.0, ng.nn.Parameter)
    assert not isinstance(ng.ones(2), ng.nn.Parameter)
    assert not isinstance(a, ng.nn.Parameter)
    assert not ng.nn.Parameter(ng.ones(2), requires_grad=False).requires_grad


def test_a_copied_parameter_is_a_parameter():
    assert isinstance(copy.deepcopy(ng.nn.Parameter(ng.ones(2))), ng.nn.Parameter)


def test_parameters_of_integers_are_refused():
    with pytest.raises(RuntimeError, match="floating"):
        ng.nn.Parameter(ng.tensor([1, 2]))


def with_gradients(*gradients):
    tensors = []
    for g in gradients:
        t = ng.zeros(len(g), requires_grad=True)
        t.grad = ng.tensor(g)
        tensors.append(t)
    return tensors


def test_clip_grad_norm():
    (x,) = with_gradients([3.0, 4.0])
    norm = ng.nn.utils.clip_grad_norm_([x], 1.0)
    assert norm.item() == 5.0
    assert x.grad.tolist() == pytest.approx([0.6, 0.8], rel=1e-6)


@pytest.mark.parametrize(("norm_type", "norm"), [(2, 13.0), (1, 19.0), (math.inf, 12.0)])
def test_clip_grad_norm_is_joint(norm_type, norm):
    tensors = with_gradients([3.0, 4.0], [12.0], [0.0])
    tensors.append(ng.zeros(1, requires_grad=True))
    assert ng.nn.utils.clip_grad_norm_(tensors, 100.0, norm_type).item() == norm
    assert [t.grad.tolist() for t in tensors[:2]] == [[3.0, 4.0], [12.0]]
    ng.nn.utils.clip_grad_norm_(tensors, norm / 2, norm_type)
    clipped = list(itertools.chain(*(t.grad.tolist() for t in tensors[:3])))
    assert clipped == pytest.approx([1.5, 2.0, 6.0, 0.0], rel=1e-6)
    assert tensors[3].grad is None


def test_clip_grad_norm_of_nothing():
    assert ng.nn.utils.clip_grad_norm_([ng.zeros(2)], 1.0).item() == 0.0


def test_clip_grad_norm_of_what_is_not_finite():
    (x,) = with_gradients([math.nan, 1.0])
    with pytest.raises(RuntimeError, match="norm is nan"):
        ng.nn.utils.clip_grad_norm_(x, 1.0, error_if_nonfinite=True)
    assert x.grad.tolist()[1] == 1.0


def test_clip_grad_value():
    (x,) = with_gradients([3.0, -4.0, 0.5])
    ng.nn.utils.clip_grad_value_(x, 1.0)
    assert x.grad.tolist() == [1.0, -1.0, 0.5]

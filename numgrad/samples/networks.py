"""Samples of nn.functional: activations, losses, layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special

from numgrad.samples.domains import Array, between, given, signed, steps
from numgrad.samples.row import Function, elementwise, whole

NUMBERS = (signed(0.2, 2), (2, 3))
TARGETS = (signed(0.2, 2), (2, 3))
CLASSES = (given(2, 0), (2,))
WEIGHTS = (between(0.3, 1.5), (3,))


def dropout(f: Function, x: Any, p: float) -> Any:
    """Call dropout with the same seed each time, so that it is a function of its input."""
    import numgrad

    numgrad.manual_seed(7)
    return f(x, p)


def nll(log_p: Array, target: Array) -> Array:
    """Negative log likelihoods of the classes."""
    return np.asarray(-np.take_along_axis(log_p, target[:, None], 1)[:, 0])


def log_p(x: Array) -> Array:
    """Logarithms of probabilities by class, the second dimension."""
    return np.asarray(scipy.special.log_softmax(x, 1))


def logistic(x: Array, y: Array) -> Array:
    """Binary cross entropies of logits."""
    return np.asarray(np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x))))


def layer_norm(x: Array, weight: Any = 1.0, bias: Any = 0.0) -> Array:
    """Normalised last dimension, scaled and shifted."""
    centred = x - x.mean(-1, keepdims=True)
    return np.asarray(centred / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * weight + bias)


def gelu_tanh(x: Array) -> Array:
    """The approximation of gelu that has a tanh in it."""
    return np.asarray(0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))))


ROWS = (
    elementwise("nn.functional.relu", signed(0.1, 2), reference=lambda x: np.maximum(x, 0), ulps=0),
    elementwise("nn.functional.sigmoid", signed(0.1, 3), reference=scipy.special.expit),
    elementwise("nn.functional.tanh", signed(0.1, 2), reference=np.tanh),
    elementwise(
        "nn.functional.softplus", signed(0.1, 3), reference=lambda x: np.logaddexp(x, 0.0), ulps=8
    ),
    elementwise(
        "nn.functional.softplus",
        steps(0.3),
        label="beta=2, threshold=3",
        call=lambda f, x: f(x, beta=2, threshold=3),
        reference=lambda x: np.where(2 * x > 3, x, np.logaddexp(2 * x, 0.0) / 2),
        ulps=8,
    ),
    elementwise(
        "nn.functional.gelu",
        signed(0.1, 3),
        reference=lambda x: x * scipy.special.ndtr(x),
        ulps=16,
        edges=False,
    ),
    elementwise(
        "nn.functional.gelu",
        signed(0.1, 3),
        label="tanh",
        call=lambda f, x: f(x, approximate="tanh"),
        reference=gelu_tanh,
        ulps=64,
        edges=False,
    ),
    elementwise(
        "nn.functional.silu",
        signed(0.1, 3),
        reference=lambda x: x * scipy.special.expit(x),
        edges=False,
    ),
    elementwise(
        "nn.functional.leaky_relu",
        signed(0.1, 2),
        reference=lambda x: np.where(x > 0, x, 0.01 * x),
        integers=None,
    ),
    elementwise(
        "nn.functional.leaky_relu",
        signed(0.1, 2),
        label="slope 0.2",
        call=lambda f, x: f(x, 0.2),
        reference=lambda x: np.where(x > 0, x, 0.2 * x),
        integers=None,
    ),
    elementwise(
        "nn.functional.elu",
        signed(0.1, 2),
        reference=lambda x: np.where(x > 0, x, np.expm1(x)),
        integers=None,
    ),
    elementwise(
        "nn.functional.elu",
        signed(0.1, 2),
        label="alpha=1.5",
        call=lambda f, x: f(x, alpha=1.5),
        reference=lambda x: np.where(x > 0, x, 1.5 * np.expm1(x)),
        integers=None,
    ),
    whole(
        "nn.functional.softmax",
        NUMBERS,
        call=lambda f, x: f(x, dim=1),
        reference=lambda x: scipy.special.softmax(x, 1),
    ),
    whole(
        "nn.functional.log_softmax",
        NUMBERS,
        call=lambda f, x: f(x, dim=0),
        reference=lambda x: scipy.special.log_softmax(x, 0),
    ),
    whole("nn.functional.dropout", NUMBERS, call=lambda f, x: dropout(f, x, 0.5)),
    whole(
        "nn.functional.dropout",
        NUMBERS,
        label="evaluation",
        call=lambda f, x: f(x, 0.5, training=False),
        reference=lambda x: x,
        view=True,
    ),
    whole(
        "nn.functional.linear",
        NUMBERS,
        NUMBERS,
        (signed(0.2, 2), (2,)),
        reference=lambda x, w, b: x @ w.T + b,
    ),
    whole(
        "nn.functional.linear",
        (signed(0.2, 2), (2, 1, 3)),
        NUMBERS,
        label="batch",
        reference=lambda x, w: x @ w.T,
    ),
    whole(
        "nn.functional.linear",
        (signed(0.2, 2), (3,)),
        NUMBERS,
        label="vector",
        reference=lambda x, w: x @ w.T,
    ),
    whole("nn.functional.mse_loss", NUMBERS, TARGETS, reference=lambda x, y: np.mean((x - y) ** 2)),
    whole(
        "nn.functional.mse_loss",
        NUMBERS,
        TARGETS,
        label="sum",
        call=lambda f, x, y: f(x, y, reduction="sum"),
        reference=lambda x, y: np.sum((x - y) ** 2),
    ),
    whole(
        "nn.functional.mse_loss",
        NUMBERS,
        TARGETS,
        label="none",
        call=lambda f, x, y: f(x, y, reduction="none"),
        reference=lambda x, y: (x - y) ** 2,
    ),
    whole(
        "nn.functional.l1_loss",
        (steps(0.0), (2, 3)),
        (steps(0.5), (2, 3)),
        reference=lambda x, y: np.mean(np.abs(x - y)),
    ),
    whole(
        "nn.functional.l1_loss",
        (steps(0.0), (2, 3)),
        (steps(0.5), (2, 3)),
        label="none",
        call=lambda f, x, y: f(x, y, reduction="none"),
        reference=lambda x, y: np.abs(x - y),
    ),
    whole("nn.functional.nll_loss", NUMBERS, CLASSES, reference=lambda x, y: np.mean(nll(x, y))),
    whole(
        "nn.functional.nll_loss",
        NUMBERS,
        CLASSES,
        WEIGHTS,
        label="weight",
        call=lambda f, x, y, w: f(x, y, weight=w),
        reference=lambda x, y, w: np.average(nll(x, y), weights=w[y]),
        constants=(2,),
    ),
    whole(
        "nn.functional.cross_entropy",
        NUMBERS,
        CLASSES,
        reference=lambda x, y: np.mean(nll(log_p(x), y)),
    ),
    whole(
        "nn.functional.cross_entropy",
        NUMBERS,
        CLASSES,
        label="sum",
        call=lambda f, x, y: f(x, y, reduction="sum"),
        reference=lambda x, y: np.sum(nll(log_p(x), y)),
    ),
    whole(
        "nn.functional.cross_entropy",
        NUMBERS,
        CLASSES,
        label="none",
        call=lambda f, x, y: f(x, y, reduction="none"),
        reference=lambda x, y: nll(log_p(x), y),
    ),
    whole(
        "nn.functional.cross_entropy",
        NUMBERS,
        CLASSES,
        WEIGHTS,
        label="weight",
        call=lambda f, x, y, w: f(x, y, weight=w),
        reference=lambda x, y, w: np.average(nll(log_p(x), y), weights=w[y]),
        constants=(2,),
    ),
    whole(
        "nn.functional.cross_entropy",
        NUMBERS,
        CLASSES,
        label="ignore_index=0",
        call=lambda f, x, y: f(x, y, ignore_index=0),
        reference=lambda x, y: nll(log_p(x), y)[y != 0].mean(),
    ),
    whole(
        "nn.functional.cross_entropy",
        NUMBERS,
        CLASSES,
        label="label_smoothing=0.1",
        call=lambda f, x, y: f(x, y, label_smoothing=0.1),
        reference=lambda x, y: np.mean(0.9 * nll(log_p(x), y) - 0.1 * log_p(x).mean(1)),
    ),
    whole(
        "nn.functional.cross_entropy",
        NUMBERS,
        (between(0.1, 0.6), (2, 3)),
        label="probabilities",
        reference=lambda x, p: -np.sum(p * log_p(x)) / 2,
    ),
    whole(
        "nn.functional.binary_cross_entropy_with_logits",
        NUMBERS,
        (between(0.1, 0.9), (2, 3)),
        reference=lambda x, y: np.mean(logistic(x, y)),
    ),
    whole(
        "nn.functional.binary_cross_entropy_with_logits",
        NUMBERS,
        (between(0.1, 0.9), (2, 3)),
        WEIGHTS,
        label="weight, sum",
        call=lambda f, x, y, w: f(x, y, weight=w, reduction="sum"),
        reference=lambda x, y, w: np.sum(w * logistic(x, y)),
        constants=(2,),
    ),
    whole(
        "nn.functional.binary_cross_entropy_with_logits",
        NUMBERS,
        (between(0.1, 0.9), (2, 3)),
        (between(0.5, 2), (3,)),
        label="pos_weight",
        call=lambda f, x, y, w: f(x, y, pos_weight=w),
        reference=lambda x, y, w: np.mean(
            (1 - y) * np.logaddexp(0, x) + w * y * np.logaddexp(0, -x)
        ),
        constants=(2,),
    ),
    whole(
        "nn.functional.layer_norm",
        NUMBERS,
        call=lambda f, x: f(x, (3,)),
        reference=layer_norm,
        single=2e-4,
    ),
    whole(
        "nn.functional.layer_norm",
        NUMBERS,
        WEIGHTS,
        (signed(0.2, 2), (3,)),
        label="affine",
        call=lambda f, x, w, b: f(x, (3,), w, b),
        reference=layer_norm,
        single=2e-4,
    ),
    whole(
        "nn.functional.layer_norm",
        NUMBERS,
        label="two dimensions",
        call=lambda f, x: f(x, (2, 3), eps=1e-3),
        reference=lambda x: (x - x.mean()) / np.sqrt(x.var() + 1e-3),
        single=2e-4,
    ),
)

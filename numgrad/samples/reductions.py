"""Samples of reductions, scans, order statistics and the softmax family."""

from __future__ import annotations

import numpy as np
import scipy.special

from numgrad.samples.domains import distinct, given, signed, with_zeros
from numgrad.samples.row import whole

NUMBERS = (signed(0.2, 2), (2, 3))
APART = (distinct, (2, 3))
ZEROS = (with_zeros(0, 4, 5), (2, 3))

ROWS = (
    whole("sum", NUMBERS, reference=np.sum),
    whole(
        "sum", NUMBERS, label="dim=1", call=lambda f, x: f(x, dim=1), reference=lambda x: x.sum(1)
    ),
    whole(
        "sum",
        NUMBERS,
        label="axis=0",
        call=lambda f, x: f(x, axis=0, keepdims=True),
        reference=lambda x: x.sum(0, keepdims=True),
    ),
    whole(
        "sum",
        (signed(0.2, 2), (2, 1, 3)),
        label="(-1, 0)",
        call=lambda f, x: f(x, (-1, 0)),
        reference=lambda x: x.sum((0, 2)),
    ),
    whole("mean", NUMBERS, reference=np.mean),
    whole(
        "mean",
        NUMBERS,
        label="dim=0",
        call=lambda f, x: f(x, dim=0, keepdim=True),
        reference=lambda x: x.mean(0, keepdims=True),
    ),
    whole("prod", NUMBERS, reference=np.prod),
    whole(
        "prod", ZEROS, label="zeros", call=lambda f, x: f(x, 1), reference=lambda x: np.prod(x, 1)
    ),
    whole("prod", ZEROS, label="zeros, all", reference=np.prod),
    whole("max", APART, reference=np.max),
    whole(
        "max",
        APART,
        label="dim=1",
        call=lambda f, x: f(x, 1),
        reference=lambda x: (x.max(1), x.argmax(1)),
    ),
    whole(
        "max", APART, label="axis=0", call=lambda f, x: f(x, axis=0), reference=lambda x: x.max(0)
    ),
    whole("min", APART, reference=np.min),
    whole(
        "min",
        APART,
        label="dim=0",
        call=lambda f, x: f(x, 0, keepdim=True),
        reference=lambda x: (x.min(0, keepdims=True), x.argmin(0, keepdims=True)),
    ),
    whole("amax", APART, call=lambda f, x: f(x, 1), reference=lambda x: x.max(1)),
    whole("amax", APART, label="all", call=lambda f, x: f(x, (0, 1)), reference=np.max),
    whole("amin", APART, call=lambda f, x: f(x, 0), reference=lambda x: x.min(0)),
    whole("var", NUMBERS, reference=lambda x: np.var(x, ddof=1)),
    whole(
        "var",
        NUMBERS,
        label="dim=1, correction=0",
        call=lambda f, x: f(x, dim=1, correction=0),
        reference=lambda x: np.var(x, 1),
    ),
    whole(
        "var",
        NUMBERS,
        label="axis=1",
        call=lambda f, x: f(x, axis=1),
        reference=lambda x: np.var(x, 1),
    ),
    whole(
        "var",
        NUMBERS,
        label="large mean",
        call=lambda f, x: f(x + 1024.0, 1),
        reference=lambda x: np.var(x, 1, ddof=1),
        ulps=8192,
        single=1e-3,
    ),
    whole("std", NUMBERS, reference=lambda x: np.std(x, ddof=1)),
    whole(
        "std",
        NUMBERS,
        label="dim=0",
        call=lambda f, x: f(x, 0, keepdim=True),
        reference=lambda x: np.std(x, 0, ddof=1, keepdims=True),
    ),
    whole(
        "std",
        NUMBERS,
        label="axis=1, ddof=0",
        call=lambda f, x: f(x, axis=1, ddof=0),
        reference=lambda x: np.std(x, 1),
    ),
    whole("cumsum", NUMBERS, call=lambda f, x: f(x, dim=1), reference=lambda x: x.cumsum(1)),
    whole(
        "cumsum",
        NUMBERS,
        label="axis=0",
        call=lambda f, x: f(x, axis=0),
        reference=lambda x: x.cumsum(0),
    ),
    whole("cumprod", NUMBERS, call=lambda f, x: f(x, dim=1), reference=lambda x: x.cumprod(1)),
    whole(
        "cumprod",
        ZEROS,
        label="zeros",
        call=lambda f, x: f(x, dim=1),
        reference=lambda x: x.cumprod(1),
    ),
    whole(
        "cumprod",
        (given(0.5, -2.0, 0.0, 3.0, 1.5), (5,)),
        label="one zero",
        call=lambda f, x: f(x, dim=0),
        reference=lambda x: x.cumprod(0),
    ),
    whole(
        "logsumexp",
        NUMBERS,
        call=lambda f, x: f(x, 1),
        reference=lambda x: scipy.special.logsumexp(x, 1),
    ),
    whole(
        "logsumexp",
        NUMBERS,
        label="dim=0, large",
        call=lambda f, x: f(x + 1000.0, 0, keepdim=True),
        reference=lambda x: scipy.special.logsumexp(x + 1000.0, 0, keepdims=True),
        single=1e-3,
    ),
    whole(
        "special.logsumexp",
        NUMBERS,
        call=lambda f, x: f(x, 1),
        reference=lambda x: scipy.special.logsumexp(x, 1),
    ),
    whole(
        "softmax",
        NUMBERS,
        call=lambda f, x: f(x, 1),
        reference=lambda x: scipy.special.softmax(x, 1),
    ),
    whole(
        "softmax",
        NUMBERS,
        label="dim=0",
        call=lambda f, x: f(x, dim=0),
        reference=lambda x: scipy.special.softmax(x, 0),
    ),
    whole(
        "log_softmax",
        NUMBERS,
        call=lambda f, x: f(x, -1),
        reference=lambda x: scipy.special.log_softmax(x, 1),
    ),
    whole(
        "log_softmax",
        NUMBERS,
        label="dim=0",
        call=lambda f, x: f(x, 0),
        reference=lambda x: scipy.special.log_softmax(x, 0),
    ),
    whole("sort", APART, reference=lambda x: (np.sort(x, 1), np.argsort(x, 1))),
    whole(
        "sort",
        APART,
        label="descending",
        call=lambda f, x: f(x, 0, descending=True),
        reference=lambda x: (-np.sort(-x, 0), np.argsort(-x, 0)),
    ),
    whole(
        "sort",
        APART,
        label="axis=0",
        call=lambda f, x: f(x, axis=0),
        reference=lambda x: np.sort(x, 0),
    ),
    whole("norm", NUMBERS, reference=np.linalg.norm),
    whole(
        "norm",
        NUMBERS,
        label="p=3, dim=1",
        call=lambda f, x: f(x, 3, 1),
        reference=lambda x: np.linalg.norm(x, 3, 1),
    ),
    whole(
        "norm",
        NUMBERS,
        label="p=1",
        call=lambda f, x: f(x, 1, dim=0, keepdim=True),
        reference=lambda x: np.linalg.norm(x, 1, 0, keepdims=True),
    ),
    whole(
        "norm",
        APART,
        label="p=inf",
        call=lambda f, x: f(x, np.inf, dim=1),
        reference=lambda x: np.linalg.norm(x, np.inf, 1),
    ),
)

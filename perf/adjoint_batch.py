"""Derivatives of a small function for each item of a batch, beside loops that are written by hand.

Each item has a time and its own pair of parameters: an amplitude and a rate. The model gives its
value and its slope.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

import numgrad
from perf.declare import Benchmark, Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

ITEMS = 100_000

njit = partial(numba.njit, error_model="numpy")


@numgrad.njit
def decay(p: Any, t: Any) -> Any:
    """The value."""
    return p[0] * math.exp(-p[1] * t)


@numgrad.njit
def model(p: Any, t: Any) -> Any:
    """The value and the slope."""
    out = np.empty(2)
    out[0] = p[0] * math.exp(-p[1] * t)
    out[1] = -p[1] * out[0]
    return out


@njit
def gradients_by_hand(p, t):
    out = np.empty((len(t), 2))
    for i in range(len(t)):
        e = math.exp(-p[i, 1] * t[i])
        out[i, 0] = e
        out[i, 1] = -p[i, 0] * t[i] * e
    return out


@njit
def jacobians_by_hand(p, t):
    out = np.empty((len(t), 2, 2))
    for i in range(len(t)):
        a, k = p[i, 0], p[i, 1]
        e = math.exp(-k * t[i])
        out[i, 0, 0] = e
        out[i, 0, 1] = -a * t[i] * e
        out[i, 1, 0] = -k * e
        out[i, 1, 1] = (k * t[i] - 1.0) * a * e
    return out


def benchmarks() -> Iterator[Benchmark]:
    """Gradients, dense Jacobians, and Jacobians as a sparse matrix."""
    random = np.random.default_rng(0)
    args = random.uniform(0.5, 2.0, (ITEMS, 2)), random.uniform(0.0, 3.0, ITEMS)
    programs = {
        "gradients": (numgrad.vmap(numgrad.grad(decay)), gradients_by_hand),
        "Jacobians 2x2": (numgrad.vmap(numgrad.jacobian(model)), jacobians_by_hand),
        "sparse Jacobian": (_data(numgrad.func.sparse_jacobian(model)), jacobians_by_hand),
    }
    for label, (derived, by_hand) in programs.items():
        prepare = {
            "numgrad": partial(_entry, derived, args),
            "by hand": partial(_entry, by_hand, args),
        }
        yield Benchmark(f"{label}, {ITEMS} items", prepare)


def _data(function: Any) -> Any:
    """The blocks of the matrix that a function gives."""
    return lambda *args: function(*args).data.reshape(-1, 2, 2)


def _entry(function: Any, args: Any) -> Entry:
    return Entry(lambda: function(*args), answer=lambda result: [np.asarray(result)])

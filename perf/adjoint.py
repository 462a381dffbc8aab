"""Gradients of Numba functions: beside the function itself, adjoints by hand, and other libraries.

*gradient* compares with what the function alone costs under `numba.njit`, and with the adjoint that
a person would write (`perf.adjoint_by_hand`). *beside peers* has sizes that the peers can bear; a
row a program, and a peer is absent where it cannot express one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

import numgrad
from numgrad import adjoint
from perf import adjoint_batch, adjoint_by_hand, adjoint_peers, adjoint_programs
from perf.declare import Array, Benchmark, Entry, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

PRIMAL, BY_HAND = "primal", "by hand"
WIDTH, LAYERS = 14, 2


@dataclass(frozen=True)
class Case:
    """A program with arguments, the gradient of which is asked for by those in `argnums`."""

    label: str
    name: str
    args: tuple[Any, ...]
    argnums: tuple[int, ...]


def _rk4(steps: int) -> Case:
    args = (np.array([1.0, 1.0, 1.2]), np.array([10.0, 28.0, 8.0 / 3.0]), 0.01, steps)
    return Case(f"RK4, {steps} steps", "rk4", args, (0, 1))


def _particle(seconds: float) -> Case:
    args = (10.0, 3.0, 0.05, 9.81, 1e-3, seconds)
    return Case(f"particle, {round(seconds * 1000)} steps", "particle", args, (0, 1, 2, 3))


def _determinant(n: int) -> Case:
    matrix = np.random.default_rng(0).normal(size=(n, n))
    return Case(f"determinant {n}x{n}", "determinant", (matrix, n), (0,))


def _lstm(steps: int) -> Case:
    random = np.random.default_rng(0)
    weights = random.normal(scale=0.5, size=(LAYERS, 8, WIDTH))
    ends = random.normal(scale=0.5, size=(3, WIDTH))
    start = random.normal(scale=0.1, size=(LAYERS, 2, WIDTH))
    sequence = (random.random((steps, WIDTH)) < 0.5).astype(float)
    return Case(f"LSTM, {steps} steps", "lstm", (weights, ends, start, sequence), (0, 1, 2))


def _polynomial(points: int) -> Case:
    random = np.random.default_rng(0)
    args = (random.normal(size=6), random.uniform(-1.0, 1.0, points), random.normal(size=points))
    return Case(f"polynomial, {points} points", "polynomial", args, (0,))


def _logsumexp(size: int) -> Case:
    return Case(
        f"logsumexp of {size}", "logsumexp", (np.random.default_rng(0).normal(size=size),), (0,)
    )


FULL = (
    _rk4(1000), _particle(20.0), _determinant(8), _lstm(1024), _polynomial(1000),
    _logsumexp(100_000),
)  # fmt: skip
# For each case, the peers that can express it, in the form that suits them.
SMALL: tuple[tuple[Case, Mapping[str, str]], ...] = (
    (_rk4(100), {"torch": "rk4", "autograd": "rk4", "jax": "rk4_scan"}),
    (_particle(0.5), {"torch": "particle", "autograd": "particle", "jax": "particle_scan"}),
    (_determinant(4), dict.fromkeys(("torch", "autograd", "jax"), "determinant")),
    (_lstm(64), {"torch": "lstm", "autograd": "lstm", "jax": "lstm_scan"}),
    (_polynomial(1000), dict.fromkeys(("torch", "autograd", "jax"), "polynomial")),
    (_logsumexp(100_000), dict.fromkeys(("torch", "autograd", "jax"), "logsumexp")),
)


def tables(contestants: Collection[str]) -> Iterator[Table]:
    """The programs at full size, the sampler, a batch, and programs at sizes for the peers."""
    of = "a value with its gradients, float64"
    yield Table("adjoint", "gradient", "us", of, [*_full()])
    yield Table("adjoint", "sampler", "us", "200 samples of 10 leapfrogs", [_sampler()])
    yield Table("adjoint", "batch", "us", "an item at a time", [*adjoint_batch.benchmarks()])
    peers = [name for name in ("torch", "autograd", "jax") if name in contestants]
    if peers:
        yield Table("adjoint", "beside peers", "us", of, [*_small(peers)])


def _full() -> Iterator[Benchmark]:
    for case in FULL:
        prepare = {
            "numgrad": partial(_numgrad, case),
            PRIMAL: partial(_primal, case),
            BY_HAND: partial(_by_hand, case),
        }
        yield Benchmark(case.label, prepare)


def _small(peers: Sequence[str]) -> Iterator[Benchmark]:
    for case, forms in SMALL:
        prepare = {"numgrad": partial(_numgrad, case)}
        prepare |= {peer: partial(_peer, peer, forms[peer], case) for peer in peers}
        yield Benchmark(case.label, prepare)


def _answer(result: Any) -> list[Array]:
    """A value and its gradients as float64 arrays."""
    return [np.asarray(part, np.float64) for part in result]


def _numgrad(case: Case) -> Entry:
    function = getattr(adjoint_programs, case.name)(numgrad.njit)
    differentiated = adjoint.value_and_grad(function, argnums=case.argnums)
    args = case.args
    return Entry(lambda: differentiated(*args), answer=lambda pair: _answer((pair[0], *pair[1])))


def _primal(case: Case) -> Entry:
    function, args = getattr(adjoint_programs, case.name)(numba.njit), case.args
    return Entry(lambda: function(*args), answer=lambda value: _answer([value]))


def _by_hand(case: Case) -> Entry:
    function, args = getattr(adjoint_by_hand, case.name), case.args
    return Entry(lambda: function(*args), answer=_answer)


def _peer(peer: str, form: str, case: Case) -> Entry:
    program = getattr(adjoint_peers, form)
    step = getattr(adjoint_peers, peer)(program, case.args, case.argnums)
    return Entry(step, answer=_answer)


def _sampler() -> Benchmark:
    random = np.random.default_rng(0)
    x = random.normal(size=(100, 5))
    y = (random.random(100) < 1.0 / (1.0 + np.exp(-x @ np.arange(-2.0, 3.0)))).astype(float)
    args = (np.zeros(5), x, y, random.normal(size=(200, 5)), random.random(200), 0.1, 10)

    def prepare(njit: Callable[[Any], Any], gradient_of: Callable[[Any], Any]) -> Entry:
        density = adjoint_programs.log_density(njit)
        sample = adjoint_programs.sampler(numba.njit, density, gradient_of(density))
        return Entry(lambda: sample(*args), answer=lambda mean: [mean])

    contestants = {
        "numgrad": partial(prepare, numgrad.njit, adjoint.grad),
        BY_HAND: partial(prepare, numba.njit, lambda _: adjoint_by_hand.density_gradient),
    }
    return Benchmark("logistic regression, 100x5", contestants)

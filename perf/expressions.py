"""The functions that are timed, each with its derivative by hand."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perf.declare import Array

CHAIN_BLOCKS, OPS_A_BLOCK = 4, 5


@dataclass(frozen=True)
class Expression:
    """A function of arrays, written once for every library that has NumPy's names.

    `call` takes a library's namespace (`NUMPY`, torch, numgrad, ...) and gives what is to be timed.
    `by_hand(g, *inputs)` gives the value, then the vjp of cotangent `g` for each input, as somebody
    would write it in NumPy. `operations` is how many ops one call runs.
    """

    name: str
    call: Callable[[Any], Callable[..., Any]]
    by_hand: Callable[..., tuple[Array, ...]]
    arguments: int = 1
    operations: int = 1

    def inputs(self, shape: tuple[int, ...]) -> list[Array]:
        """One float64 array an argument, the same in every run, away from the edges of log."""
        random = np.random.default_rng(0)
        return [random.uniform(0.5, 1.5, shape) for _ in range(self.arguments)]

    def seed(self, inputs: Sequence[Array]) -> Array:
        """A cotangent in the shape of the value at `inputs`."""
        value = self.call(NUMPY)(*inputs)
        return np.asarray(np.random.default_rng(1).uniform(0.5, 1.5, np.shape(value)))


def _sigmoid(x: Array) -> Array:
    value: Array = 1.0 / (1.0 + np.exp(-x))
    return value


def _relu(x: Array) -> Array:
    value: Array = np.maximum(x, 0.0)
    return value


NUMPY = SimpleNamespace(**vars(np), sigmoid=_sigmoid, relu=_relu)
"""NumPy, with the two names it lacks as they are mostly written in it."""


def _div_by_hand(g: Array, x: Array, w: Array) -> tuple[Array, ...]:
    y = x / w
    gx = g / w
    return y, gx, -gx * y


def _exp_by_hand(g: Array, x: Array) -> tuple[Array, ...]:
    y = np.exp(x)
    return y, g * y


def _tanh_by_hand(g: Array, x: Array) -> tuple[Array, ...]:
    y = np.tanh(x)
    return y, g * (1.0 - y * y)


def _sigmoid_by_hand(g: Array, x: Array) -> tuple[Array, ...]:
    y = _sigmoid(x)
    return y, g * y * (1.0 - y)


def _getitem_by_hand(g: Array, x: Array) -> tuple[Array, ...]:
    gx = np.zeros_like(x)
    gx[1:7] = g
    return x[1:7], gx


def _chain(library: Any) -> Callable[..., Any]:
    tanh, sin = library.tanh, library.sin

    def chain(x: Any, w: Any) -> Any:
        y = x
        for _ in range(CHAIN_BLOCKS):
            y = sin(tanh(y * w + x)) / w
        return y

    return chain


def _chain_by_hand(g: Array, x: Array, w: Array) -> tuple[Array, ...]:
    y = x
    saved = []
    for _ in range(CHAIN_BLOCKS):
        before = y
        t = np.tanh(y * w + x)
        y = np.sin(t) / w
        saved.append((before, t, y))
    gx, gw = np.zeros_like(x), np.zeros_like(w)
    for before, t, after in reversed(saved):
        g_sin = g / w
        gw -= g_sin * after
        g_sum = g_sin * np.cos(t) * (1.0 - t * t)
        gw += g_sum * before
        gx += g_sum
        g = g_sum * w
    return y, gx + g, gw


def _mixed(library: Any) -> Callable[..., Any]:
    tanh, exp, total = library.tanh, library.exp, library.sum
    return lambda x, w, b: total(tanh(x * w + b) * exp(-x))


def _mixed_by_hand(g: Array, x: Array, w: Array, b: Array) -> tuple[Array, ...]:
    t, e = np.tanh(x * w + b), np.exp(-x)
    product = t * e
    gb = g * e * (1.0 - t * t)
    return product.sum(), gb * w - g * product, gb * x, gb


ADD = Expression("add", lambda _: operator.add, lambda g, x, w: (x + w, g, g), arguments=2)
MUL = Expression("mul", lambda _: operator.mul, lambda g, x, w: (x * w, g * w, g * x), arguments=2)
DIV = Expression("div", lambda _: operator.truediv, _div_by_hand, arguments=2)
SQUARE = Expression("pow 2", lambda _: lambda x: x**2, lambda g, x: (x**2, g * 2.0 * x))
EXP = Expression("exp", lambda library: library.exp, _exp_by_hand)
LOG = Expression("log", lambda library: library.log, lambda g, x: (np.log(x), g / x))
TANH = Expression("tanh", lambda library: library.tanh, _tanh_by_hand)
SIN = Expression("sin", lambda library: library.sin, lambda g, x: (np.sin(x), g * np.cos(x)))
SIGMOID = Expression("sigmoid", lambda library: library.sigmoid, _sigmoid_by_hand)
RELU = Expression("relu", lambda library: library.relu, lambda g, x: (_relu(x), g * (x > 0.0)))
SUM = Expression("sum", lambda library: library.sum, lambda g, x: (x.sum(), np.full(x.shape, g)))
MATMUL = Expression(
    "matmul", lambda _: operator.matmul, lambda g, x, w: (x @ w, g @ w.T, x.T @ g), arguments=2
)
GETITEM = Expression("x[1:7]", lambda _: operator.itemgetter(slice(1, 7)), _getitem_by_hand)
RESHAPE = Expression(
    "reshape",
    lambda _: operator.methodcaller("reshape", 2, 4),
    lambda g, x: (x.reshape(2, 4), g.reshape(x.shape)),
)
CHAIN = Expression(
    f"chain of {CHAIN_BLOCKS * OPS_A_BLOCK}",
    _chain,
    _chain_by_hand,
    arguments=2,
    operations=CHAIN_BLOCKS * OPS_A_BLOCK,
)
MIXED = Expression("sum(tanh(x*w+b)*exp(-x))", _mixed, _mixed_by_hand, arguments=3)

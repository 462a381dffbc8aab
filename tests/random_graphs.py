"""Random graphs: programs that make values of values, over the library's functions and its rows.

Functions that PyTorch has by the same name are written for either library. A row of the table of
samples takes part at a point where it is smooth: `100 * (row(point + 0.01 * sin(x)) - row(point))`
moves over lengths of about 1 as x does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

import numgrad as ng
from numgrad.samples import ROWS, Row

# Leaves have few elements: each is moved on its own for finite differences.
SHAPES = [(), (1,), (3,), (2, 3), (1, 3), (2, 1), (1, 1), (2, 2), (0,), (0, 3), (2, 0), (1, 2, 1)]
# What has larger values, moves faster, or has more elements is left out of a program, as its
# differences are poor.
LARGEST, FASTEST, MOST = 20.0, 20.0, 64

Function = Callable[..., Any]

# By how many values they take; each is called with the library and these.
SMOOTH: dict[int, dict[str, Function]] = {
    1: {
        "sin": lambda lib, x: lib.sin(x),
        "cos": lambda lib, x: lib.cos(x),
        "tanh": lambda lib, x: lib.tanh(x),
        "exp": lambda lib, x: lib.exp(x),
        "expm1": lambda lib, x: lib.expm1(x * 0.5),
        "atan": lambda lib, x: lib.atan(x),
        "asinh": lambda lib, x: lib.asinh(x),
        "sigmoid": lambda lib, x: lib.sigmoid(x),
        "softplus": lambda lib, x: lib.nn.functional.softplus(x),
        "gelu": lambda lib, x: lib.nn.functional.gelu(x),
        "erf": lambda lib, x: lib.erf(x),
        "log1p": lambda lib, x: lib.log1p(x * x),
        "sqrt": lambda lib, x: lib.sqrt(x * x + 0.5),
        "rsqrt": lambda lib, x: lib.rsqrt(x * x + 0.5),
        "square": lambda lib, x: lib.square(x),
        "cube": lambda lib, x: x**3,
        "reciprocal": lambda lib, x: 1.0 / (x * x + 1.0),
        "power of a number": lambda lib, x: 1.5**x,
        "neg": lambda lib, x: -x,
        "by numbers": lambda lib, x: 2.5 - x / 3,
        "reshape": lambda lib, x: x.reshape(-1),
        "flip all": lambda lib, x: lib.flip(x, tuple(range(x.ndim))),
        "new dimension": lambda lib, x: x[None, ..., None],
        "squeeze": lambda lib, x: x.squeeze(),
        "expand": lambda lib, x: x.expand(2, *x.shape),
        "sum": lambda lib, x: x.sum(),
        "prod": lambda lib, x: x.prod(),
        "clone": lambda lib, x: lib.clone(x),
    },
    2: {
        "add": lambda lib, x, y: x + y,
        "sub": lambda lib, x, y: x - y,
        "mul": lambda lib, x, y: x * y,
        "div": lambda lib, x, y: x / (y * y + 1.0),
        "pow": lambda lib, x, y: (x * x + 0.5) ** y,
        "hypot": lambda lib, x, y: lib.hypot(x, lib.sqrt(y * y + 0.5)),
        "atan2": lambda lib, x, y: lib.atan2(x, y * y + 0.5),
        "logaddexp": lambda lib, x, y: lib.logaddexp(x, y),
        "lerp": lambda lib, x, y: lib.lerp(x, y, 0.3),
        "where": lambda lib, x, y: lib.where(_mask(lib, x), x, y),
        "matmul": lambda lib, x, y: x @ y,
        "stack": lambda lib, x, y: lib.stack([x, y, x]),
        "outer": lambda lib, x, y: lib.outer(x.reshape(-1), y.reshape(-1)),
        "einsum": lambda lib, x, y: lib.einsum("...i,...i->...", x, y),
    },
}
# Called with a dimension, too.
ALONG: dict[str, Function] = {
    "sum": lambda lib, x, dim: x.sum(dim=dim),
    "sum, kept": lambda lib, x, dim: x.sum(dim=dim, keepdim=True),
    "mean": lambda lib, x, dim: x.mean(dim=dim),
    "prod": lambda lib, x, dim: x.prod(dim=dim),
    "var": lambda lib, x, dim: lib.var(x, dim=dim, correction=0),
    "logsumexp": lambda lib, x, dim: lib.logsumexp(x, dim=dim),
    "softmax": lambda lib, x, dim: lib.softmax(x, dim=dim),
    "log_softmax": lambda lib, x, dim: lib.log_softmax(x, dim=dim),
    "cumsum": lambda lib, x, dim: lib.cumsum(x, dim=dim),
    "cumprod": lambda lib, x, dim: lib.cumprod(x, dim=dim),
    "flip": lambda lib, x, dim: lib.flip(x, (dim,)),
    "roll": lambda lib, x, dim: lib.roll(x, 1, dim),
    "to the end": lambda lib, x, dim: lib.movedim(x, dim, -1),
    "transpose": lambda lib, x, dim: lib.transpose(x, 0, dim),
    "cat": lambda lib, x, dim: lib.cat([x, x * 2], dim=dim),
    "every second": lambda lib, x, dim: lib.movedim(x, dim, 0)[::2],
    "but the first": lambda lib, x, dim: lib.movedim(x, dim, 0)[1:],
    "the last": lambda lib, x, dim: lib.movedim(x, dim, 0)[-1],
    "repeated": lambda lib, x, dim: lib.movedim(x, dim, 0)[lib.tensor([0, -1, 0])],
    "index_select": lambda lib, x, dim: lib.index_select(x, dim, lib.tensor([0, 0])),
    "unsqueeze": lambda lib, x, dim: lib.unsqueeze(x, dim),
    "diagonal": lambda lib, x, dim: lib.diagonal(x, dim - 1),
    "tril": lambda lib, x, dim: lib.tril(x, dim - 1),
}
# PyTorch does not take a tensor without dimensions here.
NOT_OF_A_NUMBER = {"roll", "index_select"}


def _mask(lib: Any, x: Any) -> Any:
    """True and false in turn."""
    return lib.tensor(np.arange(x.numel()).reshape(tuple(x.shape)) % 2 == 0)


class Step(NamedTuple):
    """A value: a name, what makes it with a library, and which values before it are taken."""

    name: str
    make: Function
    takes: tuple[int, ...]


class Program(NamedTuple):
    """Leaves and steps. All values count in the result, each element with a weight of its own."""

    leaves: list[np.ndarray[Any, Any]]
    steps: list[Step]

    def __repr__(self) -> str:
        shapes = ", ".join(str(a.shape) for a in self.leaves)
        return f"{shapes}; " + "; ".join(f"{s.name}{list(s.takes)}" for s in self.steps)

    def values(self, lib: Any, leaves: Any) -> list[Any]:
        """All values, of leaves that are tensors of the library."""
        values = list(leaves)
        for step in self.steps:
            values.append(step.make(lib, *(values[k] for k in step.takes)))
        return values

    def __call__(self, *leaves: Any, lib: Any = ng) -> Any:
        """The result, of leaves that are tensors of the library."""
        rng = np.random.default_rng(len(self.steps))
        total: Any = 0.0
        for value in self.values(lib, leaves):
            total = total + (value * lib.tensor(rng.uniform(0.5, 1.5, tuple(value.shape)))).sum()
        return total


def _of_row(row: Row, number: int) -> Function:
    """One result of a row, as a function of values that its inputs move with."""

    def call(lib: Any, *values: Any) -> Any:
        arrays = row.arrays(
            (tuple(values[0].shape),) * len(row.domains) if row.elementwise else None
        )
        moving = dict(zip(row.differentiable(), (*values, *values, *values), strict=False))
        point = [lib.tensor(a) for a in arrays]
        inputs = [
            p + 0.01 * lib.sin(_fitted(moving[k], p)) if k in moving else p
            for k, p in enumerate(point)
        ]
        results = [r for r in row(*inputs) if r.is_floating_point()]
        there = [r for r in row(*point) if r.is_floating_point()]
        k = number % len(results)
        return (results[k] - there[k]) * 100.0

    return call


def _fitted(value: Any, point: Any) -> Any:
    """Something of the point's shape that depends on a value."""
    return value if value.shape == point.shape else value.sum() + point.detach()


def _candidate(draw: Any, values: list[Any], rows: bool) -> Step:
    kinds = ["one", "two", "two", "along"] + ["row"] * 3 * rows
    kind = draw(st.sampled_from(kinds))
    # Later values are taken more often, so that graphs grow deep.
    last = len(values) - 1
    place = st.integers(0, last) | st.just(last)
    if kind == "row":
        row = draw(st.sampled_from(ROWS))
        makes = _of_row(row, draw(st.integers(0, 2)))
        return Step(str(row), makes, tuple(draw(place) for _ in range(draw(st.integers(1, 2)))))
    if kind == "along":
        name = draw(st.sampled_from(sorted(ALONG)))
        k = draw(place)
        if not values[k].ndim and name in NOT_OF_A_NUMBER:
            name = "sum"
        dim = draw(st.integers(0, max(values[k].ndim - 1, 0)))
        return Step(f"{name} {dim}", functools.partial(ALONG[name], dim=dim), (k,))
    count = 1 if kind == "one" else 2
    name = draw(st.sampled_from(sorted(SMOOTH[count])))
    return Step(name, SMOOTH[count][name], tuple(draw(place) for _ in range(count)))


@st.composite
def programs(draw: Any, *, rows: bool = False, most: int = 8) -> Program:
    """Draw a program; what does not go together is left out of it."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shapes = draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3))
    leaves = [np.asarray(rng.uniform(-1.5, 1.5, shape)) for shape in shapes]
    values = [ng.tensor(a) for a in leaves]
    moved = [ng.tensor(a + rng.uniform(-0.01, 0.01, a.shape)) for a in leaves]
    steps: list[Step] = []
    for _ in range(draw(st.integers(1, most))):
        step = _candidate(draw, values, rows)
        try:
            value, near = (step.make(ng, *(v[k] for k in step.takes)) for v in (values, moved))
        except (RuntimeError, ValueError, IndexError, TypeError):
            continue
        array, slope = value.numpy(), (near - value).numpy() * 100
        tame = np.all(np.abs(array) <= LARGEST) and np.all(np.abs(slope) <= FASTEST)
        if tame and array.size <= MOST:
            steps.append(step)
            values.append(value)
            moved.append(near)
    return Program(leaves, steps)

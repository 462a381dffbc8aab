"""Transforms: products with Hessians, Hessians, Jacobians, gradients of single samples.

Beside PyTorch's, and beside what they are made of: a gradient, a backward for each row.
"""

from __future__ import annotations

import importlib
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from perf.declare import Benchmark, Entry, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

GRADIENT = "gradient"
"""The contestant that takes one gradient; `BACKWARDS` takes one for each row."""
BACKWARDS = "backwards"

RANDOM = np.random.default_rng(0)
SAMPLES, LABELS = RANDOM.normal(size=(1000, 50)), (RANDOM.random(1000) > 0.5).astype(float)
WEIGHT, VECTOR = RANDOM.normal(size=(2, 50))
START = RANDOM.normal(size=100)
LAYER, INPUT = RANDOM.normal(size=(100, 100)) / 10, RANDOM.normal(size=100)
BATCH, WIDTH, HIDDEN, CLASSES = 256, 64, 128, 10


def tables(contestants: Collection[str]) -> Iterator[Table]:
    """One table for each figure, since their peers differ."""
    libraries = [name for name in ("numgrad", "torch") if name in contestants]
    yield Table(
        "transforms",
        "Hessian-vector product",
        "us",
        "a product; gradient: a gradient of the same loss",
        [
            Benchmark(
                "logistic regression, 1000 x 50",
                {
                    **{name: partial(_hvp, name) for name in libraries},
                    GRADIENT: partial(_gradient, "numgrad"),
                },
            )
        ],
    )
    yield Table(
        "transforms",
        "Hessian",
        "us",
        "a Hessian",
        [
            Benchmark(
                "Rosenbrock, 100 dimensions", {name: partial(_hessian, name) for name in libraries}
            )
        ],
    )
    yield Table(
        "transforms",
        "Jacobian",
        "us",
        "a Jacobian; torch: autograd.functional.jacobian",
        [
            Benchmark(
                "tanh layer, 100 x 100",
                {
                    **{name: partial(_jacobian, name) for name in libraries},
                    BACKWARDS: partial(_backwards, "numgrad"),
                },
            )
        ],
    )
    yield Table(
        "transforms",
        "per-sample gradients",
        "us",
        "gradients of a two-layer net for a batch of 256 by vmap(grad)",
        [
            Benchmark(dtype, {name: partial(_per_sample, name, dtype) for name in libraries})
            for dtype in ("float64", "float32")
        ],
    )


def _func(name: str) -> Any:
    return importlib.import_module(f"{name}.func")


def _array(t: Any) -> Any:
    return t.detach().numpy()


def _logistic(name: str) -> tuple[Callable[[Any], Any], Any, Any]:
    """The loss, where to differentiate it and in which direction."""
    library = importlib.import_module(name)
    samples, labels, weight, vector = map(library.tensor, (SAMPLES, LABELS, WEIGHT, VECTOR))
    loss = library.nn.functional.binary_cross_entropy_with_logits
    return lambda w: loss(samples @ w, labels), weight, vector


def _hvp(name: str) -> Entry:
    f, weight, vector = _logistic(name)
    func = _func(name)
    gradient = func.grad(f)
    # The gradient in the same row is another thing, so that answers are not compared.
    return Entry(lambda: func.jvp(gradient, (weight,), (vector,))[1], answer=lambda _: [])


def _gradient(name: str) -> Entry:
    f, weight, _ = _logistic(name)
    gradient = _func(name).grad(f)
    return Entry(lambda: gradient(weight), answer=lambda _: [])


def _rosenbrock(x: Any) -> Any:
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()


def _hessian(name: str) -> Entry:
    x = importlib.import_module(name).tensor(START)
    hessian = _func(name).hessian(_rosenbrock)
    return Entry(lambda: hessian(x), answer=lambda found: [_array(found)])


def _layer(name: str) -> tuple[Callable[[Any], Any], Any]:
    library = importlib.import_module(name)
    weight = library.tensor(LAYER)
    return lambda x: library.tanh(weight @ x), library.tensor(INPUT)


def _jacobian(name: str) -> Entry:
    f, x = _layer(name)
    if name == "torch":
        jacobian = importlib.import_module(name).autograd.functional.jacobian
        return Entry(lambda: jacobian(f, x), answer=lambda found: [_array(found)])
    transformed = importlib.import_module(name).jacobian(f)
    return Entry(lambda: transformed(x), answer=lambda found: [_array(found)])


def _backwards(name: str) -> Entry:
    library = importlib.import_module(name)
    f, x = _layer(name)
    x.requires_grad_()
    seeds = [library.tensor(row) for row in np.eye(len(INPUT))]

    def step() -> list[Any]:
        y = f(x)
        return [library.autograd.grad(y, x, s, retain_graph=True)[0] for s in seeds]

    return Entry(step, answer=lambda rows: [np.stack([_array(row) for row in rows])])


def _per_sample(name: str, dtype: str) -> Entry:
    library = importlib.import_module(name)
    random = np.random.default_rng(1)
    arrays = (
        random.normal(size=(HIDDEN, WIDTH)) / WIDTH**0.5, np.zeros(HIDDEN),
        random.normal(size=(CLASSES, HIDDEN)) / HIDDEN**0.5, np.zeros(CLASSES),
    )  # fmt: skip
    parameters = tuple(library.tensor(a.astype(dtype)) for a in arrays)
    samples = library.tensor(random.normal(size=(BATCH, WIDTH)).astype(dtype))
    labels = library.tensor(random.integers(0, CLASSES, BATCH))
    functional = library.nn.functional

    def loss(parameters: Any, x: Any, label: Any) -> Any:
        w, b, v, c = parameters
        hidden = library.tanh(functional.linear(x, w, b))
        return functional.cross_entropy(functional.linear(hidden, v, c), label)

    func = _func(name)
    gradients = func.vmap(func.grad(loss), in_dims=(None, 0, 0))
    return Entry(
        lambda: gradients(parameters, samples, labels),
        answer=lambda found: [_array(g) for g in found],
    )

"""What functions of networks cost, in float32: forward, and forward with backward.

NumPy is written by hand, as somebody would who has the formulas and no kernels.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from perf.declare import Benchmark, Entry, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from perf.declare import Array


@dataclass(frozen=True)
class Case:
    """A function of arrays: with PyTorch's functions, and by hand its value and gradients.

    `call(F, x, ...)` takes the module of functions; `by_hand(g, x, ...)` a cotangent. Shapes are
    those of the inputs that require gradients; `labels` counts the classes of one more that does
    not.
    """

    name: str
    shapes: tuple[tuple[int, ...], ...]
    call: Callable[..., Any]
    by_hand: Callable[..., tuple[Array, ...]]
    labels: int = 0

    def inputs(self) -> tuple[list[Array], list[Any]]:
        """Inputs with gradients, and those without."""
        random = np.random.default_rng(0)
        arrays = [random.normal(size=shape).astype(np.float32) for shape in self.shapes]
        count = self.shapes[0][0]
        return arrays, [random.integers(self.labels, size=count)] if self.labels else []

    def cotangent(self) -> Array:
        """A cotangent for the value, the same in every run."""
        arrays, rest = self.inputs()
        value, *_ = self.by_hand(arrays[0], *arrays, *rest)
        seed = np.random.default_rng(1).uniform(0.5, 1.5, np.shape(value))
        return np.asarray(seed, np.float32)


def tables(contestants: Collection[str]) -> Iterator[Table]:
    """Forward, then forward and backward."""
    present = [name for name in ("numgrad", "numpy", "torch") if name in contestants]
    for backward in (False, True):
        benchmarks = [
            Benchmark(case.name, {name: partial(_entry, name, case, backward) for name in present})
            for case in CASES
        ]
        name = "forward+backward" if backward else "forward"
        yield Table("networks", name, "us", "a call, float32", benchmarks)


def _entry(name: str, case: Case, backward: bool) -> Entry:
    if name == "numpy":
        return _by_hand(case, backward)
    library = importlib.import_module(name)
    functional = importlib.import_module(f"{name}.nn.functional")
    arrays, rest = case.inputs()
    leaves = [library.tensor(array, requires_grad=backward) for array in arrays]
    constants = [library.tensor(array) for array in rest]
    cotangent = library.tensor(case.cotangent())

    def forward() -> Any:
        return case.call(functional, *leaves, *constants)

    def step() -> Any:
        for leaf in leaves:
            leaf.grad = None
        forward().backward(cotangent)

    if backward:
        return Entry(step, answer=lambda _: [leaf.grad.numpy() for leaf in leaves])
    return Entry(forward, answer=lambda value: [value.numpy()])


def _by_hand(case: Case, backward: bool) -> Entry:
    arrays, rest = case.inputs()
    step = partial(case.by_hand, case.cotangent(), *arrays, *rest)
    return Entry(step, answer=lambda found: found[1:] if backward else found[:1])


def _softmax(x: Array) -> Array:
    share: Array = np.exp(x - x.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    return share


def _softmax_by_hand(g: Array, x: Array) -> tuple[Array, ...]:
    share = _softmax(x)
    return share, share * (g - (g * share).sum(axis=1, keepdims=True))


def _cross_entropy_by_hand(g: Array, x: Array, labels: Any) -> tuple[Array, ...]:
    share, rows = _softmax(x), np.arange(len(x))
    loss = -np.log(share[rows, labels]).mean()
    share[rows, labels] -= 1
    share *= g / np.float32(len(x))
    return loss, share


def _layer_norm_by_hand(g: Array, x: Array, w: Array, b: Array) -> tuple[Array, ...]:
    centred = x - x.mean(axis=1, keepdims=True)
    scale = 1 / np.sqrt((centred * centred).mean(axis=1, keepdims=True) + np.float32(1e-5))
    normal = centred * scale
    along = g * w
    slope = (along * normal).mean(axis=1, keepdims=True)
    gx = (along - along.mean(axis=1, keepdims=True) - normal * slope) * scale
    g = np.broadcast_to(g, x.shape)
    return normal * w + b, gx, (g * normal).sum(axis=0), g.sum(axis=0)


def _silu_by_hand(g: Array, x: Array) -> tuple[Array, ...]:
    s = 1 / (1 + np.exp(-x))
    return x * s, g * s * (1 + x * (1 - s))


def _mse_by_hand(g: Array, x: Array, y: Array) -> tuple[Array, ...]:
    difference = x - y
    gx = difference * (g * np.float32(2 / x.size))
    return (difference * difference).mean(), gx, -gx


def _shapes(*sizes: int) -> str:
    return "x".join(map(str, sizes))


def _cases(rows: int, columns: int) -> Sequence[Case]:
    shape = (rows, columns)
    label = _shapes(*shape)
    return (
        Case(f"softmax {label}", (shape,), lambda f, x: f.softmax(x, 1), _softmax_by_hand),
        Case(
            f"cross_entropy {label}",
            (shape,),
            lambda f, x, y: f.cross_entropy(x, y),
            _cross_entropy_by_hand,
            labels=columns,
        ),
        Case(
            f"layer_norm {label}",
            (shape, (columns,), (columns,)),
            lambda f, x, w, b: f.layer_norm(x, (columns,), w, b),
            _layer_norm_by_hand,
        ),
        Case(f"silu {label}", (shape,), lambda f, x: f.silu(x), _silu_by_hand),
        Case(f"mse_loss {label}", (shape, shape), lambda f, x, y: f.mse_loss(x, y), _mse_by_hand),
    )


CASES = (*_cases(64, 10), *_cases(128, 1000), *_cases(256, 1024))

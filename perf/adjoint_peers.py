"""The programs of `perf.adjoint_programs` for libraries that record or trace array code.

They say the same in whole arrays and without writing into them, which is how these libraries are
used. `numpy` is the library's module; a loop is Python's, or JAX's `scan` with a known number of
trips, since reverse mode through JAX's `while_loop` does not exist.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perf.declare import Array


def _lorenz(numpy: Any, y: Any, p: Any) -> Any:
    parts = (p[0] * (y[1] - y[0]), y[0] * (p[1] - y[2]) - y[1], y[0] * y[1] - p[2] * y[2])
    return numpy.stack(parts)


def _rk4_step(numpy: Any, y: Any, p: Any, h: float) -> Any:
    k1 = _lorenz(numpy, y, p)
    k2 = _lorenz(numpy, y + 0.5 * h * k1, p)
    k3 = _lorenz(numpy, y + 0.5 * h * k2, p)
    k4 = _lorenz(numpy, y + h * k3, p)
    return y + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)


def rk4(numpy: Any, y: Any, p: Any, h: float, steps: int) -> Any:
    for _ in range(steps):
        y = _rk4_step(numpy, y, p, h)
    return (y * y).sum()


def rk4_scan(numpy: Any, y: Any, p: Any, h: float, steps: int) -> Any:
    scan = importlib.import_module("jax.lax").scan
    y, _ = scan(lambda y, _: (_rk4_step(numpy, y, p, h), None), y, length=steps)
    return (y * y).sum()


def particle(numpy: Any, x: Any, v: Any, drag: Any, g: Any, dt: float, until: float) -> Any:
    t, energy = 0.0, 0.0
    while t < until:
        a = -g - drag * v * numpy.abs(v)
        v = v + dt * a
        x = x + dt * v
        if x < 0.0:
            x = -0.9 * x
            v = -0.8 * v
            energy = energy + v * v
        t = t + dt
    return x * x + energy


def particle_scan(numpy: Any, x: Any, v: Any, drag: Any, g: Any, dt: float, until: float) -> Any:
    scan = importlib.import_module("jax.lax").scan
    trips, t = 0, 0.0
    while t < until:
        trips, t = trips + 1, t + dt

    def step(state: Any, _: Any) -> Any:
        x, v, energy = state
        v = v + dt * (-g - drag * v * numpy.abs(v))
        x = x + dt * v
        below = x < 0.0
        x, v = numpy.where(below, -0.9 * x, x), numpy.where(below, -0.8 * v, v)
        return (x, v, energy + numpy.where(below, v * v, 0.0)), None

    (x, _, energy), _ = scan(step, (x, v, 0.0), length=trips)
    return x * x + energy


def determinant(numpy: Any, a: Any, n: int) -> Any:
    if n == 1:
        return a[0, 0]
    total, sign = 0.0, 1.0
    for j in range(n):
        minor = numpy.concatenate((a[1:, :j], a[1:, j + 1 :]), 1)
        total = total + sign * a[0, j] * determinant(numpy, minor, n - 1)
        sign = -sign
    return total


def _cell(numpy: Any, w: Any, x: Any, hidden: Any, cell: Any) -> tuple[Any, Any]:
    forget = 1.0 / (1.0 + numpy.exp(-(x * w[0] + w[4])))
    enter = 1.0 / (1.0 + numpy.exp(-(hidden * w[1] + w[5])))
    leave = 1.0 / (1.0 + numpy.exp(-(x * w[2] + w[6])))
    change = numpy.tanh(hidden * w[3] + w[7])
    cell = cell * forget + enter * change
    return leave * numpy.tanh(cell), cell


def _lstm_step(numpy: Any, weights: Any, ends: Any, states: Any, seen: Any, after: Any) -> Any:
    """New states, and what one step adds to the log likelihood."""
    x, new = seen * ends[0], []
    for k, (hidden, cell) in enumerate(states):
        new.append(_cell(numpy, weights[k], x, hidden, cell))
        x = new[-1][0]
    y = x * ends[1] + ends[2]
    return new, (after * (y - numpy.log(numpy.exp(y).sum() + 2.0))).sum()


def _states(start: Any) -> list[tuple[Any, Any]]:
    return [(start[k, 0], start[k, 1]) for k in range(start.shape[0])]


def lstm(numpy: Any, weights: Any, ends: Any, start: Any, sequence: Any) -> Any:
    states, total = _states(start), 0.0
    for t in range(sequence.shape[0] - 1):
        states, added = _lstm_step(numpy, weights, ends, states, sequence[t], sequence[t + 1])
        total = total + added
    return total


def lstm_scan(numpy: Any, weights: Any, ends: Any, start: Any, sequence: Any) -> Any:
    scan = importlib.import_module("jax.lax").scan

    def step(states: Any, pair: Any) -> Any:
        return _lstm_step(numpy, weights, ends, states, *pair)

    _, added = scan(step, _states(start), (sequence[:-1], sequence[1:]))
    return added.sum()


def polynomial(_numpy: Any, coefficients: Any, x: Any, y: Any) -> Any:
    value = 0.0 * x
    for k in range(coefficients.shape[0] - 1, -1, -1):
        value = value * x + coefficients[k]
    return ((value - y) ** 2).sum()


def logsumexp(numpy: Any, a: Any) -> Any:
    top = a.max()
    return top + numpy.log(numpy.exp(a - top).sum())


Step = "Callable[[], Sequence[Array]]"


def torch(program: Callable[..., Any], args: Sequence[Any], argnums: Sequence[int]) -> Any:
    """Forward and backward, eager; gives a function without arguments."""
    library = importlib.import_module("torch")
    leaves = [library.tensor(args[n], dtype=library.float64) for n in argnums]
    given = [library.tensor(a) if isinstance(a, np.ndarray) else a for a in args]
    for n, leaf in zip(argnums, leaves, strict=True):
        given[n] = leaf.requires_grad_()

    def step() -> list[Array]:
        value = program(library, *given)
        found = library.autograd.grad(value, leaves)
        return [value.detach().numpy(), *(g.numpy() for g in found)]

    return step


def autograd(program: Callable[..., Any], args: Sequence[Any], argnums: Sequence[int]) -> Any:
    """`value_and_grad` of HIPS autograd."""
    numpy = importlib.import_module("autograd.numpy")
    given = [float(a) if isinstance(a, float) else a for a in args]
    differentiated = importlib.import_module("autograd").value_and_grad(
        lambda *args: program(numpy, *args), argnum=tuple(argnums)
    )

    def step() -> list[Array]:
        value, found = differentiated(*given)
        return [value, *found]

    return step


def jax(program: Callable[..., Any], args: Sequence[Any], argnums: Sequence[int]) -> Any:
    """`value_and_grad` of JAX, compiled; compiling is not timed."""
    library = importlib.import_module("jax")
    library.config.update("jax_enable_x64", True)
    numpy = importlib.import_module("jax.numpy")
    leaves = [library.device_put(args[n]) for n in argnums]

    def function(*leaves: Any) -> Any:
        given = list(args)
        for n, leaf in zip(argnums, leaves, strict=True):
            given[n] = leaf
        return program(numpy, *given)

    places = tuple(range(len(leaves)))
    compiled = library.jit(library.value_and_grad(function, argnums=places))

    def step() -> list[Array]:
        value, found = library.block_until_ready(compiled(*leaves))
        return [value, *found]

    return step

"""The training step of `perf.training`, as the users of each library write it.

Every step ends with parameters that Adam has moved; those are compared. autograd, mygrad and NumPy
bring no Adam and share the one written here.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from perf.declare import Array, Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

LEARNING_RATE, BETA_1, BETA_2, EPSILON = 1e-3, 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Network:
    """A network of linear layers with relu between them, and a batch of labelled examples."""

    sizes: tuple[int, ...]
    batch: int
    dtype: str = "float64"

    def __str__(self) -> str:
        return f"{'-'.join(map(str, self.sizes))}, batch {self.batch}, {self.dtype}"

    def parameters(self) -> list[Array]:
        """Weight and bias of each layer."""
        random = np.random.default_rng(0)
        arrays: list[Array] = []
        for fan_in, fan_out in pairwise(self.sizes):
            arrays += [random.normal(0.0, fan_in**-0.5, (fan_in, fan_out)), np.zeros(fan_out)]
        return [array.astype(self.dtype) for array in arrays]

    def examples(self) -> tuple[Array, npt.NDArray[np.int64]]:
        """Inputs and labels."""
        random = np.random.default_rng(1)
        inputs = random.normal(size=(self.batch, self.sizes[0])).astype(self.dtype)
        return inputs, random.integers(self.sizes[-1], size=self.batch)


class Adam:
    """Adam with PyTorch's defaults, moving NumPy arrays in place."""

    def __init__(self, parameters: Sequence[Array]) -> None:
        self.parameters = parameters
        self.means = [np.zeros_like(parameter) for parameter in parameters]
        self.squares = [np.zeros_like(parameter) for parameter in parameters]
        self.steps = 0

    def step(self, gradients: Sequence[Array]) -> None:
        """Move every parameter against its gradient."""
        self.steps += 1
        rate = LEARNING_RATE / (1.0 - BETA_1**self.steps)
        correction = (1.0 - BETA_2**self.steps) ** 0.5
        for parameter, gradient, mean, square in zip(
            self.parameters, gradients, self.means, self.squares, strict=True
        ):
            mean[...] = BETA_1 * mean + (1.0 - BETA_1) * gradient
            square[...] = BETA_2 * square + (1.0 - BETA_2) * gradient * gradient
            move = rate * mean / (np.sqrt(square) / correction + EPSILON)
            np.subtract(parameter, move, out=parameter)


def layers(parameters: Sequence[Any]) -> list[tuple[Any, Any]]:
    """The weight and bias of each layer, out of the flat list."""
    return list(zip(parameters[::2], parameters[1::2], strict=True))


def torch_like(name: str, network: Network) -> Entry:
    """numgrad and PyTorch: the loop of PyTorch's tutorials."""
    library = importlib.import_module(name)
    cross_entropy = library.nn.functional.cross_entropy
    inputs, labels = map(library.tensor, network.examples())
    parameters = [library.tensor(array, requires_grad=True) for array in network.parameters()]
    optimizer = library.optim.Adam(parameters, lr=LEARNING_RATE)
    *hidden, (last_weight, last_bias) = layers(parameters)

    def step() -> None:
        optimizer.zero_grad()
        activations = inputs
        for weight, bias in hidden:
            activations = library.relu(activations @ weight + bias)
        cross_entropy(activations @ last_weight + last_bias, labels).backward()
        optimizer.step()

    return Entry(step, answer=lambda _: [parameter.detach().numpy() for parameter in parameters])


def by_hand(network: Network) -> Entry:
    """NumPy, backward pass written out."""
    inputs, labels = network.examples()
    parameters = network.parameters()
    weights, biases = parameters[::2], parameters[1::2]
    rows = np.arange(network.batch)
    optimizer = Adam(parameters)

    def step() -> None:
        activations = [inputs]
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            activations.append(np.maximum(activations[-1] @ weight + bias, 0.0))
        logits = activations[-1] @ weights[-1] + biases[-1]
        # The cotangent of the mean cross entropy: softmax minus the labelled corner.
        g = np.exp(logits - logits.max(axis=1, keepdims=True))
        g /= g.sum(axis=1, keepdims=True)
        g[rows, labels] -= 1.0
        g /= network.batch
        gradients = [activations[-1].T @ g, g.sum(axis=0)]
        for layer in reversed(range(len(weights) - 1)):
            g = (g @ weights[layer + 1].T) * (activations[layer + 1] > 0.0)
            gradients[:0] = [activations[layer].T @ g, g.sum(axis=0)]
        optimizer.step(gradients)

    return Entry(step, answer=lambda _: parameters)


def hips_autograd(network: Network) -> Entry:
    """autograd: the loss as a function of the list of parameters."""
    numpy = importlib.import_module("autograd.numpy")
    loss_and_gradients = importlib.import_module("autograd").value_and_grad(
        partial(_functional_loss, numpy, *network.examples())
    )
    parameters = network.parameters()
    optimizer = Adam(parameters)

    def step() -> None:
        _, gradients = loss_and_gradients(parameters)
        optimizer.step(gradients)

    return Entry(step, answer=lambda _: parameters)


def mygrad(network: Network) -> Entry:
    """mygrad, with the loss and activation of its `nnet`."""
    library = importlib.import_module("mygrad")
    relu = importlib.import_module("mygrad.nnet.activations").relu
    cross_entropy = importlib.import_module("mygrad.nnet.losses").softmax_crossentropy
    inputs, labels = network.examples()
    parameters = [library.tensor(array) for array in network.parameters()]
    optimizer = Adam([parameter.data for parameter in parameters])
    *hidden, (last_weight, last_bias) = layers(parameters)

    def step() -> None:
        activations = inputs
        for weight, bias in hidden:
            activations = relu(activations @ weight + bias)
        cross_entropy(activations @ last_weight + last_bias, labels).backward()
        optimizer.step([parameter.grad for parameter in parameters])

    return Entry(step, answer=lambda _: optimizer.parameters)


def jax(network: Network) -> Entry:
    """JAX: the whole step, Adam included, as one compiled function of parameters and state."""
    library = importlib.import_module("jax")
    numpy = importlib.import_module("jax.numpy")
    gradients_of = library.grad(partial(_functional_loss, numpy, *network.examples()))

    @library.jit
    def updated(parameters: Any, means: Any, squares: Any, steps: Any) -> Any:
        steps += 1
        correction_1, correction_2 = 1.0 - BETA_1**steps, 1.0 - BETA_2**steps
        gradients = gradients_of(parameters)
        new_means = [BETA_1 * m + (1.0 - BETA_1) * g for m, g in zip(means, gradients, strict=True)]
        new_squares = [
            BETA_2 * s + (1.0 - BETA_2) * g * g for s, g in zip(squares, gradients, strict=True)
        ]
        new_parameters = [
            p - LEARNING_RATE * (m / correction_1) / (numpy.sqrt(s / correction_2) + EPSILON)
            for p, m, s in zip(parameters, new_means, new_squares, strict=True)
        ]
        return new_parameters, new_means, new_squares, steps

    start = network.parameters()
    zeros = [np.zeros_like(array) for array in start]
    state = library.device_put((start, zeros, zeros, 0))

    def step() -> None:
        nonlocal state
        state = library.block_until_ready(updated(*state))

    return Entry(step, answer=lambda _: [np.asarray(array) for array in state[0]])


def _functional_loss(
    numpy: Any,
    inputs: Array,
    labels: npt.NDArray[np.int64],
    parameters: Sequence[Any],
) -> Any:
    """Mean cross entropy, in functions that every NumPy lookalike has."""
    *hidden, (last_weight, last_bias) = layers(parameters)
    activations: Any = inputs
    for weight, bias in hidden:
        activations = numpy.maximum(activations @ weight + bias, 0.0)
    logits = activations @ last_weight + last_bias
    shifted = logits - numpy.max(logits, axis=1, keepdims=True)
    normalizer = numpy.log(numpy.sum(numpy.exp(shifted), axis=1))
    return numpy.mean(normalizer - shifted[np.arange(len(labels)), labels])


STEPS: Mapping[str, Callable[[Network], Entry]] = {
    "numgrad": partial(torch_like, "numgrad"),
    "numpy": by_hand,
    "torch": partial(torch_like, "torch"),
    "autograd": hips_autograd,
    "mygrad": mygrad,
    "jax": jax,
}
"""By the names of the contestants."""

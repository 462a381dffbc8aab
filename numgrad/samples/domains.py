"""Where the inputs of samples come from.

A domain draws an array of any shape, far enough from kinks and poles for finite differences: what
is within 0.02 of an input is as smooth as the input itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]
Shape: TypeAlias = tuple[int, ...]
Domain: TypeAlias = Callable[[np.random.Generator, Shape], Array]


def between(low: float, high: float) -> Domain:
    """Numbers spread evenly between two."""
    return lambda rng, shape: np.asarray(rng.uniform(low, high, shape))


def signed(low: float, high: float) -> Domain:
    """Numbers of either sign, with magnitudes between two."""
    return lambda rng, shape: np.asarray(
        rng.uniform(low, high, shape) * rng.choice([-1.0, 1.0], shape)
    )


def steps(offset: float, low: int = -3, high: int = 3) -> Domain:
    """Integers plus an offset, and at most 0.1 more or less.

    Two of these whose offsets differ by 0.5 never meet, nor do they meet integers for offsets
    of 0.3 or 0.7.
    """
    return lambda rng, shape: np.asarray(
        rng.integers(low, high, shape) + rng.uniform(offset - 0.1, offset + 0.1, shape)
    )


def distinct(rng: np.random.Generator, shape: Shape) -> Array:
    """Numbers around 0 in random order, no two of them closer than 0.3."""
    n = int(np.prod(shape))
    numbers = (rng.permutation(n) - n / 2) * 0.5 + rng.uniform(-0.1, 0.1, n)
    return np.asarray(numbers.reshape(shape))


def with_zeros(*positions: int) -> Domain:
    """Numbers of either sign, exact zeros at the given positions in row-major order."""

    def domain(rng: np.random.Generator, shape: Shape) -> Array:
        numbers = signed(0.5, 1.5)(rng, shape)
        numbers.flat[list(positions)] = 0.0
        return numbers

    return domain


def increasing(rng: np.random.Generator, shape: Shape) -> Array:
    """Numbers in ascending order, about 1 apart."""
    return np.asarray(np.arange(shape[0]) + rng.uniform(-0.3, 0.3, shape))


def matrix(rng: np.random.Generator, shape: Shape) -> Array:
    """Square matrices far from singular, their singular values apart."""
    n = shape[-1]
    return np.asarray(rng.uniform(-0.5, 0.5, shape) + np.diag(np.arange(1.0, n + 1)) * 1.5)


def integers(low: int, high: int) -> Domain:
    """Integers, the upper bound excluded."""
    return lambda rng, shape: np.asarray(rng.integers(low, high, shape))


def permutations(rng: np.random.Generator, shape: Shape) -> Array:
    """Indices along the last dimension, each once in random order."""
    return rng.permuted(np.broadcast_to(np.arange(shape[-1]), shape), axis=-1)


def booleans(rng: np.random.Generator, shape: Shape) -> Array:
    """True and False alternating, either first."""
    n = int(np.prod(shape))
    return np.asarray((np.arange(n) + rng.integers(2)) % 2 == 0).reshape(shape)


def given(*values: Any) -> Domain:
    """The given numbers or rows, whatever the shape asked for."""
    return lambda _, shape: np.array(values).reshape(shape)

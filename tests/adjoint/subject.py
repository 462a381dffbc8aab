"""What is tested: gradients from generated code, which is interpreted or compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import adjoint, errors
from tests.adjoint import oracle

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.adjoint.programs import Program

REFUSED = (errors.LanguageError,)

Numbers = tuple[np.ndarray, np.ndarray]


def flat(value: Any) -> np.ndarray:
    """All numbers of a result, in order."""
    if value is None:
        return np.zeros(0)
    if isinstance(value, tuple):
        return np.concatenate([np.zeros(0), *map(flat, value)])
    return np.asarray(value, float).ravel()


def seeded(value: Any, seeds: Iterator[float]) -> Any:
    """Seeds in the form of a result; those of integers do not count."""
    if isinstance(value, tuple):
        return tuple(seeded(v, seeds) for v in value)
    if isinstance(value, np.ndarray):
        return np.array([next(seeds) for _ in range(value.size)]).reshape(value.shape)
    seed = next(seeds)
    return seed if isinstance(value, (float, np.floating)) else None


def gradient(function: Any, args: Sequence[Any], argnums: Any, seeds: Sequence[float]) -> Numbers:
    """All numbers of the result, and of the gradient of their seeded sum."""
    plain = adjoint.njit(function).py_func(*map(oracle.copied, args))
    seed = seeded(plain, iter(seeds))
    pull = adjoint.vjp(adjoint.njit(function), argnums=argnums)
    value, gradients = pull(seed, *map(oracle.copied, args))
    return flat(value), flat(gradients)


def compiled(program: Program, seeds: Sequence[float]) -> Numbers:
    """The result and the gradient of a program, compiled by Numba."""
    plain = program.load(lambda f: f)(*program.args())
    pull = adjoint.vjp(program.load(adjoint.njit), argnums=program.argnums)
    value, gradients = pull(seeded(plain, iter(seeds)), *program.args())
    return flat(value), flat(gradients)


def interpreted(program: Program, seeds: Sequence[float]) -> Numbers:
    """The same, from generated code that the plain interpreter runs."""
    with adjoint.interpreted():
        return compiled(program, seeds)

"""Every construct of the language: gradients, tangents and Hessians are those of the oracle."""

from __future__ import annotations

import numpy as np
import pytest

from numgrad import adjoint
from tests.adjoint import oracle, subject
from tests.adjoint.array_constructs import CONSTRUCTS
from tests.adjoint.programs import difference

COMPILED = pytest.mark.filterwarnings("ignore::numba.core.errors.NumbaPerformanceWarning")
CASES = pytest.mark.parametrize("construct", CONSTRUCTS, ids=lambda c: c.name)
SINGLE = 2e-5
"""What float32 leaves, relative to the largest entry."""


def argnums_of(args):
    return tuple(n for n, a in enumerate(args) if oracle.is_float(a))


def tolerance(construct):
    single = any(getattr(a, "dtype", None) == np.float32 for a in construct.args)
    return SINGLE if single else construct.tolerance


def expected(construct):
    """Seeds, and the gradient by them."""
    values = oracle.values(construct.function, construct.args)
    seeds = list(np.random.default_rng(1).uniform(0.5, 1.5, len(values)))
    argnums = argnums_of(construct.args)
    return values, seeds, oracle.gradient(construct.function, construct.args, argnums, seeds)


@CASES
@COMPILED
def test_gradients(construct):
    values, seeds, wanted = expected(construct)
    argnums = argnums_of(construct.args)
    value, found = subject.gradient(construct.function, construct.args, argnums, seeds)
    assert difference(value, values) < tolerance(construct)
    assert difference(found, wanted) < tolerance(construct)


@CASES
def test_tangents(construct):
    """A tangent and a cotangent agree on the number between them."""
    _, seeds, wanted = expected(construct)
    rng = np.random.default_rng(2)
    argnums = argnums_of(construct.args)
    tangents = [tangent_of(a, rng) if oracle.is_float(a) else None for a in construct.args]
    with adjoint.interpreted():
        function = adjoint.njit(construct.function)
        args = tuple(map(oracle.copied, construct.args))
        _, out = adjoint.jvp(function, args, tuple(tangents))
    along = np.concatenate([subject.flat(tangents[k]) for k in argnums])
    scale = max(1.0, np.abs(wanted).max())
    assert abs(subject.flat(out) @ weights(out, seeds) - along @ wanted) < scale * tolerance(
        construct
    )


def weights(out, seeds):
    """The seeds of the results that have tangents."""
    assert len(subject.flat(out)) == len(seeds)
    return np.array(seeds)


def tangent_of(argument, rng):
    if isinstance(argument, tuple):
        items = [tangent_of(a, rng) for a in argument]
        return type(argument)(*items) if hasattr(argument, "_fields") else tuple(items)
    if isinstance(argument, np.ndarray):
        return rng.uniform(-1, 1, argument.shape).astype(argument.dtype)
    return float(rng.uniform(-1, 1))

"""Derivatives of any function of tensors against finite differences, in first and second order."""

from __future__ import annotations

import numpy as np

import numgrad as ng
from numgrad import check


def results_of(f, *inputs):
    """Results of a function, one or several, as a list."""
    out = f(*inputs)
    return list(out) if isinstance(out, tuple) else [out]


def assert_derivatives(f, *arrays, tolerance=1e-7, second=True):
    """Compare gradients of weighted results, and the gradients of these, with differences."""
    rng = np.random.default_rng(5)
    everywhere = range(len(arrays))

    def values(*args):
        with ng.no_grad():
            return [r.numpy() for r in results_of(f, *map(ng.tensor, args))]

    def gradients(*args, create_graph=False):
        leaves = [ng.tensor(a, requires_grad=True) for a in args]
        results = results_of(f, *leaves)
        return leaves, check.grad(results, leaves, seeds, create_graph=create_graph)

    def first(*args):
        return [g.numpy() for g in gradients(*args)[1]]

    seeds = [rng.uniform(0.5, 1.5, v.shape) for v in values(*arrays)]
    exact = first(*arrays)
    assert check.worst(exact, check.differences(values, arrays, everywhere, seeds)) < tolerance
    if second:
        weights = [rng.uniform(0.5, 1.5, a.shape) for a in arrays]
        leaves, found = gradients(*arrays, create_graph=True)
        exact = [h.numpy() for h in check.grad(found, leaves, weights)]
        numeric = check.differences(first, arrays, everywhere, weights)
        assert check.worst(exact, numeric) < tolerance


def gradient(f, *arrays, seed=None):
    """The gradients of the sum of a function's result, or with a seed, as arrays."""
    leaves = [ng.tensor(a, requires_grad=True) for a in arrays]
    out = f(*leaves)
    seed = np.ones(out.shape) if seed is None else seed
    return [g.numpy() for g in ng.autograd.grad(out, leaves, seed)]


def hessian_times(f, array, weight):
    """The gradient of the weighted gradient of the sum of a function's result."""
    x = ng.tensor(array, requires_grad=True)
    (g,) = ng.autograd.grad(f(x).sum(), x, create_graph=True)
    (h,) = ng.autograd.grad(g, x, weight)
    return h.numpy()

"""Gradients of functions of one tensor or several, as arrays."""

from __future__ import annotations

import numpy as np

import numgrad as ng


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

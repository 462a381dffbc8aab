"""The four ways to second derivatives: reverse and forward mode, over reverse and forward mode."""

from __future__ import annotations

import numpy as np

import numgrad as ng
from numgrad.autograd import forward_ad


def floating(results):
    """Results of a function, one or several, that can have derivatives."""
    results = results if isinstance(results, (tuple, list)) else (results,)
    return [r for r in results if r.is_floating_point()]


def differences(f, x, step=1e-5):
    """Jacobian of a function of one vector by central differences."""
    columns = [(f(x + e) - f(x - e)) / (2 * step) for e in step * np.eye(len(x))]
    return np.stack(columns, -1)


def drawn(generator, arrays, positions):
    """Numbers like the arrays at some positions; ones without a generator."""
    return {
        k: np.ones_like(arrays[k])
        if generator is None
        else generator.uniform(0.5, 1.5, arrays[k].shape).astype(arrays[k].dtype)
        for k in positions
    }


def hessian_products(f, arrays, positions, generator=None):
    """Products of a Hessian with a vector: three vectors, and each of them and a fourth weighed.

    The Hessian is that of a weighted sum of all results in the inputs at these positions. Gives the
    products by reverse over reverse, forward over reverse and reverse over forward mode, and what
    another vector gives with them and, last, by forward over forward mode.
    """
    v, u = (drawn(generator, arrays, positions) for _ in range(2))
    outputs = floating(f(*map(ng.tensor, arrays)))
    weights = list(drawn(generator, [o.numpy() for o in outputs], range(len(outputs))).values())

    def loss(*xs):
        return sum((o * ng.tensor(w)).sum() for o, w in zip(floating(f(*xs)), weights, strict=True))

    def leaves():
        return [ng.tensor(a, requires_grad=k in positions) for k, a in enumerate(arrays)]

    def gradients(y, inputs, *, create_graph=False):
        if not isinstance(y, ng.Tensor) or not y.requires_grad:
            return [ng.zeros_like(x) for x in inputs]
        return ng.autograd.grad(
            y, inputs, create_graph=create_graph, allow_unused=True, materialize_grads=True
        )

    def duals(tensors, directions):
        return [
            forward_ad.make_dual(t, ng.tensor(directions[k])) if k in positions else t
            for k, t in enumerate(tensors)
        ]

    def tangent(t, like):
        found = forward_ad.unpack_dual(t).tangent if isinstance(t, ng.Tensor) else None
        return ng.zeros_like(like) if found is None else found

    xs = leaves()
    inputs = [xs[k] for k in positions]
    first = gradients(loss(*xs), inputs, create_graph=True)
    along = sum((g * ng.tensor(v[k])).sum() for g, k in zip(first, positions, strict=True))
    reverse_reverse = gradients(along, inputs)

    with forward_ad.dual_level():
        xs = duals(leaves(), v)
        first = gradients(loss(*xs), [xs[k] for k in positions])
        forward_reverse = [tangent(g, g.detach()) for g in first]

    xs = leaves()
    with forward_ad.dual_level():
        along = tangent(loss(*duals(xs, v)), ng.zeros(()))
    reverse_forward = gradients(along, [xs[k] for k in positions])

    with forward_ad.dual_level():
        xs = duals(leaves(), v)
        with forward_ad.dual_level():
            inner = tangent(loss(*duals(xs, u)), ng.zeros(()))
        forward_forward = tangent(inner, ng.zeros(())).item()

    products = [
        np.concatenate([np.ravel(x.detach().numpy()) for x in product])
        for product in (reverse_reverse, forward_reverse, reverse_forward)
    ]
    other = np.concatenate([u[k].ravel() for k in positions])
    return products, [*(float(other @ p) for p in products), forward_forward]

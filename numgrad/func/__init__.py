"""Transforms of functions: derivatives and maps, as functions of functions.

They compose in any order and to any depth, take trees (dicts, lists, tuples, named tuples,
dataclasses) as arguments and results, leave every `.grad` alone, and take arrays for tensors, in
which case they give arrays.

>>> import numgrad as ng
>>> energy = lambda x: 0.5 * (x @ x)
>>> ng.func.grad(energy)(ng.tensor([1.0, 2.0]))
tensor([1., 2.])
"""

from __future__ import annotations

from numgrad.func.forward import jvp, linearize
from numgrad.func.jacobians import hessian, jacfwd, jacobian, jacrev
from numgrad.func.products import hvp, vhp
from numgrad.func.reverse import grad, grad_and_value, value_and_grad, vjp
from numgrad.func.sparse import sparse_jacobian
from numgrad.func.vmap import vmap
from numgrad.pytree import tree_flatten, tree_map

__all__ = [
    "grad",
    "grad_and_value",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jvp",
    "linearize",
    "sparse_jacobian",
    "tree_flatten",
    "tree_map",
    "value_and_grad",
    "vhp",
    "vjp",
    "vmap",
]

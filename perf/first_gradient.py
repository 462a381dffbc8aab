"""The programs that `perf.warmup` runs: from nothing to a first gradient, in every library.

Each takes the gradient of sum(exp(2 x)) and leaves it in `first_gradient`, as a list.
"""

from __future__ import annotations

NUMPY = """
import numpy
"""

_TORCH_LIKE = """
import {library}
x = {library}.tensor([1.0, 2.0, 3.0], dtype={library}.float64, requires_grad=True)
y = (x * 2).exp().sum()
y.backward()
first_gradient = x.grad.tolist()
"""

NUMGRAD = _TORCH_LIKE.format(library="numgrad")

PEERS = {
    "torch": _TORCH_LIKE.format(library="torch"),
    "autograd": """
import autograd
import autograd.numpy as np
first_gradient = autograd.grad(lambda x: np.sum(np.exp(x * 2)))(np.array([1.0, 2.0, 3.0])).tolist()
""",
    "mygrad": """
import mygrad
x = mygrad.tensor([1.0, 2.0, 3.0])
y = mygrad.exp(x * 2).sum()
y.backward()
first_gradient = x.grad.tolist()
""",
    "jax": """
import jax
import jax.numpy as np
jax.config.update("jax_enable_x64", True)
first_gradient = jax.grad(lambda x: np.sum(np.exp(x * 2)))(np.array([1.0, 2.0, 3.0])).tolist()
""",
}

KERNELS = f"""{NUMGRAD}
import os
folder = os.environ["NUMGRAD_CACHE_DIR"]
seconds_a_kernel = []
for name in ("log", "tanh", "sin", "cos", "sqrt", "sigmoid", "relu", "expm1", "log1p", "erf"):
    function, before = getattr(numgrad, name), len(os.listdir(folder))
    began = time.perf_counter()
    function(x).sum().backward()
    elapsed = time.perf_counter() - began
    compiled = len(os.listdir(folder)) - before
    if compiled:
        seconds_a_kernel.append(elapsed / compiled)
"""
"""On an empty kernel cache: the first use of ten ops, each divided by the kernels it compiled."""


def timed(program: str) -> str:
    """`program`, followed by one line of JSON on what it took and what it left."""
    return f"""
import time
started = time.perf_counter()
{program}
seconds = time.perf_counter() - started
import json
import sys
print()
print(json.dumps({{
    "seconds": seconds,
    "numba": "numba" in sys.modules,
    "first_gradient": globals().get("first_gradient"),
    "seconds_a_kernel": globals().get("seconds_a_kernel"),
}}))
"""

"""The kernels of elementwise ops: forward and fused vjp, made from the op's expressions.

Kernels are NumPy ufuncs for one dtype each, compiled when first asked for.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from numgrad.expr import Apply, Expression, postorder, reads
from numgrad.kernels import build, emit

if TYPE_CHECKING:
    from numgrad.op import Elementwise

# What the loads and stores of several results cost more than those of one, in costly
# operations (divisions, calls): fused, NumPy takes a slower path of its own per call.
FUSING_OVERHEAD = 1

# Divisions, powers and calls, but for those of a single instruction.
_CHEAP = "ceil copysign f4 f8 fabs floor fma maximum minimum rint trunc".replace(" ", "|")
_COSTLY = re.compile(rf"/|\*\*|\b(?!(?:{_CHEAP})\()\w[\w.]*\(")


class Kernel(NamedTuple):
    """A kernel, the text that it is compiled from, and what it reads and gives."""

    name: str
    parameters: tuple[str, ...]
    gives: tuple[int, ...]
    source: str
    types: str

    def load(self) -> np.ufunc:
        """Return the compiled kernel, from the cache if it is there."""
        return build.kernel(self.name, self.source, self.types)


@functools.cache
def forward(op: Elementwise, code: str) -> Kernel:
    """Kernel of the op for the float typecode `code`."""
    return _kernel(op, op.name, op.params, [op.value], (0,), code)


@functools.cache
def vjp(op: Elementwise, needs: tuple[int, ...], code: str, *, strict: bool) -> tuple[Kernel, ...]:
    """Kernels that together give the gradients of the parameters in `needs`.

    One fused kernel where the gradients share costly work, one a gradient where they do not.
    """
    gradients = op.gradients(strict=strict)
    roots = {k: e for k in needs if (e := gradients[k]) is not None}
    separate = sum(costly([root]) for root in roots.values())
    groups = [tuple(roots)]
    if len(roots) > 1 and separate - costly(list(roots.values())) < FUSING_OVERHEAD:
        groups = [(k,) for k in roots]
    kernels = []
    for group in groups:
        chosen = [roots[k] for k in group]
        read = frozenset().union(*map(reads, chosen)) - {"g"}
        parameters = ("g", *(p for p in (*op.params, "out") if p in read))
        name = "_".join([op.name, "vjp", *(op.params[k] for k in group)])
        kernels.append(_kernel(op, name + "_ieee" * strict, parameters, chosen, group, code))
    return tuple(kernels)


@functools.cache
def moving(
    op: Elementwise, k: int, name: str, root: Expression, code: str, *, strict: bool
) -> Kernel:
    """Kernel of an expression that tells how the gradient to parameter k moves with a value."""
    read = reads(root)
    parameters = tuple(p for p in ("g", *op.params, "out", "t") if p in read)
    full = f"{op.name}_vjp_{op.params[k]}_with_{name}" + "_ieee" * strict
    return _kernel(op, full, parameters, [root], (0,), code)


def costly(roots: list[Expression]) -> int:
    """Count the divisions, powers and function calls in expressions, shared ones once."""
    texts = {
        repr(e)
        for e in postorder(emit.lower(roots))
        if isinstance(e, Apply) and _COSTLY.search(e.op.template or "")
    }
    return len(texts)


def _kernel(
    op: Elementwise,
    name: str,
    parameters: tuple[str, ...],
    roots: list[Expression],
    gives: tuple[int, ...],
    code: str,
) -> Kernel:
    arguments = "".join("?" if p in op.conditions else code for p in parameters)
    logical = op.logical and name == op.name
    types = f"{arguments}->{('?' if logical else code) * len(roots)}"
    return Kernel(name, parameters, gives, emit.elementwise_source(parameters, roots, types), types)


def source(op: Elementwise, dtype: Any = "float64") -> str:
    """Return the text of all kernels of an op for a dtype, forward and vjp."""
    wanted = np.dtype(dtype)
    if wanted.char not in "fd":
        message = f"{op.name}.source() takes float32 or float64, got {wanted}: others use NumPy."
        raise TypeError(message)
    kernels = [forward(op, wanted.char)]
    if op.differentiable:
        needs = tuple(k for k, g in enumerate(op.gradients(strict=False)) if g is not None)
        kernels += vjp(op, needs, wanted.char, strict=False)
    return "\n\n".join(f"# {k.name}: {k.types}\n{k.source}" for k in kernels)

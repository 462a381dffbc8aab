"""Kernels that update a parameter and its state in one pass over their memory.

They are gufuncs that write to their arguments: NumPy hands arrays of the kernel's dtype on as they
are, and with one address for reading and writing LLVM can vectorise the loop. An update is text
for the elements `p`, `g` and those of the state, by name; constants are named, too.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from numgrad.kernels import build

if TYPE_CHECKING:
    from collections.abc import Sequence

_FLOATS = {"d": ("f8", 8), "f": ("f4", 4)}


class Update(NamedTuple):
    """What one step does to an element: assignments, in order."""

    name: str
    # Names of the state, all of which is written.
    state: tuple[str, ...]
    # Names of the constants.
    constants: tuple[str, ...]
    statements: tuple[str, ...]

    def run(
        self,
        p: np.ndarray[Any, Any],
        g: np.ndarray[Any, Any],
        state: Sequence[np.ndarray[Any, Any]],
        constants: Sequence[float],
    ) -> None:
        """Update p and the state in place; all have one shape and dtype."""
        if p.dtype.char not in _FLOATS:
            raise TypeError(
                f"step() updates float32 and float64 parameters, got {p.dtype}: convert the"
                " parameter, as in x.to(numgrad.float32), before making the optimizer."
            )
        if np.may_share_memory(p, g):
            g = g.copy()
        arrays = [p, g, *state]
        if all(a.flags.c_contiguous for a in arrays):
            arrays = [a.reshape(-1) for a in arrays]
        if all(a.flags.behaved for a in arrays):
            kernel(self, p.dtype.char)(*arrays, np.array(constants, p.dtype))
            return
        # Read-only, unaligned or byte-swapped: NumPy would hand copies on.
        copies = [np.array(a) for a in arrays]
        kernel(self, p.dtype.char)(*copies, np.array(constants, p.dtype))
        for a, copy in zip(arrays, copies, strict=True):
            if a is not g:
                a[...] = copy


@functools.cache
def kernel(update: Update, code: str) -> np.ufunc:
    """Return the compiled kernel for the float typecode `code`, from the cache if it is there."""
    vectors = len(update.state) + 2
    core = ",".join(["(n)"] * vectors)
    types = f"{code * (vectors + 1)}->{code}"
    text = source(update, code)
    return build.kernel(f"{update.name}_step", text, types, f"{core},(k)->()", along="n")


def source(update: Update, code: str) -> str:
    """Return the text of the kernel for the float typecode `code`."""
    dtype, size = _FLOATS[code]
    names = ("p", "g", *update.state)
    count = len(names)
    lines = ["def loop(args, dims, steps, data):"]
    lines += [f"    a_{name} = args[{k}]" for k, name in enumerate(names)]
    lines += [f"    s_{name} = steps[{count + 2 + k}]" for k, name in enumerate(names)]
    lines += [
        f"    {name} = load_{dtype}(args[{count}], {k * size})"
        for k, name in enumerate(update.constants)
    ]
    lines += ["    for i in range(dims[0]):"]
    lines += [f"        o_{name} = i * steps[{k}]" for k, name in enumerate(names)]
    lines += ["        for j in range(dims[1]):"]
    lines += [
        f"            {name} = load_{dtype}(a_{name}, o_{name} + j * s_{name})" for name in names
    ]
    lines += [f"            {statement}" for statement in update.statements]
    lines += [
        f"            store_{dtype}(a_{name}, o_{name} + j * s_{name}, {name})"
        for name in ("p", *update.state)
    ]
    return "\n".join([*lines, ""])

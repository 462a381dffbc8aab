"""All kernels that the library can name: what `python -m numgrad warmup` compiles."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from numgrad import compiled
from numgrad.op import Elementwise
from numgrad.value import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numgrad.compiled import Kernel


def kernels(dtypes: Iterable[str]) -> list[Kernel]:
    """Give the kernels of all elementwise ops for some dtypes, each once.

    Forward, and vjp for every choice of inputs that need gradients.
    """
    found: dict[tuple[str, str], Kernel] = {}
    for dtype in dtypes:
        code = np.dtype(dtype).char
        for op in REGISTRY.values():
            if isinstance(op, Elementwise):
                for kernel in _kernels_of(op, code):
                    found[kernel.name, kernel.types] = kernel
    return list(found.values())


def _kernels_of(op: Elementwise, code: str) -> Iterable[Kernel]:
    yield compiled.forward(op, code)
    if not op.differentiable:
        return
    gradients = op.gradients(strict=False)
    inputs = [k for k, g in enumerate(gradients) if g is not None and repr(g) != "g"]
    for count in range(1, len(inputs) + 1):
        for needs in itertools.combinations(inputs, count):
            yield from compiled.vjp(op, needs, code, strict=False)

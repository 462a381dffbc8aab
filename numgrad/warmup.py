"""The kernels of all ops: what `python -m numgrad warmup` compiles."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from numgrad import compiled
from numgrad.kernels import pool, rows
from numgrad.op import Elementwise
from numgrad.value import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numgrad.compiled import Kernel


class Job(NamedTuple):
    """A kernel to compile, and what does it."""

    name: str
    load: Callable[[], object]


def jobs(dtypes: Iterable[str]) -> list[Job]:
    """Give the kernels of all ops for some dtypes, each once.

    Elementwise ones forward and vjp, for every choice of inputs that need gradients; and those
    that work on rows. Also what has threads share their work.
    """
    found: dict[str, Job] = {}
    if pool.is_possible():
        found["threads"] = Job("threads", pool.load)
    for dtype in dtypes:
        code = np.dtype(dtype).char
        for op in REGISTRY.values():
            if isinstance(op, Elementwise):
                for kernel in _kernels_of(op, code):
                    name = f"{kernel.name} {kernel.types}"
                    found[name] = Job(name, kernel.load)
        for row in rows.ROWS:
            name = f"{row} of rows, {code}"
            found[name] = Job(name, functools.partial(rows.kernel, row, code))
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

"""Elementary functions: errors in units in the last place at hard points, and how loops compile.

`python -m tests.ulps --count 20000` looks at more points.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from numgrad.kernels import build, cpu
from tests import ulps
from tests.kernel_texts import source
from tests.processes import run

LIMIT = 2.5
COUNT = 120
LEVELS = ["x86-64-v4", "x86-64-v3", "x86-64"]


@pytest.mark.parametrize("dtype", ulps.TYPES)
@pytest.mark.parametrize("name", ulps.FUNCTIONS)
def test_error(name, dtype) -> None:
    error, place = ulps.worst(name, dtype, COUNT)
    relative = ulps.FUNCTIONS[name].relative
    limit = LIMIT if relative is None else max(relative, LIMIT * float(np.finfo(dtype).eps))
    assert error <= limit, place


@pytest.mark.parametrize("dtype", ulps.TYPES)
@pytest.mark.parametrize("name", ulps.PAIRS)
def test_error_of_two_arguments(name, dtype) -> None:
    error, place = ulps.worst_pair(name, dtype, COUNT)
    assert error <= LIMIT, place


PROGRAM = """
from tests import ulps
names = "exp", "log", "sin", "tanh", "erf"
print(max(ulps.worst(name, dtype, 40)[0] for name in names for dtype in ulps.TYPES))
"""


@pytest.mark.skipif(cpu.level() not in LEVELS, reason="the processor has no levels")
@pytest.mark.parametrize("level", LEVELS)
def test_error_at_each_level_of_the_processor(level, tmp_path) -> None:
    if LEVELS.index(level) < LEVELS.index(cpu.level()):
        pytest.skip("the processor does not have it")
    assert float(run(PROGRAM, tmp_path, NUMGRAD_CPU_LEVEL=level)[0]) <= LIMIT


EXPRESSIONS = {
    "exp": ("exp(x0)", "d->d"),
    "exp in float32": ("exp(x0)", "f->f"),
    "log": ("log(x0)", "d->d"),
    "sin": ("sin(x0)", "d->d"),
    "tanh": ("tanh(x0)", "d->d"),
    "erf": ("erf(x0)", "d->d"),
    "erfinv": ("erfinv(x0)", "d->d"),
    "lgamma": ("lgamma(x0)", "d->d"),
    "power": ("power(x0, x1)", "dd->d"),
    "atan2": ("atan2(x0, x1)", "dd->d"),
}


@pytest.mark.skipif(cpu.level() not in LEVELS, reason="names of registers are those of x86-64")
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_loops_are_made_of_vectors_without_calls(name, monkeypatch) -> None:
    from numgrad.kernels import jit, object_code

    assembly = []

    def seen(module):
        assembly.append(object_code._machine().emit_assembly(module))
        return []

    monkeypatch.setattr(object_code, "_foreign", seen)
    expression, types = EXPRESSIONS[name]
    label = re.sub(r"\W", "", name)
    jit.compile_loop(build.PRELUDE + source(expression, types), f"test_{label}", types)
    register = {"x86-64-v4": "zmm", "x86-64-v3": "ymm", "x86-64": "xmm"}[cpu.level()]
    blocks = re.split(r"^\.?\w+:.*$", assembly[0], flags=re.MULTILINE)
    packed = re.compile(rf"\bv?(mul|fn?m(add|sub)\d*)p{types[0].replace('f', 's')}\b.*{register}")
    loops = [block for block in blocks if packed.search(block)]
    # With its inputs dense, and in place.
    assert len(loops) >= 2
    assert not [block for block in loops if "call" in block]

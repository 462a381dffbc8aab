"""From the source of a kernel to its ufunc: out of memory, out of the store, or compiled."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import platform
import re
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from numgrad.kernels import cache, cpu, division, link, ufunc

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

# What the source of every kernel may use.
PRELUDE = """\
import math
from numgrad.kernels.intrinsics import ceil, copysign, fabs, floor, fma, fmod, maximum, minimum
from numgrad.kernels.intrinsics import rint, sqrt, trunc
from numgrad.kernels.intrinsics import load_b1, load_f4, load_f8, load_i8
from numgrad.kernels.intrinsics import store_b1, store_f4, store_f8, store_i8
from numgrad.kernels.jit import f4, f8, inline, outlined
from numgrad.kernels.scalar import floor_divide, polygamma, remainder
from numgrad.kernels.vecmath.error import erf, erfc, erfinv
from numgrad.kernels.vecmath.exponential import exp, exp2, expm1
from numgrad.kernels.vecmath.gamma import digamma, lgamma, trigamma
from numgrad.kernels.vecmath.hyperbolic import acosh, asinh, atanh, cosh, sinh, tanh
from numgrad.kernels.vecmath.inverse import acos, asin, atan, atan2, hypot
from numgrad.kernels.vecmath.logarithm import log, log1p, log2, log10
from numgrad.kernels.vecmath.power import cbrt, power
from numgrad.kernels.vecmath.trigonometric import LIMIT_f4, LIMIT_f8, cos, sin, tan
"""

_ROOT = Path(__file__).parents[2]
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(numgrad[\w.]*)[ \t]+import[ \t]+(\([^)]*\)|.*)|import[ \t]+(.*))",
    re.MULTILINE,
)

# By name and key, and by key.
_kernels: dict[tuple[str, str], np.ufunc] = {}
_addresses: dict[str, list[int]] = {}


def kernel(
    name: str,
    source: str,
    types: str,
    core: str | None = None,
    doc: str = "",
    along: str | None = None,
) -> np.ufunc:
    """Return the ufunc whose inner loop is `source`.

    The loop is best written once, for any steps: steps that matter for speed get compiled code of
    their own (see `object_code`).

    Args:
        name: what the ufunc is called.
        source: Python that defines `loop(args, dims, steps, data)`, the inner loop of a NumPy
            ufunc. It may use the names of `PRELUDE`, and import from modules of this package.
        types: dtypes of the inputs and outputs by NumPy's letters, as in "dd->d"; l is int64.
        core: for a gufunc the shapes that one call of the loop works on, as in "(n)->()".
        doc: the docstring.
        along: a core dimension that threads may share, since its elements do not depend on each
            other. Without it they share what the kernel is called for: elements, or rows.

    Raises:
        RuntimeError: the loop does not compile, or calls what a process without Numba has not got.
    """
    content = key(source, types, core)
    found = _kernels.get((name, content))
    if found is not None:
        return found
    from numgrad.kernels import pool

    symbol = f"numgrad_{content}"

    def compiled() -> bytes:
        from numgrad.kernels import jit

        try:
            return jit.compile_loop(PRELUDE + source, symbol, types, core)
        except RuntimeError as error:
            error.add_note(f"This was the kernel {name} for {types}:\n{source}")
            raise

    (address,) = load(content, compiled, symbol)
    with link.lock:
        # Another thread may have been quicker.
        if (name, content) not in _kernels:
            pool.offer()
            data = division.data(source, types, core, along)
            _kernels[name, content] = ufunc.make(name, address, data, types, core, doc)
        return _kernels[name, content]


def load(content: str, compiled: Callable[[], bytes], *symbols: str) -> list[int]:
    """Load code once, out of the store or as `compiled` makes it; the addresses of its symbols."""
    if content not in _addresses:
        code = cache.default_store().get(content)
        if code is None:
            _expect_forks()
        with link.lock:
            # Another thread may have been quicker.
            if content not in _addresses:
                if code is None:
                    code = compiled()
                    cache.default_store().put(content, code)
                _addresses[content] = link.addresses(code, *symbols)
    return _addresses[content]


def key(source: str, types: str, core: str | None = None) -> str:
    """Return the name of a kernel's object code: a hash of all that the code depends on."""
    text = PRELUDE + source
    parts = [text, types, core or "", cpu.level(), *_surroundings()]
    seen: set[str] = set()
    pending = _imports(text)
    while pending:
        module = pending.pop()
        if module not in seen:
            seen.add(module)
            pending |= _module(module).imports
    parts += [_module(module).digest for module in sorted(seen)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@functools.cache
def _expect_forks() -> None:
    """Before Numba is used: it logs, and logging has a lock that forks take too."""
    import logging  # noqa: F401 - registers that lock

    link.fork_between_kernels()


@functools.cache
def _surroundings() -> tuple[str, ...]:
    """What object code depends on besides its source: the platform and the compiler."""
    own = str(vars(sys.modules["numgrad"]).get("__version__"))
    abi = f"{sys.platform} {platform.machine()} {struct.calcsize('P')}"
    return abi, f"numgrad-{own}", _version("numba"), _version("llvmlite")


def _version(package: str) -> str:
    """The installed version of a package, from the name of the folder with its metadata.

    `importlib.metadata` would take 20 ms to import, a third of what NumPy takes.
    """
    spec = importlib.util.find_spec(package)
    if spec is not None and spec.origin is not None:
        found = list(Path(spec.origin).parents[1].glob(f"{package}-*.dist-info"))
        if len(found) == 1:
            return found[0].stem
    from importlib import metadata

    return f"{package}-{metadata.version(package)}"


class _Module(NamedTuple):
    """What a module of this package adds to a key."""

    digest: str
    imports: frozenset[str]


@functools.cache
def _module(name: str) -> _Module:
    content = _file(name).read_bytes()
    return _Module(hashlib.sha256(content).hexdigest(), frozenset(_imports(content.decode())))


def _imports(text: str) -> set[str]:
    """The modules of this package that a source text imports."""
    names: set[str] = set()
    for parent, members, whole in _IMPORT.findall(text):
        names |= {parent, *re.findall(r"numgrad[\w.]*", whole)}
        names |= {f"{parent}.{member}" for member in re.findall(r"\w+", members)}
    return {name for name in names if _is_module(name)}


@functools.cache
def _is_module(name: str) -> bool:
    return _file(name).is_file()


def _file(module: str) -> Path:
    return _ROOT.joinpath(*module.split(".")).with_suffix(".py")

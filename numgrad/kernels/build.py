"""From the source of a kernel to its ufunc: out of memory, out of the store, or compiled."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import platform
import re
import struct
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from numgrad.kernels import cache, cpu, link, ufunc

if TYPE_CHECKING:
    import numpy as np

# What every kernel's source may use.
PRELUDE = """\
import math
from numgrad.kernels.intrinsics import copysign, fabs, fma, maximum, minimum, rint, sqrt
from numgrad.kernels.intrinsics import load_b1, load_f4, load_f8, load_i8
from numgrad.kernels.intrinsics import store_b1, store_f4, store_f8, store_i8
from numgrad.kernels.jit import f4, f8, inline
"""

_IMPORTS = re.compile(
    r"^[ \t]*from (numgrad(?:\.\w+)*) import (\([^)]*\)|.*)|^[ \t]*import (numgrad\S*)", re.MULTILINE
)

_kernels: dict[tuple[str, str], np.ufunc] = {}
_lock = threading.RLock()


def kernel(name: str, source: str, types: str, core: str | None = None, doc: str = "") -> np.ufunc:
    """The ufunc whose loop is written in `source`.

    Args:
        name: what it is called.
        source: Python that defines `loop(args, dims, steps, data)`, the inner loop of a NumPy
            ufunc, and may use what `PRELUDE` imports. It is compiled by Numba.
        types: the dtypes of inputs and outputs by NumPy's letters, as in "dd->d"; l is int64.
        core: for a gufunc the shapes that one call of the loop works on, as in "(n)->()".
        doc: its docstring.
    """
    content = key(source, types, core)
    with _lock:
        found = _kernels.get((name, content))
        if found is None:
            address = link.address(*_code(content, source, types, core))
            found = _kernels[name, content] = ufunc.make(name, address, types, core, doc)
        return found


def key(source: str, types: str, core: str | None = None) -> str:
    """Names the object code of a kernel: a hash of all that it depends on."""
    parts = [PRELUDE, source, types, core or "", cpu.level(), *_surroundings()]
    parts += [f"{name} {_digest(name)}" for name in sorted(_modules(PRELUDE + source))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _code(content: str, source: str, types: str, core: str | None) -> tuple[str, bytes]:
    """The symbol that a kernel is exported as, and the object code that has it."""
    symbol = f"numgrad_{content}"
    store = cache.default_store()
    code = store.get(content)
    if code is None:
        from numgrad.kernels import jit

        code = jit.compile_loop(PRELUDE + source, symbol, types, core)
        store.put(content, code)
    return symbol, code


@functools.cache
def _surroundings() -> tuple[str, ...]:
    """What code depends on besides its source: the platform and the compiler."""
    own = vars(sys.modules["numgrad"]).get("__version__", "")
    abi = f"{sys.platform} {platform.machine()} {struct.calcsize('P')}"
    return abi, f"numgrad {own}", _version("numba"), _version("llvmlite")


def _version(package: str) -> str:
    """The installed version of a package, read off the name of the folder of its metadata.

    `importlib.metadata` would take 20 ms for it, several times what a kernel takes to load.
    """
    spec = importlib.util.find_spec(package)
    if spec is not None and spec.origin is not None:
        found = sorted(Path(spec.origin).parent.parent.glob(f"{package}-*.dist-info"))
        if len(found) == 1:
            return found[0].stem
    from importlib import metadata

    return f"{package}-{metadata.version(package)}"


def _modules(text: str) -> set[str]:
    """The modules of numgrad that a source text imports, and those that they import."""
    found: set[str] = set()
    for parent, names, module in _IMPORTS.findall(text):
        candidates = [module or parent]
        candidates += [f"{parent}.{name}" for name in re.findall(r"\w+", names)]
        found.update(name for name in candidates if _file(name).is_file())
    return found


def _file(module: str) -> Path:
    return Path(__file__).parents[2].joinpath(*module.split(".")).with_suffix(".py")


@functools.cache
def _digest(module: str) -> str:
    """A hash of a module's file and of the modules that it imports."""
    content = _file(module).read_bytes()
    inner = [_digest(name) for name in sorted(_modules(content.decode())) if name != module]
    return hashlib.sha256(content + "".join(inner).encode()).hexdigest()

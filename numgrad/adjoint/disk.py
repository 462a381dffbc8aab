"""Generated modules on disk, with what Numba caches beside them, and proof that it is unchanged.

A module is named by what it was made from: its text, which holds all callees, and the versions of
everything that compiles it. Numba keeps machine code in `__pycache__` beside it but does not notice
when a file was damaged, and loading code is running it. So a list of checksums is kept, and what
does not match it is removed before Numba looks.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.kernels.cache import Store, default_store

if TYPE_CHECKING:
    from types import ModuleType

    from numgrad.adjoint.writing import Text

MOST_ELEMENTS = 4096
_LIST = ".sums"
_MACHINE_CODE = (".nbi", ".nbc")

_loaded: set[Path] = set()

HEADER = '''\
"""Written by numgrad.adjoint."""

import math

import numpy as np

from numgrad.adjoint.runtime import *

'''


def folder() -> Path | None:
    """Where modules are written; None if nothing can be kept."""
    place = default_store().folder
    return None if place is None else place / "adjoint"


@functools.cache
def _versions() -> str:
    """What a module depends on besides its text."""
    package = Path(__file__).parent.parent
    parts = [sys.version, *(importlib.metadata.version(n) for n in ("numba", "llvmlite", "numpy"))]
    for path in [*sorted((package / "kernels").rglob("*.py")), package / "adjoint" / "runtime.py"]:
        parts += [hashlib.sha256(path.read_bytes()).hexdigest()]
    return "\n".join(parts)


def module_text(text: Text) -> str | None:
    """The text of a module that stands by itself; None if it needs objects of this process."""
    lines = constants(text)
    if lines is None:
        return None
    return HEADER + "\n".join([*lines, "", decorated(text.body)])


def decorated(body: str) -> str:
    """The text of functions that are compiled; those that are decorated are left."""
    return re.sub(r"(?m)(?<!@loop\n)^def ", "@compiled\ndef ", body)


def constants(text: Text) -> list[str] | None:
    """Lines that make the objects of a text; None if they are of this process only."""
    lines = []
    for name, value in text.objects.items():
        if isinstance(value, np.ndarray) and value.size <= MOST_ELEMENTS:
            data = np.ascontiguousarray(value)
            lines.append(
                f"{name} = np.frombuffer(bytes.fromhex({data.tobytes().hex()!r}),"
                f" np.dtype({data.dtype.str!r})).reshape({data.shape!r}).copy()"
            )
        elif isinstance(value, type) and _importable(value):
            lines.append(f"from {value.__module__} import {value.__qualname__} as {name}")
        else:
            return None
    return lines


def _importable(cls: type) -> bool:
    module = sys.modules.get(cls.__module__)
    return cls.__module__ != "__main__" and getattr(module, cls.__qualname__, None) is cls


def load(text: Text) -> ModuleType | None:
    """The module of a text, from disk; None if it cannot be kept there."""
    place = folder()
    whole = module_text(text)
    if whole is None or place is None:
        return None
    with contextlib.suppress(OSError):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    if Store(place).problem() is not None or default_store().problem() is not None:
        return None
    digest = hashlib.sha256((_versions() + whole).encode()).hexdigest()[:32]
    path = place / f"numgrad_adjoint_{digest}.py"
    try:
        if not path.exists() or path.read_text("utf-8") != whole:
            temporary = place / f"{os.urandom(8).hex()}.tmp"
            temporary.write_text(whole, "utf-8")
            temporary.replace(path)
        verify(path)
    except OSError:
        return None
    spec: Any = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    _loaded.add(path)
    return module


def _machine_code(path: Path) -> list[Path]:
    found = path.parent / "__pycache__"
    if not found.is_dir():
        return []
    return [p for p in found.glob(f"{path.stem}.*") if p.suffix in _MACHINE_CODE]


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def verify(path: Path) -> None:
    """Remove machine code of a module that is not what was listed."""
    try:
        known = json.loads(path.with_suffix(_LIST).read_text("utf-8"))
    except (OSError, ValueError):
        known = {}
    if not isinstance(known, dict):
        known = {}
    files = _machine_code(path)
    good = {p for p in files if known.get(p.name) == _sum(p)}
    # An index without its code, or code without its index, is of no use.
    whole = len(good) == len(files) and set(known) == {p.name for p in files}
    for p in files:
        if not whole:
            p.unlink(missing_ok=True)


@atexit.register
def record() -> None:
    """List the checksums of the machine code of all modules in use."""
    for path in _loaded:
        with contextlib.suppress(OSError):
            sums = {p.name: _sum(p) for p in _machine_code(path)}
            temporary = path.parent / f"{os.urandom(8).hex()}.tmp"
            temporary.write_text(json.dumps(sums), "utf-8")
            temporary.replace(path.with_suffix(_LIST))

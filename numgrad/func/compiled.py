"""Where transforms hand functions that Numba has compiled over to `numgrad.adjoint`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any

ADJOINT = "numgrad.adjoint"


def adjoint_for(name: str, f: Any, *args: Any, **options: Any) -> Any:
    """Call the transform of this name in `numgrad.adjoint` if it serves f; else give None.

    Numba is not imported for this: what it has compiled can only be there if it was.
    """
    if "numba" not in sys.modules and ADJOINT not in sys.modules:
        return None
    if importlib.util.find_spec(ADJOINT) is None:
        return None
    adjoint = importlib.import_module(ADJOINT)
    if not adjoint.is_compiled(f) or not hasattr(adjoint, name):
        return None
    return getattr(adjoint, name)(f, *args, **options)

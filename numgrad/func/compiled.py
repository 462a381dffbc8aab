"""Where transforms hand functions that Numba has compiled over to `numgrad.adjoint`."""

from __future__ import annotations

import importlib
import inspect
import sys
from typing import Any

ADJOINT = "numgrad.adjoint"


def adjoint_for(name: str, f: Any, *args: Any, **options: Any) -> Any:
    """Call the transform of this name in `numgrad.adjoint` if it serves f; else give None.

    Raises TypeError for an option that transforms of compiled functions do not have.

    It is not imported for this: a function made by it can only be there if it was.
    """
    if ADJOINT not in sys.modules and not type(f).__module__.startswith("numba."):
        return None
    adjoint = importlib.import_module(ADJOINT)
    if not adjoint.is_compiled(f) or not hasattr(adjoint, name):
        return None
    transform = getattr(adjoint, name)
    known = inspect.signature(transform).parameters
    missing = [option for option, value in options.items() if value and option not in known]
    if missing:
        message = f"{name}() of a compiled function has no option {missing[0]}: leave it out."
        raise TypeError(message)
    return transform(f, *args, **{k: v for k, v in options.items() if k in known})

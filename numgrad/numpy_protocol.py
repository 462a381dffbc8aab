"""NumPy's functions on tensors: `np.exp(x)`, `array * x`, `np.concatenate([x, y])`.

NumPy hands its functions over when a tensor is among their arguments; each is carried out by the
function here that means the same, so that it is recorded. What has no counterpart raises
TypeError: nothing falls back to object arrays, and no history is dropped on the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from numgrad import saved
from numgrad.expr import Symbol
from numgrad.modes import modes
from numgrad.numpy_functions import FUNCTIONS, REDUCTIONS, UFUNCS
from numgrad.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from numgrad.value import Value


def array_ufunc(_self: Value, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
    """Carry out a NumPy ufunc, or one of its methods, on tensors."""
    out = keywords.pop("out", None)
    if out is not None:
        return _into(ufunc, method, inputs, out, keywords)
    if method == "__call__":
        function = UFUNCS.get(ufunc)
        dtype = keywords.pop("dtype", None)
        if function is None or keywords:
            _refuse(ufunc.__name__, keywords)
        result = function(*inputs)
        return result if dtype is None else result.to(dtype)
    if method in ("reduce", "accumulate"):
        function = REDUCTIONS.get((ufunc, method))
        if function is None:
            _refuse(f"{ufunc.__name__}.{method}", {})
        return function(*inputs, **keywords)
    if method == "outer" and ufunc in UFUNCS:
        x, y = inputs
        column = np.reshape(x, (*np.shape(x), *(1,) * np.ndim(y)))
        return UFUNCS[ufunc](column, y, **keywords)
    return _refuse(f"{ufunc.__name__}.{method}", keywords)


Symbol.__array_ufunc__ = array_ufunc


def array_function(
    _self: Tensor, function: Callable[..., Any], _types: Any, args: Any, kwargs: Any
) -> Any:
    """Carry out a NumPy function on tensors."""
    ours = FUNCTIONS.get(function)
    if ours is None:
        _refuse(f"{function.__module__}.{function.__name__}", {})
    return ours(*args, **kwargs)


def _refuse(name: str, keywords: dict[str, Any]) -> NoReturn:
    detail = f" with {', '.join(keywords)}=" if keywords else ""
    message = (
        f"numpy's {name}(){detail} has no derivative here, and a tensor is not converted to an"
        " array silently: use x.detach().numpy(), or a numgrad function."
    )
    raise TypeError(message)


def _into(ufunc: Any, method: str, inputs: Any, out: tuple[Any, ...], keywords: Any) -> Any:
    """Write the result of a ufunc into `out`, which only works where nothing is recorded."""
    tensors = [t for t in (*inputs, *out) if isinstance(t, Tensor)]
    if modes().recording and any(t.requires_grad for t in tensors):
        message = (
            f"numpy's {ufunc.__name__}() cannot write into out= while an argument requires grad:"
            " leave out= away, use copy_(), or do it under numgrad.no_grad()."
        )
        raise RuntimeError(message)
    for t in out:
        if saved.PROTECTED and isinstance(t, Tensor):
            saved.protect(t.array)
    arrays = [t.array if isinstance(t, Tensor) else t for t in inputs]
    targets = tuple(t.array if isinstance(t, Tensor) else t for t in out)
    getattr(ufunc, method)(*arrays, out=targets, **keywords)
    for t in out:
        if isinstance(t, Tensor):
            t.counter().value += 1
    return out[0] if len(out) == 1 else out

"""NumPy's functions on tensors: `np.exp(x)`, `array * x`, `np.concatenate([x, y])`.

NumPy hands its functions over when a tensor is among their arguments; each is carried out by the
function here that means the same, so that it is recorded. What has no counterpart raises
TypeError: nothing falls back to object arrays, and no history is dropped on the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from numgrad.expr import Symbol
from numgrad.inplace import bump, check_writable, is_recorded, write
from numgrad.numpy_functions import FUNCTIONS, REDUCTIONS, UFUNCS
from numgrad.ops.choice import where
from numgrad.ops.index import index_put
from numgrad.ops.shape import broadcast_to
from numgrad.pytree import tree_flatten
from numgrad.tensor import Tensor
from numgrad.wrapped_writes import concerns

if TYPE_CHECKING:
    from collections.abc import Callable

    from numgrad.value import Value


def array_ufunc(_self: Value, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
    """Carry out a NumPy ufunc, or one of its methods, on tensors."""
    out = keywords.pop("out", None)
    if out is not None:
        return _into(ufunc, method, inputs, out, keywords)
    if method == "at":
        return _at(ufunc, *inputs)
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
    given = {name: value for name, value in kwargs.items() if name != "out"}
    out = kwargs.get("out")
    if out is None:
        return ours(*args, **given)
    name = f"numpy.{function.__name__}"
    leaves, structure = tree_flatten((args, given))
    _check_target(out, name)

    def compute(old: Tensor, *values: Any) -> Tensor:
        args, given = structure.unflatten(values)
        return _fitted(ours(*args, **given), old)

    return write(out, name, compute, tuple(leaves), {})


def _refuse(name: str, keywords: dict[str, Any]) -> NoReturn:
    detail = f" with {', '.join(keywords)}=" if keywords else ""
    message = (
        f"numpy's {name}(){detail} has no derivative here, and a tensor is not converted to an"
        " array silently: use x.detach().numpy(), or a numgrad function."
    )
    raise TypeError(message)


def _into(ufunc: Any, method: str, inputs: Any, out: tuple[Any, ...], keywords: Any) -> Any:
    """Write the result of a ufunc into `out`, as any function in place does it."""
    name = f"numpy.{ufunc.__name__}"
    if not any(concerns(t, inputs) or is_recorded(t, inputs) for t in out):
        return _into_arrays(ufunc, method, inputs, out, keywords, name)
    chosen = keywords.pop("where", True)
    if len(out) > 1:
        _refuse(ufunc.__name__, {"out": out})
    target = out[0]
    _check_target(target, name)

    def function(old: Tensor, *values: Any) -> Tensor:
        result = array_ufunc(old, ufunc, method, *values, **keywords)
        result = _fitted(result, old)
        return result if chosen is True else where(chosen, result, old)

    return write(target, name, function, tuple(inputs), {})


def _into_arrays(
    ufunc: Any, method: str, inputs: Any, out: tuple[Any, ...], keywords: Any, name: str
) -> Any:
    for t in out:
        if isinstance(t, Tensor):
            check_writable(t, name)
    arrays = [t.array if isinstance(t, Tensor) else t for t in inputs]
    targets = tuple(t.array if isinstance(t, Tensor) else t for t in out)
    getattr(ufunc, method)(*arrays, out=targets, **keywords)
    for t in out:
        if isinstance(t, Tensor):
            bump(t)
    return out[0] if len(out) == 1 else out


def _at(ufunc: Any, target: Any, key: Any, *values: Any) -> None:
    """Carry out `np.add.at` and `np.subtract.at`, which add to elements, also repeatedly."""
    if ufunc not in (np.add, np.subtract):
        _refuse(f"{ufunc.__name__}.at", {})
    name = f"numpy.{ufunc.__name__}.at"
    _check_target(target, name)
    key = key if type(key) is tuple else (key,)

    def function(old: Tensor, value: Any) -> Tensor:
        change = value if ufunc is np.add else -value
        result: Tensor = index_put(old, key, change, accumulate=True)
        return result

    write(target, name, function, values, {})


def _check_target(out: Any, name: str) -> None:
    if not isinstance(out, Tensor):
        message = (
            f"{name}() would write the values of a tensor into an array, which has no history:"
            " give out= a tensor, leave it away, or use x.detach()."
        )
        raise RuntimeError(message)


def _fitted(result: Tensor, target: Tensor) -> Tensor:
    """Broadcast a result to the shape of what it is written into, as NumPy does."""
    if result.shape == target.shape or result.ndim > target.ndim:
        return result
    return broadcast_to(result, target.shape)

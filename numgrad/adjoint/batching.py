"""`vmap` of compiled functions."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.adjoint.function import Compiled, python_function
from numgrad.adjoint.mapped import Mapped
from numgrad.func.reverse import named
from numgrad.func.vmap import dims_of, spread
from numgrad.pytree import tree_flatten
from numgrad.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

_NUMBERS = (Tensor, np.ndarray, np.generic, int, float)


def vmap(f: Any, in_dims: Any = 0, out_dims: Any = 0) -> Callable[..., Any]:
    """Map a compiled function over a dimension of its arguments, see `numgrad.vmap`.

    One compiled loop goes over the batch, in the threads of the pool; results have the same bits
    with any number of threads.
    """

    @named(f, "vmap")
    def transformed(*args: Any, **keywords: Any) -> Any:
        dims = in_dims
        if keywords:
            count = len(args)
            args = _bound(f, args, keywords)
            # As elsewhere, what is passed by name is the same for all items.
            first = tuple(dims) if isinstance(dims, (tuple, list)) else (dims,) * count
            dims = (*first, *(None,) * (len(args) - count))
        leaves, structure = tree_flatten(args)
        places = dims_of(dims, args, leaves, structure)
        moved = [_moved(leaf, d, 0) for leaf, d in zip(leaves, places, strict=True)]
        flags = tuple(
            d is not None
            for leaf, d in zip(leaves, places, strict=True)
            if isinstance(leaf, _NUMBERS)
        )
        result = _mapped(f, flags)(*structure.unflatten(moved))
        if out_dims == 0:
            return result
        found, shape = tree_flatten(result)
        wanted = spread("out_dims", out_dims, shape)
        for r, d in zip(found, wanted, strict=True):
            rank = len(r.shape)
            if d is None or not -rank <= d < rank:
                message = f"vmap() got out_dims {d} for a result of shape {r.shape[1:]}."
                raise ValueError(message)
        return shape.unflatten([_moved(r, 0, d) for r, d in zip(found, wanted, strict=True)])

    return transformed


@functools.lru_cache(256)
def _mapped(f: Any, flags: tuple[bool, ...]) -> Mapped:
    """Map a function once, however often it is asked for: it is compiled then."""
    return Mapped(f, flags)


def _moved(leaf: Any, source: int | None, target: int) -> Any:
    """An array with a dimension moved."""
    if source is None or source == target:
        return leaf
    return (
        leaf.movedim(source, target)
        if isinstance(leaf, Tensor)
        else np.moveaxis(leaf, source, target)
    )


def _bound(f: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
    """The arguments by position."""
    if isinstance(f, Compiled):
        return tuple(f.bound(args, keywords))
    bound = inspect.signature(python_function(f)).bind(*args, **keywords)
    bound.apply_defaults()
    return bound.args

"""What transforms do with arguments and results: trees, arrays in and arrays out, argnums."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from numgrad import dtypes
from numgrad.arrays import array_of
from numgrad.batched import Batched
from numgrad.dual import Dual
from numgrad.mapping import variable
from numgrad.pytree import Structure, tree_flatten, tree_map
from numgrad.tensor import Tensor, alias
from numgrad.wrapped import Wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence


class Chosen(NamedTuple):
    """The arguments that a transform is about, as leaves of a tree."""

    leaves: list[Tensor]
    structure: Structure
    # Whether none of the leaves was a tensor, so that results are arrays.
    plain: bool


def choose(name: str, tree: Any) -> Chosen:
    """Take the arguments apart into tensors of a floating dtype.

    Raises RuntimeError for other dtypes, TypeError for what is no array or number.
    """
    leaves, structure = tree_flatten(tree)
    tensors = [to_tensor(name, leaf) for leaf in leaves]
    for t in tensors:
        if t.dtype.kind not in dtypes.FLOATING:
            message = (
                f"{name}() differentiates by floating-point arguments, got dtype {t.dtype}:"
                " convert first, as in x.to(numgrad.float64), or choose others by argnums."
            )
            raise RuntimeError(message)
    return Chosen(tensors, structure, not any(isinstance(leaf, Tensor) for leaf in leaves))


def to_tensor(name: str, leaf: Any) -> Tensor:
    """Make a tensor of an argument, sharing the memory of an array."""
    if isinstance(leaf, Tensor):
        return leaf
    if isinstance(leaf, (np.ndarray, np.generic, float, int)):
        array = leaf if isinstance(leaf, np.ndarray) else array_of(leaf)
        if array.dtype.kind in "fiub":
            return alias(array, None)
    message = (
        f"{name}() takes tensors, arrays and numbers, in dicts, lists, tuples and dataclasses,"
        f" got {type(leaf).__name__}."
    )
    raise TypeError(message)


def positions(name: str, argnums: Any, count: int) -> tuple[int, ...]:
    """Which arguments `argnums` means, counted from the front.

    Raises RuntimeError for one that does not exist, TypeError for what is no integer or tuple.
    """
    several = tuple(argnums) if isinstance(argnums, (tuple, list)) else (argnums,)
    found = []
    for number in several:
        k = operator.index(number)
        if not -count <= k < count:
            message = (
                f"{name}() got argnums {argnums} for a function called with {count} arguments."
            )
            raise RuntimeError(message)
        found.append(k % count)
    if len(set(found)) != len(found) or not found:
        message = f"{name}() takes argnums that are different from each other, got {argnums}."
        raise RuntimeError(message)
    return tuple(found)


def replaced(args: Sequence[Any], places: tuple[int, ...], values: Any) -> tuple[Any, ...]:
    """The arguments with others in these places."""
    new = list(args)
    for k, value in zip(places, values, strict=True):
        new[k] = value
    return tuple(new)


def variables(leaves: Sequence[Tensor]) -> list[Tensor]:
    """Handles on tensors to differentiate by."""
    return [variable(t) for t in leaves]


def split_aux(name: str, result: Any, *, has_aux: bool) -> tuple[Any, Any]:
    """Take what a function gave apart into its result and the rest that comes with `has_aux`."""
    if not has_aux:
        return result, None
    if not isinstance(result, tuple) or len(result) != 2:
        message = (
            f"{name}() with has_aux=True takes a function that returns (result, aux), got"
            f" {type(result).__name__}."
        )
        raise RuntimeError(message)
    return result


def cut(t: Any) -> Any:
    """A tensor without history; tangents and batches stay."""
    if not isinstance(t, Tensor):
        return t
    if isinstance(t, Dual):
        return t.mapped(cut)
    if isinstance(t, Batched):
        return t.detach()
    return t if t._edge is None and not t._wants else alias(t.array, t._counter)


def without_history(tree: Any) -> Any:
    """A tree of tensors without history."""
    return tree_map(cut, tree)


def as_arrays(tree: Any) -> Any:
    """A tree of arrays in place of tensors; NumPy's numbers for 0-d ones."""
    return tree_map(_as_array, tree)


def _as_array(t: Any) -> Any:
    if not isinstance(t, Tensor) or (isinstance(t, Wrapped) and isinstance(t.settled(), Wrapped)):
        return t
    return t.detach().array[()]


def given(tree: Any, *, plain: bool) -> Any:
    """Results as they are, or as arrays."""
    return as_arrays(tree) if plain else tree


def tensors_of(name: str, tree: Any, what: str) -> tuple[list[Tensor], Structure]:
    """Leaves of a result, which must be tensors.

    Raises RuntimeError for others.
    """
    leaves, structure = tree_flatten(tree)
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            message = (
                f"{name}() takes a function that returns {what}, got {type(leaf).__name__}:"
                " compute with tensors throughout."
            )
            raise RuntimeError(message)
    return leaves, structure

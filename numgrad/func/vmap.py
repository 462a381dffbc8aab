"""`vmap`: a function of one item, mapped over a batch by batched kernels."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.batched import Batch
from numgrad.func.arguments import as_arrays, to_tensor
from numgrad.func.compiled import adjoint_for
from numgrad.func.jacobians import check_chunks
from numgrad.func.reverse import named
from numgrad.mapping import batch, unbatch
from numgrad.modes import set_transforms, transforms
from numgrad.ops.index import slice_at
from numgrad.ops.join import cat
from numgrad.pytree import Structure, tree_flatten
from numgrad.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RANDOMNESS = ("error", "different", "same")


def vmap(
    f: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Make the function that maps f over a dimension of its arguments.

    f sees one item; its ops run once, on all items. `in_dims` says which dimension of each
    argument counts the items: an int, None for an argument that is the same for all, or a tuple
    with one such entry, or a tree of them, an argument. `out_dims` says where that dimension is to
    be in the results. `chunk_size` limits how many items are computed at a time. It nests, and
    composes with the other transforms: `vmap(grad(f))` gives a gradient an item. Of a function
    under `numgrad.njit`, and of what transforms make of it, it is one compiled loop over the
    items, in threads.

    `randomness` is what random functions do inside: raise ("error"), draw for each item
    ("different") or once for all ("same").

    Raises:
        ValueError: sizes that differ, `in_dims` or `out_dims` that do not fit, no mapped argument,
            results that are not tensors.
        RuntimeError: in f, what has no single value: `item()`, an `if` on a tensor.

    >>> import numgrad as ng
    >>> x = ng.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> ng.vmap(lambda row: row @ row)(x)
    tensor([ 5., 25.])
    """
    if randomness not in RANDOMNESS:
        message = f"vmap() takes randomness {', '.join(RANDOMNESS)}, got {randomness!r}."
        raise ValueError(message)
    check_chunks("vmap", chunk_size)
    compiled = adjoint_for("vmap", f, in_dims, out_dims)
    if compiled is not None:
        return compiled  # type: ignore[no-any-return]

    @named(f, "vmap")
    def transformed(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = tree_flatten(args)
        dims = dims_of(in_dims, args, leaves, structure)
        leaves = [
            leaf if d is None else to_tensor("vmap", leaf)
            for leaf, d in zip(leaves, dims, strict=True)
        ]
        size = _size(leaves, dims)
        plain = not any(isinstance(leaf, Tensor) for leaf in tree_flatten(args)[0])
        step = chunk_size or max(size, 1)
        parts = []
        for start in range(0, max(size, 1), step):
            some = leaves
            if step < size:
                some = [
                    leaf if d is None else _part(leaf, d, start, start + step)
                    for leaf, d in zip(leaves, dims, strict=True)
                ]
            level = Batch(min(step, size - start), randomness)
            parts.append(_mapped(f, some, dims, structure, kwargs, level, out_dims))
        outputs, shape, places = parts[0]
        if len(parts) > 1:
            columns = zip(*(p[0] for p in parts), strict=True)
            outputs = [cat(list(c), d) for c, d in zip(columns, places, strict=True)]
        result = shape.unflatten(outputs)
        return as_arrays(result) if plain else result

    return transformed


def dims_of(in_dims: Any, args: Any, leaves: list[Any], structure: Structure) -> list[int | None]:
    """The mapped dimension of each leaf, counted from the front."""
    if in_dims is not None and not isinstance(in_dims, (int, tuple, list, np.integer)):
        message = (
            "vmap() takes in_dims as an int or a tuple with an entry for each argument, got"
            f" {type(in_dims).__name__}."
        )
        raise ValueError(message)
    if not args:
        message = "vmap() maps over arguments, got none."
        raise ValueError(message)
    if isinstance(in_dims, list):
        in_dims = tuple(in_dims)
    if isinstance(in_dims, tuple) and len(in_dims) != len(args):
        message = (
            f"vmap() got in_dims {in_dims} for a function called with {len(args)} arguments:"
            " give one entry for each."
        )
        raise ValueError(message)
    dims = spread("in_dims", in_dims, structure)
    found: list[int | None] = []
    for d, leaf in zip(dims, leaves, strict=True):
        if d is None:
            found.append(None)
            continue
        if not isinstance(leaf, (Tensor, np.ndarray)):
            message = (
                f"vmap() got in_dims {d} for an argument of type {type(leaf).__name__}, which has"
                " no dimensions: None says that it is the same for all items."
            )
            raise ValueError(message)
        k = operator.index(d)
        rank = len(leaf.shape)
        if not -rank <= k < rank:
            message = f"vmap() got in_dims {d} for an argument of shape {leaf.shape}."
            raise ValueError(message)
        found.append(k % rank)
    if all(d is None for d in found):
        message = "vmap() got in_dims None for all arguments: at least one must be mapped."
        raise ValueError(message)
    return found


def spread(name: str, dims: Any, structure: Structure) -> list[Any]:
    """An entry for each leaf of a tree, of entries for its branches."""
    if dims is None or isinstance(dims, (int, np.integer)) or structure.kind is None:
        if dims is None or isinstance(dims, (int, np.integer)):
            return [dims] * structure.leaves
    elif structure.kind is not type(None):
        children = _children(dims, structure)
        if children is not None:
            return [
                d
                for child, below in zip(children, structure.children, strict=True)
                for d in spread(name, child, below)
            ]
    elif not tree_flatten(dims)[0]:
        return []
    message = f"vmap() got {name} whose tree does not fit, at {dims!r}."
    raise ValueError(message)


def _children(dims: Any, structure: Structure) -> list[Any] | None:
    if isinstance(dims, dict):
        if set(dims) == set(structure.names):
            return [dims[name] for name in structure.names]
        return None
    if isinstance(dims, (tuple, list)) and len(dims) == len(structure.children):
        return list(dims)
    return None


def _size(leaves: Sequence[Any], dims: Sequence[int | None]) -> int:
    sizes = [leaf.shape[d] for leaf, d in zip(leaves, dims, strict=True) if d is not None]
    if len(set(sizes)) > 1:
        message = f"vmap() needs mapped dimensions of one size, got {tuple(sizes)}."
        raise ValueError(message)
    return int(sizes[0])


def _part(leaf: Tensor, d: int, start: int, end: int) -> Any:
    return slice_at(leaf, key=(*(slice(None),) * d, slice(start, end)))


def _mapped(
    f: Callable[..., Any],
    leaves: Sequence[Any],
    dims: Sequence[int | None],
    structure: Structure,
    kwargs: dict[str, Any],
    level: Batch,
    out_dims: Any,
) -> tuple[list[Tensor], Structure, list[int]]:
    """Call the function on one batch."""
    before = transforms()
    set_transforms(before._replace(batches=(*before.batches, level)))
    try:
        items = [
            leaf if d is None else batch(leaf, level, d)
            for leaf, d in zip(leaves, dims, strict=True)
        ]
        outputs, shape = tree_flatten(f(*structure.unflatten(items), **kwargs))
    finally:
        set_transforms(before)
    for o in outputs:
        if not isinstance(o, Tensor):
            message = (
                f"vmap() takes a function that returns tensors, got {type(o).__name__}:"
                " compute with tensors throughout."
            )
            raise ValueError(message)
    places = []
    for o, d in zip(outputs, spread("out_dims", out_dims, shape), strict=True):
        rank = o.ndim + 1
        if d is None or not -rank <= d < rank:
            message = f"vmap() got out_dims {d} for a result of shape {o.shape}."
            raise ValueError(message)
        places.append(d % rank)
    return [unbatch(o, level, d) for o, d in zip(outputs, places, strict=True)], shape, places

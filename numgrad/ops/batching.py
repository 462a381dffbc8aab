"""How ops that work on whole arrays run on batches of them.

A batch rule is `rule(kernel, arrays, hidden, metadata)`: the arrays have as many leading dimensions
more than the op counts as `hidden` has extents, which are those or 1; so has the result. Metadata
counts dimensions from the first that is seen. Without a rule the kernel runs on one item after
the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    Rule = Callable[..., Any]


class PerItem(NamedTuple):
    """Metadata that differs between the items of a batch; its array has the hidden dimensions."""

    array: Any


def per_item(metadata: dict[str, Any]) -> bool:
    """Whether some metadata differ between items."""
    return any(
        isinstance(item, PerItem)
        for value in metadata.values()
        for item in (value if type(value) is tuple else (value,))
    )


def joined(x: Any, *indices: Any) -> Any:
    """A tensor, in a batch if one of the indices is: then so is what is taken from it."""
    for index in indices:
        if is_batched(index):
            x = index.joined(x)
    return x


def is_batched(value: Any) -> bool:
    """Whether it is a tensor that has a value for each item of a batch."""
    return bool(getattr(value, "hidden", 0))


def one_by_one(
    kernel: Callable[..., Any], arrays: list[Any], hidden: tuple[int, ...], metadata: Any
) -> Any:
    """Run the kernel on one item after the other."""
    depth = len(hidden)
    results = [
        kernel(
            *(_item(a, index) for a in arrays),
            **{name: _chosen(value, index) for name, value in metadata.items()},
        )
        for index in np.ndindex(hidden)
    ]
    if not results:
        empty = [np.ones(a.shape[depth:], a.dtype) for a in arrays]
        results = [kernel(*empty, **metadata)]

    def together(parts: list[Any]) -> Any:
        stacked = np.stack([np.asarray(p) for p in parts])
        if not all(hidden):
            stacked = stacked[:0]
        return stacked.reshape(hidden + stacked.shape[1:])

    if type(results[0]) is tuple:
        return tuple(together(list(parts)) for parts in zip(*results, strict=True))
    return together(results)


def _item(a: Any, index: tuple[int, ...]) -> Any:
    return a[tuple(0 if n == 1 else i for i, n in zip(index, a.shape, strict=False))]


def _chosen(value: Any, index: tuple[int, ...]) -> Any:
    """Metadata for one item."""
    if type(value) is tuple:
        return tuple(_chosen(v, index) for v in value)
    return _item(value.array, index) if isinstance(value, PerItem) else value


def expanded(array: Any, hidden: tuple[int, ...]) -> Any:
    """The array with the hidden dimensions in full."""
    depth = len(hidden)
    if array.shape[:depth] == hidden:
        return array
    return np.broadcast_to(array, hidden + array.shape[depth:])


def aligned(arrays: list[Any], hidden: tuple[int, ...], cores: tuple[int, ...]) -> list[Any]:
    """Let dimensions between the hidden ones and the last, so many a core, broadcast."""
    depth = len(hidden)
    ranks = [a.ndim - depth - core for a, core in zip(arrays, cores, strict=True)]
    widest = max(ranks)
    return [
        a
        if rank == widest
        else a.reshape(a.shape[:depth] + (1,) * (widest - rank) + a.shape[depth:])
        for a, rank in zip(arrays, ranks, strict=True)
    ]


def leading(*cores: int) -> Rule:
    """Make the rule of a kernel that reads the last dimensions and takes the others as a batch."""

    def rule(
        kernel: Callable[..., Any], arrays: list[Any], hidden: tuple[int, ...], metadata: Any
    ) -> Any:
        if len(arrays) > 1:
            arrays = aligned(arrays, hidden, cores)
        return kernel(*arrays, **metadata)

    return rule


def shifted(
    kernel: Callable[..., Any], arrays: list[Any], hidden: tuple[int, ...], metadata: Any
) -> Any:
    """Count the dimensions that metadata name from behind the hidden ones."""
    if per_item(metadata):
        return one_by_one(kernel, arrays, hidden, metadata)
    depth = len(hidden)
    if len(arrays) > 1:
        arrays = [expanded(a, hidden) for a in arrays]
    front = arrays[0].shape[:depth]
    ndim = arrays[0].ndim - depth
    if "axis" in metadata and not ndim and kernel.__name__ != "stack_along":
        return _of_numbers(kernel, arrays, front, metadata)
    return kernel(*arrays, **moved(metadata, front, ndim))


def moved(metadata: dict[str, Any], front: tuple[int, ...], ndim: int) -> dict[str, Any]:
    """Metadata that name dimensions, extents or keys, for arrays with hidden extents in front."""
    depth = len(front)
    changed = dict(metadata)
    for name, value in metadata.items():
        if name == "axes":
            changed[name] = (
                tuple(range(depth, depth + ndim))
                if value is None
                else tuple(k + depth for k in value)
            )
        elif name == "axis":
            changed[name] = value + depth
        elif name == "shape":
            changed[name] = front + tuple(value)
        elif name == "key":
            items = value if type(value) is tuple else (value,)
            changed[name] = (slice(None),) * depth + items
        elif name == "repeats":
            changed[name] = (1,) * depth + value
    return changed


def _of_numbers(
    kernel: Callable[..., Any], arrays: list[Any], front: tuple[int, ...], metadata: Any
) -> Any:
    """Run a kernel along the only dimension of 0-d items."""
    depth = len(front)
    rows = [a.reshape((*a.shape, 1)) for a in arrays]
    changed = {**metadata, "axis": depth}
    if "shape" in changed:
        changed["shape"] = (*front, 1)
    result = kernel(*rows, **changed)

    def back(r: Any) -> Any:
        return np.asarray(r).reshape(r.shape[:depth])

    return tuple(map(back, result)) if type(result) is tuple else back(result)


def expanding(kernel: Any, arrays: list[Any], hidden: Any, metadata: Any) -> Any:
    """`expand_to`: repeat the items."""
    (x,), shape = arrays, metadata["shape"]
    depth = len(hidden)
    new = len(shape) - (x.ndim - depth)
    front = x.shape[:depth]
    return np.broadcast_to(x.reshape(front + (1,) * new + x.shape[depth:]), front + tuple(shape))


def spreading(kernel: Any, arrays: list[Any], hidden: Any, metadata: Any) -> Any:
    """`spread`: repeat the items over what was reduced."""
    (x,), shape, axes = arrays, metadata["shape"], metadata["axes"]
    front = x.shape[: len(hidden)]
    kept = tuple(1 if axes is None or k in axes else n for k, n in enumerate(shape))
    out = np.empty(front + tuple(shape), x.dtype)
    out[...] = x.reshape(front + kept)
    return out


def summing(kernel: Any, arrays: list[Any], hidden: Any, metadata: Any) -> Any:
    """`sum_to`: undo broadcasting of the items."""
    (x,), shape = arrays, metadata["shape"]
    depth = len(hidden)
    front, seen = x.shape[:depth], x.shape[depth:]
    new = len(seen) - len(shape)
    axes = (
        *range(depth, depth + new),
        *(depth + new + k for k, n in enumerate(shape) if n == 1 and seen[new + k] != 1),
    )
    with np.errstate(all="ignore"):
        return np.asarray(np.add.reduce(x, axis=axes)).reshape(front + tuple(shape))


def permuting(kernel: Any, arrays: list[Any], hidden: Any, metadata: Any) -> Any:
    """`permute_axes`: the hidden dimensions stay."""
    depth = len(hidden)
    return arrays[0].transpose((*range(depth), *(k + depth for k in metadata["axes"])))


def reshaping(kernel: Any, arrays: list[Any], hidden: Any, metadata: Any) -> Any:
    """`view_as` and `strict_view`."""
    (x,) = arrays
    return x.reshape(x.shape[: len(hidden)] + tuple(metadata["shape"]))


def flattening(kernel: Any, arrays: list[Any], hidden: Any, metadata: Any) -> Any:
    """What works along one dimension, or without any on the flat item."""
    name = "axes" if "axes" in metadata else "axis"
    if metadata[name] is not None:
        return shifted(kernel, arrays, hidden, metadata)
    (x,) = arrays
    depth = len(hidden)
    front, seen = x.shape[:depth], x.shape[depth:]
    along = depth if name == "axis" else (depth,)
    result = kernel(x.reshape((*front, -1)), **{**metadata, name: along})
    if name == "axes":
        return result.reshape(front + seen)
    return result.reshape(front + (1,) * len(seen)) if metadata["keepdims"] else result


def overwriting(kernel: Any, arrays: list[Any], hidden: Any, metadata: Any) -> Any:
    """`overwritten`: the source broadcasts to the target."""
    x, source = aligned(arrays, hidden, (0, 0))
    depth = len(hidden)
    full = x.shape[:depth] if source.shape[:depth] == (1,) * depth else hidden
    return kernel(expanded(x, full), source[(0,) * (source.ndim - x.ndim)], **metadata)

"""What runs the vjp kernels of an elementwise op on what a node saved, and little else.

Each function makes a closure for the hot loop of the walk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from numgrad.tape import Node

ndarray = np.ndarray


def single(kernel: np.ufunc, reads: tuple[int, ...]) -> Callable[[Node, Any, bool], Any]:
    """Make the pull of one gradient. A cotangent that the walk owns is overwritten by it."""

    def pull(node: Node, g: Any, owned: bool) -> Any:
        values = [g]
        for k in reads:
            value = node.saved[k]  # type: ignore[index]
            values.append(value.array if type(value) is Tensor else value)
        if owned:
            return kernel(*values, g)
        result = kernel(*values)
        return result if type(result) is ndarray else np.asarray(result)

    if len(reads) != 1:
        return pull
    (read,) = reads

    def pull_one(node: Node, g: Any, owned: bool) -> Any:
        """The commonest case: it reads one saved value."""
        value = node.saved[read]  # type: ignore[index]
        if type(value) is Tensor:
            value = value.array
        if owned:
            return kernel(g, value, g)
        result = kernel(g, value)
        return result if type(result) is ndarray else np.asarray(result)

    return pull_one


def several(
    width: int, identity: tuple[int, ...], steps: list[Any]
) -> Callable[[Node, Any, bool], Any]:
    """Make the pull of several gradients, some of which are the cotangent itself."""
    # The last kernel may overwrite the cotangent if nothing else is to have it.
    last = len(steps) - 1 if steps and not identity and len(steps[-1][2]) == 1 else None

    if not steps:
        given = [0 if k in identity else None for k in range(width)]
        return lambda _node, g, _owned: [None if k is None else g for k in given]

    if all(len(gives) == 1 for _, _, gives in steps):
        return _one_by_one(width, identity, steps, last)

    def pull(node: Node, g: Any, _owned: bool) -> Any:
        saved: Any = node.saved
        results: list[Any] = [None] * width
        for k in identity:
            results[k] = g
        for kernel, reads, gives in steps:
            values = [g]
            for k in reads:
                value = saved[k]
                values.append(value.array if type(value) is Tensor else value)
            result = kernel(*values)
            for k, each in zip(gives, result if len(gives) > 1 else (result,), strict=True):
                results[k] = each if type(each) is ndarray else np.asarray(each)
        return results

    return pull


def _one_by_one(
    width: int, identity: tuple[int, ...], steps: list[Any], last: int | None
) -> Callable[[Node, Any, bool], Any]:
    """Make the pull of several gradients by a kernel each."""
    kernels = [
        (kernel, reads[0] if len(reads) == 1 else None, reads, gives[0], position == last)
        for position, (kernel, reads, gives) in enumerate(steps)
    ]

    def pull(node: Node, g: Any, owned: bool) -> Any:
        saved: Any = node.saved
        results: list[Any] = [None] * width
        for k in identity:
            results[k] = g
        for kernel, read, reads, k, overwrites in kernels:
            if read is None:
                values = [saved[at] for at in reads]
                values = [v.array if type(v) is Tensor else v for v in values]
                result = kernel(g, *values, g) if overwrites and owned else kernel(g, *values)
            else:
                value = saved[read]
                if type(value) is Tensor:
                    value = value.array
                result = kernel(g, value, g) if overwrites and owned else kernel(g, value)
            results[k] = result if type(result) is ndarray else np.asarray(result)
        return results

    return pull

"""Products of matrices and contractions on batches, see `batching`."""

from __future__ import annotations

import math
import string
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.kernels.outer import outer

if TYPE_CHECKING:
    from collections.abc import Callable

    Rule = Callable[..., Any]

LETTERS = string.ascii_letters


def _multiply(x: Any, y: Any, depth: int) -> Any:
    """Products of matrices; what all items share on the right makes one product of them all."""
    if x.ndim > 2 and y.ndim > 2 and y.size == math.prod(y.shape[-2:]) and x.size:
        rows = x.reshape(-1, x.shape[-1]) @ y.reshape(y.shape[-2:])
        shape = (*np.broadcast_shapes(x.shape[:-2], y.shape[:-2]), x.shape[-2], y.shape[-1])
        if rows.size == math.prod(shape):
            return rows.reshape(shape)
    return np.matmul(x, y)


def products(form: str, settle: Callable[..., Any] | None = None) -> Rule:
    """Make the rule of a product of matrices or vectors in a form, as in `matmul.chains`.

    `settle` blanks what the NaN-safe rule blanks.
    """

    @np.errstate(all="ignore")
    def rule(kernel: Any, arrays: list[Any], hidden: tuple[int, ...], metadata: Any) -> Any:
        depth = len(hidden)
        x, y = _as_matrices(form, *arrays)
        x, y = _same_batches(x, y, depth)
        if form == "mv" and x.size == math.prod(x.shape[-2:]):
            result = _multiply(y.swapaxes(-2, -1), x.swapaxes(-2, -1), depth).swapaxes(-2, -1)
        elif form == "outer":
            result = outer(x[..., 0], y[..., 0, :])
        else:
            result = _multiply(x, y, depth)
        # Finite inputs are never blanked, and are quicker to look at than a large result.
        if settle is not None and not (
            x.size + y.size < result.size and math.isfinite(x.sum()) and math.isfinite(y.sum())
        ):
            result = settle(result, x, y)
        if form in ("mv", "dot"):
            result = result[..., 0]
        if form in ("vm", "dot"):
            result = result[..., 0, :] if form == "vm" else result[..., 0]
        return result

    return rule


def _as_matrices(form: str, x: Any, y: Any) -> tuple[Any, Any]:
    """Vectors as rows on the left and columns on the right; transposes as the form says."""
    if form in ("vm", "dot"):
        x = x[..., None, :]
    if form in ("mv", "dot"):
        y = y[..., None]
    if form == "outer":
        x, y = x[..., None], y[..., None, :]
    if form == "tn":
        x = x.swapaxes(-2, -1)
    if form == "nt":
        y = y.swapaxes(-2, -1)
    return x, y


def _same_batches(x: Any, y: Any, depth: int) -> tuple[Any, Any]:
    rank = max(x.ndim, y.ndim)
    return tuple(
        a
        if a.ndim == rank
        else a.reshape(a.shape[:depth] + (1,) * (rank - a.ndim) + a.shape[depth:])
        for a in (x, y)
    )


def idling(blanked: Callable[..., Any]) -> Rule:
    """Make the rule of `idle`."""

    def rule(kernel: Any, arrays: list[Any], hidden: tuple[int, ...], metadata: Any) -> Any:
        depth = len(hidden)
        ranks = [a.ndim - depth for a in arrays]
        x, y = (a[..., None] if r == 1 else a for a, r in zip(arrays, ranks, strict=True))
        x, y = _same_batches(x, y, depth)
        # A leading dimension, so that even single items count as a batch.
        result = np.asarray(blanked(x[None], y[None]))[0]
        return result if max(ranks) > 2 else result.reshape(result.shape[:-2])

    return rule


def summing(kernel: Any, arrays: list[Any], hidden: Any, metadata: Any) -> Any:
    """`summed` and `unsummed`: the hidden dimensions are labels more."""
    (x,) = arrays
    depth = len(hidden)
    labels = _free(depth, metadata["labels"] + metadata["out"])
    changed = {
        **metadata,
        "labels": labels + metadata["labels"],
        "out": labels + metadata["out"],
    }
    if "shape" in metadata:
        changed["shape"] = x.shape[:depth] + tuple(metadata["shape"])
    return kernel(x, **changed)


def contracting(contract: Callable[..., Any], blank: Callable[..., Any] | None = None) -> Rule:
    """Make the rule of a contraction: hidden dimensions are labels more where they are not 1."""

    @np.errstate(all="ignore")
    def rule(kernel: Any, arrays: list[Any], hidden: tuple[int, ...], metadata: Any) -> Any:
        depth = len(hidden)
        a, b, out = metadata["a"], metadata["b"], metadata["out"]
        labels = _free(depth, a + b + out)
        operands, named = [], []
        for array, own in zip(arrays, (a, b), strict=True):
            wide = [k for k in range(depth) if array.shape[k] != 1]
            front = tuple(array.shape[k] for k in wide)
            operands.append(array.reshape(front + array.shape[depth:]))
            named.append("".join(labels[k] for k in wide) + own)
        present = "".join(c for c in labels if c in named[0] or c in named[1])
        result = contract(*operands, *named, present + out)
        extents = tuple(
            max(array.shape[k] for array in arrays) if 0 not in [a.shape[k] for a in arrays] else 0
            for k in range(depth)
        )
        result = result.reshape(extents + result.shape[len(present) :])
        if blank is not None:
            lost = blank(arrays, depth, result)
            if lost is not None:
                result = np.where(lost.reshape(lost.shape + (1,) * len(out)), 0, result)
        return result

    return rule


def blanks(arrays: list[Any], depth: int, result: Any) -> Any:
    """Which items of a contraction are blanked by the NaN-safe rule; None: none of them."""
    if result is not None and math.isfinite(result.sum()):
        return None
    empty, finite = zip(
        *(
            (
                ~a.any(axis=tuple(range(depth, a.ndim))),
                np.isfinite(a).all(axis=tuple(range(depth, a.ndim))),
            )
            for a in arrays
        ),
        strict=True,
    )
    return (empty[0] & ~finite[1]) | (empty[1] & ~finite[0])


def _free(depth: int, used: str) -> str:
    return "".join([c for c in LETTERS if c not in used][:depth])

"""Calls of LAPACK that can fail, and errors that say which matrix of a batch made them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable


class LinAlgError(np.linalg.LinAlgError, RuntimeError):
    """A matrix that has no inverse, no factor, or whose iteration does not converge."""


def first_failure(compute: Callable[[Any], Any], a: Any) -> tuple[tuple[int, ...], Any]:
    """Find the first matrix of a batch for which NumPy raises; its index and the matrix."""
    for index in np.ndindex(a.shape[:-2]):
        try:
            compute(a[index])
        except np.linalg.LinAlgError:
            return index, a[index]
    raise AssertionError  # a batch fails where one of its matrices does


def whose(index: tuple[int, ...]) -> str:
    """The matrix, or which one of the batch, in words."""
    return f"item {index} of the batch" if index else "the matrix"


def attempt(compute: Callable[[Any], Any], a: Any, explain: Callable[[Any, Any], NoReturn]) -> Any:
    """Compute on a batch; where NumPy raises, `explain` raises for the first matrix at fault."""
    try:
        return compute(a)
    except np.linalg.LinAlgError:
        index, matrix = first_failure(compute, a)
        explain(whose(index), matrix)


def where_possible(compute: Callable[..., Any], a: Any, *others: Any) -> Any:
    """Compute on a batch, with nan for the matrices for which NumPy raises."""
    try:
        return compute(a, *others)
    except np.linalg.LinAlgError:
        batch = np.broadcast_shapes(*(x.shape[:-2] for x in (a, *others)))
        spread = [np.broadcast_to(x, batch + x.shape[-2:]) for x in (a, *others)]
        shape = batch + (others[-1] if others else a).shape[-2:]
        result = np.full(shape, np.nan, np.result_type(*spread))
        for index in np.ndindex(batch):
            try:
                result[index] = compute(*(x[index] for x in spread))
            except np.linalg.LinAlgError:
                continue
        return result


def raise_singular(name: str, which: str, matrix: Any) -> NoReturn:
    """Raise the error for a matrix without inverse."""
    from scipy.linalg import lapack

    factor = lapack.sgetrf if matrix.dtype == np.float32 else lapack.dgetrf
    pivot = factor(matrix)[-1]
    raise LinAlgError(
        f"{name}() needs invertible matrices, {which} is singular (pivot {pivot} of"
        f" {len(matrix)} is 0): drop dependent rows, or add a small multiple of the identity."
    )


def raise_indefinite(name: str, which: str, matrix: Any) -> NoReturn:
    """Raise the error for a matrix that is not positive definite."""
    from scipy.linalg import lapack

    factor = lapack.spotrf if matrix.dtype == np.float32 else lapack.dpotrf
    minor = factor(matrix, lower=True)[-1]
    raise LinAlgError(
        f"{name}() needs positive definite matrices, {which} is not (its leading minor of order"
        f" {minor} is not positive): check its symmetry, or add a small multiple of the identity."
    )


def raise_diverged(name: str, which: str, matrix: Any) -> NoReturn:
    """Raise the error for an iteration that did not converge."""
    reason = "" if np.isfinite(matrix).all() else ": it holds nan or inf"
    raise LinAlgError(f"{name}() did not converge for {which}{reason}.")

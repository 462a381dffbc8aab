"""Divisions by the gaps between eigenvalues or singular values, where some of these are equal.

The derivatives of the vectors divide by gaps. Two values are taken as equal, a gap as 0, if they
differ by at most TIE * n * eps times the largest; a numerator as 0 if it is at most
ZERO * n * eps times the largest element of the cotangent of its matrix. Then 0 / 0 is 0: the loss
does not depend on which basis the decomposition chose. Any other quotient by a gap of 0 has no
value: it is nan, with a RuntimeWarning.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from numgrad.op import structural
from numgrad.ops import batching
from numgrad.ops.choice import where
from numgrad.ops.lapack import whose
from numgrad.ops.matrices import eps

TIE = 10.0
ZERO = 100.0


@structural(batch=batching.leading(2, 1))
def tied(gaps: Any, values: Any) -> Any:
    """Which gaps are 0, of matrices of gaps between values or sums of them."""
    return np.abs(gaps) <= _resolution(values)[..., None, None]


def _resolution(values: Any) -> Any:
    n = max(values.shape[-1], 1)
    return TIE * n * eps(values.dtype) * np.abs(values).max(-1, initial=0.0)


def quotient(numerators: Any, gaps: Any, ties: Any, cotangent: Any, *, name: str) -> Any:
    """Numerators over gaps; over a gap of 0, 0 where the numerator is 0 too, else nan."""
    # Not the constant 0: nan in the numerator stays.
    safe = where(ties, 0.0 * numerators, numerators / where(ties, 1.0, gaps))
    return where(undefined(numerators, ties, gaps, cotangent, name=name), math.nan, safe)


@structural(batch=batching.leading(2, 2, 2, 2))
def undefined(numerators: Any, ties: Any, gaps: Any, cotangent: Any, *, name: str) -> Any:
    """Which numerators over a gap of 0 are not 0; warns if any is."""
    found = ties & (np.abs(numerators) > _negligible(cotangent))
    return _reported(found, gaps, name)


def _negligible(cotangent: Any) -> Any:
    n = max(cotangent.shape[-2:], default=1)
    largest = np.abs(cotangent).max((-2, -1), keepdims=True, initial=0.0)
    return ZERO * n * eps(cotangent.dtype) * largest


def _reported(found: Any, gaps: Any, name: str) -> Any:
    if found.any():
        *index, i, j = (int(k[0]) for k in np.nonzero(found))
        gap = abs(np.broadcast_to(gaps, found.shape)[(*index, i, j)])
        warnings.warn(
            f"{name}() has no derivative of its vectors at {whose(tuple(index))}: value {j} has a"
            f" gap of {gap:.3g} to another, and the loss depends on the basis chosen for their"
            " vectors, or its second derivative is asked for; the gradient is nan. Use the values"
            " alone, the matrix itself, or a projection on all vectors of equal values.",
            RuntimeWarning,
            stacklevel=2,
        )
    return found


@structural(batch=batching.leading(2, 1, 2, 2, 2))
def entangled(
    mixing: Any, to_values: Any, ties: Any, gaps: Any, cotangent: Any, *, name: str
) -> Any:
    """Which pairs of equal values the loss both mixes and weighs; warns if any.

    `mixing` is the symmetric part of vectorsᵀ cotangent. A loss like sum(C * (V * w) @ V.T) does
    not depend on the basis, and yet what it gives to w and to V does not tell its derivative: off
    the diagonal of Vᵀ C V the part of w is invisible.
    """
    weighed = to_values != 0
    either = weighed[..., :, None] | weighed[..., None, :]
    apart = ~np.eye(mixing.shape[-1], dtype=np.bool_)
    found = ties & apart & either & (np.abs(mixing) > _negligible(cotangent))
    return _reported(found, gaps, name)


def _first(kernel: Any, arrays: list[Any], hidden: tuple[int, ...], metadata: Any) -> Any:
    return arrays[0]


@structural(batch=_first)
def unless_tied(x: Any, values: Any, *, rectangular: bool, name: str) -> Any:
    """Values or vectors, which the last dimension counts, for use in a rule.

    The rule's own derivative with respect to them exists only where no other value is equal; it
    is nan for those that are tied. Singular values of rectangular matrices are tied at 0 too.
    """
    return x


@unless_tied.vjp()
def _(g: Any, values: Any, *, rectangular: bool, name: str) -> Any:
    spoilt = crowded(g, values, rectangular=rectangular, name=name)
    return where(spoilt, math.nan, g), None


@unless_tied.jvp("x")
def _(t: Any, values: Any, *, rectangular: bool, name: str) -> Any:
    spoilt = crowded(t, values, rectangular=rectangular, name=name)
    return where(spoilt, math.nan, t)


@unless_tied.jvp("values")
def _(t: Any) -> Any:
    return None


def _crowded_of_batch(
    kernel: Any, arrays: list[Any], hidden: tuple[int, ...], metadata: Any
) -> Any:
    g, values = (batching.expanded(a, hidden) for a in arrays)
    return kernel(g, values, **metadata)


@structural(batch=_crowded_of_batch)
def crowded(g: Any, values: Any, *, rectangular: bool, name: str) -> Any:
    """Which elements of a cotangent belong to tied values, and are not 0; warns if any."""
    n = values.shape[-1]
    gaps = np.abs(values[..., :, None] - values[..., None, :])
    gaps[..., range(n), range(n)] = math.inf
    nearest = gaps.min(-1, initial=math.inf)
    if rectangular:
        nearest = np.minimum(nearest, values)
    close = nearest <= _resolution(values)[..., None]
    if g.ndim == values.ndim:
        return close & (g != 0)
    return _reported(close[..., None, :] & (g != 0), nearest[..., None, :], name)

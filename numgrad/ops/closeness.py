"""Whether numbers agree within a tolerance. The results have no gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.errors import ShapeError
from numgrad.op import structural
from numgrad.ops import batching
from numgrad.ops.reduce import all
from numgrad.value import lift

if TYPE_CHECKING:
    from numgrad.tensor import Tensor

__all__ = ["allclose", "equal", "isclose"]


@structural(batch=batching.leading(0, 0))
def close_to(x: Any, y: Any, *, rtol: float, atol: float, equal_nan: bool) -> Any:
    """Where abs(x - y) <= atol + rtol * abs(y), element by element."""
    with np.errstate(all="ignore"):
        return np.isclose(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan)


def isclose(
    x: Tensor, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Where two tensors agree: abs(x - other) <= atol + rtol * abs(other), element by element.

    At the edges: infinities agree with themselves, nan with nothing unless `equal_nan`.

    Raises: ShapeError for shapes that do not broadcast.

    >>> import numgrad as ng
    >>> ng.isclose(ng.tensor([1.0, 2.0]), ng.tensor([1.0 + 1e-9, 2.1]))
    tensor([ True, False])
    """
    x, other = lift(x, "isclose"), lift(other, "isclose")
    try:
        return close_to(x, other, rtol=rtol, atol=atol, equal_nan=equal_nan)  # type: ignore[no-any-return]
    except ValueError as error:
        raise ShapeError(
            f"isclose() needs shapes that broadcast, got {np.shape(x)} and {np.shape(other)}."
        ) from error


def allclose(
    x: Tensor, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether all elements of two tensors agree, see `isclose`; a Python bool.

    >>> import numgrad as ng
    >>> ng.allclose(ng.tensor([1.0, 2.0]), ng.tensor([1.0 + 1e-9, 2.0]))
    True
    """
    return bool(all(isclose(x, other, rtol, atol, equal_nan)))


def equal(x: Tensor, y: Any) -> bool:
    """Whether two tensors have the same shape and equal elements; nan equals nothing.

    >>> import numgrad as ng
    >>> ng.equal(ng.ones(2), ng.ones(2))
    True
    """
    left, right = lift(x, "equal").array, lift(y, "equal").array
    return bool(np.array_equal(left, right))

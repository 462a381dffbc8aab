"""Linear interpolation between samples in one dimension."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.errors import ShapeError
from numgrad.op import structural
from numgrad.ops import batching
from numgrad.ops.arithmetic import product
from numgrad.ops.batching import is_batched, joined
from numgrad.ops.broadcast import view_as
from numgrad.ops.choice import where
from numgrad.ops.index import accumulate_at, index_at
from numgrad.ops.matrices import floating
from numgrad.ops.rounding import floor

if TYPE_CHECKING:
    from numgrad.tensor import Tensor

__all__ = ["interp"]


@structural(batch=batching.one_by_one)
def piece_of(x: Any, xp: Any) -> Any:
    """The number of the piece that x is in: that of the last point which is not above x."""
    return np.clip(np.searchsorted(xp, x, side="right") - 1, 0, max(len(xp) - 2, 0))


@structural(batch=batching.one_by_one)
def side_of(x: Any, xp: Any) -> Any:
    """-1 before all points, 0 between, 1 at the last one, 2 after it."""
    return np.where(x < xp[0], -1, 0) + (x >= xp[-1]) + (x > xp[-1])


def _of_batch(kernel: Any, arrays: list[Any], hidden: tuple[int, ...], metadata: Any) -> Any:
    x, xp, fp = arrays
    if xp.size == xp.shape[-1] and fp.size == fp.shape[-1]:
        return kernel(x, xp.reshape(-1), fp.reshape(-1), **metadata)
    return batching.one_by_one(kernel, arrays, hidden, metadata)


@structural(node="Interp", batch=_of_batch)
def interp_(
    x: Any, xp: Any, fp: Any, *, left: float | None, right: float | None, piece: Any, side: Any
) -> Any:
    """Values at x. `piece` numbers the piece that x is in, `side` is -1 before all and 1 after."""
    return np.interp(x, xp, fp, left, right).astype(np.result_type(x, xp, fp), copy=False)


@interp_.vjp()
def _(
    g: Any,
    x: Any,
    xp: Any,
    fp: Any,
    *,
    left: float | None,
    right: float | None,
    piece: Any,
    side: Any,
    needs: Any,
    shapes: Any,
) -> Any:
    (n,) = shapes[1]
    inside = side == 0
    after = np.minimum(piece + 1, n - 1)
    xp, fp = joined(xp, piece), joined(fp, piece)
    x0, x1 = index_at(xp, key=piece), index_at(xp, key=after)
    width = where(inside, x1 - x0, 1.0)
    way = where(inside, x - x0, 0.0) / width
    rise = where(inside, index_at(fp, key=after) - index_at(fp, key=piece), 0.0)
    to_x = product(g, rise / width)
    # Before and after all samples the weight is that of the first or last one, or of no sample.
    first = where(side < 0, 1.0 if left is None else 0.0, 0.0)
    last = where(side > 0, 1.0, 0.0) if right is None else where(side == 1, 1.0, 0.0)
    weights = where(inside, 1 - way, first), where(inside, way, last)

    def add_up(at_piece: Any, at_next: Any) -> Any:
        total = accumulate_at(joined(at_piece, piece), key=piece, shape=(n,))
        return total + accumulate_at(joined(at_next, after), key=after, shape=(n,))

    return (
        to_x if needs[0] else None,
        -add_up(to_x * weights[0], to_x * weights[1]) if needs[1] else None,
        add_up(product(g, weights[0]), product(g, weights[1])) if needs[2] else None,
    )


def interp(
    x: Tensor,
    xp: Tensor,
    fp: Tensor,
    left: float | None = None,
    right: float | None = None,
    period: float | None = None,
) -> Tensor:
    """Piecewise linear interpolation at x of the samples fp, taken at the increasing points xp.

    Before the first point the value is `left`, by default the first sample; after the last it is
    `right`, by default the last one. With a `period` points and x count modulo it.

    Shape: that of x; xp and fp are vectors of one length. Dtype: integers give the default dtype.
    At the edges: x, xp and fp all have gradients. At a point it is that of the piece on its
    right, and before the first and from the last point on it is 0 to x and 1 to the end sample.
    Raises ValueError if xp does not increase or the period is 0, ShapeError for other shapes.

    Source: numpy.interp.

    >>> import numgrad as ng
    >>> ng.interp(ng.tensor([0.5, 9.0]), ng.tensor([0.0, 1.0, 2.0]), ng.tensor([0.0, 4.0, 5.0]))
    tensor([2., 5.])
    """
    x, xp, fp = floating(x, "interp"), floating(xp, "interp"), floating(fp, "interp")
    if len(xp.shape) != 1 or xp.shape != fp.shape or not xp.shape[0]:
        raise ShapeError(
            "interp() takes xp and fp as vectors of one length, at least 1,"
            f" got shapes {xp.shape} and {fp.shape}."
        )
    if period is not None:
        x, xp, fp = _wrapped(x, xp, fp, abs(float(period)))
        left = right = None
    points = xp.array
    if (points[..., 1:] < points[..., :-1]).any():
        raise ValueError("interp() needs points xp that increase: sort them, and fp alike.")
    shape = x.shape
    x = x if shape else view_as(x, shape=(1,))
    # At the last point itself the value is the last sample, whatever `right` says.
    piece, side = (
        where if is_batched(where) else where.array for where in (piece_of(x, xp), side_of(x, xp))
    )
    result = interp_(
        x,
        xp,
        fp,
        left=None if left is None else float(left),
        right=None if right is None else float(right),
        piece=piece,
        side=side,
    )
    return result if shape else view_as(result, shape=())  # type: ignore[no-any-return]


def _wrapped(x: Any, xp: Any, fp: Any, period: float) -> tuple[Any, Any, Any]:
    """Bring x and the points into one period, in order, with one more point at either end."""
    if period == 0:
        raise ValueError("interp() needs a period other than 0.")

    if is_batched(xp):
        raise RuntimeError(
            "interp() with a period takes points that are the same for all items of a batch:"
            " without one they may differ."
        )

    def wraps(t: Any) -> Any:
        return floor(t / period) * period

    x, xp = x - wraps(x), xp - wraps(xp)
    order = np.argsort(xp.array)
    key = np.concatenate([order[-1:], order, order[:1]])
    shift = np.zeros(len(key), xp.dtype)
    shift[0], shift[-1] = -period, period
    return x, index_at(xp, key=key) + shift, index_at(fp, key=key)

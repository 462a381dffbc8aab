"""Variance and standard deviation, from deviations that do not cancel at large means."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.kernels import layout
from numgrad.op import structural
from numgrad.ops import batching
from numgrad.ops.arithmetic import product
from numgrad.ops.axes import MISSING
from numgrad.ops.choice import equal, where
from numgrad.ops.reduce import count, floating, kept, reduction, spread, sum_over, zeros_for
from numgrad.value import lift

if TYPE_CHECKING:
    from numgrad.tensor import Tensor

__all__ = ["std", "var"]


@structural(linear=True, batch=batching.shifted)
def deviation(x: Any, *, axes: tuple[int, ...] | None) -> Any:
    """Difference from the mean over dimensions; exactly 0 where all elements are equal."""
    return layout.along("deviation", tuple(range(x.ndim)) if axes is None else axes, x)


@deviation.vjp("x")
def _(g: Any, *, axes: tuple[int, ...] | None) -> Any:
    return deviation(g, axes=axes)


@structural(node="Var", batch=batching.shifted)
def var_over(x: Any, *, axes: tuple[int, ...] | None, correction: float, keepdims: bool) -> Any:
    """Variance over dimensions, None for all."""
    scatter = layout.fold("scatter", x, axes, keepdims=keepdims)
    return scatter / x.dtype.type(freedom(x.shape, axes, correction))


@var_over.vjp("x")
def _(
    g: Any, x: Any, *, axes: tuple[int, ...] | None, correction: float, keepdims: bool, shapes: Any
) -> Any:
    n = freedom(shapes[0], axes, correction)
    g = spread(g, shape=shapes[0], axes=axes, keepdims=keepdims)
    return product(g, _var_local(x, axes, n))


@var_over.jvp("x")
def _(
    t: Any, x: Any, *, axes: tuple[int, ...] | None, correction: float, keepdims: bool, shapes: Any
) -> Any:
    n = freedom(shapes[0], axes, correction)
    return sum_over(product(t, _var_local(x, axes, n)), axes=axes, keepdims=keepdims)


def _var_local(x: Any, axes: tuple[int, ...] | None, n: float) -> Any:
    if math.isnan(n):  # the same for all values of x
        return zeros_for(x, shape=x.shape) + math.nan
    return deviation(x, axes=axes) * (2 / n)


@structural(node="Std", batch=batching.shifted)
def std_over(x: Any, *, axes: tuple[int, ...] | None, correction: float, keepdims: bool) -> Any:
    """Standard deviation over dimensions, None for all."""
    var = var_over.kernel(x, axes=axes, correction=correction, keepdims=keepdims)
    return np.sqrt(var)


@std_over.vjp("x")
def _(
    g: Any,
    x: Any,
    out: Any,
    *,
    axes: tuple[int, ...] | None,
    correction: float,
    keepdims: bool,
    shapes: Any,
) -> Any:
    out = kept(out, shapes[0], axes, keepdims=keepdims)
    local = _std_local(x, out, axes, freedom(shapes[0], axes, correction))
    return product(spread(g, shape=shapes[0], axes=axes, keepdims=keepdims), local)


@std_over.jvp("x")
def _(
    t: Any,
    x: Any,
    out: Any,
    *,
    axes: tuple[int, ...] | None,
    correction: float,
    keepdims: bool,
    shapes: Any,
) -> Any:
    out = kept(out, shapes[0], axes, keepdims=keepdims)
    local = _std_local(x, out, axes, freedom(shapes[0], axes, correction))
    return sum_over(product(t, local), axes=axes, keepdims=keepdims)


def _std_local(x: Any, out: Any, axes: tuple[int, ...] | None, n: float) -> Any:
    if math.isnan(n):
        return zeros_for(x, shape=x.shape) + math.nan
    # The root has a corner at 0, where the deviations are 0 too: the derivative there is 0.
    return where(equal(out, 0.0), 0.0, deviation(x, axes=axes) / (out * n))


def freedom(shape: tuple[int, ...], axes: tuple[int, ...] | None, correction: float) -> float:
    """Degrees of freedom, nan where there are none."""
    n = count(shape, axes) - correction
    return n if n > 0 else math.nan


def var(
    x: Tensor,
    dim: Any = MISSING,
    unbiased: Any = MISSING,
    keepdim: Any = MISSING,
    *,
    correction: Any = MISSING,
    dtype: Any = None,
    axis: Any = MISSING,
    ddof: Any = MISSING,
    keepdims: Any = MISSING,
) -> Tensor:
    """Variance over `dim`, an int or a tuple; over all without it.

    The divisor is n - 1 in PyTorch's spelling, where `correction` sets what is taken from n; with
    NumPy's keywords `axis`, `ddof` or `keepdims` it is n, unless `ddof` or `correction` says
    otherwise. Dtype: integers and bools give the default dtype. At the edges: nan, and gradient
    nan, of too few elements; empty tuples as in `sum`.

    Raises: TypeError where keywords of both libraries are given.

    >>> import numgrad as ng
    >>> x = ng.tensor([1.0, 2.0, 6.0])
    >>> ng.var(x), ng.var(x, axis=0)
    (tensor(7.), tensor(4.6667))
    """
    x = floating(lift(x, "var"), dtype)
    how = _arguments("var", x.ndim, dim, unbiased, keepdim, correction, axis, ddof, keepdims)
    return var_over(x, **how)  # type: ignore[no-any-return]


def std(
    x: Tensor,
    dim: Any = MISSING,
    unbiased: Any = MISSING,
    keepdim: Any = MISSING,
    *,
    correction: Any = MISSING,
    dtype: Any = None,
    axis: Any = MISSING,
    ddof: Any = MISSING,
    keepdims: Any = MISSING,
) -> Tensor:
    """Standard deviation over `dim`, an int or a tuple; over all without it.

    Arguments are those of `var`. At the edges: of equal elements it is 0 with gradient 0.

    >>> import numgrad as ng
    >>> ng.std(ng.tensor([1.0, 3.0, 5.0]))
    tensor(2.)
    """
    x = floating(lift(x, "std"), dtype)
    how = _arguments("std", x.ndim, dim, unbiased, keepdim, correction, axis, ddof, keepdims)
    return std_over(x, **how)  # type: ignore[no-any-return]


def _arguments(
    name: str,
    ndim: int,
    dim: Any,
    unbiased: Any,
    keepdim: Any,
    correction: Any,
    axis: Any,
    ddof: Any,
    keepdims: Any,
) -> dict[str, Any]:
    """Read the two spellings of a variance."""
    if isinstance(dim, bool):  # PyTorch's var(x, unbiased)
        dim, unbiased = MISSING, dim
    pytorch = [dim, unbiased, keepdim]
    numpy = [axis, ddof, keepdims]
    by_numpy = [each for each in numpy if each is not MISSING]
    if by_numpy and [each for each in pytorch if each is not MISSING]:
        raise TypeError(
            f"{name}() got keywords of PyTorch (dim, unbiased, keepdim) and of NumPy (axis, ddof,"
            " keepdims), whose divisors differ: use those of one."
        )
    given = [each for each in (unbiased, correction, ddof) if each is not MISSING]
    if len(given) > 1:
        raise TypeError(f"{name}() takes one of correction=, ddof= and unbiased=, got several.")
    divisor = given[0] if given else (0 if by_numpy else 1)
    if divisor is None:
        divisor = 1
    axes, keep = reduction(name, ndim, dim, keepdim, axis, keepdims)
    return {"axes": axes, "correction": float(divisor), "keepdims": keep}

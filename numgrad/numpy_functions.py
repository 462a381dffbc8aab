"""Which function means what NumPy's does, with NumPy's arguments.

Where NumPy and PyTorch mean different things by one name, this is the NumPy side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import functions as f
from numgrad import linalg
from numgrad.ops import (
    closeness,
    convert,
    diagonals,
    einsum,
    extrema,
    extremes,
    interp,
    join,
    masks,
    matmul,
    moments,
    permute,
    products,
    reduce,
    rounding,
    scan,
    scatter,
    shape,
    signal,
    sorting,
)
from numgrad.ops.solve import numpy_solve
from numgrad.tensor import Tensor
from numgrad.value import lift

if TYPE_CHECKING:
    from collections.abc import Callable

    Ours = Callable[..., Any]

# Ufuncs that are elementwise functions here, under the same name.
_SAME = """absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh ceil copysign cos cosh
divide exp exp2 expm1 floor floor_divide fmax fmin fmod greater greater_equal hypot isfinite isinf
isnan less less_equal log log10 log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or
maximum minimum multiply negative not_equal power reciprocal remainder rint sign sin sinh sqrt
square subtract tan tanh trunc"""

UFUNCS: dict[Any, Ours] = {
    **{getattr(np, name): getattr(f, name) for name in _SAME.split()},
    np.equal: f.eq,
    np.matmul: matmul.matmul,
}


def _reduction(function: Ours, axis: Any) -> Ours:
    """Give a reduction NumPy's arguments, with the axis that it has by default."""

    def ours(a: Any, axis: Any = axis, dtype: Any = None, keepdims: bool = False) -> Any:
        result = function(lift(a, function.__name__), axis=axis, keepdims=keepdims)
        return result if dtype is None else result.to(dtype)

    return ours


def _scan(function: Ours, *, flat: bool) -> Ours:
    def ours(a: Any, axis: Any = None if flat else 0, dtype: Any = None) -> Any:
        x = lift(a, function.__name__)
        if axis is None:
            x, axis = shape.ravel(x), 0
        result = function(x, axis)
        return result if dtype is None else result.to(dtype)

    return ours


def _moment(function: Ours) -> Ours:
    def ours(
        a: Any, axis: Any = None, dtype: Any = None, *, ddof: float = 0, keepdims: bool = False
    ) -> Any:
        x = lift(a, function.__name__)
        x = x if dtype is None else x.to(dtype)
        return function(x, axis=axis, ddof=ddof, keepdims=keepdims)

    return ours


def _index_of(function: Ours) -> Ours:
    def ours(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
        return function(lift(a, function.__name__), axis, keepdims)

    return ours


def _reshape(a: Any, shape: Any, order: str = "C") -> Any:
    return _shape.reshape(a, shape, order=order)


def _transpose(a: Any, axes: Any = None) -> Any:
    x = lift(a, "transpose")
    return permute.permute(x, tuple(reversed(range(x.ndim))) if axes is None else tuple(axes))


def _flip(m: Any, axis: Any = None) -> Any:
    x = lift(m, "flip")
    return permute.flip(x, tuple(range(x.ndim)) if axis is None else axis)


def _roll(a: Any, shift: Any, axis: Any = None) -> Any:
    return permute.roll(a, shift) if axis is None else permute.roll(a, shift, axis)


def _concatenate(arrays: Any, axis: int | None = 0) -> Any:
    if axis is None:
        return join.cat([shape.ravel(lift(a, "concatenate")) for a in arrays], 0)
    return join.cat(arrays, axis)


def _stack(arrays: Any, axis: int = 0) -> Any:
    return join.stack(arrays, axis)


def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    return join.split(ary, indices_or_sections, axis=axis)


def _repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    return join.repeat_interleave(lift(a, "repeat"), repeats, axis)


def _tile(a: Any, reps: Any) -> Any:
    return join.tile(a, *(reps if isinstance(reps, (tuple, list)) else (reps,)))


def _where(condition: Any, x: Any, y: Any) -> Any:
    return f.where(condition, x, y)


def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    return extremes.clamp(a, min if a_min is None else a_min, max if a_max is None else a_max)


def _sort(a: Any, axis: int | None = -1) -> Any:
    x = lift(a, "sort")
    return sorting.sort(shape.ravel(x), axis=-1) if axis is None else sorting.sort(x, axis=axis)


def _argsort(a: Any, axis: int | None = -1) -> Any:
    x = lift(a, "argsort")
    return sorting.argsort(shape.ravel(x), -1) if axis is None else sorting.argsort(x, axis)


def _like(value: float) -> Ours:
    def ours(a: Any, dtype: Any = None) -> Any:
        return Tensor(np.full_like(lift(a, "like").array, value, dtype=dtype))

    return ours


_shape = shape

# (ufunc, method) -> the function that it is, with `axis` 0 unless given.
REDUCTIONS: dict[Any, Ours] = {
    (np.add, "reduce"): _reduction(reduce.sum, 0),
    (np.multiply, "reduce"): _reduction(scan.prod, 0),
    (np.maximum, "reduce"): _reduction(extrema.amax, 0),
    (np.minimum, "reduce"): _reduction(extrema.amin, 0),
    (np.logical_and, "reduce"): _reduction(reduce.all, 0),
    (np.logical_or, "reduce"): _reduction(reduce.any, 0),
    (np.add, "accumulate"): _scan(scan.cumsum, flat=False),
    (np.multiply, "accumulate"): _scan(scan.cumprod, flat=False),
}

FUNCTIONS: dict[Any, Ours] = {
    np.sum: _reduction(reduce.sum, None),
    np.mean: _reduction(reduce.mean, None),
    np.prod: _reduction(scan.prod, None),
    np.max: _reduction(extrema.amax, None),
    np.amax: _reduction(extrema.amax, None),
    np.min: _reduction(extrema.amin, None),
    np.amin: _reduction(extrema.amin, None),
    np.all: _reduction(reduce.all, None),
    np.any: _reduction(reduce.any, None),
    np.var: _moment(moments.var),
    np.std: _moment(moments.std),
    np.argmax: _index_of(extrema.argmax),
    np.argmin: _index_of(extrema.argmin),
    np.cumsum: _scan(scan.cumsum, flat=True),
    np.cumprod: _scan(scan.cumprod, flat=True),
    np.sort: _sort,
    np.argsort: _argsort,
    np.isclose: closeness.isclose,
    np.allclose: closeness.allclose,
    np.array_equal: closeness.equal,
    np.reshape: _reshape,
    np.ravel: shape.ravel,
    np.transpose: _transpose,
    np.permute_dims: _transpose,
    np.matrix_transpose: permute.matrix_transpose,
    np.swapaxes: permute.swapaxes,
    np.moveaxis: permute.moveaxis,
    np.flip: _flip,
    np.roll: _roll,
    np.squeeze: lambda a, axis=None: shape.squeeze(a) if axis is None else shape.squeeze(a, axis),
    np.expand_dims: shape.unsqueeze,
    np.broadcast_to: shape.broadcast_to,
    np.atleast_1d: shape.atleast_1d,
    np.atleast_2d: shape.atleast_2d,
    np.concatenate: _concatenate,
    np.stack: _stack,
    np.hstack: join.hstack,
    np.vstack: join.vstack,
    np.split: _split,
    np.array_split: _split,
    np.tile: _tile,
    np.repeat: _repeat,
    np.diag: lambda v, k=0: diagonals.diag(v, k),
    np.diagonal: lambda a, offset=0, axis1=0, axis2=1: diagonals.diagonal(a, offset, axis1, axis2),
    np.tril: lambda m, k=0: diagonals.tril(m, k),
    np.triu: lambda m, k=0: diagonals.triu(m, k),
    np.take: lambda a, indices, axis=None: scatter.take(a, indices, axis),
    np.take_along_axis: scatter.take_along_axis,
    np.extract: masks.extract,
    np.where: _where,
    np.clip: _clip,
    np.round: lambda a, decimals=0: rounding.round(a, decimals),
    np.copy: lambda a: convert.clone(lift(a, "copy")),
    np.zeros_like: _like(0),
    np.ones_like: _like(1),
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a: a.numel(),
    np.dot: products.numpy_dot,
    np.vdot: products.vdot,
    np.inner: einsum.inner,
    np.outer: products.outer,
    np.tensordot: lambda a, b, axes=2: einsum.tensordot(a, b, axes=axes),
    np.kron: products.kron,
    np.trace: products.trace,
    np.einsum: einsum.einsum,
    np.linalg.cholesky: lambda a, *, upper=False: linalg.cholesky(a, upper=upper),
    np.linalg.det: linalg.det,
    np.linalg.eigh: lambda a, UPLO="L": linalg.eigh(a, UPLO),
    np.linalg.eigvalsh: lambda a, UPLO="L": linalg.eigvalsh(a, UPLO),
    np.linalg.inv: linalg.inv,
    np.linalg.matrix_norm: linalg.matrix_norm,
    np.linalg.norm: lambda x, ord=None, axis=None, keepdims=False: linalg.norm(  # noqa: A006 - NumPy's
        x, ord, axis, keepdims
    ),
    np.linalg.qr: lambda a, mode="reduced": linalg.qr(a, mode),
    np.linalg.slogdet: linalg.slogdet,
    np.linalg.solve: numpy_solve,
    np.linalg.svd: lambda a, full_matrices=True: linalg.svd(a, full_matrices),
    np.linalg.vector_norm: linalg.vector_norm,
    np.interp: interp.interp,
    np.convolve: signal.convolve,
}

"""Making tensors: of data, of one value, of ranges."""

from __future__ import annotations

import operator
import warnings
from typing import Any

import numpy as np

from numgrad import dtypes
from numgrad.arrays import array_of
from numgrad.errors import ShapeError
from numgrad.modes import modes
from numgrad.sharing import counter_of
from numgrad.tape import INFERENCE
from numgrad.tensor import Tensor, alias
from numgrad.wrapped import Wrapped


def factory(array: np.ndarray[Any, Any], *, requires_grad: bool) -> Tensor:
    """Make a leaf of an array as it is."""
    t = alias(array, INFERENCE if modes().inference else None)
    if requires_grad:
        t.requires_grad = True
    return t


def shape_of(size: tuple[Any, ...]) -> tuple[int, ...]:
    """Read extents given one by one or as one sequence.

    Raises ShapeError for negative ones, TypeError for what is no integer.
    """
    if len(size) == 1 and not hasattr(size[0], "__index__"):
        size = tuple(size[0])
    shape = tuple(map(operator.index, size))
    if any(n < 0 for n in shape):
        message = f"a shape has extents of at least 0, got {shape}."
        raise ShapeError(message)
    return shape


def _dtype(dtype: Any) -> np.dtype[Any]:
    return dtypes.get_default_dtype() if dtype is None else np.dtype(dtype)


def tensor(data: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Make a tensor of numbers, nested lists or an array, always copying.

    Dtype: Python floats take the default dtype (float64), ints int64, bools bool; arrays and
    NumPy scalars keep theirs.

    Raises ValueError for ragged lists, TypeError for None and what is no number, RuntimeError
    for `requires_grad` of integers.

    >>> tensor([[1.0, 2.0], [3.0, 4.0]])
    tensor([[1., 2.],
            [3., 4.]])
    >>> tensor(1.0, requires_grad=True)
    tensor(1., requires_grad=True)
    """
    if isinstance(data, Tensor):
        warnings.warn(
            "tensor() of a tensor copies it and drops its history: x.detach().clone() says so.",
            UserWarning,
            stacklevel=2,
        )
        if isinstance(data, Wrapped):
            copy: Tensor = data.detach().clone().to(dtype or data.dtype)
            return copy.requires_grad_(requires_grad)
        data = data.array
    return factory(array_of(data, dtype), requires_grad=requires_grad)


def as_tensor(data: Any, dtype: Any = None) -> Tensor:
    """Make a tensor that shares memory with an array; a tensor is returned as it is.

    Anything else is copied, as by `tensor`. With a `dtype` other than that of the data the
    values are converted, and the gradient of a tensor passes through.

    >>> import numpy as np
    >>> a = np.zeros(2)
    >>> t = as_tensor(a)
    >>> a[0] = 1.0
    >>> t
    tensor([1., 0.])
    """
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    if isinstance(data, np.ndarray):
        return from_numpy(data if dtype is None else data.astype(dtype, copy=False))
    return factory(array_of(data, dtype), requires_grad=False)


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """Make a tensor that shares memory with an array; read-only if the array is.

    Raises TypeError for what is no array, or one of objects, strings or complex numbers.
    """
    if not isinstance(array, np.ndarray):
        message = f"from_numpy() takes an ndarray, got {type(array).__name__}: use tensor()."
        raise TypeError(message)
    return _sharing(array, "from_numpy")


def from_dlpack(x: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """Make a tensor that shares memory with an array of another library, such as PyTorch's.

    The library hands it over by the DLPack protocol, and both sides see what either writes. The
    tensor does not require grad; it is read-only where the library says so, or uses a version of
    the protocol before 1.0, which cannot say. A numgrad tensor gives one that shares its version
    counter, as `detach` does.

    Args:
        x: what has `__dlpack__` and `__dlpack_device__`.
        device: where the tensor is to be; None or "cpu".
        copy: copy what the library hands over; otherwise nothing is copied here.

    Raises:
        BufferError: x requires grad, is on another device, or has a layout that is no array.
        TypeError: x has no DLPack, or does not hold real numbers.
        ValueError: another device than the CPU.

    Source: `torch.from_dlpack`

    >>> import numpy as np
    >>> from_dlpack(np.arange(3.0))
    tensor([0., 1., 2.])
    """
    if not hasattr(x, "__dlpack__"):
        message = (
            f"from_dlpack() takes what has a __dlpack__() method, got {type(x).__name__}:"
            " use tensor()."
        )
        raise TypeError(message)
    if device not in {None, "cpu"}:
        message = f"from_dlpack() makes tensors on the CPU, got device={device!r}: leave it out."
        raise ValueError(message)
    if type(x) is Tensor and not x.requires_grad:
        return x.clone() if copy else x.detach()
    try:
        array = np.from_dlpack(x)
    except RuntimeError as error:  # of NumPy, for a dtype that it does not have
        message = f"from_dlpack() cannot take what {type(x).__name__} hands over: {error}"
        raise TypeError(message) from None
    return _sharing(array.copy() if copy else array, "from_dlpack")


def _sharing(array: np.ndarray[Any, Any], name: str) -> Tensor:
    if array.dtype.kind not in "fiub":
        message = f"{name}() takes an array of real numbers, got dtype {array.dtype}."
        raise TypeError(message)
    array = np.asarray(array)
    return alias(array, INFERENCE if modes().inference else counter_of(array))


def zeros(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Make a tensor of zeros; extents one by one or as a tuple.

    >>> zeros(2)
    tensor([0., 0.])
    """
    return factory(np.zeros(shape_of(size), _dtype(dtype)), requires_grad=requires_grad)


def ones(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Make a tensor of ones; extents one by one or as a tuple.

    >>> ones(2, requires_grad=True)
    tensor([1., 1.], requires_grad=True)
    """
    return factory(np.ones(shape_of(size), _dtype(dtype)), requires_grad=requires_grad)


def empty(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Make a tensor whose values are whatever was in memory."""
    return factory(np.empty(shape_of(size), _dtype(dtype)), requires_grad=requires_grad)


def full(size: Any, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Make a tensor with one value everywhere, of the value's dtype unless one is given.

    >>> full((2,), 7.0)
    tensor([7., 7.])
    """
    value = array_of(fill_value, dtype)
    return factory(np.full(shape_of((size,)), value, value.dtype), requires_grad=requires_grad)


def zeros_like(x: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Make zeros in the shape and dtype of x."""
    return factory(np.zeros_like(_array(x), dtype=dtype), requires_grad=requires_grad)


def ones_like(x: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Make ones in the shape and dtype of x."""
    return factory(np.ones_like(_array(x), dtype=dtype), requires_grad=requires_grad)


def empty_like(x: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Make a tensor in the shape and dtype of x, whose values are whatever was in memory."""
    return factory(np.empty_like(_array(x), dtype=dtype), requires_grad=requires_grad)


def full_like(x: Any, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Make a tensor in the shape and dtype of x with one value everywhere."""
    return factory(np.full_like(_array(x), fill_value, dtype=dtype), requires_grad=requires_grad)


def arange(
    start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """Count from `start` (0 if only one number is given) to before `end`.

    Dtype: int64 for integers, else the default dtype.
    Raises ValueError for a step of 0 or away from `end`.

    >>> arange(3)
    tensor([0, 1, 2])
    """
    if end is None:
        start, end = 0, start
    if step == 0 or (end - start) * step < 0:
        message = f"arange() cannot go from {start} to {end} in steps of {step}."
        raise ValueError(message)
    array = np.arange(start, end, step)
    if dtype is None and array.dtype.kind == "f":
        dtype = dtypes.get_default_dtype()
    return factory(array if dtype is None else array.astype(dtype), requires_grad=requires_grad)


def linspace(
    start: Any, end: Any, steps: int, *, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """Give `steps` evenly spaced values from `start` to `end`, both included.

    With one step the value is `start`. Differentiable in `start` and `end` where these are
    tensors. Raises ValueError for a negative number of steps.

    >>> linspace(0, 1, 3)
    tensor([0.0000, 0.5000, 1.0000])
    """
    count = operator.index(steps)
    if count < 0:
        message = f"linspace() takes a number of steps of at least 0, got {count}."
        raise ValueError(message)
    wanted = _dtype(dtype)
    if isinstance(start, Tensor) or isinstance(end, Tensor):
        fraction = factory(np.linspace(0, 1, count, dtype=wanted), requires_grad=False)
        mixed: Tensor = start * (1 - fraction) + end * fraction
        return mixed
    return factory(np.linspace(start, end, count, dtype=wanted), requires_grad=requires_grad)


def eye(n: int, m: int | None = None, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Make an n by m matrix (square without m) with ones on the diagonal.

    >>> eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    return factory(np.eye(n, m, dtype=_dtype(dtype)), requires_grad=requires_grad)


def _array(x: Any) -> np.ndarray[Any, Any]:
    if isinstance(x, Wrapped):  # as it looks from outside
        return np.broadcast_to(x.dtype.type(0), x.shape)
    return x.array if isinstance(x, Tensor) else np.asarray(x)

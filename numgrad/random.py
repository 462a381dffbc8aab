"""Random tensors, from one seeded stream of the process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import dtypes
from numgrad.batched import batched
from numgrad.creation import factory, shape_of
from numgrad.locks import process_lock
from numgrad.modes import transforms
from numgrad.record import as_tensor

if TYPE_CHECKING:
    from numgrad.tensor import Tensor

_generator = np.random.default_rng()
_lock = process_lock()


def manual_seed(seed: int) -> np.random.Generator:
    """Start the stream of random numbers anew at a seed, and return its generator.

    >>> import numgrad as ng
    >>> a = ng.manual_seed(0) and ng.rand(3)
    >>> b = ng.manual_seed(0) and ng.rand(3)
    >>> bool((a == b).all())
    True
    """
    global _generator  # noqa: PLW0603 - one stream for the process, as in PyTorch
    with _lock:
        _generator = np.random.default_rng(seed)
    return _generator


def generator() -> np.random.Generator:
    """Return the generator that all random functions draw from."""
    return _generator


def get_rng_state() -> dict[str, Any]:
    """Return where the stream of random numbers is, for `set_rng_state`.

    >>> import numgrad as ng
    >>> state = ng.get_rng_state()
    >>> a = ng.rand(3)
    >>> ng.set_rng_state(state)
    >>> bool((ng.rand(3) == a).all())
    True
    """
    with _lock:
        return dict(_generator.bit_generator.state)


def set_rng_state(state: dict[str, Any]) -> None:
    """Put the stream of random numbers where `get_rng_state` found it."""
    with _lock:
        _generator.bit_generator.state = state


def _drawn(draw: Any, size: tuple[Any, ...], dtype: Any, *, requires_grad: bool) -> Tensor:
    wanted = dtypes.get_default_dtype() if dtype is None else np.dtype(dtype)
    return _in_batches(
        lambda front: draw(front + shape_of(size)), wanted, requires_grad=requires_grad
    )


def _in_batches(draw: Any, dtype: Any, *, requires_grad: bool = False) -> Tensor:
    """Draw once, or, inside of `vmap`, as this was told: `draw` takes extents to put in front."""
    batches = transforms().batches
    if any(b.randomness == "error" for b in batches):
        message = (
            "random numbers inside vmap() may differ between the items or be the same: say so by"
            ' randomness="different" or randomness="same".'
        )
        raise RuntimeError(message)
    drawn = tuple(b for b in batches if b.randomness == "different")
    with _lock:
        array = np.asarray(draw(tuple(b.size for b in drawn))).astype(dtype, copy=False)
    if not drawn:
        return factory(array, requires_grad=requires_grad)
    return batched(array, drawn)


def rand(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Draw uniformly from [0, 1)."""
    return _drawn(_generator.random, size, dtype, requires_grad=requires_grad)


def randn(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Draw from the standard normal distribution."""
    return _drawn(_generator.standard_normal, size, dtype, requires_grad=requires_grad)


def rand_like(x: Tensor, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Draw uniformly from [0, 1), in the shape and dtype of x."""
    return rand(*x.shape, dtype=dtype or x.dtype, requires_grad=requires_grad)


def randn_like(x: Tensor, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Draw from the standard normal distribution, in the shape and dtype of x."""
    return randn(*x.shape, dtype=dtype or x.dtype, requires_grad=requires_grad)


def randint(low: int, high: Any = None, size: Any = None, *, dtype: Any = None) -> Tensor:
    """Draw integers from [low, high), or from [0, low) if only `low` and `size` are given.

    Raises ValueError for an empty range.
    """
    if size is None:
        low, high, size = 0, low, high
    if size is None:
        message = "randint() takes low, high and a size: randint(10, (3,)) or randint(0, 10, (3,))."
        raise TypeError(message)
    if low >= high:
        message = f"randint() draws from [low, high), got the empty range [{low}, {high})."
        raise ValueError(message)
    wanted = dtypes.int64 if dtype is None else np.dtype(dtype)
    extents = shape_of((size,))
    return _in_batches(lambda front: _generator.integers(low, high, front + extents), wanted)


def randperm(n: int) -> Tensor:
    """Draw a permutation of 0 to n - 1."""

    def draw(front: tuple[int, ...]) -> Any:
        if not front:
            return _generator.permutation(n)
        return _generator.permuted(np.broadcast_to(np.arange(n), (*front, n)), axis=-1)

    return _in_batches(draw, dtypes.int64)


def permutation(x: Any) -> Tensor:
    """Shuffle the rows of x; an int stands for the numbers below it, as in `randperm`."""
    if isinstance(x, int):
        return randperm(x)
    rows: Tensor = as_tensor(x, "permutation")
    return rows[randperm(len(rows))]


def normal(mean: Any = 0.0, std: Any = 1.0, size: Any = None) -> Tensor:
    """Draw from normal distributions; differentiable in `mean` and `std`, the draw fixed.

    Raises ValueError for a negative `std`.
    """
    center, scale = as_tensor(mean, "normal"), as_tensor(std, "normal")
    if (scale.array < 0).any():
        message = "normal() takes a standard deviation of at least 0."
        raise ValueError(message)
    shape = np.broadcast_shapes(center.shape, scale.shape) if size is None else shape_of((size,))
    dtype = np.result_type(center.dtype, scale.dtype, np.float32)
    return center + scale * randn(*shape, dtype=dtype)  # type: ignore[no-any-return]


def uniform(low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Tensor:
    """Draw uniformly from [low, high); differentiable in both, the draw fixed.

    Raises ValueError where `high` is below `low`.
    """
    lowest, highest = as_tensor(low, "uniform"), as_tensor(high, "uniform")
    if (highest.array < lowest.array).any():
        message = "uniform() draws from [low, high), got a high below low."
        raise ValueError(message)
    shape = np.broadcast_shapes(lowest.shape, highest.shape) if size is None else shape_of((size,))
    dtype = np.result_type(lowest.dtype, highest.dtype, np.float32)
    return lowest + (highest - lowest) * rand(*shape, dtype=dtype)  # type: ignore[no-any-return]

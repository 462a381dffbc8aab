"""Copying and storing tensors: `copy`, `deepcopy`, `pickle`, `save` and `load`.

Leaves only: a computed tensor would leave its history behind. What shares memory shares it after
`deepcopy` and `load`, too.
"""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import IO, Any

import numpy as np

from numgrad.tensor import Tensor, alias

# What a file that is loaded may call; all else is refused.
_ALLOWED = {
    ("numgrad.serialization", "rebuild"),
    ("numgrad.serialization", "allocate"),
    ("collections", "OrderedDict"),
}

# What the engine keeps in the `__dict__` of tensors; copies have their own, or none.
_OF_THE_ENGINE = frozenset(
    {"_base", "_base_edge", "_grad", "_hooks", "_view", "one_of", "retains_grad"}
)


def need_leaf(t: Tensor, what: str) -> None:
    """Raise RuntimeError for a tensor with history."""
    if t._edge is not None:
        message = (
            f"{what} takes leaf tensors, this one was computed by {t.grad_fn}:"
            " detach() it first, which leaves its history behind."
        )
        raise RuntimeError(message)


def layout(array: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], Any, int]:
    """Return an array, the array that its memory belongs to, and where in that it starts.

    Where the owner has gaps the array is copied first, and owns itself.
    """
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    if not (owner.flags.c_contiguous or owner.flags.f_contiguous):
        owner = array = array.copy()
    return array, owner, _address(array) - _address(owner)


def _address(array: np.ndarray[Any, Any]) -> int:
    return int(array.__array_interface__["data"][0])


def attributes(t: Tensor) -> dict[str, Any]:
    """What users have set on a tensor, and that it is a parameter."""
    return {name: value for name, value in vars(t).items() if name not in _OF_THE_ENGINE}


def copied(t: Tensor) -> Tensor:
    """`copy.copy`: another handle on the same memory and history."""
    need_leaf(t, "copy.copy()")
    twin = t.detach() if not t.is_inference() else alias(t.array, t._counter)
    twin._wants = t._wants
    twin._base, twin._base_edge, twin._grad = t._base, t._base_edge, t._grad
    vars(twin).update(attributes(t))
    twin._view, twin.one_of = t._view, t.one_of
    return twin


def deepcopied(t: Tensor, memo: dict[Any, Any]) -> Tensor:
    """`copy.deepcopy`: new memory, shared as before among what is copied together."""
    need_leaf(t, "copy.deepcopy()")
    array, owner, offset = layout(t.array)
    if id(owner) not in memo:
        # A tensor stands for the copied memory, and hands its counter to all that show it.
        memo[id(owner)] = (alias(memory_of(owner), None), owner)
    root, _ = memo[id(owner)]
    twin = alias(
        np.ndarray(array.shape, array.dtype, root.array, offset, array.strides), root.counter()
    )
    twin._wants = t._wants
    memo[id(t)] = twin
    vars(twin).update(copy.deepcopy(attributes(t), memo))
    if t._base is not None:
        twin._base = _twin(t._base, memo)
    if t._view is not None:
        twin._view, twin.one_of = (_twin(t._view[0], memo), *t._view[1:]), t.one_of
    if t._grad is not None:
        twin._grad = _twin(t._grad, memo)
    return twin


def _twin(t: Tensor, memo: dict[Any, Any]) -> Tensor:
    twin: Tensor = memo[id(t)] if id(t) in memo else deepcopied(t, memo)
    return twin


def memory_of(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Copy the bytes of an array without gaps, in the order in which they lie."""
    return np.frombuffer(array.tobytes(order="A"), np.uint8).copy()


def allocate(content: bytes) -> Tensor:
    """Make memory of stored bytes; it hands its counter to all tensors that show it."""
    return alias(np.frombuffer(content, np.uint8).copy(), None)


def rebuild(
    memory: Tensor,
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    dtype: str,
    requires_grad: bool,
) -> Tensor:
    """Make a leaf in stored memory."""
    t = alias(np.ndarray(shape, np.dtype(dtype), memory.array, offset, strides), memory.counter())
    t._wants = requires_grad
    return t


class Memory:
    """The bytes of an array, pickled once for all tensors that show them."""

    def __init__(self, owner: np.ndarray[Any, Any]) -> None:
        self.owner = owner

    def __reduce__(self) -> tuple[Any, ...]:
        return allocate, (self.owner.tobytes(order="A"),)


def reduced(t: Tensor, memories: dict[int, Memory]) -> tuple[Any, ...]:
    """Say how to pickle a leaf; `memories` holds what was pickled before."""
    need_leaf(t, "pickle")
    array, owner, offset = layout(t.array)
    memory = memories.setdefault(id(owner), Memory(owner))
    made_of = memory, offset, array.shape, array.strides, array.dtype.str, t._wants
    return rebuild, made_of, attributes(t) or None


class _Pickler(pickle.Pickler):
    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self._memories: dict[int, Memory] = {}

    def reducer_override(self, value: Any) -> Any:
        return reduced(value, self._memories) if isinstance(value, Tensor) else NotImplemented


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            message = (
                f"load() found {module}.{name} in the file, which may run code: pass"
                " weights_only=False if you trust where the file comes from."
            )
            raise pickle.UnpicklingError(message)
        return super().find_class(module, name)


def save(value: Any, file: str | Path | IO[bytes]) -> None:
    """Write tensors, or numbers, strings, lists and dicts with tensors, to a file.

    Raises RuntimeError for a tensor with history.

    >>> import io
    >>> import numgrad as ng
    >>> file = io.BytesIO()
    >>> ng.save({"w": ng.ones(2)}, file)
    >>> _ = file.seek(0)
    >>> ng.load(file)
    {'w': tensor([1., 1.])}
    """
    if isinstance(file, (str, Path)):
        with Path(file).open("wb") as opened:
            _Pickler(opened).dump(value)
    else:
        _Pickler(file).dump(value)


def load(file: str | Path | IO[bytes], *, weights_only: bool = True) -> Any:
    """Read what `save` wrote.

    Runs no code from the file, unless `weights_only=False`: then any pickle is read, and with it
    whatever it calls. Raises pickle.UnpicklingError for a file with anything but tensors,
    numbers, strings, lists, tuples, sets and dicts.
    """
    if isinstance(file, (str, Path)):
        with Path(file).open("rb") as opened:
            return load(opened, weights_only=weights_only)
    return (_Unpickler if weights_only else pickle.Unpickler)(file).load()

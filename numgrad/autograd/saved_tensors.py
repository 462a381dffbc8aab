"""Choosing how the values that nodes save are held: on a disk, compressed, by hand, or writable."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import weakref
import zlib
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import saved
from numgrad.tensor import Tensor, alias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_disabled: ContextVar[str | None] = ContextVar("numgrad saved_tensors_hooks disabled", default=None)


class _Packing(contextlib.ContextDecorator):
    """A context in which a packer packs what is saved; it nests, and the innermost one packs."""

    def __init__(self, packer: saved.Packer) -> None:
        self._packer = packer

    def __enter__(self) -> None:
        message = _disabled.get()
        if message is not None:
            raise RuntimeError(message)
        saved.begin(self._packer)

    def __exit__(self, *exception: object) -> None:
        saved.end()


class _ByHooks(saved.Packer):
    def __init__(self, pack: Callable[[Tensor], Any], unpack: Callable[[Any], Tensor]) -> None:
        self._pack = pack
        self._unpack = unpack

    def pack(self, value: Tensor) -> Any:
        return self._pack(value)

    def unpack(self, packed: Any) -> Any:
        return self._unpack(packed)


class saved_tensors_hooks(_Packing):  # noqa: N801 - PyTorch's name
    """Let `pack_hook` choose what to hold instead of each tensor that is saved for backward.

    `unpack_hook` makes the tensor of it again, each time that backward uses it. Each use of a
    tensor is packed by itself: `x * x` packs x twice. What was saved in the context is unpacked
    wherever backward is called. Python numbers are not packed.

    Raises RuntimeError where `pack_hook` writes to its argument, or under
    `disable_saved_tensors_hooks`. In backward: TypeError where `unpack_hook` does not return a
    tensor, RuntimeError where it has another shape or dtype.

    >>> import numgrad as ng
    >>> x = ng.tensor([1.0, 2.0], requires_grad=True)
    >>> def half(t):
    ...     return t.numpy().astype("float16")
    >>> with ng.autograd.graph.saved_tensors_hooks(half, lambda a: ng.tensor(a, dtype=ng.float64)):
    ...     y = (x * x).sum()
    >>> ng.autograd.grad(y, x)
    (tensor([2., 4.]),)
    """

    def __init__(
        self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]
    ) -> None:
        super().__init__(_ByHooks(pack_hook, unpack_hook))


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Let whoever uses hooks on saved tensors in this context get RuntimeError(error_message)."""
    if saved.packer_in_force() is not None:
        raise RuntimeError(error_message)
    token = _disabled.set(error_message)
    try:
        yield
    finally:
        _disabled.reset(token)


# --- on a disk ------------------------------------------------------------------------------


def _in_this_process(remove: Callable[..., Any], *args: Any) -> Callable[[], None]:
    """A forked process holds copies of the objects, but the files are its parent's."""
    process = os.getpid()

    def finish() -> None:
        if os.getpid() == process:
            with contextlib.suppress(OSError):
                remove(*args)

    return finish


class _Folder:
    """A temporary folder that lives as long as somebody holds this object."""

    def __init__(self, place: Any) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="numgrad-saved-", dir=place))
        weakref.finalize(self, _in_this_process(shutil.rmtree, self.path, True))


class _File:
    """An array in a file that lives as long as this object."""

    def __init__(self, folder: _Folder, array: np.ndarray[Any, Any]) -> None:
        self._folder = folder
        self.shape, self.dtype = array.shape, array.dtype
        number, name = tempfile.mkstemp(dir=folder.path)
        self.path = Path(name)
        weakref.finalize(self, _in_this_process(os.unlink, name))
        with os.fdopen(number, "wb") as file:
            array.tofile(file)

    def mapped(self) -> np.ndarray[Any, Any]:
        """The array, read where it is used."""
        return np.asarray(np.memmap(self.path, self.dtype, "r", shape=self.shape))


class _OnDisk(saved.Packer):
    keeps_leaves = True

    def __init__(self, folder: Any, min_bytes: int) -> None:
        self._place = folder
        self._folder: _Folder | None = None
        self._min_bytes = max(min_bytes, 1)

    def pack(self, value: Tensor) -> Any:
        if value.nbytes < self._min_bytes:
            return value
        if self._folder is None:
            self._folder = _Folder(self._place)
        return _File(self._folder, value.array)

    def unpack(self, packed: Any) -> Tensor:
        return packed if isinstance(packed, Tensor) else alias(packed.mapped(), None)


class save_on_disk(_Packing):  # noqa: N801 - named like saved_tensors_hooks
    """Save tensors for backward in files, mapped into memory when backward uses them.

    The files are in a temporary folder and vanish with the graph. Leaves that require grad, and
    tensors of fewer than `min_bytes` bytes, stay in memory.

    Args:
        folder: where to make the temporary folder; default: where the system has them.
        min_bytes: what is smaller is not worth a file.

    >>> import numgrad as ng
    >>> x = ng.ones(1000, requires_grad=True)
    >>> with ng.autograd.graph.save_on_disk(min_bytes=1000):
    ...     y = (x * 2).exp().sum()
    >>> y.backward()
    """

    def __init__(
        self, folder: str | os.PathLike[str] | None = None, *, min_bytes: int = 1 << 16
    ) -> None:
        super().__init__(_OnDisk(folder, min_bytes))


# --- compressed -----------------------------------------------------------------------------


class _Compressed(saved.Packer):
    keeps_leaves = True

    def __init__(self, level: int, min_bytes: int) -> None:
        self._level = level
        self._min_bytes = min_bytes

    def pack(self, value: Tensor) -> Any:
        array = value.array
        if array.nbytes < self._min_bytes:
            return value
        content = zlib.compress(array.tobytes(), self._level)
        return (content, array.shape, array.dtype) if len(content) < array.nbytes else value

    def unpack(self, packed: Any) -> Tensor:
        if isinstance(packed, Tensor):
            return packed
        content, shape, dtype = packed
        return alias(np.frombuffer(zlib.decompress(content), dtype).reshape(shape), None)


class save_compressed(_Packing):  # noqa: N801 - named like saved_tensors_hooks
    """Save tensors for backward compressed by zlib, without loss.

    It pays where values repeat, as zeros after relu() and masks do. Leaves that require grad,
    tensors of fewer than `min_bytes` bytes and those that get no smaller stay as they are.

    >>> import numgrad as ng
    >>> x = ng.zeros(1000, requires_grad=True)
    >>> with ng.autograd.graph.save_compressed(min_bytes=1000):
    ...     y = (x * 2).exp().sum()
    >>> y.backward()
    """

    def __init__(self, level: int = 1, *, min_bytes: int = 1 << 12) -> None:
        super().__init__(_Compressed(level, min_bytes))


class allow_mutation_on_saved_tensors(_Packing):  # noqa: N801 - PyTorch's name
    """Let tensors be written to in place after they were saved: they are copied then.

    A copy is made when a saved tensor is first written to, and only then. What was saved in the
    context may be written to afterwards as well.

    >>> import numgrad as ng
    >>> x = ng.tensor([1.0, 2.0], requires_grad=True)
    >>> with ng.autograd.graph.allow_mutation_on_saved_tensors():
    ...     y = x * 1.0
    ...     z = (y * y).sum()
    ...     _ = y.zero_()
    >>> ng.autograd.grad(z, x)
    (tensor([2., 4.]),)
    """

    def __init__(self) -> None:
        super().__init__(saved.CopyOnWrite())

"""What a tensor is to Python and NumPy: a number, a sequence, an array, a text."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import dtypes, printing
from numgrad.errors import ScalarError
from numgrad.modes import modes
from numgrad.sharing import share
from numgrad.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numgrad.tape import Node

# NumPy 2.0 hands over memory without a version, and so cannot say that it is read-only.
_EXPORTS_VERSIONS = np.lib.NumpyVersion(np.__version__) >= "2.1.0"


class Convertible(Value):
    """The conversions of Tensor, to what knows nothing of gradients."""

    __slots__ = ()

    if TYPE_CHECKING:
        array: np.ndarray[Any, Any]

        @property
        def requires_grad(self) -> bool:
            """See Tensor."""

        @property
        def grad_fn(self) -> Node | None:
            """See Tensor."""

        is_parameter: bool

        def __getitem__(self, key: Any) -> Any: ...

    # --- to plain Python and NumPy --------------------------------------------------------

    def numpy(self, *, force: bool = False) -> np.ndarray[Any, Any]:
        """Return the array itself, sharing memory.

        Raises RuntimeError for a tensor that requires grad while gradients are recorded, unless
        `force`: the array would not know of the history.
        """
        if self.requires_grad and modes().recording and not force:
            message = (
                "numpy() on a tensor that requires grad would drop its history:"
                " use x.detach().numpy()."
            )
            raise RuntimeError(message)
        share(self)  # type: ignore[arg-type]
        return self.array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """Hand the memory to another library, which calls this: `torch.from_dlpack(x)`.

        Raises BufferError where sharing would lose a derivative, in whatever mode, and for a
        negative stride, for which there are libraries that end the process.
        """
        if self.requires_grad:
            message = (
                "__dlpack__() of a tensor that requires grad would drop its history:"
                " hand over x.detach()."
            )
            raise BufferError(message)
        try:
            array = self.numpy()
        except RuntimeError as error:
            raise BufferError(str(error)) from None
        if not copy and array.size and min(array.strides, default=0) < 0:
            message = (
                f"__dlpack__() of strides {array.strides} would hand over steps backwards, which"
                " other libraries do not take: hand over x.clone()."
            )
            raise BufferError(message)
        if not _EXPORTS_VERSIONS:
            if dl_device not in {None, array.__dlpack_device__()}:
                message = f"__dlpack__() hands over memory of the CPU, not of device {dl_device}."
                raise BufferError(message)
            return (array.copy() if copy else array).__dlpack__(stream=stream)
        return array.__dlpack__(
            stream=stream,
            max_version=max_version,
            dl_device=dl_device,
            copy=copy,
        )

    def __dlpack_device__(self) -> tuple[int, int]:
        """Where the memory is, as DLPack numbers it: (1, 0), the CPU."""
        return 1, 0

    def item(self) -> Any:
        """Return the only element as a Python number.

        Raises ScalarError (a RuntimeError and a ValueError) for another number of elements.
        """
        self.need_scalar("item")
        return self.array.item()

    def tolist(self) -> Any:
        """Return the elements as nested lists, or as a number for a 0-d tensor."""
        return self.array.tolist()

    def need_scalar(self, name: str) -> None:
        """Raise ScalarError unless there is exactly one element."""
        if self.array.size != 1:
            message = (
                f"{name}() takes a tensor of one element, got shape {self.array.shape}:"
                " index one, reduce first, or use tolist()."
            )
            raise ScalarError(message)

    def __bool__(self) -> bool:
        if self.array.size != 1:
            message = (
                f"the truth of a tensor of shape {self.array.shape} is ambiguous:"
                " use x.any() or x.all()."
            )
            raise ScalarError(message)
        return bool(self.array)

    def __float__(self) -> float:
        return float(self._implicit("float"))

    def __int__(self) -> int:
        return int(self._implicit("int"))

    def __complex__(self) -> complex:
        return complex(self._implicit("complex"))

    def _implicit(self, name: str) -> Any:
        self.need_scalar(name)
        if self.requires_grad and modes().recording:
            warnings.warn(
                f"{name}() of a tensor that requires grad drops its history: use x.item() if that"
                " is meant.",
                UserWarning,
                stacklevel=3,
            )
        return self.array.item()

    def __index__(self) -> int:
        if self.array.size != 1 or self.array.dtype.kind not in "iub":
            message = (
                "only integer tensors of one element can be an index, got shape"
                f" {self.array.shape} and dtype {self.array.dtype}."
            )
            raise TypeError(message)
        return int(self.array.item())

    def __len__(self) -> int:
        if self.array.ndim == 0:
            message = "len() of a 0-d tensor: it has no dimensions."
            raise TypeError(message)
        return len(self.array)

    def __iter__(self) -> Iterator[Any]:
        if self.array.ndim == 0:
            message = "iteration over a 0-d tensor: it has no dimensions, use item()."
            raise TypeError(message)
        return (self[k] for k in range(len(self.array)))

    # --- text ------------------------------------------------------------------------------

    def __repr__(self) -> str:
        suffixes = []
        if self.grad_fn is not None:
            suffixes.append(f"grad_fn=<{self.grad_fn.name()}>")
        elif self.requires_grad:
            suffixes.append("requires_grad=True")
        suffixes += self.more_to_show()
        text = printing.format_array(
            self.array, suffixes=suffixes, default_dtype=dtypes.get_default_dtype()
        )
        return f"Parameter containing:\n{text}" if self.is_parameter else text

    def more_to_show(self) -> list[str]:
        """What else a text says of it."""
        return []

    def __format__(self, spec: str) -> str:
        if not spec:
            return str(self)
        if self.array.size != 1:
            message = (
                f"format {spec!r} takes a tensor of one element, got shape {self.array.shape}:"
                " format the elements of x.tolist()."
            )
            raise TypeError(message)
        return format(self.array.item(), spec)

"""Tensor: an array, and how it was computed."""

from __future__ import annotations

import warnings
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import dtypes
from numgrad.arrays import array_of
from numgrad.conversions import Convertible
from numgrad.errors import ShapeError
from numgrad.modes import modes, set_modes
from numgrad.tape import INFERENCE, Counter, Node, Output, extra_of, raise_inference


class Tensor(Convertible):
    """An n-dimensional array that gradients can be taken with respect to.

    `Tensor(data, requires_grad=False, dtype=None)` copies `data`, like `numgrad.tensor`.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    # The rest lives in `__dict__`, which few tensors have, with the defaults below.
    __slots__ = ("__dict__", "__weakref__", "_counter", "_edge", "_wants", "array")

    # Where the gradient of a computed tensor goes; None for leaves.
    _edge: Node | Output | None
    # Whether a leaf requires grad.
    _wants: bool
    # Counts writes; None before the first write, view or alias.
    _counter: Counter | None

    # What `.grad` holds.
    _grad: Tensor | None = None
    # For a view: the tensor whose memory it is, and that tensor's edge when the view was taken.
    _base: Tensor | None = None
    _base_edge: Node | Output | None = None
    # How the view was taken: of which tensor, by which op (None: a function of the user), with
    # which keywords, and whether while gradients were recorded.
    _view: tuple[Tensor, Any, dict[str, Any], bool] | None = None
    # The function that gave the view as one of several, such as "split", or that is the user's.
    one_of: str | None = None
    # The hooks of a leaf, numgrad.hooks.LeafHooks.
    _hooks: Any = None
    # Whether a computed tensor retains its gradient.
    retains_grad: bool = False
    # Whether it is a numgrad.nn.Parameter, which is a tensor of that name.
    is_parameter: bool = False

    # NumPy hands its functions to us, see numpy_protocol.
    __array_priority__ = 1000

    def __init__(self, data: Any, requires_grad: bool = False, dtype: Any = None) -> None:
        self.array = array_of(data, dtype)
        self._edge = None
        self._wants = False
        self._counter = INFERENCE if modes().inference else None
        if requires_grad:
            self.requires_grad = True

    # --- what it is -----------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Its extents, as a tuple."""
        shape: tuple[int, ...] = self.array.shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Its NumPy dtype."""
        dtype: np.dtype[Any] = self.array.dtype
        return dtype

    @property
    def ndim(self) -> int:
        """How many dimensions it has."""
        return self.array.ndim

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.array.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.array.nbytes

    def size(self, dim: int | None = None) -> Any:
        """Return its extents, or that of one dimension."""
        return self.array.shape if dim is None else self.array.shape[dim]

    def dim(self) -> int:
        """Return how many dimensions it has."""
        return self.array.ndim

    def numel(self) -> int:
        """Return how many elements it has."""
        return self.array.size

    nelement = numel

    def is_floating_point(self) -> bool:
        """Whether its dtype is a floating one."""
        return bool(self.array.dtype.kind == "f")

    def is_contiguous(self) -> bool:
        """Whether its elements lie in row-major order without gaps."""
        return self.array.flags.c_contiguous

    # --- how it was computed --------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether gradients with respect to it, or through it, are recorded."""
        self.renew()
        return self._wants or self._edge is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.renew()
        if self._edge is not None:
            if value:
                return
            message = (
                "requires_grad can be cleared on leaf tensors only, this one was computed by"
                f" {self.grad_fn}: use detach() for a tensor without history."
            )
            raise RuntimeError(message)
        if value and self.array.dtype.kind not in dtypes.FLOATING:
            message = (
                f"only floating-point tensors can require grad, got dtype {self.array.dtype}:"
                " convert first, as in x.to(numgrad.float64)."
            )
            raise RuntimeError(message)
        if value and self._counter is INFERENCE and not modes().inference:
            raise_inference("requires_grad cannot be set on an inference tensor")
        self._wants = bool(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set `requires_grad` and return the tensor."""
        self.requires_grad = requires_grad
        return self

    @property
    def grad_fn(self) -> Node | None:
        """The node that computed it; None for leaves."""
        self.renew()
        edge = self._edge
        return edge.node if isinstance(edge, Output) else edge

    @property
    def output_nr(self) -> int:
        """Which of the results of its node it is."""
        self.renew()
        return self._edge.number if isinstance(self._edge, Output) else 0

    @property
    def is_leaf(self) -> bool:
        """Whether it has no `grad_fn`: made by the user, or not requiring grad."""
        self.renew()
        return self._edge is None

    def is_inference(self) -> bool:
        """Whether it was made in inference mode."""
        return self._counter is INFERENCE

    @property
    def _version(self) -> int:
        """How often its memory was written to in place."""
        if self._counter is INFERENCE:
            raise_inference("_version is not counted for inference tensors")
        return 0 if self._counter is None else self._counter.value

    def counter(self) -> Counter:
        """Its version counter, made now if it has none; what shares its memory shares this."""
        if self._counter is not None:
            return self._counter
        made = Counter()  # before the test: from there to the assignment no thread gets a turn
        if self._counter is None:
            self._counter = made
            edge = self._edge
            if edge is not None:
                node, number = (edge.node, edge.number) if isinstance(edge, Output) else (edge, 0)
                extra_of(node).out_counters[number] = (made, 0)
        return self._counter

    def settle(self) -> bool:
        """Renew what an op reads of this view, if its base was rewritten since.

        Returns whether it became a dual tensor, so that the op has to be dispatched again.
        """
        base = self._base
        if base is None or (base._edge is self._base_edge and type(base) is Tensor):
            return False
        if base.lend_tangent(self):
            return True
        if modes().recording:
            self.renew()
        return False

    def lend_tangent(self, view: Tensor) -> bool:  # noqa: ARG002 - what is no dual has none
        """Make a dual tensor of a view of this one, if this one is and the view is not."""
        return False

    def renew(self) -> None:
        """Renew the history of this view if its base was rewritten with history since.

        Raises RuntimeError where it is not clear which history that should be.
        """
        if self._base is None or self._base._edge is self._base_edge:
            return
        if self._wants:
            message = (
                "a view that is a leaf was used after its base had been changed in place by a"
                " recorded operation: take the view again from the base, or clone() it before the"
                " change."
            )
            raise RuntimeError(message)
        stale: list[Tensor] = []
        t = self
        while t._base is not None and t._base._edge is not t._base_edge:
            stale.append(t)
            t = t.path_source()
        before = modes()
        set_modes(before._replace(recording=True, inference=False, on_arrays=False))
        try:
            for t in reversed(stale):
                source, op, metadata, _ = t._view  # type: ignore[misc]
                t._edge = op.eager(source, **metadata)._edge
                t._base_edge = self._base._edge
        finally:
            set_modes(before)

    def path_source(self) -> Tensor:
        """Give what this view was taken of, if its history can be renewed.

        Raises RuntimeError for views made while gradients were not recorded, or by functions of
        the user.
        """
        assert self._view is not None  # noqa: S101 - all views have one
        source, op, _, recorded = self._view
        if not recorded:
            message = (
                "a view was made under no_grad(), and its memory is written to while gradients are"
                " recorded, so that it is not clear which history it should have: take the view"
                " and write either both inside no_grad() or both outside, or clone() the view."
            )
            raise RuntimeError(message)
        if op is None:
            message = (
                f"{self.one_of} gave a view of its argument, and the memory of that was written to"
                " by a recorded operation since: clone() what it gives."
            )
            raise RuntimeError(message)
        return source

    # --- gradients ------------------------------------------------------------------------

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` has accumulated; None before."""
        if self._grad is None and self._edge is not None and not self.retains_grad:
            warnings.warn(
                "the .grad of a tensor that is not a leaf is not filled by backward():"
                " call retain_grad() on it before, or look at the leaf's.",
                UserWarning,
                stacklevel=2,
            )
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                message = f".grad takes a Tensor or None, got {type(value).__name__}."
                raise TypeError(message)
            if value is self:
                message = ".grad of a tensor cannot be the tensor itself: assign a clone()."
                raise RuntimeError(message)
            if value.shape != self.shape:
                message = f".grad must have the tensor's shape {self.shape}, got {value.shape}."
                raise ShapeError(message)
            if value.dtype != self.dtype:
                message = f".grad must have the tensor's dtype {self.dtype}, got {value.dtype}."
                raise RuntimeError(message)
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def retain_grad(self) -> None:
        """Keep the gradient of a computed tensor in its `.grad` at the next backward.

        Raises RuntimeError where grad is not required. Does nothing on a leaf.
        """
        if not self.requires_grad:
            message = "retain_grad() needs a tensor that requires grad, this one does not."
            raise RuntimeError(message)
        edge = self._edge
        if edge is None or self.retains_grad:
            return
        node, number = (edge.node, edge.number) if isinstance(edge, Output) else (edge, 0)
        extra_of(node).retained.append((number, weakref.ref(self)))
        self.retains_grad = True

    def detach(self) -> Tensor:
        """Return a tensor of the same memory and version counter, without history."""
        if self._counter is not INFERENCE:
            self.counter()
        return alias(self.array, self._counter)

    def detach_(self) -> Tensor:
        """Cut the tensor from its history, in place.

        Raises RuntimeError on a view: its base would keep the history.
        """
        if self._base is not None:
            message = (
                "detach_() cannot cut a view from its base: use detach(), which makes a new one."
            )
            raise RuntimeError(message)
        self._edge = None
        self._wants = False
        return self

    @property
    def data(self) -> Tensor:
        """The values without history; writing to them counts as writing to the tensor."""
        return self.detach()

    @data.setter
    def data(self, value: Any) -> None:
        array = value.array if isinstance(value, Tensor) else np.asarray(value)
        if array.dtype.kind not in dtypes.FLOATING and self.requires_grad:
            message = f"data must be floating for a tensor that requires grad, got {array.dtype}."
            raise RuntimeError(message)
        self.counter().bump()
        self.array = array

    __hash__ = object.__hash__

    if TYPE_CHECKING:
        # numgrad.methods gives these, and a method for most functions.
        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...
        def __getitem__(self, key: Any) -> Tensor: ...
        def __setitem__(self, key: Any, value: Any) -> None: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __floordiv__(self, other: Any) -> Tensor: ...
        def __mod__(self, other: Any) -> Tensor: ...
        def __eq__(self, other: object) -> Tensor: ...  # type: ignore[override]
        def __ne__(self, other: object) -> Tensor: ...  # type: ignore[override]


def alias(array: np.ndarray[Any, Any], counter: Counter | None) -> Tensor:
    """Make a tensor of an array as it is, without history."""
    t = Tensor.__new__(Tensor)
    t.array = array
    t._edge = None
    t._wants = False
    t._counter = counter
    return t


def constant(array: np.ndarray[Any, Any]) -> Tensor:
    """Make a tensor of a fresh array, an inference tensor in inference mode."""
    return alias(array, INFERENCE if modes().inference else None)

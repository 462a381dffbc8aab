"""Saved values that are packed: what nodes hold instead of arrays while somebody asks for it.

While any thread has a packer in force, `Node.saved` is a property that packs what is assigned;
otherwise it is the slot that it was, and packing costs nothing. A node that holds packed values
says so in its `Extra`, and is pulled through a stand-in with the values unpacked.
"""

from __future__ import annotations

import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.locks import process_lock
from numgrad.modes import modes, set_modes, transforms
from numgrad.tape import INFERENCE, Counter, Extra, Node, Plan, raise_inference
from numgrad.tensor import Tensor, alias

if TYPE_CHECKING:
    from collections.abc import Callable

    Array = np.ndarray[Any, Any]


class Packer:
    """Packs what nodes save, and unpacks it each time that it is used."""

    # Leaves that require grad stay as they are: their edges keep them alive anyway.
    keeps_leaves = False
    # Writing to a value after it was saved is an error, whatever the packed one may be.
    strict = False

    def pack(self, value: Tensor) -> Any:
        """Give what to hold instead of a saved value, which comes without history."""
        raise NotImplementedError

    def unpack(self, packed: Any) -> Any:
        """Give the value again, as a tensor."""
        raise NotImplementedError

    def check(self, node: Node) -> None:
        """Raise where a value was written to after a strict packer had packed it."""
        if not self.strict:
            return
        for value in node.saved or ():
            for each in value if type(value) is tuple else (value,):
                if type(each) is Packed:
                    each.check_version(node)


class _Held:
    """A packer in force. It lives as long as some thread or task has it among its own."""

    __slots__ = ("__weakref__", "packer")

    def __init__(self, packer: Packer) -> None:
        self.packer = packer


_stack: ContextVar[tuple[_Held, ...]] = ContextVar("numgrad packers", default=())

_lock = process_lock()
_held: set[weakref.ref[_Held]] = set()
_slot: Any = vars(Node)["saved"]


def packer_in_force() -> Packer | None:
    """Return what packs in this thread or task."""
    stack = _stack.get()
    return stack[-1].packer if stack else None


def begin(packer: Packer) -> None:
    """Let a packer pack what is saved from now on in this thread or task."""
    held = _Held(packer)
    _held.add(weakref.ref(held, _forget))
    _switch(wait=True)
    _stack.set((*_stack.get(), held))


def end() -> None:
    """Let the packer that began last pack no longer.

    A task that was made in between has it on, as it has the modes of that time.
    """
    _stack.set(_stack.get()[:-1])


def _forget(reference: weakref.ref[_Held]) -> None:
    _held.discard(reference)
    # Called at any moment, also by who holds other locks. Who holds this one looks again.
    _switch(wait=False)


def _switch(*, wait: bool) -> None:
    """Have nodes pack what is assigned to them if there is a packer anywhere."""
    node_type: Any = Node
    while _lock.acquire(blocking=wait):
        try:
            wanted = node_type.saved = _packing if _held else _slot
        finally:
            _lock.release()
        if wanted is (_packing if _held else _slot):
            return


def _assign(node: Node, values: tuple[Any, ...] | None) -> None:
    packer = packer_in_force()
    if values and packer is not None and not any(transforms()):
        values = _pack_all(node, values, packer)
    _slot.__set__(node, values)


_packing = property(_slot.__get__, _assign)


class Packed:
    """A saved value as a packer gave it."""

    __slots__ = ("_content", "_counter_then", "_number", "_packer", "_version", "dtype", "shape")

    # What the tape asks of saved tensors.
    _counter = None

    def __init__(
        self, packer: Packer, array: Array, counter: Counter | None, number: int | None
    ) -> None:
        self._packer = packer
        self.shape, self.dtype = array.shape, array.dtype
        # Which result of its node it is; None for an input.
        self._number = number
        self._counter_then = counter = counter or Counter()
        self._version = version = counter.value
        self._content = quietly(packer.pack, alias(array, counter))
        if counter.value != version:
            message = (
                "the pack hook wrote to the value that it got, which other parts of the graph use:"
                " write to a clone()."
            )
            raise RuntimeError(message)

    def check_version(self, node: Node) -> None:
        """Raise where the value was written to since."""
        found, expected = self._counter_then.value, self._version
        if self._number is not None and node.extra is not None:
            counter, expected = node.extra.out_counters.get(self._number, (self._counter_then, 0))
            found = counter.value
        if found != expected:
            node.raise_overwritten(self, expected, found)

    def unpacked(self, node: Node) -> Tensor:
        """Give the value, a tensor without history."""
        value = quietly(self._packer.unpack, self._content)
        if not isinstance(value, Tensor):
            message = f"the unpack hook must return a tensor, got {type(value).__name__}."
            raise TypeError(message)
        if value.shape != self.shape or value.dtype != self.dtype:
            message = (
                f"the unpack hook must return what was packed, of shape {self.shape} and dtype"
                f" {self.dtype}; got shape {value.shape} and dtype {value.dtype}."
            )
            raise RuntimeError(message)
        if value._counter is self._counter_then:  # the very memory that was saved
            self.check_version(node)
        return alias(np.asarray(value.array), value._counter)


def _pack_all(node: Node, values: tuple[Any, ...], packer: Packer) -> tuple[Any, ...]:
    found: list[Packed] = []

    def pack(array: Array, counter: Counter | None, number: int | None) -> Packed:
        found.append(Packed(packer, array, counter, number))
        return found[-1]

    def packed(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return pack(value, None, 0)
        if type(value) is tuple:
            return tuple([pack(a, None, k) for k, a in enumerate(value)])
        if type(value) is not Tensor or (packer.keeps_leaves and value._wants):
            return value
        if value._counter is INFERENCE:
            raise_inference("an inference tensor cannot be saved for backward")
        return pack(value.array, value.counter(), None)

    results = tuple([packed(value) for value in values])
    if found:
        if getattr(node, "extra", None) is None:  # a new node, which is nobody else's yet
            node.extra = Extra()
        node.extra.packed = packer  # type: ignore[union-attr]
    return results


def quietly(hook: Callable[..., Any], *args: Any) -> Any:
    """Call a hook, whose own ops are neither recorded nor packed."""
    before = modes()
    outside = _stack.get()
    set_modes(before._replace(recording=False, on_arrays=False))
    _stack.set(())
    try:
        return hook(*args)
    finally:
        set_modes(before)
        _stack.set(outside)


# --- on the way back ------------------------------------------------------------------------


def unpacked(node: Node) -> Node:
    """Return a stand-in for a node that holds packed values, with the values themselves."""
    twin: Node = object.__new__(type(node))
    twin.edges, twin.shapes, twin.keywords, twin.plan = (
        node.edges,
        node.shapes,
        node.keywords,
        node.plan,
    )
    twin.versions = None
    twin.extra = Extra()
    twin.extra.origin = node
    saved = _slot.__get__(node)
    if saved is None:
        node.check()
    _slot.__set__(twin, tuple([_value(v, node) for v in saved]))
    return twin


def _value(value: Any, node: Node) -> Any:
    if type(value) is tuple:
        return tuple([_value(v, node) for v in value])
    if type(value) is not Packed:
        return value
    t = value.unpacked(node)
    return t if value._number is None else t.array


class UnpackingPlan(Plan):
    """The plan of a node that holds packed values."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.outputs, self.single, self.lifted = plan.outputs, plan.single, plan.lifted

    def pull(self, node: Node, g: Any, _owned: bool) -> Any:
        """Pull the stand-in."""
        return self._pull(self.plan.pull, node, g)

    def pull_strict(self, node: Node, g: Any, _owned: bool) -> Any:
        """Pull the stand-in by IEEE products."""
        return self._pull(self.plan.pull_strict, node, g)

    def _pull(self, pull: Callable[[Node, Any, bool], Any], node: Node, g: Any) -> Any:
        results = pull(unpacked(node), g, False)
        # Views are never taken for arrays that the walk may overwrite: hooks may hold these.
        if self.single is not None:
            return None if results is None else results[...]
        return [None if r is None else r[...] for r in results]

    def pull_recorded(self, node: Node, g: Any) -> list[Any]:
        """Pull the stand-in on tensors."""
        gradients: list[Any] = self.plan.pull_recorded(unpacked(node), g)
        return gradients


# --- memory that may be written to ------------------------------------------------------------


class Kept:
    """A saved array that is replaced by a copy before its memory is written to."""

    __slots__ = ("__weakref__", "array", "counter")

    def __init__(self, array: Array, counter: Counter | None) -> None:
        self.array = array
        # That of the memory, as long as it is the one that was saved.
        self.counter = counter
        place = id(_owner(array))
        entries = PROTECTED.setdefault(place, set())

        def forget(reference: weakref.ref[Kept]) -> None:
            entries.discard(reference)
            if not entries and PROTECTED.get(place) is entries:
                del PROTECTED[place]

        entries.add(weakref.ref(self, forget))


# id of the array that owns memory -> the saved arrays that show it.
PROTECTED: dict[int, set[weakref.ref[Kept]]] = {}


def _owner(array: Array) -> Array:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def protect(array: Array) -> None:
    """Copy the saved arrays that show memory of an array which is about to be written to."""
    for reference in PROTECTED.pop(id(_owner(array)), ()):
        kept = reference()
        if kept is not None:
            kept.array = kept.array.copy()
            kept.counter = None


class CopyOnWrite(Packer):
    """Holds arrays as they are, until they are written to."""

    def pack(self, value: Tensor) -> Kept:
        """Hold the array."""
        return Kept(value.array, value._counter)

    def unpack(self, packed: Kept) -> Tensor:
        """Give the array, or the copy."""
        return alias(packed.array, packed.counter)

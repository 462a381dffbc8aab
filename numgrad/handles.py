"""Functions that users hang onto tensors and nodes, in the order in which they came."""

from __future__ import annotations

import itertools
import weakref
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numgrad.tensor import Tensor

    Hook: TypeAlias = Callable[..., Any]

_numbers = itertools.count()


class Hooks(dict[int, Any]):
    """Hooks by number, in order of registration."""

    __slots__ = ("__weakref__",)

    def add(self, hook: Hook) -> RemovableHandle:
        """Hang a hook on; the handle takes it off again."""
        if not callable(hook):
            message = f"a hook is called, so it takes a function; got {type(hook).__name__}."
            raise TypeError(message)
        number = next(_numbers)
        self[number] = hook
        return RemovableHandle(((self, number),))


class RemovableHandle:
    """Takes hooks off: by `remove()`, or at the end of a `with` block.

    It does not keep alive what the hooks hang on.
    """

    __slots__ = ("_places",)

    def __init__(self, places: Iterable[tuple[Hooks, int]]) -> None:
        self._places = tuple((weakref.ref(hooks), number) for hooks, number in places)

    def remove(self) -> None:
        """Take the hooks off. Does nothing where they are off already."""
        for reference, number in self._places:
            hooks = reference()
            if hooks is not None:
                hooks.pop(number, None)

    def joined(self, other: RemovableHandle) -> RemovableHandle:
        """Return one handle for the hooks of both."""
        both = RemovableHandle(())
        both._places = self._places + other._places
        return both

    def __enter__(self) -> RemovableHandle:  # noqa: PYI034 - it is not meant to be derived from
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


class LeafHooks:
    """The hooks of a leaf, by when they run."""

    __slots__ = ("accumulated", "after", "before", "tensor")

    def __init__(self) -> None:
        # Of the tensor, of its AccumulateGrad before it adds, after it has, and behind that.
        self.tensor = Hooks()
        self.before = Hooks()
        self.accumulated = Hooks()
        self.after = Hooks()


def leaf_hooks(t: Tensor) -> LeafHooks:
    """Return the hooks of a leaf, made now if it has none."""
    found: LeafHooks = vars(t).setdefault("_hooks", LeafHooks()) if t._hooks is None else t._hooks
    return found


def name_of(hook: Hook) -> str:
    """Name of a hook in messages."""
    return getattr(hook, "__qualname__", None) or repr(hook)

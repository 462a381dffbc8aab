"""Trees of tensors: dicts, lists, tuples, named tuples, dataclasses and None, nested at will.

Everything else is a leaf.

>>> leaves, structure = tree_flatten({"b": 1.0, "a": [2.0, None]})
>>> leaves
[2.0, 1.0]
>>> structure.unflatten([x * 10 for x in leaves])
{'b': 10.0, 'a': [20.0, None]}
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["Structure", "tree_flatten", "tree_leaves", "tree_map"]


@dataclasses.dataclass(frozen=True)
class Structure:
    """What a tree is without its leaves."""

    # The type of the node, None for a leaf.
    kind: Any
    # Keys of dicts, names of fields.
    names: tuple[Any, ...] = ()
    children: tuple[Structure, ...] = ()
    # The order in which a dict had its keys.
    order: tuple[Any, ...] = dataclasses.field(default=(), compare=False)

    @property
    def leaves(self) -> int:
        """How many leaves it has."""
        return 1 if self.kind is None else sum(child.leaves for child in self.children)

    def unflatten(self, leaves: Sequence[Any]) -> Any:
        """Make a tree of this structure with these leaves."""
        if len(leaves) != self.leaves:
            message = f"unflatten() makes a tree of {self.leaves} leaves, got {len(leaves)}."
            raise ValueError(message)
        return self.take(iter(leaves))

    def take(self, leaves: Iterator[Any]) -> Any:
        """Make a tree of the next leaves of a sequence."""
        kind = self.kind
        if kind is None:
            return next(leaves)
        if kind is type(None):
            return None
        parts = [child.take(leaves) for child in self.children]
        if issubclass(kind, dict):
            found = dict(zip(self.names, parts, strict=True))
            ordered = {k: found[k] for k in self.order}
            return ordered if kind is dict else kind(ordered)
        if issubclass(kind, list):
            return parts if kind is list else kind(parts)
        if issubclass(kind, tuple):
            return kind(*parts) if hasattr(kind, "_fields") else kind(parts)
        made = object.__new__(kind)
        for name, part in zip(self.names, parts, strict=True):
            object.__setattr__(made, name, part)
        return made


_LEAF = Structure(None)


def tree_flatten(
    tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> tuple[list[Any], Structure]:
    """Take a tree apart into its leaves, in an order that only depends on the structure, and that.

    Dicts are read in the order of their sorted keys, where these can be sorted; so dicts with the
    same keys have the same structure.
    """
    leaves: list[Any] = []
    return leaves, _flatten(tree, leaves, is_leaf)


def _flatten(tree: Any, leaves: list[Any], is_leaf: Callable[[Any], bool] | None) -> Structure:
    kind = type(tree)
    if is_leaf is not None and is_leaf(tree):
        leaves.append(tree)
        return _LEAF
    if tree is None:
        return Structure(kind)
    if kind is tuple or kind is list:
        return Structure(kind, (), tuple([_flatten(each, leaves, is_leaf) for each in tree]))
    if isinstance(tree, dict):
        order = tuple(tree)
        try:
            names = tuple(sorted(order))
        except TypeError:
            names = order
        parts = [tree[name] for name in names]
    elif isinstance(tree, (list, tuple)):
        order, names, parts = (), (), list(tree)
    elif dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        order, names = (), tuple(field.name for field in dataclasses.fields(tree))
        parts = [getattr(tree, name) for name in names]
    else:
        leaves.append(tree)
        return _LEAF
    return Structure(kind, names, tuple([_flatten(p, leaves, is_leaf) for p in parts]), order)


def tree_leaves(tree: Any) -> list[Any]:
    """The leaves of a tree, in the order of `tree_flatten`."""
    return tree_flatten(tree)[0]


def tree_map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """Apply a function to the leaves of a tree, and to those of others of the same structure.

    Raises ValueError where the structures differ.

    >>> tree_map(lambda x, y: x + y, {"a": 1, "b": (2, 3)}, {"a": 10, "b": (20, 30)})
    {'a': 11, 'b': (22, 33)}
    """
    leaves, structure = tree_flatten(tree)
    columns = [leaves]
    for other in others:
        more, found = tree_flatten(other)
        if found != structure:
            message = f"tree_map() takes trees of one structure, got {tree!r} and {other!r}."
            raise ValueError(message)
        columns.append(more)
    return structure.unflatten([function(*each) for each in zip(*columns, strict=True)])

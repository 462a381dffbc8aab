"""The tape: nodes that remember how a tensor was computed.

A node holds edges to where the gradients of its inputs go, and the values that its vjp reads.
An edge points to the node that made the input, to an `Output` of it if that has several, or to
the leaf tensor itself; None stands for an input that needs no gradient. So a leaf and its graph
form no reference cycle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import numpy as np

from numgrad.handles import Hooks, leaf_hooks

if TYPE_CHECKING:
    import weakref
    from collections.abc import Callable

    from numgrad.handles import Hook, RemovableHandle
    from numgrad.saved import Packer
    from numgrad.tensor import Tensor

    Edge: TypeAlias = "Node | Output | Tensor | None"


class Counter:
    """Counts the writes to one piece of memory; shared by a tensor, its views and `detach()`."""

    __slots__ = ("memories", "value")

    # What numgrad.sharing watches.
    memories: list[Any]

    def __init__(self) -> None:
        self.value = 0

    def bump(self) -> None:
        """Count a write."""
        self.value += 1


# Types of saved values that are not tensors: results, tuples of results, Python scalars.
PLAIN = frozenset({np.ndarray, tuple, float, int, bool})

# The counter of all inference tensors, which have none.
INFERENCE = Counter()


class Plan:
    """What a node of one op does for one choice of inputs that need gradients."""

    # Names of what is saved, in the order of `Node.saved`; "out" is the result.
    keeps: tuple[str, ...]
    # Names of the inputs.
    params: tuple[str, ...]
    # How many results the op has.
    outputs = 1
    # Inputs that need a gradient but have no rule for it.
    missing: tuple[int, ...] = ()
    # Whether it works on tensors in every walk, see `numgrad.plans.LiftedPlan`, and which inputs
    # have no rule then.
    lifted = False
    unruled: tuple[int, ...] = ()
    # Whether it unpacks saved values that are packed itself, when they are asked for.
    unpacks = False
    # Whether all that `pull` gives are new arrays, or the cotangent itself.
    gives_fresh = False

    def raise_missing(self) -> NoReturn:
        """Raise NotImplementedError for an input in `missing`."""
        raise NotImplementedError

    # Turns the cotangent of the result, an array, into those of the inputs: a list with one an
    # edge, or where `single` says so just that one. Told that the walk owns the cotangent, it may
    # overwrite it. `pull_strict` does so by IEEE products.
    pull: Callable[[Node, Any, bool], Any]
    pull_strict: Callable[[Node, Any, bool], Any]
    # The only input that gets a gradient.
    single: int | None = None

    def pull_recorded(self, node: Node, g: Any) -> list[Any]:
        """Give the cotangents of the inputs as tensors, one an edge, recording what is done."""
        raise NotImplementedError


class Extra:
    """What few nodes have: tensors that retain their gradient, counters of written results, hooks.

    The walk asks for it once a node, and looks further only where there is one.
    """

    __slots__ = (
        *("hooks", "metadata", "origin", "out_counters"),
        *("packed", "posthooks", "prehooks", "retained"),
    )

    def __init__(self) -> None:
        self.retained: list[tuple[int, weakref.ref[Tensor]]] = []
        self.out_counters: dict[int, tuple[Counter, int]] = {}
        # Number of a result -> hooks of that tensor.
        self.hooks: dict[int, Hooks] | None = None
        # Hooks of the node, before and after its vjp.
        self.prehooks: Hooks | None = None
        self.posthooks: Hooks | None = None
        # What users note on a node.
        self.metadata: dict[Any, Any] | None = None
        # What has packed some of the saved values.
        self.packed: Packer | None = None
        # The node that this one stands in for, with its saved values unpacked.
        self.origin: Node | None = None


def extra_of(node: Node) -> Extra:
    """Return what few nodes have, made now if this one has none."""
    made = Extra()  # before the test: from there to the assignment no other thread gets a turn
    if node.extra is None:
        node.extra = made
    return node.extra


class Node:
    """One recorded op. Named as in PyTorch, as `MulBackward0`."""

    __slots__ = ("__weakref__", "edges", "extra", "keywords", "plan", "saved", "shapes", "versions")

    # The op's name in messages.
    op_name = ""

    edges: tuple[Edge, ...]
    # Input tensors, Python scalars, and arrays of results; None once freed.
    saved: tuple[Any, ...] | None
    # Versions of what is saved; None if all were 0.
    versions: tuple[int, ...] | None
    # (shape, dtype) of each input where some differ from the result's; else None.
    shapes: tuple[Any, ...] | None
    # What the op was told by keyword.
    keywords: dict[str, Any] | None
    plan: Plan
    extra: Extra | None

    # Gives the saved values by name, as tensors; set by numgrad.plans.
    by_name: Callable[[Node], dict[str, Any]]

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"

    @classmethod
    def name(cls) -> str:
        """Name of the node, as `MulBackward0`."""
        return cls.__name__

    @property
    def next_functions(self) -> tuple[tuple[Node | AccumulateGrad | None, int], ...]:
        """Where the gradients go, one `(node, output number)` an input."""
        return tuple(_edge_as_pair(edge) for edge in self.edges)

    @property
    def metadata(self) -> dict[Any, Any]:
        """A dict for whatever is to be noted on the node."""
        extra = extra_of(self)
        if extra.metadata is None:
            extra.metadata = {}
        return extra.metadata

    def register_hook(self, hook: Hook) -> RemovableHandle:
        """Let `hook(grad_inputs, grad_outputs)` see, and replace, what the node's vjp gives."""
        extra, made = extra_of(self), Hooks()
        if extra.posthooks is None:
            extra.posthooks = made
        return extra.posthooks.add(hook)

    def register_prehook(self, hook: Hook) -> RemovableHandle:
        """Let `hook(grad_outputs)` see, and replace, what the node's vjp is given."""
        extra, made = extra_of(self), Hooks()
        if extra.prehooks is None:
            extra.prehooks = made
        return extra.prehooks.add(hook)

    def __getattr__(self, name: str) -> Any:
        """Give saved values under PyTorch's names: `_saved_self`, `_saved_other`, `_saved_result`.

        Only called for names that are not found otherwise.
        """
        if name.startswith("_saved_"):
            names = {
                "result": "out",
                **dict(zip(("self", "other"), self.plan.params, strict=False)),
            }
            wanted = names.get(name.removeprefix("_saved_"), name.removeprefix("_saved_"))
            if wanted in self.plan.keeps:
                self.check()
                return self.by_name(self)[wanted]
        message = f"{self.name()} has no attribute {name!r}"
        raise AttributeError(message)

    def check(self) -> None:
        """Raise RuntimeError if what is saved was freed or has been overwritten since."""
        saved = self.saved
        if saved is None:
            raise_freed(self.name())
        versions = self.versions
        for k, value in enumerate(saved):
            if type(value) in PLAIN:
                continue
            counter = value._counter
            found = 0 if counter is None else counter.value
            expected = 0 if versions is None else versions[k]
            if found != expected:
                self.raise_overwritten(value.array, expected, found)
        if self.extra is not None:
            if self.extra.packed:
                self.extra.packed.check(self)
                return
            for counter, expected in self.extra.out_counters.values():
                if counter.value != expected and "out" in self.plan.keeps:
                    self.raise_overwritten(saved[-1], expected, counter.value)

    def raise_overwritten(self, array: Any, expected: int, found: int) -> NoReturn:
        """Raise the error for a saved value that was written to."""
        if isinstance(array, tuple):
            array = array[0]
        message = (
            f"{self.op_name}() saved a value of shape {array.shape} and dtype {array.dtype} for its"
            f" gradient at version {expected}, but it was written to in place and is now at version"
            f" {found}: write out of place, as in y = y + 1, or use clone() before writing."
        )
        raise RuntimeError(message)


class Output:
    """The edge to a result other than the first of a node with several."""

    __slots__ = ("node", "number")

    def __init__(self, node: Node, number: int) -> None:
        self.node = node
        self.number = number


class AccumulateGrad:
    """What an edge to a leaf looks like from outside: it adds to the leaf's `.grad`."""

    __slots__ = ("variable",)

    def __init__(self, variable: Tensor) -> None:
        self.variable = variable

    def register_prehook(self, hook: Hook) -> RemovableHandle:
        """Let `hook(grad_outputs)` see, and replace, what is to be added to `.grad`."""
        return leaf_hooks(self.variable).before.add(hook)

    def register_hook(self, hook: Hook) -> RemovableHandle:
        """Let `hook((), grad_outputs)` see what was added to `.grad`."""
        return leaf_hooks(self.variable).after.add(hook)

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self.variable):#x}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AccumulateGrad) and self.variable is other.variable

    def __hash__(self) -> int:
        return hash(id(self.variable))

    @staticmethod
    def name() -> str:
        """Name of the node."""
        return "AccumulateGrad"

    @property
    def next_functions(self) -> tuple[()]:
        """A leaf is the end of the graph."""
        return ()


def _edge_as_pair(edge: Edge) -> tuple[Node | AccumulateGrad | None, int]:
    if edge is None or isinstance(edge, Node):
        return edge, 0
    if isinstance(edge, Output):
        return edge.node, edge.number
    return AccumulateGrad(edge), 0


def raise_freed(name: str) -> NoReturn:
    """Raise the error for a second walk through a graph."""
    message = (
        f"backward() needs the saved values of {name}, but they were freed when the graph was"
        " walked before: pass retain_graph=True to the earlier backward() or grad()."
    )
    raise RuntimeError(message)


def node_class(op: Any) -> type[Node]:
    """Make the node class of an op, named as PyTorch names it."""
    return type(op.node + op.suffix, (Node,), {"__slots__": (), "op_name": op.name})


def raise_inference(what: str) -> NoReturn:
    """Raise the error for inference tensors outside inference mode."""
    message = f"{what} outside inference mode: clone() it first, or use no_grad() instead."
    raise RuntimeError(message)

"""What a custom function remembers for its derivatives, and its place on the tape."""

from __future__ import annotations

import functools
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import dtypes
from numgrad.entering import enter
from numgrad.errors import ShapeError
from numgrad.modes import modes, recorded, set_modes
from numgrad.plans import as_output, with_edge, with_history
from numgrad.saved import Packed
from numgrad.tape import Node, Output, Plan, raise_freed
from numgrad.tensor import Tensor, alias
from numgrad.wrapped import Wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class FunctionCtx:
    """The `ctx` of one call of a custom function. Any attribute may be set on it.

    Attributes:
        needs_input_grad: for each argument, whether a gradient is asked of it.
    """

    # What `saved_tensors` gives as long as no node holds it.
    _to_save: tuple[Any, ...] = ()
    _for_forward: tuple[Any, ...] | None = None
    _dirty: tuple[Any, ...] = ()
    _constant: tuple[Any, ...] = ()
    _materialize = True
    _node: weakref.ref[FunctionNode] | None = None

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Save tensors; `saved_tensors` gives them in backward, unless they were overwritten.

        Raises TypeError for anything but tensors and None: these can be attributes of ctx.
        """
        self._to_save = _tensors_or_none("save_for_backward", tensors)

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Save tensors for `jvp`, which finds them in `saved_tensors`."""
        self._for_forward = _tensors_or_none("save_for_forward", tensors)

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What was saved, with the history that it had.

        Raises RuntimeError once the graph was freed, or for a tensor that was written to in place.
        """
        if self._node is None:
            return self._to_save
        node = self._node()
        if node is None:
            raise_freed("a custom function")
        return node.saved_values()

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Say which arguments `forward` writes to in place. It must return them."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say which results have no gradient."""
        self._constant = tensors

    def release(self) -> None:
        """Forget the results that forward has told of: they hold the node, which holds ctx."""
        self._dirty = self._constant = ()
        self._for_forward = None

    def set_materialize_grads(self, value: bool) -> None:
        """Say whether a gradient that did not come is given as zeros; if not, as None."""
        self._materialize = value


def _tensors_or_none(name: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    for value in values:
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(
                f"{name}() takes tensors and None, got {type(value).__name__}: set other things as"
                " attributes, as in ctx.scale = scale."
            )
    return values


class FunctionNode(Node):
    """The node of a custom function. Attributes of its ctx can be read from it."""

    __slots__ = ("arguments", "batches", "ctx", "kinds", "results")

    ctx: FunctionCtx
    # Positions of the tensors among the arguments, and how many arguments there are.
    arguments: tuple[tuple[int, ...], int]
    # (shape, dtype) of each result; None for what is no tensor.
    results: tuple[Any, ...]
    # What each saved tensor is: ("input", edge), ("output", number) or ("other", None).
    kinds: tuple[tuple[str, Any], ...]
    # The batches that each input is in, under vmap().
    batches: tuple[Any, ...] | None

    def __getattr__(self, name: str) -> Any:
        """Look further in ctx."""
        if not name.startswith("_"):
            try:
                return getattr(object.__getattribute__(self, "ctx"), name)
            except AttributeError:
                pass
        return super().__getattr__(name)

    def check(self) -> None:
        """Raise RuntimeError if what is saved was freed; versions are looked at on access."""
        if self.saved is None:
            raise_freed(self.name())

    def saved_values(self) -> tuple[Any, ...]:
        """Unpack and check what was saved, and give it the history that it had."""
        self.check()
        saved: Any = self.saved
        versions: Any = self.versions
        found: list[Any] = []
        for value, (kind, where), known in zip(saved, self.kinds, versions, strict=True):
            packed = type(value) is Packed
            t = value.unpacked(self) if packed else value
            if t is None:
                found.append(None)
                continue
            now = 0 if t._counter is None else t._counter.value
            if not packed and now != known:
                self.raise_overwritten(t.array, known, now)
            if kind == "input":
                found.append(with_history(t, where) if packed else with_edge(t, where))
            elif kind == "output":
                shape_and_dtype = self.results[where]
                edge = None
                if where in self.plan.differentiable:  # type: ignore[attr-defined]
                    edge = Output(self, where) if where else self
                found.append(as_output(t, edge) if shape_and_dtype else t)
            else:
                found.append(t)
        return tuple(found)


class FunctionPlan(Plan):
    """What calls the `backward` of a custom function."""

    unpacks = True
    keeps = ()
    params = ()

    def __init__(
        self, backward: Callable[..., Any], outputs: int, differentiable: frozenset[int]
    ) -> None:
        self.backward = backward
        self.outputs = outputs
        # Numbers of the results that have a history.
        self.differentiable = differentiable

    def lift(self) -> None:
        """Work on tensors in every walk, which `missing` lets ask: see `Walk.meet`."""
        self.lifted = True
        self.missing = (-1,)

    def pull(self, node: Any, g: Any, _owned: bool) -> Any:
        """Call it with tensors, which it can read but not write to, and without recording."""
        given = [None if a is None else _read_only(a) for a in (g if self.outputs > 1 else (g,))]
        before = modes()
        set_modes(recorded(before, False))
        try:
            results = self._call(node, given)
        finally:
            set_modes(before)
        # Views are never taken for arrays that the walk may overwrite: ctx may hold these.
        return [None if r is None else r.array[...] for r in results]

    pull_strict = pull

    def pull_recorded(self, node: Any, g: Any) -> list[Any]:
        """Call it in the modes of the walk."""
        results = self._call(node, g if self.outputs > 1 else (g,))
        if node.batches is not None:
            results = [
                r if r is None else enter(r, b) for r, b in zip(results, node.batches, strict=True)
            ]
        return results

    def _call(self, node: FunctionNode, given: Sequence[Any]) -> list[Any]:
        ctx = node.ctx
        if ctx._materialize:
            given = [
                alias(np.zeros(*like), None) if g is None and like is not None else g
                for g, like in zip(given, node.results, strict=True)
            ]
        results = self.backward(ctx, *given)
        if not isinstance(results, (tuple, list)):
            results = (results,)
        tensors, count = node.arguments
        name = node.op_name
        if len(results) < count or any(r is not None for r in results[count:]):
            raise RuntimeError(
                f"{name}.backward() must return one gradient for each of the {count} arguments of"
                f" forward(), it returned {len(results)}: give None for what has none."
            )
        shapes: Any = node.shapes
        return [
            None if edge is None else _checked(results[k], name, k, *like)
            for k, edge, like in zip(tensors, node.edges, shapes, strict=True)
        ]


def _checked(result: Any, name: str, position: int, shape: Any, _dtype: Any) -> Any:
    if result is None:
        return None
    if not isinstance(result, Tensor):
        raise TypeError(
            f"{name}.backward() must return tensors and None, got {type(result).__name__} for"
            f" argument {position}: convert it with numgrad.as_tensor(), if nothing of it is to be"
            " differentiated again."
        )
    if result.shape != shape:
        try:
            fits = np.broadcast_shapes(result.shape, shape) == result.shape
        except ValueError:
            fits = False
        if not fits:
            raise ShapeError(
                f"{name}.backward() returned a gradient of shape {result.shape} for argument"
                f" {position}, which has shape {shape}: it must have that shape, or one that sums"
                " down to it."
            )
    return result


def _read_only(array: Any) -> Tensor:
    view = array.view()
    view.flags.writeable = False
    return alias(view, None)


@functools.cache
def node_class(name: str) -> type[FunctionNode]:
    """Make the node class of a custom function."""
    return type(f"{name}Backward", (FunctionNode,), {"__slots__": (), "op_name": name})


def attach(node: FunctionNode, ctx: FunctionCtx, args: Sequence[Any], outs: Sequence[Any]) -> None:
    """Let a node hold what ctx saved, given the tensors of its call."""
    positions, _ = node.arguments
    edges = {id(args[k]): edge for k, edge in zip(positions, node.edges, strict=True)}
    numbers = {id(out): n for n, out in enumerate(outs) if isinstance(out, Tensor)}
    saved: list[Any] = []
    kinds: list[tuple[str, Any]] = []
    for t in ctx._to_save:
        if id(t) in numbers:  # first: an argument that was written to is a result
            kinds.append(("output", numbers[id(t)]))
            saved.append(without_history(t))
        elif id(t) in edges:
            kinds.append(("input", edges[id(t)]))
            saved.append(t)
        else:
            kinds.append(("other", None))
            saved.append(t)
    ctx._to_save = ()
    ctx._node = weakref.ref(node)
    node.ctx = ctx
    node.kinds = tuple(kinds)
    node.versions = tuple([version(t) for t in saved])
    node.saved = tuple(saved)


def without_history(t: Tensor) -> Tensor:
    """Another handle on a result: the result itself would hold its node, which holds it."""
    if isinstance(t, Wrapped):
        return t.as_output(None)
    return alias(t.array, t.counter())


def version(t: Tensor | None) -> int:
    """How often a tensor was written to."""
    return 0 if t is None or t._counter is None else t._counter.value


def is_floating(out: Any) -> bool:
    """Whether a result can have a gradient."""
    return isinstance(out, Tensor) and out.dtype.kind in dtypes.FLOATING

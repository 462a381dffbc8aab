"""Dual tensors: a tensor and its tangent, the derivative in one direction.

Ops on duals run on the primals, and in the same breath on the tangents: elementwise ones by the
expressions that their gradients are made of, which are linear in what they are given; others by
`numgrad.tangents`. All of this is done on tensors, so it is recorded, and duals of duals are
derivatives of derivatives. A node that is recorded on the way saves duals: a walk through it while
the level lives is a derivative of the walk.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from numgrad.batched import on_elements
from numgrad.levels import DualLevel, inner
from numgrad.modes import modes, recorded, set_modes
from numgrad.op import Elementwise
from numgrad.ops.arithmetic import add
from numgrad.ops.broadcast import expand_to
from numgrad.partials import by_name, elementwise_tangent, zeros_like
from numgrad.plans import LiftedPlan, as_output, with_edge
from numgrad.programs import change
from numgrad.tangents import structural_tangents
from numgrad.tape import Node, Output
from numgrad.tensor import Tensor, alias
from numgrad.wrapped import Wrapped

if TYPE_CHECKING:
    from collections.abc import Callable

    from numgrad.op import Structural
    from numgrad.tape import Edge


class Dual(Wrapped):
    """A tensor with a tangent at one level. It is the primal: array, history, version are its."""

    # All is in `__dict__`, as for any tensor: so a tensor that is written to may become a dual.
    __slots__ = ()

    primal: Tensor
    level: DualLevel
    _tangent: Tensor | None
    # For a view: the dual that it is a view of, by which op and metadata; and how often that was
    # written to in place when the tangent was taken from it.
    view_of: tuple[Dual, Structural, dict[str, Any]] | None = None
    seen = 0
    # How often the tangent was written to.
    writes = 0

    @property
    def tangent(self) -> Tensor | None:
        """The derivative at the level; None once it has ended."""
        if self.view_of is not None:
            parent, op, metadata = self.view_of
            tangent = parent.tangent
            if parent.writes != self.seen and tangent is not None:
                self._tangent = op.eager(tangent, **metadata)
                self.seen = parent.writes
                self.writes += 1
        return self._tangent

    @tangent.setter
    def tangent(self, value: Tensor | None) -> None:
        self._tangent = value

    @property
    def rank(self) -> int:  # type: ignore[override]
        """Duals come before all else, those of the inner levels first."""
        return self.level.number

    @property
    def hidden(self) -> int:
        """How many leading dimensions of the array are not seen from outside."""
        return getattr(self.primal, "hidden", 0)

    def settled(self) -> Tensor:
        """Return the primal once the level has ended."""
        if self.level.alive and self.tangent is not None:
            return self
        primal = self.primal
        return primal.settled() if isinstance(primal, Wrapped) else primal

    def lend_tangent(self, view: Tensor) -> bool:
        """Make a dual tensor of a view of this one, if this one is and the view is not."""
        if self.settled() is not self or len(_layers(view)) == len(_layers(self)):
            return False
        become_dual(view, self.level)
        return True

    def detach(self) -> Tensor:
        """Return a tensor of the same memory and version counter, without any derivative."""
        return self.primal.detach()

    def more_to_show(self) -> list[str]:
        """What else a text says of it: its tangent."""
        return [f"tangent={self.tangent!r}"] if self.settled() is self else []

    def __repr__(self) -> str:
        if self.hidden:
            return f"dual({self.primal!r}, tangent={self.tangent!r})"
        return super().__repr__()

    def numpy(self, *, force: bool = False) -> Any:
        """Return the array; RuntimeError unless `force`, since the tangent would be lost."""
        if not force and self.settled() is self:
            message = (
                "numpy() on a tensor with a tangent would drop it: use x.detach().numpy(), or"
                " unpack_dual() for both."
            )
            raise RuntimeError(message)
        return self.primal.numpy(force=force)

    def apply(self, op: Any, args: tuple[Any, ...], metadata: dict[str, Any]) -> Any:
        """Run an op on primals and tangents of this level."""
        level = self.level
        primals: list[Any] = []
        tangents: list[Tensor | None] = []
        for a in args:
            mine = type(a) is Dual and a.level is level
            primals.append(a.primal if mine else a)
            tangents.append(a.tangent if mine else None)
        out = op.eager(*primals, **metadata)
        before = modes()
        quiet = before.recording and self._not_recorded(out, tangents)
        if quiet:
            set_modes(recorded(before, recording=False))
        try:
            if isinstance(op, Elementwise):
                found: Any = elementwise_tangent(op, primals, tangents, out)
            else:
                found = structural_tangents(op, primals, tangents, out, metadata)
        finally:
            if quiet:
                set_modes(before)
        if type(out) is not tuple:
            save_duals((out,), tangents, (found,), level)
            result = dual(out, found, level)
            if isinstance(result, Dual) and not isinstance(op, Elementwise) and op.view:
                result.view_of = (self, op, metadata)
                result.seen = self.writes
            return result
        save_duals(out, tangents, found, level)
        return tuple(dual(o, t, level) for o, t in zip(out, found, strict=True))

    def mapped(self, function: Callable[[Any], Any]) -> Tensor:
        """Apply a linear map to primal and tangent."""
        tangent = None if self.tangent is None else function(self.tangent)
        return dual(function(self.primal), tangent, self.level)

    def with_primal(self, primal: Tensor) -> Tensor:
        """Attach the tangent to another handle on the primal."""
        return dual(primal, self.tangent, self.level)

    def _not_recorded(self, out: Any, tangents: list[Tensor | None]) -> bool:
        """Whether nobody can ask for derivatives of the tangents that an op gives."""
        if any(t is not None and t.requires_grad for t in tangents):
            return False
        for o in out if type(out) is tuple else (out,):
            edge = base_of(o)._edge
            if edge is not None:
                return inner(edge, self.level)
        return True

    def pulled(self, plan: Any, values: dict[str, Any]) -> dict[int, Any] | None:
        """Run the fused vjp kernels of an elementwise op on primals and tangents."""
        level = self.level
        primals: dict[str, Any] = {}
        tangents: dict[str, Any] = {}
        for name, v in values.items():
            mine = type(v) is Dual and v.level is level
            primals[name] = v.primal if mine else v
            if mine and v.tangent is not None:
                tangents[name] = v.tangent
        if any(isinstance(v, Dual) for v in (*primals.values(), *tangents.values())):
            return None
        gradients: dict[int, Any] | None = plan.pulled(primals)
        if gradients is None:
            return None
        # It is linear in the cotangent; with the other values it moves by its derivative.
        moved = plan.pulled({**primals, "g": tangents.pop("g")}) if "g" in tangents else {}
        strict = modes().strict_ieee
        rank = primals["g"].ndim
        for k in gradients:
            total = moved.get(k)
            for name, t in tangents.items():
                run = change(plan.op, k, name, plan.code, strict)
                if run is not None:
                    names = (*primals, "t")
                    term = on_elements(by_name(run, names), (*primals.values(), t), rank)
                    total = term if total is None else add(total, term)
            if total is not None and total.shape != gradients[k].shape:
                total = expand_to(total, shape=gradients[k].shape)
            gradients[k] = dual(gradients[k], total, level)
        return gradients

    def with_edge(self, edge: Edge) -> Tensor:
        """Return it with the history that it had when it was saved."""
        return dual(with_edge(self.primal, edge), self.tangent, self.level)

    def as_output(self, edge: Any) -> Tensor:
        """Return it, saved without history, as a result of the node that saved it."""
        return dual(as_output(self.primal, edge), self.tangent, self.level)


def _of_primal(name: str) -> Any:
    """Make a property that is the primal's."""

    def get(self: Dual) -> Any:
        return getattr(self.primal, name)

    def set_(self: Dual, value: Any) -> None:
        setattr(self.primal, name, value)

    return property(get, set_)


for _name in (
    "array",
    "_edge",
    "_wants",
    "_counter",
    "_base",
    "_base_edge",
    "_view",
    "one_of",
    "_grad",
):
    setattr(Dual, _name, _of_primal(_name))


def become_dual(x: Any, level: DualLevel) -> None:
    """Give a tensor a tangent at a level: that of what it is a view of, or zero."""
    view: Any = x.view_of if isinstance(x, Dual) else x._view and x._view[:3]
    if view is None:
        _wrap(x, level)
        x.tangent = zeros_like(x.primal)
        return
    parent, op, metadata = view
    if op is None:
        x.path_source()
    if not isinstance(parent, Dual) or parent.level is not level:
        become_dual(parent, level)
    # What it is a view of may have been written to at several levels since.
    for layer in _layers(parent)[len(_layers(x)) :]:
        handle = _wrap(x, layer.level)
        x.view_of, x.seen = (layer, op, metadata), -1
        # Handles on primals are views of handles on primals.
        if isinstance(handle, Dual):
            handle.view_of = (layer.primal, op, metadata)  # type: ignore[assignment]
        else:
            root = layer.primal._base
            handle._base = layer.primal if root is None else root
            handle._view = (layer.primal, *handle._view[1:])  # type: ignore[index]


def _layers(t: Any) -> list[Dual]:
    """A dual, its primal and so on, as long as they are duals, the innermost first."""
    found: list[Dual] = []
    while isinstance(t, Dual):
        found.append(t)
        t = t.primal
    return found[::-1]


def _wrap(x: Any, level: DualLevel) -> Tensor:
    """Make a dual of a tensor in place; gives its primal, to be filled with a tangent."""
    handle: Tensor = object.__new__(type(x))
    if not isinstance(x, Dual):
        handle.array, handle._edge, handle._wants = x.array, x._edge, x._wants
        handle._counter = x._counter
    handle.__dict__.update(x.__dict__)
    x.__dict__.clear()
    x.__class__ = Dual
    x.primal, x.level, x.tangent = handle, level, None
    return handle


def dual(primal: Tensor, tangent: Tensor | None, level: DualLevel) -> Tensor:
    """Attach a tangent to a tensor, if there is one and the level lives."""
    if tangent is None or not level.alive:
        return primal
    t = Dual.__new__(Dual)
    t.primal = primal
    t.tangent = tangent
    t.level = level
    return t


def parts(t: Any, level: DualLevel) -> tuple[Any, Tensor | None]:
    """Return primal and tangent at a level; None for no tangent."""
    if isinstance(t, Wrapped):
        t = t.settled()
    if not isinstance(t, Dual):
        return t, None
    if t.level is level:
        return t.primal, t.tangent
    if t.level.number < level.number:
        return t, None
    # The level is below this one: take both apart, and put them together again.
    primal, tangent = parts(t.primal, level)
    inner, mixed = parts(t.tangent, level)
    if tangent is None and mixed is not None:
        tangent = zeros_like(primal)
    return dual(primal, inner, t.level), (
        None if tangent is None else dual(tangent, mixed, t.level)
    )


def base_of(t: Tensor) -> Tensor:
    """The innermost primal, which is on the tape."""
    while isinstance(t, Dual):
        t = t.primal
    return t


def save_duals(outs: Any, tangents: list[Tensor | None], found: Any, level: DualLevel) -> None:
    """Let the node that was recorded for an op save duals where it saved primals."""
    edge = next((e for e in (base_of(o)._edge for o in outs) if e is not None), None)
    if edge is None:
        return
    node: Any = edge.node if type(edge) is Output else edge
    if not isinstance(node, Node) or not node.saved:
        return
    plan: Any = node.plan
    saved = list(node.saved)
    for j, k in enumerate(plan.inputs):
        if tangents[k] is not None and isinstance(saved[j], Tensor):
            saved[j] = dual(saved[j], tangents[k], level)
    if plan.keeps_out:
        if isinstance(saved[-1], tuple):
            saved[-1] = tuple(
                _saved_result(s, t, level) for s, t in zip(saved[-1], found, strict=True)
            )
        else:
            saved[-1] = _saved_result(saved[-1], found[0], level)
    if not isinstance(plan, LiftedPlan):
        node.plan = LiftedPlan(plan)
    node.saved = tuple(saved)


def _saved_result(saved: Any, tangent: Tensor | None, level: DualLevel) -> Any:
    if tangent is None:
        return saved
    t: Any = dual(saved if isinstance(saved, Tensor) else alias(saved, None), tangent, level)
    level.saved.append(weakref.ref(t))
    return t

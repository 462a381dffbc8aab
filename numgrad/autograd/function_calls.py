"""Calls of custom functions: forward, its checks, and the node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from numgrad.autograd import anomaly
from numgrad.autograd.context import (
    FunctionCtx,
    FunctionNode,
    FunctionPlan,
    attach,
    is_floating,
    node_class,
    version,
)
from numgrad.modes import modes, recorded, set_modes
from numgrad.record import edge_of
from numgrad.tape import Output
from numgrad.tensor import Tensor, alias
from numgrad.views import hide_path, make_view
from numgrad.wrapped import Wrapped

if TYPE_CHECKING:
    from collections.abc import Callable


def absent(method: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a method of the base class that subclasses are to define."""
    method.absent = True  # type: ignore[attr-defined]
    return method


def has(cls: Any, method: str) -> bool:
    """Whether a custom function defines a method."""
    return not hasattr(getattr(cls, method), "absent")


def missing(cls: Any, method: str) -> NoReturn:
    """Raise for a method that a custom function lacks."""
    raise NotImplementedError(
        f"{cls.__name__} has no {method}(), which is needed here: define it as a static method."
    )


def _backward_of(cls: Any) -> Callable[..., Any]:
    own: list[Callable[..., Any]] = [
        getattr(cls, name) for name in ("backward", "vjp") if has(cls, name)
    ]
    if len(own) == 2:
        raise RuntimeError(
            f"{cls.__name__} defines both backward() and vjp(), which are one: leave one out."
        )
    return own[0] if own else lambda *_: missing(cls, "backward")


def run(cls: Any, args: tuple[Any, ...], *, lifted: bool = False) -> tuple[Any, FunctionCtx]:
    """Compute the results, with their history; also give the ctx of the call."""
    inputs = [a for a in args if isinstance(a, Tensor)]
    for t in inputs:
        t.settle()
    edges = tuple(map(edge_of, inputs))
    ctx = FunctionCtx(tuple([isinstance(a, Tensor) and a.requires_grad for a in args]))
    before = modes()
    versions = [version(t) for t in inputs]
    set_modes(recorded(before, False))
    try:
        if has(cls, "setup_context"):
            output = cls.forward(*args)
            cls.setup_context(ctx, args, output)
        else:
            output = cls.forward(ctx, *args)
    finally:
        set_modes(before)
    tracked = before.recording and any(edge is not None for edge in edges)
    _check_writes(cls, ctx, inputs, versions, tracked=tracked)
    several = isinstance(output, tuple)
    given = output if several else (output,)
    _check_results(cls, ctx, given)
    outs = _separated(given, inputs, ctx)
    _count_writes(ctx, inputs, versions)
    if tracked:
        constant = {id(t) for t in ctx._constant}
        numbers = frozenset(
            n for n, t in enumerate(given) if is_floating(t) and id(t) not in constant
        )
        if numbers:
            node = _node(cls, ctx, args, edges, given, numbers)
            if lifted:
                node.plan.lift()  # type: ignore[attr-defined]
                node.batches = tuple([getattr(t, "batches", ()) for t in inputs])
            for n in numbers:
                outs[n]._edge = Output(node, n) if n else node
                if outs[n]._base is not None:
                    hide_path(outs[n], cls.__name__)
            if before.anomaly:
                anomaly.note(node)
            # What was returned stands for what it was separated into.
            attach(node, ctx, args, given)
    return (tuple(outs) if several else outs[0]), ctx


def _node(
    cls: Any,
    ctx: FunctionCtx,
    args: tuple[Any, ...],
    edges: tuple[Any, ...],
    outs: tuple[Any, ...],
    numbers: frozenset[int],
) -> FunctionNode:
    node = object.__new__(node_class(cls.__name__))
    positions = tuple([k for k, a in enumerate(args) if isinstance(a, Tensor)])
    node.edges = edges
    node.plan = FunctionPlan(_backward_of(cls), len(outs), numbers)
    node.extra = node.keywords = node.batches = None
    node.shapes = tuple([(args[k].shape, args[k].dtype) for k in positions])
    node.arguments = positions, len(args)
    node.results = tuple([(t.shape, t.dtype) if isinstance(t, Tensor) else None for t in outs])
    node.ctx = ctx
    return node


def _check_writes(
    cls: Any,
    ctx: FunctionCtx,
    inputs: list[Tensor],
    versions: list[int],
    *,
    tracked: bool,
) -> None:
    """Raise where `forward` wrote to an argument in a way that the tape cannot tell."""
    dirty = {id(t) for t in ctx._dirty}
    for t, known in zip(inputs, versions, strict=True):
        if id(t) not in dirty:
            if version(t) != known:
                raise RuntimeError(
                    f"{cls.__name__}.forward() wrote to an argument of shape {t.shape} in place"
                    " without saying so, which would make gradients wrong: call"
                    " ctx.mark_dirty(argument) and return it, or write to a clone()."
                )
        elif tracked and (t._wants or (t._base is not None and t._base._wants)):
            raise RuntimeError(
                f"{cls.__name__}.forward() marked a leaf that requires grad as written to: apply"
                " it to a clone(), or under numgrad.no_grad()."
            )
        elif tracked and t._base is not None:
            raise RuntimeError(
                f"{cls.__name__}.forward() marked a view as written to, and the write cannot be"
                " recorded for what it is a view of: apply it to a clone()."
            )


def _check_results(cls: Any, ctx: FunctionCtx, outs: tuple[Any, ...]) -> None:
    if any(not any(t is out for out in outs) for t in ctx._dirty):
        raise RuntimeError(
            f"{cls.__name__}.forward() marked a tensor as written to that it does not return:"
            " return what is passed to mark_dirty()."
        )
    for out in outs:
        if isinstance(out, list) and any(isinstance(t, Tensor) for t in out):
            raise TypeError(
                f"{cls.__name__}.forward() returned a list of tensors, which would have no"
                " gradients: return a tuple."
            )


def _separated(outs: tuple[Any, ...], inputs: list[Tensor], ctx: FunctionCtx) -> list[Any]:
    """Make handles of their own of results that are arguments or have a history already."""
    found: list[Any] = []
    seen: set[int] = {id(t) for t in inputs}
    dirty = {id(t) for t in ctx._dirty}
    for out in outs:
        own = out
        if isinstance(out, Tensor) and id(out) not in dirty:
            if id(out) in seen or out.requires_grad:
                own = _view(out)
            seen.add(id(out))
        found.append(own)
    return found


def _view(t: Tensor) -> Tensor:
    if isinstance(t, Wrapped):
        return t.as_output(None)
    view = alias(t.array[...], None)
    make_view(view, t, None, {})
    return view


def _count_writes(ctx: FunctionCtx, inputs: list[Tensor], versions: list[int]) -> None:
    """Count the writes that were told and not counted, as those to the array of a tensor."""
    for t in ctx._dirty:
        for k, x in enumerate(inputs):
            if x is t and version(t) == versions[k] and not t.is_inference():
                t.counter().bump()

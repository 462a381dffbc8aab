"""Tangents of structural ops: by linearity, by a jvp rule, or by two vjps."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import dtypes
from numgrad.backward import Walk, fit_recorded
from numgrad.batched import Batched, batched
from numgrad.entering import start
from numgrad.modes import modes, set_modes, walking
from numgrad.ops.arithmetic import add
from numgrad.ops.broadcast import cast
from numgrad.plans import StructuralPlan
from numgrad.tape import Node
from numgrad.tensor import Tensor, alias
from numgrad.wrapped import Wrapped

if TYPE_CHECKING:
    from numgrad.op import JvpRule, Structural

_plan = functools.cache(StructuralPlan)


def structural_tangents(
    op: Structural,
    primals: list[Any],
    tangents: list[Tensor | None],
    out: Any,
    metadata: dict[str, Any],
) -> Any:
    """Tangents of the results of a structural op, a tuple of them if it has several."""
    outs = out if type(out) is tuple else (out,)
    if not any(o.dtype.kind in dtypes.FLOATING for o in outs):
        return (None,) * len(outs) if type(out) is tuple else None
    if op.linear is True:
        moved = [_zeros(p) if t is None else t for p, t in zip(primals, tangents, strict=True)]
        return op.eager(*moved, **metadata)
    totals: list[Any] = [None] * len(outs)
    rest = []
    for k, t in enumerate(tangents):
        if t is None:
            continue
        if k in op.jvp_rules:
            found = _by_rule(op.jvp_rules[k], op, t, primals, out, metadata)
        elif op.linear and op.params[k] in op.linear:
            found = op.eager(*primals[:k], t, *primals[k + 1 :], **metadata)
        else:
            rest.append(k)
            continue
        _add(totals, found)
    if rest:
        _add(totals, by_two_vjps(op, rest, primals, tangents, outs, metadata))
    for k, (o, t) in enumerate(zip(outs, totals, strict=True)):
        if t is not None and t.dtype != o.dtype:
            totals[k] = cast(t, dtype=o.dtype)
    return tuple(totals) if type(out) is tuple else totals[0]


def _zeros(p: Any) -> Any:
    return alias(np.zeros(p.shape, p.dtype), None) if isinstance(p, Tensor) else np.zeros_like(p)


def _add(totals: list[Any], found: Any) -> None:
    for k, t in enumerate(found if isinstance(found, tuple) else (found,)):
        if t is not None:
            totals[k] = t if totals[k] is None else add(totals[k], t)


def _by_rule(
    rule: JvpRule, op: Structural, t: Tensor, primals: list[Any], out: Any, metadata: dict[str, Any]
) -> Any:
    values = {**dict(zip(op.params, primals, strict=True)), "out": out}
    keywords = {
        name: metadata[name]
        if name in metadata
        else tuple(np.shape(p) if name == "shapes" else p.dtype for p in primals)
        for name in rule.metadata
    }
    return rule.rule(t, *(values[name] for name in rule.reads), **keywords)


def by_two_vjps(
    op: Structural,
    wrt: list[int],
    primals: list[Any],
    tangents: list[Tensor | None],
    outs: tuple[Any, ...],
    metadata: dict[str, Any],
) -> tuple[Tensor | None, ...]:
    """The tangents of the results, since the vjp is linear in its cotangent.

    The vjp of the vjp, as a function of the cotangent, maps tangents of inputs to tangents of
    results. The cotangent itself is a dummy of ones: at exact zeros the NaN-safe rule would blank
    terms, and zeros would blank them all.
    """
    before = modes()
    set_modes(walking(before, recorded=True))
    try:
        dummies = [_dummy(o) if o.dtype.kind in dtypes.FLOATING else None for o in outs]
        node = _stand_in(wrt, primals, metadata)
        values = {
            **dict(zip(op.params, primals, strict=False)),
            "out": outs if op.outputs > 1 else outs[0],
        }
        plan = _plan(op, tuple(wrt))
        if plan.missing:
            plan.raise_missing()
        node.plan = plan
        gradients = plan._apply(
            plan.steps,
            node,
            tuple(dummies) if op.outputs > 1 else dummies[0],
            [values[name] for name in plan.keeps],
        )
        pairs = []
        for k in wrt:
            g = gradients[k]
            if g is not None:
                g = fit_recorded(g, np.shape(primals[k]), primals[k].dtype)
                if g.requires_grad:
                    pairs.append((g, tangents[k]))
    finally:
        set_modes(before)
    starts = [d for d in dummies if d is not None]
    record = before.recording and any(
        isinstance(t, Tensor) and t.requires_grad for t in (*primals, *tangents)
    )
    walk = Walk(starts, keep=record, recorded=True)
    set_modes(walking(before, record)._replace(on_arrays=False))
    try:
        walk.run([g for g, _ in pairs], [t for _, t in pairs])
    finally:
        set_modes(before)
    found = [None if d is None else walk.gradient(d) for d in dummies]
    return tuple(
        _zeros(o) if g is None and d is not None else g
        for g, d, o in zip(found, dummies, outs, strict=True)
    )


def _dummy(out: Any) -> Tensor:
    """Ones to be differentiated by."""
    ones = np.ones(out.shape, out.dtype)
    while isinstance(out, Wrapped) and not isinstance(out, Batched):
        out = out.primal
    if isinstance(out, Batched):  # one for each item, the same for all
        t: Tensor = batched(ones.reshape((1,) * out.hidden + ones.shape), out.batches)
        t._edge = start(None)
        return t
    t = alias(ones, None)
    t._edge = start(None)
    return t


def _stand_in(wrt: list[int], primals: list[Any], metadata: dict[str, Any]) -> Node:
    """Make what a plan reads of a node."""
    node = Node.__new__(Node)
    node.edges = tuple(primals[k] if k in wrt else None for k in range(len(primals)))
    node.keywords = metadata
    node.shapes = tuple((np.shape(p), p.dtype) for p in primals)
    node.saved = ()
    return node

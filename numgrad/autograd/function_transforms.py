"""Custom functions of wrapped tensors: their forward mode, and batches of them."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

from numgrad.autograd.context import FunctionCtx, FunctionNode, attach, is_floating
from numgrad.autograd.function_calls import has, missing, run
from numgrad.batched import Batched, union
from numgrad.dual import Dual, base_of, dual, parts
from numgrad.entering import enter
from numgrad.errors import ShapeError
from numgrad.mapping import batch, unbatch
from numgrad.modes import set_transforms, transforms
from numgrad.partials import zeros_like
from numgrad.tape import Output
from numgrad.tensor import Tensor
from numgrad.wrapped import Wrapped, highest

if TYPE_CHECKING:
    from numgrad.autograd.function import Function
    from numgrad.levels import DualLevel


class VmapInfo(NamedTuple):
    """What a `vmap` rule is told of the batch."""

    batch_size: int
    randomness: str


def apply(cls: type[Function], args: tuple[Any, ...]) -> Any:
    """Call a custom function with wrapped tensors among its arguments."""
    args = tuple([a.settled() if isinstance(a, Wrapped) else a for a in args])
    top = highest(args)
    if top is None:
        return cls.apply(*args)
    if isinstance(top, Dual):
        return _of_duals(cls, args, top.level)
    return _of_batch(cls, args)


# --- forward mode ---------------------------------------------------------------------------


def _of_duals(cls: type[Function], args: tuple[Any, ...], level: DualLevel) -> Any:
    pairs = [parts(a, level) if isinstance(a, Tensor) else (a, None) for a in args]
    primals = tuple([p for p, _ in pairs])
    if not has(cls, "jvp"):
        missing(cls, "jvp")
    if has(cls, "setup_context"):
        output = cls.apply(*primals)
        ctx = _context(cls, primals, output)
    elif any(isinstance(p, Wrapped) for p in primals):
        _need_setup(cls)
    else:
        output, ctx = run(cls, primals)
    if ctx._dirty:
        raise RuntimeError(
            f"{cls.__name__}.forward() writes to its argument in place, which forward mode cannot"
            " follow: write to a clone()."
        )
    several = isinstance(output, tuple)
    outs = output if several else (output,)
    given = [
        zeros_like(p) if t is None and ctx._materialize and is_floating(p) else t for p, t in pairs
    ]
    if ctx._for_forward is not None:
        ctx._node, ctx._to_save = None, ctx._for_forward
    found = cls.jvp(ctx, *given)
    tangents = tuple(found) if isinstance(found, (tuple, list)) else (found,)
    _check_tangents(cls, outs, tangents)
    constant = {id(t) for t in ctx._constant}
    results = tuple(
        [
            dual(o, t, level) if is_floating(o) and id(o) not in constant else o
            for o, t in zip(outs, tangents, strict=True)
        ]
    )
    if has(cls, "setup_context"):
        _save_duals(cls, args, results, level, several=several)
    ctx.release()
    return results if several else results[0]


def _context(cls: type[Function], inputs: tuple[Any, ...], output: Any) -> FunctionCtx:
    ctx = FunctionCtx(tuple([isinstance(a, Tensor) and a.requires_grad for a in inputs]))
    cls.setup_context(ctx, inputs, output)
    return ctx


def _save_duals(
    cls: type[Function],
    args: tuple[Any, ...],
    results: tuple[Any, ...],
    level: DualLevel,
    *,
    several: bool,
) -> None:
    """Let the node of the call save duals, so that a walk through it is differentiated, too."""
    edges = [base_of(r)._edge for r in results if isinstance(r, Tensor)]
    nodes = [e.node if isinstance(e, Output) else e for e in edges if e is not None]
    if not nodes or not isinstance(nodes[0], FunctionNode):
        return
    node = nodes[0]
    ctx = _context(cls, args, results if several else results[0])
    ctx.needs_input_grad = node.ctx.needs_input_grad
    attach(node, ctx, args, results)
    ctx.release()
    for value in node.saved or ():
        if isinstance(value, Dual):
            level.saved.append(weakref.ref(value))
    node.plan.lift()  # type: ignore[attr-defined]


def _check_tangents(cls: type[Function], outs: tuple[Any, ...], tangents: tuple[Any, ...]) -> None:
    if len(tangents) != len(outs):
        raise RuntimeError(
            f"{cls.__name__}.jvp() must return one tangent for each of the {len(outs)} results, it"
            f" returned {len(tangents)}."
        )
    for o, t in zip(outs, tangents, strict=True):
        if t is None:
            continue
        if not isinstance(t, Tensor):
            raise TypeError(
                f"{cls.__name__}.jvp() must return tensors and None, got {type(t).__name__}."
            )
        if isinstance(o, Tensor) and o.shape != t.shape:
            raise ShapeError(
                f"{cls.__name__}.jvp() returned a tangent of shape {t.shape} for a result of shape"
                f" {o.shape}."
            )


def _need_setup(cls: type[Function]) -> Any:
    raise RuntimeError(
        f"{cls.__name__} saves in forward(ctx, ...), which cannot be transformed: move that into"
        " setup_context(ctx, inputs, output), with forward(...) without ctx."
    )


# --- batches --------------------------------------------------------------------------------


def _of_batch(cls: type[Function], args: tuple[Any, ...]) -> Any:
    by_hand = has(cls, "vmap")
    if by_hand and cls.generate_vmap_rule:
        raise RuntimeError(
            f"{cls.__name__} has both vmap() and generate_vmap_rule = True: leave one out."
        )
    if not by_hand and not cls.generate_vmap_rule:
        raise RuntimeError(
            f"{cls.__name__} has no rule for vmap(): set generate_vmap_rule = True, if forward and"
            " backward are written in numgrad functions, or define vmap(info, in_dims, *args)."
        )
    if not has(cls, "setup_context"):
        _need_setup(cls)
    batches = union(args, {})
    if not by_hand:
        inside = tuple([enter(a, batches) if isinstance(a, Tensor) else a for a in args])
        output, ctx = run(cls, inside, lifted=True)
        ctx.release()
        return output
    level = batches[-1]
    mapped = [isinstance(a, Batched) and level in a.batches for a in args]
    given = [unbatch(a, level) if m else a for a, m in zip(args, mapped, strict=True)]
    before = transforms()
    outside = tuple([b for b in before.batches if b is not level])
    set_transforms(before._replace(batches=outside))
    try:
        results = cls.vmap(
            VmapInfo(level.size, level.randomness),
            tuple([0 if m else None for m in mapped]),
            *given,
        )
    finally:
        set_transforms(before)
    if not isinstance(results, tuple) or len(results) != 2:
        raise RuntimeError(
            f"{cls.__name__}.vmap() must return the results and their dimensions, as in"
            " return output, 0."
        )
    output, dims = results
    if not isinstance(output, tuple):
        return _batched(output, level, dims)
    every = dims if isinstance(dims, (tuple, list)) else (dims,) * len(output)
    return tuple([_batched(o, level, d) for o, d in zip(output, every, strict=True)])


def _batched(out: Any, level: Any, dim: int | None) -> Any:
    if dim is None or not isinstance(out, Tensor):
        return out
    return batch(out, level, dim % out.ndim)

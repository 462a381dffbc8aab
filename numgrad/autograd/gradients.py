"""`backward` and `grad`: what is asked of a walk, and what becomes of its results."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import numpy as np

from numgrad.autograd import graph
from numgrad.autograd.accumulate import (
    accumulate_inputs,
    accumulate_leaves,
    accumulate_retained,
    through_leaf_hooks,
)
from numgrad.backward import Walk
from numgrad.batched import Batch
from numgrad.dual import base_of
from numgrad.errors import ShapeError
from numgrad.mapping import batch, unbatch
from numgrad.modes import modes, set_modes, walking
from numgrad.ops.convert import clone, to
from numgrad.tensor import Tensor, alias

if TYPE_CHECKING:
    from collections.abc import Sequence

    Seed: TypeAlias = Tensor | np.ndarray[Any, Any] | float | None


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Seed | Sequence[Seed] = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    *,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add the gradients of `tensors` to the `.grad` of the leaves that they were computed from.

    Each tensor is weighted by its seed in `grad_tensors`: together they give the product of the
    seed vector with the Jacobian. A tensor of one element needs no seed.

    Args:
        tensors: what to differentiate.
        grad_tensors: a seed of the same shape for each; None for tensors of one element.
        retain_graph: keep the saved values for another walk; default: as `create_graph`.
        create_graph: record the walk, so that the gradients can be differentiated in turn.
        inputs: fill the `.grad` of these only, which need not be leaves.

    Raises:
        RuntimeError: nothing to differentiate, a missing seed, a freed graph, a saved value that
            was overwritten, an input that does not require grad.
        ShapeError: a seed of another shape.

    After an error the tape and every `.grad` are as before.

    >>> import numgrad as ng
    >>> x = ng.ones(3, requires_grad=True)
    >>> z = (x * 2) * (x * 2) * 2
    >>> ng.autograd.backward(z, ng.tensor([1.0, 2.0, 3.0]))
    >>> x.grad
    tensor([16., 32., 48.])
    """
    outputs = (tensors,) if isinstance(tensors, Tensor) else _several(tensors)
    wanted = None if inputs is None else _inputs("backward", inputs)
    seeds = _seeds("backward", outputs, grad_tensors)
    walk = _walk(outputs, seeds, wanted, retain_graph, create_graph)
    if not create_graph and walk.recorded:  # it met wrapped tensors
        walk.leaves = {t: _plain(g) for t, g in walk.leaves.items()}
    accumulate_retained(walk, wanted)
    if wanted is None:
        accumulate_leaves(walk)
    else:
        accumulate_inputs(walk, dict.fromkeys(wanted))
    if walk.multiple is not None:
        graph.finish(walk)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Seed | Sequence[Seed] = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor, ...]:
    """Return the gradients of `outputs` with respect to `inputs`, leaving every `.grad` alone.

    Args:
        outputs: what to differentiate.
        inputs: with respect to what; leaves or computed tensors.
        grad_outputs: seeds, as for `backward`.
        retain_graph: keep the saved values for another walk; default: as `create_graph`.
        create_graph: record the walk, so that the gradients can be differentiated in turn.
        allow_unused: give None for an input that the outputs do not depend on.
        is_grads_batched: the first dimension of each seed counts seeds, and that of each result
            their gradients: one walk on a batch.
        materialize_grads: give zeros for such an input.

    Raises:
        RuntimeError: an unused input without `allow_unused`, and as for `backward`.
        ValueError: `materialize_grads` with `allow_unused=False`.

    >>> import numgrad as ng
    >>> x = ng.tensor(2.0, requires_grad=True)
    >>> (first,) = ng.autograd.grad(x**3, x, create_graph=True)
    >>> ng.autograd.grad(first, x)
    (tensor(12.),)
    """
    if materialize_grads and allow_unused is False:
        message = "grad() got materialize_grads=True with allow_unused=False: leave out the latter."
        raise ValueError(message)
    if is_grads_batched:
        return _of_batch(
            outputs,
            inputs,
            grad_outputs,
            retain_graph,
            create_graph,
            allow_unused,
            materialize_grads,
        )
    wanted = _inputs("grad", inputs)
    sources = (outputs,) if isinstance(outputs, Tensor) else _several(outputs)
    seeds = _seeds("grad", sources, grad_outputs)
    walk = _walk(sources, seeds, wanted, retain_graph, create_graph)
    results: list[Any] = []
    found = [
        walk.gradient(t) if t._hooks is None else through_leaf_hooks(walk, t, walk.gradient(t))
        for t in wanted
    ]
    if walk.multiple is not None:
        graph.finish(walk)
    for position, (t, gradient) in enumerate(zip(wanted, found, strict=True)):
        if gradient is None:
            if materialize_grads:
                results.append(alias(np.zeros(t.shape, t.dtype), None))
                continue
            if not allow_unused:
                message = (
                    f"grad() got an input, number {position} of {len(wanted)}, that the outputs do"
                    " not depend on: pass allow_unused=True for None, or materialize_grads=True for"
                    " zeros."
                )
                raise RuntimeError(message)
            results.append(None)
        elif isinstance(gradient, Tensor):
            shared = any(gradient.array is s.array for s in seeds)
            results.append(clone(gradient) if shared else gradient)
        else:
            owned = t in walk.owned and t._hooks is None
            results.append(alias(gradient if owned else gradient.copy(), None))
    return tuple(results)


def _of_batch(outputs: Any, inputs: Any, seeds: Any, *options: Any) -> tuple[Any, ...]:
    """Walk once with many seeds for each output."""
    several = seeds if isinstance(seeds, (tuple, list)) else (seeds,)
    found = [alias(s, None) if isinstance(s, np.ndarray) else s for s in several]
    sizes = [s.shape[0] if isinstance(s, Tensor) and s.ndim else -1 for s in found]
    if len(set(sizes)) != 1 or sizes[0] < 0:
        message = (
            "grad() with is_grads_batched=True takes tensors in grad_outputs, whose first dimension"
            " counts the seeds, as many for each output."
        )
        raise RuntimeError(message)
    level = Batch(sizes[0])
    retain_graph, create_graph, allow_unused, materialize_grads = options
    gradients: Any = grad(
        outputs,
        inputs,
        [batch(s, level) for s in found],
        retain_graph,
        create_graph,
        allow_unused,
        materialize_grads=materialize_grads,
    )
    return tuple(None if g is None else unbatch(g, level) for g in gradients)


def _walk(
    outputs: Sequence[Tensor],
    seeds: Sequence[Tensor],
    inputs: Sequence[Tensor] | None,
    retain_graph: bool | None,
    create_graph: bool,
) -> Walk:
    on_tensors = create_graph
    for t in outputs:
        if type(t) is not Tensor:
            on_tensors = True
            # A leaf that is wrapped receives at its base, as inputs do.
            outputs = [base_of(y) if y._edge is None else y for y in outputs]
    for t in seeds:
        if type(t) is not Tensor:
            on_tensors = True
    walk = Walk(inputs, keep=create_graph or bool(retain_graph), recorded=on_tensors)
    before = modes()
    if create_graph:
        walk.create_graph = True
    set_modes(walking(before, create_graph))
    try:
        walk.run(outputs, seeds if on_tensors else [s.array for s in seeds])
    finally:
        set_modes(before)
    return walk


def _several(given: Any) -> tuple[Any, ...]:
    """Tensors for tensors and edges."""
    if isinstance(given, graph.GradientEdge):
        given = (given,)
    return tuple([t if isinstance(t, Tensor) else graph.tensor_of(t) for t in given])


def _inputs(name: str, inputs: Any) -> tuple[Tensor, ...]:
    wanted = (inputs,) if isinstance(inputs, Tensor) else _several(inputs)
    if not wanted:
        message = f"{name}() got no inputs: pass at least one, or leave inputs out."
        raise RuntimeError(message)
    for position, t in enumerate(wanted):
        if not isinstance(t, Tensor):
            message = f"{name}() takes tensors as inputs, number {position} is {type(t).__name__}."
            raise TypeError(message)
        if not t.requires_grad:
            message = (
                f"{name}() got an input, number {position}, that does not require grad:"
                " call requires_grad_() on it before it is used."
            )
            raise RuntimeError(message)
    return tuple([t if type(t) is Tensor else base_of(t) for t in wanted])


def _seeds(name: str, outputs: Sequence[Tensor], given: Any) -> list[Tensor]:
    if given is None:
        given = (None,) * len(outputs)
    elif type(given) is not tuple and isinstance(given, (Tensor, np.ndarray, float, int)):
        given = (given,)
    if len(given) == len(outputs) == 1:
        return [_seed(name, outputs[0], given[0])]
    if len(given) != len(outputs):
        message = f"{name}() got {len(outputs)} outputs and {len(given)} seeds: give one for each."
        raise RuntimeError(message)
    return [_seed(name, t, seed) for t, seed in zip(outputs, given, strict=True)]


def _seed(name: str, output: Any, seed: Any) -> Tensor:  # noqa: C901 - one check after the other
    if type(output) is not Tensor and not isinstance(output, Tensor):
        message = f"{name}() differentiates tensors, got {type(output).__name__}."
        raise TypeError(message)
    output.renew()
    if output._edge is None and not output._wants:
        message = (
            f"{name}() from a tensor that does not require grad: none of its inputs did, or it was"
            " made by detach(), under no_grad(), or by a conversion to integers."
        )
        raise RuntimeError(message)
    array = output.array
    if type(output) is not Tensor:
        array = np.broadcast_to(array.dtype.type(0), output.shape)  # as it looks from outside
    if type(seed) is Tensor and seed.array.dtype is array.dtype and seed.array.shape == array.shape:
        return seed
    if seed is None:
        if array.size != 1:
            _raise_no_seed(name, array.shape)
        return alias(_one(array.dtype) if not array.ndim else np.ones_like(array), None)
    if isinstance(seed, (float, int)) and not array.ndim:
        return alias(np.asarray(seed, dtype=array.dtype), None)
    if not isinstance(seed, (Tensor, np.ndarray)):
        message = (
            f"{name}() takes a tensor, an array or None as seed, and a number for a 0-d output; got"
            f" {type(seed).__name__} for shape {array.shape}."
        )
        raise TypeError(message)
    if seed.shape != array.shape:
        message = f"{name}() needs a seed of the output's shape {array.shape}, got {seed.shape}."
        raise ShapeError(message)
    tensor = seed if isinstance(seed, Tensor) else alias(seed, None)
    if tensor.array.dtype == array.dtype:
        return tensor
    if tensor.array.dtype.kind == "c":
        message = f"{name}() got a complex seed for an output of dtype {array.dtype}."
        raise RuntimeError(message)
    return to(tensor, array.dtype)


@functools.cache
def _one(dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """The seed of a 0-d output, made once: to make it takes as long as a small kernel."""
    return np.ones((), dtype)


def _raise_no_seed(name: str, shape: tuple[int, ...]) -> NoReturn:
    extents = ", ".join(map(str, shape))
    argument = "gradient" if name == "backward" else "grad_outputs"
    message = (
        f"{name}() from shape {shape} needs a gradient: pass {argument}=numgrad.ones({extents}),"
        " or reduce first, as in y.sum().backward()."
    )
    raise RuntimeError(message)


def _plain(gradient: Any) -> Any:
    """The array of a gradient that is no more than that."""
    return gradient.array if type(gradient) is Tensor else gradient

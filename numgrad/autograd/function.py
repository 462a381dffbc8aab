"""Function: an op by hand, forward and backward."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from numgrad.autograd import function_transforms
from numgrad.autograd.context import is_floating, node_class
from numgrad.autograd.function_calls import absent, has, missing, run
from numgrad.modes import modes, recorded, set_modes
from numgrad.record import edge_of
from numgrad.tape import Plan
from numgrad.tensor import Tensor, alias
from numgrad.wrapped import Wrapped

if TYPE_CHECKING:
    from collections.abc import Callable


class Function:
    """Base of custom functions: subclasses say what `forward` computes and `backward` gives.

    Both are static methods. Either `forward(ctx, *args)`, or `forward(*args)` and
    `setup_context(ctx, inputs, output)`, which the transforms of numgrad.func need. `backward(ctx,
    *grads)` takes a gradient for each result and returns one for each argument; `vjp` is another
    name of it. Optional: `jvp(ctx, *tangents)` for forward mode, and for `vmap` either
    `vmap(info, in_dims, *args)`, which returns the results and their dimensions, or
    `generate_vmap_rule = True`.

    Nothing is recorded in `forward`; `backward` is recorded under `create_graph=True`.

    >>> import numgrad as ng
    >>> class Cube(ng.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x * x
    ...
    ...     @staticmethod
    ...     def backward(ctx, grad):
    ...         (x,) = ctx.saved_tensors
    ...         return 3 * x * x * grad
    >>> x = ng.tensor(2.0, requires_grad=True)
    >>> y = Cube.apply(x)
    >>> y
    tensor(8., grad_fn=<CubeBackward>)
    >>> ng.autograd.grad(y, x)
    (tensor(12.),)
    """

    # Whether `vmap` runs forward and backward on batches as they are.
    generate_vmap_rule = False

    def __call__(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Raise RuntimeError: a function is applied by its class."""
        name = type(self).__name__
        raise RuntimeError(f"{name} is not called by an instance: use {name}.apply(...).")

    @staticmethod
    @absent
    def forward(*_args: Any, **_kwargs: Any) -> Any:
        """Compute the results."""
        raise NotImplementedError

    @staticmethod
    @absent
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Save what the derivatives need."""
        raise NotImplementedError

    @staticmethod
    @absent
    def backward(_ctx: Any, *_grads: Any) -> Any:
        """Give the gradients of the arguments."""
        raise NotImplementedError

    vjp = backward

    @staticmethod
    @absent
    def jvp(_ctx: Any, *_tangents: Any) -> Any:
        """Give the tangents of the results."""
        raise NotImplementedError

    @staticmethod
    @absent
    def vmap(_info: Any, _in_dims: Any, *_args: Any) -> Any:
        """Give the results of a batch, and which of their dimensions count its items."""
        raise NotImplementedError

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Call the function.

        Raises:
            NotImplementedError: `forward` is missing, or later what a derivative asks for.
            RuntimeError: an argument was written to without `mark_dirty`, or one was marked that
                is a leaf, or not returned.
        """
        if not has(cls, "forward"):
            missing(cls, "forward")
        if has(cls, "setup_context"):
            bound = inspect.signature(cls.forward).bind(*args, **kwargs)
            bound.apply_defaults()
            if not bound.kwargs:
                args = bound.args
        elif kwargs:
            raise TypeError(
                f"{cls.__name__}.apply() takes arguments by position, got"
                f" {', '.join(kwargs)} by name: one by name could have no gradient."
            )
        for a in args:
            if isinstance(a, Wrapped):
                return function_transforms.apply(cls, args)
        output, ctx = run(cls, args)
        ctx.release()
        return output


class _OncePlan(Plan):
    """Refuses to differentiate what `once_differentiable` says cannot be."""

    keeps = ()
    params = ()

    def __init__(self, name: str) -> None:
        self.name = name

    def _refuse(self, *_: Any) -> NoReturn:
        raise RuntimeError(
            f"{self.name}() is marked as once_differentiable, and was to be differentiated twice:"
            " write it in numgrad functions and leave the mark away."
        )

    pull = pull_strict = _refuse
    pull_recorded = _refuse  # type: ignore[assignment]


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a `backward` whose result is not to be differentiated again.

    It runs without recording, and may return arrays. Differentiating it raises RuntimeError where
    the gradients that it was given are part of a graph; where they are not, its result is constant.
    """

    @functools.wraps(backward)
    def run_once(ctx: Any, *grads: Any) -> Any:
        before = modes()
        set_modes(recorded(before, False))
        try:
            results = backward(ctx, *grads)
        finally:
            set_modes(before)
        several = isinstance(results, (tuple, list))
        found = [
            alias(np.asarray(r), None) if isinstance(r, (np.ndarray, np.generic)) else r
            for r in (results if several else (results,))
        ]
        edges = tuple([edge_of(g) for g in grads if isinstance(g, Tensor)])
        if before.recording and any(e is not None for e in edges):
            node = object.__new__(node_class("OnceDifferentiable"))
            node.edges = edges
            node.plan = _OncePlan(backward.__qualname__)
            node.extra = node.keywords = node.shapes = node.versions = None
            node.saved = ()
            for k, r in enumerate(found):
                if is_floating(r):
                    found[k] = alias(r.array, None)
                    found[k]._edge = node
        return tuple(found) if several else found[0]

    return run_once

"""Hooks on the way back: what users look at gradients with, and change them by.

The walk calls in here for nodes with an `Extra` and for leaves with `LeafHooks`, so that others
cost nothing. A hook takes tensors and runs in the modes of the walk, but for `on_arrays`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numgrad.handles import Hooks, RemovableHandle, leaf_hooks, name_of
from numgrad.modes import modes, set_modes
from numgrad.tape import Node, Output, Plan, extra_of
from numgrad.tensor import Tensor, alias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numgrad.handles import Hook


class WalkHook:
    """A hook on tensors that is told of the walk, too, and cannot change the gradient."""

    def __call__(self, walk: Any, gradient: Tensor | None) -> None:
        """Take the gradient of the tensor in this walk; None where nothing came."""
        raise NotImplementedError


def run(hook: Callable[..., Any], *args: Any) -> Any:
    """Call what a user wrote, for which ops on arrays give tensors as ever."""
    before = modes()
    if not before.on_arrays:
        return hook(*args)
    set_modes(before._replace(on_arrays=False))
    try:
        return hook(*args)
    finally:
        set_modes(before)


# --- registering --------------------------------------------------------------------------


def hooks_of(t: Tensor, name: str) -> Hooks:
    """Return the hooks of a tensor as it is now, computed or a leaf."""
    if not t.requires_grad:
        message = (
            f"{name}() needs a tensor that requires grad, this one does not: call requires_grad_()"
            " on it, or on what it is computed from."
        )
        raise RuntimeError(message)
    t.renew()
    edge = t._edge
    if edge is None:
        return leaf_hooks(t).tensor
    node, number = (edge.node, edge.number) if isinstance(edge, Output) else (edge, 0)
    extra, made = extra_of(node), dict[int, Hooks]()
    if extra.hooks is None:
        extra.hooks = made
    return extra.hooks.setdefault(number, Hooks())


def register_hook(self: Tensor, hook: Hook) -> RemovableHandle:
    """Let `hook(grad)` see the gradient of this tensor when all of it has arrived.

    It may return another tensor to go on with. Hooks run in order of registration, each on what
    the one before it gave; those of a computed tensor before its `grad_fn`, those of a leaf before
    its `.grad` is added to. A hook stays with the value that the tensor had: after an in-place
    write it still sees the gradient of the old one.

    Raises RuntimeError on a tensor that does not require grad. In backward: TypeError where a hook
    returns anything but a tensor or None, RuntimeError for another shape or dtype.

    >>> import numgrad as ng
    >>> x = ng.tensor([1.0, 2.0], requires_grad=True)
    >>> with x.register_hook(lambda grad: grad * 10):
    ...     (x * x).sum().backward()
    >>> x.grad
    tensor([20., 40.])
    """
    return hooks_of(self, "register_hook").add(hook)


def register_post_accumulate_grad_hook(self: Tensor, hook: Hook) -> RemovableHandle:
    """Call `hook(leaf)` whenever backward has added to the `.grad` of this leaf.

    Raises RuntimeError on a computed tensor or one that does not require grad.

    >>> import numgrad as ng
    >>> x = ng.tensor(3.0, requires_grad=True)
    >>> def step(leaf):
    ...     leaf.data -= 0.1 * leaf.grad
    ...     leaf.grad = None
    >>> handle = x.register_post_accumulate_grad_hook(step)
    >>> (x * x).backward()
    >>> x
    tensor(2.4000, requires_grad=True)
    """
    if not self._wants or self._edge is not None:
        message = (
            "register_post_accumulate_grad_hook() needs a leaf that requires grad, which is what"
            " backward() accumulates into: on others use register_hook()."
        )
        raise RuntimeError(message)
    return leaf_hooks(self).accumulated.add(hook)


# --- running ------------------------------------------------------------------------------


def through_tensor_hooks(
    hooks: Hooks, gradient: Any, walk: Any, *, owned: bool, recorded: bool
) -> Any:
    """Pass a gradient, an array or a tensor, through the hooks of the tensor that it is of."""
    if gradient is None:
        for hook in tuple(hooks.values()):
            if isinstance(hook, WalkHook):
                hook(walk, None)
        return None
    if not hooks:
        return gradient
    # A hook may write to what it gets: so that must be nobody else's.
    t = gradient if recorded else alias(gradient if owned else gradient.copy(), None)
    shape, dtype = t.shape, t.dtype
    for hook in tuple(hooks.values()):
        if isinstance(hook, WalkHook):
            run(hook, walk, t)
            continue
        result = run(hook, t)
        if result is not None:
            check(result, shape, dtype, hook)
            t = result
    return t if recorded else t.array


def check(result: Any, shape: tuple[int, ...] | None, dtype: Any, hook: Hook) -> None:
    """Raise for a gradient that a hook must not give."""
    if not isinstance(result, Tensor):
        message = (
            f"the hook {name_of(hook)} must return a tensor or None, got {type(result).__name__}."
        )
        raise TypeError(message)
    if shape is not None and (result.shape != shape or result.dtype != dtype):
        message = (
            f"the hook {name_of(hook)} got a gradient of shape {shape} and dtype {dtype}, and"
            f" returned one of shape {result.shape} and dtype {result.dtype}: it must keep both."
        )
        raise RuntimeError(message)


def through_node_hooks(
    hooks: Hooks, gradients: Sequence[Tensor | None], *others: Any
) -> tuple[Any, ...]:
    """Pass gradients through hooks of a node, which take them first and then the `others`."""
    current = tuple(gradients)
    for hook in tuple(hooks.values()):
        results = run(hook, current, *others)
        if results is None:
            continue
        if isinstance(results, Tensor):
            results = (results,)
        if not isinstance(results, (tuple, list)):
            message = (
                f"the hook {name_of(hook)} must return a tuple of tensors or None, got"
                f" {type(results).__name__}."
            )
            raise TypeError(message)
        if len(results) != len(current):
            message = (
                f"the hook {name_of(hook)} got {len(current)} gradients and returned"
                f" {len(results)}: it must return one for each."
            )
            raise RuntimeError(message)
        for old, result in zip(current, results, strict=True):
            if result is not None:
                shape = None if old is None else old.shape
                check(result, shape, None if old is None else old.dtype, hook)
        current = tuple(results)
    return current


def tensors(values: Sequence[Any]) -> tuple[Any, ...]:
    """Make tensors of arrays; the hooks may write to them."""
    return tuple(
        [v if v is None or isinstance(v, Tensor) else alias(v.copy(), None) for v in values]
    )


def arrays(values: Sequence[Any]) -> list[Any]:
    """Make arrays of tensors. They show memory of the hooks': the walk must not overwrite it."""
    return [None if v is None else v.array[...] for v in values]


def through_prehooks(node: Node, hooks: Hooks, g: Any, *, recorded: bool) -> Any:
    """Pass the cotangent of a node, a tuple if there are several, through its prehooks."""
    several = node.plan.outputs > 1
    found = through_node_hooks(hooks, tensors(g if several else (g,)))
    results = found if recorded else arrays(found)
    return tuple(results) if several else results[0]


class HookedPlan(Plan):
    """The plan of a node whose hooks see the gradients of its inputs."""

    def __init__(self, plan: Plan, hooks: Hooks, fitted: Callable[..., list[Any]]) -> None:
        self.plan = plan
        self.hooks = hooks
        self.fitted = fitted
        self.outputs = plan.outputs

    def pull(self, node: Node, g: Any, _owned: bool) -> Any:
        """Give the cotangents of the inputs after the hooks."""
        plan = self.plan
        pull = plan.pull_strict if modes().strict_ieee else plan.pull
        results = pull(node, g, False)
        if plan.single is not None:
            gradients: list[Any] = [None] * len(node.edges)
            gradients[plan.single] = results
            results = gradients
        if node.shapes is not None:
            results = self.fitted(results, node, recorded=False)
        return arrays(self._hooked(tensors(results), tensors(g if self.outputs > 1 else (g,))))

    pull_strict = pull

    def pull_recorded(self, node: Node, g: Any) -> list[Any]:
        """Give them as tensors."""
        results: Any = self.plan.pull_recorded(node, g)
        if node.shapes is not None:
            results = self.fitted(results, node, recorded=True)
        return list(self._hooked(results, g if self.outputs > 1 else (g,)))

    def _hooked(self, gradients: Any, cotangents: Any) -> tuple[Any, ...]:
        return through_node_hooks(self.hooks, gradients, tuple(cotangents))


def accumulated(leaf: Tensor, gradient: Any, add: Callable[[Tensor, Any], None]) -> None:
    """Add a gradient, which has been through the tensor's hooks, to a leaf with hooks."""
    hooks = leaf_hooks(leaf)
    recorded = isinstance(gradient, Tensor)
    if hooks.before:
        (gradient,) = through_node_hooks(hooks.before, tensors((gradient,)))
        if gradient is None:
            return
        gradient = gradient if recorded else gradient.array
    add(leaf, gradient)
    for hook in tuple(hooks.accumulated.values()):
        run(hook, leaf)
    if hooks.after:
        seen = tensors((gradient,))
        for hook in tuple(hooks.after.values()):
            run(hook, (), seen)

"""Optimizer: parameters in groups, what is remembered of each, and the loop over them."""

from __future__ import annotations

import copy
import warnings
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import saved
from numgrad.autograd.grad_modes import enable_grad
from numgrad.inplace import bump
from numgrad.tensor import Tensor, alias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numgrad.optim.update import Update


class Optimizer:
    """Base of the optimizers: subclasses say how one parameter is updated.

    Raises:
        TypeError: `params` is a tensor, or holds what is no tensor or group.
        ValueError: `params` is empty, holds a tensor that is no leaf, or holds one in two groups.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        name = type(self).__name__
        if isinstance(params, (Tensor, np.ndarray)):
            raise TypeError(f"{name}() takes a list of tensors, got one tensor: pass [x].")
        groups = list(params)
        if not groups:
            raise ValueError(f"{name}() got an empty list of parameters.")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add tensors under "params", with options of their own beside."""
        name = type(self).__name__
        if "params" not in param_group:
            raise TypeError(f"{name}() takes groups as dicts with 'params', got {param_group!r}.")
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"{name}() optimizes tensors, got {type(p).__name__}.")
            if not p.is_leaf:
                raise ValueError(
                    f"{name}() optimizes leaf tensors, got one computed by {p.grad_fn}:"
                    " pass what it was computed from, or detach() it and set requires_grad."
                )
        if len(set(params)) != len(params):
            warnings.warn(
                f"{name}() got one tensor twice in a group: it is updated twice a step.",
                UserWarning,
                stacklevel=2,
            )
        known = {p for group in self.param_groups for p in group["params"]}
        if not known.isdisjoint(params):
            raise ValueError(f"{name}() got one tensor in two groups: put it into one of them.")
        group = {**self.defaults, **param_group, "params": params}
        self.check(group)
        self.param_groups.append(group)

    def check(self, group: dict[str, Any]) -> None:
        """Raise ValueError for options out of range."""

    def check_at_least_0(self, group: dict[str, Any], *names: str) -> None:
        """Raise ValueError for an option that is negative or nan."""
        for name in names:
            if not group[name] >= 0:
                raise ValueError(
                    f"{type(self).__name__}() takes {name} of at least 0, got {group[name]}."
                )

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters; set them to 0 in place if not `set_to_none`."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None
                elif p.grad is not None:
                    if not p.grad.is_leaf:
                        p.grad = p.grad.detach()
                    p.grad.array.fill(0)
                    bump(p.grad)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient; return what `closure` returns, if given.

        A closure computes the loss anew, backward included.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    if saved.PROTECTED:
                        saved.protect(p.array)
                    self.update(p, p.grad.array, self.state[p], group)
                    bump(p)
        return loss

    def update(
        self, p: Tensor, g: np.ndarray[Any, Any], state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """Update one parameter and its state in place, given its gradient."""
        raise NotImplementedError(f"{type(self).__name__} has no update(): define it.")

    @staticmethod
    def run(
        update: Update,
        p: Tensor,
        g: np.ndarray[Any, Any],
        state: dict[str, Any],
        constants: tuple[float, ...],
    ) -> None:
        """Run the kernel of an update, its state being the tensors of these names in `state`."""
        arrays = []
        for name in update.state:
            if name not in state:
                state[name] = alias(np.zeros_like(p.array), None)
            arrays.append(state[name].array)
        update.run(p.array, g, arrays, constants)

    def state_dict(self) -> dict[str, Any]:
        """Return the options and what is remembered, parameters as numbers, to be saved."""
        numbers: dict[Tensor, int] = {}
        groups = []
        for group in self.param_groups:
            for p in group["params"]:
                numbers.setdefault(p, len(numbers))
            groups.append({**group, "params": [numbers[p] for p in group["params"]]})
        state = {numbers[p]: value for p, value in self.state.items() if p in numbers}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a copy of what `state_dict` of such an optimizer has returned.

        Raises:
            ValueError: it has other groups, or groups of other lengths.
        """
        saved = copy.deepcopy(state_dict)
        name = type(self).__name__
        lengths = [len(group["params"]) for group in self.param_groups]
        found = [len(group["params"]) for group in saved["param_groups"]]
        if lengths != found:
            raise ValueError(
                f"{name}.load_state_dict() needs groups of {lengths} parameters, got {found}."
            )
        by_number: dict[int, Tensor] = {}
        groups = []
        for old, new in zip(self.param_groups, saved["param_groups"], strict=True):
            by_number.update(zip(new["params"], old["params"], strict=True))
            groups.append({**new, "params": old["params"]})
        self.param_groups = groups
        self.state = defaultdict(dict)
        for number, values in saved["state"].items():
            p = by_number[number]
            self.state[p] = {key: _fitted(value, p) for key, value in values.items()}


def _fitted(value: Any, p: Tensor) -> Any:
    """Remembered arrays in the dtype and memory order of their parameter."""
    if not isinstance(value, Tensor) or value.shape != p.shape:
        return value
    fitted = np.empty_like(p.array)
    fitted[...] = value.array
    return alias(fitted, None)

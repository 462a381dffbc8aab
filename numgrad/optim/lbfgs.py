"""L-BFGS: Newton's method with curvature from the last gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from numgrad.autograd.grad_modes import enable_grad
from numgrad.inplace import bump
from numgrad.optim.optimizer import Optimizer
from numgrad.optim.wolfe import Point, search
from numgrad.tensor import alias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Array: TypeAlias = np.ndarray[Any, Any]

# Curvature below this is noise: such a step is not remembered.
_LEAST_CURVATURE = 1e-10


class LBFGS(Optimizer):
    """Steps by the gradient times an inverse Hessian made of the last `history_size` steps.

    One `step` makes up to `max_iter` of them, and calls the closure up to `max_eval` times (by
    default 5/4 as often). It ends early where no gradient is above `tolerance_grad`, or a step
    or what it gains is below `tolerance_change`. `line_search_fn="strong_wolfe"` looks along each
    direction for a step that satisfies the strong Wolfe conditions; without it steps are `lr` long.

    Raises:
        ValueError: negative options, another line search, or several groups of parameters.
        TypeError: from `step` without a closure.

    Source: torch.optim.LBFGS; Nocedal and Wright, Numerical Optimization, algorithm 7.4.

    >>> x = ng.tensor([-1.0, 2.0], requires_grad=True)
    >>> optimizer = ng.optim.LBFGS([x], line_search_fn="strong_wolfe")
    >>> def rosenbrock():
    ...     optimizer.zero_grad()
    ...     loss = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> for _ in range(3):
    ...     _ = optimizer.step(rosenbrock)
    >>> x
    tensor([1.0000, 1.0000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)

    def check(self, group: dict[str, Any]) -> None:
        """Raise ValueError for options out of range."""
        names = ("lr", "max_iter", "max_eval", "tolerance_grad", "tolerance_change", "history_size")
        self.check_at_least_0(group, *names)
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise ValueError(
                "LBFGS() takes line_search_fn None or 'strong_wolfe', got"
                f" {group['line_search_fn']!r}."
            )
        if self.param_groups:
            raise ValueError("LBFGS() takes one group: all parameters make one step together.")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take up to `max_iter` steps; return what the closure has returned first.

        The closure sets the gradients to zero, computes the loss and its backward, and returns it.
        """
        if closure is None:
            raise TypeError(
                "LBFGS.step() needs a closure that computes the loss and its gradients anew: it is"
                " called several times a step."
            )
        (group,) = self.param_groups
        state = self.state[group["params"][0]]
        with enable_grad():
            first = closure()
        value, g = float(first.item()), self._gradient()
        calls = 1
        state["func_evals"] = state.get("func_evals", 0) + 1
        if _largest(g) <= group["tolerance_grad"]:
            return first
        for iteration in range(1, group["max_iter"] + 1):
            direction = self._direction(g, state, group["history_size"])
            start = Point(0.0, value, g, float(np.dot(g, direction)))
            state["prev_flat_grad"], state["prev_loss"] = alias(g.copy(), None), value
            step = float(group["lr"])
            if state["n_iter"] == 1:
                # The length of the first direction says nothing: it has no curvature in it.
                step *= min(1.0, 1.0 / float(np.sum(np.abs(g))))
            state["t"] = step
            if start.slope > -group["tolerance_change"]:
                break
            last = iteration == group["max_iter"]
            point, more = self._move(closure, start, step, direction, group, last=last)
            value, g, step = point.value, point.gradient, point.step
            state["t"] = step
            calls += more
            state["func_evals"] += more
            if (
                calls >= group["max_eval"]
                or _largest(g) <= group["tolerance_grad"]
                or _largest(direction) * abs(step) <= group["tolerance_change"]
                or abs(value - start.value) < group["tolerance_change"]
            ):
                break
        return first

    def _move(
        self,
        closure: Callable[[], Any],
        start: Point,
        step: float,
        direction: Array,
        group: dict[str, Any],
        *,
        last: bool,
    ) -> tuple[Point, int]:
        """Move the parameters along a direction; return where to, and the calls that it took."""
        before = [p.array.copy() for p in group["params"]]

        def evaluated(length: float) -> Point:
            with enable_grad():
                value = float(closure().item())
            g = self._gradient()
            return Point(length, value, g, float(np.dot(g, direction)))

        def tried(length: float) -> Point:
            self._set(before, length, direction)
            point = evaluated(length)
            self._set(before, 0.0, direction)
            return point

        if group["line_search_fn"] is None:
            self._set(before, step, direction)
            # What comes after the last is evaluated by the next call of `step`.
            return (start._replace(step=step), 0) if last else (evaluated(step), 1)
        point, calls = search(tried, start, step, direction, group["tolerance_change"])
        self._set(before, point.step, direction)
        return point, calls

    @staticmethod
    def _direction(g: Array, state: dict[str, Any], most: int) -> Array:
        """Return the direction for a gradient; remember the step before it."""
        state["n_iter"] = state.get("n_iter", 0) + 1
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
            direction = -g
        else:
            change = g - state["prev_flat_grad"].array
            moved = state["d"].array * state["t"]
            curvature = float(np.dot(change, moved))
            if curvature > _LEAST_CURVATURE:
                for name, new in (
                    ("old_dirs", alias(change, None)),
                    ("old_stps", alias(moved, None)),
                    ("ro", 1.0 / curvature),
                ):
                    state[name] = [*state[name], new][-most:]
                state["H_diag"] = curvature / float(np.dot(change, change))
            direction = _times_inverse_hessian(-g, state)
        state["d"] = alias(direction, None)
        return direction

    def _gradient(self) -> Array:
        """Return the gradients of all parameters in one vector, zeros where there is none."""
        params = self.param_groups[0]["params"]
        return np.concatenate(
            [
                np.zeros(p.array.size, p.array.dtype) if p.grad is None else p.grad.array.ravel()
                for p in params
            ]
        )

    def _set(self, before: list[Array], step: float, direction: Array) -> None:
        """Set the parameters to what they were, plus a step along a direction."""
        place = 0
        for p, old in zip(self.param_groups[0]["params"], before, strict=True):
            part = direction[place : place + old.size].reshape(old.shape)
            np.add(old, step * part, out=p.array)
            bump(p)
            place += old.size


def _times_inverse_hessian(vector: Array, state: dict[str, Any]) -> Array:
    """Multiply by the inverse of the approximated Hessian, in two loops over the history."""
    changes = [t.array for t in state["old_dirs"]]
    moves = [t.array for t in state["old_stps"]]
    history = list(zip(changes, moves, state["ro"], strict=True))
    shares = []
    for change, moved, ro in reversed(history):
        shares.append(float(np.dot(moved, vector)) * ro)
        vector = vector - shares[-1] * change
    vector = vector * state["H_diag"]
    for change, moved, ro in history:
        vector = vector + (shares.pop() - float(np.dot(change, vector)) * ro) * moved
    return vector


def _largest(vector: Array) -> float:
    return float(np.max(np.abs(vector), initial=0.0))

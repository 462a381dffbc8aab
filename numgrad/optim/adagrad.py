"""Adagrad: steps by the gradient over the root of the sum of its squares so far."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.optim.optimizer import Optimizer
from numgrad.optim.update import Update
from numgrad.tensor import alias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numgrad.tensor import Tensor

_CONSTANTS = ("sign", "decay", "eps", "rate")


@functools.cache
def _update(decay: bool) -> Update:
    statements = ["g = g * sign"]
    if decay:
        statements.append("g = g + decay * p")
    statements += ["sum = sum + g * g", "p = p - rate * (g / (sqrt(sum) + eps))"]
    return Update("adagrad", ("sum",), _CONSTANTS, tuple(statements))


class Adagrad(Optimizer):
    """Steps of `lr` times the gradient over the root of the sum of its squares so far.

    The rate at step n is `lr / (1 + (n - 1) * lr_decay)`; sums start at
    `initial_accumulator_value`, and `eps` is added to their root. `weight_decay` adds that multiple
    of the parameter to its gradient, `maximize` goes uphill.

    Raises:
        ValueError: negative options.

    Source: torch.optim.Adagrad; Duchi, Hazan and Singer, Journal of Machine Learning Research 12
    (2011).

    >>> x = ng.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = ng.optim.Adagrad([x], lr=0.1)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.9000, 1.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check(self, group: dict[str, Any]) -> None:
        """Raise ValueError for options out of range."""
        names = ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")
        self.check_at_least_0(group, *names)

    def update(
        self, p: Tensor, g: np.ndarray[Any, Any], state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """Take one step with one parameter."""
        if "sum" not in state:
            start = group["initial_accumulator_value"]
            state["sum"] = alias(np.full_like(p.array, start), None)
        state["step"] = step = state.get("step", 0) + 1
        decay = group["weight_decay"]
        rate = group["lr"] / (1 + (step - 1) * group["lr_decay"])
        sign = -1.0 if group["maximize"] else 1.0
        self.run(_update(decay != 0), p, g, state, (sign, decay, group["eps"], rate))

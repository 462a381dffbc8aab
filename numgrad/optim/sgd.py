"""Gradient descent, with momentum."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from numgrad.optim.optimizer import Optimizer
from numgrad.optim.update import Update

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

    from numgrad.tensor import Tensor

_CONSTANTS = ("sign", "rate", "decay", "momentum", "share")


@functools.cache
def _update(momentum: bool, decay: bool, nesterov: bool) -> Update:
    statements = ["g = g * sign"]
    if decay:
        statements.append("g = g + decay * p")
    if momentum:
        statements.append("momentum_buffer = momentum * momentum_buffer + share * g")
        statements.append(
            "g = g + momentum * momentum_buffer" if nesterov else "g = momentum_buffer"
        )
    state = ("momentum_buffer",) if momentum else ()
    return Update("sgd", state, _CONSTANTS, (*statements, "p = p - rate * g"))


class SGD(Optimizer):
    """Steps of `lr` times the gradient, or times a running sum of gradients.

    With momentum the direction is `b`, from `b = momentum * b + (1 - dampening) * gradient`, which
    starts as the first gradient; `nesterov` goes along `gradient + momentum * b`. `weight_decay`
    adds that multiple of the parameter to its gradient, `maximize` goes uphill.

    Raises:
        ValueError: negative options, or nesterov without momentum or with dampening.

    Source: torch.optim.SGD.

    >>> x = ng.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = ng.optim.SGD([x], lr=0.1)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.8000, 1.6000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check(self, group: dict[str, Any]) -> None:
        """Raise ValueError for options out of range."""
        self.check_at_least_0(group, "lr", "momentum", "weight_decay")
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError(
                "SGD() with nesterov takes momentum above 0 and dampening 0, got"
                f" {group['momentum']} and {group['dampening']}."
            )

    def update(
        self, p: Tensor, g: np.ndarray[Any, Any], state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """Take one step with one parameter."""
        momentum, decay = group["momentum"], group["weight_decay"]
        # The first direction is the gradient itself, whatever the dampening.
        first = momentum != 0 and "momentum_buffer" not in state
        share = 1.0 if first else 1.0 - group["dampening"]
        self.run(
            _update(momentum != 0, decay != 0, group["nesterov"]),
            p,
            g,
            state,
            (-1.0 if group["maximize"] else 1.0, group["lr"], decay, momentum, share),
        )

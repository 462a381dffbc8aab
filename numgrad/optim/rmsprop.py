"""RMSprop: steps by the gradient over the root of a running mean of its squares."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from numgrad.optim.optimizer import Optimizer
from numgrad.optim.update import Update

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

    from numgrad.tensor import Tensor

_CONSTANTS = ("sign", "decay", "alpha", "rest", "eps", "momentum", "rate")


@functools.cache
def _update(decay: bool, centered: bool, momentum: bool) -> Update:
    statements = ["g = g * sign"]
    if decay:
        statements.append("g = g + decay * p")
    state = ["square_avg"]
    statements.append("square_avg = alpha * square_avg + rest * (g * g)")
    spread = "square_avg"
    if centered:
        state.append("grad_avg")
        statements.append("grad_avg = grad_avg + rest * (g - grad_avg)")
        spread = "square_avg - grad_avg * grad_avg"
    statements.append(f"g = g / (sqrt({spread}) + eps)")
    if momentum:
        state.append("momentum_buffer")
        statements.append("momentum_buffer = momentum * momentum_buffer + g")
        statements.append("g = momentum_buffer")
    return Update("rmsprop", tuple(state), _CONSTANTS, (*statements, "p = p - rate * g"))


class RMSprop(Optimizer):
    """Steps of `lr` times the gradient over the root of the running mean of its squares.

    The mean runs with the weight `alpha`; `eps` is added to the root. `centered` takes the
    variance for the mean of squares, `momentum` goes along a running sum of such steps.
    `weight_decay` adds that multiple of the parameter to its gradient, `maximize` goes uphill.

    Raises:
        ValueError: negative options.

    Source: torch.optim.RMSprop; Tieleman and Hinton, lecture 6.5 of Neural Networks for Machine
    Learning, 2012; for `centered` Graves, arXiv:1308.0850.

    >>> x = ng.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = ng.optim.RMSprop([x], lr=0.1, alpha=0.75)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.8000, 1.8000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check(self, group: dict[str, Any]) -> None:
        """Raise ValueError for options out of range."""
        self.check_at_least_0(group, "lr", "alpha", "eps", "weight_decay", "momentum")

    def update(
        self, p: Tensor, g: np.ndarray[Any, Any], state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """Take one step with one parameter."""
        state["step"] = state.get("step", 0) + 1
        decay, alpha, momentum = group["weight_decay"], group["alpha"], group["momentum"]
        self.run(
            _update(decay != 0, group["centered"], momentum != 0),
            p,
            g,
            state,
            (
                -1.0 if group["maximize"] else 1.0,
                decay,
                alpha,
                1 - alpha,
                group["eps"],
                momentum,
                group["lr"],
            ),
        )

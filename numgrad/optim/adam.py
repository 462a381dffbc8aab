"""Adam and AdamW: steps by running means of gradients and of their squares."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

from numgrad.optim.optimizer import Optimizer
from numgrad.optim.update import Update

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

    from numgrad.tensor import Tensor

_CONSTANTS = ("sign", "decay", "share", "beta2", "rest2", "root", "eps", "rate")


@functools.cache
def _update(decay: bool, decoupled: bool, amsgrad: bool) -> Update:
    statements = ["g = g * sign"]
    if decay:
        statements.append("p = p * decay" if decoupled else "g = g + decay * p")
    statements += [
        "exp_avg = exp_avg + share * (g - exp_avg)",
        "exp_avg_sq = beta2 * exp_avg_sq + rest2 * (g * g)",
    ]
    state = ["exp_avg", "exp_avg_sq"]
    largest = "exp_avg_sq"
    if amsgrad:
        largest = "max_exp_avg_sq"
        state.append(largest)
        statements.append(f"{largest} = maximum({largest}, exp_avg_sq)")
    statements.append(f"p = p - rate * exp_avg / (sqrt({largest}) * root + eps)")
    return Update("adam", tuple(state), _CONSTANTS, tuple(statements))


class Adam(Optimizer):
    """Steps of `lr` times the mean gradient over the root of the mean squared gradient.

    The means run with the weights `betas`, and are corrected for having started at 0. `eps` is
    added to the root. `weight_decay` adds that multiple of the parameter to its gradient, or, if
    `decoupled_weight_decay`, takes `lr` times it off the parameter; `amsgrad` divides by the
    largest mean so far, `maximize` goes uphill.

    Raises:
        ValueError: negative options, or betas outside [0, 1).

    Source: torch.optim.Adam; Kingma and Ba, arXiv:1412.6980; for amsgrad Reddi, Kale and Kumar,
    arXiv:1904.09237.

    >>> x = ng.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = ng.optim.Adam([x], lr=0.1)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.9000, 1.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def check(self, group: dict[str, Any]) -> None:
        """Raise ValueError for options out of range."""
        self.check_at_least_0(group, "lr", "eps", "weight_decay")
        if not all(0 <= beta < 1 for beta in group["betas"]):
            raise ValueError(
                f"{type(self).__name__}() takes betas in [0, 1), got {group['betas']}."
            )

    def update(
        self, p: Tensor, g: np.ndarray[Any, Any], state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """Take one step with one parameter."""
        state["step"] = step = state.get("step", 0) + 1
        lr, (beta1, beta2), decay = group["lr"], group["betas"], group["weight_decay"]
        decoupled = group["decoupled_weight_decay"]
        self.run(
            _update(decay != 0, decoupled, group["amsgrad"]),
            p,
            g,
            state,
            (
                -1.0 if group["maximize"] else 1.0,
                1 - lr * decay if decoupled else decay,
                1 - beta1,
                beta2,
                1 - beta2,
                1 / math.sqrt(1 - beta2**step),
                group["eps"],
                lr / (1 - beta1**step),
            ),
        )


class AdamW(Adam):
    """Adam whose weight decay takes `lr * weight_decay` times the parameter off the parameter.

    Raises:
        ValueError: negative options, or betas outside [0, 1).

    Source: torch.optim.AdamW; Loshchilov and Hutter, arXiv:1711.05101.

    >>> x = ng.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = ng.optim.AdamW([x], lr=0.1, weight_decay=0.5)
    >>> x.sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.8500, 1.8000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            decoupled_weight_decay=True,
        )

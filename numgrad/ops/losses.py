"""Losses of one prediction and one target, element by element."""

from __future__ import annotations

from typing import Any

from numgrad.op import elementwise
from numgrad.ops.arithmetic import abs_
from numgrad.ops.exponential import exp, log1p, sigmoid
from numgrad.ops.extremes import maximum


def _softplus_of_both(x: Any) -> tuple[Any, Any]:
    """-log(1 - sigmoid(x)) and -log(sigmoid(x))."""
    rest = log1p(exp(-abs_(x)))
    return maximum(x, 0) + rest, maximum(-x, 0) + rest


@elementwise("", node="BinaryCrossEntropyWithLogits")
def logit_loss(x: Any, target: Any) -> Any:
    """Cross entropy of the probability sigmoid(x) and `target`, in [0, 1]; nothing cancels."""
    if_0, if_1 = _softplus_of_both(x)
    return (1 - target) * if_0 + target * if_1


@logit_loss.partial
def _(x: Any, target: Any, out: Any) -> Any:
    return (1 - target) * sigmoid(x) - target * sigmoid(-x), -x


@elementwise("", node="BinaryCrossEntropyWithLogits")
def weighted_logit_loss(x: Any, target: Any, weight: Any) -> Any:
    """The same where the part of the targets that are 1 counts `weight` times."""
    if_0, if_1 = _softplus_of_both(x)
    return (1 - target) * if_0 + weight * target * if_1


@weighted_logit_loss.partial
def _(x: Any, target: Any, weight: Any, out: Any) -> Any:
    if_0, if_1 = _softplus_of_both(x)
    to_x = (1 - target) * sigmoid(x) - weight * target * sigmoid(-x)
    return to_x, weight * if_1 - if_0, target * if_1

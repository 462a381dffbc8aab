"""PyTorch's `torch.autograd`: gradients by walking the tape, and the modes of the tape.

>>> import numgrad as ng
>>> x = ng.tensor(3.0, requires_grad=True)
>>> ng.autograd.grad(x * x, x)
(tensor(6.),)
"""

from __future__ import annotations

from numgrad.autograd import forward_ad, function, functional, graph
from numgrad.autograd.alias_check import alias_check, set_alias_check
from numgrad.autograd.anomaly import (
    detect_anomaly,
    is_anomaly_check_nan_enabled,
    is_anomaly_enabled,
    set_detect_anomaly,
)
from numgrad.autograd.comparison import GradcheckError
from numgrad.autograd.function import Function
from numgrad.autograd.grad_modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
    strict_ieee,
)
from numgrad.autograd.gradcheck import gradcheck, gradgradcheck
from numgrad.autograd.gradients import backward, grad

__all__ = [
    "Function",
    "GradcheckError",
    "alias_check",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "forward_ad",
    "function",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "is_anomaly_check_nan_enabled",
    "is_anomaly_enabled",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_alias_check",
    "set_detect_anomaly",
    "set_grad_enabled",
    "strict_ieee",
]

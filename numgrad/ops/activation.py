"""Activation functions of neural networks, element by element.

Values and derivatives are finite for every finite argument, and do not cancel in the tails.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numgrad.op import elementwise
from numgrad.ops.arithmetic import abs_, product
from numgrad.ops.choice import greater, less_equal, where
from numgrad.ops.exponential import exp, expm1, log1p, sigmoid
from numgrad.ops.extremes import maximum
from numgrad.ops.special import erfc

ROOT_HALF = math.sqrt(0.5)
ONE_OVER_ROOT_TWO_PI = 1 / math.sqrt(2 * math.pi)
# The tanh form of gelu: tanh(A * (x + B * x**3)).
GELU_A = math.sqrt(2 / math.pi)
GELU_B = 0.044715


def _integer_relu(x: Any) -> Any:
    return np.maximum(x, 0)


@elementwise("", integers=_integer_relu)
def relu(x: Any) -> Any:
    """Larger of x and 0, element by element; the derivative at 0 is 0."""
    return maximum(x, 0)


@relu.partial
def _(x: Any, out: Any) -> Any:
    return where(less_equal(out, 0), 0, 1)


@elementwise
def leaky_relu(x: Any, negative_slope: Any) -> Any:
    """x where it is positive, else `negative_slope` times x; the derivative at 0 is the slope."""
    return where(greater(x, 0), x, negative_slope * x)


@leaky_relu.partial
def _(x: Any, negative_slope: Any, out: Any) -> Any:
    positive = greater(x, 0)
    return where(positive, 1, negative_slope), where(positive, 0, x)


@elementwise
def elu(x: Any, alpha: Any) -> Any:
    """x where it is positive, else alpha * (exp(x) - 1); the derivative at 0 is alpha."""
    return where(greater(x, 0), x, alpha * expm1(x))


@elu.partial
def _(x: Any, alpha: Any, out: Any) -> Any:
    positive = greater(x, 0)
    return where(positive, 1, alpha * exp(x)), where(positive, 0, expm1(x))


@elementwise
def softplus(x: Any, threshold: Any) -> Any:
    """log(1 + exp(x)), and x where that is above the threshold, element by element."""
    smooth = maximum(x, 0) + log1p(exp(-abs_(x)))
    return where(greater(x, threshold), x, smooth)


@softplus.partial
def _(x: Any, threshold: Any, out: Any) -> Any:
    return where(greater(x, threshold), 1, sigmoid(x)), None


@elementwise
def silu(x: Any) -> Any:
    """x * sigmoid(x), element by element."""
    return x * sigmoid(x)


@silu.partial
def _(x: Any, out: Any) -> Any:
    return sigmoid(x) * (1 + x * sigmoid(-x))


@elementwise
def gelu(x: Any) -> Any:
    """x times the cumulative distribution function of the standard normal at x."""
    return x * (0.5 * erfc(-ROOT_HALF * x))


@gelu.partial
def _(x: Any, out: Any) -> Any:
    density = ONE_OVER_ROOT_TWO_PI * exp(-0.5 * (x * x))
    return 0.5 * erfc(-ROOT_HALF * x) + product(x, density)


@elementwise
def gelu_tanh(x: Any) -> Any:
    """x * (1 + tanh(u)) / 2 for u = sqrt(2 / pi) * (x + 0.044715 * x**3): close to `gelu`."""
    # (1 + tanh(u)) / 2 is sigmoid(2 * u), which does not cancel.
    return x * sigmoid(_twice_u(x))


@gelu_tanh.partial
def _(x: Any, out: Any) -> Any:
    u = _twice_u(x)
    s = sigmoid(u)
    slope = 2 * GELU_A * (1 + 3 * GELU_B * (x * x))
    return s + product(s * sigmoid(-u), x * slope)  # 0 * inf where x * x overflows


def _twice_u(x: Any) -> Any:
    return 2 * GELU_A * (x * (1 + GELU_B * (x * x)))

"""Activations as functions of PyTorch's arguments. What they do at the edges: see their ops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numgrad import functions
from numgrad.inplace import in_place

if TYPE_CHECKING:
    from collections.abc import Callable

    from numgrad.tensor import Tensor

sigmoid = functions.sigmoid
tanh = functions.tanh
logsigmoid = functions.log_sigmoid


def _applied(function: Callable[..., Tensor], inplace: bool, *arguments: Any) -> Tensor:
    """The result of a function, or its first argument with the result in it."""
    if inplace:
        function = in_place(function, f"{function.__name__}_")
    return function(*arguments)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """Larger of x and 0, element by element; the derivative at 0 is 0."""
    return _applied(functions.relu, inplace, input)


def leaky_relu(input: Tensor, negative_slope: Any = 0.01, inplace: bool = False) -> Tensor:
    """x where it is positive, else `negative_slope` times x; the derivative at 0 is the slope."""
    return _applied(functions.leaky_relu, inplace, input, negative_slope)


def elu(input: Tensor, alpha: Any = 1.0, inplace: bool = False) -> Tensor:
    """x where it is positive, else alpha * (exp(x) - 1); the derivative at 0 is alpha."""
    return _applied(functions.elu, inplace, input, alpha)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x * sigmoid(x), element by element."""
    return _applied(functions.silu, inplace, input)


def softplus(input: Tensor, beta: Any = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * x)) / beta, element by element; x where beta * x is above the threshold.

    >>> ng.nn.functional.softplus(ng.tensor([-1.0, 0.0, 30.0]))
    tensor([ 0.3133,  0.6931, 30.0000])
    """
    if isinstance(beta, (int, float)) and beta == 1:
        return functions.softplus(input, threshold)
    return functions.softplus(functions.mul(input, beta), threshold) / beta  # type: ignore[no-any-return]


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x times the cumulative distribution function of the standard normal, element by element.

    `approximate="tanh"` takes `0.5 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))` for it.

    Raises:
        ValueError: `approximate` is neither "none" nor "tanh".
    """
    forms = {"none": functions.gelu, "tanh": functions.gelu_tanh}
    if approximate not in forms:
        raise ValueError(f"gelu() takes approximate='none' or 'tanh', got {approximate!r}.")
    return forms[approximate](input)

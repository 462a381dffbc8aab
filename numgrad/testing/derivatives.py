"""Derivatives held against extrapolated finite differences, sharper than `gradcheck`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from numgrad import differences
from numgrad.autograd.gradients import grad
from numgrad.autograd.probe import results_of
from numgrad.creation import tensor
from numgrad.tensor import Tensor, alias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Array: TypeAlias = np.ndarray[Any, Any]

# Derivatives below this are compared by absolute error: differences see only noise of them.
SMALLEST = 1e-3


def finite_difference_jacobian(
    func: Callable[..., Any],
    *inputs: Any,
    step: float = differences.STEP,
    extrapolate: bool = True,
) -> Any:
    """Return the Jacobian of a function by finite differences.

    Args:
        func: takes tensors, gives a tensor; it need not be differentiable by numgrad.
        inputs: where; tensors, arrays, or numbers and lists of these.
        step: how far inputs are moved; the function must be smooth as far around them.
        extrapolate: combine the differences of two steps, which cancels the error that grows with
            the square of the step. Without it a step of 1e-6 is usual.

    Shape: that of the result and then that of the input; a tuple of these for several inputs.

    >>> from numgrad.testing import finite_difference_jacobian
    >>> finite_difference_jacobian(lambda x: x * x, [1.0, 3.0]).round(decimals=6)
    tensor([[2., 0.],
            [0., 6.]])
    """
    arrays = [_values(x) for x in inputs]
    found = differences.jacobians(
        lambda *xs: [_result(func, xs)],
        arrays,
        range(len(arrays)),
        step=step,
        extrapolate=extrapolate,
    )
    shape = _result(func, arrays).shape
    jacobians = tuple(
        alias(matrix.reshape(shape + a.shape), None)
        for matrix, a in zip(found[0], arrays, strict=True)
    )
    return jacobians[0] if len(inputs) == 1 else jacobians


def _values(x: Any) -> Array:
    return x.array if isinstance(x, Tensor) else tensor(x).array


def _result(func: Callable[..., Any], arrays: Sequence[Array]) -> Array:
    result = func(*(alias(a, None) for a in arrays))
    if not isinstance(result, Tensor):
        raise TypeError(
            f"finite_difference_jacobian() takes a function that gives a tensor, got"
            f" {type(result).__name__}."
        )
    return result.array


def gradients(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], seeds: Sequence[Any], **options: Any
) -> Sequence[Tensor]:
    """Return `autograd.grad`, with zeros for what depends on nothing, outputs included."""
    pairs = [(y, s) for y, s in zip(outputs, seeds, strict=True) if y.requires_grad]
    if not pairs:
        return [alias(np.zeros_like(x.array), None) for x in inputs]
    reached, given = zip(*pairs, strict=True)
    return grad(reached, inputs, given, materialize_grads=True, **options)


def relative_error(exact: Sequence[Array], numeric: Sequence[Array]) -> float:
    """Return the largest error of all, relative to the largest number; nan if there is one."""
    largest = max((float(np.max(np.abs(n), initial=0.0)) for n in numeric), default=0.0)
    errors = [
        float(np.max(np.abs(e - n), initial=0.0)) for e, n in zip(exact, numeric, strict=True)
    ]
    return float(np.max(errors, initial=0.0)) / max(largest, SMALLEST)


def assert_derivatives(
    func: Callable[..., Any], *inputs: Any, order: int = 2, tolerance: float = 1e-7
) -> None:
    """Hold the derivatives of a function, up to an order, against extrapolated differences.

    Results are weighted by random numbers, and so are the gradients for the second order.

    Args:
        func: takes tensors, gives one or several.
        inputs: where; tensors, arrays, or numbers and lists of these. The function must be smooth
            2e-3 around them.
        order: 1 or 2.
        tolerance: the largest error, relative to the largest derivative.

    Raises AssertionError where a derivative is off, with all of them.

    >>> from numgrad.testing import assert_derivatives
    >>> assert_derivatives(lambda x: (x * x).sum(), [1.0, 2.0])
    """
    arrays = [_values(x) for x in inputs]
    everywhere = range(len(arrays))
    rng = np.random.default_rng(5)

    def recorded(*xs: Array) -> tuple[list[Tensor], list[Tensor]]:
        leaves = [alias(np.array(x), None).requires_grad_() for x in xs]
        return leaves, results_of(func(*leaves))

    def values(*xs: Array) -> list[Array]:
        return [y.array for y in recorded(*xs)[1]]

    def first(*xs: Array) -> list[Array]:
        leaves, outputs = recorded(*xs)
        return [g.array for g in gradients(outputs, leaves, seeds)]

    seeds = [np.asarray(rng.uniform(0.5, 1.5, v.shape)) for v in values(*arrays)]
    _assert_near(
        first(*arrays), differences.gradients(values, arrays, everywhere, seeds), tolerance, 1
    )
    if order == 1:
        return
    weights = [np.asarray(rng.uniform(0.5, 1.5, a.shape)) for a in arrays]
    leaves, outputs = recorded(*arrays)
    found = gradients(outputs, leaves, seeds, create_graph=True)
    exact = [h.array for h in gradients(found, leaves, weights)]
    _assert_near(exact, differences.gradients(first, arrays, everywhere, weights), tolerance, order)


def _assert_near(
    exact: Sequence[Array], numeric: Sequence[Array], tolerance: float, order: int
) -> None:
    error = relative_error(exact, numeric)
    if error <= tolerance:
        return
    lines = [f"derivatives of order {order} are off by {error:.1e}, more than {tolerance:.1e}."]
    for k, (e, n) in enumerate(zip(exact, numeric, strict=True)):
        lines += [f"in input {k}, by numgrad:", str(e), "by differences:", str(n)]
    raise AssertionError("\n".join(lines))

"""Derivatives of a function held against finite differences, in first and in second order."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from numgrad.autograd import forward_ad
from numgrad.autograd.comparison import Comparison, GradcheckError
from numgrad.autograd.gradients import grad
from numgrad.autograd.probe import Probe, results_of
from numgrad.tensor import Tensor, alias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Array: TypeAlias = np.ndarray[Any, Any]
    Inputs: TypeAlias = Tensor | Sequence[Any]


def gradcheck(
    func: Callable[..., Any],
    inputs: Inputs,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
) -> bool:
    """Whether the gradients of a function are those of central finite differences.

    Two numbers agree where `abs(analytical - numerical) <= atol + rtol * abs(numerical)`.

    Args:
        func: a function of tensors that gives a tensor or several; it is called on copies.
        inputs: its arguments; derivatives are taken in the tensors that require grad.
        eps: the step of the differences.
        atol: the absolute tolerance.
        rtol: the relative tolerance.
        raise_exception: raise GradcheckError instead of returning False.
        nondet_tol: how far two backwards from the same seed may be apart.
        check_undefined_grad: leave results of several out of the backward, too: that must equal
            seeds of zeros.
        check_grad_dtypes: gradients must have the dtype of their inputs.
        check_batched_grad: walk with several seeds at once, too.
        check_batched_forward_grad: run forward mode in several directions at once, too.
        check_forward_ad: compare forward mode, too.
        check_backward_ad: compare backward.
        fast_mode: compare one random combination of each Jacobian instead of all its elements.

    Raises:
        GradcheckError: they are not; it shows the worst element and both Jacobians.
        ValueError: no input requires grad.
        RuntimeError: elements of an input share memory, so that none can be moved alone.

    Warns UserWarning of inputs in single precision: differences are too coarse there.

    Source: torch.autograd.gradcheck.

    >>> x = ng.tensor([0.5, 2.0], requires_grad=True)
    >>> ng.autograd.gradcheck(lambda x: x.exp() * x, x)
    True
    """
    given = _checked_inputs("gradcheck", inputs)
    check = Comparison("gradcheck", Probe(func, given), eps, atol, rtol)
    try:
        if not check.probe.reached:
            check.nothing_to_differentiate()
            return True
        if check_forward_ad:
            check.forward(fast=fast_mode)
        if check_batched_forward_grad:
            check.forward_in_batch()
        if check_backward_ad:
            check.reverse(fast=fast_mode)
            check.repeated(nondet_tol)
        if check_backward_ad and check_undefined_grad:
            check.undefined()
        if check_grad_dtypes:
            check.dtypes()
        if check_batched_grad:
            check.reverse_in_batch()
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Inputs,
    grad_outputs: Inputs | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = True,
    check_rev_over_rev: bool = True,
    check_rev_over_fwd: bool = True,
    check_fwd_over_fwd: bool = True,
    fast_mode: bool = False,
) -> bool:
    """Whether the second derivatives of a function are those of finite differences of the first.

    The gradient is taken as a function of the inputs and of the seeds, the forward derivative as
    one of the inputs and of the tangents, and `gradcheck` is asked about each in both modes.

    Args:
        func: as for `gradcheck`.
        inputs: as for `gradcheck`.
        grad_outputs: seeds for the results; without them random ones are drawn.
        eps: the step of the differences.
        atol: the absolute tolerance.
        rtol: the relative tolerance.
        raise_exception: raise GradcheckError instead of returning False.
        nondet_tol: as for `gradcheck`.
        check_undefined_grad: as for `gradcheck`.
        check_grad_dtypes: as for `gradcheck`.
        check_batched_grad: as for `gradcheck`.
        check_fwd_over_rev: check forward mode of the backward.
        check_rev_over_rev: check the backward of the backward.
        check_rev_over_fwd: check the backward of forward mode.
        check_fwd_over_fwd: check forward mode of forward mode.
        fast_mode: as for `gradcheck`.

    Raises:
        GradcheckError: they are not.
        ValueError: no input requires grad.
        RuntimeError: elements of an input share memory.

    Source: torch.autograd.gradgradcheck, whose default is the backward of the backward alone.

    >>> x = ng.tensor([0.5, 2.0], requires_grad=True)
    >>> ng.autograd.gradgradcheck(lambda x: x.exp() * x, x)
    True
    """
    given = _checked_inputs("gradgradcheck", inputs)
    count = len(given)
    seeds = _seeds(func, given, grad_outputs)

    def pulled(*arguments: Any) -> list[Tensor]:
        leaves = [x for x in arguments[:count] if isinstance(x, Tensor) and x.requires_grad]
        reached = [y for y in results_of(func(*arguments[:count])) if y.requires_grad]
        gradients = grad(reached, leaves, arguments[count:], create_graph=True, allow_unused=True)
        return results_of(gradients)

    def pushed(*arguments: Any) -> list[Tensor]:
        tangents = iter(arguments[count:])
        with forward_ad.dual_level():
            moved = [
                forward_ad.make_dual(x, next(tangents))
                if isinstance(x, Tensor) and x.requires_grad
                else x
                for x in arguments[:count]
            ]
            outputs = [forward_ad.unpack_dual(y).tangent for y in results_of(func(*moved))]
        return results_of(outputs)

    options: dict[str, Any] = {
        "eps": eps,
        "atol": atol,
        "rtol": rtol,
        "raise_exception": raise_exception,
        "nondet_tol": nondet_tol,
        "check_undefined_grad": check_undefined_grad,
        "check_grad_dtypes": check_grad_dtypes,
        "check_batched_grad": check_batched_grad,
        "fast_mode": fast_mode,
    }
    if not seeds:
        return True
    right = True
    if check_rev_over_rev or check_fwd_over_rev:
        right = gradcheck(
            pulled,
            (*given, *seeds),
            check_backward_ad=check_rev_over_rev,
            check_forward_ad=check_fwd_over_rev,
            **options,
        )
    if right and (check_rev_over_fwd or check_fwd_over_fwd):
        right = gradcheck(
            pushed,
            (*given, *_directions(given)),
            check_backward_ad=check_rev_over_fwd,
            check_forward_ad=check_fwd_over_fwd,
            **options,
        )
    return right


def _checked_inputs(name: str, inputs: Any) -> tuple[Any, ...]:
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    tensors = [(k, x) for k, x in enumerate(given) if isinstance(x, Tensor) and x.requires_grad]
    if not tensors:
        raise ValueError(
            f"{name}() takes derivatives in inputs that require grad, got none: call"
            " requires_grad_() on one."
        )
    for k, x in tensors:
        if x.dtype.itemsize < np.dtype(np.float64).itemsize * (2 if x.dtype.kind == "c" else 1):
            warnings.warn(
                f"{name}() got input {k} of dtype {x.dtype}: finite differences need double"
                " precision, as in x.to(numgrad.float64).",
                UserWarning,
                stacklevel=3,
            )
        if _overlaps(x.array):
            raise RuntimeError(
                f"{name}() got input {k} of shape {x.shape} whose elements share memory, as after"
                " expand(), so that none can be moved alone: pass a clone()."
            )
    return given


def _overlaps(array: Array) -> bool:
    """Whether two elements of an array are the same memory."""
    places = np.zeros(array.shape, np.int64)
    for axis, step in enumerate(array.strides):
        along = [1] * array.ndim
        along[axis] = -1
        places += (np.arange(array.shape[axis]) * step).reshape(along)
    return np.unique(places).size < places.size


def _directions(given: Iterable[Any]) -> tuple[Tensor, ...]:
    """Random tangents for the inputs that require grad."""
    rng = np.random.default_rng(2)
    return tuple(
        alias(np.asarray(rng.standard_normal(x.shape), x.dtype), None).requires_grad_()
        for x in given
        if isinstance(x, Tensor) and x.requires_grad
    )


def _seeds(
    func: Callable[..., Any], given: Iterable[Any], grad_outputs: Inputs | None
) -> tuple[Any, ...]:
    """Seeds for the results of a function; random ones where none are given."""
    if grad_outputs is not None:
        return (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs)
    rng = np.random.default_rng(1)
    return tuple(
        alias(np.asarray(rng.standard_normal(y.shape), y.dtype), None).requires_grad_()
        for y in results_of(func(*given))
        if y.requires_grad
    )

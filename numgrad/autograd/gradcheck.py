"""Derivatives of a function held against finite differences, in first and in second order."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from numgrad.autograd.gradients import grad
from numgrad.autograd.probe import Probe, results_of
from numgrad.tensor import Tensor, alias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numgrad.autograd.probe import Jacobians

    Array: TypeAlias = np.ndarray[Any, Any]
    Inputs: TypeAlias = Tensor | Sequence[Any]


class GradcheckError(RuntimeError):
    """A derivative that is not what `gradcheck` or `gradgradcheck` finds by other means."""


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
    check = _Check("gradcheck", Probe(func, given), eps, atol, rtol)
    try:
        if not check.probe.reached:
            check.nothing_to_differentiate()
            return True
        check.reverse(fast=fast_mode)
        check.repeated(nondet_tol)
        if check_undefined_grad:
            check.undefined()
        if check_grad_dtypes:
            check.dtypes()
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
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
) -> bool:
    """Whether the second derivatives of a function are those of finite differences of the first.

    The gradient is taken as a function of the inputs and of the seeds, and `gradcheck` is asked
    about that.

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
        check_rev_over_rev: check the backward of the backward.
        fast_mode: as for `gradcheck`.

    Raises:
        GradcheckError: they are not.
        ValueError: no input requires grad.
        RuntimeError: elements of an input share memory.

    Source: torch.autograd.gradgradcheck.

    >>> x = ng.tensor([0.5, 2.0], requires_grad=True)
    >>> ng.autograd.gradgradcheck(lambda x: x.exp() * x, x)
    True
    """
    given = _checked_inputs("gradgradcheck", inputs)
    count = len(given)
    seeds = _seeds(func, given, grad_outputs)

    def first(*arguments: Any) -> list[Tensor]:
        leaves = [x for x in arguments[:count] if isinstance(x, Tensor) and x.requires_grad]
        reached = [y for y in results_of(func(*arguments[:count])) if y.requires_grad]
        gradients = grad(reached, leaves, arguments[count:], create_graph=True, allow_unused=True)
        return results_of(gradients)

    return (
        not seeds
        or not check_rev_over_rev
        or gradcheck(
            first,
            (*given, *seeds),
            eps=eps,
            atol=atol,
            rtol=rtol,
            raise_exception=raise_exception,
            nondet_tol=nondet_tol,
            check_undefined_grad=check_undefined_grad,
            check_grad_dtypes=check_grad_dtypes,
            fast_mode=fast_mode,
        )
    )


class _Check:
    """The comparisons that `gradcheck` makes at one point."""

    def __init__(self, name: str, probe: Probe, eps: float, atol: float, rtol: float) -> None:
        self.name = name
        self.probe = probe
        self.eps = eps
        self.atol = atol
        self.rtol = rtol
        self.rng = np.random.default_rng(0)

    def nothing_to_differentiate(self) -> None:
        """A function whose results require no grad must be constant."""
        probe = self.probe
        moved = [self.rng.standard_normal(a.shape).astype(a.dtype) for a in probe.arrays]
        values = probe.all_values(*probe.arrays)
        shifted = probe.all_values(
            *(a + self.eps * d for a, d in zip(probe.arrays, moved, strict=True))
        )
        for number, (before, after) in enumerate(zip(values, shifted, strict=True)):
            if not np.allclose(before, after, self.rtol * self.eps, self.atol * self.eps):
                raise GradcheckError(
                    f"{self.name}(): output {number} changes with the inputs but does not require"
                    " grad: something on the way drops the history, such as detach() or no_grad()."
                )

    def reverse(self, *, fast: bool) -> None:
        """Compare the Jacobians of backward with those of differences."""
        if not fast or not self.projections_agree():
            self.compare(self.probe.by_reverse(), self.probe.by_differences(self.eps), "backward")

    def projections_agree(self) -> bool:
        """Compare `weight @ Jacobian @ direction` for each result, random weight and direction."""
        probe = self.probe
        direction: list[Array | None] = [self.draw(a.shape, a.dtype) for a in probe.arrays]
        moved = probe.moved(direction, self.eps)
        for number, change in enumerate(moved):
            weights: list[Array | None] = [None] * len(moved)
            weights[number] = weight = self.draw(change.shape, change.dtype)
            pulled = probe.pulled(weights)
            analytical = sum(np.sum(g.array * d) for g, d in zip(pulled, direction, strict=True))
            if not np.isclose(analytical, np.sum(weight * change), self.rtol, self.atol):
                return False
        return True

    def draw(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """Draw random numbers of size about 1."""
        return np.asarray(self.rng.uniform(0.5, 1.5, shape), dtype)

    def compare(self, analytical: Jacobians, numerical: Jacobians, mode: str) -> None:
        """Raise GradcheckError for the first pair of result and input whose Jacobians differ."""
        for i, k in np.ndindex(len(analytical), len(self.probe.arrays)):
            ours, theirs = analytical[i][k], numerical[i][k]
            if not np.allclose(ours, theirs, self.rtol, self.atol):
                raise GradcheckError(self.mismatch(i, k, ours, theirs, mode))

    def mismatch(self, i: int, k: int, ours: Array, theirs: Array, mode: str) -> str:
        """Describe two Jacobians that differ."""
        probe = self.probe
        with np.errstate(invalid="ignore"):
            excess = abs(ours - theirs) - self.rtol * abs(theirs)
        # Where nothing compares, as with nan, is worst.
        excess[np.isnan(excess)] = np.inf
        row, column = divmod(int(np.argmax(excess)), ours.shape[1])
        element = _index(row, probe.shapes[i])
        place = _index(column, probe.arrays[k].shape)
        output, position = probe.reached[i], probe.positions[k]
        return (
            f"{self.name}(): the Jacobian of output {output} with respect to input {position} is"
            f" not the same by {mode} and by finite differences. Worst: the derivative of element"
            f" {element} of the output in element {place} of the input is {ours[row, column]} by"
            f" {mode}, {theirs[row, column]} by differences.\n"
            f"numerical:\n{theirs}\nanalytical:\n{ours}"
        )

    def repeated(self, tolerance: float) -> None:
        """Two backwards from one seed must give the same."""
        probe = self.probe
        weights = [self.draw(s, d) for s, d in zip(probe.shapes, probe.dtypes, strict=True)]
        run = probe.run(probe.arrays)
        pairs = zip(probe.pulled(weights, run), probe.pulled(weights, run), strict=True)
        for k, (once, again) in zip(probe.positions, pairs, strict=True):
            with np.errstate(invalid="ignore"):
                distance = float(np.max(abs(once.array - again.array), initial=0.0))
            if distance > tolerance:
                raise GradcheckError(
                    f"{self.name}(): two backwards from one seed give gradients of input {k} that"
                    f" differ by {distance}: raise nondet_tol if that is meant."
                )

    def undefined(self) -> None:
        """A result left out of the backward must count as one with a seed of zeros."""
        probe = self.probe
        if len(probe.shapes) == 1:
            return
        for number, (shape, dtype) in enumerate(zip(probe.shapes, probe.dtypes, strict=True)):
            zeros = [np.zeros(s, d) for s, d in zip(probe.shapes, probe.dtypes, strict=True)]
            without: list[Array | None] = [None] * len(zeros)
            zeros[number] = without[number] = self.draw(shape, dtype)
            pairs = zip(probe.pulled(zeros), probe.pulled(without), strict=True)
            for k, (some, alone) in zip(probe.positions, pairs, strict=True):
                if not np.allclose(some.array, alone.array, self.rtol, self.atol, equal_nan=True):
                    raise GradcheckError(
                        f"{self.name}(): the gradient of output {number} with respect to input {k}"
                        " is another when the other outputs have seeds of zeros than when they are"
                        " left out: a backward treats an undefined gradient not as zero."
                    )

    def dtypes(self) -> None:
        """Gradients must have the dtype of their inputs."""
        probe = self.probe
        weights = [self.draw(s, d) for s, d in zip(probe.shapes, probe.dtypes, strict=True)]
        for k, g in zip(probe.positions, probe.pulled(weights), strict=True):
            wanted = self.probe.inputs[k].dtype
            if g.dtype != wanted:
                raise GradcheckError(
                    f"{self.name}(): the gradient of input {k} has dtype {g.dtype}, not {wanted}."
                )


def _index(place: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(n) for n in np.unravel_index(place, shape))


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

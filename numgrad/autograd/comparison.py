"""Jacobians found by numgrad held against those of finite differences, at one point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from numgrad.tensor import alias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numgrad.autograd.probe import Jacobians, Probe
    from numgrad.tensor import Tensor

    Array: TypeAlias = np.ndarray[Any, Any]


class GradcheckError(RuntimeError):
    """A derivative that is not what `gradcheck` or `gradgradcheck` finds by other means."""

    # Where users find it.
    __module__ = "numgrad.autograd"


class Comparison:
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
        if not fast or not self.projections_agree(self.by_seed):
            self.compare(self.probe.by_reverse(), self.probe.by_differences(self.eps), "backward")

    def forward(self, *, fast: bool) -> None:
        """Compare the Jacobians of forward mode with those of differences."""
        if not fast or not self.projections_agree(self.by_tangent):
            differences = self.probe.by_differences(self.eps)
            self.compare(self.probe.by_forward(), differences, "forward mode")

    def projections_agree(self, found: Callable[[int, Array, list[Array | None]], float]) -> bool:
        """Compare `weight @ Jacobian @ direction` for each result, random weight and direction."""
        direction: list[Array | None] = [self.draw(a.shape, a.dtype) for a in self.probe.arrays]
        for number, change in enumerate(self.probe.moved(direction, self.eps)):
            weight = self.draw(change.shape, change.dtype)
            analytical = found(number, weight, direction)
            if not np.isclose(analytical, np.sum(weight * change), self.rtol, self.atol):
                return False
        return True

    def by_seed(self, number: int, weight: Array, direction: list[Array | None]) -> float:
        """Find the combination of a Jacobian by backward."""
        weights: list[Array | None] = [None] * len(self.probe.shapes)
        weights[number] = weight
        pulled = self.probe.pulled(weights)
        return sum(float(np.sum(g.array * d)) for g, d in zip(pulled, direction, strict=True))

    def by_tangent(self, number: int, weight: Array, direction: list[Array | None]) -> float:
        """Find the combination of a Jacobian by forward mode."""
        tangents = [None if d is None else alias(d, None) for d in direction]
        return float(np.sum(weight * self.probe.pushed(tangents)[number].array))

    def reverse_in_batch(self) -> None:
        """Two seeds in one walk must give what two walks give."""
        probe = self.probe
        kinds = zip(probe.shapes, probe.dtypes, strict=True)
        weights = [self.draw((2, *shape), dtype) for shape, dtype in kinds]
        one_by_one = [probe.pulled([w[k] for w in weights]) for k in range(2)]
        self.compare_batch(
            probe.pulled_in_batch(weights), one_by_one, "gradient of input", probe.positions
        )

    def forward_in_batch(self) -> None:
        """Two directions at once must give what each of them gives."""
        probe = self.probe
        directions = [self.draw((2, *a.shape), a.dtype) for a in probe.arrays]
        one_by_one = [probe.pushed([alias(d[k], None) for d in directions]) for k in range(2)]
        self.compare_batch(
            probe.pushed_in_batch(directions), one_by_one, "tangent of output", probe.reached
        )

    def compare_batch(
        self,
        at_once: list[Tensor],
        one_by_one: list[list[Tensor]],
        what: str,
        numbers: Sequence[int],
    ) -> None:
        """Raise GradcheckError for the first derivative that is another in a batch."""
        for k, (number, together) in enumerate(zip(numbers, at_once, strict=True)):
            alone = np.stack([each[k].array for each in one_by_one])
            if not np.allclose(together.array, alone, self.rtol, self.atol, equal_nan=True):
                raise GradcheckError(
                    f"{self.name}(): the {what} {number} is another in a batch of two than alone."
                    f"\nin a batch:\n{together.array}\nalone:\n{alone}"
                )

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

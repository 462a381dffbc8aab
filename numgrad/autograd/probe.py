"""A function of tensors at one point, with its Jacobians found in several ways.

A Jacobian is a matrix here: rows are the elements of a result, columns those of an input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from numgrad import differences
from numgrad.autograd import forward_ad
from numgrad.autograd.gradients import grad
from numgrad.batched import Batch
from numgrad.mapping import batch, unbatch
from numgrad.tensor import Tensor, alias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Array: TypeAlias = np.ndarray[Any, Any]
    # One matrix for each result and each input that requires grad.
    Jacobians: TypeAlias = list[list[Array]]


class Probe:
    """A function and inputs, of which some require grad; each run takes new leaves."""

    def __init__(self, function: Callable[..., Any], inputs: Sequence[Any]) -> None:
        self.function = function
        self.inputs = tuple(inputs)
        # The inputs that derivatives are taken in, and their values.
        self.positions = tuple(
            k for k, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad
        )
        self.arrays = [self.inputs[k].array for k in self.positions]
        outputs = self.run(self.arrays)[1]
        # Which of the results have derivatives; of none if nothing depends on the inputs.
        self.reached = tuple(k for k, y in enumerate(outputs) if y.requires_grad)
        self.shapes = [outputs[k].shape for k in self.reached]
        self.dtypes = [outputs[k].dtype for k in self.reached]

    def run(
        self, arrays: Sequence[Array], tangents: Sequence[Tensor | None] = ()
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Call the function on leaves with these values; return the leaves and the results."""
        arguments = list(self.inputs)
        leaves = []
        for k, a in zip(self.positions, arrays, strict=True):
            arguments[k] = leaf = alias(np.array(a, order="K"), None)
            leaves.append(leaf.requires_grad_())
        for k, t in zip(self.positions, tangents, strict=False):
            if t is not None:
                arguments[k] = forward_ad.make_dual(arguments[k], t)
        return leaves, results_of(self.function(*arguments))

    def values(self, *arrays: Array) -> list[Array]:
        """Values of the results that have derivatives, as a function of arrays."""
        _, outputs = self.run(arrays)
        return [outputs[k].array for k in self.reached]

    def all_values(self, *arrays: Array) -> list[Array]:
        """Values of all results."""
        return [y.array for y in self.run(arrays)[1]]

    def pulled(
        self, weights: Sequence[Array | None], run: tuple[list[Tensor], list[Tensor]] | None = None
    ) -> list[Tensor]:
        """Gradients of the results weighted so; None leaves a result out."""
        leaves, outputs = run or self.run(self.arrays)
        pairs = [
            (outputs[k], alias(w, None))
            for k, w in zip(self.reached, weights, strict=True)
            if w is not None
        ]
        reached, seeds = zip(*pairs, strict=True)
        return list(grad(reached, leaves, seeds, retain_graph=True, materialize_grads=True))

    def pushed(self, tangents: Sequence[Tensor | None]) -> list[Tensor]:
        """Derivatives of the results in the direction of these tangents, by forward mode."""
        with forward_ad.dual_level():
            _, outputs = self.run(self.arrays, tangents)
            found = [forward_ad.unpack_dual(outputs[k]).tangent for k in self.reached]
        return [
            alias(np.zeros(shape, dtype), None) if t is None else t.detach()
            for t, shape, dtype in zip(found, self.shapes, self.dtypes, strict=True)
        ]

    def by_forward(self) -> Jacobians:
        """Jacobians column by column, by forward mode along each element of each input."""
        found = [
            [np.empty((int(np.prod(shape)), a.size), dtype) for a in self.arrays]
            for shape, dtype in zip(self.shapes, self.dtypes, strict=True)
        ]
        for number, a in enumerate(self.arrays):
            for place in range(a.size):
                tangents: list[Tensor | None] = [None] * len(self.arrays)
                tangents[number] = direction = alias(np.zeros(a.shape, a.dtype), None)
                direction.array.reshape(-1)[place] = 1
                for matrices, t in zip(found, self.pushed(tangents), strict=True):
                    matrices[number][:, place] = t.array.ravel()
        return found

    def pulled_in_batch(self, weights: Sequence[Array]) -> list[Tensor]:
        """Gradients of the results for many weights at once, which the first dimension counts."""
        leaves, outputs = self.run(self.arrays)
        return list(
            grad(
                [outputs[k] for k in self.reached],
                leaves,
                [alias(w, None) for w in weights],
                is_grads_batched=True,
                materialize_grads=True,
            )
        )

    def pushed_in_batch(self, directions: Sequence[Array]) -> list[Tensor]:
        """Derivatives of the results in many directions at once, as `pulled_in_batch`."""
        size = directions[0].shape[0]
        level = Batch(size)
        with forward_ad.dual_level():
            tangents = [batch(alias(d, None), level) for d in directions]
            _, outputs = self.run(self.arrays, tangents)
            found = [forward_ad.unpack_dual(outputs[k]).tangent for k in self.reached]
        return [
            alias(np.zeros((size, *shape), dtype), None)
            if t is None
            else unbatch(t, level).detach()
            for t, shape, dtype in zip(found, self.shapes, self.dtypes, strict=True)
        ]

    def by_reverse(self) -> Jacobians:
        """Jacobians row by row, by a backward from each element of each result."""
        run = self.run(self.arrays)
        found = []
        for number, (shape, dtype) in enumerate(zip(self.shapes, self.dtypes, strict=True)):
            size = int(np.prod(shape))
            matrices = [np.empty((size, a.size), a.dtype) for a in self.arrays]
            for place in range(size):
                weights: list[Array | None] = [None] * len(self.shapes)
                weights[number] = weight = np.zeros(shape, dtype)
                weight.reshape(-1)[place] = 1
                for matrix, g in zip(matrices, self.pulled(weights, run), strict=True):
                    matrix[place] = g.array.ravel()
            found.append(matrices)
        return found

    def by_differences(self, eps: float) -> Jacobians:
        """Jacobians column by column, by central differences."""
        return differences.jacobians(
            self.values, self.arrays, range(len(self.arrays)), step=eps, extrapolate=False
        )

    def moved(self, direction: Sequence[Array | None], eps: float) -> list[Array]:
        """Differentiate the results along a direction, by central differences."""
        return differences.along(self.values, self.arrays, direction, step=eps, extrapolate=False)


def results_of(result: Any) -> list[Tensor]:
    """Floating tensors among the results of a function, whether it gives one or several."""
    several = result if isinstance(result, (tuple, list)) else (result,)
    return [y for y in several if isinstance(y, Tensor) and y.dtype.kind in "fc"]

"""Derivatives against finite differences: what `python -m numgrad check` runs.

Every row of the table of samples is differentiated in reverse, once and twice, and compared with
central differences, extrapolated to a vanishing step. For twice, the gradient is taken as a
function of its own: of the inputs, and of the cotangent, in which it is linear.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from numgrad import differences
from numgrad.samples import ROWS
from numgrad.testing import gradients as grad
from numgrad.testing import relative_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numgrad.samples import Row
    from numgrad.samples.domains import Array
    from numgrad.tensor import Tensor

# Largest relative error of a derivative, by order. Differences of rounded values give no more.
TOLERANCE = {1: 1e-8, 2: 1e-8}


class Result(NamedTuple):
    """How far the derivatives of one row are from finite differences."""

    row: Row
    order: int
    error: float

    @property
    def ok(self) -> bool:
        """Whether they agree; nan does not."""
        return self.error <= TOLERANCE[self.order]


def check_row(row: Row, order: int = 1) -> Result:
    """Compare the first or the second derivatives of a row with finite differences."""
    arrays = row.arrays()
    positions = row.differentiable()
    rng = row.generator()
    cotangents = [np.asarray(rng.uniform(0.5, 1.5, a.shape)) for a in values(row, arrays)]
    if order == 1:
        exact = gradients(row, arrays, cotangents, positions)
        numeric = differences.gradients(lambda *xs: values(row, xs), arrays, positions, cotangents)
        return Result(row, order, relative_error(exact, numeric))
    weights = [np.asarray(rng.uniform(0.5, 1.5, arrays[k].shape)) for k in positions]
    exact = second(row, arrays, cotangents, positions, weights)
    count = len(arrays)
    numeric = differences.gradients(
        lambda *xs: gradients(row, xs[:count], xs[count:], positions),
        (*arrays, *cotangents),
        (*positions, *range(count, count + len(cotangents))),
        weights,
    )
    return Result(row, order, relative_error(exact, numeric))


def values(row: Row, arrays: Sequence[Array]) -> list[Array]:
    """Results of a row that can have derivatives, not recorded."""
    import numgrad as ng

    with ng.no_grad():
        results = row(*map(ng.tensor, arrays))
    return [r.numpy() for r in results if r.is_floating_point()]


def recorded(
    row: Row, arrays: Sequence[Array], positions: Iterable[int]
) -> tuple[list[Tensor], list[Tensor]]:
    """Run a row; return the inputs at these positions, as leaves, and the results that follow."""
    import numgrad as ng

    tensors = [ng.tensor(a) for a in arrays]
    leaves = [tensors[k].requires_grad_() for k in positions]
    return leaves, [r for r in row(*tensors) if r.is_floating_point()]


def gradients(
    row: Row, arrays: Sequence[Array], cotangents: Sequence[Array], positions: Sequence[int]
) -> list[Array]:
    """Return the gradients of a row in its inputs at these positions."""
    leaves, results = recorded(row, arrays, positions)
    return [g.numpy() for g in grad(results, leaves, cotangents)]


def second(
    row: Row,
    arrays: Sequence[Array],
    cotangents: Sequence[Array],
    positions: Sequence[int],
    weights: Sequence[Array],
) -> list[Array]:
    """Gradients of the weighted gradients, in the inputs at these positions and the cotangents."""
    import numgrad as ng

    leaves, results = recorded(row, arrays, positions)
    seeds = [ng.tensor(c, requires_grad=True) for c in cotangents]
    first = grad(results, leaves, seeds, create_graph=True)
    return [g.numpy() for g in grad(first, [*leaves, *seeds], weights)]


def run(names: Iterable[str] | None = None) -> bool:
    """Check rows, all or those of the named functions; print a line each and say if all are right.

    Names are those of the table, `exp` or `linalg.solve`, or their last parts. Raises ValueError
    for a name that no row has.
    """
    rows = ROWS if names is None else chosen(names)
    inputs = [" ".join(map(str, row.shapes)) for row in rows]
    width = max(len(str(row)) for row in rows)
    room = max(map(len, inputs))
    out = sys.stdout
    out.write(f"{'op':<{width}}  {'inputs':<{room}}  first order  second order\n")
    failed = 0
    for row, shapes in zip(rows, inputs, strict=True):
        first, twice = check_row(row, 1), check_row(row, 2)
        ok = first.ok and twice.ok
        failed += not ok
        out.write(
            f"{row!s:<{width}}  {shapes:<{room}}  {first.error:11.1e}  {twice.error:12.1e}"
            f"  {'ok' if ok else 'WRONG'}\n"
        )
        out.flush()
    out.write(f"{len(rows)} checked, {failed} wrong\n")
    return not failed


def chosen(names: Iterable[str]) -> tuple[Row, ...]:
    """Rows of the functions with these names."""
    wanted = set(names)
    known = {part for row in ROWS for part in (row.name, row.name.rpartition(".")[2])}
    if unknown := sorted(wanted - known):
        raise ValueError(
            f"check() got {', '.join(unknown)}, which no sample is named: the names are"
            f" {', '.join(sorted({row.name for row in ROWS}))}."
        )
    return tuple(r for r in ROWS if wanted & {r.name, r.name.rpartition(".")[2]})

"""Every row of the samples again, on inputs that lie in memory in other ways."""

from __future__ import annotations

import numpy as np
import pytest

import numgrad as ng
from numgrad.samples import ROWS
from tests.rows import ELEMENTWISE, assert_near, differentiated, leaves


def fortran(a):
    return a.copy(order="F")


def reversed_(a):
    backwards = (slice(None, None, -1),) * a.ndim
    return np.ascontiguousarray(a[backwards])[backwards] if a.ndim else a


def strided(a):
    if not a.ndim:
        return a
    wide = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
    wide[..., ::2] = a
    return wide[..., ::2]


def unaligned(a):
    raw = np.zeros(a.nbytes + 1, np.uint8)
    moved = raw[1:].view(a.dtype).reshape(a.shape)
    moved[...] = a
    return moved


# view() refuses to copy, so it has less to promise: tests of shapes hold it to that.
ANY_LAYOUT = [row for row in ROWS if row.name != "Tensor.view"]


@pytest.mark.parametrize("row", ANY_LAYOUT, ids=str, scope="module")
@pytest.mark.parametrize("layout", [fortran, reversed_, strided, unaligned])
def test_layouts_make_no_difference(row, layout):
    arrays = row.arrays()
    laid_out = [layout(a) for a in arrays]
    assert all(map(np.array_equal, arrays, laid_out))
    values, gradients = differentiated(row, laid_out)
    expected, expected_gradients = differentiated(row, arrays)
    assert_near(values, expected)
    assert_near(gradients, expected_gradients)


@pytest.mark.parametrize("row", ELEMENTWISE, ids=str)
def test_overlapping_inputs(row):
    arrays = row.arrays(shapes=((2, 1),) * len(row.domains))
    wide = [np.broadcast_to(a, (2, 3)) for a in arrays]
    values, gradients = differentiated(row, wide)
    expected, expected_gradients = differentiated(row, [a.copy() for a in wide])
    assert_near(values, expected)
    assert_near(gradients, expected_gradients)


@pytest.mark.parametrize("row", ANY_LAYOUT, ids=str)
def test_gradients_lie_in_memory_as_their_leaf_does(row):
    arrays, positions = [fortran(a) for a in row.arrays()], row.differentiable()
    tensors = leaves(arrays, positions)
    results = [r for r in row(*tensors) if r.requires_grad]
    ng.autograd.backward(results, [np.ones(r.shape) for r in results])
    gradients = {k: tensors[k].grad.numpy() for k in positions}
    assert all(g.flags.f_contiguous for g in gradients.values())
    assert all(g.flags.c_contiguous is arrays[k].flags.c_contiguous for k, g in gradients.items())

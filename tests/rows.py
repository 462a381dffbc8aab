"""What the tests of promises do with the rows of the table of samples."""

from __future__ import annotations

import numpy as np

import numgrad as ng
from numgrad import testing
from numgrad.samples import ROWS

ELEMENTWISE = [row for row in ROWS if row.elementwise]
OF_SEVERAL = [row for row in ELEMENTWISE if len(row.domains) > 1]


def leaves(arrays, positions):
    """Tensors on these arrays themselves, those at the positions requiring grad."""
    tensors = [ng.from_numpy(a) for a in arrays]
    for k in positions:
        tensors[k].requires_grad_()
    return tensors


def floating(results):
    """Results that can have derivatives."""
    return [r for r in results if r.is_floating_point()]


def seeds_for(row, results):
    """A cotangent for each result, with its dtype; the same in every call."""
    rng = row.generator()
    return [rng.uniform(0.5, 1.5, r.shape).astype(r.dtype) for r in results]


def differentiated(row, arrays, positions=None, *, create_graph=False):
    """Values of a row, and its gradients in the inputs at these positions."""
    positions = row.differentiable() if positions is None else positions
    tensors = leaves(arrays, positions)
    results = floating(row(*tensors))
    inputs = [tensors[k] for k in positions]
    found = testing.gradients(results, inputs, seeds_for(row, results), create_graph=create_graph)
    return [r.detach().numpy() for r in results], [g.detach().numpy() for g in found]


def reference(row, *arrays):
    """What a row must equal; what NumPy warns of is no matter."""
    with np.errstate(all="ignore"):
        return row.expected(*arrays)


def assert_near(actual, expected, tolerance=1e-12):
    """Hold arrays against others, relative to the largest number in them."""
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        assert a.shape == e.shape
        scale = np.max(np.abs(e), initial=0.0, where=np.isfinite(e))
        np.testing.assert_allclose(a, e, rtol=tolerance, atol=tolerance * scale)


def assert_equals_reference(row, actual, expected, *, ulps=None):
    """Hold results against those of the reference, in its units of the last place."""
    ulps = row.ulps if ulps is None else ulps
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        assert a.shape == e.shape
        if e.dtype.kind != "f":
            np.testing.assert_array_equal(a, e)
            continue
        finite = np.isfinite(e)
        np.testing.assert_array_equal(a[~finite], e[~finite])
        exact, size = e[finite], np.abs(e[finite])
        if not row.elementwise:
            size[...] = np.max(size, initial=0.0)
        distance = np.abs(a[finite] - exact) / np.spacing(size.astype(a.dtype))
        assert np.max(distance, initial=0.0) <= ulps
        zero = e == 0
        if row.elementwise and row.signed_zeros:
            np.testing.assert_array_equal(np.signbit(a[zero]), np.signbit(e[zero]))

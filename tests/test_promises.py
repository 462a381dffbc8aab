"""The table of ops and promises: each row of the samples is held against each promise.

Here are the promises that every row makes; others are in the modules named after this one.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import numgrad as ng
from numgrad import check, testing
from numgrad.samples import ROWS
from tests.rows import (
    assert_equals_reference,
    assert_near,
    differentiated,
    floating,
    leaves,
    reference,
    seeds_for,
)

# The scope lets pytest put all promises of a row next to each other, which share kernels.
every_row = pytest.mark.parametrize("row", ROWS, ids=str, scope="module")


def test_rows_have_names_of_their_own():
    names = [str(row) for row in ROWS]
    assert sorted(set(names)) == sorted(names)


@every_row
def test_values_equal_the_reference(row):
    arrays = row.arrays()
    results = [r.numpy() for r in row(*map(ng.tensor, arrays))]
    if row.reference is not None:
        expected = reference(row, *arrays)
        assert_equals_reference(row, results, expected)
        assert [r.dtype for r in results] == [e.dtype for e in expected]
    again = [r.numpy() for r in row(*map(ng.tensor, arrays))]
    assert all(map(np.array_equal, results, again))


@every_row
def test_first_order(row):
    result = check.check_row(row, 1)
    assert result.ok, f"relative error {result.error:.1e}"


@every_row
def test_second_order(row):
    result = check.check_row(row, 2)
    assert result.ok, f"relative error {result.error:.1e}"


@every_row
def test_fused_vjp_equals_the_rule_on_tensors(row):
    arrays = row.arrays()
    _, fused = differentiated(row, arrays)
    _, rule = differentiated(row, arrays, create_graph=True)
    assert_near(rule, fused)


@every_row
def test_float32_stays_float32(row):
    arrays = row.arrays(dtype="float32")
    results, gradients = differentiated(row, arrays)
    _, rule = differentiated(row, arrays, create_graph=True)
    assert {a.dtype for a in (*results, *gradients, *rule)} == {np.dtype("float32")}
    wide = [a.astype("float64") if a.dtype.kind == "f" else a for a in arrays]
    expected, expected_gradients = differentiated(row, wide)
    assert_near(results, expected, row.single)
    assert_near(gradients, expected_gradients, row.single)


@every_row
def test_masks_of_requires_grad(row):
    arrays, positions = row.arrays(), row.differentiable()
    results, gradients = differentiated(row, arrays)
    by_position = dict(zip(positions, gradients, strict=True))
    for count in range(1, len(positions)):
        for some in itertools.combinations(positions, count):
            same_results, found = differentiated(row, arrays, some)
            assert_near(same_results, results)
            assert_near(found, [by_position[k] for k in some])


@every_row
def test_nothing_is_recorded_without_need(row):
    arrays, positions = row.arrays(), row.differentiable()
    assert not any(r.requires_grad for r in row(*leaves(arrays, ())))
    tensors = leaves(arrays, positions)
    with ng.no_grad():
        results = row(*tensors)
    made = [r for r in results if not any(r is t for t in tensors)]
    assert not any(r.requires_grad for r in made)


@every_row
def test_inputs_and_seeds_are_not_written_to(row):
    arrays, positions = row.arrays(), row.differentiable()
    tensors = leaves(arrays, positions)
    inputs = [tensors[k] for k in positions]
    results = floating(row(*tensors))
    seeds = [ng.from_numpy(s).requires_grad_() for s in seeds_for(row, results)]
    held = [*arrays, *(t.detach().numpy() for t in (*seeds, *results))]
    before = [a.tobytes() for a in held]
    first = testing.gradients(results, inputs, seeds, create_graph=True)
    testing.gradients(
        first, [*inputs, *seeds], [np.ones(g.shape) for g in first], retain_graph=True
    )
    testing.gradients(results, inputs, seeds)
    assert [a.tobytes() for a in held] == before


@every_row
def test_memory_is_shared_by_views_alone(row):
    arrays = row.arrays()
    results = [r.numpy() for r in row(*leaves(arrays, ()))]
    assert all(np.shares_memory(r, arrays[0]) is row.view for r in results)
    assert not any(np.shares_memory(r, a) for r in results for a in arrays[1:])


@every_row
@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_have_memory_of_their_own(row, create_graph):
    arrays, positions = row.arrays(), row.differentiable()
    tensors = leaves(arrays, positions)
    results = [r for r in floating(row(*tensors)) if r.requires_grad]
    seeds = seeds_for(row, results)
    ng.autograd.backward(results, seeds, create_graph=create_graph)
    gradients = [tensors[k].grad.detach().numpy() for k in positions]
    for k, g in zip(positions, gradients, strict=True):
        assert (g.shape, g.dtype) == (arrays[k].shape, arrays[k].dtype)
        assert g.flags.writeable
    values = [r.detach().numpy() for r in results]
    pairs = (
        *itertools.combinations(gradients, 2),
        *itertools.product(gradients, (*arrays, *values, *seeds)),
    )
    assert not any(np.shares_memory(g, other) for g, other in pairs)

"""What elementwise functions promise beyond other ops: broadcasting, numbers, dtypes, edges."""

from __future__ import annotations

import re

import numpy as np
import pytest

import numgrad as ng
from numgrad import compiled, testing
from numgrad.expr import Symbol, evaluate, inputs
from numgrad.op import Elementwise
from numgrad.value import REGISTRY
from tests.rows import (
    ELEMENTWISE,
    OF_SEVERAL,
    assert_equals_reference,
    assert_near,
    differentiated,
    floating,
    leaves,
    reference,
    seeds_for,
)

each = pytest.mark.parametrize("row", ELEMENTWISE, ids=str)
each_of_several = pytest.mark.parametrize("row", OF_SEVERAL, ids=str)
each_of_integers = pytest.mark.parametrize(
    "row", [row for row in ELEMENTWISE if row.integers is not None], ids=str
)
each_with_edges = pytest.mark.parametrize("row", [r for r in ELEMENTWISE if r.edges], ids=str)

SHAPES = [
    ((3, 1), (1, 4), (4,)),
    ((), (2, 3), (3,)),
    ((2, 3), (), ()),
    ((1,), (1, 1), ()),
]

EDGES = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 2.5, -0.75, 800.0, -800.0, 1e-310)


@each_of_several
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_broadcasting(row, shapes):
    arrays = row.arrays(shapes[: len(row.domains)])
    values, gradients = differentiated(row, arrays)
    wide = [np.array(a) for a in np.broadcast_arrays(*arrays)]
    expected, wide_gradients = differentiated(row, wide)
    assert_near(values, expected)
    expected_gradients = [
        summed(g, arrays[k].shape)
        for k, g in zip(row.differentiable(), wide_gradients, strict=True)
    ]
    assert_near(gradients, expected_gradients)


def summed(g, shape):
    """Sum a cotangent over what broadcasting repeated."""
    g = g.sum(tuple(range(g.ndim - len(shape))))
    return g.sum(tuple(k for k, n in enumerate(shape) if n == 1), keepdims=True) if shape else g


@each_of_several
@pytest.mark.parametrize("shapes", [((2,), (3,)), ((2, 3), (2, 2))], ids=str)
def test_shapes_that_do_not_broadcast(row, shapes):
    tensors = [ng.ones(s, requires_grad=True) for s in (*shapes, shapes[0])[: len(row.domains)]]
    with pytest.raises(ng.errors.ShapeError, match=row.name.rpartition(".")[2]):
        row(*tensors)


@each_of_several
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("number", [2, 0.75])
def test_python_numbers_stand_for_tensors(row, dtype, number):
    arrays, positions = row.arrays(dtype=dtype), row.differentiable()
    for k in positions:
        others = tuple(j for j in positions if j != k)
        tensors = leaves(arrays, others)
        results = floating(row(*tensors[:k], number, *tensors[k + 1 :]))
        found = testing.gradients(results, [tensors[j] for j in others], seeds_for(row, results))
        filled = [np.full_like(a, number) if j == k else a for j, a in enumerate(arrays)]
        expected, gradients = differentiated(row, filled, others)
        assert {str(t.dtype) for t in (*results, *found)} == {dtype}
        tolerance = 1e-12 if dtype == "float64" else 1e-5
        assert_near([r.detach().numpy() for r in results], expected, tolerance)
        assert_near([g.numpy() for g in found], gradients, tolerance)


@each
def test_a_single_element(row):
    arrays = row.arrays(shapes=((),) * len(row.domains))
    values, gradients = differentiated(row, arrays)
    expected, expected_gradients = differentiated(row, [a.reshape(1) for a in arrays])
    assert_near(values, [e.reshape(()) for e in expected])
    seed = seeds_for(row, [ng.tensor(values[0])])[0] / seeds_for(row, [ng.tensor(expected[0])])[0]
    assert_near(gradients, [e.reshape(()) * seed[0] for e in expected_gradients])


@each
@pytest.mark.parametrize("shape", [(0,), (2, 0)], ids=str)
def test_no_elements(row, shape):
    values, gradients = differentiated(row, row.arrays(shapes=(shape,) * len(row.domains)))
    assert {a.shape for a in (*values, *gradients)} == {shape}


def whole_numbers(row, dtype):
    """Integer inputs for a row, each in another order; inputs that are bool stay so."""
    numbers = np.array(row.integers, dtype)
    drawn = row.arrays(shapes=(numbers.shape,) * len(row.domains))
    return [np.roll(numbers, k) if a.dtype.kind == "f" else a for k, a in enumerate(drawn)]


@each_of_integers
@pytest.mark.parametrize("dtype", ["int64", "int32"])
def test_integers_are_promoted_as_numpy_does(row, dtype):
    arrays = whole_numbers(row, dtype)
    results = row(*leaves(arrays, ()))
    expected = reference(row, *arrays)
    assert [r.dtype for r in results] == [e.dtype for e in expected]
    assert not any(r.requires_grad for r in results)
    assert_equals_reference(row, [r.numpy() for r in results], expected)


@each_of_integers
def test_integers_among_floats_need_no_gradient(row):
    arrays, positions = row.arrays(shapes=((3,),) * len(row.domains)), row.differentiable()
    for k in positions[: len(positions) - 1]:
        mixed = list(arrays)
        mixed[k] = whole_numbers(row, "int64")[k]
        others = tuple(j for j in positions if j != k)
        values, gradients = differentiated(row, mixed, others)
        mixed[k] = mixed[k].astype("float64")
        expected, expected_gradients = differentiated(row, mixed, others)
        assert_near(values, expected)
        assert_near(gradients, expected_gradients)


@each_of_several
def test_gradients_have_the_dtype_of_their_inputs(row):
    wide, positions = row.arrays(), row.differentiable()
    expected, expected_gradients = differentiated(
        row,
        [
            a.astype("f4").astype("f8") if a.dtype.kind == "f" and k == positions[-1] else a
            for k, a in enumerate(wide)
        ],
    )
    mixed = [a.astype("f4") if k == positions[-1] else a for k, a in enumerate(wide)]
    values, gradients = differentiated(row, mixed)
    assert [v.dtype for v in values] == [np.dtype("float64")]
    assert [g.dtype for g in gradients] == [mixed[k].dtype for k in positions]
    assert_near(values, expected)
    assert_near(gradients, expected_gradients, 1e-6)


@each_with_edges
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_nan_infinity_and_zero(row, dtype):
    """Values are the reference's, gradients those of the rule on tensors, and nothing warns."""
    points = np.array(EDGES, dtype)
    arrays = row.arrays(shapes=(points.shape,) * len(row.domains), dtype=dtype)
    grids = np.meshgrid(*(points if a.dtype.kind == "f" else a[:2] for a in arrays))
    inputs = [np.array(g) for g in grids]
    values, fused = differentiated(row, inputs)
    _, rule = differentiated(row, inputs, create_graph=True)
    for a, b in zip(fused, rule, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12 if dtype == "float64" else 1e-5)
    expected = reference(row, *grids)
    if dtype == "float32":
        expected = [e.astype(dtype) for e in expected]
    assert_equals_reference(row, values, expected)


each_op = pytest.mark.parametrize(
    "op", [op for op in REGISTRY.values() if isinstance(op, Elementwise)], ids=lambda op: op.name
)


@each_op
def test_parameters_hide_no_variable_of_a_kernel(op):
    """A parameter named `i` would be the number of the element, too, and read wild memory."""
    taken = re.compile(r"args|dims|steps|data|g|i|out|math|f4|f8|t\d+")
    assert not [name for name in op.params if taken.fullmatch(name)]


@each_op
def test_float32_kernels_do_not_widen(op):
    """A bare literal would be float64; a template that needs more digits says f8(...)."""
    source = compiled.source(op, "float32")
    assert not re.search(r"(load|store)_f8", source)
    assert not re.search(r"(?<!f4\()(?<!f4\(-)(?<!f8\()(?<![\w.])\d+\.\d", source)


@pytest.mark.parametrize("name", ["i", "args", "dims", "steps", "data", "g", "out", "t0"])
def test_parameters_cannot_take_names_of_the_kernels_text(name):
    body = eval(f"lambda {name}: {name}")  # noqa: S307 - a parameter whose name is given
    with pytest.raises(ValueError, match=name):
        Elementwise(body, "{0}")


def test_composites_without_a_rule_nest():
    """Their partials are expressions, never tensors, also through subtraction and negation."""
    inner = Elementwise(lambda x, y: y - x * (1 - y), None)
    partials = inner.partials_at(*inputs("x", "y", "out"))
    found = evaluate(partials, {"x": ng.tensor(3.0), "y": ng.tensor(5.0)})
    assert all(isinstance(p, Symbol) for p in partials)
    assert [value.item() for value in found] == [4.0, 4.0]

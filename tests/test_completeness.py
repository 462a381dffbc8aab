"""Every op has a row in the table of samples, and every name of the core is there."""

from __future__ import annotations

import dataclasses
import functools

import pytest

import numgrad as ng
from numgrad import check, testing
from numgrad.op import Elementwise
from numgrad.samples import ROWS
from numgrad.tape import Output
from numgrad.value import REGISTRY
from tests.rows import assert_equals_reference

# Where names are found: the names, a slash between two of one function. A name with a star has no
# derivative.
NAMES = {
    "": """
        tensor* as_tensor*/asarray* from_numpy* from_dlpack* zeros* ones* full* empty*
        zeros_like* ones_like* arange* linspace* eye* clone/copy set_default_dtype*
        get_default_dtype* abs/absolute neg/negative exp expm1 log log1p sqrt square reciprocal
        sin cos tan
        asin/arcsin acos/arccos atan/arctan sinh cosh tanh sigmoid relu sign floor ceil round trunc
        erf
        add sub/subtract mul/multiply div/divide/true_divide pow/power remainder/mod maximum minimum
        where clamp/clip atan2/arctan2 logaddexp floor_divide lerp
        eq*/equal* ne*/not_equal* lt*/less* le*/less_equal* gt*/greater* ge*/greater_equal*
        logical_and* logical_or* isclose* allclose* all* any*
        sum mean prod max min amax amin argmax* argmin* var std cumsum cumprod logsumexp softmax
        log_softmax sort argsort* norm
        reshape ravel flatten transpose permute/permute_dims matrix_transpose swapaxes
        moveaxis/movedim squeeze unsqueeze/expand_dims broadcast_to cat/concatenate/concat stack
        hstack vstack split tile repeat flip roll diag diagonal tril triu
        index_select gather take_along_dim take_along_axis scatter scatter_add masked_fill
        masked_select extract take index_add index_put
        matmul mm mv bmm dot vdot inner outer einsum tensordot trace kron
        convolve interp
        manual_seed* get_rng_state* set_rng_state*
        rand* randn* randint* rand_like* randn_like* normal* randperm*
    """,
    "linalg": "inv solve det slogdet cholesky eigh eigvalsh svd qr norm vector_norm matrix_norm",
    "special": "erf erfc gammaln/lgamma digamma/psi expit xlogy logsumexp",
    "nn.functional": """
        linear relu sigmoid tanh softmax log_softmax softplus gelu silu leaky_relu elu dropout
        mse_loss l1_loss cross_entropy nll_loss binary_cross_entropy_with_logits layer_norm
    """,
    "random": "uniform* permutation*",
    "Tensor": "T mT view expand __getitem__ __setitem__ detach* to* astype* item* tolist* numpy*",
}

# Op that no row records: where its derivatives are tested instead.
ELSEWHERE = {
    "pick_along": "test_sort_is_linear_in_its_cotangent: comes with the third derivative",
    "only_last_along": "test_scatter_inside: comes with indices that differ between items",
    "only_last_writes": "test_writes_inside: comes with indices that differ between items",
    "unless_idle": "test_second_order_pairs_agree: comes with the third derivative of products",
    "zeros_for": "test_what_is_constant_by_choice_has_derivative_zero: of choices made of values",
    "write_region": "TestRecordedWrites in test_views: comes with writes to views",
}


def listed():
    """Dotted names that share a function, and whether it has derivatives."""
    return [
        (tuple(f"{place}.{name}".strip("*.") for name in group.split("/")), "*" not in group)
        for place, text in NAMES.items()
        for group in text.split()
    ]


@pytest.mark.parametrize("name", [name for names, _ in listed() for name in names])
def test_names_are_there(name):
    assert functools.reduce(getattr, name.split("."), ng) is not None


@pytest.mark.parametrize("names", [n for n, differentiable in listed() if differentiable], ids=str)
def test_names_have_rows(names):
    assert {row.name for row in ROWS} & set(names), f"numgrad/samples has no row for {names[0]}"


def under_other_names():
    """Rows of functions with several names, under each of the names that they are not called by."""
    return [
        dataclasses.replace(row, name=name)
        for names, _ in listed()
        for row in ROWS
        if row.name in names
        for name in names
        if name != row.name
    ]


@pytest.mark.parametrize("row", under_other_names(), ids=str)
def test_other_names_mean_the_same(row):
    results = [r.numpy() for r in row(*map(ng.tensor, row.arrays()))]
    assert_equals_reference(row, results, row.expected(*row.arrays()))


@functools.cache
def recorded_ops():
    """Names of the ops on the tapes of all rows, forward; and on those of their gradients."""
    forward, backward = set(), set()
    for row in ROWS:
        leaves, results = check.recorded(row, row.arrays(), row.differentiable())
        forward |= names_on_tape(results)
        seeds = [ng.ones_like(r).requires_grad_() for r in results]
        backward |= names_on_tape(testing.gradients(results, leaves, seeds, create_graph=True))
    return forward, backward


def names_on_tape(tensors):
    """Names of the ops that tensors were computed by."""
    nodes = {t.grad_fn for t in tensors} - {None}
    stack = list(nodes)
    while stack:
        for edge in stack.pop().edges:
            node = edge.node if isinstance(edge, Output) else edge
            if node is not None and not isinstance(node, ng.Tensor) and node not in nodes:
                nodes.add(node)
                stack.append(node)
    return {node.plan.op.name for node in nodes}


def differentiable_ops():
    """Names of the ops that have derivatives."""
    return {
        name
        for name, op in REGISTRY.items()
        if (op.differentiable if isinstance(op, Elementwise) else getattr(op, "rules", ()))
    }


def test_every_op_is_sampled():
    forward, backward = recorded_ops()
    missing = differentiable_ops() - forward - backward - set(ELSEWHERE)
    assert not missing, f"numgrad/samples has no row that records {', '.join(sorted(missing))}"


def test_ops_without_derivatives_are_not_recorded():
    forward, backward = recorded_ops()
    assert (forward | backward) <= differentiable_ops()


def test_exceptions_are_needed():
    forward, backward = recorded_ops()
    assert set(ELSEWHERE) <= differentiable_ops() - forward - backward

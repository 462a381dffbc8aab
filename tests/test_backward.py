"""backward and autograd.grad: seeds, accumulation, freeing, errors."""

from __future__ import annotations

import gc
import sys
import threading
import weakref

import numpy as np
import pytest

import numgrad as ng


def leaf(values, **options) -> ng.Tensor:
    return ng.tensor(values, requires_grad=True, **options)


def test_the_worked_example() -> None:
    x = ng.ones(3, requires_grad=True)
    z = (x * 2) * (x * 2) * 2
    z.backward(ng.tensor([1.0, 2.0, 3.0]), retain_graph=True)
    assert x.grad.tolist() == [16.0, 32.0, 48.0]
    x.grad.zero_()
    z.backward(ng.ones(3))
    assert x.grad.tolist() == [16.0, 16.0, 16.0]


class TestSeeds:
    @pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
    def test_one_element_needs_none(self, shape) -> None:
        x = ng.ones(shape, requires_grad=True)
        (x * 3).backward()
        assert x.grad.item() == 3.0
        assert x.grad.shape == shape

    def test_missing_seed_gives_the_shape_and_the_way_out(self) -> None:
        y = ng.ones(3, requires_grad=True) * 2
        with pytest.raises(RuntimeError, match=r"shape \(3,\).*numgrad.ones\(3\).*sum\(\)"):
            y.backward()

    @pytest.mark.parametrize("shape", [(1,), (), (2, 1), (3,)])
    def test_seed_of_another_shape(self, shape) -> None:
        y = ng.ones(2, requires_grad=True) * 2
        with pytest.raises(ng.errors.ShapeError):
            y.backward(ng.ones(shape))

    @pytest.mark.parametrize(
        "seed", [np.array([1.0, 2.0]), ng.tensor([1, 2]), ng.tensor([1.0, 2.0], dtype=ng.float32)]
    )
    def test_arrays_and_other_real_dtypes_serve(self, seed) -> None:
        x = leaf([1.0, 1.0])
        (x * 3).backward(seed)
        assert x.grad.tolist() == [3.0, 6.0]
        assert x.grad.dtype == ng.float64

    def test_number_serves_for_a_0d_output_only(self) -> None:
        x = leaf(2.0)
        (x * x).backward(3)
        assert x.grad.item() == 12.0
        with pytest.raises(TypeError):
            (leaf([1.0]) * 2).backward(1.0)
        with pytest.raises(TypeError):
            (leaf(1.0) * 2).backward("1")

    def test_complex_seed_for_a_real_output(self) -> None:
        with pytest.raises(RuntimeError, match="complex"):
            (leaf(1.0) * 2).backward(np.array(1j))

    def test_output_without_grad_names_causes(self) -> None:
        with pytest.raises(RuntimeError, match=r"does not require grad.*detach"):
            ng.ones(1).backward()

    def test_counts_that_differ(self) -> None:
        x = leaf(1.0)
        with pytest.raises(RuntimeError, match="2 outputs and 1 seeds"):
            ng.autograd.backward([x * 1, x * 2], [ng.tensor(1.0)])


class TestInputs:
    def test_only_inputs_are_filled_also_computed_ones(self) -> None:
        w, x = leaf(2.0), leaf(3.0)
        y = w * x
        (y * 5).backward(inputs=[w, y])
        assert w.grad.item() == 15.0
        assert y.grad.item() == 5.0
        assert x.grad is None

    def test_errors(self) -> None:
        x, other = leaf(1.0), leaf(1.0)
        y = x * 2
        with pytest.raises(RuntimeError, match="no inputs"):
            y.backward(inputs=[])
        with pytest.raises(RuntimeError, match="does not require grad"):
            ng.autograd.grad(y, ng.tensor(1.0), allow_unused=True)
        with pytest.raises(RuntimeError, match="number 1 of 2"):
            ng.autograd.grad(y, [x, other])

    def test_unused_inputs(self) -> None:
        x, other = leaf(1.0), leaf([1.0, 2.0])
        y = x * 2
        assert ng.autograd.grad(y, [x, other], allow_unused=True, retain_graph=True)[1] is None
        zeros = ng.autograd.grad(y, [x, other], materialize_grads=True)[1]
        assert zeros.tolist() == [0.0, 0.0]
        with pytest.raises(ValueError, match="materialize_grads"):
            ng.autograd.grad(y, x, allow_unused=False, materialize_grads=True)

    def test_grad_leaves_dot_grad_alone_and_does_not_walk_elsewhere(self) -> None:
        x, w = leaf(2.0), leaf(3.0)
        y = x * w
        freed = (w * w).sum()
        total = y + freed
        freed.backward(retain_graph=True)
        w.grad = None
        assert ng.autograd.grad(total, x)[0].item() == 3.0
        assert x.grad is None
        assert w.grad is None

    def test_leaf_and_itself(self) -> None:
        x = leaf(2.0)
        x.backward()
        assert x.grad.item() == 1.0
        seed = ng.tensor(4.0)
        (g,) = ng.autograd.grad(x, x, seed)
        assert g.item() == 4.0


class TestFreeing:
    def test_second_walk_through_saved_values(self) -> None:
        x = leaf([1.0, 2.0])
        y = (x * x).sum()
        y.backward()
        with pytest.raises(RuntimeError, match="retain_graph=True"):
            y.backward()
        assert x.grad.tolist() == [2.0, 4.0]

    def test_nothing_saved_walks_twice(self) -> None:
        x = leaf([1.0, 2.0])
        y = (x + 1).sum()
        y.backward()
        y.backward()
        assert x.grad.tolist() == [2.0, 2.0]

    def test_shared_part_freed_by_a_sibling(self) -> None:
        x = leaf(2.0)
        shared = x * x
        first, second = shared * 3, shared * 4
        first.backward()
        with pytest.raises(RuntimeError, match="freed"):
            second.backward()
        assert x.grad.item() == 12.0

    def test_saved_values_under_pytorchs_names(self) -> None:
        x = leaf(2.0)
        y = x * x
        assert y.grad_fn._saved_self.item() == 2.0
        y.backward()
        with pytest.raises(RuntimeError, match="freed"):
            _ = y.grad_fn._saved_self

    def test_graph_dies_by_reference_count(self) -> None:
        gc.collect()
        gc.disable()
        try:
            x = leaf([1.0, 2.0])
            y = (x * x).exp().sum()
            node = weakref.ref(y.grad_fn)
            array = weakref.ref(y.grad_fn.next_functions[0][0])
            y.backward()
            del y
            assert node() is None
            assert array() is None
        finally:
            gc.enable()

    def test_long_chains_walk_and_free_without_recursion(self) -> None:
        x = leaf(1.0)
        y = x
        for _ in range(100_000):
            y = y + 1.0
        y.backward()
        assert x.grad.item() == 1.0
        limit = sys.getrecursionlimit()
        del y
        assert sys.getrecursionlimit() == limit


class TestErrorsLeaveEverythingAsBefore:
    def test_after_a_stale_value(self) -> None:
        x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
        a = x * 2
        y = (a * w).sum() + (x * x).sum()
        x.grad = ng.tensor([7.0, 7.0])
        a.add_(1)
        with pytest.raises(RuntimeError, match=r"mul\(\).*version 0.*version 1"):
            y.backward()
        assert x.grad.tolist() == [7.0, 7.0]
        assert w.grad is None
        z = (x * x).sum()
        z.backward()
        assert x.grad.tolist() == [9.0, 11.0]


class TestDotGrad:
    def test_accumulates_in_the_same_object(self) -> None:
        x = leaf([1.0, 2.0])
        assert x.grad is None
        (x * 2).sum().backward()
        g = x.grad
        (x * 3).sum().backward()
        assert x.grad is g
        assert g.tolist() == [5.0, 5.0]

    def test_create_graph_accumulates_out_of_place(self) -> None:
        x = leaf(2.0)
        (x * x).backward(create_graph=True)
        g = x.grad
        assert g.requires_grad
        (x * x).backward(create_graph=True)
        assert x.grad is not g
        assert g.item() == 4.0
        assert x.grad.item() == 8.0

    @pytest.mark.parametrize(
        "function",
        [
            lambda x, y: x + y,
            lambda x, y: x - y,
            lambda x, y: x.sum() + y.sum(),
            lambda x, y: x.reshape(4) + y.reshape(4),
            lambda x, y: x.T + y,
            lambda x, y: (x + y)[0],
            lambda x, y: x.clone() * 1.0 + y,
        ],
    )
    def test_shares_no_memory(self, function) -> None:
        x, y = ng.rand(2, 2, requires_grad=True), ng.rand(2, 2, requires_grad=True)
        out = function(x, y)
        seed = ng.ones_like(out)
        out.backward(seed)
        arrays = [seed.numpy(), x.detach().numpy(), out.detach().numpy()]
        for g in (x.grad.numpy(), y.grad.numpy()):
            assert not any(np.shares_memory(g, a) for a in arrays)
        assert not np.shares_memory(x.grad.numpy(), y.grad.numpy())

    def test_has_the_leafs_memory_order(self) -> None:
        x = ng.from_numpy(np.asfortranarray(np.ones((2, 3)))).requires_grad_()
        (x * ng.ones(2, 3)).sum().backward()
        assert x.grad.numpy().flags.f_contiguous

    def test_assignment(self) -> None:
        x = leaf([1.0, 2.0])
        x.grad = ng.tensor([1.0, 1.0])
        del x.grad
        assert x.grad is None
        for bad, error in [
            ([1.0, 1.0], TypeError),
            (ng.ones(3), ng.errors.ShapeError),
            (ng.ones(2, dtype=ng.float32), RuntimeError),
            (x, RuntimeError),
        ]:
            with pytest.raises(error):
                x.grad = bad
        assert x.grad is None
        ng.ones(2).grad = ng.ones(2)

    def test_of_a_computed_tensor_warns(self) -> None:
        y = leaf(1.0) * 2
        with pytest.warns(UserWarning, match="retain_grad"):
            assert y.grad is None

    def test_retain_grad(self) -> None:
        x = leaf(2.0)
        y = x * 3
        y.retain_grad()
        (y * y).backward()
        assert y.grad.item() == 12.0
        assert x.grad.item() == 36.0
        with pytest.raises(RuntimeError, match="requires grad"):
            ng.ones(1).retain_grad()

    def test_retained_before_a_write_is_that_of_the_old_value(self) -> None:
        x = leaf(2.0)
        y = x * 3
        y.retain_grad()
        y.mul_(5)
        y.backward()
        assert y.grad.item() == 5.0
        assert x.grad.item() == 15.0


class TestGraph:
    def test_repeated_use_adds_up(self) -> None:
        x = leaf(3.0)
        (x * x + x + x * 2).backward()
        assert x.grad.item() == 9.0

    def test_repeated_indices_add_up(self) -> None:
        x = leaf([1.0, 2.0, 3.0])
        x[[0, 0, 2]].sum().backward()
        assert x.grad.tolist() == [2.0, 0.0, 1.0]

    def test_broadcasting_sums_back(self) -> None:
        x, row, scalar = ng.rand(2, 3, requires_grad=True), leaf([[1.0, 2.0, 3.0]]), leaf(2.0)
        (x * row * scalar).sum().backward()
        assert row.grad.shape == (1, 3)
        np.testing.assert_allclose(row.grad.numpy()[0], 2 * x.detach().numpy().sum(0))
        assert scalar.grad.shape == ()

    def test_node_names_and_edges(self) -> None:
        x = leaf([1.0, 2.0])
        y = x * 2
        assert repr(y.grad_fn).startswith("<MulBackward0 object at 0x")
        (accumulate, number), (nothing, _) = y.grad_fn.next_functions
        assert accumulate.name() == "AccumulateGrad"
        assert accumulate.variable is x
        assert number == 0
        assert nothing is None
        assert (y + 1).grad_fn.next_functions == ((y.grad_fn, 0), (None, 0))

    def test_no_rule_raises_and_never_counts_as_zero(self) -> None:
        from numgrad import record
        from numgrad.op import Structural

        op = Structural(lambda x: x.copy())
        op.name = "ruleless"
        x = leaf([1.0])
        y = record.structural(op)(x)
        with pytest.raises(NotImplementedError, match=r"ruleless\(\).*'x'"):
            y.backward()

    def test_zero_derivatives_are_zeros(self) -> None:
        x = leaf([1.5, -2.0])
        x.sign().sum().backward()
        assert x.grad.tolist() == [0.0, 0.0]

    def test_two_runs_are_bit_identical(self) -> None:
        def run() -> bytes:
            ng.manual_seed(3)
            x = ng.randn(50, requires_grad=True)
            y = sum(((x * k).sin() * x.exp() for k in range(20)), start=ng.zeros(50))
            y.sum().backward()
            return x.grad.numpy().tobytes()

        assert run() == run()

    def test_threads_with_separate_graphs(self) -> None:
        results = {}

        def work(k: int) -> None:
            x = leaf([float(k), 1.0])
            for _ in range(50):
                (x * x * k).sum().backward()
            results[k] = x.grad.tolist()

        threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == {k: [100.0 * k * k, 100.0 * k] for k in range(4)}


class TestHigherOrder:
    def test_third_derivative(self) -> None:
        x = leaf(2.0)
        y = x**4
        for expected in (32.0, 48.0, 48.0, 24.0):
            (y,) = ng.autograd.grad(y, x, create_graph=True)
            assert y.item() == pytest.approx(expected)

    def test_a_zero_cotangent_keeps_its_dependence(self) -> None:
        x, g = leaf([3.0]), leaf([0.0])
        (gx,) = ng.autograd.grad(x * x, x, g, create_graph=True)
        assert gx.tolist() == [0.0]
        assert ng.autograd.grad(gx, g, ng.ones(1))[0].tolist() == [6.0]

    def test_cycles_of_create_graph_are_collected(self) -> None:
        x = leaf([1.0, 2.0])
        (x * x).sum().backward(create_graph=True)
        grad = weakref.ref(x.grad)
        del x
        gc.collect()
        assert grad() is None


class TestNanSafeRule:
    @pytest.mark.parametrize(
        ("function", "at", "expected"),
        [
            (lambda x: ng.where(x > 0, x.log(), 0.0), 0.0, 0.0),
            (lambda x: ng.where(x > 0, x.sqrt(), 0.0), -1.0, 0.0),
            (lambda x: (x * x).sqrt(), 0.0, 0.0),
            (lambda x: 0.0 * x.sqrt(), 0.0, 0.0),
            (lambda x: x.sqrt(), 0.0, np.inf),
            (lambda x: x.log(), 0.0, np.inf),
            (lambda x: x**0.5, 0.0, np.inf),
            (lambda x: x**0, 0.0, 0.0),
        ],
    )
    def test_products_with_an_exact_zero_are_blanked(self, function, at, expected) -> None:
        x = leaf(at)
        (g,) = ng.autograd.grad(function(x), x, create_graph=True)
        assert g.item() == expected
        assert ng.autograd.grad(function(x), x)[0].item() == expected

    def test_blanked_contributions_are_the_constant_zero(self) -> None:
        x = leaf([0.0, 1.0])
        (g,) = ng.autograd.grad(x.sqrt()[1:].sum(), x, create_graph=True)
        assert g.tolist() == [0.0, 0.5]
        assert ng.autograd.grad(g.sum(), x)[0].tolist() == [0.0, -0.25]

    @pytest.mark.parametrize("create_graph", [False, True])
    def test_strict_ieee_is_read_when_derivatives_are_computed(self, create_graph) -> None:
        x = leaf(0.0)
        y = (x * x).sqrt()
        with ng.autograd.strict_ieee():
            (g,) = ng.autograd.grad(y, x, create_graph=create_graph, retain_graph=True)
        assert np.isnan(g.item())
        assert ng.autograd.grad(y, x)[0].item() == 0.0

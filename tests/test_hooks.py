"""Hooks: what users look at gradients with on the way back, and change them by."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref
from typing import Any

import numpy as np
import pytest

import numgrad as ng
from numgrad.autograd import graph


def leaf(values, **options) -> ng.Tensor:
    return ng.tensor(values, requires_grad=True, **options)


class TestOfTensors:
    def test_a_hook_sees_the_summed_gradient_once(self) -> None:
        x = leaf([1.0, 2.0])
        y = x * 3
        seen: list[Any] = []
        y.register_hook(lambda g: seen.append(g.tolist()))
        (y * y + y).sum().backward()
        assert seen == [[7.0, 13.0]]
        assert x.grad.tolist() == [21.0, 39.0]

    def test_hooks_chain_in_order_of_registration(self) -> None:
        x = leaf(1.0)
        y = x * 1
        y.register_hook(lambda g: g + 1)
        y.register_hook(lambda _: None)
        y.register_hook(lambda g: g * 10)
        y.backward()
        assert x.grad.item() == 20.0

    @pytest.mark.parametrize("computed", [False, True])
    def test_the_handle_removes(self, computed) -> None:
        x = leaf(1.0)
        t = x * 2 if computed else x
        handle = t.register_hook(lambda g: g * 10)
        with t.register_hook(lambda g: g * 100):
            (t * 1).backward(retain_graph=True)
        first = x.grad.item()
        handle.remove()
        handle.remove()
        x.grad = None
        (t * 1).backward()
        assert first == 1000 * x.grad.item()

    def test_a_hook_may_remove_itself_while_it_runs(self) -> None:
        x = leaf(1.0)
        seen = []

        def once(g):
            seen.append(g.item())
            handle.remove()

        handle = x.register_hook(once)
        x.register_hook(lambda _: seen.append("second"))
        (x * 2).backward()
        (x * 2).backward()
        assert seen == [2.0, "second", "second"]

    @pytest.mark.parametrize(
        ("result", "error", "text"),
        [
            (1.0, TypeError, "hook .*bad.* must return a tensor or None, got float"),
            (np.ones(2), TypeError, "got ndarray"),
            (ng.ones(3), RuntimeError, r"hook .*bad.* shape \(2,\).*shape \(3,\)"),
            (ng.ones(2, dtype=ng.float32), RuntimeError, "float64.*float32"),
        ],
    )
    @pytest.mark.parametrize("computed", [False, True])
    def test_wrong_results_name_the_hook(self, result, error, text, computed) -> None:
        x = leaf([1.0, 2.0])
        t = x * 2 if computed else x

        def bad(_):
            return result

        t.register_hook(bad)
        with pytest.raises(error, match=text):
            (t * t).sum().backward()
        assert x.grad is None

    def test_where_no_gradient_comes(self) -> None:
        with pytest.raises(RuntimeError, match=r"register_hook.*requires_grad_"):
            ng.ones(1).register_hook(lambda g: g)
        with pytest.raises(TypeError, match="function"):
            leaf(1.0).register_hook(3)

    def test_before_and_after_an_in_place_write(self) -> None:
        x = leaf(2.0)
        y = x * 3
        seen = {}
        y.register_hook(lambda g: seen.update(old=g.item()))
        y.mul_(5)
        y.register_hook(lambda g: seen.update(new=g.item()))
        (y * 7).backward()
        assert seen == {"old": 35.0, "new": 7.0}

    def test_a_retained_gradient_is_that_after_all_hooks(self) -> None:
        x = leaf(1.0)
        y = x * 2
        y.register_hook(lambda g: g * 3)
        y.retain_grad()
        y.register_hook(lambda g: g + 1)
        (y * 5).backward()
        assert y.grad.item() == 16.0
        assert x.grad.item() == 32.0

    def test_of_one_result_of_several(self) -> None:
        x = leaf([3.0, 1.0, 2.0])
        values, _ = x.sort()
        first, second = ng.unbind(values)[:2]
        first.register_hook(lambda g: g * 10)
        second.register_hook(lambda g: g * 100)
        (first + second).backward()
        assert x.grad.tolist() == [0.0, 10.0, 100.0]

    def test_what_autograd_grad_returns_went_through_them(self) -> None:
        x = leaf(1.0)
        y = x * 2
        x.register_hook(lambda g: g * 10)
        y.register_hook(lambda g: g + 1)
        gx, gy = ng.autograd.grad(y * 3, (x, y))
        assert (gx.item(), gy.item()) == (80.0, 4.0)
        assert x.grad is None

    def test_in_create_graph_hooks_are_part_of_the_graph(self) -> None:
        x = leaf(2.0)
        y = x * x
        y.register_hook(lambda g: g * x)
        (gx,) = ng.autograd.grad(y, x, create_graph=True)  # 2 x * x
        assert gx.item() == 8.0
        assert ng.autograd.grad(gx, x)[0].item() == 8.0

    @pytest.mark.parametrize("create_graph", [False, True])
    def test_of_a_leaf_in_create_graph(self, create_graph) -> None:
        x = leaf(3.0)
        seen = []
        x.register_hook(lambda g: (seen.append(g.requires_grad), g * x)[1])
        (x * x).backward(create_graph=create_graph)
        assert seen == [create_graph]
        assert x.grad.item() == 18.0
        assert x.grad.requires_grad is create_graph

    def test_gradients_are_not_overwritten_later(self) -> None:
        x = leaf([1.0, 2.0])
        seen = []
        t = x
        for _ in range(4):
            t = t.exp() * 0.1
            t.register_hook(seen.append)
        copies = []
        x.register_hook(lambda _: copies.extend(g.tolist() for g in seen))
        t.sum().backward()
        assert [g.tolist() for g in seen] == copies
        assert len(copies) == 4

    def test_a_hook_may_write_to_what_it_gets(self) -> None:
        x, y = leaf([3.0, -3.0]), leaf([1.0, 1.0])
        z = x + y  # the two get one cotangent
        x.register_hook(lambda g: g.clamp_(-1, 1))
        seed = ng.tensor([5.0, -7.0])
        z.backward(seed)
        assert x.grad.tolist() == [1.0, -1.0]
        assert y.grad.tolist() == [5.0, -7.0]
        assert seed.tolist() == [5.0, -7.0]

    def test_ops_on_arrays_give_tensors_in_a_hook(self) -> None:
        x = leaf([1.0, 2.0])
        y = x * 2
        kinds = []
        y.register_hook(lambda _: kinds.append(type(ng.exp(np.ones(2)))))
        y.grad_fn.register_hook(lambda *_: kinds.append(type(ng.sum(np.ones(2)))))
        x.register_hook(lambda _: kinds.append(type(ng.exp(np.ones(2)))))
        y.sum().backward()
        assert kinds == [ng.Tensor] * 3

    def test_a_walk_inside_a_hook(self) -> None:
        x, w = leaf(2.0), leaf(3.0)

        def inner(g):
            with ng.enable_grad():
                (w * w * g.item()).backward()

        y = x * 5
        y.register_hook(inner)
        (y * 7).exp().log().backward()
        assert w.grad.item() == pytest.approx(42.0)
        assert x.grad.item() == pytest.approx(35.0)


class TestOrder:
    @staticmethod
    def program(m, log) -> None:
        x = m.tensor([1.0, 2.0], requires_grad=True)
        y = x * 3
        y.register_hook(lambda g: (log.append(("tensor", g.tolist())), g * 2)[1])
        y.grad_fn.register_prehook(lambda gs: log.append(("pre", [g.tolist() for g in gs])))
        y.grad_fn.register_hook(
            lambda gi, go: log.append(("post", gi[0].tolist(), gi[1], go[0].tolist()))
        )
        x.register_hook(lambda g: (log.append(("leaf", g.tolist())), g + 1)[1])
        accumulate = y.grad_fn.next_functions[0][0]
        accumulate.register_prehook(lambda gs: log.append(("before", gs[0].tolist(), x.grad)))
        x.register_post_accumulate_grad_hook(lambda t: log.append(("after", t.grad.tolist())))
        accumulate.register_hook(lambda gi, go: log.append(("behind", gi, go[0].tolist())))
        (y * y).sum().backward()
        log.append(x.grad.tolist())

    EXPECTED = (
        ("tensor", [6.0, 12.0]),
        ("pre", [[12.0, 24.0]]),
        ("post", [36.0, 72.0], None, [12.0, 24.0]),
        ("leaf", [36.0, 72.0]),
        ("before", [37.0, 73.0], None),
        ("after", [37.0, 73.0]),
        ("behind", (), [37.0, 73.0]),
        [37.0, 73.0],
    )

    def test_in_one_backward(self) -> None:
        log: list[Any] = []
        self.program(ng, log)
        assert log == list(self.EXPECTED)

    def test_is_pytorchs(self) -> None:
        torch = pytest.importorskip("torch")
        log: list[Any] = []
        self.program(torch, log)
        assert log == list(self.EXPECTED)


class TestOfNodes:
    def test_they_replace(self) -> None:
        x, y = leaf(2.0), leaf(3.0)
        z = x * y
        z.grad_fn.register_prehook(lambda gs: (gs[0] * 10,))
        z.grad_fn.register_hook(lambda gi, _: (gi[0] + 1, gi[1] + 2))
        z.backward()
        assert (x.grad.item(), y.grad.item()) == (31.0, 22.0)

    def test_they_are_recorded(self) -> None:
        x = leaf(2.0)
        z = x * x
        z.grad_fn.register_prehook(lambda gs: (gs[0] * x,))
        z.grad_fn.register_hook(lambda gi, _: (gi[0] * x, gi[1]))
        (g,) = ng.autograd.grad(z, x, create_graph=True)  # x**3 + x**2
        assert g.item() == 12.0
        assert ng.autograd.grad(g, x)[0].item() == 16.0

    @pytest.mark.parametrize("which", ["register_hook", "register_prehook"])
    def test_wrong_count(self, which) -> None:
        z = leaf(2.0) * leaf(3.0)

        def three(*_):
            return (None, None, None)

        getattr(z.grad_fn, which)(three)
        with pytest.raises(RuntimeError, match=r"three got [12] gradients and returned 3"):
            z.backward()

    def test_broadcast_gradients_are_those_of_the_inputs(self) -> None:
        x = leaf([1.0])
        y = x * ng.ones(3)
        shapes = []
        y.grad_fn.register_hook(lambda gi, go: shapes.append((gi[0].shape, go[0].shape)))
        y.sum().backward()
        assert shapes == [((1,), (3,))]
        assert x.grad.tolist() == [3.0]

    def test_metadata_and_edges(self) -> None:
        y = leaf(1.0) * 2
        edge = graph.get_gradient_edge(y)
        assert edge.node is y.grad_fn
        assert isinstance(y.grad_fn, graph.Node)
        ((node, number), _) = y.grad_fn.next_functions
        assert (node.name(), number) == ("AccumulateGrad", 0)
        y.grad_fn.metadata["note"] = "here"
        assert (y * 2).grad_fn.next_functions[0][0].metadata == {"note": "here"}
        with node.register_prehook(lambda gs: (gs[0] * 5,)):
            y.backward()
        assert node.variable.grad.item() == 10.0


class TestOfLeaves:
    def test_post_accumulate_hooks_may_take_the_gradient(self) -> None:
        x = leaf(3.0)

        def step(t) -> None:
            with ng.no_grad():
                t -= 0.5 * t.grad
            t.grad = None

        handle = x.register_post_accumulate_grad_hook(step)
        (x * x).backward()
        assert x.item() == 0.0
        assert x.grad is None
        handle.remove()
        (x * 2).backward()
        assert x.grad.item() == 2.0

    @pytest.mark.parametrize("make", [lambda: leaf(1.0) * 2, lambda: ng.ones(1)])
    def test_only_leaves_have_them(self, make) -> None:
        with pytest.raises(RuntimeError, match="leaf that requires grad"):
            make().register_post_accumulate_grad_hook(print)

    def test_with_inputs(self) -> None:
        x, y = leaf(1.0), leaf(2.0)
        seen = []
        for name, t in (("x", x), ("y", y)):
            t.register_hook(lambda _, name=name: seen.append(name))
            t.register_post_accumulate_grad_hook(lambda _, name=name: seen.append(name + "!"))
        (x * y).backward(inputs=[x])
        assert seen == ["x", "x!"]
        assert y.grad is None

    def test_autograd_grad_accumulates_nothing(self) -> None:
        x = leaf(1.0)
        x.register_post_accumulate_grad_hook(pytest.fail)
        assert ng.autograd.grad(x * 2, x)[0].item() == 2.0

    def test_threads_lose_no_gradient_of_a_shared_leaf(self) -> None:
        x = leaf(list(map(float, range(1, 101))))

        def work() -> None:
            for _ in range(50):
                (x * 1.0).sum().backward()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert x.grad.tolist() == [200.0] * 100


class TestOfSeveral:
    @pytest.mark.parametrize("mode", ["all", "any"])
    def test_once_in_each_backward(self, mode) -> None:
        x, y, other = leaf(2.0), leaf(3.0), leaf(1.0)
        z = x * y
        seen: list[Any] = []

        def note(grads):
            seen.append([None if g is None else g.item() for g in grads])

        handle = graph.register_multi_grad_hook(
            (x, z, other), note if mode == "all" else (lambda g: seen.append(g.item())), mode=mode
        )
        (z * 10).backward(retain_graph=True)
        expected = [[30.0, 10.0, None]] if mode == "all" else [10.0]
        assert seen == expected
        (z * 10).backward(retain_graph=True)
        assert seen == expected * 2
        handle.remove()
        (z * 10).backward()
        assert seen == expected * 2

    def test_of_computed_tensors_it_comes_as_soon_as_all_are_there(self) -> None:
        x = leaf(1.0)
        a = x * 2
        b = a * 3
        seen = []
        x.register_hook(lambda _: seen.append("x"))
        graph.register_multi_grad_hook((a, b), lambda gs: seen.append([g.item() for g in gs]))
        b.backward()
        assert seen == [[3.0, 1.0], "x"]

    def test_not_called_where_nothing_is_met(self) -> None:
        x = leaf(1.0)
        graph.register_multi_grad_hook((x,), pytest.fail)
        (leaf(1.0) * 2).backward()
        assert x.grad is None

    def test_unknown_mode(self) -> None:
        with pytest.raises(ValueError, match=r"all.*any"):
            graph.register_multi_grad_hook((leaf(1.0),), print, mode="some")


class TestGradientEdges:
    @pytest.mark.parametrize("of_leaf", [False, True])
    def test_as_input(self, of_leaf) -> None:
        x = leaf([1.0, 2.0])
        y = x * x
        edge = graph.get_gradient_edge(x if of_leaf else y)
        z = (y * 3).sum()
        (g,) = ng.autograd.grad(z, edge)
        assert g.tolist() == ([6.0, 12.0] if of_leaf else [3.0, 3.0])
        assert isinstance(
            ng.autograd.grad((x * x).sum(), [graph.get_gradient_edge(x)])[0], ng.Tensor
        )

    def test_as_output(self) -> None:
        x = leaf([1.0, 2.0])
        edge = graph.get_gradient_edge((x * x).sum())
        ng.autograd.backward(edge)
        assert x.grad.tolist() == [2.0, 4.0]

    def test_a_tensor_that_is_gone(self) -> None:
        x = leaf([1.0, 2.0])
        y = x * x
        edge = graph.get_gradient_edge(y)
        del y
        assert ng.autograd.grad([edge], x, [ng.ones(2)])[0].tolist() == [2.0, 4.0]

    def test_of_a_result_among_several(self) -> None:
        x = leaf([2.0, 1.0])
        parts = x.unbind()
        edge = graph.get_gradient_edge(parts[1])
        assert edge.output_nr == parts[1].output_nr
        assert ng.autograd.grad(parts[0] * parts[1], edge)[0].item() == 2.0

    def test_leaf_gets_its_grad(self) -> None:
        x = leaf(2.0)
        (x * x).backward(inputs=[graph.get_gradient_edge(x)])
        assert x.grad.item() == 4.0

    def test_without_grad(self) -> None:
        with pytest.raises(RuntimeError, match="requires grad"):
            graph.get_gradient_edge(ng.ones(1))


class TestLives:
    def test_hooks_make_no_cycles(self) -> None:
        gc.collect()
        gc.disable()
        try:
            x = leaf([1.0, 2.0])
            y = x * x
            node = weakref.ref(y.grad_fn)
            y.register_hook(lambda g: g)
            y.retain_grad()
            y.grad_fn.register_hook(lambda *_: None)
            y.grad_fn.register_prehook(lambda *_: None)
            x.register_hook(lambda g: g)
            x.register_post_accumulate_grad_hook(lambda _: None)
            handle = graph.register_multi_grad_hook((x, y), lambda _: None)
            y.sum().backward()
            gone = weakref.ref(x)
            del x, y
            assert node() is None
            assert gone() is None
            handle.remove()
        finally:
            gc.enable()

    def test_copies_have_no_hooks(self) -> None:
        x = leaf([1.0, 2.0])
        x.register_hook(lambda g: g * 10)
        for twin in (copy.deepcopy(x), pickle.loads(pickle.dumps(x)), copy.copy(x)):  # noqa: S301 - its own
            (twin * 2).sum().backward()
            assert twin.grad.tolist() == [2.0, 2.0]

"""utils.checkpoint: saved values are computed again, and nothing else differs from a plain call."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import numgrad as ng
from numgrad.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential


def leaf(values, **options) -> ng.Tensor:
    return ng.tensor(values, requires_grad=True, **options)


def f(x, w):
    return ((x * w).exp() * x).tanh()


def plain(function, *args, **kwargs):
    return function(*args, **kwargs)


class TestSameAsAPlainCall:
    @pytest.mark.parametrize("call", [plain, checkpoint])
    def test_first_and_second_order(self, call) -> None:
        x, w = leaf([0.5, 1.0]), leaf([0.3, 0.2])
        y = call(f, x * 1, w)
        gx, gw = ng.autograd.grad(y.sum(), (x, w), create_graph=True)
        second = ng.autograd.grad((gx * gw).sum(), (x, w))
        reference = f(x, w)
        rx, rw = ng.autograd.grad(reference.sum(), (x, w), create_graph=True)
        expected = ng.autograd.grad((rx * rw).sum(), (x, w))
        for found, wanted in zip((gx, gw, *second), (rx, rw, *expected), strict=True):
            assert found.detach().numpy().tobytes() == wanted.detach().numpy().tobytes()

    def test_nested(self) -> None:
        counts = {"outer": 0, "inner": 0}

        def inner(x):
            counts["inner"] += 1
            return (x * x).sin()

        def outer(x):
            counts["outer"] += 1
            return checkpoint(inner, x.exp()) * x

        x = leaf([0.5, 1.0])
        checkpoint(outer, x * 1).sum().backward()
        # Once in the first run, once in that of outer, once for what it saves itself.
        assert counts == {"outer": 2, "inner": 3}
        expected = leaf([0.5, 1.0])
        (inner(expected.exp()) * expected).sum().backward()
        assert x.grad.tolist() == expected.grad.tolist()

    def test_hooks_run_once(self) -> None:
        seen = []

        def function(x):
            y = x * x
            y.register_hook(lambda g: seen.append(g.tolist()))
            return y * y

        x = leaf([1.0, 2.0])
        checkpoint(function, x).sum().backward()
        assert seen == [[2.0, 8.0]]
        assert x.grad.tolist() == [4.0, 32.0]

    def test_two_walks(self) -> None:
        x = leaf([1.0, 2.0])
        y = checkpoint(lambda t: (t * t).exp().log(), x).sum()
        y.backward(retain_graph=True)
        y.backward()
        assert x.grad.tolist() == pytest.approx([4.0, 8.0])
        with pytest.raises(RuntimeError, match="freed"):
            y.backward()

    def test_arguments_of_all_kinds(self) -> None:
        x, y = leaf(2.0), leaf(3.0)

        def function(pair, factor, *, more):
            a, b = pair["a"], pair["b"]
            return {"product": a * b * factor * more, "rest": [a, "text"]}

        out = checkpoint(function, {"a": x, "b": y}, np.array(2.0), more=y)
        assert out["rest"] == [x, "text"]
        out["product"].backward()
        assert (x.grad.item(), y.grad.item()) == (18.0, 24.0)

    def test_weights_that_are_not_arguments(self) -> None:
        w = leaf(3.0)
        checkpoint(lambda x: (x * w * w).exp().log(), ng.tensor(2.0)).backward()
        assert w.grad.item() == pytest.approx(12.0)

    def test_backward_inside(self) -> None:
        def function(x):
            (g,) = ng.autograd.grad((x * x * x).sum(), x, create_graph=True)
            return g * x

        x = leaf([1.0, 2.0])
        checkpoint(function, x).sum().backward()
        assert x.grad.tolist() == pytest.approx([9.0, 36.0])

    def test_custom_functions_inside(self) -> None:
        class Cube(ng.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                out = x * x * x
                ctx.save_for_backward(x, out)
                return out

            @staticmethod
            def backward(ctx, g):
                x, out = ctx.saved_tensors
                return 3 * out / x * g

        x = leaf(2.0)
        y = checkpoint(lambda t: Cube.apply(t * 1), x)
        (g,) = ng.autograd.grad(y, x, create_graph=True)
        assert g.item() == 12.0
        assert ng.autograd.grad(g, x)[0].item() == pytest.approx(12.0)

    def test_under_transforms(self) -> None:
        x = ng.tensor([0.5, 1.0])

        def function(t):
            return checkpoint(lambda u: (u * u).sin(), t).sum()

        def reference(t):
            return (t * t).sin().sum()

        for transform in (ng.func.hessian, ng.func.jacfwd, ng.func.grad):
            np.testing.assert_allclose(
                transform(function)(x).numpy(), transform(reference)(x).numpy()
            )

    def test_without_recording(self) -> None:
        with ng.no_grad():
            assert not checkpoint(lambda t: t * 2, leaf(1.0)).requires_grad


class TestMemory:
    def test_nothing_is_held_between(self) -> None:
        kept = []

        def function(x):
            y = x.exp()
            kept.append(weakref.ref(y.array))
            return (y * y).sin().sum()

        gc.collect()
        gc.disable()
        try:
            x = leaf(np.ones(100))
            y = checkpoint(function, x)
            assert kept[0]() is None
            y.backward()
            assert [r() for r in kept] == [None, None]
            node = weakref.ref(y.grad_fn)
            del y
            assert node() is None
        finally:
            gc.enable()

    def test_inner_arguments_are_not_held_either(self) -> None:
        kept = []

        def outer(x):
            y = x.exp()
            kept.append(weakref.ref(y.array))
            return checkpoint(lambda t: (t * t).sin(), y).sum()

        x = leaf(np.ones(100))
        y = checkpoint(outer, x)
        assert kept[0]() is None
        y.backward()
        expected = leaf(np.ones(100))
        expected.exp().square().sin().sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), expected.grad.numpy())


class TestRandomNumbers:
    @pytest.mark.parametrize("draw", [lambda: ng.rand(3), lambda: np.random.rand(3)])  # noqa: NPY002
    def test_are_drawn_as_before(self, draw) -> None:
        masks = []

        def function(x):
            mask = draw()
            masks.append(np.asarray(mask).tolist())
            return (x * mask).exp()

        x = leaf(np.ones(3))
        y = checkpoint(function, x).sum()
        after = np.asarray(draw()).tolist()
        state = ng.get_rng_state()
        y.backward()
        assert masks[0] == masks[1] != after
        assert ng.get_rng_state() == state

    def test_unless_they_need_not(self) -> None:
        masks = []

        def function(x):
            masks.append(ng.rand(3).tolist())
            return x.exp()

        checkpoint(function, leaf(np.ones(3)), preserve_rng_state=False).sum().backward()
        assert masks[0] != masks[1]


class TestErrors:
    @staticmethod
    def changing(*functions):
        remaining = iter(functions)

        def function(x):
            return next(remaining)(x)

        return function

    @pytest.mark.parametrize(
        ("second", "text"),
        [
            (lambda x: x.exp().exp(), "saved 1 tensors before and 2 now"),
            (lambda x: x * 2, "saved 1 tensors before and 0 now"),
            (lambda x: x[:1].exp(), r"shape \(1,\).*\(2,\)"),
            (lambda x: x.float().exp(), "float32.*float64"),
        ],
    )
    def test_another_recomputation(self, second, text) -> None:
        function = self.changing(lambda x: x.exp(), second)
        y = checkpoint(function, leaf([1.0, 2.0]))
        with pytest.raises(CheckpointError, match=text):
            y.sum().backward()

    def test_the_check_of_shapes_can_be_left_out(self) -> None:
        x = leaf([1.0, 2.0])
        function = self.changing(lambda x: x * x.exp(), lambda x: x * x.exp().float())
        y = checkpoint(function, x, determinism_check="none")
        with pytest.raises(RuntimeError, match="must return what was packed"):
            y.sum().backward()

    def test_what_pytorch_has_and_we_have_not(self) -> None:
        with pytest.raises(ValueError, match="use_reentrant"):
            checkpoint(f, leaf(1.0), leaf(1.0), use_reentrant=True)
        with pytest.raises(ValueError, match="determinism_check"):
            checkpoint(f, leaf(1.0), leaf(1.0), determinism_check="some")

    def test_saved_values_that_are_overwritten(self) -> None:
        def function(x):
            y = x.exp()
            z = y * 2
            with ng.no_grad():
                y.mul_(3)
            return z

        y = checkpoint(function, leaf([1.0, 2.0]))
        with pytest.raises(RuntimeError, match=r"exp\(\).*version 0.*version 1"):
            y.sum().backward()

    def test_arguments_that_are_overwritten(self) -> None:
        x = leaf([1.0, 2.0])
        a = x * 1
        y = checkpoint(lambda t: (t * 2).exp(), a).sum()
        a.add_(1)
        with pytest.raises(RuntimeError, match=r"checkpoint\(\).*version 0.*version 1"):
            y.backward()


class TestSequential:
    @pytest.mark.parametrize("segments", [1, 2, 3, 5])
    def test_same_as_a_chain(self, segments) -> None:
        functions = [ng.sin, ng.exp, ng.tanh, ng.cos, ng.square]
        x, expected = leaf([0.1, 0.7]), leaf([0.1, 0.7])
        checkpoint_sequential(functions, segments, x).sum().backward()
        y = expected
        for function in functions:
            y = function(y)
        y.sum().backward()
        assert x.grad.tolist() == expected.grad.tolist()

    def test_number_of_segments(self) -> None:
        with pytest.raises(ValueError, match="1 to 2 segments"):
            checkpoint_sequential([ng.sin, ng.sin], 3, leaf(1.0))

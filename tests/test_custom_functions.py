"""autograd.Function: ops by hand, in backward, forward mode, transforms and batches."""

from __future__ import annotations

import gc
import weakref
from typing import Any, ClassVar

import numpy as np
import pytest

import numgrad as ng
from numgrad.autograd import Function, forward_ad, gradcheck, gradgradcheck
from numgrad.autograd.function import once_differentiable
from numgrad.pytree import tree_leaves


def leaf(values: Any, **options: Any) -> ng.Tensor:
    return ng.tensor(values, requires_grad=True, **options)


class Cube(Function):
    """The one-piece form: forward has ctx."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * x * x * g


class Growth(Function):
    """The two-piece form, with all rules: (x, y) -> (exp(x) y, x + y)."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x, y):
        return x.exp() * y, x + y

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs, output[0])
        ctx.save_for_forward(*inputs, output[0])

    @staticmethod
    def backward(ctx, g, h):
        x, _, out = ctx.saved_tensors
        return g * out + h, g * x.exp() + h

    @staticmethod
    def jvp(ctx, a, b):
        x, _, out = ctx.saved_tensors
        return a * out + b * x.exp(), a + b


def growth(x: ng.Tensor, y: ng.Tensor) -> ng.Tensor:
    first, second = Growth.apply(x, y)
    return (first * second).sum()


def reference(x: ng.Tensor, y: ng.Tensor) -> ng.Tensor:
    return (x.exp() * y * (x + y)).sum()


A, B = ng.tensor([0.3, -0.5, 1.2]), ng.tensor([0.7, 0.2, -0.4])


class TestOnTheTape:  # U1
    def test_value_node_and_gradient(self) -> None:
        x = leaf([1.0, 2.0])
        y = Cube.apply(x)
        assert repr(y) == "tensor([1., 8.], grad_fn=<CubeBackward>)"
        assert y.grad_fn.name() == "CubeBackward"
        assert y.grad_fn.next_functions[0][0].variable is x
        y.sum().backward()
        assert x.grad.tolist() == [3.0, 12.0]

    @pytest.mark.parametrize("order", [1, 2, 3])
    def test_to_any_order(self, order: int) -> None:
        x = leaf(2.0)
        y = Cube.apply(x)
        for _ in range(order):
            (y,) = ng.autograd.grad(y, x, create_graph=True)
        assert y.item() == [8.0, 12.0, 12.0, 6.0][order]

    def test_gradcheck(self) -> None:
        inputs = (leaf([0.5, 1.0]), leaf([1.5, -0.3]))
        assert gradcheck(Growth.apply, inputs, check_forward_ad=True, check_batched_grad=True)
        assert gradgradcheck(Growth.apply, inputs)

    def test_nothing_is_recorded_inside(self) -> None:
        modes: list[bool] = []

        class Looks(Function):
            @staticmethod
            def forward(ctx, x):
                modes.append((x * 1).requires_grad)
                return x * 1

            @staticmethod
            def backward(ctx, g):
                modes.append((g * leaf(1.0)).requires_grad)
                return g

        x = leaf(1.0)
        Looks.apply(x).backward()
        ng.autograd.grad(Looks.apply(x), x, create_graph=True)
        assert modes == [False, False, False, True]

    def test_without_recording(self) -> None:
        with ng.no_grad():
            assert not Cube.apply(leaf(2.0)).requires_grad
        assert not Cube.apply(ng.tensor(2.0)).requires_grad

    def test_keywords_and_defaults_with_setup_context(self) -> None:
        class Scale(Function):
            @staticmethod
            def forward(x, factor=2.0):
                return x * factor

            @staticmethod
            def setup_context(ctx, inputs, output):
                ctx.factor = inputs[1]

            @staticmethod
            def backward(ctx, g):
                return g * ctx.factor, None

        x = leaf([1.0])
        (Scale.apply(x) + Scale.apply(x, factor=5.0)).sum().backward()
        assert x.grad.tolist() == [7.0]
        with pytest.raises(TypeError, match=r"Cube.apply\(\).*by position"):
            Cube.apply(x=x)

    def test_an_instance_is_not_called(self) -> None:
        with pytest.raises(RuntimeError, match=r"use Cube.apply\(...\)"):
            Cube()(leaf(1.0))

    def test_backward_inside_of_backward(self) -> None:
        class Inner(Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x.sin()

            @staticmethod
            def backward(ctx, g):
                with ng.enable_grad():
                    x = ctx.saved_tensors[0].detach().requires_grad_()
                    x.sin().sum().backward()
                return g * x.grad

        x = leaf([0.5, 1.0])
        Inner.apply(x).sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), np.cos([0.5, 1.0]))

    def test_dies_by_reference_count(self) -> None:
        gc.collect()
        gc.disable()
        try:
            for function, args in ((Cube, 1), (Growth, 2)):
                x = leaf([1.0, 2.0])
                out = function.apply(*[x] * args)
                y = out[0] if isinstance(out, tuple) else out
                node, ctx = weakref.ref(y.grad_fn), weakref.ref(y.grad_fn.ctx)
                y.sum().backward()
                del y, out
                assert node() is None
                assert ctx() is None
        finally:
            gc.enable()


class TestMissingMethods:  # U2
    class Nothing(Function):
        pass

    class OnlyForward(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

    def test_forward(self) -> None:
        with pytest.raises(NotImplementedError, match=r"Nothing has no forward\(\)"):
            self.Nothing.apply(1)

    def test_backward(self) -> None:
        y = self.OnlyForward.apply(leaf(1.0))
        with pytest.raises(NotImplementedError, match=r"OnlyForward has no backward\(\)"):
            y.backward()

    def test_jvp(self) -> None:
        with (
            forward_ad.dual_level(),
            pytest.raises(NotImplementedError, match=r"Cube has no jvp\(\)"),
        ):
            Cube.apply(forward_ad.make_dual(ng.tensor(1.0), ng.tensor(1.0)))

    def test_vjp_is_backward(self) -> None:
        class Double(self.OnlyForward):
            @staticmethod
            def vjp(ctx, g):
                return g * 2

        class Both(Double):
            @staticmethod
            def backward(ctx, g):
                return g * 2

        assert ng.autograd.grad(Double.apply(x := leaf(1.0)), x)[0].item() == 2.0
        with pytest.raises(RuntimeError, match="both"):
            Both.apply(leaf(1.0))


class TestSaving:  # U3
    @staticmethod
    def saving(value: Any) -> type[Function]:
        class Saves(Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(*value(x))
                ctx.note = "an attribute"
                return x * 2

            @staticmethod
            def backward(ctx, g):
                ctx.seen = ctx.saved_tensors
                return g * 2

        return Saves

    @pytest.mark.parametrize("value", [3.0, "text", np.ones(2), [ng.ones(1)]])
    def test_only_tensors(self, value: Any) -> None:
        with pytest.raises(TypeError, match=r"save_for_backward\(\).*attributes"):
            self.saving(lambda _: (value,)).apply(leaf(1.0))

    def test_inputs_results_others_and_none(self) -> None:
        x = leaf([1.0])
        y = self.saving(lambda x: (x, None, x.exp())).apply(x)
        assert y.grad_fn.note == "an attribute"
        same, none, other = y.grad_fn.saved_tensors
        assert same is x
        assert none is None
        assert not other.requires_grad

    def test_versions_are_checked(self) -> None:
        x = leaf([1.0])
        a = x * 1
        y = Cube.apply(a)
        a.add_(1)
        with pytest.raises(RuntimeError, match=r"Cube\(\) saved.*version 0.*version 1"):
            y.sum().backward()

    def test_freed(self) -> None:
        y = Cube.apply(leaf([1.0]))
        node = y.grad_fn
        y.sum().backward()
        with pytest.raises(RuntimeError, match="retain_graph=True"):
            y.sum().backward()
        with pytest.raises(RuntimeError, match="retain_graph=True"):
            _ = node.saved_tensors

    def test_retained(self) -> None:
        x = leaf([1.0])
        y = Cube.apply(x).sum()
        y.backward(retain_graph=True)
        y.backward()
        assert x.grad.tolist() == [6.0]

    def test_hooks_on_saved_tensors(self) -> None:
        calls: list[str] = []
        x = leaf([2.0])
        with ng.autograd.graph.saved_tensors_hooks(
            lambda t: (calls.append("pack"), t * 1)[1], lambda t: (calls.append("unpack"), t)[1]
        ):
            y = Cube.apply(x)
        (g,) = ng.autograd.grad(y, x, create_graph=True)
        assert calls[:2] == ["pack", "unpack"]
        assert ng.autograd.grad(g, x)[0].tolist() == [12.0]


class TestGradients:  # U4, U5
    @staticmethod
    def giving(backward: Any, *, materialize: bool = True) -> type[Function]:
        class Pair(Function):
            @staticmethod
            def forward(ctx, x, y, factor):
                ctx.set_materialize_grads(materialize)
                return x * factor, y * factor

            @staticmethod
            def backward(ctx, g, h):
                return backward(ctx, g, h)

        return Pair

    def test_needs_input_grad(self) -> None:
        seen: list[Any] = []
        pair = self.giving(lambda ctx, g, h: (seen.append(ctx.needs_input_grad), g, h, None)[1:])
        pair.apply(leaf([1.0]), ng.ones(1), 2)[0].sum().backward()
        assert seen == [(True, False, False)]

    @pytest.mark.parametrize("materialize", [True, False])
    def test_gradients_that_did_not_come(self, materialize: bool) -> None:
        seen: list[Any] = []
        pair = self.giving(
            lambda _, g, h: (seen.extend((g, h)), g, h, None)[1:], materialize=materialize
        )
        x, y = leaf([1.0]), leaf([[1.0, 2.0]])
        pair.apply(x, y, 2)[0].sum().backward()
        assert seen[0].tolist() == [1.0]
        if materialize:
            assert seen[1].tolist() == [[0.0, 0.0]]
        else:
            assert seen[1] is None
            assert y.grad is None

    @pytest.mark.parametrize(
        ("results", "error", "text"),
        [
            (lambda g, h: (g, h), RuntimeError, "3 arguments.*returned 2"),
            (lambda g, h: (g, h, None, g), RuntimeError, "3 arguments.*returned 4"),
            (lambda g, h: (g.numpy(), h, None), TypeError, r"ndarray for argument 0"),
            (lambda _, h: (3.0, h, None), TypeError, "float for argument 0"),
            (lambda _, h: (ng.ones(3), h, None), ng.errors.ShapeError, r"\(3,\).*\(2,\)"),
        ],
    )
    def test_what_must_not_be_given(self, results: Any, error: Any, text: str) -> None:
        pair = self.giving(lambda _, g, h: results(g, h))
        out, _ = pair.apply(leaf([1.0, 2.0]), leaf([1.0]), 2)
        with pytest.raises(error, match=text):
            out.sum().backward()

    def test_what_may_be_given(self) -> None:
        x, y = leaf([1.0, 2.0]), ng.tensor([1.0])
        # One that sums down, one that is not needed, and more Nones than arguments.
        pair = self.giving(lambda _, g, __: (ng.ones(3, 2) * g, "no matter", None, None, None))
        pair.apply(x, y, 2)[0].sum().backward()
        assert x.grad.tolist() == [3.0, 3.0]

    def test_a_gradient_of_another_dtype_is_cast(self) -> None:
        x = leaf([1.0, 2.0], dtype=ng.float32)
        self.giving(lambda _, g, h: (g.double(), h, None)).apply(x, x, 2)[0].sum().backward()
        assert x.grad.dtype == ng.float32

    def test_what_came_is_not_to_be_written(self) -> None:
        class Writes(Cube):
            @staticmethod
            def backward(ctx, g):
                return g.mul_(2)

        with pytest.raises(ValueError, match=r"read-only.*clone\(\)"):
            Writes.apply(leaf([1.0])).sum().backward()

    def test_what_is_kept_is_not_overwritten(self) -> None:
        kept: list[ng.Tensor] = []

        class Keeps(Cube):
            @staticmethod
            def backward(ctx, g):
                kept.append(g * 2)
                return kept[-1]

        x = leaf([1.0, 2.0])
        Keeps.apply(x.exp().tanh()).exp().sum().backward()
        once = [kept[0].tolist()]
        Keeps.apply(x.exp().tanh()).exp().sum().backward()
        assert [kept[0].tolist()] == once


class TestResults:  # U6, U9
    class Twice(Function):
        """Writes its argument twice as large."""

        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            x.mul_(2)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    def test_mark_dirty(self) -> None:
        x = leaf([1.0, 2.0])
        a = x * 1
        b = self.Twice.apply(a)
        assert b is a
        assert a.tolist() == [2.0, 4.0]
        assert a._version == 1
        (a * 3).sum().backward()
        assert x.grad.tolist() == [6.0, 6.0]

    def test_a_write_to_the_array_counts_too(self) -> None:
        class ByArray(self.Twice):
            @staticmethod
            def forward(ctx, x):
                ctx.mark_dirty(x)
                x.numpy()[...] *= 2
                return x

        x = leaf([1.0, 2.0])
        a = x * 1
        saved = (a * a).sum()
        ByArray.apply(a)
        assert a._version == 1
        with pytest.raises(RuntimeError, match="version"):
            saved.backward()

    @pytest.mark.parametrize(
        ("make", "text"),
        [(lambda: leaf([1.0]), "leaf"), (lambda: (leaf([1.0, 2.0]) * 1)[:1], "view")],
    )
    def test_what_must_not_be_dirty(self, make: Any, text: str) -> None:
        with pytest.raises(RuntimeError, match=text):
            self.Twice.apply(make())

    def test_dirty_and_not_returned(self) -> None:
        class Loses(self.Twice):
            @staticmethod
            def forward(ctx, x):
                ctx.mark_dirty(x)
                return x.mul_(2) + 1

        with pytest.raises(RuntimeError, match=r"return what is passed to mark_dirty\(\)"):
            Loses.apply(leaf([1.0]) * 1)

    def test_a_write_that_is_not_told(self) -> None:
        class Silent(self.Twice):
            @staticmethod
            def forward(ctx, x):
                x.mul_(2)
                return x * 1

        with pytest.raises(RuntimeError, match=r"without saying so.*mark_dirty"):
            Silent.apply(leaf([1.0]) * 1)

    def test_non_differentiable_and_other_results(self) -> None:
        class Sorted(Function):
            @staticmethod
            def forward(ctx, x):
                values, order = x.sort()
                scaled = values * 2
                ctx.mark_non_differentiable(scaled)
                ctx.save_for_backward(order)
                return values, order, scaled, "text", None

            @staticmethod
            def backward(ctx, g, *others):
                assert [o if o is None else o.tolist() for o in others[1:]] == [
                    [0.0, 0.0],
                    None,
                    None,
                ]
                (order,) = ctx.saved_tensors
                return g[order.argsort()]

        x = leaf([2.0, 1.0])
        values, order, scaled, text, none = Sorted.apply(x)
        assert (text, none) == ("text", None)
        assert [t.requires_grad for t in (values, order, scaled)] == [True, False, False]
        (values * ng.tensor([10.0, 20.0])).sum().backward()
        assert x.grad.tolist() == [20.0, 10.0]

    def test_an_argument_that_is_returned(self) -> None:
        class Same(Function):
            @staticmethod
            def forward(ctx, x):
                return x, x

            @staticmethod
            def backward(ctx, g, h):
                return g * 10 + h

        x = leaf([1.0])
        a, b = Same.apply(x)
        assert x.is_leaf
        (a + 2 * b).sum().backward()
        assert x.grad.tolist() == [12.0]

    def test_lists_of_tensors_are_refused(self) -> None:
        class Lists(Cube):
            @staticmethod
            def forward(ctx, x):
                return [x * 2]

        with pytest.raises(TypeError, match="return a tuple"):
            Lists.apply(leaf(1.0))


class TestOnceDifferentiable:  # U7
    class Sine(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.sin()

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return np.cos(x.numpy()) * g.numpy()

    def test_once(self) -> None:
        x = leaf([0.0, np.pi])
        self.Sine.apply(x).sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), [1.0, -1.0])

    def test_a_second_time(self) -> None:
        x = leaf([0.5])
        (g,) = ng.autograd.grad((self.Sine.apply(x) ** 2).sum(), x, create_graph=True)
        assert g.requires_grad
        with pytest.raises(RuntimeError, match="once_differentiable"):
            g.sum().backward()

    def test_a_constant_gradient_gives_a_constant(self) -> None:
        x = leaf([0.5])
        (g,) = ng.autograd.grad(self.Sine.apply(x).sum(), x, create_graph=True)
        assert not g.requires_grad


TRANSFORMS = {
    "grad": lambda f: ng.func.grad(f, (0, 1))(A, B),
    "hessian": lambda f: ng.func.hessian(f, (0, 1))(A, B),
    "jvp": lambda f: ng.func.jvp(f, (A, B), (B, A)),
    "jacfwd of jacfwd": lambda f: ng.func.jacfwd(ng.func.jacfwd(f))(A, B),
    "jacrev of jacfwd": lambda f: ng.func.jacrev(ng.func.jacfwd(f))(A, B),
    "jacfwd of jacrev": lambda f: ng.func.jacfwd(ng.func.jacrev(f))(A, B),
    "jacrev of jacrev": lambda f: ng.func.jacrev(ng.func.jacrev(f))(A, B),
    "vmap": lambda f: ng.vmap(f, (0, None))(ng.stack([A, B]), B),
    "vmap of grad": lambda f: ng.vmap(ng.func.grad(f, (0, 1)), (0, None))(ng.stack([A, B]), B),
    "vmap of hessian": lambda f: ng.vmap(ng.func.hessian(f), (0, None))(ng.stack([A, B]), B),
    "nested vmap": lambda f: ng.vmap(ng.vmap(f, (0, None)), (None, 0))(
        ng.stack([A, B]), ng.stack([B, A])
    ),
    "grad of vmap": lambda f: ng.func.grad(
        lambda w: ng.vmap(f, (0, None))(ng.stack([A, B]), w).sum()
    )(B),
    "jvp of vmap of grad": lambda f: ng.func.jvp(
        lambda w: ng.vmap(ng.func.grad(f), (0, None))(ng.stack([A, B]), w), (B,), (A,)
    ),
}


class TestTransforms:  # U8
    @pytest.mark.parametrize("name", TRANSFORMS)
    def test_as_a_composition_of_ops(self, name: str) -> None:
        transform = TRANSFORMS[name]
        found, expected = tree_leaves(transform(growth)), tree_leaves(transform(reference))
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)

    def test_dual_levels(self) -> None:
        with forward_ad.dual_level():
            first, second = Growth.apply(forward_ad.make_dual(A, B), B)
            tangents = [forward_ad.unpack_dual(t).tangent for t in (first, second)]
        np.testing.assert_allclose(tangents[0].numpy(), B.numpy() ** 2 * np.exp(A.numpy()))
        assert tangents[1].tolist() == B.tolist()

    def test_the_one_piece_form_has_first_derivatives(self) -> None:
        found = ng.func.grad(lambda x: Cube.apply(x).sum())(A)
        np.testing.assert_allclose(found.numpy(), 3 * A.numpy() ** 2)

    @pytest.mark.parametrize(
        ("transform", "text"),
        [
            (lambda f: ng.func.jvp(f, (A,), (B,)), "jvp"),
            (lambda f: ng.vmap(f)(A), "generate_vmap_rule = True.*define vmap"),
            (lambda f: ng.func.hessian(lambda x: f(x).sum())(A), "jvp"),
        ],
    )
    def test_what_the_one_piece_form_lacks(self, transform: Any, text: str) -> None:
        with pytest.raises((RuntimeError, NotImplementedError), match=text):
            transform(Cube.apply)

    def test_setup_context_is_needed(self) -> None:
        class OnePiece(Cube):
            generate_vmap_rule = True

        with pytest.raises(RuntimeError, match=r"setup_context\(ctx, inputs, output\)"):
            ng.vmap(OnePiece.apply)(A)

    class Sum(Function):
        """A batch rule by hand."""

        calls: ClassVar[list[Any]] = []

        @staticmethod
        def forward(x, y):
            return x * y

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            return g * y, g * x

        @classmethod
        def vmap(cls, info, in_dims, x, y):
            cls.calls.append((info.batch_size, in_dims))
            return TestTransforms.Sum.apply(x, y), 0

    def test_a_batch_rule(self) -> None:
        self.Sum.calls.clear()
        xs = ng.stack([A, B])
        out = ng.vmap(self.Sum.apply, (0, None))(xs, B)
        assert self.Sum.calls == [(2, (0, None))]
        assert out.tolist() == (xs * B).tolist()
        gradient = ng.func.grad(lambda x: ng.vmap(self.Sum.apply, (0, None))(x, B).sum())(xs)
        assert gradient.tolist() == [B.tolist()] * 2

    def test_two_batch_rules_are_one_too_many(self) -> None:
        class Both(self.Sum):
            generate_vmap_rule = True

        with pytest.raises(RuntimeError, match="leave one out"):
            ng.vmap(Both.apply)(A, B)

    @pytest.mark.parametrize(
        ("tangents", "error", "text"),
        [
            (lambda a: (a, a, a), RuntimeError, "2 results.*returned 3"),
            (lambda a: (a, 3.0), TypeError, "float"),
            (lambda a: (a[:1], a), ng.errors.ShapeError, r"\(1,\).*\(3,\)"),
        ],
    )
    def test_wrong_tangents(self, tangents: Any, error: Any, text: str) -> None:
        class Wrong(Growth):
            @staticmethod
            def jvp(ctx, a, b):
                return tangents(a)

        with pytest.raises(error, match=text):
            ng.func.jvp(Wrong.apply, (A, B), (A, B))


class TestDebugging:
    class Halving(Cube):
        @staticmethod
        def backward(ctx, g):
            return super(TestDebugging.Halving, TestDebugging.Halving).backward(ctx, g) * np.nan

    def test_anomaly_mode_shows_the_line(self) -> None:
        def program(x):
            return self.Halving.apply(x * 1).sum()  # here

        with ng.autograd.set_detect_anomaly(True):
            y = program(leaf([1.0]))
            with (
                pytest.warns(UserWarning, match="# here"),
                pytest.raises(RuntimeError, match="HalvingBackward returned nan") as caught,
            ):
                y.backward()
        assert "in program" in caught.value.__notes__[0]

    def test_listings_show_what_is_saved(self) -> None:
        x = leaf([1.0, 2.0])
        listing = str(ng.graph(Growth.apply(x, x * 2)[0]))
        assert "GrowthBackward" in listing
        assert "saved 16 B" in listing

    def test_a_profile_counts_the_way_back(self) -> None:
        with ng.profile() as profile:
            Cube.apply(leaf([1.0])).sum().backward()
        assert "Cube" in [row.name for row in profile.rows()]


def test_the_same_programs_in_torch() -> None:
    torch = pytest.importorskip("torch")

    def results(m: Any, base: Any) -> list[Any]:
        class Product(base):
            @staticmethod
            def forward(ctx, x, y, scale):
                ctx.save_for_backward(x, y)
                ctx.scale = scale
                return x * y * scale, (x + y).sum()

            @staticmethod
            def backward(ctx, g, h):
                x, y = ctx.saved_tensors
                return g * y * ctx.scale + h, g * x * ctx.scale + h, None

        x = m.tensor([1.0, 2.0], dtype=m.float64, requires_grad=True)
        y = m.tensor([3.0, -1.0], dtype=m.float64, requires_grad=True)
        a, b = Product.apply(x, y, 3)
        first = m.autograd.grad((a * b).sum(), (x, y), create_graph=True)
        second = m.autograd.grad((first[0] * first[1]).sum(), (x, y))
        return [t.detach().numpy().tolist() for t in (a, b, *first, *second)]

    assert results(ng, Function) == results(torch, torch.autograd.Function)

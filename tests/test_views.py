"""Views share memory: what is written to one is history of all, or refused (SEMANTICS V)."""

from __future__ import annotations

import copy
import gc
import weakref

import numpy as np
import pytest

import numgrad as ng
from numgrad.autograd import gradcheck, gradgradcheck
from tests import view_programs

N = 4


def leaf(values) -> ng.Tensor:
    return ng.tensor(values, requires_grad=True)


VIEWS = {
    "index": lambda t: t[1],
    "slice": lambda t: t[1:],
    "steps": lambda t: t[:, ::2],
    "backwards": lambda t: t[::-1],
    "slice of a slice": lambda t: t[1:][:, 1:][0],
    "transposed": lambda t: t.T,
    "transposed slice": lambda t: t.T[1:3],
    "reshaped": lambda t: t.reshape(2, -1),
    "flat": lambda t: t.view(-1)[3:7],
    "new axis": lambda t: t[:, None, 1],
    "squeezed": lambda t: t.unsqueeze(0).squeeze(0),
    "diagonal": lambda t: t.diagonal(),
    "part of an expanded one": lambda t: t.expand(2, 3, 4)[1],
    "numpy": lambda t: np.moveaxis(t, 0, 1)[2],
}
WRITES = {
    "mul_": lambda v, w: v.mul_(w),
    "add_": lambda v, w: v.add_(w),
    "sin_": lambda v, _: v.sin_(),
    "pow_": lambda v, _: v.pow_(2),
    "zero_": lambda v, _: v.zero_(),
    "copy_": lambda v, w: v.copy_(w),
    "items": lambda v, w: v.__setitem__(0, w),
    "mask": lambda v, w: v.__setitem__(v > 0.5, w),
    "itself": lambda v, _: v.mul_(v),
    "the base": lambda v, w: v.add_(v.sum() * w),
    "augmented": lambda v, w: v.__imul__(w),
}


class TestRecordedWrites:
    @pytest.mark.parametrize("write", WRITES)
    @pytest.mark.parametrize("view", VIEWS)
    def test_base_and_views_have_the_gradient(self, view, write) -> None:
        weights = np.arange(1.0, 13.0).reshape(3, 4)

        def f(x, w):
            base = x * x
            before = base[1:]
            v = VIEWS[view](base)
            WRITES[write](v, w)
            after = base.T
            return (base * weights).sum() + (v * v).sum() + (before * after[:, 1:].T).sum()

        x = leaf(np.linspace(0.1, 1.3, 12).reshape(3, 4))
        assert gradcheck(f, (x, leaf(0.7)))
        if write in {"mul_", "pow_", "mask"}:
            assert gradgradcheck(f, (x, leaf(0.7)))

    def test_the_history_of_the_base_says_so(self) -> None:
        y = leaf([1.0, 2.0]) * 2
        v = y[0:1]
        v.mul_(3)
        assert y.grad_fn.name() == "CopySlices"
        assert v.grad_fn.next_functions[0][0] is y.grad_fn
        assert v.grad_fn is v.grad_fn

    def test_a_write_to_the_base_renews_its_views(self) -> None:
        x = leaf([1.0, 2.0, 3.0])
        y = x * 2
        v = y[1:]
        inner = v[1:]
        y.mul_(x)
        (inner * 5 + v.sum()).sum().backward()
        assert x.grad.tolist() == [0.0, 8.0, 12.0 + 60.0]

    def test_a_write_to_one_view_renews_the_others(self) -> None:
        x = leaf([1.0, 2.0, 3.0])
        y = x * 1
        a, b = y[:2], y[1:]
        a.mul_(x[:2])
        b.sum().backward()
        assert b.tolist() == [4.0, 3.0]
        assert x.grad.tolist() == [0.0, 4.0, 1.0]

    def test_tracked_values_make_a_constant_require_grad(self) -> None:
        w = leaf(2.0)
        table = ng.zeros(3)
        row = table[1:]
        row[0] = w * 3
        assert table.requires_grad
        assert row.requires_grad
        assert not table.is_leaf
        (table * ng.tensor([1.0, 10.0, 100.0])).sum().backward()
        assert w.grad.item() == 30.0

    def test_saved_values_that_a_view_overwrote_are_found(self) -> None:
        y = leaf([1.0, 2.0]) * 2
        z = y * y
        y[0:1].mul_(2)
        with pytest.raises(RuntimeError, match="in place"):
            z.sum().backward()

    def test_unrecorded_writes_leave_the_history(self) -> None:
        x = leaf([1.0, 2.0])
        y = x * 2
        with ng.no_grad():
            y[0:1].mul_(5)
        assert y.tolist() == [10.0, 4.0]
        y.sum().backward()
        assert x.grad.tolist() == [2.0, 2.0]

    def test_integers_and_what_needs_no_gradient_have_no_history(self) -> None:
        counts = ng.zeros(3, dtype=ng.int64)
        counts[1:].add_(2)
        plain = ng.zeros(3)
        plain[1:].mul_(ng.ones(2))
        assert counts.grad_fn is None
        assert plain.grad_fn is None

    def test_forward_mode_and_transforms(self) -> None:
        def f(x):
            y = x * 1.0
            y[1:].mul_(x[0])
            return (y * y).sum()

        x = np.array([0.5, 1.5, -2.0])
        _, tangent = ng.func.jvp(f, (x,), (np.ones(3),))
        slope = ng.grad(f)(x)
        assert np.isclose(tangent, slope.sum(), rtol=1e-13)
        np.testing.assert_allclose(
            ng.hessian(f)(x), ng.func.jacrev(ng.grad(f))(x), rtol=1e-12, atol=1e-12
        )
        assert gradcheck(f, (leaf(x),))

    def test_a_tangent_written_to_a_view_is_the_base_s(self) -> None:
        def f(x):
            base = ng.zeros(3)
            inner = base[1:][:1]
            inner.mul_(2).add_(x)
            return base * base + inner

        x = np.array([3.0])
        _, tangent = ng.func.jvp(f, (x,), (np.ones(1),))
        assert tangent.tolist() == [1.0, 7.0, 1.0]
        second = ng.func.jvp(lambda x: ng.func.jvp(f, (x,), (np.ones(1),))[1], (x,), (np.ones(1),))
        assert second[1].tolist() == [0.0, 2.0, 0.0]

    def test_older_views_have_the_tangent_as_well(self) -> None:
        def f(x):
            base = ng.zeros(3)
            other = base[:2]
            inner = other[1:]
            base[1:].add_(x)
            return [other.sum(), inner * inner, base.T[1], (other + 1).exp()]

        x = np.array(3.0)
        values, tangents = ng.func.jvp(f, (x,), (np.array(1.0),))
        assert [t.item() for t in tangents[:3]] == [1.0, 6.0, 1.0]
        assert values[0] == 3.0
        np.testing.assert_allclose(tangents[3], [0.0, np.exp(4)])

    def test_constants_written_to_older_views_take_the_tangent_away(self) -> None:
        def f(x):
            base = ng.zeros(3)
            first, other = base[:2], base[1:]
            other.add_(x)
            first.fill_(2)
            return base

        _, tangent = ng.func.jvp(f, (np.array(3.0),), (np.array(1.0),))
        assert tangent.tolist() == [0.0, 0.0, 1.0]

    def test_older_views_have_the_tangents_of_all_levels(self) -> None:
        def f(x):
            base = ng.zeros(3)
            inner = base[:2][1:]
            base[1:].add_(x * x)
            return inner * inner

        def slope(x):
            return ng.func.jvp(f, (x,), (np.ones(()),))[1]

        values = ng.func.jvp(slope, (np.array(3.0),), (np.array(1.0),))
        assert [v.item() for v in values] == [4 * 27.0, 12 * 9.0]

    def test_reading_without_recording_asks_for_no_history(self) -> None:
        y = leaf([1.0, 2.0]) * 2
        with ng.no_grad():
            v = y[:1]
        y.mul_(2)
        with ng.no_grad():
            assert (v * 2).tolist() == [8.0]

    def test_copies_keep_their_views(self) -> None:
        base = ng.zeros(3)
        twin_base, twin = copy.deepcopy((base, base[1:]))
        w = leaf(2.0)
        twin.add_(w)
        assert twin_base.tolist() == [0.0, 2.0, 2.0]
        assert twin_base.requires_grad
        assert not base.requires_grad

    def test_no_cycles(self) -> None:
        gc.disable()
        try:
            y = leaf([1.0, 2.0]) * 2
            v = y[0:1]
            v.mul_(y.sum())
            watched = weakref.ref(y), weakref.ref(v), weakref.ref(y.grad_fn)
            del y, v
            assert [w() for w in watched] == [None, None, None]
        finally:
            gc.enable()


class TestRefused:
    """Nothing is changed by what is refused."""

    @pytest.mark.parametrize(
        "several",
        [
            lambda y: y.unbind(0),
            lambda y: y.split(2),
            lambda y: y.chunk(2),
            lambda y: ng.tensor_split(y, [1, 2]),
        ],
    )
    def test_one_of_several(self, several) -> None:
        y = leaf([[1.0, 2.0], [3.0, 4.0]]) * 2
        v = several(y)[0]
        with pytest.raises(RuntimeError, match=r"clone\(\)"):
            v.mul_(2)
        with pytest.raises(RuntimeError, match=r"clone\(\)"):
            v[..., 0].mul_(2)
        assert y.tolist() == [[2.0, 4.0], [6.0, 8.0]]
        with ng.no_grad():
            v.mul_(2)

    def test_made_under_no_grad(self) -> None:
        y = leaf([1.0, 2.0]) * 2
        with ng.no_grad():
            v = y[:1]
        with pytest.raises(RuntimeError, match="no_grad"):
            v.mul_(2)
        assert y.tolist() == [2.0, 4.0]
        y.mul_(2)
        with pytest.raises(RuntimeError, match="no_grad"):
            _ = v * 2

    def test_leaves_that_require_grad(self) -> None:
        x = leaf([1.0, 2.0])
        with pytest.raises(RuntimeError, match="leaf"):
            x[:1].mul_(2)
        base = ng.zeros(3)
        v = base[1:].requires_grad_()
        with pytest.raises(RuntimeError, match="leaf"):
            v.mul_(2)
        base.mul_(leaf(2.0))
        with pytest.raises(RuntimeError, match="leaf"):
            _ = v * 2

    def test_a_view_of_a_custom_function(self) -> None:
        class Tail(ng.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x[1:]

            @staticmethod
            def backward(ctx, g):
                return ng.cat([ng.zeros(1), g * 10])

        x = leaf([1.0, 2.0, 3.0])
        y = x * 1
        v = Tail.apply(y)
        v.sum().backward(retain_graph=True)
        assert x.grad.tolist() == [0.0, 10.0, 10.0]
        with pytest.raises(RuntimeError, match=r"clone\(\)"):
            v.mul_(2)
        y.mul_(2)
        with pytest.raises(RuntimeError, match="Tail gave a view"):
            _ = v * 2

    def test_a_shape_that_does_not_fit(self) -> None:
        y = leaf([1.0, 2.0, 3.0]) * 1
        with pytest.raises(ng.errors.ShapeError):
            y[1:].add_(ng.zeros(3, 2))
        y.sum().backward()
        assert y.tolist() == [1.0, 2.0, 3.0]


def test_random_programs_agree_with_pytorch() -> None:
    """`python -m tests.view_programs` runs ten thousand."""
    pytest.importorskip("torch")
    found = [view_programs.outcome(seed) for seed in range(500)]
    assert [text for text in found if text not in {"same", "refused", "refused by PyTorch"}] == []
    assert found.count("same") > 250

"""In-place writes, views and version counters: the right gradient or a clear error."""

from __future__ import annotations

import numpy as np
import pytest

import numgrad as ng


def leaf(values) -> ng.Tensor:
    return ng.tensor(values, requires_grad=True)


class TestLeaves:
    @pytest.mark.parametrize(
        "write",
        [
            lambda x: x.add_(1),
            lambda x: x.zero_(),
            lambda x: x.__setitem__(0, 3.0),
            lambda x: x[1:].mul_(2),
            lambda x: x.copy_(ng.zeros(3)),
            lambda x: x.__iadd__(1),
        ],
    )
    def test_writes_are_refused_while_recording(self, write) -> None:
        x = leaf([1.0, 2.0, 3.0])
        with pytest.raises(RuntimeError, match="no_grad"):
            write(x)
        assert x.tolist() == [1.0, 2.0, 3.0]
        assert x._version == 0

    def test_writes_under_no_grad_count(self) -> None:
        x = leaf([1.0, 2.0])
        with ng.no_grad():
            x -= 0.5 * ng.ones(2)
            x[0] = 9.0
        assert x.tolist() == [9.0, 1.5]
        assert x._version == 2
        assert x.is_leaf
        assert x.requires_grad


class TestIntermediates:
    @pytest.mark.parametrize(
        ("write", "expected"),
        [
            (lambda y, w: y.add_(w), [2.0, 4.0]),
            (lambda y, w: y.mul_(w), [10.0, 24.0]),
            (lambda y, w: y.div_(w), [0.4, 4.0 / 6.0]),
            (lambda y, _: y.exp_(), [2 * np.exp(1), 4 * np.exp(4)]),
            (lambda y, _: y.zero_(), [0.0, 0.0]),
            (lambda y, _: y.fill_(2.0), [0.0, 0.0]),
            (lambda y, w: y.copy_(w), [0.0, 0.0]),
            (lambda y, _: y.pow_(3), [6.0, 4 * 3 * 16.0]),
            (lambda y, _: y.mul_(y), [4.0, 32.0]),
            (lambda y, w: y.__setitem__(0, w[1]), [0.0, 4.0]),
        ],
    )
    def test_gradient_goes_through_the_write(self, write, expected) -> None:
        x, w = leaf([1.0, 2.0]), leaf([5.0, 6.0])
        y = x * x
        write(y, w)
        y.sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), expected)

    def test_augmented_assignment_keeps_the_object(self) -> None:
        x = leaf([1.0, 2.0])
        y = z = x * 2
        y += x
        assert y is z
        y.sum().backward()
        assert x.grad.tolist() == [3.0, 3.0]

    def test_written_items_get_gradient_zero_and_the_source_theirs(self) -> None:
        x, v = leaf([1.0, 2.0, 3.0]), leaf(7.0)
        y = x * 2
        y[1] = v
        (y * ng.tensor([1.0, 10.0, 100.0])).sum().backward()
        assert x.grad.tolist() == [2.0, 0.0, 200.0]
        assert v.grad.item() == 10.0

    def test_plain_tensor_takes_a_tracked_value(self) -> None:
        v = leaf(7.0)
        buffer = ng.zeros(2)
        buffer[0] = v
        assert buffer.requires_grad
        (buffer * 3).sum().backward()
        assert v.grad.item() == 3.0


class TestVersions:
    def test_stale_input_is_found(self) -> None:
        x, w = leaf([1.0, 2.0]), ng.tensor([3.0, 4.0])
        y = x * w
        w.add_(1)
        with pytest.raises(
            RuntimeError, match=r"mul\(\).*shape \(2,\).*version 0.*version 1.*clone"
        ):
            y.sum().backward()

    @pytest.mark.parametrize("context", [ng.no_grad, ng.enable_grad])
    def test_stale_result_is_found(self, context) -> None:
        x = leaf([1.0, 2.0])
        y = x.exp()
        z = y.sum()
        with context():
            y.mul_(2)
        with pytest.raises(RuntimeError, match=r"exp\(\)"):
            z.backward()

    @pytest.mark.parametrize(
        "alias", [lambda y: y.detach(), lambda y: y.data, lambda y: y[:1], lambda y: y.view(2, 1)]
    )
    def test_writes_through_aliases_are_found(self, alias) -> None:
        x = leaf([1.0, 2.0])
        y = x.exp()
        z = y.sum()
        with ng.no_grad():
            alias(y).add_(1)
        with pytest.raises(RuntimeError, match="version"):
            z.backward()

    def test_harmless_writes_do_not_disturb(self) -> None:
        x = leaf([1.0, 2.0])
        y = x + 1
        z = (y * 1.0).sum()
        with ng.no_grad():
            y.add_(5)
        z.backward()
        assert x.grad.tolist() == [1.0, 1.0]

    def test_swapping_data_counts(self) -> None:
        w = leaf([1.0, 2.0])
        y = w * w
        w.data = ng.tensor([5.0, 6.0])
        with pytest.raises(RuntimeError, match="version"):
            y.sum().backward()
        assert w.tolist() == [5.0, 6.0]


class TestViews:
    def test_base_is_the_root_and_versions_are_shared(self) -> None:
        x = ng.zeros(4)
        v = x[1:]
        vv = v[1:].view(2, 1)
        assert v._base is x
        assert vv._base is x
        vv.add_(1)
        assert x.tolist() == [0.0, 0.0, 1.0, 1.0]
        assert x._version == v._version == vv._version == 1

    def test_advanced_indexing_copies(self) -> None:
        x = ng.zeros(4)
        assert x[[0, 1]]._base is None
        assert not np.shares_memory(x[[0, 1]].numpy(), x.numpy())

    def test_negative_steps_are_views(self) -> None:
        x = ng.arange(3.0)
        x[::-1].copy_(ng.tensor([7.0, 8.0, 9.0]))
        assert x.tolist() == [9.0, 8.0, 7.0]

    def test_view_insists_and_reshape_copies(self) -> None:
        x = ng.zeros(2, 3).T
        with pytest.raises(RuntimeError, match="reshape"):
            x.view(6)
        assert x.reshape(6).shape == (6,)


class TestRefusals:
    def test_overlapping_memory(self) -> None:
        x = ng.zeros(1).expand(3)
        with pytest.raises(RuntimeError, match="share memory"):
            x.add_(1)

    def test_shape_that_does_not_fit(self) -> None:
        x = ng.zeros(3)
        with pytest.raises(ng.errors.ShapeError):
            x.add_(ng.zeros(2, 3))
        with pytest.raises(ng.errors.ShapeError):
            x.copy_(ng.zeros(2))
        with pytest.raises(ng.errors.ShapeError):
            x[:2] = ng.zeros(3)
        assert x._version == 0

    @pytest.mark.parametrize("value", [0.5, ng.tensor([0.5, 0.5])])
    def test_float_into_int(self, value) -> None:
        x = ng.tensor([1, 2])
        with pytest.raises(RuntimeError, match="cannot hold"):
            x.add_(value)
        assert x.tolist() == [1, 2]

    def test_read_only_memory(self) -> None:
        array = np.ones(2)
        array.flags.writeable = False
        with pytest.raises(ValueError, match="read-only"):
            ng.from_numpy(array).add_(1)


def test_inputs_of_ops_and_user_arrays_are_never_written() -> None:
    array = np.linspace(0.1, 0.9, 6).reshape(2, 3)
    before = array.tobytes()
    x = ng.from_numpy(array).requires_grad_()
    seed = np.ones(())
    ((x * x).exp().sum() + (x @ x.T).sum() + x.softmax(1).prod()).backward(seed)
    assert array.tobytes() == before
    assert seed.item() == 1.0

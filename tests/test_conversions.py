"""From and to Python and NumPy, printing, copying, pickling."""

from __future__ import annotations

import copy
import io
import math
import multiprocessing
import pickle

import numpy as np
import pytest

import numgrad as ng


def leaf(values) -> ng.Tensor:
    return ng.tensor(values, requires_grad=True)


class TestCreation:
    def test_tensor_copies_and_as_tensor_shares(self) -> None:
        a = np.zeros(2)
        assert not np.shares_memory(ng.tensor(a).numpy(), a)
        assert np.shares_memory(ng.as_tensor(a).numpy(), a)
        assert np.shares_memory(ng.from_numpy(a[::-1]).numpy(), a)

    @pytest.mark.parametrize(
        ("data", "dtype"),
        [
            (1.0, ng.float64),
            ([1, 2], ng.int64),
            ([True], ng.bool),
            (np.float32(1), ng.float32),
            (np.zeros(2, np.int16), ng.int16),
            ([1, 2.5], ng.float64),
        ],
    )
    def test_dtypes(self, data, dtype) -> None:
        assert ng.tensor(data).dtype == dtype

    def test_default_dtype(self) -> None:
        ng.set_default_dtype(ng.float32)
        try:
            assert ng.tensor(1.0).dtype == ng.float32
            assert ng.ones(2).dtype == ng.float32
            assert ng.linspace(0, 1, 3).dtype == ng.float32
            assert repr(ng.ones(2)) == "tensor([1., 1.])"
        finally:
            ng.set_default_dtype(ng.float64)
        with pytest.raises(TypeError):
            ng.set_default_dtype(ng.int64)

    @pytest.mark.parametrize(
        ("bad", "error"), [([[1.0], [1.0, 2.0]], ValueError), (None, TypeError), ("x", TypeError)]
    )
    def test_what_is_no_tensor(self, bad, error) -> None:
        with pytest.raises(error):
            ng.tensor(bad)

    def test_factories(self) -> None:
        assert ng.zeros(2, 3).shape == ng.zeros((2, 3)).shape == (2, 3)
        assert ng.full((2,), 7).tolist() == [7, 7]
        assert ng.arange(2, 8, 3).tolist() == [2, 5]
        assert ng.arange(0.0, 1.0, 0.5).tolist() == [0.0, 0.5]
        assert ng.linspace(1, 9, 1).tolist() == [1.0]
        assert ng.eye(2, 3).tolist() == [[1, 0, 0], [0, 1, 0]]
        assert ng.zeros_like(ng.ones(2, dtype=ng.float32)).dtype == ng.float32
        assert ng.full_like(ng.ones(2), 3.0).tolist() == [3.0, 3.0]
        assert ng.empty(2, 0).shape == (2, 0)

    def test_linspace_differentiates_in_its_ends(self) -> None:
        a = leaf(1.0)
        ng.linspace(a, 3.0, 5).sum().backward()
        assert a.grad.item() == pytest.approx(2.5)

    def test_seeds(self) -> None:
        ng.manual_seed(5)
        first = ng.rand(3).tolist(), ng.randn(2).tolist(), ng.randint(0, 9, (4,)).tolist()
        ng.manual_seed(5)
        assert first == (ng.rand(3).tolist(), ng.randn(2).tolist(), ng.randint(0, 9, (4,)).tolist())


class TestToNumPy:
    def test_tracked_tensors_are_not_converted_silently(self) -> None:
        x = leaf([1.0, 2.0])
        for convert in (x.numpy, lambda: np.asarray(x)):
            with pytest.raises(RuntimeError, match=r"detach\(\).numpy\(\)"):
                convert()
        with ng.no_grad():
            assert np.asarray(x).tolist() == [1.0, 2.0]
        assert x.numpy(force=True).tolist() == [1.0, 2.0]
        array = np.zeros(2)
        with pytest.raises(RuntimeError):
            array[:] = x
        with pytest.raises(RuntimeError):
            array += x
        assert array.tolist() == [0.0, 0.0]
        # A single element NumPy reads through float(), which warns.
        with pytest.warns(UserWarning, match="history"):
            array[0] = x[0]

    def test_scalars(self) -> None:
        assert ng.tensor([[3.0]]).item() == 3.0
        assert float(ng.tensor(2.5)) == 2.5
        assert int(ng.tensor(2)) == 2
        assert math.sin(ng.tensor(0.0)) == 0.0
        with pytest.warns(UserWarning, match="history"):
            assert float(leaf(1.0)) == 1.0

    @pytest.mark.parametrize("convert", [bool, float, int, complex, lambda t: t.item()])
    def test_scalar_of_many(self, convert) -> None:
        for error in (RuntimeError, ValueError):
            with pytest.raises(error, match=r"\(2,\)"):
                convert(ng.ones(2))

    def test_0d_has_no_length(self) -> None:
        with pytest.raises(TypeError):
            len(ng.tensor(1.0))
        with pytest.raises(TypeError):
            iter(ng.tensor(1.0))
        assert [t.item() for t in ng.arange(3)] == [0, 1, 2]


class TestPromotion:
    @pytest.mark.parametrize(
        ("make", "dtype"),
        [
            (lambda: ng.ones(2, dtype=ng.float32) * 2.0, ng.float32),
            (lambda: ng.ones(2, dtype=ng.float32) * ng.ones(2), ng.float64),
            (lambda: ng.ones(2, dtype=ng.float32) * np.float64(2), ng.float64),
            (lambda: ng.ones(2, dtype=ng.float32) + ng.arange(2), ng.float64),
            (lambda: ng.arange(2) + 1, ng.int64),
            (lambda: ng.arange(2) + 1.5, ng.float64),
            (lambda: ng.arange(2) / 2, ng.float64),
            (lambda: ng.arange(2) / ng.arange(1, 3), ng.float64),
            (lambda: ng.tensor([True]) + 1, ng.int64),
            (lambda: ng.exp(ng.arange(2)), ng.float64),
        ],
    )
    def test_result_dtype_is_numpys(self, make, dtype) -> None:
        assert make().dtype == dtype

    def test_shapes_that_do_not_broadcast(self) -> None:
        for error in (RuntimeError, ValueError):
            with pytest.raises(error, match=r"\(2,\).*\(3,\)"):
                ng.ones(2) + ng.ones(3)


class TestText:
    @pytest.mark.parametrize(
        ("make", "text"),
        [
            (lambda: ng.tensor(4.0), "tensor(4.)"),
            (lambda: leaf([1.0, 2.0]), "tensor([1., 2.], requires_grad=True)"),
            (lambda: leaf([4.0, 4.0, 4.0]) * 2, "tensor([8., 8., 8.], grad_fn=<MulBackward0>)"),
            (lambda: leaf([1.0, 2.0, 3.0]).sum(), "tensor(6., grad_fn=<SumBackward0>)"),
            (lambda: ng.ones(2, dtype=ng.float32), "tensor([1., 1.], dtype=numgrad.float32)"),
            (lambda: ng.tensor([1, 2], dtype=ng.int32), "tensor([1, 2], dtype=numgrad.int32)"),
            (lambda: ng.tensor([True, False]), "tensor([ True, False])"),
            (lambda: ng.ones(0, 3), "tensor([], size=(0, 3))"),
        ],
    )
    def test_repr(self, make, text) -> None:
        assert repr(make()) == str(make()) == text

    def test_format(self) -> None:
        assert f"{leaf(3.14159):.2f}" == "3.14"
        with pytest.raises(TypeError):
            f"{ng.ones(2):.2f}"


def _stored(t: ng.Tensor) -> ng.Tensor:
    file = io.BytesIO()
    ng.save(t, file)
    file.seek(0)
    return ng.load(file)


class TestCopies:
    def test_deepcopy_of_a_leaf(self) -> None:
        x = leaf([1.0, 2.0])
        x.grad = ng.tensor([3.0, 4.0])
        y = copy.deepcopy(x)
        assert y.requires_grad
        assert y.grad.tolist() == [3.0, 4.0]
        assert y.grad is not x.grad
        assert not np.shares_memory(y.numpy(force=True), x.numpy(force=True))

    def test_deepcopy_keeps_sharing(self) -> None:
        x = ng.arange(4.0)
        base, view = copy.deepcopy([x, x[::-1]])
        base[0] = 9.0
        assert view.tolist() == [3.0, 2.0, 1.0, 9.0]
        assert view._base is base
        assert view._version == base._version == 1
        assert x.tolist() == [0.0, 1.0, 2.0, 3.0]

    @pytest.mark.parametrize("duplicate", [copy.deepcopy, copy.copy, pickle.dumps])
    def test_of_a_computed_tensor(self, duplicate) -> None:
        with pytest.raises(RuntimeError, match="detach"):
            duplicate(leaf(1.0) * 2)

    def test_copy_is_another_handle(self) -> None:
        x = leaf([1.0])
        y = copy.copy(x)
        assert y is not x
        assert y.requires_grad
        assert np.shares_memory(y.numpy(force=True), x.numpy(force=True))

    def test_pickle(self) -> None:
        x = leaf(np.array([[1.0, 2.0]], dtype=np.float32))
        x.grad = ng.ones_like(x)
        y = pickle.loads(pickle.dumps(x))  # noqa: S301 - its own bytes
        assert y.tolist() == [[1.0, 2.0]]
        assert y.dtype == ng.float32
        assert y.requires_grad
        assert y.grad is None

    @pytest.mark.parametrize(
        "duplicate",
        [copy.deepcopy, copy.copy, lambda t: pickle.loads(pickle.dumps(t)), _stored],  # noqa: S301 - its own
    )
    def test_what_was_set_on_a_tensor_stays(self, duplicate) -> None:
        x = ng.nn.Parameter(ng.tensor([1.0, 2.0]))
        x.tags = ["weight"]
        x.register_hook(lambda g: g * 10)
        (x * 1).sum().backward()
        y = duplicate(x)
        assert isinstance(y, ng.nn.Parameter)
        assert y.tags == ["weight"]
        assert (y.tags is x.tags) is (duplicate is copy.copy)
        (twice,) = ng.autograd.grad((y * 2).sum(), y)
        assert twice.tolist() == [2.0, 2.0]

    def test_save_and_load_keep_sharing(self) -> None:
        x = ng.arange(4.0)
        file = io.BytesIO()
        ng.save({"x": x, "tail": x[2:], "step": 3}, file)
        file.seek(0)
        loaded = ng.load(file)
        loaded["x"][3] = 7.0
        assert loaded["tail"].tolist() == [2.0, 7.0]
        assert loaded["tail"]._version == loaded["x"]._version == 1
        assert loaded["step"] == 3

    def test_load_runs_no_code(self) -> None:
        file = io.BytesIO(pickle.dumps(print))
        with pytest.raises(pickle.UnpicklingError, match="print"):
            ng.load(file)

    @pytest.mark.parametrize("method", ["fork", "spawn"])
    def test_tensors_cross_processes(self, method) -> None:
        if method not in multiprocessing.get_all_start_methods():
            pytest.skip(f"no {method} on this platform")
        context = multiprocessing.get_context(method)
        with context.Pool(1) as pool:
            assert pool.apply(_doubled, (ng.tensor([1.0, 2.0]),)).tolist() == [2.0, 4.0]


def _doubled(x: ng.Tensor) -> ng.Tensor:
    return x * 2

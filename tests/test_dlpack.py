"""Memory shared with other libraries by the DLPack protocol."""

from __future__ import annotations

import numpy as np
import pytest

import numgrad as ng
from numgrad import conversions

VERSIONED = np.lib.NumpyVersion(np.__version__) >= "2.1.0"
needs_versions = pytest.mark.skipif(not VERSIONED, reason="NumPy 2.0 shares read-only")

DTYPES = [np.bool_, np.int8, np.uint16, np.int32, np.int64, np.float16, np.float32, np.float64]
SHAPES = [(), (1,), (3,), (2, 3), (0,), (2, 0), (1, 1, 4)]


class Foreign:
    """An array of a library that knows the protocol as it was before 1.0."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, *, stream=None):
        return self.array.__dlpack__(stream=stream)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def address(array) -> int:
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_there_and_back(shape, dtype) -> None:
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    t = ng.from_dlpack(array)
    assert t.dtype == dtype
    assert t.shape == shape
    assert not t.requires_grad
    np.testing.assert_array_equal(t.numpy(), array)
    again = np.from_dlpack(ng.from_numpy(array))
    assert again.dtype == dtype
    np.testing.assert_array_equal(again, array)
    assert not array.size or address(t.numpy()) == address(again) == address(array)


LAYOUTS = {
    "transposed": lambda t: t.T,
    "strided": lambda t: t[:, ::2],
    "a row": lambda t: t[1],
    "a column": lambda t: t[:, 1],
    "an element": lambda t: t[1, 1],
}


@pytest.mark.parametrize("view", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts_are_shared_as_they_are(view) -> None:
    t = view(ng.arange(12.0).reshape(3, 4))
    array = np.from_dlpack(t)
    np.testing.assert_array_equal(array, t.numpy())
    assert array.strides == t.numpy().strides
    assert address(array) == address(t.numpy())


def test_the_device_is_the_cpu() -> None:
    assert ng.ones(2).__dlpack_device__() == np.ones(2).__dlpack_device__() == (1, 0)
    with pytest.raises(BufferError):
        ng.ones(2).__dlpack__(dl_device=(2, 0))
    with pytest.raises(ValueError, match="device='cuda'"):
        ng.from_dlpack(np.ones(2), device="cuda")
    assert ng.from_dlpack(np.ones(2), device="cpu").tolist() == [1.0, 1.0]


@needs_versions  # without, what is expanded is read-only
def test_expanded_memory_is_shared() -> None:
    array = np.from_dlpack(ng.arange(4.0).expand(3, 4))
    assert array.strides == (0, 8)
    np.testing.assert_array_equal(array, np.broadcast_to(np.arange(4.0), (3, 4)))


@needs_versions
def test_both_sides_see_what_either_writes() -> None:
    array = np.zeros(2)
    t = ng.from_dlpack(array)
    array[0] = 1.0
    t[1] = 2.0
    assert t.tolist() == array.tolist() == [1.0, 2.0]
    np.from_dlpack(t)[0] = 3.0
    assert array.tolist() == [3.0, 2.0]


def test_copies_on_request() -> None:
    array = np.arange(3.0)
    t = ng.from_dlpack(array, copy=True)
    t[0] = 5.0
    assert array[0] == 0.0
    assert address(ng.from_dlpack(array, copy=False).numpy()) == address(array)
    x = ng.arange(3.0)
    assert not np.shares_memory(ng.from_dlpack(x, copy=True).numpy(), x.numpy())


@needs_versions
def test_copies_for_who_takes_it() -> None:
    x = ng.arange(3.0)
    array = np.from_dlpack(x, copy=True)
    array[0] = 5.0
    assert x.tolist() == [0.0, 1.0, 2.0]
    assert np.from_dlpack(x[::-1], copy=True).tolist() == [2.0, 1.0, 0.0]


def test_memory_outlives_who_handed_it_over() -> None:
    t = ng.from_dlpack(np.arange(1000.0))
    array = np.from_dlpack(t * 1.0)
    assert t.sum().item() == array.sum() == 499500.0


class TestReadOnly:
    def check(self, t) -> None:
        with pytest.raises(ValueError, match="read-only"):
            t.add_(1)
        assert t.tolist() == [0.0, 1.0, 2.0]
        assert (t * 2).tolist() == [0.0, 2.0, 4.0]

    def test_without_a_version_nobody_can_say(self) -> None:
        self.check(ng.from_dlpack(Foreign(np.arange(3.0))))

    @needs_versions
    def test_as_the_library_says(self) -> None:
        array = np.arange(3.0)
        array.flags.writeable = False
        self.check(ng.from_dlpack(array))
        again = np.from_dlpack(ng.from_numpy(array))
        assert not again.flags.writeable

    def test_who_cannot_be_told_does_not_get_it(self) -> None:
        array = np.arange(3.0)
        array.flags.writeable = False
        with pytest.raises(BufferError):
            ng.from_numpy(array).__dlpack__()


class TestDerivatives:
    @pytest.mark.parametrize("export", [np.from_dlpack, ng.from_dlpack, ng.Tensor.__dlpack__])
    @pytest.mark.parametrize("computed", [False, True])
    def test_are_not_dropped_silently(self, export, computed) -> None:
        x = ng.ones(2, requires_grad=True)
        x = x * 2 if computed else x
        with pytest.raises(BufferError, match=r"x.detach\(\)"):
            export(x)
        with ng.no_grad(), pytest.raises(BufferError, match=r"x.detach\(\)"):
            export(x)
        assert export(x.detach()) is not None

    def test_tangents_and_batches_neither(self) -> None:
        def export(x):
            return ng.tensor(np.from_dlpack(x))

        for transformed in (
            lambda: ng.vmap(export)(ng.ones(2)),
            lambda: ng.jvp(export, (ng.ones(2),), (ng.ones(2),)),
            lambda: ng.grad(lambda x: export(x).sum())(ng.ones(2)),
        ):
            with pytest.raises(BufferError):
                transformed()

    def test_leaves_may_be_made_of_foreign_memory(self) -> None:
        x = ng.from_dlpack(np.array([1.0, 2.0])).requires_grad_()
        (x * x).sum().backward()
        assert x.grad.tolist() == [2.0, 4.0]

    def test_a_tensor_and_what_shares_it_count_writes_together(self) -> None:
        x = ng.ones(2, requires_grad=True)
        y = x * 2
        shared = ng.from_dlpack(y.detach())
        z = (y * y).sum()
        shared[0] = 5.0
        assert shared._version == y._version == 1
        with pytest.raises(RuntimeError, match="at version 0"):
            z.backward()


REFUSED = [
    (lambda: ng.from_dlpack([1.0]), TypeError, r"__dlpack__\(\) method, got list"),
    (lambda: ng.from_dlpack(np.ones(2, complex)), TypeError, "real numbers, got dtype complex128"),
    (lambda: ng.from_dlpack(np.ones(2, ">f8")), BufferError, "byte order"),
    (lambda: np.from_dlpack(ng.arange(3.0)[::-1]), BufferError, r"x.clone\(\)"),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSED)
def test_refused(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call()


def test_the_oldest_numpy_hands_over_without_a_version(monkeypatch) -> None:
    monkeypatch.setattr(conversions, "_EXPORTS_VERSIONS", False)
    x = ng.arange(3.0)
    assert np.from_dlpack(x).tolist() == [0.0, 1.0, 2.0]
    assert np.from_dlpack(Foreign(x)).tolist() == [0.0, 1.0, 2.0]
    assert x.__dlpack__(copy=True) is not None
    assert x.__dlpack__(max_version=(1, 0), dl_device=(1, 0)) is not None
    with pytest.raises(BufferError, match=r"\(2, 0\)"):
        x.__dlpack__(dl_device=(2, 0))


class TestTorch:
    @pytest.fixture
    def torch(self):
        return pytest.importorskip("torch")

    @pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "float16", "float64"])
    def test_there_and_back(self, torch, dtype) -> None:
        given = torch.arange(6).reshape(2, 3).T.to(getattr(torch, dtype))
        t = ng.from_dlpack(given)
        assert t.tolist() == given.tolist()
        assert t.numpy().strides == tuple(s * given.element_size() for s in given.stride())
        back = torch.from_dlpack(t)
        assert back.dtype == given.dtype
        assert back.data_ptr() == address(t.numpy()) == given.data_ptr()

    @needs_versions
    def test_writes_are_seen(self, torch) -> None:
        t = ng.zeros(2)
        torch.from_dlpack(t)[0] = 1.0
        theirs = torch.zeros(2)
        ng.from_dlpack(theirs)[1] = 2.0
        assert t.tolist() == [1.0, 0.0]
        assert theirs.tolist() == [0.0, 2.0]

    def test_neither_side_drops_a_derivative(self, torch) -> None:
        with pytest.raises(BufferError, match="detach"):
            torch.from_dlpack(ng.ones(2, requires_grad=True))
        with pytest.raises(BufferError, match="detach"):
            ng.from_dlpack(torch.ones(2, requires_grad=True))

    @pytest.mark.parametrize(
        ("make", "error"),
        [
            (lambda torch: torch.ones(2, dtype=torch.bfloat16), TypeError),
            (lambda torch: torch.ones(2, device="meta"), BufferError),
            (lambda torch: torch.ones(2).to_sparse(), BufferError),
        ],
    )
    def test_what_is_no_array_here(self, torch, make, error) -> None:
        with pytest.raises(error):
            ng.from_dlpack(make(torch))

    def test_steps_backwards_do_not_end_the_process(self, torch) -> None:
        with pytest.raises(BufferError, match="backwards"):
            torch.from_dlpack(ng.arange(3.0)[::-1])
        assert torch.from_dlpack(ng.arange(3.0)[::-1].clone()).tolist() == [2.0, 1.0, 0.0]

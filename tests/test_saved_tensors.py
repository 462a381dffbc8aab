"""Hooks on saved tensors: what is held for backward, where, and that gradients stay the same."""

from __future__ import annotations

import contextlib
import gc
import threading
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import numgrad as ng
from numgrad.autograd.graph import (
    allow_mutation_on_saved_tensors,
    disable_saved_tensors_hooks,
    save_compressed,
    save_on_disk,
    saved_tensors_hooks,
)
from numgrad.tape import Node

if TYPE_CHECKING:
    from pathlib import Path


def leaf(values: Any) -> ng.Tensor:
    return ng.tensor(values, requires_grad=True)


def same(value: Any) -> Any:
    return value


PROGRAMS = {
    "elementwise": lambda x: (x * x).exp() / x,
    "in place": lambda x: (x * 1).exp_().mul_(x),
    "reduction": lambda x: x.prod() * x.std(),
    "several results": lambda x: x.sort()[0].cumsum(0) * x.max(),
    "linear algebra": lambda x: ng.linalg.inv(ng.outer(x, x) + ng.eye(3)) @ x,
    "decomposition": lambda x: ng.linalg.eigvalsh(ng.outer(x, x) + ng.diag(x)),
    "views": lambda x: (x[1:] * x[:-1]).reshape(2, 1).T @ x[:2],
    "index": lambda x: x[[0, 0, 2]] * x.flip(0),
    "numbers": lambda x: x**3 + 2.0 / x,
    "choice": lambda x: ng.where(x > 1, x.sin(), x.log()),
    "rows": lambda x: ng.log_softmax(x, 0) * ng.logsumexp(x, 0),
}
CONTEXTS = {
    "hooks": lambda: saved_tensors_hooks(same, same),
    "copies": lambda: saved_tensors_hooks(lambda t: t.numpy().copy(), ng.from_numpy),
    "disk": lambda: save_on_disk(min_bytes=0),
    "compressed": lambda: save_compressed(min_bytes=0),
    "mutation": allow_mutation_on_saved_tensors,
}


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_gradients_to_second_order_are_those_without(program: str, context: str) -> None:
    def both(x: ng.Tensor, around: Any) -> tuple[ng.Tensor, ...]:
        with around:
            y = PROGRAMS[program](x).sum()
        (first,) = ng.autograd.grad(y, x, create_graph=True)
        return (first, *ng.autograd.grad((first * first).sum(), x))

    values = [0.7, 2.0, 1.3]
    found = both(leaf(values), CONTEXTS[context]())
    expected = both(leaf(values), contextlib.nullcontext())
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


class TestHooks:
    def test_each_use_packs_and_unpacks_once(self) -> None:
        calls: list[str] = []
        x = leaf([1.0, 2.0])
        with saved_tensors_hooks(
            lambda t: (calls.append("pack"), t)[1], lambda t: (calls.append("unpack"), t)[1]
        ):
            y = (x * x).sum()
        assert calls == ["pack", "pack"]
        y.backward(retain_graph=True)
        assert calls[2:] == ["unpack", "unpack"]
        y.backward()
        assert calls[4:] == ["unpack", "unpack"]
        assert x.grad.tolist() == [4.0, 8.0]

    def test_what_they_give_is_what_backward_uses(self) -> None:
        x = leaf([1.0, 2.0])
        with saved_tensors_hooks(lambda t: t * 10, lambda t: t + 1):
            y = x.square().sum()
        assert ng.autograd.grad(y, x)[0].tolist() == [22.0, 42.0]

    def test_the_innermost_packs(self) -> None:
        calls: list[str] = []

        def noting(name: str) -> saved_tensors_hooks:
            return saved_tensors_hooks(lambda t: (calls.append(name), t)[1], same)

        x = leaf(2.0)
        with noting("outer"):
            with noting("inner"):
                x.exp()
            x.exp()
        x.exp()
        assert calls == ["inner", "outer"]

    def test_hooks_are_not_packed_and_not_recorded_themselves(self) -> None:
        x = leaf([1.0, 2.0])
        recorded: list[bool] = []

        def pack(t: ng.Tensor) -> ng.Tensor:
            w = leaf([3.0, 4.0])
            recorded.append((t * w).requires_grad)
            return t

        with saved_tensors_hooks(pack, same):
            x.exp()
        assert recorded == [False]

    def test_values_come_without_history(self) -> None:
        x = leaf([1.0, 2.0])
        seen: list[ng.Tensor] = []
        with saved_tensors_hooks(lambda t: (seen.append(t), t)[1], same):
            y = (x * 2).sin()
        assert [t.requires_grad for t in seen] == [False]
        assert y.grad_fn._saved_self.tolist() == [2.0, 4.0]

    def test_packed_values_die_with_the_graph_as_it_is_walked(self) -> None:
        class Box:
            def __init__(self, t: ng.Tensor) -> None:
                self.t = t

        boxes: list[weakref.ref[Box]] = []

        def pack(t: ng.Tensor) -> Box:
            box = Box(t)
            boxes.append(weakref.ref(box))
            return box

        gc.collect()
        gc.disable()
        try:
            x = leaf([1.0, 2.0])
            with saved_tensors_hooks(pack, lambda box: box.t):
                y = (x * x).exp().sum()
            assert None not in [box() for box in boxes]
            y.backward()
            assert [box() for box in boxes] == [None] * 3
        finally:
            gc.enable()

    def test_other_threads_are_left_alone(self) -> None:
        calls: list[Any] = []
        x = leaf(2.0)
        with saved_tensors_hooks(lambda t: (calls.append(t), t)[1], same):
            thread = threading.Thread(target=lambda: x.exp().backward())
            thread.start()
            thread.join()
        assert calls == []
        assert x.grad.item() == pytest.approx(np.exp(2.0))

    def test_without_them_nodes_save_as_ever(self) -> None:
        slot = vars(Node)["saved"]
        with contextlib.suppress(ZeroDivisionError), saved_tensors_hooks(same, same):
            assert vars(Node)["saved"] is not slot
            1 / 0  # noqa: B018 - it is to raise
        assert vars(Node)["saved"] is slot

    def test_a_pack_hook_must_not_write(self) -> None:
        x = leaf([1.0, 2.0])
        with (
            saved_tensors_hooks(lambda t: t.zero_(), same),
            pytest.raises(RuntimeError, match=r"pack hook.*clone\(\)"),
        ):
            (x * 1).exp()

    @pytest.mark.parametrize(
        ("result", "error", "text"),
        [
            (None, TypeError, "must return a tensor, got NoneType"),
            (np.ones(2), TypeError, "must return a tensor, got ndarray"),
            (ng.ones(3), RuntimeError, r"\(2,\).*\(3,\)"),
            (ng.ones(2, dtype=ng.float32), RuntimeError, r"float64.*float32"),
        ],
    )
    def test_what_an_unpack_hook_must_not_give(self, result: Any, error: Any, text: str) -> None:
        with saved_tensors_hooks(same, lambda _: result):
            y = leaf([1.0, 2.0]).exp().sum()
        with pytest.raises(error, match=text):
            y.backward()

    @pytest.mark.parametrize("keep", ["the memory", "a copy"])
    def test_written_to_after_it_was_packed(self, keep: str) -> None:
        x = leaf([1.0, 2.0])
        y = x * 1
        with saved_tensors_hooks(same if keep == "the memory" else ng.Tensor.clone, same):
            z = (y * y).sum()
        y.zero_()
        if keep == "the memory":
            with pytest.raises(RuntimeError, match=r"mul\(\).*version 0.*version 1"):
                z.backward()
        else:
            z.backward()
            assert x.grad.tolist() == [2.0, 4.0]

    def test_listings_and_anomaly_mode_take_packed_values(self) -> None:
        x = leaf([1.0, 2.0])
        with saved_tensors_hooks(same, same):
            y = (x * x).exp().sum()
        assert "ExpBackward0" in str(ng.graph(y))
        with ng.profile() as profile:
            y.backward()
        assert "exp" in str(profile)

    def test_disabled(self) -> None:
        with disable_saved_tensors_hooks("not here"):
            with pytest.raises(RuntimeError, match="not here"), saved_tensors_hooks(same, same):
                pytest.fail("it was entered")
            leaf(1.0).exp().backward()
        with (
            saved_tensors_hooks(same, same),
            pytest.raises(RuntimeError, match="not now"),
            disable_saved_tensors_hooks("not now"),
        ):
            pytest.fail("it was entered")
        with saved_tensors_hooks(same, same):
            leaf(1.0).exp().backward()


class TestOnDisk:
    def test_files_live_as_long_as_what_they_hold(self, tmp_path: Path) -> None:
        x = leaf(np.linspace(0, 1, 1000))
        with save_on_disk(tmp_path, min_bytes=1000):
            y = (x * 2).exp().sum()
        (folder,) = tmp_path.iterdir()
        sizes = [file.stat().st_size for file in folder.iterdir()]
        assert sizes == [8000]  # the result of exp(): a leaf stays in memory, and so do numbers
        y.backward()
        np.testing.assert_allclose(x.grad.numpy(), 2 * np.exp(2 * x.detach().numpy()))
        del y
        assert list(tmp_path.iterdir()) == []

    def test_small_values_stay_in_memory(self, tmp_path: Path) -> None:
        with save_on_disk(tmp_path):
            (leaf(np.ones(10)) * 2).exp().sum().backward()
        assert list(tmp_path.iterdir()) == []

    def test_what_is_read_back_is_not_to_be_written(self) -> None:
        x = leaf(np.ones(3))
        with save_on_disk(min_bytes=1):
            y = (x * 2).exp()
        with pytest.raises(ValueError, match="read-only"):
            y.grad_fn._saved_result.zero_()


class TestCompressed:
    def test_zeros_take_little(self) -> None:
        x = leaf(np.zeros(10_000))
        with save_compressed():
            y = (x * 2).exp()
        (packed,) = y.grad_fn.saved
        content, *_ = packed._content
        assert len(content) < 1000
        y.sum().backward()
        assert x.grad.tolist() == [2.0] * 10_000

    def test_what_gets_no_smaller_stays(self) -> None:
        noise = np.random.default_rng(0).integers(0, 255, 80_000, np.uint8).view(np.float64)
        x = leaf(np.nan_to_num(noise))
        with save_compressed():
            y = (x * 1.0).square()
        assert isinstance(y.grad_fn.saved[0]._content, ng.Tensor)


WRITES = {
    "the tensor": lambda y: y.zero_(),
    "an element": lambda y: y.__setitem__(0, 9.0),
    "a view": lambda y: ng.no_grad()(y[1:].mul_)(3.0),
    "a view of a view": lambda y: ng.no_grad()(y[1:].reshape(1, 2)[0].add_)(1.0),
    "a mask": lambda y: y.__setitem__(y > 1, 0.0),
    "out": lambda y: np.add(ng.ones(3), 1.0, out=y.detach()),
    "without recording": lambda y: ng.no_grad()(y.fill_)(5.0),
}


class TestMutation:
    @pytest.mark.parametrize("write", WRITES)
    @pytest.mark.parametrize("saved", ["the tensor", "a view", "the result"])
    def test_gradients_are_those_of_the_old_values(self, saved: str, write: str) -> None:
        def program(x: ng.Tensor, *, writes: bool) -> ng.Tensor:
            y = x.exp() if saved == "the result" else x * 1.0
            z = (y[1:] * y[:-1] if saved == "a view" else y.sin()).sum()
            if writes:
                WRITES[write](y)
            return ng.autograd.grad(z, x)[0]

        values = [0.5, 1.5, 2.5]
        with allow_mutation_on_saved_tensors():
            found = program(leaf(values), writes=True)
        assert found.tolist() == program(leaf(values), writes=False).tolist()
        with pytest.raises(RuntimeError, match="version"):
            program(leaf(values), writes=True)

    def test_it_copies_only_what_is_written_to(self) -> None:
        x = leaf([1.0, 2.0])
        with allow_mutation_on_saved_tensors():
            y = x * 1.0
            z = y.sin()
            assert np.shares_memory(z.grad_fn._saved_self.array, y.array)
            y.add_(1.0)
            assert not np.shares_memory(z.grad_fn._saved_self.array, y.array)

    def test_steps_of_an_optimizer(self) -> None:
        x = leaf([1.0, 2.0])
        optimizer = ng.optim.SGD([x], lr=1.0)
        with allow_mutation_on_saved_tensors():
            y = (x * x).sum()
            x.grad = ng.ones(2)
            optimizer.step()
        assert ng.autograd.grad(y, x)[0].tolist() == [2.0, 4.0]

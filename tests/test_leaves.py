"""Leaves, requires_grad and grad modes: the rules of who records what."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

import numgrad as ng


def test_leaf_by_the_three_rules() -> None:
    x = ng.tensor([1.0, 2.0], requires_grad=True)
    plain = ng.tensor([1.0, 2.0])
    assert x.is_leaf
    assert (plain * 2).is_leaf
    assert not (x * 2).is_leaf
    assert (x * 2).detach().is_leaf
    with ng.no_grad():
        assert (x * 2).is_leaf


def test_requires_grad_defaults_to_false_and_is_settable() -> None:
    x = ng.ones(2)
    assert not x.requires_grad
    assert x.requires_grad_() is x
    assert x.requires_grad
    x.requires_grad = False
    assert not x.requires_grad


@pytest.mark.parametrize(
    "make",
    [
        lambda: ng.tensor([1, 2], requires_grad=True),
        lambda: ng.tensor([1, 2]).requires_grad_(),
        lambda: ng.zeros(2, dtype=ng.int64, requires_grad=True),
        lambda: setattr(ng.tensor([True]), "requires_grad", True),
        lambda: ng.Tensor([1, 2], requires_grad=True),
    ],
)
def test_only_floating_tensors_require_grad(make) -> None:
    with pytest.raises(RuntimeError, match="only floating-point tensors can require grad"):
        make()


def test_clearing_the_flag_of_a_computed_tensor_names_detach() -> None:
    y = ng.ones(2, requires_grad=True) * 2
    y.requires_grad = True
    with pytest.raises(RuntimeError, match="detach"):
        y.requires_grad = False


def test_integer_and_bool_results_never_require_grad() -> None:
    x = ng.tensor([3.0, 1.0], requires_grad=True)
    assert not (x > 2).requires_grad
    assert not x.argmax().requires_grad
    assert not x.to(ng.int64).requires_grad
    assert not ng.ones_like(x).requires_grad


def test_to_another_dtype_is_recorded_and_to_the_same_is_the_tensor() -> None:
    x = ng.tensor([1.0, 2.0], dtype=ng.float32, requires_grad=True)
    assert x.to(ng.float32) is x
    for same in (np.float32, "float32", np.dtype(np.float32), np.ones(1, np.float32), x):
        assert x.to(same) is x
    assert x.astype(np.float64).dtype == x.astype(float).dtype == ng.float64
    y = x.to(ng.float64)
    assert y.grad_fn.name() == "ToCopyBackward0"
    (y * 3).sum().backward()
    assert x.grad.dtype == ng.float32
    assert x.grad.tolist() == [3.0, 3.0]


def test_tensor_of_a_tensor_copies_and_warns() -> None:
    x = ng.ones(2, requires_grad=True)
    with pytest.warns(UserWarning, match="drops its history"):
        y = ng.tensor(x)
    assert not y.requires_grad
    assert not np.shares_memory(y.numpy(), x.detach().numpy())
    assert ng.as_tensor(x) is x


def test_detach_shares_memory_and_version() -> None:
    x = ng.ones(2, requires_grad=True)
    y = x * 2
    d = y.detach()
    d.add_(1)
    assert y.tolist() == [3.0, 3.0]
    assert y._version == d._version == 1
    assert not d.requires_grad


def test_detach_in_place_cuts_and_refuses_views() -> None:
    x = ng.ones(3, requires_grad=True)
    y = x * 2
    assert y.detach_() is y
    assert y.is_leaf
    with pytest.raises(RuntimeError, match="view"):
        (x * 2)[1:].detach_()


@pytest.mark.parametrize("name", ["is_leaf", "grad_fn", "shape", "dtype"])
def test_read_only_attributes(name) -> None:
    with pytest.raises(AttributeError):
        setattr(ng.ones(2), name, None)


def test_hash_is_identity_and_any_attribute_may_be_set() -> None:
    x = ng.ones(2)
    x.tag = "mine"
    assert x.tag == "mine"
    assert {x: 1}[x] == 1
    assert (x == x.clone()).tolist() == [True, True]


class TestModes:
    def test_no_grad_nests_and_restores_after_an_exception(self) -> None:
        def fail() -> None:
            with ng.no_grad():
                assert not ng.is_grad_enabled()
                with ng.enable_grad():
                    assert ng.is_grad_enabled()
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert ng.is_grad_enabled()

    @pytest.mark.parametrize(
        "make", [ng.no_grad, lambda: ng.no_grad, lambda: ng.set_grad_enabled(mode=False)]
    )
    def test_as_decorator(self, make) -> None:
        @make()
        def double(x: ng.Tensor) -> ng.Tensor:
            return x * 2

        x = ng.ones(2, requires_grad=True)
        assert not double(x).requires_grad
        assert (x * 2).requires_grad

    def test_decorated_generator_is_in_the_mode_only_while_it_runs(self) -> None:
        @ng.no_grad()
        def steps():
            received = yield ng.is_grad_enabled()
            yield (received, ng.is_grad_enabled())

        generator = steps()
        assert next(generator) is False
        assert ng.is_grad_enabled()
        assert generator.send("sent") == ("sent", False)
        assert ng.is_grad_enabled()

    def test_decorated_coroutine(self) -> None:
        @ng.no_grad()
        async def run():
            await asyncio.sleep(0)
            return ng.is_grad_enabled()

        assert asyncio.run(run()) is False
        assert ng.is_grad_enabled()

    def test_set_grad_enabled_works_as_function_and_as_context(self) -> None:
        ng.set_grad_enabled(mode=False)
        try:
            assert not ng.is_grad_enabled()
            with ng.set_grad_enabled(mode=True):
                assert ng.is_grad_enabled()
            assert not ng.is_grad_enabled()
        finally:
            ng.set_grad_enabled(mode=True)

    def test_modes_are_thread_local_and_new_threads_record(self) -> None:
        seen = []
        with ng.no_grad():
            thread = threading.Thread(target=lambda: seen.append(ng.is_grad_enabled()))
            thread.start()
            thread.join()
        assert seen == [True]

    def test_factories_keep_their_flag_under_no_grad(self) -> None:
        with ng.no_grad():
            assert ng.ones(2, requires_grad=True).requires_grad

    def test_backward_works_under_no_grad_and_create_graph_records(self) -> None:
        x = ng.tensor(3.0, requires_grad=True)
        y = x * x * x
        with ng.no_grad():
            (g,) = ng.autograd.grad(y, x, create_graph=True)
        assert g.requires_grad
        assert ng.autograd.grad(g, x)[0].item() == 18.0

    def test_inference_tensors(self) -> None:
        x = ng.ones(2, requires_grad=True)
        with ng.inference_mode():
            y = x * 2
            y.add_(1)
        assert y.is_inference()
        with pytest.raises(RuntimeError, match="_version"):
            _ = y._version
        with pytest.raises(RuntimeError, match="clone"):
            _ = x * y
        with pytest.raises(RuntimeError, match="inference"):
            y.mul_(2)
        with pytest.raises(RuntimeError, match="inference"):
            y.requires_grad_()
        assert (x * y.clone()).requires_grad
        assert (x + y).requires_grad

"""Hooks: what runs when, what it sees, what it may give, and what that does to gradients."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import numgrad as ng


def leaf(*values: float) -> ng.Tensor:
    return ng.tensor(list(values), requires_grad=True)


def test_a_hook_may_look_at_a_gradient_or_replace_it() -> None:
    x = leaf(1.0, 2.0)
    seen: list[Any] = []
    x.register_hook(seen.append)
    x.register_hook(lambda g: g * 10)
    (x * x).sum().backward()
    assert seen[0].tolist() == [2.0, 4.0]
    assert x.grad.tolist() == [20.0, 40.0]


def test_hooks_chain_in_the_order_of_registration() -> None:
    x = leaf(3.0)
    x.register_hook(lambda g: g + 1)
    x.register_hook(lambda g: g * 2)
    x.sum().backward()
    assert x.grad.tolist() == [4.0]


def test_a_removed_hook_does_not_run() -> None:
    x = leaf(3.0)
    handle = x.register_hook(lambda g: g * 100)
    handle.remove()
    with x.register_hook(lambda g: g * 7):
        x.sum().backward()
    x.sum().backward()
    assert x.grad.tolist() == [8.0]


def test_a_hook_of_a_computed_tensor_changes_what_flows_on() -> None:
    x = leaf(2.0)
    y = x * 3
    y.register_hook(lambda g: g * 5)
    y.sum().backward()
    assert x.grad.tolist() == [15.0]


def test_a_hook_runs_once_on_the_sum_of_what_arrives() -> None:
    x = leaf(2.0)
    y = x * 3
    seen: list[Any] = []
    y.register_hook(lambda g: seen.append(g.tolist()))
    (y * y + y).sum().backward()
    assert seen == [[13.0]]


def test_the_walk_does_not_overwrite_what_a_hook_has_seen() -> None:
    x = leaf(1.0, 2.0)
    y = ng.exp(x)
    z = ng.sin(y)
    kept: list[Any] = []
    y.register_hook(kept.append)
    ng.tanh(z).sum().backward()
    expected = np.cos(np.exp(x.detach().numpy())) * (1 - np.tanh(z.detach().numpy()) ** 2)
    np.testing.assert_allclose(kept[0].numpy(), expected, rtol=1e-14)


def test_order_of_hooks() -> None:
    x = leaf(2.0)
    y = x * x
    calls: list[str] = []
    y.register_hook(lambda _: calls.append("tensor"))
    y.grad_fn.register_prehook(lambda _: calls.append("prehook"))
    y.grad_fn.register_hook(lambda *_: calls.append("node"))
    x.register_hook(lambda _: calls.append("leaf"))
    x.register_post_accumulate_grad_hook(lambda t: calls.append(f"filled {t.grad.tolist()}"))
    y.sum().backward()
    assert calls == ["tensor", "prehook", "node", "leaf", "filled [4.0]"]


def test_hooks_of_nodes_replace_gradients() -> None:
    x, w = leaf(2.0), leaf(5.0)
    y = x * w
    y.grad_fn.register_prehook(lambda grads: (grads[0] * 2,))
    y.grad_fn.register_hook(lambda inputs, _: (inputs[0] + 1, inputs[1]))
    y.sum().backward()
    assert (x.grad.tolist(), w.grad.tolist()) == ([11.0], [4.0])


def test_retain_grad_holds_the_value_after_all_hooks() -> None:
    x = leaf(2.0)
    y = x * 3
    y.retain_grad()
    y.register_hook(lambda g: g * 5)
    y.sum().backward()
    assert y.grad.tolist() == [5.0]


def test_what_a_hook_computes_is_recorded_under_create_graph() -> None:
    x = leaf(2.0)
    y = x * x
    y.register_hook(lambda g: g * x)
    (first,) = ng.autograd.grad(y.sum(), x, create_graph=True)
    (second,) = ng.autograd.grad(first.sum(), x)
    assert first.tolist() == [8.0]  # 2 x * x
    assert second.tolist() == [8.0]  # 4 x


def test_a_hook_registered_before_a_write_sees_the_gradient_of_the_old_value() -> None:
    x = leaf(2.0)
    y = x * 3
    seen: list[Any] = []
    y.register_hook(lambda g: seen.append(("old", g.tolist())))
    y.mul_(10.0)
    y.register_hook(lambda g: seen.append(("new", g.tolist())))
    y.sum().backward()
    assert seen == [("new", [1.0]), ("old", [10.0])]


def test_hooks_run_with_ops_that_give_tensors() -> None:
    x = leaf(1.0)
    kinds: list[type] = []
    x.register_hook(lambda _: kinds.append(type(ng.exp(np.ones(2)))))
    x.sum().backward()
    assert kinds == [ng.Tensor]


@pytest.mark.parametrize(
    ("given", "error"),
    [("text", TypeError), (ng.ones(3), RuntimeError), (ng.ones(2, dtype=ng.float32), RuntimeError)],
)
def test_what_a_hook_must_not_give(given: Any, error: type[Exception]) -> None:
    x = leaf(1.0, 2.0)

    def my_hook(_: Any) -> Any:
        return given

    x.register_hook(my_hook)
    with pytest.raises(error, match="my_hook"):
        x.sum().backward()
    assert x.grad is None


def test_a_node_hook_must_give_one_gradient_an_input() -> None:
    x = leaf(1.0)
    y = x * x
    y.grad_fn.register_hook(lambda inputs, _: (*inputs, None))
    with pytest.raises(RuntimeError, match="3"):
        y.sum().backward()


def test_hooks_need_tensors_that_require_grad() -> None:
    with pytest.raises(RuntimeError, match="requires_grad_"):
        ng.ones(2).register_hook(print)
    with pytest.raises(RuntimeError, match="leaf"):
        (leaf(1.0) * 2).register_post_accumulate_grad_hook(print)


def test_threads_lose_no_gradient_of_a_shared_leaf() -> None:
    x = leaf(*map(float, range(1, 101)))

    def work() -> None:
        for _ in range(50):
            (x * 1.0).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert x.grad.tolist() == [200.0] * 100

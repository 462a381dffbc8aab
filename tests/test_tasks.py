"""Tasks of asyncio: each has modes of its own, begins with those of who made it, and keeps them."""

from __future__ import annotations

import asyncio
import gc

import numpy as np
import pytest

import numgrad as ng
from numgrad import interception, saved, tape
from numgrad.autograd import forward_ad, graph, set_detect_anomaly


def leaf(value=0.0):
    return ng.tensor(value, requires_grad=True)


def is_packed() -> bool:
    (value,) = leaf().exp().grad_fn.saved
    return isinstance(value, saved.Packed)


def may_be_overwritten() -> bool:
    y = leaf() * 1.0
    z = y * y
    with ng.no_grad():
        y.add_(1.0)
    try:
        z.backward()
    except RuntimeError:
        return False
    return True


def is_disabled() -> bool:
    try:
        with graph.saved_tensors_hooks(lambda t: t, lambda t: t):
            return False
    except RuntimeError:
        return True


def has_a_level() -> bool:
    try:
        dual = forward_ad.make_dual(ng.tensor(2.0), ng.tensor(1.0))
    except RuntimeError:
        return False
    return forward_ad.unpack_dual(dual * dual).tangent.item() == 4.0


def finds_nan() -> bool:
    y = leaf() * 1.0
    try:
        (ng.sqrt(y) - ng.sqrt(y)).backward()
    except RuntimeError:
        return ng.autograd.is_anomaly_enabled()
    return False


def is_strict() -> bool:
    x = leaf()
    (x * 0.0).sqrt().backward()
    return bool(np.isnan(x.grad.item()))


# What enters a mode, and what tells whether it holds.
MODES = {
    "no_grad": (ng.no_grad, lambda: not (leaf() * 2).requires_grad),
    "set_grad_enabled": (lambda: ng.set_grad_enabled(False), lambda: not ng.is_grad_enabled()),
    "inference_mode": (ng.inference_mode, ng.is_inference_mode_enabled),
    "strict_ieee": (ng.autograd.strict_ieee, is_strict),
    "dual_level": (forward_ad.dual_level, has_a_level),
    "saved_tensors_hooks": (
        lambda: graph.saved_tensors_hooks(lambda t: t.tolist(), ng.tensor),
        is_packed,
    ),
    "save_compressed": (lambda: graph.save_compressed(min_bytes=0), is_packed),
    "mutation": (graph.allow_mutation_on_saved_tensors, may_be_overwritten),
    "disabled hooks": (lambda: graph.disable_saved_tensors_hooks("no"), is_disabled),
    "anomaly": (lambda: set_detect_anomaly(True), finds_nan),
}
# One context manager that all tasks enter.
_no_grad, _strict, _level = ng.no_grad(), ng.autograd.strict_ieee(), forward_ad.dual_level()
_compressed = graph.save_compressed(min_bytes=0)
SHARED = {
    "one no_grad": (lambda: _no_grad, MODES["no_grad"][1]),
    "one strict_ieee": (lambda: _strict, is_strict),
    "one dual_level": (lambda: _level, has_a_level),
    "one save_compressed": (lambda: _compressed, is_packed),
}

pytestmark = pytest.mark.filterwarnings("ignore:Error detected:UserWarning")


@pytest.mark.parametrize(("enter", "holds"), (MODES | SHARED).values(), ids=[*MODES, *SHARED])
def test_two_tasks_interleave(enter, holds) -> None:
    """Each sees its own mode alone, also where they leave in the order in which they came."""

    async def first(turn):
        found = [holds()]
        with enter():
            await turn.wait()
            found.append(holds())
            await turn.wait()  # the second is inside, too
            found.append(holds())
        await turn.wait()  # the second is inside alone
        return [*found, holds()]

    async def second(turn):
        await turn.wait()  # the first is inside
        found = [holds()]
        with enter():
            await turn.wait()
            found.append(holds())
            await turn.wait()  # the first has left
            found.append(holds())
        return [*found, holds()]

    async def both():
        turn = asyncio.Barrier(2)
        return await asyncio.gather(first(turn), second(turn))

    assert asyncio.run(both()) == [[False, True, True, False], [False, True, True, False]]
    assert not holds()
    nobody_is_in_a_mode()


def nobody_is_in_a_mode() -> None:
    set_detect_anomaly(False)
    assert vars(tape.Node)["saved"] is saved._slot
    assert not interception._observers


@pytest.mark.parametrize("name", sorted(set(MODES) - {"dual_level", "disabled hooks"}))
def test_a_task_keeps_what_it_was_made_with(name) -> None:
    enter, holds = MODES[name]

    async def child(left):
        before = holds()
        await left.wait()
        return before, holds()

    async def parent():
        left = asyncio.Event()
        with enter():
            task = asyncio.create_task(child(left))
        assert not holds()
        left.set()
        found = await task
        return found, holds()

    assert asyncio.run(parent()) == ((True, True), False)
    gc.collect()  # the loop holds tasks in cycles
    nobody_is_in_a_mode()


def test_a_level_ends_for_the_tasks_that_were_made_in_it() -> None:
    async def child(left):
        dual = forward_ad.make_dual(ng.tensor(2.0), ng.tensor(1.0))
        await left.wait()
        assert forward_ad.unpack_dual(dual).tangent is None
        with pytest.raises(RuntimeError, match="has ended"):
            forward_ad.make_dual(ng.tensor(2.0), ng.tensor(1.0))
        with forward_ad.dual_level():
            return has_a_level()

    async def parent():
        left = asyncio.Event()
        with forward_ad.dual_level():
            task = asyncio.create_task(child(left))
            await asyncio.sleep(0)
        left.set()
        return await task

    assert asyncio.run(parent())


def test_tangents_of_two_tasks_do_not_mix() -> None:
    async def derivative(turn, x, times):
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(ng.tensor(x), ng.tensor(1.0))
            for _ in range(times):
                dual = dual * x
                await turn.wait()
            return forward_ad.unpack_dual(dual).tangent.item()

    async def both():
        turn = asyncio.Barrier(2)
        return await asyncio.gather(derivative(turn, 2.0, 3), derivative(turn, 3.0, 3))

    assert asyncio.run(both()) == [8.0, 27.0]


def test_a_thread_that_a_task_asks_has_its_modes() -> None:
    async def ask():
        with ng.no_grad():
            return await asyncio.to_thread(ng.is_grad_enabled)

    assert asyncio.run(ask()) is False


def test_a_generator_that_is_closed_elsewhere_leaves_that_place_alone() -> None:
    def steps():
        with ng.no_grad():
            yield

    async def begin(generator):
        next(generator)

    async def all_of_it():
        generator = steps()
        await asyncio.create_task(begin(generator))
        generator.close()
        return ng.is_grad_enabled()

    assert asyncio.run(all_of_it())


def test_gradients_of_many_tasks_in_one_leaf() -> None:
    x = leaf(3.0)

    async def add(k):
        y = x * k
        await asyncio.sleep(0)
        y.backward()

    async def all_of_them():
        await asyncio.gather(*map(add, range(10)))

    asyncio.run(all_of_them())
    assert x.grad.item() == 45.0

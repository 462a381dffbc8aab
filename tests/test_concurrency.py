"""Many threads, many tasks, many processes: each has modes of its own, and gradients are right."""

from __future__ import annotations

import functools
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import numgrad as ng
from numgrad import interception, saved, tape
from numgrad.autograd import forward_ad, graph
from numgrad.utils.checkpoint import checkpoint

WORKERS = 6


@pytest.fixture
def _restless():
    """Threads are switched as often as can be, so that races that there are happen."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(*functions):
    """What functions give that begin at the same moment, each in a thread; or what they raise."""
    start = threading.Barrier(len(functions))

    def run(function):
        start.wait()
        try:
            return function()
        except RuntimeError as error:
            return error

    with ThreadPoolExecutor(len(functions)) as threads:
        return [f.result() for f in [threads.submit(run, function) for function in functions]]


def leaf(*values):
    return ng.tensor(values, requires_grad=True)


def several(x):
    """Something computed by elementwise ops, structural ops, views and broadcasts."""
    y = ng.tanh(x * x + 1.0)
    z = (y[1:] * x[:-1]).exp().sum() + (ng.stack([y, x]) @ x).prod()
    return z + ng.softmax(y, dim=0).max() + y.reshape(-1, 1).expand(-1, 3).mean()


class Squared(ng.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g


# Graphs from a leaf to a scalar, that save values in all the ways there are.
GRAPHS = {
    "ops": several,
    "a long chain": lambda x: ng.stack([x] * 20).cumprod(dim=0).sin().sum(),
    "checkpoints": lambda x: checkpoint(lambda x: checkpoint(several, x) * x.sum(), x),
    "a custom function": lambda x: Squared.apply(Squared.apply(x)).sum(),
    "packed values": lambda x: _packed(several, x),
    "a derivative": lambda x: ng.autograd.grad(several(x), x, create_graph=True)[0].sum(),
    "a transform": lambda x: ng.vmap(ng.grad(several))(ng.stack([x, x * 2])).sum(),
    "hooks": lambda x: _hooked(x * 1.0).sum(),
}


def _packed(function, x):
    with graph.saved_tensors_hooks(lambda t: t.tolist(), ng.tensor):
        return function(x)


def _hooked(y):
    y.register_hook(lambda g: g * 2)
    y.grad_fn.register_prehook(lambda g: (g[0] * 3,))
    return y * y


@pytest.mark.usefixtures("_restless")
class TestThreads:
    @pytest.mark.parametrize("make", GRAPHS.values(), ids=GRAPHS)
    def test_each_with_a_graph_of_its_own(self, make) -> None:
        def gradient():
            x = leaf(0.5, 1.5, -0.25, 2.0)
            (first,) = ng.autograd.grad(make(x), x)
            make(x).backward()
            assert x.grad.tolist() == first.tolist()
            return first.tolist()

        alone = gradient()
        assert together(*[gradient] * WORKERS) == [alone] * WORKERS

    @pytest.mark.parametrize("make", GRAPHS.values(), ids=GRAPHS)
    def test_one_graph_that_is_kept(self, make) -> None:
        x = leaf(0.5, 1.5, -0.25, 2.0)
        y = make(x)
        (alone,) = ng.autograd.grad(y, x, retain_graph=True)
        found = together(*[lambda: ng.autograd.grad(y, x, retain_graph=True)[0]] * WORKERS)
        assert [g.tolist() for g in found] == [alone.tolist()] * WORKERS

    def test_one_leaf_loses_nothing(self) -> None:
        x = leaf(1.0, 2.0)
        together(*[lambda: [(x * x).sum().backward() for _ in range(20)]] * WORKERS)
        assert x.grad.tolist() == [2.0 * 20 * WORKERS, 4.0 * 20 * WORKERS]

    @pytest.mark.parametrize("make", GRAPHS.values(), ids=GRAPHS)
    def test_one_graph_that_is_freed_by_the_first(self, make) -> None:
        """Who comes too late is told so; `.grad` has what the others gave, whole."""
        for _ in range(5):
            x = leaf(1.0, 2.0, 0.0, -1.0)
            y = make(x)
            (alone,) = ng.autograd.grad(y, x, retain_graph=True)
            results = together(*[y.backward] * WORKERS)
            errors = [e for e in results if e is not None]
            assert len(errors) < WORKERS
            for error in errors:
                assert "retain_graph=True" in str(error)
            expected = sum([alone.numpy()] * (WORKERS - len(errors)))
            np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-12)
            np.testing.assert_array_equal(x.detach().numpy(), [1.0, 2.0, 0.0, -1.0])

    def test_losses_that_share_a_part(self) -> None:
        for _ in range(5):
            x = leaf(1.0, 2.0)
            shared = (x.exp() * x).sin()
            results = together((shared * 2).sum().backward, (shared * 3).sum().backward)
            errors = [e for e in results if e is not None]
            assert all("retain_graph=True" in str(e) for e in errors)
            (alone,) = ng.autograd.grad((x.exp() * x).sin().sum(), x)
            factor = sum(f for f, e in zip((2, 3), results, strict=True) if e is None)
            if factor:
                np.testing.assert_allclose(x.grad.numpy(), factor * alone.numpy(), rtol=1e-12)
            else:
                assert x.grad is None

    def test_derivatives_of_a_shared_graph(self) -> None:
        x = leaf(0.5, 2.0)
        y = (x**3).sum()

        def second():
            (first,) = ng.autograd.grad(y, x, create_graph=True)
            return ng.autograd.grad(first.sum(), x)[0].tolist()

        assert together(*[second] * WORKERS) == [[3.0, 12.0]] * WORKERS

    def test_modes_are_those_of_the_thread(self) -> None:
        turn = threading.Barrier(2)
        x = leaf(3.0)

        def inside():
            with ng.no_grad(), forward_ad.dual_level(), ng.autograd.strict_ieee():
                turn.wait()
                turn.wait()
                return ng.is_grad_enabled()

        def outside():
            turn.wait()
            found = ng.is_grad_enabled(), (x * 2).requires_grad
            with pytest.raises(RuntimeError, match="inside a level"):
                forward_ad.make_dual(x, x)
            turn.wait()
            return found

        assert together(inside, outside) == [False, (True, True)]

    def test_one_mode_may_be_entered_by_all(self) -> None:
        """Each leaves it to what was before there, in whatever order they leave."""
        modes = [ng.no_grad(), ng.autograd.strict_ieee(), ng.inference_mode(), ng.enable_grad()]
        turns = [threading.Event() for _ in range(4)]

        def first():
            for mode in modes:
                with ng.enable_grad(), mode:
                    pass
            with modes[0]:
                turns[0].set()
                turns[1].wait()
            turns[2].set()
            return ng.is_grad_enabled()

        def second():
            turns[0].wait()
            with ng.no_grad():
                with modes[0]:
                    turns[1].set()
                    turns[2].wait()
                return ng.is_grad_enabled()

        assert together(first, second) == [True, False]

    def test_hooks_that_come_at_once_all_come(self) -> None:
        for _ in range(10):
            x = leaf(1.0)
            y = x * 2
            seen = []

            def register(x=x, y=y, seen=seen):
                for t in (x, y):
                    t.register_hook(lambda _: seen.append(1))
                y.grad_fn.register_hook(lambda *_: seen.append(1))
                y.grad_fn.register_prehook(lambda *_: seen.append(1))

            together(*[register] * WORKERS)
            y.backward()
            assert len(seen) == 4 * WORKERS

    def test_what_shares_memory_shares_one_counter(self) -> None:
        for _ in range(20):
            x = leaf(1.0, 2.0) * 1.0
            takes = ng.Tensor.detach, lambda t: t[0], lambda t: t.view(2, 1)
            views = together(*[functools.partial(take, x) for take in takes])
            assert len({id(t._counter) for t in (x, *views)}) == 1

    def test_packing_is_left_to_who_asked_for_it(self) -> None:
        def packing():
            packed = []
            for _ in range(30):
                x = leaf(1.0)
                with graph.saved_tensors_hooks(functools.partial(noting, packed), lambda t: t):
                    y = x.exp()
                y.backward()
            return len(packed)

        def not_packing():
            for _ in range(60):
                y = leaf(1.0).exp()
                assert type(y.grad_fn.saved[0]) is np.ndarray
                y.backward()
            return 0

        assert together(packing, not_packing, packing, not_packing) == [30, 0, 30, 0]
        assert vars(tape.Node)["saved"] is saved._slot

    def test_anomalies_are_looked_for_by_who_asked_for_it(self) -> None:
        x = leaf(0.0)

        def looking():
            for _ in range(5):
                y = x * 1.0
                with pytest.raises(RuntimeError, match="returned nan"), watched():
                    (ng.sqrt(y) - ng.sqrt(y)).backward(create_graph=True)

        def not_looking():
            for _ in range(20):
                y = x * 1.0
                (g,) = ng.autograd.grad(ng.sqrt(y) - ng.sqrt(y), x, create_graph=True)
                assert np.isnan(g.item())

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            found = together(looking, not_looking, looking, not_looking)
        assert found == [None] * 4
        assert not interception._observers
        assert not interception._own_code

    def test_pulls_of_plans_are_restored(self) -> None:
        """Walks that are looked at and others have the same plans."""
        x = leaf(0.5, 1.5, -0.25, 2.0)

        def looking():
            with ng.autograd.set_detect_anomaly(True):
                several(x).backward(create_graph=True)

        def not_looking():
            several(x).backward()

        together(*[looking, not_looking] * 3)
        assert not interception._watched
        y = several(x)
        nodes, seen = [y.grad_fn], set()
        while nodes:
            node = nodes.pop()
            if isinstance(node, tape.Node) and node not in seen:
                seen.add(node)
                pulls = [getattr(node.plan, name) for name in interception._PULLS]
                assert not any("looking" in repr(p) or "_watch" in repr(p) for p in pulls)
                nodes += [n for n, _ in node.next_functions]

    def test_first_uses_at_once(self) -> None:
        """An op of one's own, whose kernels nobody has loaded yet."""

        @ng.elementwise
        def cubed(x):
            return x * x * x

        def use():
            x = leaf(2.0, 3.0)
            cubed(x).sum().backward()
            return x.grad.tolist()

        assert together(*[use] * WORKERS) == [[12.0, 27.0]] * WORKERS

    def test_a_compiled_function_is_first_called_by_all_at_once(self) -> None:
        gradient = ng.grad(energy)

        def use():
            x = leaf(2.0, -1.0)
            energy(x).backward()
            return x.grad.tolist(), gradient(np.array([1.0, 2.0])).tolist()

        assert together(*[use] * WORKERS) == [([12.0, 0.0], [3.0, 12.0])] * WORKERS


def noting(seen, t):
    seen.append(t)
    return t


@ng.njit
def energy(x):
    total = 0.0
    for k in range(len(x)):
        if x[k] > 0.0:
            total += x[k] ** 3
    return total


def watched():
    return ng.autograd.set_detect_anomaly(True)


def gradients_of_a_network():
    """Bits of the gradients of what is large enough for several threads."""
    rng = np.random.default_rng(0)

    def made(*shape):
        return ng.tensor(rng.standard_normal(shape), requires_grad=True)

    x, w, v, b = made(700, 301), made(301, 400), made(400, 257), made(257)
    h = ng.nn.functional.layer_norm(ng.tanh(x @ w), (400,))
    y = ng.nn.functional.gelu(h @ v + b).cumsum(dim=0) * 0.01
    classes = ng.tensor(rng.integers(0, 257, 700))
    loss = (
        ng.nn.functional.cross_entropy(y, classes) + ng.softmax(y, dim=1).std() + y[:, ::2].amax()
    )
    return [g.numpy().tobytes() for g in ng.autograd.grad(loss, (x, w, v, b))]


def test_the_number_of_threads_changes_no_bit() -> None:
    before = ng.get_num_threads()
    try:
        found = []
        for count in (1, 2, 3, 5):
            ng.set_num_threads(count)
            found.append(gradients_of_a_network())
        found += together(gradients_of_a_network, gradients_of_a_network)
    finally:
        ng.set_num_threads(before)
    assert all(f == found[0] for f in found)

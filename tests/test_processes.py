"""Gradients in processes that are forked and spawned after the parent has computed some."""

from __future__ import annotations

import multiprocessing
import os
import pickle

import numpy as np
import pytest

import numgrad as ng
from numgrad import return_types
from numgrad.autograd import forward_ad, graph
from tests.processes import run

METHODS = [m for m in ("fork", "spawn") if m in multiprocessing.get_all_start_methods()]
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")


def gradients(x):
    """Gradients in all modes, with work for several threads, as bits."""
    large = ng.tensor(np.linspace(-1.0, 1.0, 300_007), requires_grad=True)
    (ng.tanh(large * 0.5) * ng.exp(-large)).sum().backward()
    (first,) = ng.autograd.grad((x**3).sum(), x, create_graph=True)
    first.sum().backward()
    with graph.saved_tensors_hooks(lambda t: t.tolist(), ng.tensor):
        (packed,) = ng.autograd.grad((x.exp() * x).sum(), x)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x.detach(), ng.ones_like(x))
        tangent = forward_ad.unpack_dual(ng.sin(dual)).tangent
    batch = ng.vmap(ng.grad(lambda x: (x * x).sum()))(x.detach().reshape(-1, 1))
    with ng.autograd.set_detect_anomaly(True):
        product = ng.autograd.grad((x @ x).log(), x)[0]
    assert first.requires_grad
    found = large.grad, x.grad, packed, tangent, batch, product
    return [t.detach().numpy().tobytes() for t in found]


def leaf():
    return ng.tensor([0.5, 2.0, -1.5], requires_grad=True)


def doubled(x):
    return x * 2


def refused(x):
    return x.reshape(5, 5)


def described(x):
    return x.requires_grad, x.grad, x.is_leaf, x.dtype, type(x).__name__, getattr(x, "tag", None)


@ng.njit
def norm_of(x):
    total = 0.0
    for k in range(len(x)):
        total += x[k] * x[k]
    return total


@pytest.fixture(scope="module", params=METHODS)
def worker(request):
    """A process that begins when its parent has used all there is."""
    before = ng.get_num_threads()
    ng.set_num_threads(2)
    gradients(leaf())
    with multiprocessing.get_context(request.param).Pool(1) as pool:
        yield pool
        gradients(leaf())
    ng.set_num_threads(before)


class TestChildren:
    def test_compute_the_same_bits(self, worker) -> None:
        assert worker.apply(gradients, (leaf(),)) == gradients(leaf())
        assert worker.apply(gradients, (leaf(),)) == gradients(leaf())

    def test_get_leaves_and_give_leaves(self, worker) -> None:
        x = leaf()
        x.tag = "mine"
        x.register_hook(lambda g: g)
        (x * x).sum().backward()
        assert worker.apply(described, (x,)) == (True, None, True, ng.float64, "Tensor", "mine")
        p = ng.nn.Parameter(ng.ones(2, dtype=ng.float32))
        assert worker.apply(described, (p,))[3:] == (ng.float32, "Tensor", None)
        assert isinstance(worker.apply(ng.nn.Parameter, (ng.ones(2),)), ng.nn.Parameter)
        assert worker.apply(doubled, (x.detach(),)).tolist() == [1.0, 4.0, -3.0]

    def test_do_not_drop_a_history(self, worker) -> None:
        with pytest.raises(RuntimeError, match=r"detach\(\) it first"):
            worker.apply(doubled, (leaf() * 1,))
        with pytest.raises(multiprocessing.pool.MaybeEncodingError, match=r"detach\(\) it first"):
            worker.apply(doubled, (leaf(),))

    def test_call_functions_by_name(self, worker) -> None:
        x = ng.tensor([0.0, 1.0])
        for function in (ng.exp, ng.where, ng.sum, ng.Tensor.exp, ng.nn.functional.relu):
            arguments = (x > 0, x, 1.0) if function is ng.where else (x,)
            result = worker.apply(function, arguments)
            np.testing.assert_array_equal(result.numpy(), function(*arguments).numpy())
        assert worker.apply(norm_of, (np.array([3.0, 4.0]),)) == 25.0

    def test_give_named_tuples_and_errors(self, worker) -> None:
        result = worker.apply(ng.Tensor.max, (ng.tensor([1.0, 3.0]), 0))
        assert type(result) is return_types.max
        assert result.indices.item() == 1
        with pytest.raises(ng.errors.ShapeError, match="reshape"):
            worker.apply(refused, (ng.ones(3),))


NAMED = {
    "sort": lambda: ng.tensor([2.0, 1.0]).sort(dim=0),
    "min": lambda: ng.tensor([2.0, 1.0]).min(dim=0),
    "qr": lambda: ng.linalg.qr(ng.eye(2)),
    "svd": lambda: ng.linalg.svd(ng.eye(2)),
    "eigh": lambda: ng.linalg.eigh(ng.eye(2)),
    "slogdet": lambda: ng.linalg.slogdet(ng.eye(2)),
}


@pytest.mark.parametrize("make", NAMED.values(), ids=NAMED)
def test_named_tuples_are_pickled(make) -> None:
    result = make()
    again = pickle.loads(pickle.dumps(result))  # noqa: S301 - its own bytes
    assert type(again) is type(result)
    assert repr(again) == repr(result)


@pytest.mark.parametrize("name", sorted(set(ng.__all__)))
def test_public_functions_are_pickled_by_name(name) -> None:
    value = getattr(ng, name)
    if callable(value):
        assert pickle.loads(pickle.dumps(value)) is value  # noqa: S301 - its own bytes


# Threads are in the midst of all that takes a lock when the process forks.
FORKS = """
import os, threading, warnings
import numgrad as ng
from numgrad.autograd import graph, set_detect_anomaly
warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
x = ng.tensor([1.0, 2.0], requires_grad=True)
def backward(x=x):
    (x * x).sum().backward()
def pack():
    with graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        backward(ng.tensor([1.0, 2.0], requires_grad=True))
def look():
    with set_detect_anomaly(True):
        backward(ng.tensor([1.0, 2.0], requires_grad=True))
def draw():
    ng.manual_seed(0)
    ng.rand(100)
def measure():
    try:
        with ng.profile():
            backward()
    except RuntimeError:
        pass  # another one measures
tasks = backward, pack, look, draw, measure
for task in tasks: task()
done = threading.Event()
def work(task):
    while not done.is_set():
        task()
threads = [threading.Thread(target=work, args=(task,)) for task in tasks]
for thread in threads: thread.start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        for task in tasks: task()
        x.grad = None
        backward()
        os._exit(x.grad.tolist() != [2.0, 4.0])
    print(os.waitpid(child, 0)[1])
done.set()
for thread in threads: thread.join()
"""


@forks
def test_forks_while_threads_hold_locks() -> None:
    assert run(FORKS, os.environ["NUMGRAD_CACHE_DIR"]) == ["0"] * 20


COMPILING = """
import os, threading, warnings
import numba
import numpy as np
import numgrad as ng
from tests.test_processes import norm_of
warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
a = np.array([3.0, 4.0])
norm_of(a)
def work():
    started.set()
    numba.njit(lambda x: x + 1)(1.0)
for _ in range(2):
    started = threading.Event()
    thread = threading.Thread(target=work)
    thread.start()
    started.wait()
    child = os.fork()
    if child == 0:
        os._exit(norm_of(a.astype(np.float32)) != 25.0)
    print(os.waitpid(child, 0)[1])
    thread.join()
"""


@forks
def test_forks_while_numba_compiles() -> None:
    assert run(COMPILING, os.environ["NUMGRAD_CACHE_DIR"]) == ["0"] * 2


HOOKS = """
import os, sys, threading
import numgrad as ng
x = ng.tensor(1.0, requires_grad=True)
def fork(_):
    child = os.fork()
    if child == 0:
        y = ng.tensor(3.0, requires_grad=True)
        with ng.enable_grad():
            (y * y).backward()
        os._exit(y.grad.item() != 6.0)
    print(os.waitpid(child, 0)[1], flush=True)
x.register_hook(fork)
x.register_post_accumulate_grad_hook(fork)
(x * x).backward()
print(x.grad.item())
"""


@forks
def test_a_fork_in_the_middle_of_a_walk() -> None:
    assert run(HOOKS, os.environ["NUMGRAD_CACHE_DIR"]) == ["0", "0", "2.0"]

"""Kernels with much to do use several threads; nobody can tell from the results."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest

import numgrad as ng
from numgrad.kernels import build, cost, cpu, division, pool, rows
from numgrad.optim import update
from tests.kernel_texts import elementwise, source
from tests.processes import run

pytestmark = pytest.mark.skipif(not pool.is_possible(), reason="no POSIX threads")
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")

STORE = os.environ["NUMGRAD_CACHE_DIR"]
N = 300_007  # enough for five threads; not a multiple of a block, a vector, a line
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((2, 3 * N))


@pytest.fixture(autouse=True)
def _threads():
    """The number of threads is as it was after each test."""
    before = ng.get_num_threads()
    ng.set_num_threads(2)
    pool.load()
    yield
    ng.set_num_threads(before)


def shared(function, *arguments, **options):
    """A result, and how many calls of loops shared their work to get it."""
    before = pool._word(pool._memory(), pool.CALL).value
    result = function(*arguments, **options)
    return result, pool._word(pool._memory(), pool.CALL).value - before


def half(x):
    return x.astype(np.float32)


# Types, an expression, and arguments.
ELEMENTWISE = {
    "product": ("dd->d", "x0 * x1", (X[:N], Y[:N])),
    "function": ("d->d", "math.exp(x0)", (X[:N],)),
    "library call": ("d->d", "math.lgamma(x0)", (X[:N],)),
    "float32": ("ff->f", "x0 * x1 + x0", (half(X[: 2 * N]), half(Y[: 2 * N]))),
    "comparison": ("dd->?", "x0 < x1", (X[:N], Y[:N])),
    "condition": ("?dd->d", "x1 if x0 else x2", (X[:N] > 0, X[:N], Y[:N])),
    "integers": ("ll->l", "x0 * x1", (np.arange(N), np.arange(N)[::-1])),
    "two results": ("dd->dd", "x0 * x1;x0 - x1", (X[:N], Y[:N])),
    "strided": ("dd->d", "x0 * x1", (X[::3], Y[1::3])),
    "reversed": ("dd->d", "x0 * x1", (X[N::-1], Y[: N + 1])),
    "first constant": ("dd->d", "x0 * x1", (X[0], Y[:N])),
    "second constant": ("dd->d", "x0 / x1", (X[:N], Y[0])),
    "a matrix": (
        "dd->d",
        "x0 * x1",
        (X[: 600 * 501].reshape(600, 501), X[: 600 * 501].reshape(600, 501)),
    ),
    "Fortran order": ("d->d", "x0 * x0", (X[: 600 * 501].reshape(600, 501).T,)),
}


def everything(result):
    """The bits of a result, or of several."""
    results = result if isinstance(result, tuple) else (result,)
    return [(r.dtype, r.shape, r.tobytes()) for r in results]


def with_threads(count, function, *arguments, **options):
    ng.set_num_threads(count)
    result, calls = shared(function, *arguments, **options)
    assert calls == (count > 1)
    return everything(result)


@pytest.mark.parametrize("case", ELEMENTWISE.values(), ids=ELEMENTWISE)
def test_elements_have_the_same_bits_with_any_number_of_threads(case):
    types, expression, arguments = case
    f = elementwise(expression, types)
    alone = with_threads(1, f, *arguments)
    for count in (2, 3, 5):
        assert with_threads(count, f, *arguments) == alone


@pytest.mark.parametrize("shape", [(2, N // 2), (499, 1201), (100_003, 7)])
@pytest.mark.parametrize("name", ["sum", "logsumexp", "softmax", "log_softmax", "cumsum"])
def test_rows_have_the_same_bits_with_any_number_of_threads(name, shape):
    f = rows.kernel(name, "d")
    x = X[: shape[0] * shape[1]].reshape(shape)
    ng.set_num_threads(1)
    alone = everything(f(x))
    for count in (2, 3, 5):
        ng.set_num_threads(count)
        result, calls = shared(f, x)
        assert everything(result) == alone
        assert calls == 1


def test_one_row_is_not_divided():
    assert shared(rows.kernel("sum", "d"), X)[1] == 0


def test_two_rows_of_arguments_are_shared():
    f = rows.kernel("softmax_vjp", "d")
    g, y = X[: 499 * 1201].reshape(499, 1201)[:, ::-1], Y[: 499 * 1201].reshape(499, 1201)
    assert with_threads(3, f, g, y) == with_threads(1, f, g, y)


@pytest.mark.parametrize("places", [(0, 0), (0, 1), (1, 0)])
def test_results_may_go_where_an_input_is(places):
    f = elementwise("x0 * x1 + x0")
    expected = X[:N] * Y[:N] + X[:N]
    arguments = [X[:N].copy(), Y[:N].copy()]
    _, calls = shared(f, *arguments, out=arguments[places[0]])
    assert calls == 1
    np.testing.assert_array_equal(arguments[places[0]], expected)


def test_what_depends_on_its_neighbours_is_not_divided():
    f = elementwise("x0 - x1")
    for function, reference in (
        (f.accumulate, np.subtract.accumulate),
        (f.reduce, np.subtract.reduce),
    ):
        result, calls = shared(function, X)
        assert calls == 0
        np.testing.assert_array_equal(result, reference(X))
    x = X.copy()
    f(x[:-1], Y[1:], out=x[1:])  # NumPy copies
    np.testing.assert_array_equal(x[1:], X[:-1] - Y[1:])


def test_a_result_that_rows_share_is_not_divided():
    total = """
def loop(args, dims, steps, data):
    for k in range(dims[0]):
        v = load_f8(args[0], k * steps[0]) + load_f8(args[1], k * steps[1])
        store_f8(args[1], k * steps[1], v)
"""
    add_to = build.kernel("add_to", total, "d->d", "()->()")
    out = np.zeros(1)
    ones = np.ones(N)
    _, calls = shared(add_to, ones, out=np.lib.stride_tricks.as_strided(out, (N,), (0,)))
    assert calls == 0
    assert out == N


def test_little_work_is_done_alone():
    assert shared(elementwise("x0 * x1"), X[:1000], Y[:1000])[1] == 0


def test_a_step_of_an_optimizer_is_shared_along_the_parameter():
    def after(count):
        ng.set_num_threads(count)
        p = ng.tensor(X[:N].copy(), requires_grad=True)
        optimizer = ng.optim.Adam([p], lr=0.1)
        p.grad = ng.tensor(Y[:N])
        optimizer.step()
        _, calls = shared(optimizer.step)
        assert calls == (count > 1)
        return p.detach().numpy().tobytes()

    assert after(1) == after(2) == after(5)
    columns = np.asfortranarray(X[: 499 * 1201].reshape(499, 1201))[::2]
    one = update.Update("scaled", (), ("a",), ("p = p * a + g",))
    expected = columns * 3 + 1
    one.run(columns, np.ones_like(columns), [], [3.0])
    np.testing.assert_array_equal(columns, expected)


def test_gradients_are_the_same():
    def gradients(count):
        ng.set_num_threads(count)
        x = ng.tensor(X[:N], requires_grad=True)
        w = ng.tensor(Y[:N], requires_grad=True)
        (ng.tanh(x * w + 0.5) * ng.exp(-x)).sum().backward()
        return x.grad.numpy().tobytes(), w.grad.numpy().tobytes()

    assert gradients(1) == gradients(2) == gradients(4)


@pytest.mark.skipif(not cpu.is_x86_64(), reason="a register of x86-64")
def test_threads_compute_as_their_caller():
    from numgrad.kernels import jit, link, words

    def keep(address):
        words.read_arithmetic(address)
        return 0

    def change(address):
        words.write_arithmetic(address)
        return 0

    code = jit.compile_functions({"test_keep": jit.inline(keep).py_func, "test_change": change})
    import ctypes

    with link.lock:
        addresses = link.addresses(code, "test_keep", "test_change")
    read, write = (ctypes.CFUNCTYPE(ctypes.c_ssize_t, ctypes.c_void_p)(a) for a in addresses)
    usual, flushing = ctypes.c_uint32(), ctypes.c_uint32()
    f = elementwise("x0 * x1")
    tiny = np.full(N, 1e-300)
    read(ctypes.byref(usual))
    flushing.value = usual.value | 0x8040  # subnormal numbers are 0
    try:
        write(ctypes.byref(flushing))
        flushed = f(tiny, 1e-15)
    finally:
        write(ctypes.byref(usual))
    assert not flushed.any()
    assert f(tiny, 1e-15).all()


def test_users_may_have_threads_of_their_own():
    f = elementwise("x0 * x1")
    expected = (X[:N] * Y[:N]).tobytes()
    right = []

    def work():
        right.append(all(f(X[:N], Y[:N]).tobytes() == expected for _ in range(20)))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for count in (3, 1, 4, 2) * 5:
        ng.set_num_threads(count)
        right.append(f(X[:N], Y[:N]).tobytes() == expected)
    for thread in threads:
        thread.join()
    assert right == [True] * 28


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="Linux")
def test_signals_are_left_to_the_threads_of_the_user():
    assert shared(elementwise("x0 * x1"), X, Y)[1] == 1
    blocked = [
        int(line.split()[1], 16)
        for path in Path("/proc/self/task").glob("*/status")
        for line in path.read_text("utf-8").splitlines()
        if line.startswith("SigBlk")
    ]
    interrupt = 1 << 1
    assert sum(bool(mask & interrupt) for mask in blocked) >= 1


# Defines x and y of the size of N, f = x * y, and check(), which raises if f is wrong.
BEFORE = f"""
import os, sys, threading, warnings
import numpy as np
import numgrad as ng
from numgrad.kernels import build, division, pool
warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
x = np.linspace(-1.0, 1.0, {N})
ng.set_num_threads(3)
f = build.kernel("f", {source("x0 * x1", "dd->d")!r}, "dd->d")
expected = x * x[::-1]
def check():
    np.testing.assert_array_equal(f(x, x[::-1]), expected)
def count(name):
    return pool._word(pool._memory(), getattr(pool, name)).value
"""


@forks
def test_a_child_starts_threads_of_its_own(tmp_path):
    program = """
check()
check()
assert count("HIRED") == 2
child = os.fork()
assert count("HIRED") == 0
calls = count("CALL")
check()
assert count("HIRED") == 2 and count("CALL") == calls + 1
if child == 0:
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""
    assert run(BEFORE + program, STORE) == ["0"]


@forks
def test_forks_while_the_threads_are_busy(tmp_path):
    program = """
check()
done = threading.Event()
def work():
    while not done.is_set():
        check()
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads: thread.start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        check()
        os._exit(0)
    check()
    print(os.waitpid(child, 0)[1])
done.set()
for thread in threads: thread.join()
"""
    assert run(BEFORE + program, STORE) == ["0"] * 20


@forks
def test_a_child_that_python_knows_nothing_of_computes_alone(tmp_path):
    program = """
import ctypes
check()
check()
calls = count("CALL")
child = ctypes.PyDLL(None).fork()
if child == 0:
    check()
    os._exit(count("CALL") - calls)
print(os.waitpid(child, 0)[1])
check()
"""
    assert run(BEFORE + program, STORE) == ["0"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_of_multiprocessing(tmp_path, method):
    program = """
import multiprocessing, sys
def task(k):
    check()
    return k
if __name__ == "__main__":
    check()
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as processes:
        print(*processes.map(task, range(4)))
    check()
"""
    script = tmp_path / "script.py"
    script.write_text(BEFORE + program)
    # Processes that are spawned import it.
    command = f"[sys.executable, {str(script)!r}, *sys.argv[1:]]"
    assert run(f"import os, sys; os.execv(sys.executable, {command})", STORE, method) == list(
        "0123"
    )


def test_the_interpreter_may_end_while_threads_work(tmp_path):
    program = """
def work():
    while True:
        f(x, x)
check()
for _ in range(2): threading.Thread(target=work, daemon=True).start()
check()
print("end")
"""
    assert run(BEFORE + program, STORE) == ["end"]


def test_without_memory_for_threads_the_caller_does_it_all(tmp_path):
    program = """
import resource
ng.set_num_threads(2)
pool.load()
out = np.empty_like(x)
small = x[:10].copy()
f(small, small)
pages = int(open("/proc/self/statm").read().split()[0])
used = pages * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**20, resource.RLIM_INFINITY))
f(x, x[::-1], out)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert count("HIRED") == 0
np.testing.assert_array_equal(out, expected)
check()
assert count("HIRED") == 1
"""
    if not Path("/proc/self/statm").exists():
        pytest.skip("Linux")
    assert run(BEFORE + program, STORE) == []


def test_the_first_call_starts_the_pool(tmp_path):
    program = """
assert not pool._memory.cache_info().currsize
f(x[:9], x[:9])
assert not pool._memory.cache_info().currsize
check()
assert pool._memory.cache_info().currsize and count("CALL") == 0
check()
assert count("CALL") == 1 and count("HIRED") == 2
ng.set_num_threads(1)
check()
check()
assert count("CALL") == 1
"""
    assert run(BEFORE + program, STORE) == []


def test_one_thread_needs_no_pool(tmp_path):
    program = """
ng.set_num_threads(1)
check()
assert not pool._memory.cache_info().currsize
ng.set_num_threads(2)
check()
check()
assert count("CALL") == 1
"""
    assert run(BEFORE + program, STORE) == []


@pytest.mark.parametrize("error", ["OSError", "KeyboardInterrupt"])
def test_where_the_pool_does_not_start_the_caller_does_it_all(tmp_path, error):
    program = f"""
def broken(): raise {error}
broken.cache_info = pool._memory.cache_info
pool._memory = broken
out = np.zeros_like(x)
try:
    f(x, x[::-1], out)
    if "{error}" == "KeyboardInterrupt":
        threading.Event().wait(60)
except KeyboardInterrupt:
    print("interrupted")
np.testing.assert_array_equal(out, expected)
"""
    said = {"OSError": [], "KeyboardInterrupt": ["interrupted"]}
    assert run(BEFORE + program, STORE) == said[error]


def test_a_pool_that_is_being_made_is_not_waited_for(tmp_path):
    program = """
from numgrad.kernels import link
with link.lock:
    thread = threading.Thread(target=check)
    thread.start()
    thread.join()
assert not pool._memory.cache_info().currsize
check()
check()
assert count("CALL") == 1
"""
    assert run(BEFORE + program, STORE) == []


# The environment, and the number of threads; None is that of the processors.
VARIABLES = [
    ({}, None),
    ({"NUMGRAD_NUM_THREADS": "3"}, 3),
    ({"OMP_NUM_THREADS": "3"}, 3),
    ({"OMP_NUM_THREADS": "4,2"}, 4),
    ({"OMP_NUM_THREADS": " 4 , 2"}, 4),
    ({"NUMGRAD_NUM_THREADS": "5", "OMP_NUM_THREADS": "3"}, 5),
    ({"NUMGRAD_NUM_THREADS": "", "OMP_NUM_THREADS": "3"}, 3),
    ({"OMP_NUM_THREADS": "many"}, None),
    ({"OMP_NUM_THREADS": "0"}, None),
    ({"OMP_NUM_THREADS": "-1"}, None),
    ({"OMP_NUM_THREADS": "100000"}, pool.MOST_THREADS),
]


@pytest.mark.parametrize(("variables", "count"), VARIABLES)
def test_the_number_without_a_choice(monkeypatch, variables, count):
    for name in ("NUMGRAD_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    processors = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    )
    assert pool._default.__wrapped__() == count or processors


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "1025"])
def test_a_wrong_number_in_our_own_variable_is_told(monkeypatch, value):
    monkeypatch.setenv("NUMGRAD_NUM_THREADS", value)
    with pytest.raises(ValueError, match=f"NUMGRAD_NUM_THREADS is '{value}': set it to a number"):
        pool._default.__wrapped__()


def test_the_environment_of_a_process():
    program = "import numgrad; print(numgrad.get_num_threads())"
    assert run(program, STORE, NUMGRAD_NUM_THREADS="7", OMP_NUM_THREADS="1") == ["7"]


def test_the_number_that_was_chosen():
    ng.set_num_threads(3)
    assert ng.get_num_threads() == 3
    ng.set_num_threads(np.int64(4))
    assert ng.get_num_threads() == 4


@pytest.mark.parametrize(
    ("n", "error"),
    [(0, ValueError), (-1, ValueError), (1025, ValueError), (2.0, TypeError), ("2", TypeError)],
)
def test_other_numbers_are_refused(n, error):
    with pytest.raises(error, match=r"set_num_threads\(\) takes .*: pass "):
        ng.set_num_threads(n)
    assert ng.get_num_threads() == 2


def test_without_posix_threads_there_is_one(monkeypatch):
    monkeypatch.setattr(pool, "is_possible", lambda: False)
    ng.set_num_threads(3)
    assert ng.get_num_threads() == 1


def test_blas_keeps_its_threads():
    before = os.environ.get("OMP_NUM_THREADS"), os.environ.get("OPENBLAS_NUM_THREADS")
    ng.set_num_threads(5)
    assert (os.environ.get("OMP_NUM_THREADS"), os.environ.get("OPENBLAS_NUM_THREADS")) == before


COSTS = [
    (("x0 * x1", "ff->f"), ("x0 * x1", "dd->d")),
    (("x0 * x1", "dd->d"), ("math.exp(x0) * x1", "dd->d")),
    (("math.exp(x0)", "d->d"), ("math.exp(math.exp(x0))", "d->d")),
    (("math.exp(x0)", "f->f"), ("math.exp(x0)", "d->d")),
    (("math.exp(x0)", "d->d"), ("power(x0, x0)", "d->d")),
    (("power(x0, x0)", "d->d"), ("math.lgamma(x0)", "d->d")),
]


@pytest.mark.parametrize(("less", "more"), COSTS)
def test_costs_are_in_order(less, more):
    less, more = (cost.nanoseconds(source(text, types), types) for text, types in (less, more))
    assert less < more


def test_unrolled_lines_cost_once():
    line = "    a{} += math.exp(load_f8(x, at + (i + {}) * step))"
    once = cost.nanoseconds(line.format(0, 0), "d->d")
    assert cost.nanoseconds("\n".join(line.format(k, k) for k in range(8)), "d->d") == once


def test_rare_cases_cost_nothing():
    loop = source("sin(x0)", "d->d")
    rare = "@outlined\ndef careful(x):\n    return math.lgamma(x)\n\n"
    assert cost.nanoseconds(rare + loop, "d->d") == cost.nanoseconds(loop, "d->d")


def test_dimensions_of_a_core():
    assert division.shapes("(m, n),(n),()->(m)") == [("m", "n"), ("n",), (), ("m",)]
    assert division.dimensions("(m, n),(n),()->(m)") == ["m", "n"]
    assert division.dimensions(None) == []

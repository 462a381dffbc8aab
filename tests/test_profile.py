"""numgrad.profile: what is counted, where it is shown, and that nothing stays behind."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

import numgrad as ng
from numgrad import exp as exp_of_ones_own  # bound before any profile
from numgrad.backward import Walk
from numgrad.tape import Node
from numgrad.value import REGISTRY


def leaf(*shape):
    return ng.ones(*shape, requires_grad=True)


def measured(work):
    """Rows of what a call does, by path."""
    work()
    with ng.profile() as p:
        work()
    return {row.path: row for row in p.rows()}


X, Y = leaf(3), ng.ones(3)
WAYS = {
    "a function": (lambda: ng.exp(X), "exp"),
    "a name of one's own": (lambda: exp_of_ones_own(X), "exp"),
    "a method": (X.exp, "exp"),
    "an operator": (lambda: X * Y, "mul"),
    "a reflected operator": (lambda: 2.0 - X, "sub"),
    "an operator in place": (lambda: ng.ones(3).__iadd__(Y), "add"),
    "a method in place": (lambda: ng.ones(3).mul_(Y), "mul"),
    "a ufunc of NumPy": (lambda: np.exp(X), "exp"),
    "an array on the left": (lambda: np.ones(3) * X, "mul"),
    "a function of NumPy": (lambda: np.sum(X), "sum_over"),
    "a structural method": (X.sum, "sum_over"),
    "the matrix product": (lambda: ng.ones(2, 2) @ leaf(2, 2), "mm"),
    "numgrad.nn": (lambda: ng.nn.functional.softmax(X, 0), "softmax_along"),
    "without gradients": (lambda: ng.exp(Y), "exp"),
    "integers": (lambda: ng.tensor([1, 2]) + 1, "add"),
    "three arguments": (lambda: ng.where(X > 0, X, Y), "where"),
}


@pytest.mark.parametrize("way", WAYS)
def test_ops_are_counted_however_they_are_reached(way):
    work, name = WAYS[way]
    row = measured(work)[name,]
    assert row.calls == 1
    assert row.forward > 0
    assert row.backward == 0
    assert row.threads == 1


def test_both_directions_and_their_memory():
    def work():
        x = leaf(1000)
        (x * x).sum().backward()

    rows = measured(work)
    outer = {path[0]: row for path, row in rows.items() if len(path) == 1}
    assert outer.keys() == {"mul", "sum_over"}
    assert all(row.calls == 1 and row.forward > 0 and row.backward > 0 for row in outer.values())
    # The product, and the gradients of its two factors.
    assert 8000 * 2 <= outer["mul"].bytes <= 8000 * 3
    assert rows["sum_over", "spread"].backward > 0
    assert rows["sum_over", "spread"].forward == 0
    assert rows["sum_over", "spread"].backward <= outer["sum_over"].backward


def test_what_was_recorded_before_is_measured_on_the_way_back():
    y = X.exp()
    with ng.profile() as p:
        y.backward(ng.ones(3))
    assert [(row.name, row.calls, row.backward > 0) for row in p.rows()] == [("exp", 0, True)]


def test_walks_that_are_recorded_are_measured():
    def work():
        x = leaf(3)
        (g,) = ng.autograd.grad((x**3).sum(), x, create_graph=True)
        g.sum().backward()

    rows = measured(work)
    assert rows["pow",].calls == 1
    assert rows["pow",].backward > 0
    assert [path for path in rows if path[0] == "pow" and len(path) == 2]


def test_threads_are_counted_and_named(tmp_path):
    barrier = threading.Barrier(2)

    def work():
        barrier.wait()
        leaf(2).exp().sum().backward()

    with ng.profile() as p:
        threads = [threading.Thread(target=work, name=f"worker {k}") for k in range(2)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        ng.log(Y)
    rows = {row.name: row for row in p.rows()}
    assert (rows["exp"].calls, rows["exp"].threads) == (2, 2)
    assert (rows["log"].calls, rows["log"].threads) == (1, 1)
    p.export_chrome_trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    names = {e["args"]["name"] for e in events if e["ph"] == "M"}
    assert names == {"worker 0", "worker 1", threading.current_thread().name}


def test_one_graph_walked_by_two_threads():
    x = leaf(50)
    y = x
    for _ in range(50):
        y = y * x
    y = y.sum()
    barrier = threading.Barrier(2)

    def work():
        barrier.wait()
        for _ in range(5):
            ng.autograd.grad(y, x, retain_graph=True)

    with ng.profile() as p:
        threads = [threading.Thread(target=work) for _ in range(2)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    (mul,) = [row for row in p.rows() if row.path == ("mul",)]
    assert (mul.threads, mul.calls) == (2, 0)
    node = y.grad_fn
    while isinstance(node, Node):
        assert not any("interception" in getattr(v, "__module__", "") for v in pulls_of(node.plan))
        node = node.next_functions[0][0]


def pulls_of(plan):
    """What a plan has in place of the methods of its class."""
    return [value for name, value in vars(plan).items() if name.startswith("pull")]


def test_the_trace_holds_every_call(tmp_path):
    X.exp().sum().backward()
    with ng.profile() as p:
        X.exp().sum().backward()
    p.export_chrome_trace(tmp_path / "trace.json")
    trace = json.loads((tmp_path / "trace.json").read_text())
    bars = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    assert {e["name"] for e in bars} >= {"exp", "exp backward", "sum_over", "sum_over backward"}
    assert {e["cat"] for e in bars} == {"forward", "backward"}
    assert all(e["ts"] >= 0 and e["dur"] >= 0 and e["tid"] == bars[0]["tid"] for e in bars)
    starts = {e["name"]: e["ts"] for e in bars}
    assert starts["exp"] < starts["sum_over"] < starts["sum_over backward"] < starts["exp backward"]
    (inner,) = [e for e in bars if e["name"] == "spread backward"]
    (outer,) = [e for e in bars if e["name"] == "sum_over backward"]
    assert outer["ts"] <= inner["ts"] <= inner["ts"] + inner["dur"] <= outer["ts"] + outer["dur"]


def test_a_full_trace_does_not_stop_the_table(tmp_path):
    with ng.profile(max_events=2) as p:
        for _ in range(5):
            X.exp()
    p.export_chrome_trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert len([e for e in events if e["ph"] == "X"]) == 2
    assert p.rows()[0].calls == 5


def test_the_table():
    with ng.profile() as p:
        for _ in range(3):
            X.exp()
        (X * Y).sum().backward()
    lines = str(p).splitlines()
    assert lines[0].split() == [
        "op",
        "calls",
        "forward",
        "ms",
        "backward",
        "ms",
        "bytes",
        "threads",
    ]
    assert lines[-1].endswith(" ms")
    assert " ms in ops, of " in lines[-1]
    by_calls = p.table("calls").splitlines()
    assert by_calls[1].split()[:2] == ["exp", "3"]
    names = [line.split()[0] for line in p.table("name").splitlines()[1:-1]]
    assert names == ["exp", "mul", "sum_over", "spread"]
    assert "    spread" not in p.table()
    assert "\n  spread" in p.table()
    assert p.table(limit=1).splitlines()[2] == "... and 3 more"


@pytest.mark.parametrize("order", ["total", "forward", "backward", "bytes", "threads"])
def test_rows_are_sorted(order):
    with ng.profile() as p:
        (X.exp() * Y).sum().backward()
    values = [getattr(row, order) for row in p.rows(order) if len(row.path) == 1]
    assert values == sorted(values, reverse=True)


def test_only_one_measures():
    with ng.profile() as p:
        with pytest.raises(RuntimeError, match="one is measuring already"), ng.profile():
            pass
        with pytest.raises(RuntimeError, match="one is measuring already"), p:
            pass
        X.exp()
    assert p.rows()[0].calls == 1
    with pytest.raises(RuntimeError, match="measures once"), p:
        pass
    with pytest.raises(ValueError, match="got 'speed'"):
        p.rows("speed")
    with ng.profile():
        pass


def code_of_all():
    return {name: op.eager.__code__ for name, op in REGISTRY.items()}


def test_nothing_stays_behind():
    y = (X.exp() * Y).sum()
    before, pull, run = code_of_all(), Walk.pull, Walk.run
    plans = {node.plan for node in (y.grad_fn, y.grad_fn.next_functions[0][0])}
    with ng.profile():
        assert code_of_all() != before
        y.backward(retain_graph=True)
        own = [dict(vars(plan)) for plan in plans]
    with pytest.raises(ng.errors.ShapeError), ng.profile():
        ng.ones(2) + ng.ones(3)
    assert code_of_all() == before
    assert (Walk.pull, Walk.run) == (pull, run)
    y.backward(retain_graph=True)
    assert [dict(vars(plan)) for plan in plans] == own


def test_results_are_the_same():
    def work():
        x = ng.tensor(np.linspace(0.1, 2.0, 12).reshape(3, 4), requires_grad=True)
        y = (ng.softmax(x @ x.T, 0).log() * x.sum(1)).norm() + x[0].prod()
        y.backward()
        return y.item(), x.grad.tolist()

    expected = work()
    with ng.profile():
        assert work() == expected


def test_errors_pass_and_what_follows_is_placed_right():
    with ng.profile() as p:
        with pytest.raises(ng.errors.ShapeError):
            ng.ones(2) + ng.ones(3)
        X.exp()
    assert [row.path for row in p.rows()] == [("exp",)]


def test_rules_on_symbols_are_not_counted():
    from numgrad.op import elementwise

    with ng.profile() as p:
        try:
            op = elementwise(name="profiled_square", template="")(lambda x: x * x)
            assert [str(g) for g in op.gradients(strict=False)]
        finally:
            del REGISTRY["profiled_square"]
    assert not p.rows()

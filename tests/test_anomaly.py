"""Anomaly mode: the line of the forward call, nan, and who is in the mode."""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
import warnings
import weakref

import numpy as np
import pytest

import numgrad as ng
from numgrad import autograd, record
from numgrad.op import structural
from numgrad.value import REGISTRY

MODE = "ignore:detect_anomaly.. makes every operation slow:UserWarning"
pytestmark = pytest.mark.filterwarnings(MODE)


def negative_root(x):
    return ng.sqrt(x - 5)  # the line that is to be found


def line_of(function, text):
    """File, line and name as a traceback shows them."""
    lines, start = inspect.getsourcelines(function)
    number = start + next(k for k, line in enumerate(lines) if text in line)
    return f'File "{__file__}", line {number}, in {function.__name__}'


def leaf(*values):
    return ng.tensor(list(values), requires_grad=True)


def test_entry_warns_once():
    with pytest.warns(UserWarning, match="makes every operation slow") as caught:  # noqa: SIM117
        with autograd.detect_anomaly():
            leaf(1.0).exp().backward()
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with autograd.set_detect_anomaly(True):
            pass


def test_nan_names_node_output_and_the_line():
    with autograd.detect_anomaly():
        y = negative_root(leaf(1.0, 9.0)).sum()
        with (
            pytest.warns(UserWarning, match="Error detected in SqrtBackward0") as warned,
            pytest.raises(RuntimeError, match="SqrtBackward0 returned nan in output 0") as caught,
        ):
            y.backward()
    assert str(caught.value) == (
        "SqrtBackward0 returned nan in output 0, which is the gradient of sqrt() in 'x', of shape"
        " (2,)."
    )
    (note,) = caught.value.__notes__
    assert note == str(warned[0].message)
    assert line_of(negative_root, "to be found") in note
    assert "return ng.sqrt(x - 5)  # the line that is to be found\n" in note
    assert note.rstrip().endswith("# the line that is to be found")
    assert warned[0].filename == __file__


def test_the_output_is_the_one_with_nan():
    x, y = leaf(-1.0), leaf(2.0)
    with (
        autograd.detect_anomaly(),
        pytest.warns(UserWarning, match="PowBackward0"),
        pytest.raises(RuntimeError, match=r"PowBackward0 returned nan in output 1, .* in 'y'"),
    ):
        (x**y).backward()


def test_structural_ops_are_looked_at():
    x = leaf(-1.0, 1.0)
    with (
        autograd.detect_anomaly(),
        pytest.warns(UserWarning, match="SumBackward0"),
        pytest.raises(RuntimeError, match="SumBackward0 returned nan in output 0"),
    ):
        x.sum().backward(ng.tensor(np.nan))


@pytest.mark.parametrize("create_graph", [False, True])
def test_recorded_walks_are_looked_at(create_graph):
    y = leaf(-1.0)
    with (
        autograd.detect_anomaly(),
        pytest.warns(UserWarning, match="Error detected in SqrtBackward0"),
        pytest.raises(RuntimeError, match="SqrtBackward0 returned nan"),
    ):
        autograd.grad(y.sqrt(), y, create_graph=create_graph)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: ng.where(x > 0, ng.log(x), 0.0).sum(),
        lambda x: ng.sqrt(x * 0).sum(),
        lambda x: ng.sqrt(x)[1:].sum(),
    ],
)
def test_what_the_safe_rule_blanks_is_no_anomaly(function):
    x = leaf(0.0, 1.0)
    with autograd.detect_anomaly():
        function(x).backward()
        assert np.isfinite(x.grad.numpy()).all()
        y = function(x)
        with (
            autograd.strict_ieee(),
            pytest.warns(UserWarning, match="Error detected"),
            pytest.raises(RuntimeError, match="returned nan"),
        ):
            y.backward()


def test_nan_is_let_pass_on_request():
    x = leaf(-1.0)
    with autograd.detect_anomaly(check_nan=False):
        x.sqrt().backward()
    assert np.isnan(x.grad.item())
    x = leaf(-1.0)
    x.sqrt().backward()
    assert np.isnan(x.grad.item())


def overwritten(x):
    y = x * 2
    z = y * y  # saved
    with ng.no_grad():
        y.add_(1)
    return z


def walked_twice(x):
    y = x * x  # saved
    y.sum().backward()
    return y


def without_a_rule(x):
    return REGISTRY["underivable"](x)  # saved


@pytest.fixture
def _underivable():
    @structural
    def underivable(x):
        return x * 2.0

    underivable.run_by(record.structural(underivable))
    yield
    del REGISTRY["underivable"]


@pytest.mark.parametrize(
    ("function", "error", "said"),
    [
        (overwritten, RuntimeError, "written to in place"),
        (walked_twice, RuntimeError, "retain_graph"),
        (without_a_rule, NotImplementedError, "no derivative rule"),
    ],
)
@pytest.mark.usefixtures("_underivable")
def test_other_errors_carry_the_line(function, error, said):
    with autograd.detect_anomaly():
        y = function(leaf(1.0, 2.0)).sum()
        with pytest.warns(UserWarning, match="Error detected in"), pytest.raises(error) as caught:
            y.backward()
    assert said in str(caught.value)
    assert line_of(function, "# saved") in caught.value.__notes__[0]


def test_what_was_recorded_outside_says_so():
    y = negative_root(leaf(1.0))
    with (
        autograd.detect_anomaly(),
        pytest.warns(UserWarning, match="recorded outside of detect_anomaly"),
        pytest.raises(RuntimeError, match="returned nan") as caught,
    ):
        y.backward()
    assert "record it inside" in caught.value.__notes__[0]


def second_derivative(x):
    (g,) = autograd.grad((x**2.5).sum(), x, create_graph=True)  # induces
    return g


def test_the_second_order_tells_what_induced_it():
    with autograd.detect_anomaly():
        x = leaf(0.0, 1.0)
        with autograd.strict_ieee():
            y = second_derivative(x) * 0.0
            (g,) = autograd.grad(y.sum(), x, create_graph=True)
            h = (g * x).sum()
            with (
                pytest.warns(UserWarning, match="Error detected"),
                pytest.raises(RuntimeError, match="returned nan") as caught,
            ):
                autograd.grad(h, x)
    assert (
        "recorded in the backward of PowBackward0, whose forward call" in caught.value.__notes__[0]
    )
    assert line_of(second_derivative, "# induces") in caught.value.__notes__[0]


def test_where_warnings_are_errors_the_error_stays():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with (
            autograd.set_detect_anomaly(True),
            pytest.raises(RuntimeError, match="returned nan") as caught,
        ):
            negative_root(leaf(1.0)).backward()
    assert "negative_root" in caught.value.__notes__[0]


def modes_of_anomaly():
    return autograd.is_anomaly_enabled(), autograd.is_anomaly_check_nan_enabled()


def test_modes_nest_and_are_restored():
    assert modes_of_anomaly() == (False, True)
    with autograd.detect_anomaly():
        assert modes_of_anomaly() == (True, True)
        with autograd.set_detect_anomaly(True, check_nan=False):
            assert modes_of_anomaly() == (True, False)
            with autograd.set_detect_anomaly(False):
                assert modes_of_anomaly() == (False, True)
        assert modes_of_anomaly() == (True, True)
    assert modes_of_anomaly() == (False, True)
    with pytest.raises(ZeroDivisionError), autograd.detect_anomaly():
        _ = 1 / 0
    assert modes_of_anomaly() == (False, True)


def code_of_all():
    return {name: op.eager.__code__ for name, op in REGISTRY.items()}


def test_the_mode_costs_nothing_outside():
    before = code_of_all()
    with autograd.detect_anomaly(), autograd.set_detect_anomaly(True):
        assert code_of_all() != before
    assert code_of_all() == before
    autograd.set_detect_anomaly(True)
    autograd.set_detect_anomaly(True)
    assert code_of_all() != before
    autograd.set_detect_anomaly(False)
    assert code_of_all() == before
    autograd.set_detect_anomaly(False)
    assert code_of_all() == before


def test_other_threads_are_not_in_the_mode():
    found = []

    def work():
        x = leaf(-1.0)
        x.sqrt().backward()
        found.append((modes_of_anomaly(), x.grad.item()))

    with autograd.detect_anomaly():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert found[0][0] == (False, True)
    assert np.isnan(found[0][1])


def test_tasks_are_in_it_each_by_itself():
    async def inside():
        with autograd.set_detect_anomaly(True):
            await asyncio.sleep(0)
            return modes_of_anomaly()

    async def outside():
        await asyncio.sleep(0)
        return modes_of_anomaly()

    async def both():
        return await asyncio.gather(inside(), outside())

    assert asyncio.run(both()) == [(True, True), (False, True)]


def test_it_works_beside_a_profile():
    with autograd.detect_anomaly(), ng.profile() as p:
        y = negative_root(leaf(1.0))
        with (
            pytest.warns(UserWarning, match="negative_root"),
            pytest.raises(RuntimeError, match="returned nan"),
        ):
            y.backward()
    assert {row.name for row in p.rows()} >= {"sub", "sqrt"}


def test_nodes_are_not_kept_alive():
    with autograd.detect_anomaly():
        y = leaf(1.0).exp()
        gone = weakref.ref(y.grad_fn)
        gc.disable()
        try:
            del y
            assert gone() is None
        finally:
            gc.enable()


def test_results_are_the_same():
    def work():
        x = ng.tensor(np.linspace(0.1, 2.0, 12).reshape(3, 4), requires_grad=True)
        (ng.softmax(x @ x.T, 0).log() * x.sum(1)).norm().backward()
        return x.grad.tolist()

    expected = work()
    with autograd.detect_anomaly():
        assert work() == expected

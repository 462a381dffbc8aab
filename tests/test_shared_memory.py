"""Memory shared with NumPy: writes that no counter sees are found (SEMANTICS V10)."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

import numgrad as ng
from numgrad.autograd import alias_check, set_alias_check, set_detect_anomaly

SMALL, LARGE = 5, 100_000


def leaf(n) -> ng.Tensor:
    return ng.tensor(np.linspace(0.5, 1.5, n), requires_grad=True)


def by_operand(x):
    a = np.ones(x.shape)
    return x * a, a


def by_operand_on_the_left(x):
    a = np.ones(x.shape)
    return a * x, a


def by_broadcast_operand(x):
    a = np.ones((2, *x.shape))
    return x * a, a


def by_condition(x):
    a = np.ones(x.shape, dtype=bool)
    return np.where(a, x, 0.0), a


def by_matmul(x):
    a = np.ones(x.shape)
    return x @ a, a


def by_from_numpy(x):
    a = np.ones(x.shape)
    return x * ng.from_numpy(a), a


def by_as_tensor(x):
    a = np.ones(x.shape)
    return x * ng.as_tensor(a)[:], a


def by_part_of_an_array(x):
    a = np.ones(3 * x.shape[0])
    return x * ng.from_numpy(a[::3]), a


def by_numpy(x):
    t = ng.ones(x.shape)
    return x * t, t.numpy()


def by_numpy_before(x):
    t = ng.ones(x.shape)
    a = t.numpy()
    return x * t, a


def by_numpy_of_a_view(x):
    t = ng.ones((2, *x.shape))
    return x * t, t[1].numpy()


def by_asarray(x):
    t = ng.ones(x.shape)
    return x * t, np.asarray(t)


def by_result(x):
    y = x.exp()
    return y * 1.0, y.detach().numpy()


def by_leaf(x):
    return x * x, x.detach().numpy()


def by_many_views(x):
    t = ng.ones((8, *x.shape))
    arrays = [t[k].numpy() for k in range(8)]
    return x * t, arrays[5]


WAYS = [
    by_operand,
    by_operand_on_the_left,
    by_broadcast_operand,
    by_condition,
    by_matmul,
    by_from_numpy,
    by_as_tensor,
    by_part_of_an_array,
    by_numpy,
    by_numpy_before,
    by_numpy_of_a_view,
    by_asarray,
    by_result,
    by_leaf,
    by_many_views,
]


def change(a) -> None:
    np.logical_not(a, out=a) if a.dtype == bool else np.add(a, 1.0, out=a)


@pytest.mark.parametrize("n", [SMALL, LARGE])
@pytest.mark.parametrize("way", WAYS)
def test_a_write_to_the_array_is_found(way, n) -> None:
    x = leaf(n)
    y, a = way(x)
    change(a)
    with pytest.raises(RuntimeError, match="written to in place"):
        y.sum().backward()
    assert x.grad is None


@pytest.mark.parametrize("n", [SMALL, LARGE])
@pytest.mark.parametrize("way", WAYS)
def test_reading_is_none(way, n) -> None:
    x = leaf(n)
    y, a = way(x)
    a.sum()
    y.sum().backward(retain_graph=True)
    first = x.grad.tolist()
    x.grad = None
    y.sum().backward()
    assert x.grad.tolist() == first


@pytest.mark.parametrize("n", [SMALL, LARGE])
def test_arrays_may_be_written_to_between_graphs(n) -> None:
    """As a batch that is loaded into one array."""
    x, a = leaf(n), np.ones(n)
    batch = ng.from_numpy(a)
    for k in range(3):
        a[:] = k
        (x * batch).sum().backward()
    assert x.grad.tolist() == [3.0] * n


def test_other_parts_of_the_array_are_not_looked_at() -> None:
    a = np.ones((3, 4))
    x = leaf(4)
    y = x * ng.from_numpy(a[0])
    a[1] = 7
    y.sum().backward()
    assert x.grad.tolist() == [1.0] * 4


def test_writes_by_numgrad_count_once() -> None:
    t = ng.from_numpy(np.ones(3))
    t.add_(1)
    t.mul_(2)
    assert t._version == 2
    t.numpy()[0] = 0
    assert t._version == 3
    assert t._version == 3


def test_nan_is_no_change() -> None:
    x = leaf(SMALL)
    y = x * np.full(SMALL, np.nan)
    y.sum().backward()
    assert np.isnan(x.grad.numpy()).all()


def test_one_element_of_a_large_array() -> None:
    """A sample misses it, "full" and anomaly mode do not, "off" misses all."""

    def backward_after(k: int, value: float) -> None:
        x, a = leaf(LARGE), np.ones(LARGE)
        y = x * a
        a[k] = value
        y.sum().backward()

    places = [0, LARGE - 1]
    for k in places:
        with pytest.raises(RuntimeError, match="written to"):
            backward_after(k, 2.0)
    middle = LARGE // 2 + 1
    backward_after(middle, 2.0)
    with set_alias_check("full"), pytest.raises(RuntimeError, match="written to"):
        backward_after(middle, 2.0)
    with (
        pytest.warns(UserWarning, match="Error detected"),
        set_detect_anomaly(True),
        pytest.raises(RuntimeError, match="written"),
    ):
        backward_after(middle, 2.0)
    with set_alias_check("off"):
        backward_after(0, 2.0)


def test_the_choice_is_of_the_task() -> None:
    async def choose(kind: str) -> str:
        set_alias_check(kind)
        await asyncio.sleep(0)
        return alias_check()

    async def both() -> list[str]:
        return list(await asyncio.gather(choose("off"), choose("full")))

    assert asyncio.run(both()) == ["off", "full"]
    assert alias_check() == "sample"
    set_alias_check("full")
    assert alias_check() == "full"
    set_alias_check("sample")
    with pytest.raises(ValueError, match="'off', 'sample', 'full'"):
        set_alias_check("all")


def test_layouts() -> None:
    for a in (np.ones((60, 50)).T, np.ones((60, 50))[::2, ::3], np.ones((40, 50), order="F")[::-1]):
        x = ng.tensor(np.ones(a.shape), requires_grad=True)
        y = x * ng.from_numpy(a)
        np.add(a, 1, out=a)
        with pytest.raises(RuntimeError, match="written to"):
            y.sum().backward()

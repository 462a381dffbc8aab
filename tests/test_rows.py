"""Kernels of rows: sums and extremes in lanes, and rows that do not lie as kernels want them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from numgrad.kernels import layout, rows

RNG = np.random.default_rng(0)
# Around what fills the lanes of both dtypes once, and what they sum before they compensate.
LENGTHS = [0, 1, 2, 7, 31, 32, 33, 63, 64, 65, 511, 512, 513, 1023, 1024, 1025, 5000]
CODES = pytest.mark.parametrize("code", ["d", "f"])


def folded(name, x):
    return layout.fold(name, x, (x.ndim - 1,), keepdims=False)


@CODES
@pytest.mark.parametrize("n", LENGTHS)
def test_sums(n, code):
    x = RNG.standard_normal(n).astype(code)
    exact, size = math.fsum(x), math.fsum(abs(x))
    # An addition for each 16 in a lane, and those that make one lane of all.
    bound = 24 * np.finfo(code).eps / 2 * size
    assert abs(float(rows.kernel("sum", code)(x)) - exact) <= bound
    assert abs(float(rows.kernel("sum_of_magnitudes", code)(x)) - size) <= bound


@CODES
def test_the_error_of_a_sum_does_not_grow_with_its_length(code):
    x = RNG.uniform(size=1_000_000).astype(code)
    exact = math.fsum(x)
    error = abs(float(rows.kernel("sum", code)(x)) - exact)
    assert error <= 16 * np.finfo(code).eps / 2 * exact
    assert error <= 2 * max(abs(float(np.sum(x)) - exact), np.spacing(x.dtype.type(exact)))


@CODES
@pytest.mark.parametrize("n", LENGTHS[1:])
def test_sums_do_not_depend_on_where_a_row_lies(n, code):
    x = RNG.standard_normal((3, n)).astype(code)
    shifted = np.zeros(3 * n + 1, code)[1:].reshape(3, n)
    shifted[...] = x
    alone = [rows.kernel("sum", code)(row) for row in x]
    assert folded("sum", x).tolist() == folded("sum", shifted).tolist() == alone


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([1e308] * 3, math.inf),
        ([math.inf, 1.0], math.inf),
        ([math.inf, -math.inf], math.nan),
        ([math.nan, 1.0], math.nan),
        ([-0.0, -0.0], -0.0),
        ([0.0, -0.0], 0.0),
    ],
)
def test_sums_at_the_edges(x, expected):
    np.testing.assert_array_equal(rows.kernel("sum", "d")(np.array(x)), expected)
    # All in one lane.
    lanes = np.full((len(x), 32), -0.0)
    lanes[:, 0] = x
    found = rows.kernel("sum", "d")(lanes.reshape(-1))
    np.testing.assert_array_equal(found, expected)
    assert np.signbit(found) == np.signbit(expected) or np.isnan(found)


@CODES
@pytest.mark.parametrize("n", LENGTHS)
def test_extremes(n, code):
    x = RNG.standard_normal(n).astype(code)
    assert rows.kernel("highest", code)(x) == np.max(x, initial=-np.inf)
    assert rows.kernel("lowest", code)(x) == np.min(x, initial=np.inf)


@CODES
@pytest.mark.parametrize("name", ["highest", "lowest", "sum", "logsumexp", "product"])
@pytest.mark.parametrize("n", [1, 33, 200])
def test_nan_wins_wherever_it_is(n, name, code):
    x = np.full((n, n), 1, code)
    np.fill_diagonal(x, np.nan)
    assert np.isnan(folded(name, x)).all()


@CODES
@pytest.mark.parametrize("n", LENGTHS)
def test_products(n, code):
    x = np.exp(RNG.normal(0, 0.1, n)).astype(code)
    x *= np.sign(RNG.standard_normal(n)).astype(code)
    expected = math.prod(x.astype(float))
    tolerance = max(n, 1) * float(np.finfo(code).eps)
    assert float(rows.kernel("product", code)(x)) == pytest.approx(expected, rel=tolerance)


MAPS = [name for name, row in rows.ROWS.items() if row.signature == "x(n) -> out(n)"]


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 2), (0, 1, 2)])
def test_rows_lie_anywhere(name, axes):
    x = RNG.standard_normal((3, 4, 5))
    lies = [x, np.asfortranarray(x), x[::-1, :, ::-1][::-1, :, ::-1], np.repeat(x, 2, 1)[:, ::2]]
    last = range(-len(axes), 0)
    length = math.prod(x.shape[k] for k in axes)
    as_rows = np.ascontiguousarray(np.moveaxis(x, axes, last)).reshape(-1, length)
    expected = rows.kernel(name, "d")(as_rows)
    for each in lies:
        found = layout.along(name, axes, each)
        assert found.flags.c_contiguous
        np.testing.assert_array_equal(
            np.moveaxis(found, axes, last).reshape(as_rows.shape), expected
        )

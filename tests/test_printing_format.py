"""Tensors are written as PyTorch writes them: literal strings, and a comparison with PyTorch."""

from __future__ import annotations

import math
import warnings
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numgrad import printing
from numgrad.printing import format_array, set_printoptions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from numpy.typing import NDArray

NAN, INF = math.nan, math.inf
MUL = "grad_fn=<MulBackward0>"


@pytest.fixture(autouse=True)
def _default_options() -> Iterator[None]:
    set_printoptions(profile="default")
    yield
    set_printoptions(profile="default")


def lines(*text: str) -> str:
    return "\n".join(text)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (4.0, "tensor(4.)"),
        (math.pi, "tensor(3.1416)"),
        (NAN, "tensor(nan)"),
        (7, "tensor(7)"),
        (True, "tensor(True)"),
        ([8.0, 8.0, 8.0], "tensor([8., 8., 8.])"),
        ([-1.0, 2.5], "tensor([-1.0000,  2.5000])"),
        ([1, -20], "tensor([  1, -20])"),
        ([True, False], "tensor([ True, False])"),
        ([0.0, -0.0, 100.0], "tensor([  0.,  -0., 100.])"),
        ([-0.0], "tensor([-0.])"),
        ([[[[1.0]]]], "tensor([[[[1.]]]])"),
    ],
)
def test_plain_values(values: object, expected: str) -> None:
    assert format_array(np.array(values)) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1e10, 1.0], "tensor([1.0000e+10, 1.0000e+00])"),
        ([0.0, 1e9], "tensor([0.0000e+00, 1.0000e+09])"),
        ([1.0, 1000.0], "tensor([   1., 1000.])"),
        ([1.0, 1000.5], "tensor([1.0000e+00, 1.0005e+03])"),
        ([1e8], "tensor([100000000.])"),
        ([1e8 + 1], "tensor([1.0000e+08])"),
        ([1e-4], "tensor([0.0001])"),
        ([9.9e-5], "tensor([9.9000e-05])"),
        ([1e-320, 1e308], "tensor([9.9999e-321, 1.0000e+308])"),
    ],
)
def test_scientific_notation_begins_at_the_stated_limits(values: object, expected: str) -> None:
    assert format_array(np.array(values)) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([NAN, INF], "tensor([nan, inf])"),
        ([NAN, INF, 1.0], "tensor([nan, inf, 1.])"),
        ([NAN, INF, 1.5], "tensor([   nan,    inf, 1.5000])"),
        ([NAN, -INF, 1.5], "tensor([   nan,   -inf, 1.5000])"),
        ([INF, 1e10, 1.0], "tensor([       inf, 1.0000e+10, 1.0000e+00])"),
        ([complex(NAN, INF), 1j], "tensor([nan+infj, 0.+1.j])"),
        ([1e-320, 1e308, NAN], "tensor([9.9999e-321, 1.0000e+308,         nan])"),
    ],
)
def test_values_that_are_not_finite_print_without_a_warning(values: object, expected: str) -> None:
    array = np.array(values)
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert format_array(array) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (1 + 2j, "tensor(1.+2.j)"),
        (1e-9j, "tensor(0.+1.0000e-09j)"),
        (-1.5 - 2j, "tensor(-1.5000-2.j)"),
        ([1 + 2j], "tensor([1.+2.j])"),
        ([1 + 2j, -100.5 - 0.25j], "tensor([   1.0000+2.0000j, -100.5000-0.2500j])"),
        ([1e10 + 1j, 1 - 1j], "tensor([1.0000e+10+1.j, 1.0000e+00-1.j])"),
    ],
)
def test_complex_parts_have_formats_of_their_own(values: object, expected: str) -> None:
    assert format_array(np.array(values)) == expected


@pytest.mark.parametrize(
    ("dtype", "default", "expected"),
    [
        ("float64", "float64", "tensor([1.])"),
        ("float32", "float64", "tensor([1.], dtype=numgrad.float32)"),
        ("float32", "float32", "tensor([1.])"),
        ("float64", "float32", "tensor([1.], dtype=numgrad.float64)"),
        ("complex128", "float64", "tensor([1.+0.j])"),
        ("complex64", "float64", "tensor([1.+0.j], dtype=numgrad.complex64)"),
        ("complex64", "float32", "tensor([1.+0.j])"),
        ("complex128", "float32", "tensor([1.+0.j], dtype=numgrad.complex128)"),
        ("bool", "float64", "tensor([True])"),
        ("int64", "float32", "tensor([1])"),
        ("int32", "float64", "tensor([1], dtype=numgrad.int32)"),
        ("int16", "float64", "tensor([1], dtype=numgrad.int16)"),
        ("int8", "float64", "tensor([1], dtype=numgrad.int8)"),
        ("uint8", "float64", "tensor([1], dtype=numgrad.uint8)"),
    ],
)
def test_dtype_is_printed_where_it_is_not_implied(dtype: str, default: str, expected: str) -> None:
    array = np.ones(1, dtype)
    assert format_array(array, default_dtype=np.dtype(default)) == expected


@pytest.mark.parametrize(
    ("shape", "dtype", "expected"),
    [
        ((0,), "float64", "tensor([])"),
        ((0,), "int64", "tensor([], dtype=numgrad.int64)"),
        ((0,), "bool", "tensor([], dtype=numgrad.bool)"),
        ((0,), "complex128", "tensor([], dtype=numgrad.complex128)"),
        ((0, 3), "float64", "tensor([], size=(0, 3))"),
        ((2, 0, 3), "float32", "tensor([], size=(2, 0, 3), dtype=numgrad.float32)"),
    ],
)
def test_empty_tensors_show_size_and_dtype(
    shape: tuple[int, ...], dtype: str, expected: str
) -> None:
    assert format_array(np.zeros(shape, dtype)) == expected


def row(count: int) -> str:
    return ", ".join(["1.5000"] * count)


@pytest.mark.parametrize(
    ("array", "suffixes", "expected"),
    [
        (np.full(3, 8.0), [MUL], "tensor([8., 8., 8.], grad_fn=<MulBackward0>)"),
        (np.array(6.0), ["grad_fn=<SumBackward0>"], "tensor(6., grad_fn=<SumBackward0>)"),
        (np.array([1.0, 2.0]), ["requires_grad=True"], "tensor([1., 2.], requires_grad=True)"),
        (
            np.zeros((0, 3), np.float32),
            [MUL],
            "tensor([], size=(0, 3), dtype=numgrad.float32, grad_fn=<MulBackward0>)",
        ),
        (np.full(5, 1.5), [MUL], f"tensor([{row(5)}], {MUL})"),
        (np.full(6, 1.5), [MUL], lines(f"tensor([{row(6)}],", f"       {MUL})")),
        (np.full(14, 1.5), [MUL], lines(f"tensor([{row(9)},", f"        {row(5)}], {MUL})")),
        (
            np.full(15, 1.5),
            [MUL],
            lines(f"tensor([{row(9)},", f"        {row(6)}],", f"       {MUL})"),
        ),
        (
            np.full((3, 3), 1.5, np.float32),
            [MUL],
            lines(
                f"tensor([[{row(3)}],",
                f"        [{row(3)}],",
                f"        [{row(3)}]], dtype=numgrad.float32,",
                f"       {MUL})",
            ),
        ),
    ],
)
def test_suffixes_follow_on_the_line_or_on_a_new_one(
    array: NDArray[Any], suffixes: list[str], expected: str
) -> None:
    assert format_array(array, suffixes=suffixes) == expected


@pytest.mark.parametrize(
    ("linewidth", "between"),
    [(52, ", "), (51, ",\n       ")],
)
def test_a_line_of_suffixes_is_filled_to_the_line_width(linewidth: int, between: str) -> None:
    set_printoptions(linewidth=linewidth)
    assert format_array(np.full(4, 1.5, np.float32), suffixes=[MUL]) == lines(
        f"tensor([{row(4)}],",
        f"       dtype=numgrad.float32{between}{MUL})",
    )


def test_rows_wrap_at_the_line_width() -> None:
    assert format_array(np.arange(20.0)) == lines(
        "tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,",
        "        14., 15., 16., 17., 18., 19.])",
    )


def test_later_lines_are_indented_by_the_prefix() -> None:
    assert format_array(np.eye(2), prefix="Dual(") == lines("Dual([[1., 0.],", "      [0., 1.]])")


def test_matrices_align_and_are_parted_by_blank_lines() -> None:
    assert format_array(np.arange(12.0).reshape(2, 2, 3)) == lines(
        "tensor([[[ 0.,  1.,  2.],",
        "         [ 3.,  4.,  5.]],",
        "",
        "        [[ 6.,  7.,  8.],",
        "         [ 9., 10., 11.]]])",
    )


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1000,), None),
        ((1001,), "tensor([   0.,    1.,    2.,  ...,  998.,  999., 1000.])"),
        (
            (2, 600),
            lines(
                "tensor([[0.0000e+00, 1.0000e+00, 2.0000e+00,  ..., 5.9700e+02, 5.9800e+02,",
                "         5.9900e+02],",
                "        [6.0000e+02, 6.0100e+02, 6.0200e+02,  ..., 1.1970e+03, 1.1980e+03,",
                "         1.1990e+03]])",
            ),
        ),
        (
            (1200, 1),
            lines(
                "tensor([[0.0000e+00],",
                "        [1.0000e+00],",
                "        [2.0000e+00],",
                "        ...,",
                "        [1.1970e+03],",
                "        [1.1980e+03],",
                "        [1.1990e+03]])",
            ),
        ),
    ],
)
def test_above_the_threshold_the_edges_are_shown(
    shape: tuple[int, ...], expected: str | None
) -> None:
    text = format_array(np.arange(float(math.prod(shape))).reshape(shape))
    if expected is None:
        assert "..." not in text
        assert text.count(",") == math.prod(shape) - 1
    else:
        assert text == expected


def test_three_dimensional_summary() -> None:
    set_printoptions(edgeitems=1)
    assert format_array(np.arange(1331).reshape(11, 11, 11)) == lines(
        "tensor([[[   0,  ...,   10],",
        "         ...,",
        "         [ 110,  ...,  120]],",
        "",
        "        ...,",
        "",
        "        [[1210,  ..., 1220],",
        "         ...,",
        "         [1320,  ..., 1330]]])",
    )


def test_left_out_values_have_no_say_in_the_format() -> None:
    array = np.ones(2000)
    array[1000] = 1e30
    assert format_array(array) == "tensor([1., 1., 1.,  ..., 1., 1., 1.])"


def test_a_huge_array_is_not_read_whole() -> None:
    array = np.broadcast_to(np.array(0.5), (10**8, 10**8))  # no memory could hold a copy
    edge = "[0.5000, 0.5000, 0.5000,  ..., 0.5000, 0.5000, 0.5000]"
    rows = [edge, edge, edge, "...", edge, edge, edge]
    assert format_array(array) == "tensor([" + ",\n        ".join(rows) + "])"


@pytest.mark.parametrize(
    ("options", "values", "expected"),
    [
        ({"precision": 2}, [1.2345, 2.0], "tensor([1.23, 2.00])"),
        ({"precision": 0}, [1.2345, 2.0], "tensor([1, 2])"),
        ({"sci_mode": True}, [1.0, 20.0], "tensor([1.0000e+00, 2.0000e+01])"),
        ({"sci_mode": False}, [1.0, 2e9], "tensor([         1., 2000000000.])"),
        ({"linewidth": 10}, [1, 2], "tensor([1,\n        2])"),
        ({"threshold": 4, "edgeitems": 1}, range(5), "tensor([0,  ..., 4])"),
        ({"threshold": 4, "edgeitems": 0}, range(5), "tensor([...], size=(5,))"),
        ({"profile": "short"}, [0.125] * 2, "tensor([0.12, 0.12])"),
        ({"profile": "short", "precision": 3}, [0.125] * 2, "tensor([0.125, 0.125])"),
        ({"profile": "short", "threshold": 5}, range(6), "tensor([0, 1,  ..., 4, 5])"),
    ],
)
def test_options(options: dict[str, Any], values: object, expected: str) -> None:
    set_printoptions(**options)
    assert format_array(np.array(values)) == expected


def test_full_profile_shows_every_element() -> None:
    set_printoptions(profile="full")
    array = np.zeros(3000, np.int64)
    assert format_array(array).count("0") == array.size


def test_only_sci_mode_falls_back_when_left_out() -> None:
    set_printoptions(precision=2, sci_mode=True)
    assert format_array(np.array(3.0)) == "tensor(3.00e+00)"
    set_printoptions(linewidth=60)
    assert format_array(np.array(3.5)) == "tensor(3.50)"


@pytest.mark.parametrize(
    "wrong",
    [
        {"profile": "tiny"},
        {"precision": -1},
        {"threshold": NAN},
        {"edgeitems": -1},
        {"linewidth": -80},
    ],
)
def test_wrong_options_are_refused_and_change_nothing(wrong: dict[str, Any]) -> None:
    set_printoptions(precision=2)
    with pytest.raises(ValueError, match=next(iter(wrong))):
        set_printoptions(**{"precision": 7, **wrong})
    assert format_array(np.array(0.125)) == "tensor(0.12)"


SIGNED = ["int8", "int16", "int32", "int64"]
UNSIGNED = ["uint8", "uint16", "uint32", "uint64"]
DTYPES = ["float64", "float32", "complex128", "complex64", "bool", *SIGNED, *UNSIGNED]
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, NAN, INF, -INF, 1e-4, 1e8, 1e3, 1e-300, 123456789.0]
MAGNITUDES = (
    st.sampled_from(SPECIAL)
    | st.floats()
    | st.floats(-100, 100)
    | st.integers(-1000, 1000).map(float)
    | st.integers(-4000, 4000).map(lambda n: n / 32)
)


@st.composite
def arrays(draw: st.DrawFn) -> NDArray[Any]:
    """Arrays of any printable dtype, filled from a few drawn numbers, sometimes not contiguous."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(
        st.lists(st.integers(0, 9), max_size=4)
        | st.integers(0, 60).map(lambda n: [n])
        | st.tuples(st.integers(1, 3), st.integers(0, 40)).map(list)
        | st.integers(990, 1010).map(lambda n: [n])
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if dtype.kind in "fc":
        drawn = np.array(draw(st.lists(MAGNITUDES, min_size=1, max_size=6)))
        with np.errstate(over="ignore"):
            pool = drawn.astype(np.zeros(0, dtype).real.dtype)
        array = rng.choice(pool, shape).astype(dtype)
        if dtype.kind == "c":
            array.imag = rng.choice(pool[: draw(st.integers(1, len(pool)))], shape)
    elif dtype.kind == "b":
        array = rng.integers(draw(st.integers(0, 1)), 2, shape).astype(bool)
    else:
        info = np.iinfo(dtype)
        span = min(10 ** draw(st.integers(0, 19)), info.max)
        array = rng.integers(max(-span, info.min), span, shape, dtype, endpoint=True)
    return array.T if draw(st.booleans()) else array


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "precision": st.integers(0, 8),
        "threshold": st.integers(0, 200),
        "edgeitems": st.integers(0, 4),
        "linewidth": st.integers(1, 120),
        "sci_mode": st.booleans(),
    },
)


@contextmanager
def same_settings(torch: ModuleType, default: str, options: dict[str, Any]) -> Iterator[None]:
    """Give PyTorch and numgrad the same options, default dtype and length of dtype names."""
    with ExitStack() as stack:
        stack.callback(torch.set_default_dtype, torch.get_default_dtype())
        stack.callback(torch.set_printoptions, profile="default")
        stack.enter_context(mock.patch.object(printing, "_NAMESPACE", "torch"))
        torch.set_default_dtype(getattr(torch, default))
        torch.set_printoptions(profile="default", **options)
        set_printoptions(profile="default", **options)
        yield


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    array=arrays(),
    options=OPTIONS,
    default=st.sampled_from(["float64", "float32"]),
    suffix=st.sampled_from(["", "requires_grad", "grad_fn"]),
)
def test_text_equals_pytorch(
    array: NDArray[Any], options: dict[str, Any], default: str, suffix: str
) -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(array)
    suffixes = []
    if suffix and array.dtype.kind in "fc":
        tensor.requires_grad_()
        suffixes = ["requires_grad=True"]
        if suffix == "grad_fn":
            tensor = tensor.clone()
            suffixes = ["grad_fn=<CloneBackward0>"]
    with same_settings(torch, default, options):
        text = format_array(array, suffixes=suffixes, default_dtype=np.dtype(default))
        assert text == repr(tensor)

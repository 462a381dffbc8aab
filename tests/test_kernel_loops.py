"""The loops of kernels compute what NumPy computes, in every layout, without warnings."""

from __future__ import annotations

import os
from fractions import Fraction

import numpy as np
import pytest

from numgrad.kernels import build, cpu, division, ufunc
from tests.kernel_texts import elementwise, source

RNG = np.random.default_rng(0)
N = 37  # not a multiple of a vector's length
X, Y = RNG.standard_normal((2, 3 * N, 2 * N))
LAYOUTS = {
    "dense": (X[0], Y[0]),
    "strided": (X[0, ::2], Y[0, 1::2]),
    "reversed": (X[0, ::-1], Y[0]),
    "first constant": (X[0, 0], Y[0]),
    "second constant": (X[0], 1.5),
    "both constant": (np.broadcast_to(X[0, 0], N), np.broadcast_to(Y[0, 0], N)),
    "Python numbers": (2.0, 3),
    "0-d": (np.array(0.5), np.array(-2.0)),
    "one element": (X[0, :1], Y[0, :1]),
    "empty": (X[0, :0], Y[0, :0]),
    "empty rows": (X[:, :0], Y[:, :0]),
    "columns": (X[:, :1], Y[:1, :]),
    "Fortran": (np.asfortranarray(X), Y),
    "transposed": (X.T, Y.T),
    "three dimensions": (X.reshape(3, N, -1)[:, ::3], Y.reshape(3, N, -1)[:, ::3]),
}


ROWS = {
    "dense": X,
    "strided": X[:, ::2],
    "reversed": X[:, ::-1],
    "transposed": X.T,
    "constant": np.broadcast_to(X[:, :1], X.shape),
    "empty rows": X[:, :0],
    "no rows": X[:0],
    "one row": X[0],
}


# What `out` is, of copies x, y of X[0], Y[0].
OUT = {
    "the first input": lambda x, y: (x, y, x),
    "the second input": lambda x, y: (x, y, y),
    "both inputs": lambda x, _: (x, x, x),
    "a later part of an input": lambda x, y: (x[:-1], y[1:], x[1:]),
    "an earlier part of an input": lambda x, y: (x[1:], y[1:], x[:-1]),
    "an input reversed": lambda x, y: (x, y, x[::-1]),
    "every second element of an input": lambda x, y: (x[:N], y[:N], x[::2]),
    "the first input, the second constant": lambda x, y: (x, y[0], x),
}


MATVEC = """
def loop(args, dims, steps, data):
    for k in range(dims[0]):
        for i in range(dims[1]):
            total = 0.0
            for j in range(dims[2]):
                a = load_f8(args[0], k * steps[0] + i * steps[3] + j * steps[4])
                total += a * load_f8(args[1], k * steps[1] + j * steps[5])
            store_f8(args[2], k * steps[2] + i * steps[6], total)
"""


SUM = """
def loop(args, dims, steps, data):
    for k in range(dims[0]):
        total = 0.0
        for i in range(dims[1]):
            total += load_f8(args[0], k * steps[0] + i * steps[2])
        store_f8(args[1], k * steps[1], total)
"""


# Types, an expression, and the function of NumPy that it is.
TYPES = [
    ("dd->d", "x0 * x1", np.multiply),
    ("ff->f", "x0 * x1", np.multiply),
    ("ld->d", "x0 * x1", np.multiply),
    ("ll->l", "x0 * x1", np.multiply),
    ("dd->?", "x0 < x1", np.less),
    ("?d->d", "x1 if x0 else -x1", lambda x, y: np.where(x, y, -y)),
]


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize(("types", "expression", "reference"), TYPES)
def test_every_layout_gives_what_numpy_gives(types, expression, reference, layout):
    x, y = (
        converted(value, ufunc.DTYPES[code]) for code, value in zip(types, layout, strict=False)
    )
    out = elementwise(expression, types)(x, y)
    assert out.dtype == ufunc.DTYPES[types[-1]]
    np.testing.assert_array_equal(out, reference(x, y), strict=True)


def converted(value, dtype):
    """The value as an array of a dtype, in the same layout."""
    changed = {"i": np.multiply(value, 4).astype, "b": np.greater(value, 0).astype}
    return changed.get(dtype.kind, np.asarray(value).astype)(dtype)


@pytest.mark.parametrize("types", ["d->d", "ddd->d", "dddd->d"])
def test_any_number_of_inputs(types):
    count = types.index("-")
    f = elementwise(" + ".join(f"x{k} * {k + 1}.0" for k in range(count)), types)
    rows = [X[k] for k in range(count)]
    for k in range(count):
        for row in (rows[k][0], rows[k][::-1], rows[k]):
            given = [*rows[:k], row, *rows[k + 1 :]]
            expected = sum((v * (j + 1) for j, v in enumerate(given[1:], 1)), given[0] * 1.0)
            np.testing.assert_array_equal(f(*given), expected)


def test_several_outputs():
    low, high = elementwise("minimum(x0, x1);maximum(x0, x1)", "dd->dd")(X, Y)
    np.testing.assert_array_equal(low, np.minimum(X, Y))
    np.testing.assert_array_equal(high, np.maximum(X, Y))


@pytest.mark.parametrize("choose", OUT.values(), ids=OUT)
def test_out_may_share_memory_with_inputs(choose):
    f = elementwise("x0 * x1 + x0")
    a, b, out = choose(X[0].copy(), Y[0].copy())
    expected = a * b + a
    assert f(a, b, out=out) is out
    np.testing.assert_array_equal(out, expected)


def test_reduce_and_accumulate_share_memory_too():
    f = elementwise("x0 - x1")
    np.testing.assert_array_equal(f.reduce(X, axis=0), np.subtract.reduce(X, axis=0))
    np.testing.assert_array_equal(f.accumulate(X[0]), np.subtract.accumulate(X[0]))
    np.testing.assert_array_equal(f.accumulate(X, axis=0), np.subtract.accumulate(X, axis=0))


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_core_dimensions(rows):
    total = build.kernel("total", SUM, "d->d", "(n)->()")
    assert total.signature == "(n)->()"
    np.testing.assert_allclose(total(rows), rows.sum(-1), rtol=1e-12, strict=True)
    if rows.ndim == 2:
        matvec = build.kernel("matvec", MATVEC, "dd->d", "(m,n),(n)->(m)")
        vector = rows.sum(0)
        np.testing.assert_allclose(matvec(rows, vector), rows @ vector, rtol=1e-9, atol=1e-12)


def test_scalar_cores():
    f = build.kernel("f", source("x0 * x1", "dd->d"), "dd->d", " ( ), ( ) -> ( ) ")
    np.testing.assert_array_equal(f(X, Y), X * Y)


def test_python_numbers_are_weak():
    f = elementwise("x0 * x1", "ff->f")
    x = np.ones(3, np.float32)
    for number in (2.0, 2, True):
        assert f(x, number).dtype == np.float32
        assert f(number, x).dtype == np.float32
    assert elementwise("x0 * x1")(x, 2.0).dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.int8, np.bool_, np.float16])
def test_safe_casts_are_made(dtype):
    x = np.arange(5).astype(dtype)
    np.testing.assert_array_equal(elementwise("x0 * x1")(x, 0.5), x * np.float64(0.5))


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.complex64, np.object_])
def test_unsafe_casts_are_not(dtype):
    with pytest.raises(TypeError, match="'f' not supported for the input types"):
        elementwise("x0 * x1", "ff->f")(np.ones(3, dtype), np.ones(3, np.float32))


def test_name_and_documentation():
    f = build.kernel("softness", source("x0", "d->d"), "d->d", doc="How soft.")
    assert f.__name__ == "softness"
    assert "How soft." in f.__doc__
    assert f.types == ["d->d"]
    assert f.identity is None


def test_letters_are_numpys():
    assert {np.dtype(code): code for code in "df?"} == {
        dtype: code for code, dtype in ufunc.DTYPES.items() if code != "l"
    }
    assert ufunc.DTYPES["l"] == np.int64


# An expression, what it is in Python, and where NumPy warns of it.
EVENTS = [
    ("1.0 / x0", lambda x: 1 / x, 0.0),
    ("x0 - x0", lambda x: x - x, np.inf),
    ("x0 * x0", lambda x: x * x, 1e300),
    ("x0 * x0", lambda x: x * x, 1e-300),
]


SPECIAL = np.array([0.0, -0.0, 1.5, -2.5, 3.5, np.inf, -np.inf, np.nan, 1e-40, 7.0])


@pytest.mark.parametrize("array", [False, True])
@pytest.mark.parametrize(("expression", "reference", "value"), EVENTS)
def test_there_are_no_warnings(expression, reference, value, array):
    x = np.full(N, value) if array else np.float64(value)
    f = elementwise(expression, "d->d")
    with np.errstate(all="raise"):
        out = f(x)
        with pytest.raises(FloatingPointError):
            reference(x)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(out, reference(x))


def test_flags_are_cleared_elsewhere_by_the_c_library(monkeypatch):
    from numgrad.kernels import jit, link

    monkeypatch.setattr(cpu, "is_x86_64", lambda: False)
    monkeypatch.setattr(cpu, "is_aarch64", lambda: True)
    text = build.PRELUDE + source("1.0 / x0", "d->d")
    code = jit.compile_loop(text, "test_flags", "d->d")
    assert b"feclearexcept" in code
    if os.name == "posix":
        (address,) = link.addresses(code, "test_flags")
        f = ufunc.make("f", address, division.undivided(), "d->d")
        with np.errstate(all="raise"):
            assert f(0.0) == np.inf


def test_products_and_sums_are_not_fused():
    f = elementwise("x0 * x1 + 1.0")
    x = 1 + np.arange(1, 1000) * 2.0**-40
    np.testing.assert_array_equal(f(x, -x), x * -x + 1)
    fused = elementwise("fma(x0, x1, 1.0)")(x, -x)
    assert fused.tolist() == [float(1 - Fraction(v) ** 2) for v in x]
    assert (fused != x * -x + 1).any()


@pytest.mark.parametrize("code", ["d", "f"])
@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("rint", np.rint),
        ("fabs", np.fabs),
        ("sqrt", np.sqrt),
        ("copysign", np.copysign),
        ("maximum", np.maximum),
        ("minimum", np.minimum),
    ],
)
def test_intrinsics(name, reference, code):
    count = reference.nin
    arguments = np.meshgrid(*[SPECIAL.astype(code)] * count)
    f = elementwise(f"{name}({', '.join(['x0', 'x1'][:count])})", f"{code * count}->{code}")
    out = f(*arguments)
    with np.errstate(invalid="ignore"):
        expected = reference(*arguments)
    np.testing.assert_array_equal(out, expected, strict=True)
    if name in {"rint", "fabs", "copysign"}:
        np.testing.assert_array_equal(np.signbit(out), np.signbit(expected))


def test_maximum_orders_zeros():
    low, high = elementwise("minimum(x0, x1);maximum(x0, x1)", "dd->dd")([0.0, -0.0], [-0.0, 0.0])
    assert np.signbit(low).all()
    assert not np.signbit(high).any()


@pytest.mark.parametrize(("code", "integer"), [("d", np.int64), ("f", np.int32)])
def test_bits(code, integer):
    before = "from numgrad.kernels.intrinsics import from_bits, to_bits\n"
    x = SPECIAL.astype(code)
    np.testing.assert_array_equal(
        elementwise("to_bits(x0)", f"{code}->l", before)(x), x.view(integer)
    )
    back = elementwise("from_bits(to_bits(x0))", f"{code}->{code}", before)(x)
    assert back.tobytes() == x.tobytes()

"""Kernels: real ufuncs, compiled once for all processes, that compute what NumPy computes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from numgrad.kernels import build, cpu, ufunc

ROOT = Path(__file__).resolve().parent.parent
SUFFIX = {"d": "f8", "f": "f4", "l": "i8", "?": "b1"}


def source(expression, types, before=""):
    """A loop that stores `expression` of x0, x1, ...; several outputs are divided by semicolons."""
    inputs, outputs = types.split("->")
    lines = [before, "def loop(args, dims, steps, data):", "    for i in range(dims[0]):"]
    for k, code in enumerate(inputs):
        lines.append(f"        x{k} = load_{SUFFIX[code]}(args[{k}], i * steps[{k}])")
    for k, (code, value) in enumerate(
        zip(outputs, expression.split(";"), strict=True), len(inputs)
    ):
        lines.append(f"        store_{SUFFIX[code]}(args[{k}], i * steps[{k}], {value})")
    return "\n".join([*lines, ""])


def elementwise(expression, types="dd->d", before=""):
    return build.kernel("f", source(expression, types, before), types)


def run(program, store, **variables):
    """What a new process prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=os.environ | {"PYTHONPATH": str(ROOT), "NUMGRAD_CACHE_DIR": str(store)} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


# Prints whether Numba was needed, and a value.
PROGRAM = f"""
import sys
from numgrad.kernels import build
f = build.kernel("f", {source("math.exp(x0) + x1", "dd->d")!r}, "dd->d")
print("compiled" if "numba" in sys.modules else "loaded", f(0.0, 2.0))
"""


class TestProcesses:
    def test_the_second_process_does_not_import_numba(self, tmp_path):
        store = tmp_path / "store"
        assert run(PROGRAM, store) == ["compiled", "3.0"]
        assert run(PROGRAM, store) == ["loaded", "3.0"]

        (entry,) = store.glob("*.kernel")
        code = entry.read_bytes()
        entry.write_bytes(code[:-100])
        assert run(PROGRAM, store) == ["compiled", "3.0"]
        assert run(PROGRAM, store) == ["loaded", "3.0"]

    def test_a_process_that_cannot_store_computes_all_the_same(self, tmp_path):
        (tmp_path / "file").write_text("not a folder")
        assert run(PROGRAM, tmp_path / "file" / "store") == ["compiled", "3.0"]

    def test_processes_may_start_cold_at_once(self, tmp_path):
        store = tmp_path / "store"
        printed = []
        threads = [
            threading.Thread(target=lambda: printed.append(run(PROGRAM, store))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(printed) == 4
        assert {value for _, value in printed} == {"3.0"}
        assert [path.suffix for path in store.iterdir()] == [".kernel"]

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
    def test_a_child_may_compile_that_was_forked_while_a_thread_compiles(self, tmp_path):
        program = f"""
import os, threading, warnings
from numgrad.kernels import build, jit
warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
one, two = {source("x0 + 1", "d->d")!r}, {source("x0 + 2", "d->d")!r}
compiling, compile_loop = threading.Event(), jit.compile_loop
def announced(*arguments):
    compiling.set()
    return compile_loop(*arguments)
jit.compile_loop = announced
thread = threading.Thread(target=build.kernel, args=("one", one, "d->d"))
thread.start()
compiling.wait()
child = os.fork()
if child == 0:
    fine = build.kernel("two", two, "d->d")(1.0) == 3 and build.kernel("one", one, "d->d")(1.0) == 2
    os._exit(0 if fine else 1)
print(os.waitpid(child, 0)[1])
thread.join()
"""
        assert run(program, tmp_path / "store") == ["0"]

    def test_all_that_kernels_may_call_is_there_without_numba(self, tmp_path):
        program = """
import sys
from llvmlite import binding
from numgrad.kernels import link, object_code
link._engine()
assert "numba" not in sys.modules
print(*[name for name in object_code._CALLABLE if not binding.address_of_symbol(name)])
"""
        assert run(program, tmp_path) == []

    def test_naming_a_kernel_needs_neither_numba_nor_llvm(self, tmp_path):
        program = """
import sys
from numgrad.kernels import build
print(len(build.key("text", "d->d")), *{"numba", "llvmlite", "importlib.metadata"} & {*sys.modules})
"""
        assert run(program, tmp_path) == ["64"]

    @pytest.mark.skipif(not cpu.is_x86_64(), reason="levels of x86-64")
    def test_each_level_gives_the_same_bits_and_has_code_of_its_own(self, tmp_path):
        program = f"""
import numpy as np
from numgrad.kernels import build
f = build.kernel("f", {source("x0 * x1 + math.sqrt(x0)", "dd->d")!r}, "dd->d")
x = np.linspace(0, 1, 1001)
print(f(x, x[::-1]).tobytes().hex())
"""
        levels = ["x86-64-v4", "x86-64-v3", "x86-64"]
        levels = levels[levels.index(cpu._machine_level()) :]
        assert len({*(run(program, tmp_path, NUMGRAD_CPU_LEVEL=l)[0] for l in levels)}) == 1
        assert len(list(tmp_path.glob("*.kernel"))) == len(levels)


class TestLevel:
    FEATURES = [
        ({"X86_V2", "X86_V3", "X86_V4"}, "x86-64-v4"),
        ({"X86_V2", "X86_V3"}, "x86-64-v3"),
        ({"X86_V2"}, "x86-64"),
        ({"AVX2", "FMA3", "F16C", "AVX512F", "AVX512_SKX"}, "x86-64-v4"),  # NumPy before 2.4
        ({"AVX2", "FMA3", "F16C", "AVX512F"}, "x86-64-v3"),
        ({"AVX2"}, "x86-64"),
        ({"SSE2"}, "x86-64"),
    ]

    @pytest.mark.parametrize(("features", "level"), FEATURES)
    def test_it_follows_the_features(self, monkeypatch, features, level):
        monkeypatch.setattr(cpu, "is_x86_64", lambda: True)
        monkeypatch.setattr(cpu, "_numpy_features", lambda: features)
        assert cpu._machine_level() == level

    def test_llvm_and_numpy_find_the_same(self, monkeypatch):
        found = cpu._machine_level()
        monkeypatch.setattr(cpu, "_numpy_features", set)
        assert cpu._machine_level() == found

    def test_another_processor_is_taken_as_it_is(self, monkeypatch):
        monkeypatch.setattr(cpu.platform, "machine", lambda: "ARM64")
        monkeypatch.delenv("NUMGRAD_CPU_LEVEL", raising=False)
        assert cpu.level.__wrapped__() == "native-arm64"
        assert cpu.target("native-arm64") == ("", "")
        assert cpu.is_aarch64()

    CHOICES = [("x86-64-v3", "x86-64-v3"), ("x86-64", "x86-64"), ("", "x86-64-v3")]

    @pytest.mark.parametrize(("asked", "level"), CHOICES)
    def test_a_lower_one_may_be_chosen(self, monkeypatch, asked, level):
        monkeypatch.setattr(cpu, "_machine_level", lambda: "x86-64-v3")
        monkeypatch.setenv("NUMGRAD_CPU_LEVEL", asked)
        assert cpu.level.__wrapped__() == level

    @pytest.mark.parametrize("asked", ["x86-64-v4", "v3", "native"])
    def test_others_are_refused(self, monkeypatch, asked):
        monkeypatch.setattr(cpu, "_machine_level", lambda: "x86-64-v3")
        monkeypatch.setenv("NUMGRAD_CPU_LEVEL", asked)
        with pytest.raises(ValueError, match="set it to one of x86-64-v3, x86-64, or unset it"):
            cpu.level.__wrapped__()


class TestKey:
    @pytest.fixture
    def files(self, tmp_path, monkeypatch):
        """A package in which `one` imports `two`, in the place of numgrad."""
        folder = tmp_path / "numgrad" / "kernels"
        folder.mkdir(parents=True)
        (folder / "one.py").write_text("from numgrad.kernels.two import (\n    f,\n)\n")
        (folder / "two.py").write_text("from numgrad.kernels import one\n")
        monkeypatch.setattr(build, "_ROOT", tmp_path)
        memories = (build._module, build._is_module)

        def forget():
            for memory in memories:
                memory.cache_clear()

        forget()
        yield folder, forget
        forget()

    def test_it_depends_on_text_types_and_core(self):
        keys = {
            build.key("a", "d->d"),
            build.key("b", "d->d"),
            build.key("a", "f->f"),
            build.key("a", "d->d", "(n)->()"),
            build.key("a", "d->d", "()->()"),
        }
        assert len(keys) == 5
        assert build.key("a", "d->d") in keys

    @pytest.mark.parametrize("part", range(4))
    def test_it_depends_on_platform_and_versions(self, monkeypatch, part):
        before = build.key("a", "d->d")
        now = list(build._surroundings())
        now[part] += ".1"
        monkeypatch.setattr(build, "_surroundings", lambda: tuple(now))
        assert build.key("a", "d->d") != before

    def test_versions_are_those_installed(self):
        import llvmlite
        import numba

        versions = build._surroundings()[2:]
        assert versions == (f"numba-{numba.__version__}", f"llvmlite-{llvmlite.__version__}")

    def test_it_depends_on_the_level(self, monkeypatch):
        before = build.key("a", "d->d")
        monkeypatch.setattr(cpu, "level", lambda: "another")
        assert build.key("a", "d->d") != before

    IMPORTS = [
        "from numgrad.kernels.one import f",
        "from numgrad.kernels import one",
        "from numgrad.kernels import (\n    one as other,\n)",
        "import numgrad.kernels.one",
        "def loop():\n    from numgrad.kernels.one import f",
    ]

    @pytest.mark.parametrize("text", IMPORTS)
    @pytest.mark.parametrize("changed", ["one", "two"])
    def test_it_depends_on_modules_that_the_text_imports(self, files, text, changed):
        folder, forget = files
        before = build.key(text, "d->d"), build.key("no import", "d->d")
        with (folder / f"{changed}.py").open("a") as file:
            file.write("# changed\n")
        forget()
        assert build.key(text, "d->d") != before[0]
        assert build.key("no import", "d->d") == before[1]

    def test_the_compiler_itself_counts(self):
        assert {f"numgrad.kernels.{name}" for name in ("jit", "intrinsics")} <= build._imports(
            build.PRELUDE
        )


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


class TestLoops:
    TYPES = ["dd->d", "ff->f", "ld->d", "?d->d", "dd->?", "ll->l"]
    DTYPE = {"d": np.float64, "f": np.float32, "l": np.int64, "?": np.bool_}
    EXPRESSION = {"dd->?": ("x0 < x1", np.less), "?d->d": ("x1 if x0 else -x1", None)}

    @pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
    @pytest.mark.parametrize("types", TYPES)
    def test_every_layout_gives_what_numpy_gives(self, types, layout):
        text, reference = self.EXPRESSION.get(types, ("x0 * x1", np.multiply))
        if reference is None:
            reference = lambda x, y: np.where(x, y, -y)
        casts = {"l": lambda v: np.int64(v * 4), "?": lambda v: v > 0}
        x, y = (
            casts.get(code, self.DTYPE[code])(np.asarray(value))
            for code, value in zip(types, layout, strict=False)
        )
        out = elementwise(text, types)(x, y)
        assert out.dtype == self.DTYPE[types[-1]]
        np.testing.assert_array_equal(out, reference(x, y), strict=True)

    @pytest.mark.parametrize("types", ["d->d", "ddd->d", "dddd->d"])
    def test_any_number_of_inputs(self, types):
        count = types.index("-")
        f = elementwise(" + ".join(f"x{k} * {k + 1}.0" for k in range(count)), types)
        rows = [X[k] for k in range(count)]
        for k in range(count):
            for row in (rows[k][0], rows[k][::-1], rows[k]):
                given = [*rows[:k], row, *rows[k + 1 :]]
                expected = sum((v * (j + 1) for j, v in enumerate(given[1:], 1)), given[0] * 1.0)
                np.testing.assert_array_equal(f(*given), expected)

    def test_several_outputs(self):
        low, high = elementwise("minimum(x0, x1);maximum(x0, x1)", "dd->dd")(X, Y)
        np.testing.assert_array_equal(low, np.minimum(X, Y))
        np.testing.assert_array_equal(high, np.maximum(X, Y))

    # What `out` is, of copies x, y of X[0], Y[0].
    OUT = {
        "the first input": lambda x, y: (x, y, x),
        "the second input": lambda x, y: (x, y, y),
        "both inputs": lambda x, y: (x, x, x),
        "a later part of an input": lambda x, y: (x[:-1], y[1:], x[1:]),
        "an earlier part of an input": lambda x, y: (x[1:], y[1:], x[:-1]),
        "an input reversed": lambda x, y: (x, y, x[::-1]),
        "every second element of an input": lambda x, y: (x[:N], y[:N], x[::2]),
        "the first input, the second constant": lambda x, y: (x, y[0], x),
    }

    @pytest.mark.parametrize("choose", OUT.values(), ids=OUT)
    def test_out_may_share_memory_with_inputs(self, choose):
        f = elementwise("x0 * x1 + x0")
        a, b, out = choose(X[0].copy(), Y[0].copy())
        expected = a * b + a
        assert f(a, b, out=out) is out
        np.testing.assert_array_equal(out, expected)

    def test_reduce_and_accumulate_share_memory_too(self):
        f = elementwise("x0 - x1")
        np.testing.assert_array_equal(f.reduce(X, axis=0), np.subtract.reduce(X, axis=0))
        np.testing.assert_array_equal(f.accumulate(X[0]), np.subtract.accumulate(X[0]))
        np.testing.assert_array_equal(f.accumulate(X, axis=0), np.subtract.accumulate(X, axis=0))

    SUM = """
def loop(args, dims, steps, data):
    for k in range(dims[0]):
        total = 0.0
        for i in range(dims[1]):
            total += load_f8(args[0], k * steps[0] + i * steps[2])
        store_f8(args[1], k * steps[1], total)
"""
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

    @pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
    def test_core_dimensions(self, rows):
        total = build.kernel("total", self.SUM, "d->d", "(n)->()")
        assert total.signature == "(n)->()"
        np.testing.assert_allclose(total(rows), rows.sum(-1), rtol=1e-12, strict=True)
        if rows.ndim == 2:
            matvec = build.kernel("matvec", self.MATVEC, "dd->d", "(m,n),(n)->(m)")
            vector = rows.sum(0)
            np.testing.assert_allclose(matvec(rows, vector), rows @ vector, rtol=1e-9, atol=1e-12)

    def test_scalar_cores(self):
        f = build.kernel("f", source("x0 * x1", "dd->d"), "dd->d", " ( ), ( ) -> ( ) ")
        np.testing.assert_array_equal(f(X, Y), X * Y)


class TestDtypes:
    def test_python_numbers_are_weak(self):
        f = elementwise("x0 * x1", "ff->f")
        x = np.ones(3, np.float32)
        for number in (2.0, 2, True):
            assert f(x, number).dtype == np.float32
            assert f(number, x).dtype == np.float32
        assert elementwise("x0 * x1")(x, 2.0).dtype == np.float64

    @pytest.mark.parametrize("dtype", [np.float32, np.int64, np.int8, np.bool_, np.float16])
    def test_safe_casts_are_made(self, dtype):
        x = np.arange(5).astype(dtype)
        np.testing.assert_array_equal(elementwise("x0 * x1")(x, 0.5), x * np.float64(0.5))

    @pytest.mark.parametrize("dtype", [np.float64, np.int64, np.complex64, np.object_])
    def test_unsafe_casts_are_not(self, dtype):
        with pytest.raises(TypeError, match="'f' not supported for the input types"):
            elementwise("x0 * x1", "ff->f")(np.ones(3, dtype), np.ones(3, np.float32))

    def test_name_and_documentation(self):
        f = build.kernel("softness", source("x0", "d->d"), "d->d", doc="How soft.")
        assert f.__name__ == "softness"
        assert "How soft." in f.__doc__
        assert f.types == ["d->d"]
        assert f.identity is None

    def test_letters_are_numpys(self):
        assert {np.dtype(code): code for code in "df?"} == {
            dtype: code for code, dtype in ufunc.DTYPES.items() if code != "l"
        }
        assert ufunc.DTYPES["l"] == np.int64


class TestFloatingPoint:
    # Each raises a flag of NumPy's.
    EVENTS = [("1.0 / x0", 0.0), ("x0 - x0", np.inf), ("x0 * x0", 1e300), ("x0 * x0", 1e-300)]

    @pytest.mark.parametrize("array", [False, True])
    @pytest.mark.parametrize(("expression", "value"), EVENTS)
    def test_there_are_no_warnings(self, expression, value, array):
        x = np.full(N, value) if array else value
        f = elementwise(expression, "d->d")
        with np.errstate(all="raise"):
            out = f(x)
        with np.errstate(all="ignore"):
            x0 = np.float64(1) * x  # the name in the expression
            np.testing.assert_array_equal(out, eval(expression, {"x0": x0}))

    def test_flags_are_cleared_elsewhere_by_the_c_library(self, monkeypatch):
        from numgrad.kernels import jit, link

        monkeypatch.setattr(cpu, "is_x86_64", lambda: False)
        monkeypatch.setattr(cpu, "is_aarch64", lambda: True)
        text = build.PRELUDE + source("1.0 / x0", "d->d")
        code = jit.compile_loop(text, "test_flags", "d->d")
        assert b"feclearexcept" in code
        if os.name == "posix":
            f = ufunc.make("f", link.address("test_flags", code), "d->d")
            with np.errstate(all="raise"):
                assert f(0.0) == np.inf

    def test_products_and_sums_are_not_fused(self):
        f = elementwise("x0 * x1 + 1.0")
        x = 1 + np.arange(1, 1000) * 2.0**-40
        np.testing.assert_array_equal(f(x, -x), x * -x + 1)
        fused = elementwise("fma(x0, x1, 1.0)")(x, -x)
        assert fused.tolist() == [float(1 - Fraction(v) ** 2) for v in x]
        assert (fused != x * -x + 1).any()

    SPECIAL = np.array([0.0, -0.0, 1.5, -2.5, 3.5, np.inf, -np.inf, np.nan, 1e-40, 7.0])

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
    def test_intrinsics(self, name, reference, code):
        count = reference.nin
        arguments = np.meshgrid(*[self.SPECIAL.astype(code)] * count)
        f = elementwise(f"{name}({', '.join(['x0', 'x1'][:count])})", f"{code * count}->{code}")
        out = f(*arguments)
        with np.errstate(invalid="ignore"):
            expected = reference(*arguments)
        np.testing.assert_array_equal(out, expected, strict=True)
        if name in {"rint", "fabs", "copysign"}:
            np.testing.assert_array_equal(np.signbit(out), np.signbit(expected))

    def test_maximum_orders_zeros(self):
        low, high = elementwise("minimum(x0, x1);maximum(x0, x1)", "dd->dd")(
            [0.0, -0.0], [-0.0, 0.0]
        )
        assert np.signbit(low).all()
        assert not np.signbit(high).any()

    @pytest.mark.parametrize(("code", "integer"), [("d", np.int64), ("f", np.int32)])
    def test_bits(self, code, integer):
        before = "from numgrad.kernels.intrinsics import from_bits, to_bits\n"
        x = self.SPECIAL.astype(code)
        np.testing.assert_array_equal(
            elementwise("to_bits(x0)", f"{code}->l", before)(x), x.view(integer)
        )
        back = elementwise("from_bits(to_bits(x0))", f"{code}->{code}", before)(x)
        assert back.tobytes() == x.tobytes()


class TestBuilding:
    def test_a_kernel_is_made_once(self, monkeypatch):
        from numgrad.kernels import jit

        compiled, compile_loop = [], jit.compile_loop

        def counted(*arguments):
            compiled.append(arguments)
            return compile_loop(*arguments)

        monkeypatch.setattr(jit, "compile_loop", counted)
        text = source("x0 + 12345.0", "d->d")
        made = []
        threads = [
            threading.Thread(target=lambda: made.append(build.kernel("f", text, "d->d")))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        other = build.kernel("g", text, "d->d")
        assert len(made) == 8
        assert len({id(f) for f in made}) == 1
        assert len(compiled) <= 1  # none where the store is kept from run to run
        assert other.__name__ == "g"
        assert other(1.0) == 12346.0

    def test_helpers_in_the_text(self):
        f = elementwise("square(x0) + x1", before="@inline\ndef square(x):\n    return x * x\n")
        np.testing.assert_array_equal(f(X, Y), X * X + Y)

    WRONG = [
        ("math.gamma(x0)", "the loop calls numba_gamma, which a process without Numba has not got"),
        ("nothing(x0)", "name 'nothing' is not defined"),
        ("copysign(x0, f4(1.0))", "copysign|No implementation|No match"),
    ]

    @pytest.mark.parametrize(("expression", "message"), WRONG)
    def test_a_wrong_text_is_an_internal_error_that_shows_it(self, expression, message):
        with pytest.raises(RuntimeError, match=message) as caught:
            elementwise(expression, "d->d")
        assert str(caught.value).startswith("numgrad internal error: ")
        (note,) = caught.value.__notes__
        assert note.startswith("This was the kernel f for d->d:\n")
        assert expression in note

    @pytest.mark.skipif(not cpu.is_x86_64(), reason="registers of x86-64")
    @pytest.mark.parametrize("types", ["dd->d", "ff->f"])
    def test_loops_are_vectorised_for_the_level(self, monkeypatch, types):
        from numgrad.kernels import jit, object_code

        assembly = []

        def seen(module):
            assembly.append(object_code._machine().emit_assembly(module))
            return []

        monkeypatch.setattr(object_code, "_foreign", seen)
        jit.compile_loop(build.PRELUDE + source("x0 * x1 + x0", types), "test_vectors", types)
        register = {"x86-64-v4": "zmm", "x86-64-v3": "ymm", "x86-64": "xmm"}[cpu.level()]
        product = f"mulp{types[0].replace('f', 's')}"
        # In place, dense, and with either input constant.
        assert sum(product in line and register in line for line in assembly[0].splitlines()) >= 4

    def test_without_a_vector_library_at_hand_a_loop_stays_scalar(self, monkeypatch):
        from numgrad.kernels import jit, object_code

        seen = []

        def foreign(module):
            seen.append(str(module))
            return ["__svml_exp8"] if "<" in str(module).partition("define")[2] else []

        monkeypatch.setattr(object_code, "_foreign", foreign)
        jit.compile_loop(build.PRELUDE + source("math.exp(x0)", "d->d"), "test_scalar", "d->d")
        assert ["x double>" in text for text in seen] == [True, False]

"""Kernels are compiled once for all threads and processes, each for the machine that runs it."""

from __future__ import annotations

import os
import threading

import pytest

from numgrad.kernels import build, cpu
from tests.kernel_texts import elementwise, source
from tests.processes import run

# Prints whether Numba was needed, and a value.
PROGRAM = f"""
import sys
from numgrad.kernels import build
f = build.kernel("f", {source("math.exp(x0) + x1", "dd->d")!r}, "dd->d")
print("compiled" if "numba" in sys.modules else "loaded", f(0.0, 2.0))
"""


def test_the_second_process_does_not_import_numba(tmp_path):
    store = tmp_path / "store"
    assert run(PROGRAM, store) == ["compiled", "3.0"]
    assert run(PROGRAM, store) == ["loaded", "3.0"]

    (entry,) = store.glob("*.kernel")
    code = entry.read_bytes()
    entry.write_bytes(code[:-100])
    assert run(PROGRAM, store) == ["compiled", "3.0"]
    assert run(PROGRAM, store) == ["loaded", "3.0"]


def test_a_process_that_cannot_store_computes_all_the_same(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    assert run(PROGRAM, tmp_path / "file" / "store") == ["compiled", "3.0"]


def test_processes_may_start_cold_at_once(tmp_path):
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
def test_a_child_may_compile_that_was_forked_while_a_thread_compiles(tmp_path):
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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_may_load_that_was_forked_while_a_thread_loads(tmp_path):
    program = f"""
import os, sys, threading, warnings
from numgrad.kernels import build, link
warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
text = {source("x0 + 1", "d->d")!r}
loading, forking, addresses = threading.Event(), threading.Event(), link.addresses
def announced(*arguments):
    loading.set()
    forking.wait()
    return addresses(*arguments)
if "warm" in sys.argv:
    link.addresses = announced
    os.register_at_fork(before=forking.set)
    thread = threading.Thread(target=build.kernel, args=("f", text, "d->d"))
    thread.start()
    loading.wait()
    child = os.fork()
    if child == 0:
        os._exit(0 if build.kernel("f", text, "d->d")(1.0) == 2 else 1)
    assert "numba" not in sys.modules
    print(os.waitpid(child, 0)[1])
    thread.join()
else:
    build.kernel("f", text, "d->d")
"""
    assert run(program, tmp_path / "store") == []
    assert run(program, tmp_path / "store", "warm") == ["0"]


def test_all_that_kernels_may_call_is_there_without_numba(tmp_path):
    program = """
import sys
from llvmlite import binding
from numgrad.kernels import link, object_code
link._engine()
assert "numba" not in sys.modules
print(*[name for name in object_code._CALLABLE if not binding.address_of_symbol(name)])
"""
    assert run(program, tmp_path) == []


def test_naming_a_kernel_needs_neither_numba_nor_llvm(tmp_path):
    program = """
import sys
from numgrad.kernels import build
print(len(build.key("text", "d->d")), *{"numba", "llvmlite", "importlib.metadata"} & {*sys.modules})
"""
    assert run(program, tmp_path) == ["64"]


@pytest.mark.skipif(not cpu.is_x86_64(), reason="levels of x86-64")
def test_each_level_gives_the_same_bits_and_has_code_of_its_own(tmp_path):
    program = f"""
import numpy as np
from numgrad.kernels import build
f = build.kernel("f", {source("x0 * x1 + math.sqrt(x0)", "dd->d")!r}, "dd->d")
x = np.linspace(0, 1, 1001)
print(f(x, x[::-1]).tobytes().hex())
"""
    levels = ["x86-64-v4", "x86-64-v3", "x86-64"]
    levels = levels[levels.index(cpu.level()) :]
    assert len({*(run(program, tmp_path, NUMGRAD_CPU_LEVEL=level)[0] for level in levels)}) == 1
    assert len(list(tmp_path.glob("*.kernel"))) == len(levels)


WRONG = [
    ("math.gamma(x0)", "the loop calls numba_gamma, which a process without Numba has not got"),
    ("nothing(x0)", "name 'nothing' is not defined"),
    ("copysign(x0, f4(1.0))", "copysign|No implementation|No match"),
]


def test_a_kernel_is_made_once(monkeypatch):
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


def test_helpers_in_the_text():
    f = elementwise("square(x0) + x1", before="@inline\ndef square(x):\n    return x * x\n")
    assert f(3.0, 4.0) == 13


@pytest.mark.parametrize(("expression", "message"), WRONG)
def test_a_wrong_text_is_an_internal_error_that_shows_it(expression, message):
    with pytest.raises(RuntimeError, match=message) as caught:
        elementwise(expression, "d->d")
    assert str(caught.value).startswith("numgrad internal error: ")
    (note,) = caught.value.__notes__
    assert note.startswith("This was the kernel f for d->d:\n")
    assert expression in note


# Types, core, and the steps of each case that gets code of its own; None is any step.
CASES = [
    ("d->d", None, [[8, 8], [8, 8]]),
    ("f->f", None, [[4, 4], [4, 4]]),
    ("d->f", None, [[8, 4]]),
    ("dd->?", None, [[8, 8, 1], [0, 8, 1], [8, 0, 1]]),
    ("dl->d", None, [[8, 8, 8], [8, 8, 8], [0, 8, 8], [8, 0, 8]]),
    ("dd->dd", None, [[8, 8, 8, 8], [0, 8, 8, 8], [8, 0, 8, 8]]),
    ("fff->f", None, [[4, 4, 4, 4], [4, 4, 4, 4], [0, 4, 4, 4]]),
    ("d->d", "(n)->()", [[None, None, 8]]),
    ("df->d", "(m, n),(n)->(m)", [[None, None, None, None, 8, 4, 8]]),
    ("d->d", "()->()", []),
]


@pytest.mark.parametrize(("types", "core", "steps"), CASES)
def test_cases_with_code_of_their_own(types, core, steps):
    from numgrad.kernels import object_code

    cases = list(object_code._cases(types, core))
    assert [case.steps for case in cases] == steps
    # Where there is one in place, it comes before the other that fits the same steps.
    repeated = steps[:1] == steps[1:2]
    assert [case.in_place for case in cases] == [repeated and case is cases[0] for case in cases]


@pytest.mark.skipif(not cpu.is_x86_64(), reason="registers of x86-64")
@pytest.mark.parametrize("types", ["dd->d", "ff->f"])
def test_loops_are_vectorised_for_the_level(monkeypatch, types):
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


def test_without_a_vector_library_at_hand_a_loop_stays_scalar(monkeypatch):
    from numgrad.kernels import jit, object_code

    seen = []

    def foreign(module):
        seen.append(str(module))
        return ["__svml_exp8"] if "<" in str(module).partition("define")[2] else []

    monkeypatch.setattr(object_code, "_foreign", foreign)
    jit.compile_loop(build.PRELUDE + source("math.exp(x0)", "d->d"), "test_scalar", "d->d")
    assert ["x double>" in text for text in seen] == [True, False]

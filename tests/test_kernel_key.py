"""Compiled code is named by all that it depends on, the level of the processor among it."""

from __future__ import annotations

import platform

import pytest

from numgrad.kernels import build, cpu

FEATURES = [
    ({"X86_V2", "X86_V3", "X86_V4"}, "x86-64-v4"),
    ({"X86_V2", "X86_V3"}, "x86-64-v3"),
    ({"X86_V2"}, "x86-64"),
    ({"AVX2", "FMA3", "F16C", "AVX512F", "AVX512_SKX"}, "x86-64-v4"),  # NumPy before 2.4
    ({"AVX2", "FMA3", "F16C", "AVX512F"}, "x86-64-v3"),
    ({"AVX2"}, "x86-64"),
    ({"SSE2"}, "x86-64"),
]


CHOICES = [("x86-64-v3", "x86-64-v3"), ("x86-64", "x86-64"), ("", "x86-64-v3")]


@pytest.mark.parametrize(("features", "level"), FEATURES)
def test_the_level_follows_the_features(monkeypatch, features, level):
    monkeypatch.setattr(cpu, "is_x86_64", lambda: True)
    monkeypatch.setattr(cpu, "_numpy_features", lambda: features)
    assert cpu._machine_level() == level


def test_llvm_and_numpy_find_the_same_level(monkeypatch):
    found = cpu._machine_level()
    monkeypatch.setattr(cpu, "_numpy_features", set)
    assert cpu._machine_level() == found


def test_another_processor_has_one_level(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "ARM64")
    monkeypatch.delenv("NUMGRAD_CPU_LEVEL", raising=False)
    assert cpu.level.__wrapped__() == "native-arm64"
    assert cpu.target("native-arm64") == ("", "")
    assert cpu.is_aarch64()


@pytest.mark.parametrize(("asked", "level"), CHOICES)
def test_a_lower_level_may_be_chosen(monkeypatch, asked, level):
    monkeypatch.setattr(cpu, "_machine_level", lambda: "x86-64-v3")
    monkeypatch.setenv("NUMGRAD_CPU_LEVEL", asked)
    assert cpu.level.__wrapped__() == level


@pytest.mark.parametrize("asked", ["x86-64-v4", "v3", "native"])
def test_other_levels_are_refused(monkeypatch, asked):
    monkeypatch.setattr(cpu, "_machine_level", lambda: "x86-64-v3")
    monkeypatch.setenv("NUMGRAD_CPU_LEVEL", asked)
    with pytest.raises(ValueError, match="set it to one of x86-64-v3, x86-64, or unset it"):
        cpu.level.__wrapped__()


IMPORTS = [
    "from numgrad.kernels.one import f",
    "from numgrad.kernels import one",
    "from numgrad.kernels import (\n    one as other,\n)",
    "import numgrad.kernels.one",
    "def loop():\n    from numgrad.kernels.one import f",
]


@pytest.fixture
def files(tmp_path, monkeypatch):
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


def test_the_key_depends_on_text_types_and_core():
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
def test_the_key_depends_on_platform_and_versions(monkeypatch, part):
    before = build.key("a", "d->d")
    now = list(build._surroundings())
    now[part] += ".1"
    monkeypatch.setattr(build, "_surroundings", lambda: tuple(now))
    assert build.key("a", "d->d") != before


def test_versions_in_the_key_are_those_installed():
    import llvmlite
    import numba

    versions = build._surroundings()[2:]
    assert versions == (f"numba-{numba.__version__}", f"llvmlite-{llvmlite.__version__}")


def test_the_key_depends_on_the_level(monkeypatch):
    before = build.key("a", "d->d")
    monkeypatch.setattr(cpu, "level", lambda: "another")
    assert build.key("a", "d->d") != before


@pytest.mark.parametrize("text", IMPORTS)
@pytest.mark.parametrize("changed", ["one", "two"])
def test_the_key_depends_on_modules_that_the_text_imports(files, text, changed):
    folder, forget = files
    before = build.key(text, "d->d"), build.key("no import", "d->d")
    with (folder / f"{changed}.py").open("a") as file:
        file.write("# changed\n")
    forget()
    assert build.key(text, "d->d") != before[0]
    assert build.key("no import", "d->d") == before[1]


def test_the_key_depends_on_the_compiler():
    assert {f"numgrad.kernels.{name}" for name in ("jit", "intrinsics")} <= build._imports(
        build.PRELUDE
    )

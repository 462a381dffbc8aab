"""Which instructions kernels are compiled for: a named level, so that stored code can be shared."""

from __future__ import annotations

import functools
import os
import platform

# A level, what LLVM calls it, and the features to add or remove. LLVM prefers 256-bit vectors on
# its AVX-512 level; the kernels are about 1.5 times faster with 512.
_TARGETS = {
    "x86-64-v4": ("x86-64-v4", "-prefer-256-bit"),
    "x86-64-v3": ("x86-64-v3", ""),
    "x86-64": ("x86-64", ""),
}

# What each level asks of the processor, any of these sets: in the words of NumPy 2.4, of earlier
# NumPy, of LLVM.
_LLVM_V3 = {"avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"}
_LLVM_V4 = _LLVM_V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
_NEEDS = {
    "x86-64-v4": ({"X86_V4"}, {"AVX512_SKX", "AVX2", "FMA3"}, _LLVM_V4),
    "x86-64-v3": ({"X86_V3"}, {"AVX2", "FMA3", "F16C"}, _LLVM_V3),
}


@functools.cache
def level() -> str:
    """The level that kernels are compiled for: the machine's, or a lower one by choice.

    `NUMGRAD_CPU_LEVEL` chooses. Without it a processor of the x86-64 family gives the highest of
    `x86-64-v4` (AVX-512), `x86-64-v3` (AVX2 and FMA) and `x86-64`; another one gives `native-`
    and its name.

    Raises:
        ValueError: `NUMGRAD_CPU_LEVEL` is no level, or more than this machine has.
    """
    machine = _machine_level()
    asked = os.environ.get("NUMGRAD_CPU_LEVEL") or machine
    levels = list(_TARGETS)
    offered = levels[levels.index(machine) :] if machine in levels else [machine]
    if asked not in offered:
        raise ValueError(
            f"NUMGRAD_CPU_LEVEL is {asked!r}, which this machine does not offer: "
            f"set it to one of {', '.join(offered)}, or unset it."
        )
    return asked


def target(name: str) -> tuple[str, str]:
    """The processor and the features by which LLVM knows a level."""
    return _TARGETS.get(name, ("", ""))


def has_fma() -> bool:
    """Whether the level has a fused multiply-add; without one LLVM calls the C library's."""
    return level() in {"x86-64-v3", "x86-64-v4"} or is_aarch64()


def is_x86_64() -> bool:
    """Whether the processor is of the x86-64 family."""
    return platform.machine().lower() in {"x86_64", "amd64"}


def is_aarch64() -> bool:
    """Whether the processor is a 64-bit ARM."""
    return platform.machine().lower() in {"arm64", "aarch64"}


def _machine_level() -> str:
    if not is_x86_64():
        return f"native-{platform.machine().lower()}"
    features = _numpy_features() or _llvm_features()
    for name, alternatives in _NEEDS.items():
        if any(needed <= features for needed in alternatives):
            return name
    return "x86-64"


def _numpy_features() -> set[str]:
    """What NumPy found the processor to have. It costs nothing, but is not NumPy's public API."""
    try:
        from numpy._core._multiarray_umath import (  # type: ignore[import-not-found]
            __cpu_features__ as found,
        )
    except ImportError:
        return set()
    return {name for name, present in found.items() if present}


def _llvm_features() -> set[str]:
    """What LLVM finds the processor to have."""
    from llvmlite import binding

    return {name for name, present in binding.get_host_cpu_features().items() if present}

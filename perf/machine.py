"""The machine the figures come from: limiting its threads, and describing it."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

_THREAD_VARIABLES = (
    "NUMGRAD_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def limit_threads(count: int) -> None:
    """Hold every library of this process to `count` threads; call it before NumPy is imported.

    Environment variables do for BLAS and OpenMP. JAX has no such setting: it counts the processors
    that it may run on, so that the process is bound to `count` of them where the system can.
    """
    for variable in _THREAD_VARIABLES:
        os.environ[variable] = str(count)
    os.environ["JAX_PLATFORMS"] = "cpu"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-count:])


def describe() -> dict[str, str]:
    """The processor, the system, and the Python that runs."""
    return {
        "processor": _processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def version(distribution: str) -> str:
    """The installed version of `distribution`, or "checkout" where it is run without installing."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "checkout"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

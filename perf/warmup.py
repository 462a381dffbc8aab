"""What a new process pays before its first gradient: ``python -m perf.warmup``.

numgrad runs with an empty kernel cache (cold) and with a filled one (warm). Every run is a process
of its own, and the programs take turns, so that noise of the machine hits all.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tqdm import tqdm

from perf import first_gradient, goals, machine, report

ROOT = Path(__file__).resolve().parent.parent
GRADIENT = [2.0 * math.exp(2.0 * x) for x in (1.0, 2.0, 3.0)]
REPEATS = 9

IMPORT_NUMPY, WARM, COLD = "import numpy", "numgrad, warm cache", "numgrad, cold cache"
README, KERNELS = "README's first example, cold cache", "ten more ops, cold cache"


@dataclass(frozen=True)
class Program:
    """A program to start, and whether each start finds an empty kernel cache."""

    name: str
    text: str
    cold: bool = False


@dataclass(frozen=True)
class Run:
    """What one process took: from its first statement to its last, and from outside."""

    inside: float
    whole: float
    numba: bool
    seconds_a_kernel: list[float] | None


def programs() -> list[Program]:
    """NumPy's import, numgrad, and the peers that are installed."""
    return [
        Program(IMPORT_NUMPY, first_gradient.NUMPY),
        Program(WARM, first_gradient.NUMGRAD),
        Program(COLD, first_gradient.NUMGRAD, cold=True),
        *(Program(name, text) for name, text in first_gradient.PEERS.items() if find_spec(name)),
        Program(README, readme_example(), cold=True),
        Program(KERNELS, first_gradient.KERNELS, cold=True),
    ]


def readme_example() -> str:
    """The first Python block of the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    if block is None:
        raise LookupError(f"warmup times the first ```python block of {ROOT}/README.md: none there")
    return block[1]


def run(program: Program, warm_folder: str) -> Run:
    """Start `program` once."""
    with tempfile.TemporaryDirectory() as empty_folder:
        environment = {
            **os.environ,
            "JAX_PLATFORMS": "cpu",
            "NUMGRAD_CACHE_DIR": empty_folder if program.cold else warm_folder,
        }
        # Installed peers have their bytecode on disk; a checkout writes it at its first start.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        started = time.perf_counter()
        process = subprocess.run(
            [sys.executable, "-c", first_gradient.timed(program.text)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        whole = time.perf_counter() - started
    said: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    _require_right(program, said["first_gradient"])
    return Run(said["seconds"], whole, said["numba"], said["seconds_a_kernel"])


def measure(chosen: list[Program], repeats: int) -> dict[str, list[Run]]:
    """Start every program once unmeasured, which fills caches of files, then `repeats` times."""
    runs: dict[str, list[Run]] = {program.name: [] for program in chosen}
    with tempfile.TemporaryDirectory() as warm_folder:
        for program in tqdm(chosen, desc="first starts", leave=False, disable=None):
            run(program, warm_folder)
        for _ in tqdm(range(repeats), desc="rounds", leave=False, disable=None):
            for program in chosen:
                runs[program.name].append(run(program, warm_folder))
    return runs


def render(runs: dict[str, list[Run]]) -> str:
    """One line a program."""
    numpy, warm = _inside(runs[IMPORT_NUMPY]), _whole(runs[WARM])
    lines = [["", "inside", "over numpy", "whole process", "numgrad, warm / it", "numba"]]
    lines += [
        [
            name,
            f"{_inside(processes):.3f}",
            f"{_inside(processes) - numpy:.3f}",
            f"{_whole(processes):.3f}",
            f"{warm / _whole(processes):.2f}",
            "imported" if any(one.numba for one in processes) else "no",
        ]
        for name, processes in runs.items()
    ]
    title = [
        "warmup: new process, import to first gradient",
        f"s; medians of {len(runs[WARM])} processes; numgrad, warm / it: whole processes compared",
    ]
    return "\n".join([*title, *report.align(lines)])


def verdicts(runs: dict[str, list[Run]]) -> list[report.Verdict]:
    """The goals of a new process."""
    over_numpy = _inside(runs[WARM]) - _inside(runs[IMPORT_NUMPY])
    imports_of_numba = float(sum(one.numba for one in runs[WARM]))
    return [
        report.Verdict(
            "warm first gradient over import numpy, s",
            over_numpy,
            goals.WARM_FIRST_GRADIENT_OVER_NUMPY,
        ),
        report.Verdict("warm processes that import numba", imports_of_numba, 0.0),
        report.Verdict(f"{README}, s", _whole(runs[README]), goals.COLD_README_EXAMPLE),
        report.Verdict(
            "slowest kernel to compile, median of the processes, s",
            statistics.median(max(one.seconds_a_kernel or []) for one in runs[KERNELS]),
            goals.KERNEL_COMPILES,
        ),
    ]


def main() -> None:
    """Measure, print, and write the figures where asked to."""
    parser = argparse.ArgumentParser(prog="python -m perf.warmup", description=__doc__)
    parser.add_argument("--repeats", type=int, default=REPEATS, help=f"default: {REPEATS}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    options = parser.parse_args()
    runs = measure(programs(), options.repeats)
    found = verdicts(runs)
    print(render(runs))
    print(f"\n{report.summarize(found, everything=True)}")
    if options.json is not None:
        record = {
            "machine": machine.describe(),
            "runs": {name: [asdict(one) for one in processes] for name, processes in runs.items()},
            "goals": [{**asdict(verdict), "met": verdict.met} for verdict in found],
        }
        options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _inside(runs: list[Run]) -> float:
    return statistics.median(run.inside for run in runs)


def _whole(runs: list[Run]) -> float:
    return statistics.median(run.whole for run in runs)


def _require_right(program: Program, gradient: list[float] | None) -> None:
    if gradient is not None and not all(map(math.isclose, gradient, GRADIENT)):
        raise ArithmeticError(f"{program.name} computes {gradient}, not {GRADIENT}")


if __name__ == "__main__":
    main()

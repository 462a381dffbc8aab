"""`python -m tests`: everything that a change must pass, one line a step.

Arguments go to pytest: `python -m tests -k softmax`, `python -m tests -n 0 -x --pdb`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
# Each worker compiles kernels and loads the peers; more of them only repeat that.
WORKERS = min(os.cpu_count() or 1, 4)


class Step(NamedTuple):
    """A module to run with arguments, and whether its output is shown as it comes."""

    name: str
    command: tuple[str, ...]
    streamed: bool = False


def steps(pytest_arguments: list[str]) -> tuple[Step, ...]:
    """The steps, the quickest first."""
    workers = ("-n", str(WORKERS), "--dist", "worksteal")
    return (
        Step("format", ("ruff", "format", "--check", ".")),
        Step("lint", ("ruff", "check", ".")),
        Step("types", ("mypy",)),
        Step("tests", ("pytest", *workers, *pytest_arguments), streamed=True),
        # tests/conftest.py lies outside numgrad/, so it is named: it chooses the kernel cache.
        Step("doctests", ("pytest", "-p", "tests.conftest", "--doctest-modules", "numgrad")),
    )


def run(step: Step, environment: dict[str, str]) -> bool:
    """Run one step, print its line, and its output if it failed or is streamed."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", *step.command],
        cwd=ROOT,
        env=environment,
        stdin=None if step.streamed else subprocess.DEVNULL,
        stdout=None if step.streamed else subprocess.PIPE,
        stderr=None if step.streamed else subprocess.STDOUT,
        check=False,
    )
    seconds = time.perf_counter() - start
    passed = done.returncode == 0
    if not passed and not step.streamed:
        sys.stdout.buffer.write(done.stdout)
    print(f"{step.name:<9} {'ok' if passed else 'FAILED':<6} {seconds:6.1f} s", flush=True)
    return passed


def main(pytest_arguments: list[str]) -> int:
    """Run every step, also after one has failed; 0 if all passed, 1 otherwise."""
    with tempfile.TemporaryDirectory(prefix="numgrad-tests-") as folder:
        # One kernel cache for tests and doctests, empty at first: see tests/conftest.py.
        environment = {"NUMGRAD_TEST_CACHE": folder} | os.environ
        failed = [s.name for s in steps(pytest_arguments) if not run(s, environment)]
    print(f"FAILED: {', '.join(failed)}" if failed else "all steps ok")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

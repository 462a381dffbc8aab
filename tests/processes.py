"""New Python processes, for tests of what begins, forks or ends with a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run(program, store, *arguments, **variables):
    """What a new process prints, which keeps its kernels in the folder `store`."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT), "NUMGRAD_CACHE_DIR": str(store)} | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()

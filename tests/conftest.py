"""What all tests share: a kernel cache of their own, reproducible random examples.

The kernel cache is a new, empty folder each run, so that a run meets every cold start.
`NUMGRAD_TEST_CACHE=folder` keeps one from run to run, which is quicker. pytest-xdist's workers
inherit the variable, and so share the folder.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# Deadlines would time the compiling of a kernel; a run that draws other examples than the last
# one would fail on changes that it has nothing to do with.
hypothesis.settings.register_profile(
    "numgrad",
    database=None,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)


def pytest_configure(config: pytest.Config) -> None:
    """Choose the kernel cache before anything imports numgrad."""
    hypothesis.settings.load_profile("numgrad")
    if not os.environ.get("NUMGRAD_TEST_CACHE"):
        folder = tempfile.mkdtemp(prefix="numgrad-tests-")
        os.environ["NUMGRAD_TEST_CACHE"] = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    os.environ["NUMGRAD_CACHE_DIR"] = str(Path(os.environ["NUMGRAD_TEST_CACHE"]).resolve())


@pytest.fixture(autouse=True)
def _names_in_doctests(request: pytest.FixtureRequest) -> None:
    """Give doctests `np` and `ng`, as the documentation writes them."""
    if isinstance(request.node, pytest.DoctestItem):
        import numpy as np

        import numgrad as ng

        names: dict[str, Any] = request.getfixturevalue("doctest_namespace")
        names.update(np=np, ng=ng)

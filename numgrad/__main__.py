"""`python -m numgrad`: what is installed, filling the kernel cache, checking every op.

python -m numgrad info      versions, processor level, threads, cache folder and size
python -m numgrad warmup    compile all kernels into the cache
python -m numgrad check     every op against finite differences, as a table
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import sys

from numgrad import __version__
from numgrad.kernels import cache, cpu, pool


def info() -> int:
    """Print versions, the processor level that kernels are compiled for, and the cache."""
    store = cache.default_store()
    entries, size = store.size()
    rows = {
        "numgrad": __version__,
        "python": platform.python_version(),
        **{
            name: importlib.metadata.version(name)
            for name in ("numpy", "numba", "llvmlite", "scipy")
        },
        "platform": platform.platform(),
        "processor level": cpu.level(),
        "threads": f"{pool.threads()} for kernels, {os.cpu_count()} processors",
        "kernel cache": _place(store),
        "cached kernels": f"{entries} ({size / 1024:.0f} kB)",
    }
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:<{width}}  {value}")
    return 0


def _place(store: cache.Store) -> str:
    """The folder of a store, and why it is not used if it is not."""
    if store.folder is None or store.folder.exists():
        problem = store.problem()
        return str(store.folder) if problem is None else f"in memory only: {problem}"
    return str(store.folder)


def warmup(dtypes: list[str]) -> int:
    """Compile the kernels of all ops, with a progress bar."""
    from tqdm import tqdm

    from numgrad.warmup import jobs

    with tqdm(jobs(dtypes), unit="kernel", desc="compiling", file=sys.stdout) as bar:
        for job in bar:
            bar.set_postfix_str(job.name)
            job.load()
    return info()


def check(names: list[str]) -> int:
    """Compare the gradients of ops with finite differences, and print a table."""
    from numgrad import check as checks

    return 0 if checks.run(names or None) else 1


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m numgrad", description=(__doc__ or "").split("\n")[0]
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("info", help="versions, processor level, threads, cache folder and size")
    warm = commands.add_parser("warmup", help="compile all kernels into the cache")
    warm.add_argument(
        "--dtype", action="append", choices=["float64", "float32"], help="only for this dtype"
    )
    one = commands.add_parser("check", help="every op against finite differences, as a table")
    one.add_argument("names", nargs="*", help="only these ops")
    given = parser.parse_args(arguments)
    if given.command == "info":
        return info()
    if given.command == "warmup":
        return warmup(given.dtype or ["float64", "float32"])
    return check(given.names)


if __name__ == "__main__":
    sys.exit(main())

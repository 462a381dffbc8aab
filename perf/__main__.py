"""The command ``python -m perf``."""

from __future__ import annotations

import argparse
from pathlib import Path

from perf import PEERS, SUBJECTS, machine


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m perf",
        description="Time numgrad beside its peers: medians, ratios, goals.",
        epilog="Import and first gradient in a new process: python -m perf.warmup",
    )
    parser.add_argument(
        "--only", nargs="+", choices=SUBJECTS, default=SUBJECTS, help="the subjects to run"
    )
    parser.add_argument(
        "--peers", nargs="*", choices=PEERS, help="the peers to run, where installed; default: all"
    )
    parser.add_argument("--threads", type=int, default=1, help="threads on every side; default: 1")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    return parser


def main() -> None:
    """Limit the threads, then run what the command line asks for."""
    options = _parser().parse_args()
    machine.limit_threads(options.threads)
    # NumPy's BLAS reads the limits when it is first imported, so that nothing above may import it.
    from perf import runner

    runner.run(options.only, peers=options.peers, threads=options.threads, json_file=options.json)


if __name__ == "__main__":
    main()

"""Run subjects, print their tables, write their figures."""

from __future__ import annotations

import importlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from perf import contestants, machine, report, timing

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from perf.declare import Table


def run(
    subjects: Iterable[str], *, peers: Collection[str] | None, threads: int, json_file: Path | None
) -> None:
    """Measure and print table after table, then the goals."""
    present, absent = contestants.enter(peers)
    versions = {name: machine.version(name) for name in present}
    about = {**machine.describe(), "threads": str(threads), "versions": versions}
    print(f"{about['processor']}, {about['system']}, Python {about['python']}, threads: {threads}")
    print(", ".join(f"{name} {version}" for name, version in versions.items()))
    for name in absent:
        print(f"{name} is not installed: skipped")
    found: list[report.Verdict] = []
    figures: list[dict[str, Any]] = []
    for subject in subjects:
        for table in importlib.import_module(f"perf.{subject}").tables(present):
            rows = _measure(table)
            found += report.verdicts(table, rows, contestants.NUMGRAD)
            figures += _figures(table, rows)
            print(f"\n{report.render(table, rows, contestants.NUMGRAD)}", flush=True)
    if found:
        print(f"\n{report.summarize(found)}")
    if json_file is not None:
        record = {
            "machine": about,
            "figures": figures,
            "goals": [{**asdict(verdict), "met": verdict.met} for verdict in found],
        }
        json_file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _measure(table: Table) -> list[report.Row]:
    progress = tqdm(
        table.benchmarks, desc=f"{table.subject}: {table.name}", leave=False, disable=None
    )
    return [report.Row(benchmark.case, timing.measure(benchmark)) for benchmark in progress]


def _figures(table: Table, rows: Iterable[report.Row]) -> list[dict[str, Any]]:
    """One record a timing, in seconds."""
    return [
        {
            "subject": table.subject,
            "table": table.name,
            "case": row.case,
            "contestant": name,
            **asdict(result),
        }
        for row in rows
        for name, result in row.timings.items()
    ]

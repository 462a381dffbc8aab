"""Tables of text: aligned columns, units stated, goals marked."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perf import goals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perf.declare import Table
    from perf.timing import Timing

SCALES = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}

MET, MISSED = "ok", "OVER"


@dataclass(frozen=True)
class Row:
    """One benchmark that has been run."""

    case: str
    timings: Mapping[str, Timing]

    def ratio(self, subject: str, peer: str) -> float:
        """The median of `subject` divided by that of `peer`."""
        return self.timings[subject].median / self.timings[peer].median


@dataclass(frozen=True)
class Verdict:
    """One goal beside the figure that was measured for it."""

    what: str
    measured: float
    at_most: float

    @property
    def met(self) -> bool:
        """Whether the figure reaches the goal."""
        return self.measured <= self.at_most

    @property
    def mark(self) -> str:
        """The mark that is printed after the figure."""
        return MET if self.met else MISSED


def verdicts(table: Table, rows: Sequence[Row], subject: str) -> list[Verdict]:
    """Every goal that covers a row of `table`."""
    found = []
    for row in rows:
        for peer in row.timings:
            at_most = goals.ratio_goal(table.subject, table.name, row.case, peer)
            if at_most is not None:
                what = f"{table.subject}, {table.name}, {row.case}: {subject} / {peer}"
                found.append(Verdict(what, row.ratio(subject, peer), at_most))
    return found


def render(table: Table, rows: Sequence[Row], subject: str) -> str:
    """The medians, then how many times those of its peers `subject` takes."""
    names = list(rows[0].timings)
    peers = [name for name in names if name != subject]
    columns = [["", *(row.case for row in rows), "geometric mean"]]
    for name in names:
        medians = [row.timings[name].median * SCALES[table.unit] for row in rows]
        columns.append([name, *map(_number, medians), ""])
    columns += [_ratio_column(table, rows, subject, peer) for peer in peers]
    lines = list(zip(*columns, strict=True))
    rounds = [timing.rounds for row in rows for timing in row.timings.values()]
    title = [
        f"{table.subject}: {table.name}",
        f"{table.unit} {table.of}; medians of {_range(rounds)} rounds; / peer: {subject} over peer",
    ]
    return "\n".join([*title, *align(lines if len(rows) > 1 else lines[:-1])])


def align(lines: Sequence[Sequence[str]]) -> list[str]:
    """The first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def summarize(found: Sequence[Verdict], *, everything: bool = False) -> str:
    """How many goals are met, and a line for every one that is not, or for every one."""
    lines = [f"goals: {sum(goal.met for goal in found)} of {len(found)} met"]
    lines += [
        f"  {goal.mark:4} {goal.what}: {goal.measured:.2f}, goal at most {goal.at_most:g}"
        for goal in found
        if everything or not goal.met
    ]
    return "\n".join(lines)


def _ratio_column(table: Table, rows: Sequence[Row], subject: str, peer: str) -> list[str]:
    """A heading, the ratios and their geometric mean, with marks where there are goals."""
    ratios = [row.ratio(subject, peer) for row in rows]
    figures = [f"/ {peer}", *(f"{ratio:.2f}" for ratio in ratios)]
    figures.append(f"{statistics.geometric_mean(ratios):.2f}")
    limits = [goals.ratio_goal(table.subject, table.name, row.case, peer) for row in rows]
    if all(limit is None for limit in limits):
        return figures
    marks = [
        "" if limit is None else Verdict(peer, ratio, limit).mark
        for ratio, limit in zip(ratios, limits, strict=True)
    ]
    return [f"{figure} {mark:4}" for figure, mark in zip(figures, ["", *marks, ""], strict=True)]


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"


def _number(value: float) -> str:
    """Three digits that carry meaning, without an exponent."""
    for limit, digits in ((10.0, 2), (100.0, 1)):
        if value < limit:
            return f"{value:.{digits}f}"
    return f"{value:.0f}"

"""Numbers and tables as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def size(nbytes: int) -> str:
    """Bytes in the largest unit that leaves a number of at least 1.

    >>> size(1000), size(1536)
    ('1000 B', '1.5 KiB')
    """
    value, unit = float(nbytes), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{nbytes} B" if unit == "B" else f"{value:.1f} {unit}"


def count(number: int, one: str, many: str | None = None) -> str:
    """A number and the noun in its form.

    >>> count(1, "leaf", "leaves"), count(2, "node")
    ('1 leaf', '2 nodes')
    """
    return f"{number} {one if number == 1 else many or one + 's'}"


def aligned(rows: Sequence[Sequence[str]], numbers_from: int | None = None) -> list[str]:
    """Lines of columns as wide as their widest cell; those of numbers flush right.

    >>> aligned([("op", "calls"), ("exp", "10")], numbers_from=1)
    ['op   calls', 'exp     10']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = len(widths) if numbers_from is None else numbers_from
    return [
        "  ".join(
            cell.ljust(width) if k < right else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]

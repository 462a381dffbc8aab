"""The table of samples: every differentiable function, called at least once.

Tests hold each row against every promise of the library, `python -m numgrad check` against finite
differences. A function that no row calls is named by a test.
"""

from __future__ import annotations

from numgrad.samples import (
    arithmetic,
    indexing,
    linalg,
    networks,
    products,
    reductions,
    shapes,
    transcendental,
)
from numgrad.samples.row import Row

__all__ = ["ROWS", "Row"]

ROWS: tuple[Row, ...] = (
    *arithmetic.ROWS,
    *transcendental.ROWS,
    *reductions.ROWS,
    *shapes.ROWS,
    *indexing.ROWS,
    *products.ROWS,
    *linalg.ROWS,
    *networks.ROWS,
)

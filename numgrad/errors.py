"""The exceptions that numgrad adds to Python's.

Each is caught by either of two `except` clauses, because PyTorch code expects RuntimeError
where NumPy code expects ValueError for one and the same mistake.
"""

from __future__ import annotations


class ShapeError(RuntimeError, ValueError):
    """Shapes that do not fit: broadcasting, matrix products, reshapes, seeds of a backward."""


class ScalarError(RuntimeError, ValueError):
    """One element was asked for where there are none or several."""


class LanguageError(NotImplementedError):
    """A compiled function that uses what cannot be differentiated; says where and what instead."""


class CheckpointError(RuntimeError):
    """A function under `checkpoint` did something else when it was run again."""

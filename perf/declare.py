"""What a benchmark is declared with: entries, benchmarks, tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Array: TypeAlias = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Entry:
    """One contestant in one benchmark, set up and ready to be timed.

    `step` is timed. `answer` takes what the first call of `step` returned and gives the arrays on
    which all contestants must agree; it is never timed.
    """

    step: Callable[[], Any]
    answer: Callable[[Any], Sequence[Array]]


@dataclass(frozen=True)
class Benchmark:
    """One row of a table: for each contestant, what sets up its entry when the turn comes.

    A time is reported per call of `step`, divided by `per`.
    """

    case: str
    prepare: Mapping[str, Callable[[], Entry]]
    per: int = 1


@dataclass(frozen=True)
class Table:
    """Benchmarks that are printed together. `unit` is "ms", "us" or "ns"; `of` says of what."""

    subject: str
    name: str
    unit: str
    of: str
    benchmarks: Sequence[Benchmark]

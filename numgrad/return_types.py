"""The named tuples that functions with several results return, named and printed as PyTorch's.

They stand in a module, so that they can be pickled.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any


def _named(name: str, *fields: str) -> type[Any]:
    base = namedtuple(name, fields)  # type: ignore[misc] # noqa: PYI024 - the fields are arguments

    def text(result: Any) -> str:
        lines = ",\n".join(f"{f}={v!r}" for f, v in zip(fields, result, strict=True))
        return f"{__name__}.{name}(\n{lines})"

    return type(name, (base,), {"__slots__": (), "__repr__": text, "__module__": __name__})


max = _named("max", "values", "indices")
min = _named("min", "values", "indices")
sort = _named("sort", "values", "indices")
linalg_eigh = _named("linalg_eigh", "eigenvalues", "eigenvectors")
linalg_qr = _named("linalg_qr", "Q", "R")
linalg_slogdet = _named("linalg_slogdet", "sign", "logabsdet")
linalg_svd = _named("linalg_svd", "U", "S", "Vh")

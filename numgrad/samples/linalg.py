"""Samples of linear algebra: solving, determinants, factorisations, norms.

Functions that read one triangle of their input are called on the sum of a matrix and its
transpose, so that every element counts; vectors are compared squared, which leaves out their sign.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from numgrad.samples.domains import Array, Domain, distinct, matrix, signed
from numgrad.samples.row import Function, Row, whole

FAR = signed(0.2, 2)
SQUARE = (matrix, (3, 3))
SMALL = (matrix, (2, 2))
BATCH = (matrix, (2, 2, 2))
NUMBERS = (FAR, (2, 3))
TALL = (FAR, (3, 2))


def symmetric(x: Any) -> Any:
    """Sum of a matrix and its transpose, of tensors and arrays."""
    return x + x.swapaxes(-1, -2)


def definite(x: Any) -> Any:
    """A positive definite matrix made of any."""
    n = x.shape[-1]
    return x @ x.swapaxes(-1, -2) + np.eye(n, dtype=x.dtype)


def squared(*arrays: Any) -> tuple[Any, ...]:
    """Squares of arrays, which do not depend on the signs of vectors."""
    return tuple(a * a for a in arrays)


def svd_of(f: Function, x: Any, **options: Any) -> tuple[Any, ...]:
    """Call a singular value decomposition; what does not depend on signs."""
    u, s, vh = f(x, **options)
    return (s, *squared(u, vh))


def norm(name: str, label: str, domain: Domain, **options: Any) -> Row:
    """Make the row of a norm with keywords that NumPy knows too."""
    return whole(
        f"linalg.{name}",
        (domain, (2, 3)),
        label=label,
        call=lambda f, x: f(x, **options),
        reference=lambda x: _norm(name, x, **options),
    )


def _norm(name: str, x: Array, ord: Any = None, dim: Any = None, keepdim: bool = False) -> Any:
    if name == "vector_norm" and dim is None and not keepdim:
        x = x.ravel()
    if name == "matrix_norm":
        ord = "fro" if ord is None else ord
        dim = (-2, -1)
    return np.linalg.norm(x, ord, dim, keepdim)


ROWS = (
    whole("linalg.inv", SQUARE, reference=np.linalg.inv),
    whole("linalg.inv", BATCH, label="batch", reference=np.linalg.inv),
    whole("linalg.solve", SQUARE, (FAR, (3,)), reference=np.linalg.solve),
    whole("linalg.solve", SMALL, NUMBERS, label="matrix", reference=np.linalg.solve),
    whole("linalg.solve", BATCH, NUMBERS, label="batch", reference=np.linalg.solve),
    whole("linalg.det", SQUARE, reference=np.linalg.det),
    whole("linalg.det", BATCH, label="batch", reference=np.linalg.det),
    whole("linalg.slogdet", SQUARE, reference=np.linalg.slogdet),
    whole("linalg.slogdet", BATCH, label="batch", reference=np.linalg.slogdet),
    whole(
        "linalg.cholesky",
        SQUARE,
        call=lambda f, x: f(definite(x)),
        reference=lambda x: np.linalg.cholesky(definite(x)),
    ),
    whole(
        "linalg.cholesky",
        BATCH,
        label="batch",
        call=lambda f, x: f(definite(x)),
        reference=lambda x: np.linalg.cholesky(definite(x)),
    ),
    whole(
        "linalg.cholesky",
        SMALL,
        label="upper",
        call=lambda f, x: f(definite(x), upper=True),
        reference=lambda x: np.linalg.cholesky(definite(x)).T,
    ),
    whole(
        "linalg.eigvalsh",
        SQUARE,
        call=lambda f, x: f(symmetric(x)),
        reference=lambda x: np.linalg.eigvalsh(symmetric(x)),
    ),
    whole(
        "linalg.eigh",
        SQUARE,
        label="values",
        call=lambda f, x: f(symmetric(x))[0],
        reference=lambda x: np.linalg.eigvalsh(symmetric(x)),
    ),
    whole(
        "linalg.eigh",
        SQUARE,
        label="vectors",
        call=lambda f, x: squared(f(symmetric(x))[1]),
        reference=lambda x: squared(np.linalg.eigh(symmetric(x))[1]),
    ),
    whole(
        "linalg.eigh",
        BATCH,
        label="batch, upper",
        call=lambda f, x: squared(*f(symmetric(x), UPLO="U")),
        reference=lambda x: squared(*np.linalg.eigh(symmetric(x), "U")),
    ),
    whole("linalg.svd", SQUARE, call=svd_of, reference=lambda x: svd_of(np.linalg.svd, x)),
    whole(
        "linalg.svd",
        NUMBERS,
        label="wide",
        call=lambda f, x: svd_of(f, x, full_matrices=False),
        reference=lambda x: svd_of(np.linalg.svd, x, full_matrices=False),
    ),
    whole(
        "linalg.svd",
        TALL,
        label="tall",
        call=lambda f, x: svd_of(f, x, full_matrices=False),
        reference=lambda x: svd_of(np.linalg.svd, x, full_matrices=False),
    ),
    whole(
        "linalg.svd",
        BATCH,
        label="batch",
        call=svd_of,
        reference=lambda x: svd_of(np.linalg.svd, x),
    ),
    whole("linalg.svdvals", NUMBERS, reference=lambda x: np.linalg.svd(x, compute_uv=False)),
    whole("linalg.qr", SQUARE, reference=np.linalg.qr),
    whole("linalg.qr", TALL, label="tall", reference=np.linalg.qr),
    whole("linalg.qr", NUMBERS, label="wide", reference=np.linalg.qr),
    whole(
        "linalg.qr",
        TALL,
        label="complete",
        call=lambda f, x: f(x, mode="complete"),
        reference=lambda x: np.linalg.qr(x, "complete"),
    ),
    whole(
        "linalg.qr",
        TALL,
        label="r",
        call=lambda f, x: f(x, mode="r")[1],
        reference=lambda x: np.linalg.qr(x, "r"),
    ),
    whole("linalg.qr", BATCH, label="batch", reference=np.linalg.qr),
    norm("norm", "", FAR),
    norm("norm", "nuc", FAR, ord="nuc"),
    norm("norm", "2", FAR, ord=2),
    norm("norm", "p=3", FAR, ord=3, dim=1, keepdim=True),
    norm("vector_norm", "", FAR),
    norm("vector_norm", "p=1", FAR, ord=1),
    norm("vector_norm", "p=2.5", FAR, ord=2.5, dim=0),
    norm("vector_norm", "p=inf", distinct, ord=np.inf, dim=1),
    norm("vector_norm", "p=-inf", distinct, ord=-np.inf),
    norm("matrix_norm", "", FAR),
    norm("matrix_norm", "nuc", FAR, ord="nuc"),
    norm("matrix_norm", "2", FAR, ord=2),
    norm("matrix_norm", "1", distinct, ord=1),
    norm("matrix_norm", "-inf", distinct, ord=-np.inf),
)

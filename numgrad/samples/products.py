"""Samples of products of matrices and vectors, convolution and interpolation."""

from __future__ import annotations

import numpy as np

from numgrad.samples.domains import given, increasing, signed
from numgrad.samples.row import whole

VECTOR = (signed(0.2, 2), (3,))
MATRIX = (signed(0.2, 2), (2, 3))
OTHER = (signed(0.2, 2), (3, 2))
BATCH = (signed(0.2, 2), (2, 1, 3))
OTHERS = (signed(0.2, 2), (2, 3, 2))
SITES = (given(-0.55, 0.4, 1.5, 2.45, 4.0), (5,))

ROWS = (
    whole("matmul", MATRIX, OTHER, reference=np.matmul),
    whole("matmul", VECTOR, VECTOR, label="vectors", reference=np.matmul),
    whole("matmul", MATRIX, VECTOR, label="matrix, vector", reference=np.matmul),
    whole("matmul", VECTOR, OTHER, label="vector, matrix", reference=np.matmul),
    whole("matmul", BATCH, OTHERS, label="batches", reference=np.matmul),
    whole("matmul", BATCH, OTHER, label="batch, matrix", reference=np.matmul),
    whole("matmul", VECTOR, OTHERS, label="vector, batch", reference=np.matmul),
    whole("mm", MATRIX, OTHER, reference=np.matmul),
    whole("mv", MATRIX, VECTOR, reference=np.matmul),
    whole("bmm", BATCH, OTHERS, reference=np.matmul),
    whole("dot", VECTOR, VECTOR, reference=np.dot),
    whole("vdot", VECTOR, VECTOR, reference=np.vdot),
    whole("inner", VECTOR, VECTOR, reference=np.inner),
    whole("inner", MATRIX, VECTOR, label="matrix, vector", reference=np.inner),
    whole("outer", VECTOR, (signed(0.2, 2), (2,)), reference=np.outer),
    whole("einsum", MATRIX, OTHER, call=lambda f, x, y: f("ij,jk->ik", x, y), reference=np.matmul),
    whole(
        "einsum",
        MATRIX,
        label="ij->j",
        call=lambda f, x: f("ij->j", x),
        reference=lambda x: x.sum(0),
    ),
    whole(
        "einsum",
        (signed(0.2, 2), (3, 3)),
        label="ii",
        call=lambda f, x: f("ii", x),
        reference=np.trace,
    ),
    whole(
        "einsum",
        (signed(0.2, 2), (2, 2)),
        label="ii->i",
        call=lambda f, x: f("ii->i", x),
        reference=np.diagonal,
    ),
    whole(
        "einsum",
        BATCH,
        OTHERS,
        label="...ij,...jk",
        call=lambda f, x, y: f("...ij,...jk", x, y),
        reference=lambda x, y: np.einsum("...ij,...jk", x, y),
    ),
    whole(
        "einsum",
        VECTOR,
        MATRIX,
        (signed(0.2, 2), (2,)),
        label="three",
        call=lambda f, *xs: f("j,ij,i->", *xs),
        reference=lambda *xs: np.einsum("j,ij,i->", *xs),
    ),
    whole(
        "tensordot",
        MATRIX,
        OTHER,
        call=lambda f, x, y: f(x, y, 1),
        reference=lambda x, y: np.tensordot(x, y, 1),
    ),
    whole(
        "tensordot",
        OTHERS,
        MATRIX,
        label="two dimensions",
        call=lambda f, x, y: f(x, y, ([0, 1], [0, 1])),
        reference=lambda x, y: np.tensordot(x, y, ([0, 1], [0, 1])),
    ),
    whole("trace", (signed(0.2, 2), (3, 3)), reference=np.trace),
    whole("trace", MATRIX, label="wide", reference=np.trace),
    whole("kron", MATRIX, (signed(0.2, 2), (1, 2)), reference=np.kron),
    whole("kron", VECTOR, (signed(0.2, 2), (2,)), label="vectors", reference=np.kron),
    whole("convolve", (signed(0.2, 2), (4,)), (signed(0.2, 2), (2,)), reference=np.convolve),
    whole(
        "convolve",
        (signed(0.2, 2), (4,)),
        (signed(0.2, 2), (3,)),
        label="same",
        call=lambda f, x, y: f(x, y, "same"),
        reference=lambda x, y: np.convolve(x, y, "same"),
    ),
    whole(
        "convolve",
        (signed(0.2, 2), (2,)),
        (signed(0.2, 2), (4,)),
        label="valid",
        call=lambda f, x, y: f(x, y, mode="valid"),
        reference=lambda x, y: np.convolve(x, y, "valid"),
    ),
    whole("interp", SITES, (increasing, (4,)), (signed(0.2, 2), (4,)), reference=np.interp),
)

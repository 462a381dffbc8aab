"""Linear algebra: NumPy's and PyTorch's `linalg`, on matrices in the last two dimensions.

The dimensions before the last two are batches. Integers give the default dtype; float32 stays
float32.

>>> import numgrad as ng
>>> A = ng.tensor([[2.0, 0.0], [0.0, 4.0]], requires_grad=True)
>>> ng.linalg.det(A).backward()
>>> A.grad
tensor([[4.0000, 0.0000],
        [0.0000, 2.0000]])
"""

from __future__ import annotations

from numgrad.ops.cholesky import cholesky
from numgrad.ops.determinant import det, slogdet
from numgrad.ops.eigen import eigh, eigvalsh
from numgrad.ops.lapack import LinAlgError
from numgrad.ops.norms import matrix_norm, norm, vector_norm
from numgrad.ops.qr import qr
from numgrad.ops.solve import inv, solve
from numgrad.ops.svd import svd, svdvals

__all__ = [
    "LinAlgError",
    "cholesky",
    "det",
    "eigh",
    "eigvalsh",
    "inv",
    "matrix_norm",
    "norm",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "vector_norm",
]

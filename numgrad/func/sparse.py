"""Jacobians of functions over a batch as sparse matrices, one block an item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.arrays import array_of
from numgrad.func.jacobians import jacobian
from numgrad.func.reverse import named
from numgrad.func.vmap import vmap
from numgrad.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable


def sparse_jacobian(
    f: Callable[..., Any], argnums: int = 0, *, in_dims: Any = 0, columns: Any = None
) -> Callable[..., Any]:
    """Make the function that gives the Jacobian of a function over a batch, as a sparse matrix.

    `f` is a function of one item; `in_dims` says which dimension of its arguments counts the items,
    as for `vmap`. Rows are all results of the first item, then those of the next. An item depends
    on its own part of argument `argnums` alone, so the matrix has a block for each item, and
    nothing else is computed or stored.

    Without `columns` the argument has a dimension that counts the items, and the matrix is block
    diagonal. With `columns`, integers of shape (items, inputs), the argument is a vector that the
    items share: item i is called with its elements at `columns[i]`, and so its block is in these
    columns. That is the Jacobian that `scipy.optimize.least_squares` asks for where each
    observation depends on few of many parameters.

    The blocks are those of `vmap(jacobian(f))`: of a function under `numgrad.njit` they are made
    by one compiled loop.

    Shape: (items * results, elements of the argument), a `scipy.sparse.csr_array`.

    Raises:
        ImportError: SciPy is not installed.
        ValueError: the argument has no dimension that counts the items, or `columns` does not fit.

    >>> import numpy as np
    >>> import numgrad as ng
    >>> slope = ng.func.sparse_jacobian(lambda x: x[0] * x[1])
    >>> slope(np.array([[1.0, 2.0], [3.0, 4.0]])).toarray()
    array([[2., 1., 0., 0.],
           [0., 0., 4., 3.]])
    >>> chain = ng.func.sparse_jacobian(lambda x: x[1] - x[0], columns=[[0, 1], [1, 2]])
    >>> chain(np.array([1.0, 2.0, 4.0])).toarray()
    array([[-1.,  1.,  0.],
           [ 0., -1.,  1.]])
    """
    places = None if columns is None else np.asarray(columns)
    if places is not None and (places.ndim != 2 or places.dtype.kind not in "iu"):
        message = (
            "sparse_jacobian() takes columns as integers of shape (items, inputs), got shape"
            f" {places.shape} of {places.dtype}."
        )
        raise ValueError(message)

    @named(f, "sparse_jacobian")
    def transformed(*args: Any) -> Any:
        plain = [a.detach().numpy() if isinstance(a, Tensor) else a for a in args]
        if not -len(plain) <= argnums < len(plain):
            message = (
                f"sparse_jacobian() got argnums {argnums} for a function called with"
                f" {len(plain)} arguments."
            )
            raise ValueError(message)
        chosen = argnums % len(plain)
        dims = list(in_dims) if isinstance(in_dims, (tuple, list)) else [in_dims] * len(plain)
        whole = array_of(plain[chosen]) if places is None else np.asarray(plain[chosen])
        if places is None:
            _check_mapped(dims[chosen])
            where = np.moveaxis(np.arange(whole.size).reshape(whole.shape), dims[chosen], 0)
        else:
            _check_vector(whole, places)
            where = places
            plain[chosen], dims[chosen] = whole[places], 0
        blocks = np.asarray(vmap(jacobian(f, chosen), tuple(dims))(*plain))
        return _assembled(blocks, where.reshape(len(where), -1), whole.size)

    return transformed


def _check_mapped(dim: Any) -> None:
    if dim is None:
        message = (
            "sparse_jacobian() got in_dims None for the argument that it differentiates by: of an"
            " argument that all items share the Jacobian is dense, see vmap(jacobian(f)); if each"
            " item depends on a part of it, name its elements by columns."
        )
        raise ValueError(message)


def _check_vector(vector: Any, columns: Any) -> None:
    if vector.ndim != 1:
        message = (
            "sparse_jacobian() with columns takes a vector as the argument that it differentiates"
            f" by, got shape {vector.shape}."
        )
        raise ValueError(message)
    if columns.size and not (columns.min() >= 0 and columns.max() < len(vector)):
        message = (
            f"sparse_jacobian() got columns from {columns.min()} to {columns.max()} for a vector of"
            f" {len(vector)} elements."
        )
        raise ValueError(message)


def _assembled(blocks: Any, columns: Any, width: int) -> Any:
    """The matrix of blocks, the columns of which are given for each item."""
    try:
        from scipy import sparse
    except ImportError as error:  # pragma: no cover - SciPy is there in tests
        message = "sparse_jacobian() needs SciPy: install it, as by pip install scipy."
        raise ImportError(message) from error
    items, inputs = columns.shape
    results = blocks.size // max(items * inputs, 1)
    rows = items * results
    index = np.broadcast_to(columns[:, None, :], (items, results, inputs))
    kind = np.int32 if max(blocks.size, width) < 2**31 else np.int64
    return sparse.csr_array(
        (
            blocks.reshape(-1),
            index.reshape(-1).astype(kind),
            np.arange(0, rows * inputs + 1, inputs, dtype=kind)
            if inputs
            else np.zeros(rows + 1, kind),
        ),
        shape=(rows, width),
    )

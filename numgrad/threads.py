"""How many threads the kernels of this process may use."""

from __future__ import annotations

import operator

from numgrad.kernels import pool


def set_num_threads(n: int) -> None:
    """Choose how many threads a kernel may use, the one that calls it among them.

    It holds for the whole process, from the next op on. BLAS, which computes matrix products, has
    threads of its own, and this does not change how many; the two never work at the same time for
    one caller. Results have the same bits with any number of threads. Where there are no POSIX
    threads, as on Windows, kernels use one whatever is chosen.

    Without a choice it is the number in the environment variable `NUMGRAD_NUM_THREADS`, or else in
    `OMP_NUM_THREADS`, or else that of the processors that this process may run on.

    Raises:
        TypeError: n is not an integer.
        ValueError: n is less than 1 or more than 1024.

    Source: `torch.set_num_threads`

    >>> before = ng.get_num_threads()
    >>> ng.set_num_threads(1)
    >>> ng.get_num_threads()
    1
    >>> ng.set_num_threads(before)
    """
    try:
        count = operator.index(n)
    except TypeError:
        raise TypeError(
            f"set_num_threads() takes an integer, got {n!r}: pass the number of threads, as in"
            " numgrad.set_num_threads(2)."
        ) from None
    if not 1 <= count <= pool.MOST_THREADS:
        raise ValueError(
            f"set_num_threads() takes a number from 1 to {pool.MOST_THREADS}, got {count}:"
            " pass 1 to use no thread but the caller's."
        )
    pool.set_threads(count)


def get_num_threads() -> int:
    """Return how many threads a kernel may use, see `set_num_threads`.

    Source: `torch.get_num_threads`
    """
    return pool.threads()

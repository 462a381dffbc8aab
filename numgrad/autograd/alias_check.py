"""How much of memory that is shared with arrays is looked at for writes."""

from __future__ import annotations

from numgrad.modes import modes, set_modes

KINDS = ("off", "sample", "full")


class set_alias_check:  # noqa: N801 - called as a function, like PyTorch's set_grad_enabled
    """Choose how writes of NumPy to memory that a tensor shares are found.

    A graph that saves memory which `numpy()`, `from_numpy`, DLPack or an array among the arguments
    of an op shares with the program compares it with what it was, and raises as for a write in
    place.

    - `"sample"`, the default, compares both ends and elements spread between them, in about a
      microsecond: all elements up to 512 bytes, and whatever is written to a whole array is seen.
    - `"full"` compares every byte, as anomaly mode does.
    - `"off"` compares nothing: then do not write to such an array between forward and backward.

    It holds from the call on in this thread or task; as a context manager, until it is left.

    Args:
        kind: "off", "sample" or "full".

    Raises:
        ValueError: another kind.

    >>> x = ng.ones(3, requires_grad=True)
    >>> a = np.arange(3.0)
    >>> y = x * a
    >>> a += 1
    >>> try:
    ...     y.sum().backward()
    ... except RuntimeError as error:
    ...     print(str(error)[:71])
    mul() saved a value of shape (3,) and dtype float64 for its gradient at
    """

    def __init__(self, kind: str) -> None:
        if kind not in KINDS:
            message = f"set_alias_check() takes {', '.join(map(repr, KINDS))}, got {kind!r}."
            raise ValueError(message)
        before = modes()
        self._before = before.alias_check
        set_modes(before._replace(alias_check=kind))

    def __enter__(self) -> None:
        """Do nothing: the call has chosen."""

    def __exit__(self, *exception: object) -> None:
        set_modes(modes()._replace(alias_check=self._before))


def alias_check() -> str:
    """Which of "off", "sample" and "full" holds in this thread or task."""
    return modes().alias_check

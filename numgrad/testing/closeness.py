"""Whether what was computed is close to what was expected, told as PyTorch tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

# dtype -> relative and absolute tolerance; exact dtypes must be equal. PyTorch's.
_TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}
_EXACT = (0.0, 0.0)
_NUMBERS = (bool, int, float, complex, np.generic)


def assert_close(
    actual: Any,
    expected: Any,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_dtype: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raise AssertionError unless `abs(actual - expected) <= atol + rtol * abs(expected)`.

    Tensors and arrays are compared with each other element by element, numbers with numbers; of
    sequences and mappings each item. A list is read as an array where the other side is one.
    What a tensor was computed from plays no part.

    Args:
        actual: what was computed.
        expected: what it must be close to.
        rtol: relative tolerance, given with `atol` or not at all: by default both follow the
            dtype, the coarser of the two sides.
        atol: absolute tolerance.
        equal_nan: nan is close to nan.
        check_dtype: the dtypes must be the same; else the values are compared after promotion.
        check_stride: the steps in memory must be the same.
        msg: what the error says instead; a function is given the text and returns its own.

    Raises:
        AssertionError: they are not close; with the worst elements, their places, and the
            tolerances.
        ValueError: one of `rtol` and `atol` alone.
        TypeError: something that is no number, array, sequence or mapping.

    Source: torch.testing.assert_close.

    >>> from numgrad.testing import assert_close
    >>> assert_close(ng.ones(2), np.ones(2))
    >>> assert_close(ng.tensor([1.0, 2.0]), ng.tensor([1.0, 2.5]))
    Traceback (most recent call last):
        ...
    AssertionError: Tensor-likes are not close!
    <BLANKLINE>
    Mismatched elements: 1 / 2 (50.0%)
    Greatest absolute difference: 0.5 at index (1,) (up to 1e-07 allowed)
    Greatest relative difference: 0.2 at index (1,) (up to 1e-07 allowed)
    """
    if (rtol is None) != (atol is None):
        raise ValueError(
            f"assert_close() takes rtol and atol together, got rtol={rtol} and atol={atol}:"
            " pass both, or neither for those of the dtype."
        )
    given = None if rtol is None or atol is None else (rtol, atol)
    close = _Closeness(given, equal_nan, check_dtype, check_stride)
    found = close.difference(actual, expected, "")
    if found is None:
        return
    raise AssertionError(found if msg is None else msg(found) if callable(msg) else msg)


class _Closeness:
    """How close things must be, and what to say where they are not."""

    def __init__(
        self,
        tolerances: tuple[float, float] | None,
        equal_nan: bool,
        check_dtype: bool,
        check_stride: bool,
    ) -> None:
        self.tolerances = tolerances
        self.equal_nan = equal_nan
        self.check_dtype = check_dtype
        self.check_stride = check_stride

    def difference(self, actual: Any, expected: Any, place: str) -> str | None:
        """Describe the first difference between two things; None if they are close."""
        if isinstance(actual, Mapping) and isinstance(expected, Mapping):
            return self._of_mappings(actual, expected, place)
        if _is_sequence(actual) and _is_sequence(expected):
            return self._of_sequences(actual, expected, place)
        message: str | None
        if isinstance(actual, _NUMBERS) and isinstance(expected, _NUMBERS):
            message = self._of_numbers(actual, expected)
        else:
            message = self._of_arrays(_array(actual, expected), _array(expected, actual))
        if message is not None and place:
            message += f"\n\nThe failure occurred for item {place}"
        return message

    def _of_mappings(self, actual: Any, expected: Any, place: str) -> str | None:
        missing, extra = expected.keys() - actual.keys(), actual.keys() - expected.keys()
        if missing or extra:
            return (
                "The keys of the mappings do not match:\n"
                f"Missing keys in the actual mapping: {sorted(missing, key=repr)}\n"
                f"Additional keys in the actual mapping: {sorted(extra, key=repr)}"
            )
        found = (self.difference(actual[k], expected[k], f"{place}[{k!r}]") for k in expected)
        return next((message for message in found if message is not None), None)

    def _of_sequences(self, actual: Any, expected: Any, place: str) -> str | None:
        if len(actual) != len(expected):
            return f"The length of the sequences do not match: {len(actual)} != {len(expected)}"
        pairs = enumerate(zip(actual, expected, strict=True))
        found = (self.difference(a, e, f"{place}[{k}]") for k, (a, e) in pairs)
        return next((message for message in found if message is not None), None)

    def _tolerances(self, *dtypes: np.dtype[Any]) -> tuple[float, float]:
        if self.tolerances is not None:
            return self.tolerances
        rtols, atols = zip(*(_TOLERANCES.get(d.name, _EXACT) for d in dtypes), strict=True)
        return max(rtols), max(atols)

    def _of_numbers(self, actual: Any, expected: Any) -> str | None:
        a, e = np.asarray(actual), np.asarray(expected)
        rtol, atol = self._tolerances(a.dtype, e.dtype)
        if _close(a, e, rtol, atol, self.equal_nan).all():
            return None
        absolute, relative = _distances(a, e)
        return (
            "Scalars are not close!\n\n"
            f"Expected {expected} but got {actual}.\n"
            f"Absolute difference: {absolute} (up to {atol} allowed)\n"
            f"Relative difference: {relative} (up to {rtol} allowed)"
        )

    def _of_arrays(self, actual: Any, expected: Any) -> str | None:
        attributes = ["shape"]
        if self.check_dtype:
            attributes.append("dtype")
        if self.check_stride:
            attributes.append("strides")
        for name in attributes:
            ours, theirs = getattr(actual, name), getattr(expected, name)
            if ours != theirs:
                return f"The values for attribute '{name}' do not match: {ours} != {theirs}."
        if not actual.ndim:
            return self._of_numbers(actual[()], expected[()])
        rtol, atol = self._tolerances(actual.dtype, expected.dtype)
        far = ~_close(actual, expected, rtol, atol, self.equal_nan)
        count = int(np.count_nonzero(far))
        if not count:
            return None
        equal = not (rtol or atol)
        absolute, relative = _distances(actual, expected)
        lines = [
            f"Tensor-likes are not {'equal' if equal else 'close'}!",
            "",
            f"Mismatched elements: {count} / {far.size} ({100 * count / far.size:.1f}%)",
        ]
        for name, values, limit in (("absolute", absolute, atol), ("relative", relative, rtol)):
            # Where nothing compares, as with nan, is the greatest difference.
            ranked = np.where(far, np.where(np.isnan(values), np.inf, values), -np.inf)
            index = tuple(int(n) for n in np.unravel_index(np.argmax(ranked), far.shape))
            allowed = "" if equal else f" (up to {limit} allowed)"
            lines.append(f"Greatest {name} difference: {values[index]} at index {index}{allowed}")
        return "\n".join(lines)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _array(value: Any, other: Any) -> np.ndarray[Any, Any]:
    """Values of a tensor or array; lists and numbers become arrays, of the other side's dtype."""
    if isinstance(value, Tensor):
        return value.array
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, _NUMBERS) or _is_sequence(value):
        dtype = getattr(other, "dtype", None)
        array = np.asarray(value)
        exact = array.dtype.kind in "biu" or dtype is None or dtype.kind in "fc"
        return array.astype(dtype) if exact and array.dtype.kind in "biuf" else array
    raise TypeError(
        "assert_close() compares tensors, arrays, numbers, and sequences and mappings of these, got"
        f" {type(value).__name__}."
    )


def _close(actual: Any, expected: Any, rtol: float, atol: float, equal_nan: bool) -> Any:
    if actual.dtype.kind == expected.dtype.kind == "b":
        return actual == expected
    with np.errstate(all="ignore"):
        return np.isclose(actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan)


def _distances(actual: Any, expected: Any) -> tuple[Any, Any]:
    """Absolute and relative differences, in double precision where they are not exact."""
    kinds = actual.dtype.kind + expected.dtype.kind
    wide = "complex128" if "c" in kinds else "float64" if "f" in kinds else "int64"
    with np.errstate(all="ignore"):
        absolute = np.asarray(np.abs(actual.astype(wide) - expected.astype(wide)))
        return absolute, np.asarray(absolute / np.abs(expected.astype(wide)))

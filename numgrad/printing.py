"""How tensors are written as text: PyTorch's layout, on NumPy arrays.

The text is made from a *summary*: the whole array, or only its edges where it is large. Number
format and column width are chosen from the summary, so a huge array is read at its edges only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["format_array", "set_printoptions"]

_NAMESPACE: Final = "numgrad"
# Beyond these, floats are written in scientific notation.
_WIDEST_RATIO: Final = 1e3
_LARGEST_PLAIN: Final = 1e8
_SMALLEST_PLAIN: Final = 1e-4
_GAP: Final = " ..."  # stands for the left-out elements of a row; the extra space is PyTorch's


@dataclass(frozen=True, slots=True)
class _Options:
    """Settings of `set_printoptions`."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES: Final = {
    "default": _Options(),
    "short": _Options(precision=2, edgeitems=2),
    "full": _Options(threshold=math.inf),
}
_options = _PROFILES["default"]


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Choose how tensors are printed, for all threads.

    Args:
        precision: digits after the decimal point (at first 4).
        threshold: a tensor of more elements is shown by its edges (1000).
        edgeitems: how many items of each dimension an edge has (3).
        linewidth: columns a line may take (80).
        profile: start from "default", "short" (2 digits, edges of 2) or "full" (never shortened);
            the other arguments then change it.
        sci_mode: True or False to always or never write floats like `1.0000e+10`; None to decide
            for each tensor. Unlike the others it goes back to None when it is left out.

    Raises:
        ValueError: an unknown profile or a negative number. The settings are then as before.

    >>> from numgrad.printing import format_array, set_printoptions
    >>> set_printoptions(precision=2)
    >>> format_array(np.array([3.14159, 2.5]))
    'tensor([3.14, 2.50])'
    >>> set_printoptions(profile="default")
    """
    global _options  # noqa: PLW0603  # one setting for the process, replaced whole
    if profile is not None and profile not in _PROFILES:
        msg = f'set_printoptions(), profile is "default", "short" or "full", got {profile!r}.'
        raise ValueError(msg)
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    for name, value in changes.items():
        if not value >= 0:  # also true of NaN
            msg = f"set_printoptions(), {name} must be at least 0, got {value!r}."
            raise ValueError(msg)
    start = _options if profile is None else _PROFILES[profile]
    _options = replace(start, sci_mode=sci_mode, **changes)


def format_array(
    array: NDArray[Any],
    *,
    suffixes: Sequence[str] = (),
    prefix: str = "tensor(",
    default_dtype: np.dtype[Any] = np.dtype("float64"),  # noqa: B008  # dtypes are immutable
) -> str:
    """Write an array as PyTorch writes a tensor.

    Args:
        array: the values; a 0-d array is written without brackets.
        suffixes: what follows the values, size and dtype, such as `"requires_grad=True"`.
        prefix: the opening text; later lines are indented by its length.
        default_dtype: the float dtype that goes without saying, and so does its complex partner.

    >>> format_array(np.array([1.0, 2.5]), suffixes=["requires_grad=True"])
    'tensor([1.0000, 2.5000], requires_grad=True)'
    >>> format_array(np.zeros((0, 3), np.float32))
    'tensor([], size=(0, 3), dtype=numgrad.float32)'
    >>> print(format_array(np.arange(2000).reshape(2, 1000)))
    tensor([[   0,    1,    2,  ...,  997,  998,  999],
            [1000, 1001, 1002,  ..., 1997, 1998, 1999]])
    """
    values = np.asarray(array)
    indent = len(prefix)
    gaps = _gaps(values)
    if values.size == 0:
        body = "[]"
    elif any(gaps) and _options.edgeitems == 0:
        body = "[...]"
    else:
        summary = _edges(values, gaps) if any(gaps) else values
        texts, width = _cells(summary)
        cells = np.array(texts, dtype=object).reshape(summary.shape)
        body = _render(cells, gaps, indent, width)
    notes = []
    hides_shape = values.ndim != 1 if values.size == 0 else _options.edgeitems == 0
    if hides_shape:
        notes.append(f"size={values.shape}")
    if not _is_implied(values, default_dtype):
        notes.append(f"dtype={_NAMESPACE}.{values.dtype.name}")
    return _append(prefix + body, [*notes, *suffixes], indent) + ")"


def _is_implied(values: NDArray[Any], default_dtype: np.dtype[Any]) -> bool:
    """Tell whether the text of the values alone gives away their dtype."""
    if values.dtype == default_dtype:
        return True
    if values.size == 0:
        return False  # there are no values to read it from
    return values.dtype in (np.int64, np.bool_, np.result_type(default_dtype, np.complex64))


def _gaps(values: NDArray[Any]) -> tuple[bool, ...]:
    """Tell for each dimension whether its middle is left out."""
    large = values.size > _options.threshold
    return tuple(large and length > 2 * _options.edgeitems for length in values.shape)


def _edges(values: NDArray[Any], gaps: tuple[bool, ...]) -> NDArray[Any]:
    """Copy the elements that are shown, and read no others."""
    edge = _options.edgeitems
    shown = [
        np.r_[:edge, length - edge : length] if gap else np.arange(length)
        for length, gap in zip(values.shape, gaps, strict=True)
    ]
    summary: NDArray[Any] = values[np.ix_(*shown)]
    return summary


@dataclass(frozen=True, slots=True)
class _FloatFormat:
    """One format for all floats of a tensor: a format spec, its closing point, a column width."""

    spec: str
    point: str
    width: int = 1

    def text(self, value: float) -> str:
        return f"{value:{self.spec}}" + (self.point if math.isfinite(value) else "")

    def padded(self, value: float) -> str:
        return self.text(value).rjust(self.width)


def _float_format(values: list[float]) -> _FloatFormat:
    """Choose the format by the finite values other than zero; the others take what comes."""
    regular = [value for value in values if value and math.isfinite(value)]
    if not regular:
        return _FloatFormat(".0f", ".")
    # Python floats, so that a ratio beyond their range is inf without a warning.
    smallest, largest = min(map(abs, regular)), max(map(abs, regular))
    scientific = _options.sci_mode
    if scientific is None:
        wide = largest / smallest > _WIDEST_RATIO
        scientific = wide or largest > _LARGEST_PLAIN or smallest < _SMALLEST_PLAIN
    if scientific:
        chosen = _FloatFormat(f".{_options.precision}e", "")
    elif all(value.is_integer() for value in regular):
        chosen = _FloatFormat(".0f", ".")
    else:
        chosen = _FloatFormat(f".{_options.precision}f", "")
    return replace(chosen, width=max(len(chosen.text(value)) for value in regular))


def _cells(summary: NDArray[Any]) -> tuple[list[str], int]:
    """Write every element, row by row, and give the width that a column counts for."""
    values = summary.ravel().tolist()
    if summary.dtype.kind == "c":
        real = _float_format([value.real for value in values])
        imag = _float_format([value.imag for value in values])
        texts = [real.padded(value.real) + _signed(imag.text(value.imag)) + "j" for value in values]
        # Sign and "j" are one column more than this: PyTorch fills its lines by the same count.
        return texts, real.width + imag.width + 1
    if summary.dtype.kind == "f":
        chosen = _float_format(values)
        return [chosen.padded(value) for value in values], chosen.width
    texts = [str(value) for value in values]
    width = max(map(len, texts))
    return [text.rjust(width) for text in texts], width


def _signed(text: str) -> str:
    return text if text.startswith("-") else "+" + text


def _render(cells: NDArray[Any], gaps: tuple[bool, ...], indent: int, width: int) -> str:
    """Join cells in nested brackets; all lines after the first are indented."""
    if cells.ndim == 0:
        return str(cells[()])
    if cells.ndim == 1:
        parts = _with_gap(list(cells), gaps[0], _GAP)
        count = max(1, (_options.linewidth - indent) // (width + len(", ")))
        lines = [", ".join(parts[at : at + count]) for at in range(0, len(parts), count)]
        between = ",\n"
    else:
        blocks = [_render(block, gaps[1:], indent + 1, width) for block in cells]
        lines = _with_gap(blocks, gaps[0], _GAP.strip())
        between = "," + "\n" * (cells.ndim - 1)
    return "[" + (between + " " * (indent + 1)).join(lines) + "]"


def _with_gap(parts: list[str], gap: bool, mark: str) -> list[str]:
    """Put the mark of the left-out elements between the two edges."""
    edge = _options.edgeitems
    return [*parts[:edge], mark, *parts[edge:]] if gap else parts


def _append(text: str, notes: Sequence[str], indent: int) -> str:
    """Append notes after commas, each on the last line where there is room, else on a new one."""
    # PyTorch counts the closing bracket and one more against the line that ends the values.
    taken = len(text) - (text.rfind("\n") + 1) + 2
    for note in notes:
        grown = taken + len(", ") + len(note)
        if grown > _options.linewidth:
            text += ",\n" + " " * indent + note
            taken = indent + len(note)
        else:
            text += ", " + note
            taken = grown
    return text

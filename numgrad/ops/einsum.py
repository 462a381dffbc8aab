"""Sums of products over labelled dimensions, and what they are short for: tensordot, inner."""

from __future__ import annotations

import functools
import operator
import string
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.errors import ShapeError
from numgrad.ops.axes import MISSING, axis_in, either
from numgrad.ops.broadcast import view_as
from numgrad.ops.contraction import contracted, summed
from numgrad.value import lift

if TYPE_CHECKING:
    from numgrad.tensor import Tensor

__all__ = ["einsum", "inner", "tensordot"]

LETTERS = string.ascii_uppercase + string.ascii_lowercase


def einsum(equation: Any, *operands: Any) -> Tensor:
    """Products of elements, summed over the dimensions whose labels the result lacks.

    The equation labels each dimension of each operand by a letter and, after "->", those of the
    result; without "->" these are the labels that occur once, in alphabetical order. A label that
    repeats within one operand takes its diagonal; "..." stands for dimensions that broadcast.
    Operands may come in a list, or NumPy's way, as `einsum(x, [0, 1], y, [1, 2], [0, 2])`.
    Three operands or more are multiplied in pairs, in an order chosen to cost little. Raises
    ShapeError for operands that do not fit the equation, ValueError for an equation that is none.

    Source: numpy.einsum, torch.einsum.

    >>> import numgrad as ng
    >>> ng.einsum("ij,j->i", ng.tensor([[1.0, 2.0], [3.0, 4.0]]), ng.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    if not isinstance(equation, str):
        equation, operands = _from_sublists(equation, *operands)
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    tensors = [lift(x, "einsum") for x in operands]
    labels, out = parse(equation, tuple(len(x.shape) for x in tensors))
    return _sum_of_products(tensors, list(labels), out, equation)  # type: ignore[no-any-return]


def _from_sublists(*arguments: Any) -> tuple[str, tuple[Any, ...]]:
    """Turn NumPy's alternating operands and lists of labels into an equation."""

    def text(labels: Any) -> str:
        return "".join("..." if c is Ellipsis else LETTERS[operator.index(c)] for c in labels)

    pairs = len(arguments) // 2
    equation = ",".join(text(labels) for labels in arguments[1 : 2 * pairs : 2])
    if len(arguments) % 2:
        equation += "->" + text(arguments[-1])
    return equation, arguments[0 : 2 * pairs : 2]


@functools.lru_cache(maxsize=1024)
def parse(equation: str, ranks: tuple[int, ...]) -> tuple[tuple[str, ...], str]:
    """Return the labels of operands with so many dimensions, and of the result, without "..."."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ValueError(f"einsum() got {len(ranks)} operands for {equation!r}.")
    named = (left + right).replace("...", "").replace(",", "")
    if not set(named) <= set(LETTERS):
        raise ValueError(f"einsum() labels dimensions by letters, got {equation!r}.")
    counts = [n - len(term.replace("...", "")) for term, n in zip(terms, ranks, strict=True)]
    for term, extra, n in zip(terms, counts, ranks, strict=True):
        if extra < 0 or (extra and "..." not in term):
            raise ShapeError(f"einsum() labels {term!r} do not fit an operand of {n} dimensions.")
    free = [c for c in LETTERS if c not in named]
    widest = max((k for k, term in zip(counts, terms, strict=True) if "..." in term), default=0)
    if widest > len(free):
        raise ValueError(f"einsum() has {len(LETTERS)} labels, {equation!r} needs more.")
    dots = "".join(free[:widest])
    labels = tuple(
        term.replace("...", dots[widest - k :], 1) for term, k in zip(terms, counts, strict=True)
    )
    if not arrow:
        right = "..." + "".join(sorted(c for c in set(named) if left.count(c) == 1))
    out = right.replace("...", dots, 1)
    if len(set(out)) != len(out) or not set(out) <= set("".join(labels)):
        raise ValueError(
            f"einsum() takes as labels of the result some of the operands', each once:"
            f" got {equation!r}."
        )
    return labels, out


def _sum_of_products(tensors: list[Any], labels: list[str], out: str, equation: str) -> Any:
    tensors, labels = _without_ones(tensors, labels, out, equation)
    if len(tensors) == 1:
        return _reduced(tensors[0], labels[0], out, always=True)[0]
    if len(tensors) == 2:
        return _pair(tensors[0], tensors[1], labels[0], labels[1], out)
    for step in _path(tuple(labels), tuple(x.shape for x in tensors), out):
        picked = [(tensors.pop(k), labels.pop(k)) for k in sorted(step, reverse=True)]
        (x, a) = picked.pop()
        while picked:
            (y, b) = picked.pop()
            later = {*"".join(labels), *(c for _, more in picked for c in more)}
            last = not labels and not picked
            kept = (
                out if last else "".join(c for c in dict.fromkeys(a + b) if c in later or c in out)
            )
            x, a = _pair(x, y, a, b, kept), kept
        tensors.append(x)
        labels.append(a)
    return _reduced(tensors[0], labels[0], out)[0]


def _without_ones(
    tensors: list[Any], labels: list[str], out: str, equation: str
) -> tuple[list[Any], list[str]]:
    """Drop dimensions of extent 1 that broadcast, after checking that the others agree."""
    extents: dict[str, int] = {}
    for x, a in zip(tensors, labels, strict=True):
        for c, n in zip(a, x.shape, strict=True):
            if extents.get(c, 1) == 1:
                extents[c] = n
            elif n not in (1, extents[c]):
                shapes = ", ".join(str(t.shape) for t in tensors)
                raise ShapeError(
                    f"einsum() got extents {extents[c]} and {n} for one label of {equation!r}:"
                    f" the shapes are {shapes}."
                )
    narrow = [
        [extents[c] != n for c, n in zip(a, x.shape, strict=True)]
        for x, a in zip(tensors, labels, strict=True)
    ]
    for k, drop in enumerate(narrow):
        if any(drop):
            x, a = tensors[k], labels[k]
            keep = [i for i, dropped in enumerate(drop) if not dropped]
            tensors[k] = view_as(x, shape=tuple(x.shape[i] for i in keep))
            labels[k] = "".join(a[i] for i in keep)
    return tensors, labels


def _reduced(x: Any, a: str, out: str, *, always: bool = False) -> tuple[Any, str]:
    """Sum over labels that are not in `out`, and take diagonals; in the order of `out`."""
    wanted = "".join(c for c in out if c in a)
    if a == wanted and not always:
        return x, a
    return summed(x, labels=a, out=wanted), wanted


def _pair(x: Any, y: Any, a: str, b: str, out: str) -> Any:
    """Contract two operands, each of which is first rid of what concerns it alone."""
    if len(set(a)) < len(a) or not set(a) <= {*b, *out}:
        x, a = _reduced(x, a, "".join(c for c in dict.fromkeys(a) if c in b or c in out))
    if len(set(b)) < len(b) or not set(b) <= {*a, *out}:
        y, b = _reduced(y, b, "".join(c for c in dict.fromkeys(b) if c in a or c in out))
    return contracted(x, y, a=a, b=b, out=out)


@functools.lru_cache(maxsize=256)
def _path(
    labels: tuple[str, ...], shapes: tuple[tuple[int, ...], ...], out: str
) -> list[tuple[int, ...]]:
    """Which operands to multiply first; what they give goes to the end of the list."""
    stand_ins = [np.broadcast_to(np.float64(0), shape) for shape in shapes]
    path, _ = np.einsum_path(f"{','.join(labels)}->{out}", *stand_ins, optimize="greedy")
    return path[1:]


def tensordot(a: Tensor, b: Tensor, dims: Any = MISSING, *, axes: Any = MISSING) -> Tensor:
    """Products of elements, summed over dimensions of a that are paired with dimensions of b.

    `dims` is a number, of the last dimensions of a and the first of b, or a pair of lists of
    dimensions. Raises ShapeError where paired extents differ.

    Source: torch.tensordot, numpy.tensordot.

    >>> import numgrad as ng
    >>> ng.tensordot(ng.ones(2, 3, 4), ng.ones(3, 4, 5)).shape
    (2, 5)
    """
    a, b = lift(a, "tensordot"), lift(b, "tensordot")
    dims = either("tensordot", "dims", dims, "axes", axes, 2)
    n, m = len(a.shape), len(b.shape)
    if isinstance(dims, (tuple, list)):
        first, second = (list(d) if isinstance(d, (tuple, list)) else [d] for d in dims)
    else:
        count = operator.index(dims)
        if not 0 <= count <= min(n, m):
            raise ShapeError(f"tensordot() cannot pair {count} dimensions of {a.shape}, {b.shape}.")
        first, second = list(range(n - count, n)), list(range(count))
    ours = [axis_in("tensordot", k, n) for k in first]
    theirs = [axis_in("tensordot", k, m) for k in second]
    if [a.shape[k] for k in ours] != [b.shape[k] for k in theirs]:
        raise ShapeError(
            f"tensordot() pairs dimensions {tuple(ours)} of {a.shape} with {tuple(theirs)} of"
            f" {b.shape}: their extents must be equal."
        )
    ones = LETTERS[:n]
    others = list(LETTERS[n : n + m])
    for mine, other in zip(ours, theirs, strict=True):
        others[other] = ones[mine]
    out = "".join(c for c in (*ones, *others) if (c in ones) != (c in others))
    return contracted(a, b, a=ones, b="".join(others), out=out)  # type: ignore[no-any-return]


def inner(x: Tensor, other: Tensor) -> Tensor:
    """Sum of products over the last dimension of each; 0-d tensors multiply.

    Raises ShapeError where the last extents differ.

    >>> import numgrad as ng
    >>> ng.inner(ng.tensor([1.0, 2.0]), ng.tensor([3.0, 4.0]))
    tensor(11.)
    """
    x, other = lift(x, "inner"), lift(other, "inner")
    if not x.shape or not other.shape:
        return x * other  # type: ignore[no-any-return]
    if x.shape[-1] != other.shape[-1]:
        raise ShapeError(
            f"inner() needs equal last extents, got shapes {x.shape} and {other.shape}."
        )
    return tensordot(x, other, ([-1], [-1]))

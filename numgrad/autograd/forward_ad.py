"""Forward mode: tensors that carry a tangent, the derivative in one direction.

>>> import numgrad as ng
>>> from numgrad.autograd import forward_ad
>>> with forward_ad.dual_level():
...     x = forward_ad.make_dual(ng.tensor(3.0), ng.tensor(1.0))
...     forward_ad.unpack_dual(x * x).tangent
tensor(6.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from numgrad import dtypes
from numgrad.dual import Dual, dual, parts
from numgrad.errors import ShapeError
from numgrad.levels import DualLevel
from numgrad.modes import entering, leaving, set_transforms, transforms
from numgrad.ops.broadcast import cast
from numgrad.record import as_tensor

if TYPE_CHECKING:
    from numgrad.tensor import Tensor

__all__ = [
    "UnpackedDualTensor",
    "dual_level",
    "enter_dual_level",
    "exit_dual_level",
    "make_dual",
    "unpack_dual",
]


class UnpackedDualTensor(NamedTuple):
    """What `unpack_dual` gives."""

    primal: Tensor
    tangent: Tensor | None


def enter_dual_level() -> DualLevel:
    """Begin a level: `make_dual` attaches tangents to it until it ends. Levels nest."""
    level = DualLevel()
    _set_levels((*_levels(), level))
    return level


def exit_dual_level(*, level: DualLevel | None = None) -> None:
    """End a level, the innermost by default: tensors lose the tangents that they have at it.

    Raises RuntimeError where no level has begun, or the given one is not the innermost.
    """
    if not _levels() or level not in (None, _levels()[-1]):
        message = (
            "exit_dual_level() ends the innermost level, got"
            f" {'none' if not _levels() else 'another'}: levels end in the reverse of the"
            " order in which they began; dual_level() as a context manager sees to it."
        )
        raise RuntimeError(message)
    *rest, last = _levels()
    _set_levels(tuple(rest))
    last.end()


class dual_level:  # noqa: N801 - PyTorch's name
    """A level of forward mode, as a context manager; it gives the level.

    Nested levels each see their own tangents alone, so derivatives of derivatives are right.

    >>> import numgrad as ng
    >>> from numgrad.autograd import forward_ad as fwd
    >>> with fwd.dual_level(), fwd.dual_level() as inner:
    ...     pass
    """

    def __enter__(self) -> DualLevel:
        level = enter_dual_level()
        entering(self, level)
        return level

    def __exit__(self, *exception: object) -> None:
        level = leaving(self)
        if level is not None:
            exit_dual_level(level=level)


def make_dual(tensor: Tensor, tangent: Tensor, *, level: DualLevel | None = None) -> Tensor:
    """Attach a tangent to a tensor, at the innermost level or the one given.

    The result shares memory, version and history with the tensor. The tangent is cast to the
    dtype of the tensor. Both may have histories and be duals themselves.

    Raises:
        RuntimeError: outside a level, or a tensor that is not of a floating dtype.
        ShapeError: a tangent of another shape.
    """
    level = _level("make_dual", level)
    primal, given = as_tensor(tensor, "make_dual"), as_tensor(tangent, "make_dual")
    if primal.dtype.kind not in dtypes.FLOATING:
        message = (
            f"make_dual() takes a floating-point tensor, got dtype {primal.dtype}:"
            " convert first, as in x.to(numgrad.float64)."
        )
        raise RuntimeError(message)
    if given.shape != primal.shape:
        message = (
            f"make_dual() needs a tangent of the tensor's shape {primal.shape}, got {given.shape}."
        )
        raise ShapeError(message)
    if given.dtype != primal.dtype:
        given = cast(given, dtype=primal.dtype)
    return dual(parts(primal, level)[0], given, level)


def unpack_dual(tensor: Tensor, *, level: DualLevel | None = None) -> UnpackedDualTensor:
    """Take a tensor apart into (primal, tangent), at the innermost level or the one given.

    The tangent is None where there is none at that level, and outside of any level.
    """
    if level is None and not _levels():
        return UnpackedDualTensor(tensor.primal if isinstance(tensor, Dual) else tensor, None)
    return UnpackedDualTensor(*parts(tensor, level or _levels()[-1]))


def _levels() -> tuple[DualLevel, ...]:
    """The levels that have begun."""
    return transforms().dual_levels


def _set_levels(levels: tuple[DualLevel, ...]) -> None:
    set_transforms(transforms()._replace(dual_levels=levels))


def _level(name: str, level: DualLevel | None) -> DualLevel:
    if level is None:
        if not _levels():
            message = f"{name}() works inside a level: with forward_ad.dual_level(): ..."
            raise RuntimeError(message)
        level = _levels()[-1]
    if not level.alive:
        message = f"{name}() was given a level that has ended."
        raise RuntimeError(message)
    return level

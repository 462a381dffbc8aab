"""Computing a part of the graph again on the way back instead of holding what it saved.

The part is recorded as ever, so hooks, higher orders and nesting need nothing of their own; only
its saved values are replaced by numbers, and made again by running the function when backward
first asks for one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import random, saved
from numgrad.errors import CheckpointError
from numgrad.modes import modes, set_modes, transforms
from numgrad.pytree import tree_flatten
from numgrad.tape import INFERENCE, Node
from numgrad.tensor import Tensor, alias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["CheckpointError", "checkpoint", "checkpoint_sequential"]


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool = False,
    preserve_rng_state: bool = True,
    determinism_check: str = "default",
    **kwargs: Any,
) -> Any:
    """Call `function(*args, **kwargs)`, and again in backward, instead of saving what it computes.

    The gradients are those of a plain call, to any order; calls nest. The function must do the same
    when it is run again: what it reads besides its arguments must not have changed. Random numbers
    of numgrad and of `np.random` are drawn as before, unless `preserve_rng_state=False`. Inside the
    transforms of numgrad.func it is a plain call.

    Raises:
        ValueError: `use_reentrant=True`, which this does not have.
        CheckpointError: in backward, where the second run saves another number of tensors, or
            others in shape or dtype; the latter not with `determinism_check="none"`.

    >>> import numgrad as ng
    >>> from numgrad.utils.checkpoint import checkpoint
    >>> x = ng.tensor([1.0, 2.0], requires_grad=True)
    >>> y = checkpoint(lambda t: (t * t).exp(), x)
    >>> ng.autograd.grad(y.log().sum(), x)
    (tensor([2., 4.]),)
    """
    if use_reentrant:
        raise ValueError(
            "checkpoint() has no use_reentrant=True, whose gradients lack hooks, keywords and"
            " nesting: leave it out."
        )
    if determinism_check not in {"default", "none"}:
        raise ValueError(
            f'checkpoint() takes determinism_check "default" or "none", got {determinism_check!r}.'
        )
    if not modes().recording or any(transforms()):
        return function(*args, **kwargs)
    run = _Run(function, args, kwargs, random_state=preserve_rng_state)
    run.checked = determinism_check == "default"
    saved.begin(_Numbering(run))
    try:
        return function(*args, **kwargs)
    finally:
        saved.end()
        run.complete = True


class _AsItIs(saved.Packer):
    """Holds arguments themselves; writing to them before they are used again is an error."""

    strict = True

    def pack(self, value: Tensor) -> Tensor:
        return value

    def unpack(self, packed: Tensor) -> Tensor:
        return packed


class _Arguments(Node):
    """Stands for the call where an argument was overwritten."""

    __slots__ = ()
    op_name = "checkpoint"


class _Run:
    """One call, and how to make it again."""

    def __init__(
        self, function: Callable[..., Any], args: Any, kwargs: Any, *, random_state: bool
    ) -> None:
        self.function = function
        leaves, self.structure = tree_flatten((args, kwargs))
        packer = saved.packer_in_force() or _AsItIs()
        self.wants = [isinstance(a, Tensor) and a.requires_grad for a in leaves]
        # Inside another checkpoint they are no more than numbers, too.
        self.arguments = [_held(a, packer) for a in leaves]
        self.place: Node = object.__new__(_Arguments)
        self.place.extra = None
        self.modes = modes()
        self.random_state = _random_state() if random_state else None
        # Shape and dtype of each value that was saved.
        self.kinds: list[tuple[tuple[int, ...], Any]] = []
        # Values of the last run that were not asked for yet.
        self.values: dict[int, Tensor] = {}
        self.checked = True
        # Whether the first run has ended.
        self.complete = False

    def value(self, number: int) -> Tensor:
        """Give a saved value, once; asked again, it is computed again."""
        found = self.values.pop(number, None)
        if found is None:
            values = self.again()
            if number not in values:
                self.raise_number(len(values))
            found = values.pop(number)
            self.values = values
        return found

    def again(self) -> dict[int, Tensor]:
        """Run the function on its arguments and collect what it saves."""
        leaves = [
            a if not isinstance(a, saved.Packed) else _leaf(a.unpacked(self.place), wants=wants)
            for a, wants in zip(self.arguments, self.wants, strict=True)
        ]
        args, kwargs = self.structure.unflatten(leaves)
        collecting = _Collecting(self)
        now = _random_state()
        if self.random_state is not None:
            _set_random_state(self.random_state)
        before = modes()
        set_modes(self.modes)
        saved.begin(collecting)
        try:
            self.function(*args, **kwargs)
        finally:
            saved.end()
            set_modes(before)
            if self.random_state is not None:
                _set_random_state(now)
        if self.complete and len(collecting.values) != len(self.kinds):
            self.raise_number(len(collecting.values))
        return collecting.values

    def raise_number(self, number: int) -> None:
        """Raise for another number of saved values."""
        raise CheckpointError(
            f"checkpoint() ran a function again that saved {len(self.kinds)} tensors before and"
            f" {number} now: it must do the same each time, whatever it reads besides its"
            " arguments."
        )


def _held(a: Any, packer: saved.Packer) -> Any:
    if not isinstance(a, Tensor) or a.is_inference():
        return a
    return saved.Packed(packer, a.array, a.counter(), None)


def _leaf(t: Tensor, *, wants: bool) -> Tensor:
    leaf = alias(t.array, None if t._counter is INFERENCE else t._counter)
    leaf._wants = wants
    return leaf


def _random_state() -> tuple[Any, Any]:
    return random.get_rng_state(), np.random.get_state()  # noqa: NPY002 - users draw from it


def _set_random_state(state: tuple[Any, Any]) -> None:
    random.set_rng_state(state[0])
    np.random.set_state(state[1])  # noqa: NPY002 - as above


class _Numbering(saved.Packer):
    """Holds the numbers of saved values instead of them."""

    strict = True

    def __init__(self, run: _Run) -> None:
        self.run = run

    def pack(self, value: Tensor) -> int:
        self.run.kinds.append((value.shape, value.dtype))
        return len(self.run.kinds) - 1

    def unpack(self, packed: int) -> Tensor:
        value = self.run.value(packed)
        # Versions were checked; those of the second run are its own.
        return alias(value.array, None)


class _Collecting(saved.Packer):
    """Collects saved values, and compares them with those of the first run."""

    def __init__(self, run: _Run) -> None:
        self.run = run
        self.values: dict[int, Tensor] = {}

    def pack(self, value: Tensor) -> Tensor:
        number = len(self.values)
        self.values[number] = value
        run = self.run
        if not (run.checked and run.complete):
            return value
        if number >= len(run.kinds):
            run.raise_number(number + 1)
        shape, dtype = run.kinds[number]
        if (value.shape, value.dtype) != (shape, dtype):
            raise CheckpointError(
                f"checkpoint() ran a function again, and the saved tensor number {number} has shape"
                f" {value.shape} and dtype {value.dtype}, where it had {shape} and {dtype}: the"
                " function must do the same each time."
            )
        return value

    def unpack(self, packed: Tensor) -> Tensor:
        return packed


def checkpoint_sequential(
    functions: Iterable[Callable[..., Any]],
    segments: int,
    input: Any,
    use_reentrant: bool = False,
    **options: Any,
) -> Any:
    """Apply functions one after the other, as that many checkpoints; the last is a plain call.

    >>> import numgrad as ng
    >>> from numgrad.utils.checkpoint import checkpoint_sequential
    >>> x = ng.tensor(0.5, requires_grad=True)
    >>> y = checkpoint_sequential([ng.sin] * 6, 3, x)
    >>> y.backward()
    """
    chain = list(functions)
    if not 1 <= segments <= max(len(chain), 1):
        raise ValueError(
            f"checkpoint_sequential() takes 1 to {len(chain)} segments for that many functions, got"
            f" {segments}."
        )
    size = len(chain) // segments
    for k in range(segments - 1):
        part = _chained(chain[k * size : (k + 1) * size])
        input = checkpoint(part, input, use_reentrant=use_reentrant, **options)
    return _chained(chain[(segments - 1) * size :])(input)


def _chained(functions: list[Callable[..., Any]]) -> Callable[[Any], Any]:
    def run(value: Any) -> Any:
        for function in functions:
            value = function(value)
        return value

    return run

"""A row of the table of samples: a public function, where to try it, and what it must equal."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numgrad.samples.domains import Array, Domain, Shape

Function: TypeAlias = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way to call a public function, with inputs at which it is smooth.

    Functions are named, not held, so that the table stands for itself. Inputs that are not of a
    floating dtype are constants.
    """

    # Dotted name below numgrad: "linalg.solve"; methods and attributes are "Tensor.view".
    name: str
    # Where each input comes from, and the shape that it is tried with.
    domains: tuple[Domain, ...]
    shapes: tuple[Shape, ...]
    # What tells this row from others of the same name.
    label: str = ""
    # `call(function, *tensors)`; None: `function(*tensors)`.
    call: Function | None = None
    # What it must equal, on arrays; None: nobody else computes it.
    reference: Function | None = None
    # Whether each element of the result is made of one element of every input.
    elementwise: bool = False
    # Largest distance from the reference, in units of the last place; for functions that mix
    # elements the unit is that of the largest element of the result.
    ulps: float = 4.0
    # Largest relative distance of float32 results from float64 ones.
    single: float = 2e-5
    # Whether the result is a view, that is, shares the memory of the first input.
    view: bool = False
    # Whether the reference holds at nan, infinities and zeros too.
    edges: bool = True
    # Whether zeros have the sign of the reference's.
    signed_zeros: bool = True
    # Integers in the domain of an elementwise function; None: it does not take integers.
    integers: tuple[int, ...] | None = (1, 2, 3)
    # Positions of floating inputs that have no gradient.
    constants: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} {self.label}" if self.label else self.name

    @property
    def function(self) -> Any:
        """The function itself."""
        import numgrad

        return functools.reduce(getattr, self.name.split("."), numgrad)

    def __call__(self, *tensors: Any) -> tuple[Any, ...]:
        """Call the function, and return its results, whether one or several."""
        call = self.call
        result = self.function(*tensors) if call is None else call(self.function, *tensors)
        return tuple(result) if isinstance(result, (tuple, list)) else (result,)

    def expected(self, *arrays: Any) -> tuple[Any, ...]:
        """Call the reference, and return its results, whether one or several."""
        if self.reference is None:
            message = f"{self}: nothing to compare with"
            raise TypeError(message)
        result = self.reference(*arrays)
        several = isinstance(result, (tuple, list))
        return tuple(map(np.asarray, result)) if several else (np.asarray(result),)

    def generator(self) -> np.random.Generator:
        """Return random numbers that are this row's own, the same in every run."""
        return np.random.default_rng(zlib.crc32(str(self).encode()))

    def arrays(
        self, shapes: tuple[Shape, ...] | None = None, dtype: str = "float64"
    ) -> tuple[Array, ...]:
        """Draw inputs, those of a floating dtype in `dtype`."""
        rng = self.generator()
        drawn = (d(rng, s) for d, s in zip(self.domains, shapes or self.shapes, strict=True))
        return tuple(a.astype(dtype) if a.dtype.kind == "f" else a for a in drawn)

    def differentiable(self) -> tuple[int, ...]:
        """Positions of the inputs that have a gradient."""
        return tuple(
            k
            for k, a in enumerate(self.arrays())
            if a.dtype.kind == "f" and k not in self.constants
        )


def elementwise(name: str, *domains: Domain, **options: Any) -> Row:
    """Make the row of an elementwise function: one domain an argument, all of one small shape."""
    return Row(
        name=name, domains=domains, shapes=((2, 3),) * len(domains), elementwise=True, **options
    )


def whole(name: str, *inputs: tuple[Domain, Shape], **options: Any) -> Row:
    """Make the row of a function of whole arrays: a domain and a shape for each input."""
    domains, shapes = zip(*inputs, strict=True)
    return Row(name=name, domains=domains, shapes=shapes, **{"ulps": 64.0} | options)

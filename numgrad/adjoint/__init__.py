"""Gradients of Numba functions: `@numgrad.njit`, and what is derived from functions that have it.

>>> import numgrad as ng
>>> @ng.njit
... def cube(x):
...     return x * x * x
>>> ng.grad(cube)(2.0)
12.0
"""

from __future__ import annotations

import functools
import sys
from typing import Any, overload

from numgrad.adjoint import formulas  # noqa: F401 - lets compiled code call them
from numgrad.adjoint.arena import set_arena
from numgrad.adjoint.batching import vmap
from numgrad.adjoint.calls import python_function as _compiled_function
from numgrad.adjoint.checkpoints import checkpoint
from numgrad.adjoint.function import Compiled, Function
from numgrad.adjoint.interpreter import interpreted
from numgrad.adjoint.jacobians import Directional, Jacobian
from numgrad.adjoint.transforms import Gradient, Pullback
from numgrad.adjoint.vectorized import vectorize

__all__ = [
    "Function",
    "checkpoint",
    "grad",
    "hessian",
    "hvp",
    "interpreted",
    "is_compiled",
    "jacobian",
    "jvp",
    "linearize",
    "njit",
    "set_arena",
    "value_and_grad",
    "vectorize",
    "vhp",
    "vjp",
    "vmap",
]

Argnums = int | tuple[int, ...] | None


@overload
def njit(function: Any) -> Any: ...
@overload
def njit(**options: Any) -> Any: ...
def njit(function: Any = None, **options: Any) -> Any:
    """Compile a function with Numba, so that it can be differentiated.

    Takes the options of `numba.njit`, and returns a function that is called like what that returns.

    >>> @njit
    ... def area(r):
    ...     return 3.0 * r * r
    >>> area(2.0), grad(area)(2.0)
    (12.0, 12.0)
    """
    if "numba" in sys.modules:
        # Code that is compiled by numba.njit may call transforms.
        from numgrad.adjoint import runtime  # noqa: F401 - it registers them
    if function is None:
        return lambda f: Function(f, options)
    return Function(getattr(function, "py_func", function), options)


def is_compiled(f: Any) -> bool:
    """Whether f is a function that Numba compiles: by `numgrad.njit`, or by `numba.njit`."""
    return isinstance(f, (Function, Compiled)) or (
        type(f).__module__.startswith("numba.") and _compiled_function(f) is not None
    )


def grad(f: Any, argnums: Argnums = 0, *, has_aux: bool = False) -> Any:
    """The gradient of a compiled function, as a compiled function of the same arguments.

    Gives one gradient, a float or an array, or a tuple of them where `argnums` is one. `argnums`
    None means every argument of floats. With `has_aux`, f gives (value, more), and the gradient
    function (gradient, more).

    Raises:
        LanguageError: f uses what cannot be differentiated.
        TypeError: f is not compiled, its result is not one float, or an argument not of floats.
    """
    return _once(Gradient, f, _fixed(argnums), value=False, has_aux=has_aux)


def value_and_grad(f: Any, argnums: Argnums = 0, *, has_aux: bool = False) -> Any:
    """As `grad`, with the value in front: (value, gradient)."""
    return _once(Gradient, f, _fixed(argnums), value=True, has_aux=has_aux)


def vjp(f: Any, *primals: Any, argnums: Argnums = None) -> Any:
    """Products of seeds with the Jacobian of a compiled function.

    With arguments: (value, pull), where `pull(seed)` gives a tuple of derivatives. Without: a
    compiled
    function `h(seed, *args)` that gives (value, derivatives). Seeds are like the float results.
    """
    pullback = _once(Pullback, f, _fixed(argnums))
    if not primals:
        return pullback
    value = f(*primals)

    def pull(seed: Any) -> tuple[Any, ...]:
        found = pullback(seed, *primals)[1]
        return found if isinstance(found, tuple) else (found,)

    return value, pull


def jvp(f: Any, primals: Any = None, tangents: Any = None) -> Any:
    """The derivative of a compiled function along tangents: (value, tangent of the value).

    `primals` and `tangents` are tuples; a tangent of None belongs to a constant. Without them: a
    compiled function `h(primals, tangents)`.

    >>> @njit
    ... def scaled(x, k):
    ...     return k * x * x
    >>> jvp(scaled, (3.0, 2.0), (1.0, None))
    (18.0, 12.0)
    """
    directional = _once(Directional, f)
    if primals is None:
        return directional
    return directional(tuple(primals), tuple(tangents))


def jacobian(f: Any, argnums: int = 0, *, mode: str = "auto") -> Any:
    """All derivatives of the result with respect to one argument, of shape result + argument.

    `mode` is "forward", "reverse", or "auto": reverse for a function with one number as result.
    """
    return _once(Jacobian, f, argnums, mode=mode)


def hessian(f: Any, argnums: int = 0) -> Any:
    """The second derivatives of a function with one number as result, forward over reverse."""
    return _once(Jacobian, grad(f, argnums), argnums, mode="forward")


def hvp(f: Any, primals: Any, tangents: Any) -> Any:
    """Products of the Hessian with tangents, forward over reverse: see `numgrad.func.hvp`.

    A tangent of None belongs to a constant, for which the product is None.

    >>> @njit
    ... def power(x, n):
    ...     return x**n
    >>> hvp(power, (2.0, 3), (1.0, None))
    (12.0, None)
    """
    argnums = _chosen("hvp", primals, tangents)
    directional = _once(Directional, _gradient(f, argnums))
    return _spread(directional(tuple(primals), tuple(tangents))[1], argnums, len(primals))


def vhp(f: Any, primals: Any, cotangents: Any) -> Any:
    """Products of cotangents with the Hessian, reverse over reverse; as `hvp` otherwise."""
    argnums = _chosen("vhp", primals, cotangents)
    wrt = argnums if len(argnums) > 1 else argnums[0]
    seeds = tuple(cotangents[k] for k in argnums)
    pullback = _once(Pullback, _gradient(f, argnums), wrt)
    found = pullback(seeds if len(seeds) > 1 else seeds[0], *primals)[1]
    return _spread(found, argnums, len(primals))


def linearize(f: Any, *primals: Any) -> Any:
    """The value, and a function of tangents that gives the derivative along them."""

    def push(*tangents: Any) -> Any:
        """Differentiate in a direction; None is the tangent of a constant."""
        return jvp(f, primals, tangents)[1]

    return f(*primals), push


@functools.lru_cache(1024)
def _once(transform: Any, f: Any, *options: Any, **named: Any) -> Any:
    """Make a transform of a function once, however often it is asked for: it is compiled then."""
    return transform(f, *options, **named)


def _fixed(argnums: Any) -> Argnums:
    return tuple(argnums) if isinstance(argnums, list) else argnums


def _chosen(name: str, primals: Any, vectors: Any) -> tuple[int, ...]:
    """The arguments that have a vector."""
    if len(primals) != len(vectors):
        raise ValueError(
            f"{name}() takes a vector for each argument, None for a constant: got {len(vectors)}"
            f" for {len(primals)}."
        )
    chosen = tuple(k for k, v in enumerate(vectors) if v is not None)
    if not chosen:
        raise ValueError(f"{name}() got no vector: pass one for an argument.")
    return chosen


def _gradient(f: Any, argnums: tuple[int, ...]) -> Any:
    wrt = argnums if len(argnums) > 1 else argnums[0]
    return grad(f, wrt)


def _spread(found: Any, argnums: tuple[int, ...], count: int) -> Any:
    """Products by the places of their arguments; the one itself where there is one argument."""
    products = found if len(argnums) > 1 else (found,)
    places = dict(zip(argnums, products, strict=True))
    return tuple(places.get(k) for k in range(count)) if count > 1 else products[0]


TRANSFORMS = (grad, value_and_grad, vjp, jvp, jacobian, hessian)
for _transform in TRANSFORMS:
    _transform.__dict__["lower_transform"] = True

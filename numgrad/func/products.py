"""Products of vectors with matrices of second derivatives: `hvp` and `vhp`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numgrad.func.compiled import adjoint_for
from numgrad.func.forward import jvp
from numgrad.func.reverse import grad, vjp

if TYPE_CHECKING:
    from collections.abc import Callable


def hvp(f: Callable[..., Any], primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> Any:
    """Product of the Hessian of a function whose result is a number with a vector.

    Forward mode over reverse mode: it takes a few times as long as a gradient, and no matrix is
    made. Primals and tangents are tuples, one for each argument; so is the result if there are
    several. Of a compiled function constants have None for a tangent, and for a product.

    >>> import numgrad as ng
    >>> x, v = ng.tensor([1.0, 2.0]), ng.tensor([1.0, 0.0])
    >>> ng.func.hvp(lambda x: (x**3).sum(), (x,), (v,))
    tensor([6., 0.])
    """
    compiled = adjoint_for("hvp", f, primals, tangents)
    if compiled is not None:
        return compiled
    everywhere = tuple(range(len(primals)))
    product = jvp(grad(f, everywhere), primals, tangents)[1]
    return product[0] if len(primals) == 1 else product


def vhp(f: Callable[..., Any], primals: tuple[Any, ...], cotangents: tuple[Any, ...]) -> Any:
    """Product of a vector with the Hessian, by reverse mode over reverse mode.

    Arguments and results are those of `hvp`; where the Hessian is symmetric, so are the values.

    >>> import numgrad as ng
    >>> x, v = ng.tensor([1.0, 2.0]), ng.tensor([1.0, 0.0])
    >>> ng.func.vhp(lambda x: (x**3).sum(), (x,), (v,))
    tensor([6., 0.])
    """
    compiled = adjoint_for("vhp", f, primals, cotangents)
    if compiled is not None:
        return compiled
    everywhere = tuple(range(len(primals)))
    product = vjp(grad(f, everywhere), *primals)[1](tuple(cotangents))
    return product[0] if len(primals) == 1 else product

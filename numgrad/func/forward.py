"""Forward mode: `jvp` and `linearize`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numgrad.autograd.forward_ad import dual_level, make_dual, unpack_dual
from numgrad.errors import ShapeError
from numgrad.func.arguments import (
    Chosen,
    choose,
    given,
    split_aux,
    tensors_of,
    to_tensor,
    variables,
    without_history,
)
from numgrad.func.compiled import adjoint_for
from numgrad.func.outside import depends_on_outside
from numgrad.func.reverse import call_recorded, pull
from numgrad.mapping import retire, variable
from numgrad.modes import modes
from numgrad.partials import zeros_like
from numgrad.pytree import tree_flatten, tree_leaves, tree_map
from numgrad.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def directions(name: str, chosen: Chosen, tangents: Any) -> list[Tensor]:
    """Tangents for the chosen arguments, checked.

    Raises ValueError for another tree, ShapeError for another shape.
    """
    leaves, structure = tree_flatten(tangents)
    if structure != chosen.structure:
        message = f"{name}() takes tangents in a tree like that of the primals, a tuple of them."
        raise ValueError(message)
    found = [to_tensor(name, leaf) for leaf in leaves]
    for t, primal in zip(found, chosen.leaves, strict=True):
        if t.shape != primal.shape:
            message = (
                f"{name}() needs a tangent of the primal's shape {primal.shape}, got {t.shape}."
            )
            raise ShapeError(message)
    return found


def push(
    name: str, f: Callable[..., Any], chosen: Chosen, tangents: Sequence[Tensor], *, has_aux: bool
) -> tuple[Any, Any, Any]:
    """Call a function on duals; give result, tangent and aux."""
    with dual_level() as level:
        duals = [make_dual(p, t, level=level) for p, t in zip(chosen.leaves, tangents, strict=True)]
        result, aux = split_aux(name, f(*chosen.structure.unflatten(duals)), has_aux=has_aux)
        outputs, structure = tensors_of(name, result, "tensors")
        pairs = [unpack_dual(o, level=level) for o in outputs]
        aux = tree_map(
            lambda t: unpack_dual(t, level=level).primal if isinstance(t, Tensor) else t, aux
        )
    return (
        structure.unflatten([p.primal for p in pairs]),
        structure.unflatten(
            [zeros_like(p.primal) if p.tangent is None else p.tangent for p in pairs]
        ),
        aux,
    )


def jvp(
    f: Callable[..., Any],
    primals: tuple[Any, ...],
    tangents: tuple[Any, ...],
    *,
    has_aux: bool = False,
) -> tuple[Any, ...]:
    """Call a function, and give `(result, tangent)`, with aux behind them if `has_aux`.

    The tangent is the derivative of the result in the direction of the tangents, one for each of
    the primals; all may be trees.

    Raises TypeError unless primals and tangents are tuples, ShapeError for a tangent of another
    shape.

    >>> import numgrad as ng
    >>> ng.jvp(lambda x: x * x, (ng.tensor(3.0),), (ng.tensor(1.0),))
    (tensor(9.), tensor(6.))
    """
    for what, value in (("primals", primals), ("tangents", tangents)):
        if not isinstance(value, (tuple, list)):
            message = f"jvp() takes a tuple of {what}, got {type(value).__name__}: write (x,)."
            raise TypeError(message)
    compiled = adjoint_for("jvp", f, primals, tangents, has_aux=has_aux)
    if compiled is not None:
        return compiled  # type: ignore[no-any-return]
    chosen = choose("jvp", tuple(primals))
    found = directions("jvp", chosen, tuple(tangents))
    result, tangent, aux = push("jvp", f, chosen, found, has_aux=has_aux)
    plain = chosen.plain and not any(isinstance(t, Tensor) for t in tree_leaves(tangents))
    return given((result, tangent, aux) if has_aux else (result, tangent), plain=plain)  # type: ignore[no-any-return]


def linearize(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """Call a function, and give `(result, jvp_function)`.

    `jvp_function(*tangents)` is the derivative at the primals, a linear function: it runs on what
    the tape has saved, without f being called again.

    >>> import numgrad as ng
    >>> y, jvp_function = ng.func.linearize(ng.sin, ng.tensor(0.0))
    >>> jvp_function(ng.tensor(2.0))
    tensor(2.)
    """
    compiled = adjoint_for("linearize", f, *primals)
    if compiled is not None:
        return compiled  # type: ignore[no-any-return]
    chosen = choose("linearize", primals)
    inputs = variables(chosen.leaves)
    result = call_recorded(f, *chosen.structure.unflatten(inputs))
    outputs, structure = tensors_of("linearize", result, "tensors")
    outside = depends_on_outside(outputs, inputs)
    # The vjp, as a function of its cotangent, is linear; its own vjp is the derivative.
    starts = [o for o in outputs if o.requires_grad]
    dummies = [variable(zeros_like(o) + 1.0) for o in starts]
    gradients = call_recorded(pull, starts, dummies, inputs, create_graph=True) if starts else []

    def jvp_function(*tangents: Any) -> Any:
        """Differentiate in a direction."""
        found = directions("linearize", chosen, tangents)
        record = modes().recording and (outside or any(t.requires_grad for t in found))
        pairs = [(g, t) for g, t in zip(gradients, found, strict=bool(starts)) if g.requires_grad]
        moved = iter(
            pull(
                [g for g, _ in pairs],
                [t for _, t in pairs],
                dummies,
                create_graph=record,
                retain_graph=True,
            )
            if pairs
            else map(zeros_like, starts)
        )
        pushed = [next(moved) if o.requires_grad else zeros_like(o) for o in outputs]
        return given(structure.unflatten(pushed), plain=chosen.plain)

    retire((*inputs, *dummies))
    shown = result if outside else without_history(result)
    return given(shown, plain=chosen.plain), jvp_function

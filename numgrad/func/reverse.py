"""Reverse mode: `grad`, `value_and_grad`, `vjp`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from numgrad.autograd.gradients import grad as gradients_of
from numgrad.errors import ShapeError
from numgrad.func.arguments import (
    choose,
    given,
    positions,
    replaced,
    split_aux,
    tensors_of,
    to_tensor,
    variables,
    without_history,
)
from numgrad.func.compiled import adjoint_for
from numgrad.func.outside import depends_on_outside
from numgrad.mapping import retire
from numgrad.modes import modes, recorded, set_modes
from numgrad.pytree import tree_flatten, tree_leaves
from numgrad.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def call_recorded(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function while gradients are recorded."""
    before = modes()
    set_modes(recorded(before, recording=True))
    try:
        return f(*args, **kwargs)
    finally:
        set_modes(before)


def pull(
    results: Sequence[Tensor], seeds: Sequence[Any], inputs: Sequence[Tensor], **options: Any
) -> list[Tensor]:
    """Gradients of results, some of which may be constants; zeros for what they do not reach."""
    pairs = [(r, s) for r, s in zip(results, seeds, strict=True) if r.requires_grad]
    return list(
        gradients_of(
            [r for r, _ in pairs],
            inputs,
            [s for _, s in pairs],
            allow_unused=True,
            materialize_grads=True,
            **options,
        )
    )


def value_and_grad(
    f: Callable[..., Any], argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False
) -> Callable[..., Any]:
    """Make the function that gives `(value, gradient)` of a function whose result is a number.

    `argnums` says by which positional arguments, one or a tuple of them; these may be trees, and
    so are their gradients. With `has_aux` the function returns `(result, aux)`, and the value is
    such a pair, too. Where the chosen arguments are arrays or numbers and no tensors, so are value
    and gradient: so SciPy's optimizers take it as it is, with `jac=True`.

    Raises RuntimeError if the result is not a tensor of shape (): see `vjp` and `jacrev`.

    >>> import numgrad as ng
    >>> ng.value_and_grad(lambda x: (x * x).sum())(ng.tensor([1.0, 2.0]))
    (tensor(5.), tensor([2., 4.]))
    """
    compiled = adjoint_for("value_and_grad", f, argnums, has_aux=has_aux)
    if compiled is not None:
        return compiled  # type: ignore[no-any-return]

    @named(f, "value_and_grad")
    def transformed(*args: Any, **kwargs: Any) -> Any:
        return _value_and_grad("value_and_grad", f, argnums, has_aux, args, kwargs)

    return transformed


def grad_and_value(
    f: Callable[..., Any], argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False
) -> Callable[..., Any]:
    """Make the function that gives `(gradient, value)`: see `value_and_grad`."""
    both = value_and_grad(f, argnums, has_aux=has_aux)

    @named(f, "grad_and_value")
    def transformed(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return gradient, value

    return transformed


def grad(
    f: Callable[..., Any], argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False
) -> Callable[..., Any]:
    """Make the function that gives the gradient of a function whose result is a number.

    Arguments and results are those of `value_and_grad`; with `has_aux` it gives `(gradient, aux)`.
    Transforms leave every `.grad` alone and compose in any order. The gradient is recorded if it
    depends on tensors that require grad outside.

    >>> import numgrad as ng
    >>> cube = lambda x: x**3
    >>> ng.grad(cube)(2.0), ng.grad(ng.grad(cube))(2.0)
    (np.float64(12.0), np.float64(12.0))
    """
    compiled = adjoint_for("grad", f, argnums, has_aux=has_aux)
    if compiled is not None:
        return compiled  # type: ignore[no-any-return]

    @named(f, "grad")
    def transformed(*args: Any, **kwargs: Any) -> Any:
        value, gradient = _value_and_grad("grad", f, argnums, has_aux, args, kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return transformed


def named(f: Callable[..., Any], name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give what a transform makes of a function its documentation, and a name that says so."""

    def decorate(transformed: Callable[..., Any]) -> Callable[..., Any]:
        transformed = functools.update_wrapper(transformed, f)
        inner = getattr(f, "__name__", "function")
        transformed.__name__ = transformed.__qualname__ = f"{name}({inner})"
        return transformed

    return decorate


def _value_and_grad(
    name: str,
    f: Callable[..., Any],
    argnums: Any,
    has_aux: bool,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    places = positions(name, argnums, len(args))
    trees = tuple(args[k] for k in places)
    chosen = choose(name, trees)
    inputs = variables(chosen.leaves)
    result = call_recorded(f, *replaced(args, places, chosen.structure.unflatten(inputs)), **kwargs)
    value, aux = split_aux(name, result, has_aux=has_aux)
    check_number(name, value)
    outside = depends_on_outside([value, *(tree_leaves(aux) if has_aux else ())], inputs)
    found: list[Any] = (
        pull([value], [None], inputs, create_graph=outside) if value.requires_grad else []
    )
    retire(inputs)
    if not found:
        found = [t.detach() * 0.0 for t in chosen.leaves]
    gradient = chosen.structure.unflatten(found)
    if not isinstance(argnums, (tuple, list)):
        (gradient,) = gradient
    answer = (value, aux) if has_aux else value
    if not outside:
        answer = without_history(answer)
    return given((answer, gradient), plain=chosen.plain)


def check_number(name: str, value: Any) -> None:
    """Raise RuntimeError unless a result is a tensor of shape () and of a floating dtype."""
    if not isinstance(value, Tensor):
        message = (
            f"{name}() takes a function whose result is a tensor, got {type(value).__name__}:"
            " compute with tensors throughout, and see vjp() for several results."
        )
        raise RuntimeError(message)
    if value.shape != ():
        message = (
            f"{name}() takes a function whose result is a number, got shape {value.shape}:"
            " reduce it, as by sum(), or see vjp() and jacrev()."
        )
        raise RuntimeError(message)


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """Call a function, and give `(result, vjp_function)`, with aux behind them if `has_aux`.

    `vjp_function(cotangents)` takes a tree like the result and gives the tuple of the products
    with the Jacobian, one for each primal. It may be called again and again.

    Raises ShapeError for a cotangent of another shape, ValueError for another tree.

    >>> import numgrad as ng
    >>> y, vjp_function = ng.vjp(ng.sin, ng.tensor([0.0, 0.0]))
    >>> vjp_function(ng.tensor([1.0, 2.0]))
    (tensor([1., 2.]),)
    """
    compiled = adjoint_for("vjp", f, *primals, has_aux=has_aux)
    if compiled is not None:
        return compiled  # type: ignore[no-any-return]
    chosen = choose("vjp", primals)
    inputs = variables(chosen.leaves)
    result, aux = split_aux(
        "vjp", call_recorded(f, *chosen.structure.unflatten(inputs)), has_aux=has_aux
    )
    outputs, structure = tensors_of("vjp", result, "tensors")
    outside = depends_on_outside([*outputs, *tree_leaves(aux)], inputs)

    def vjp_function(cotangents: Any, retain_graph: bool = True) -> tuple[Any, ...]:
        """Multiply cotangents with the Jacobian."""
        seeds, found = tree_flatten(cotangents)
        if found != structure:
            message = "vjp() gives a function of cotangents in a tree like that of the result."
            raise ValueError(message)
        seeds = [to_tensor("vjp", s) for s in seeds]
        for s, o in zip(seeds, outputs, strict=True):
            if s.shape != o.shape:
                message = f"vjp() needs a cotangent of shape {o.shape}, got {s.shape}."
                raise ShapeError(message)
        record = modes().recording and (outside or any(s.requires_grad for s in seeds))
        gradients = pulled_back(outputs, seeds, inputs, record=record, keep=retain_graph)
        return given(chosen.structure.unflatten(gradients), plain=chosen.plain)  # type: ignore[no-any-return]

    retire(inputs)
    shown = result if outside else without_history(result)
    rest = (aux if outside else without_history(aux),) if has_aux else ()
    answer, *more = given((shown, *rest), plain=chosen.plain)
    return (answer, vjp_function, *more)


def pulled_back(
    outputs: Sequence[Tensor],
    seeds: Sequence[Any],
    inputs: Sequence[Tensor],
    *,
    record: bool,
    keep: bool = True,
) -> list[Tensor]:
    """Gradients, or zeros where no output depends on anything."""
    if not any(o.requires_grad for o in outputs):
        return [t.detach() * 0.0 for t in inputs]
    return pull(outputs, seeds, inputs, create_graph=record, retain_graph=keep or record)

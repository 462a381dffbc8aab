"""PyTorch's `torch.autograd.functional`: derivatives of functions of tensors.

Inputs and results are tensors or tuples of them; `numgrad.func` takes trees and arrays, too.
Results have a history only with `create_graph=True`; with `strict=True` it is an error if a result
does not depend on an input, which otherwise counts as a derivative of zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numgrad.autograd.grad_modes import set_grad_enabled
from numgrad.autograd.gradients import grad
from numgrad.creation import ones_like
from numgrad.errors import ShapeError
from numgrad.func.arguments import variables, without_history
from numgrad.func.forward import jvp as jvp_of
from numgrad.func.jacobians import jacfwd, jacrev
from numgrad.func.reverse import call_recorded, pulled_back
from numgrad.func.reverse import grad as grad_of
from numgrad.mapping import retire
from numgrad.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Tensors = Any


def vjp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """Give `(outputs, product)` of a vector and the Jacobian of a function.

    Raises RuntimeError for outputs of several elements without `v`, ShapeError for another shape.

    >>> import numgrad as ng
    >>> ng.autograd.functional.vjp(ng.exp, ng.zeros(2), ng.ones(2))
    (tensor([1., 1.]), tensor([1., 1.]))
    """
    several, tensors = _tensors("vjp", "inputs", inputs)
    with set_grad_enabled(create_graph):
        xs = variables(tensors)
        result = call_recorded(func, *xs)
        _, outputs = _tensors("vjp", "outputs of the function", result)
        if strict:
            _check_dependence("vjp", outputs, xs)
        seeds = _vectors("vjp", v, outputs, what="the output")
        found = tuple(pulled_back(outputs, seeds, xs, record=create_graph, keep=False))
        retire(xs)
    return _shown((result, found if several else found[0]), create_graph=create_graph)  # type: ignore[no-any-return]


def jvp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """Give `(outputs, product)` of the Jacobian of a function and a vector, by forward mode.

    Raises RuntimeError for inputs of several elements without `v`, ShapeError for another shape.

    >>> import numgrad as ng
    >>> ng.autograd.functional.jvp(ng.exp, ng.zeros(2), ng.ones(2))
    (tensor([1., 1.]), tensor([1., 1.]))
    """
    _, tensors = _tensors("jvp", "inputs", inputs)
    tangents = _vectors("jvp", v, tensors, what="the input")
    with set_grad_enabled(create_graph):
        if strict:
            _strictly("jvp", func, tensors)
        pair = jvp_of(func, tensors, tangents)
    return _shown(pair, create_graph=create_graph)  # type: ignore[no-any-return]


def vhp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """Give `(output, product)` of a vector and the Hessian of a function whose result is a number.

    >>> import numgrad as ng
    >>> ng.autograd.functional.vhp(lambda x: (x**3).sum(), ng.ones(2), ng.ones(2))
    (tensor(2.), tensor([6., 6.]))
    """
    several, tensors = _tensors("vhp", "inputs", inputs)
    vectors = _vectors("vhp", v, tensors, what="the input")
    gradient = grad_of(_number("vhp", func), tuple(range(len(tensors))))
    with set_grad_enabled(create_graph):
        xs = variables(tensors)
        value = call_recorded(func, *xs)
        first = call_recorded(gradient, *xs)
        if strict:
            _check_dependence("vhp", first, xs)
        found = tuple(pulled_back(first, vectors, xs, record=create_graph, keep=False))
        retire(xs)
    return _shown((value, found if several else found[0]), create_graph=create_graph)  # type: ignore[no-any-return]


def hvp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """Give `(output, product)` of the Hessian of a function whose result is a number and a vector.

    By forward mode over reverse mode.

    >>> import numgrad as ng
    >>> ng.autograd.functional.hvp(lambda x: (x**3).sum(), ng.ones(2), ng.ones(2))
    (tensor(2.), tensor([6., 6.]))
    """
    several, tensors = _tensors("hvp", "inputs", inputs)
    vectors = _vectors("hvp", v, tensors, what="the input")
    everywhere = tuple(range(len(tensors)))
    number = _number("hvp", func)

    def both(*xs: Tensor) -> Any:
        value = number(*xs)
        return value, value

    with set_grad_enabled(create_graph):
        if strict:
            _strictly("hvp", grad_of(number, everywhere), tensors)
        _, found, value = jvp_of(
            grad_of(both, everywhere, has_aux=True), tensors, vectors, has_aux=True
        )
    return _shown((value, found if several else found[0]), create_graph=create_graph)  # type: ignore[no-any-return]


def jacobian(
    func: Callable[..., Any],
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = True,  # noqa: ARG001 - PyTorch's signature
    strategy: str = "reverse-mode",
) -> Any:
    """Give the Jacobian of a function, of the shape of the output and then of the input.

    Several inputs give a tuple, several outputs a tuple of those. Rows or columns are always
    computed as one batch: `vectorize` changes nothing. `strategy` is "reverse-mode" or
    "forward-mode".

    >>> import numgrad as ng
    >>> ng.autograd.functional.jacobian(ng.square, ng.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    several, tensors = _tensors("jacobian", "inputs", inputs)
    transform = _strategy("jacobian", strategy)
    with set_grad_enabled(create_graph):
        if strict:
            _strictly("jacobian", func, tensors)
        argnums: Any = tuple(range(len(tensors))) if several else 0
        return _shown(transform(func, argnums)(*tensors), create_graph=create_graph)


def hessian(
    func: Callable[..., Any],
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = True,  # noqa: ARG001 - PyTorch's signature
    outer_jacobian_strategy: str = "forward-mode",
) -> Any:
    """Give the Hessian of a function whose result is a number; see `jacobian`.

    >>> import numgrad as ng
    >>> ng.autograd.functional.hessian(lambda x: (x**3).sum(), ng.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    several, tensors = _tensors("hessian", "inputs", inputs)
    transform = _strategy("hessian", outer_jacobian_strategy)
    argnums: Any = tuple(range(len(tensors))) if several else 0
    gradient = grad_of(_number("hessian", func), argnums)
    with set_grad_enabled(create_graph):
        if strict:
            _strictly("hessian", gradient, tensors)
        return _shown(transform(gradient, argnums)(*tensors), create_graph=create_graph)


def _strategy(name: str, strategy: str) -> Callable[..., Any]:
    if strategy not in ("reverse-mode", "forward-mode"):
        message = f'{name}() takes a strategy "reverse-mode" or "forward-mode", got {strategy!r}.'
        raise ValueError(message)
    return jacrev if strategy == "reverse-mode" else jacfwd


def _tensors(name: str, what: str, value: Any) -> tuple[bool, tuple[Tensor, ...]]:
    several = isinstance(value, tuple)
    found = value if several else (value,)
    for t in found:
        if not isinstance(t, Tensor):
            message = (
                f"{name}() takes a tensor or a tuple of tensors as {what}, got {type(t).__name__}."
            )
            raise TypeError(message)
    return several, found


def _vectors(name: str, v: Any, like: tuple[Tensor, ...], *, what: str) -> tuple[Tensor, ...]:
    """The vectors of a product; ones for what has one element."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            message = f"{name}() needs v, with the shape of {what}, unless that has one element."
            raise RuntimeError(message)
        return (ones_like(like[0]),)
    _, vectors = _tensors(name, "v", v)
    if len(vectors) != len(like) or any(
        a.shape != b.shape for a, b in zip(vectors, like, strict=True)
    ):
        message = (
            f"{name}() needs v with the shape of {what}, {[t.shape for t in like]}, got"
            f" {[t.shape for t in vectors]}."
        )
        raise ShapeError(message)
    return vectors


def _number(name: str, func: Callable[..., Any]) -> Callable[..., Tensor]:
    """The function, whose result may have any shape with one element."""

    def number(*xs: Tensor) -> Tensor:
        value = func(*xs)
        if not isinstance(value, Tensor) or value.numel() != 1:
            message = f"{name}() takes a function whose result is a tensor of one element."
            raise RuntimeError(message)
        return value.reshape(())  # type: ignore[no-any-return]

    return number


def _strictly(name: str, func: Callable[..., Any], tensors: tuple[Tensor, ...]) -> None:
    xs = variables(tensors)
    _, outputs = _tensors(name, "outputs of the function", call_recorded(func, *xs))
    _check_dependence(name, outputs, xs)
    retire(xs)


def _check_dependence(name: str, outputs: Any, inputs: list[Tensor]) -> None:
    """Raise RuntimeError if an output does not depend on an input."""
    for i, o in enumerate(outputs):
        found: Any = (None,) * len(inputs)
        if o.requires_grad:
            found = grad(o, inputs, ones_like(o), retain_graph=True, allow_unused=True)
        for k, g in enumerate(found):
            if g is None:
                message = (
                    f"{name}() with strict=True: output {i} does not depend on input {k}; without"
                    " strict its derivative is zero."
                )
                raise RuntimeError(message)


def _shown(tree: Any, *, create_graph: bool) -> Any:
    return tree if create_graph else without_history(tree)

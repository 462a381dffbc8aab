"""Tensor's methods and operators: the functions, under the names by which tensors have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numgrad import functions, hooks, inplace, numpy_protocol, serialization
from numgrad.autograd import gradients
from numgrad.ops import (
    closeness,
    convert,
    determinant,
    diagonals,
    einsum,
    extrema,
    extremes,
    index,
    join,
    masks,
    matmul,
    moments,
    norm,
    permute,
    products,
    reduce,
    rounding,
    scan,
    scatter,
    shape,
    softmax,
    solve,
    sorting,
)
from numgrad.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

functions.lift_structural()

# Modules of functions whose first argument is the tensor: these names are methods, too.
NAMES: dict[Any, str] = {
    functions: """abs absolute add sub subtract mul multiply div divide true_divide pow neg negative
        sign sqrt square reciprocal log eq ne not_equal lt less le less_equal gt greater ge
        greater_equal logical_and logical_or logical_not isnan isinf isfinite exp exp2 expm1 log1p
        log2 log10 rsqrt sigmoid logaddexp sin cos tan asin arcsin acos arccos atan arctan atan2
        arctan2 hypot sinh cosh tanh asinh arcsinh acosh arccosh atanh arctanh floor ceil trunc fix
        frac remainder floor_divide fmod maximum minimum fmax fmin clamp_min clamp_max copysign lerp
        erf erfc lgamma digamma xlogy relu""",
    closeness: "isclose allclose equal",
    convert: "clone contiguous to astype double long type_as",
    diagonals: "diagonal diag tril triu",
    extremes: "clamp",
    rounding: "round",
    extrema: "max min amax amin argmax argmin",
    index: "index_put select narrow",
    join: "split tensor_split chunk unbind tile repeat repeat_interleave",
    masks: "masked_fill masked_select",
    matmul: "matmul mm mv bmm dot",
    products: "outer trace vdot kron",
    einsum: "inner",
    determinant: "det slogdet",
    solve: "inv",
    moments: "var std",
    norm: "norm",
    permute: "permute transpose t swapaxes moveaxis flip roll",
    reduce: "sum mean all any",
    scan: "cumsum cumprod prod",
    scatter: """gather take_along_dim scatter scatter_add index_select take index_add""",
    sorting: "sort argsort",
    shape: """reshape view reshape_as ravel flatten unflatten squeeze unsqueeze expand
        expand_as""",
    softmax: "softmax log_softmax logsumexp",
    inplace: "zero_ fill_ copy_",
}

# Functions that have a form which writes to the tensor.
IN_PLACE: dict[Any, str] = {
    functions: """abs add sub subtract mul multiply div divide true_divide pow neg negative sign
        sqrt square reciprocal log exp exp2 expm1 log1p log2 log10 rsqrt sigmoid sin cos tan asin
        acos atan atan2 hypot sinh cosh tanh asinh acosh atanh floor ceil trunc frac remainder
        floor_divide fmod clamp_min clamp_max copysign lerp erf erfc lgamma digamma xlogy relu""",
    extremes: "clamp",
    rounding: "round",
    index: "index_put",
    masks: "masked_fill",
    scatter: "scatter scatter_add index_add",
    diagonals: "tril triu",
}


def _backward(
    self: Tensor,
    gradient: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add the gradients of this tensor to the `.grad` of its leaves; see `autograd.backward`."""
    gradients.backward(self, (gradient,), retain_graph, create_graph, inputs=inputs)


def _swapped(function: Callable[..., Any]) -> Callable[..., Any]:
    def operator(self: Tensor, other: Any) -> Any:
        return function(other, self)

    return operator


def _comparison(function: Callable[..., Any]) -> Callable[..., Any]:
    """`==` and `!=` with what is no tensor, array or number are Python's, and never raise."""

    def operator(self: Tensor, other: Any) -> Any:
        return NotImplemented if other is None or isinstance(other, str) else function(self, other)

    return operator


def _reduce(self: Tensor, _protocol: int) -> tuple[Any, ...]:
    return serialization.reduced(self, {})


OTHER_NAMES: dict[str, Any] = {
    "float": convert.single,
    "int": convert.integer,
    "bool": convert.boolean,
    "copy": convert.clone,
    "clip": extremes.clamp,
    "clip_": inplace.in_place(extremes.clamp, "clip_"),
    "movedim": permute.moveaxis,
    "swapdims": permute.swapaxes,
    "view_as": shape.view_like,
    "backward": _backward,
    "register_hook": hooks.register_hook,
    "register_post_accumulate_grad_hook": hooks.register_post_accumulate_grad_hook,
    "__neg__": functions.neg,
    "__abs__": functions.abs,
    "__getitem__": index.getitem,
    "__setitem__": inplace.setitem,
    "__reduce_ex__": _reduce,
    "__copy__": serialization.copied,
    "__deepcopy__": serialization.deepcopied,
    "__array_ufunc__": numpy_protocol.array_ufunc,
    "__array_function__": numpy_protocol.array_function,
    "T": property(permute.reverse_dims),
    "mT": property(permute.matrix_transpose),
}


def _install() -> None:
    for module, names in NAMES.items():
        for name in names.split():
            setattr(Tensor, name, getattr(module, name))
    for module, names in IN_PLACE.items():
        for name in names.split():
            setattr(Tensor, f"{name}_", inplace.in_place(getattr(module, name), f"{name}_"))
    for name, value in OTHER_NAMES.items():
        setattr(Tensor, name, value)
    operators: dict[str, Callable[..., Any]] = {
        "add": functions.add,
        "sub": functions.sub,
        "mul": functions.mul,
        "truediv": functions.div,
        "pow": functions.pow,
        "matmul": matmul.matmul,
        "floordiv": functions.floor_divide,
        "mod": functions.remainder,
    }
    for name, function in operators.items():
        setattr(Tensor, f"__{name}__", function)
        setattr(Tensor, f"__r{name}__", _swapped(function))
        setattr(Tensor, f"__i{name}__", inplace.in_place(function, f"__i{name}__"))
    for name in ("lt", "le", "gt", "ge"):
        setattr(Tensor, f"__{name}__", getattr(functions, name))
    for name in ("eq", "ne"):
        setattr(Tensor, f"__{name}__", _comparison(getattr(functions, name)))


_install()

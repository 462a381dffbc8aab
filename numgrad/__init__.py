"""Automatic differentiation for NumPy and Numba code on a CPU, with PyTorch's autograd.

>>> import numgrad as ng
>>> x = ng.tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> y = (x * x).sum()
>>> y.backward()
>>> x.grad
tensor([2., 4., 6.])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numgrad.methods  # noqa: F401 - gives Tensor its methods
from numgrad import (
    autograd,
    debug,
    errors,
    func,
    linalg,
    nn,
    optim,
    random,
    special,
    testing,
    utils,
)
from numgrad.autograd import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from numgrad.creation import (
    arange,
    as_tensor,
    empty,
    empty_like,
    eye,
    from_dlpack,
    from_numpy,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    tensor,
    zeros,
    zeros_like,
)
from numgrad.creation import (
    as_tensor as asarray,
)
from numgrad.debug import (
    graph,
    profile,
)
from numgrad.declaration import elementwise
from numgrad.dtypes import (
    boolean as bool,
)
from numgrad.dtypes import (
    double,
    float16,
    float32,
    float64,
    get_default_dtype,
    half,
    int8,
    int16,
    int32,
    int64,
    long,
    set_default_dtype,
    short,
    uint8,
)
from numgrad.dtypes import (
    float32 as float,
)
from numgrad.dtypes import (
    int32 as int,
)
from numgrad.func import grad, hessian, jacobian, jvp, value_and_grad, vjp, vmap
from numgrad.functions import (
    abs,
    absolute,
    acos,
    acosh,
    add,
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    ceil,
    clamp_max,
    clamp_min,
    copysign,
    cos,
    cosh,
    digamma,
    div,
    divide,
    eq,
    erf,
    erfc,
    exp,
    exp2,
    expm1,
    fix,
    floor,
    floor_divide,
    fmax,
    fmin,
    fmod,
    frac,
    ge,
    greater,
    greater_equal,
    gt,
    hypot,
    isfinite,
    isinf,
    isnan,
    le,
    lerp,
    less,
    less_equal,
    lgamma,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    logaddexp2,
    logical_and,
    logical_not,
    logical_or,
    lt,
    maximum,
    minimum,
    mod,
    mul,
    multiply,
    ne,
    neg,
    negative,
    not_equal,
    polygamma,
    pow,
    power,
    reciprocal,
    relu,
    remainder,
    rint,
    rsqrt,
    sigmoid,
    sign,
    sin,
    sinh,
    sqrt,
    square,
    sub,
    subtract,
    tan,
    tanh,
    true_divide,
    trunc,
    where,
    xlogy,
)
from numgrad.ops.closeness import (
    allclose,
    equal,
    isclose,
)
from numgrad.ops.convert import (
    astype,
    clone,
)
from numgrad.ops.convert import (
    clone as copy,
)
from numgrad.ops.diagonals import (
    diag,
    diagonal,
    tril,
    triu,
)
from numgrad.ops.einsum import (
    einsum,
    inner,
    tensordot,
)
from numgrad.ops.extrema import (
    amax,
    amin,
    argmax,
    argmin,
    max,
    min,
)
from numgrad.ops.extremes import (
    clamp,
)
from numgrad.ops.extremes import (
    clamp as clip,
)
from numgrad.ops.index import (
    index_put,
    narrow,
    select,
)
from numgrad.ops.interp import (
    interp,
)
from numgrad.ops.join import (
    cat,
    chunk,
    hstack,
    meshgrid,
    repeat,
    repeat_interleave,
    split,
    stack,
    tensor_split,
    tile,
    unbind,
    vstack,
)
from numgrad.ops.join import (
    cat as concat,
)
from numgrad.ops.join import (
    cat as concatenate,
)
from numgrad.ops.join import (
    tensor_split as array_split,
)
from numgrad.ops.join import (
    unbind as unstack,
)
from numgrad.ops.masks import (
    extract,
    masked_fill,
    masked_select,
)
from numgrad.ops.matmul import (
    bmm,
    dot,
    matmul,
    mm,
    mv,
)
from numgrad.ops.moments import (
    std,
    var,
)
from numgrad.ops.norm import (
    norm,
)
from numgrad.ops.permute import (
    flip,
    matrix_transpose,
    moveaxis,
    permute,
    roll,
    swapaxes,
    t,
    transpose,
)
from numgrad.ops.permute import (
    moveaxis as movedim,
)
from numgrad.ops.permute import (
    permute as permute_dims,
)
from numgrad.ops.permute import (
    swapaxes as swapdims,
)
from numgrad.ops.products import (
    kron,
    outer,
    trace,
    vdot,
)
from numgrad.ops.reduce import (
    all,
    any,
    mean,
    sum,
)
from numgrad.ops.rounding import (
    round,
)
from numgrad.ops.scan import (
    cumprod,
    cumsum,
    prod,
)
from numgrad.ops.scatter import (
    gather,
    index_add,
    index_select,
    scatter,
    scatter_add,
    take,
    take_along_axis,
    take_along_dim,
)
from numgrad.ops.shape import (
    atleast_1d,
    atleast_2d,
    broadcast_to,
    expand,
    expand_as,
    flatten,
    ravel,
    reshape,
    reshape_as,
    squeeze,
    unflatten,
    unsqueeze,
    view,
)
from numgrad.ops.shape import (
    unsqueeze as expand_dims,
)
from numgrad.ops.shape import (
    view_like as view_as,
)
from numgrad.ops.signal import (
    convolve,
)
from numgrad.ops.softmax import (
    log_softmax,
    logsumexp,
    softmax,
)
from numgrad.ops.sorting import (
    argsort,
    sort,
)
from numgrad.printing import (
    set_printoptions,
)
from numgrad.random import (
    get_rng_state,
    manual_seed,
    normal,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
    set_rng_state,
)
from numgrad.serialization import (
    load,
    save,
)
from numgrad.tensor import (
    Tensor,
)
from numgrad.threads import (
    get_num_threads,
    set_num_threads,
)

if TYPE_CHECKING:
    from numgrad.adjoint import checkpoint, njit, vectorize

__version__ = "0.1.0"

# What differentiates compiled functions is imported when it is first asked for.
_LATER = frozenset({"checkpoint", "njit", "vectorize"})


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from numgrad import adjoint

    value = globals()[name] = getattr(adjoint, name)
    return value


__all__ = [
    "Tensor",
    "__version__",
    "abs",
    "absolute",
    "acos",
    "acosh",
    "add",
    "all",
    "allclose",
    "amax",
    "amin",
    "any",
    "arange",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "argmax",
    "argmin",
    "argsort",
    "array_split",
    "as_tensor",
    "asarray",
    "asin",
    "asinh",
    "astype",
    "atan",
    "atan2",
    "atanh",
    "atleast_1d",
    "atleast_2d",
    "autograd",
    "bmm",
    "bool",
    "broadcast_to",
    "cat",
    "ceil",
    "checkpoint",
    "chunk",
    "clamp",
    "clamp_max",
    "clamp_min",
    "clip",
    "clone",
    "concat",
    "concatenate",
    "convolve",
    "copy",
    "copysign",
    "cos",
    "cosh",
    "cumprod",
    "cumsum",
    "debug",
    "diag",
    "diagonal",
    "digamma",
    "div",
    "divide",
    "dot",
    "double",
    "einsum",
    "elementwise",
    "empty",
    "empty_like",
    "enable_grad",
    "eq",
    "equal",
    "erf",
    "erfc",
    "errors",
    "exp",
    "exp2",
    "expand",
    "expand_as",
    "expand_dims",
    "expm1",
    "extract",
    "eye",
    "fix",
    "flatten",
    "flip",
    "float",
    "float16",
    "float32",
    "float64",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "frac",
    "from_dlpack",
    "from_numpy",
    "full",
    "full_like",
    "func",
    "gather",
    "ge",
    "get_default_dtype",
    "get_num_threads",
    "get_rng_state",
    "grad",
    "graph",
    "greater",
    "greater_equal",
    "gt",
    "half",
    "hessian",
    "hstack",
    "hypot",
    "index_add",
    "index_put",
    "index_select",
    "inference_mode",
    "inner",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "interp",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "jacobian",
    "jvp",
    "kron",
    "le",
    "lerp",
    "less",
    "less_equal",
    "lgamma",
    "linalg",
    "linspace",
    "load",
    "log",
    "log1p",
    "log2",
    "log10",
    "log_softmax",
    "logaddexp",
    "logaddexp2",
    "logical_and",
    "logical_not",
    "logical_or",
    "logsumexp",
    "long",
    "lt",
    "manual_seed",
    "masked_fill",
    "masked_select",
    "matmul",
    "matrix_transpose",
    "max",
    "maximum",
    "mean",
    "meshgrid",
    "min",
    "minimum",
    "mm",
    "mod",
    "moveaxis",
    "movedim",
    "mul",
    "multiply",
    "mv",
    "narrow",
    "ne",
    "neg",
    "negative",
    "njit",
    "nn",
    "no_grad",
    "norm",
    "normal",
    "not_equal",
    "ones",
    "ones_like",
    "optim",
    "outer",
    "permute",
    "permute_dims",
    "polygamma",
    "pow",
    "power",
    "prod",
    "profile",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "random",
    "randperm",
    "ravel",
    "reciprocal",
    "relu",
    "remainder",
    "repeat",
    "repeat_interleave",
    "reshape",
    "reshape_as",
    "rint",
    "roll",
    "round",
    "rsqrt",
    "save",
    "scatter",
    "scatter_add",
    "select",
    "set_default_dtype",
    "set_grad_enabled",
    "set_num_threads",
    "set_printoptions",
    "set_rng_state",
    "short",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "softmax",
    "sort",
    "special",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "sub",
    "subtract",
    "sum",
    "swapaxes",
    "swapdims",
    "t",
    "take",
    "take_along_axis",
    "take_along_dim",
    "tan",
    "tanh",
    "tensor",
    "tensor_split",
    "tensordot",
    "testing",
    "tile",
    "trace",
    "transpose",
    "tril",
    "triu",
    "true_divide",
    "trunc",
    "uint8",
    "unbind",
    "unflatten",
    "unsqueeze",
    "unstack",
    "utils",
    "value_and_grad",
    "var",
    "vdot",
    "vectorize",
    "view",
    "view_as",
    "vjp",
    "vmap",
    "vstack",
    "where",
    "xlogy",
    "zeros",
    "zeros_like",
]

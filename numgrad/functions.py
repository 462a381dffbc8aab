"""The elementwise functions, as tensors run them: one line an op."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Protocol

from numgrad import compiled, eager, record
from numgrad.modes import modes
from numgrad.op import Structural
from numgrad.ops import (
    activation,
    arithmetic,
    choice,
    exponential,
    extremes,
    interpolation,
    predicates,
    rounding,
    special,
    trigonometric,
)
from numgrad.value import REGISTRY

if TYPE_CHECKING:
    from numgrad.op import Elementwise
    from numgrad.tensor import Tensor


class Function(Protocol):
    """An elementwise function of tensors, arrays and numbers."""

    op: Elementwise
    __name__: str

    def __call__(self, *args: Any, **keywords: Any) -> Tensor:
        """Apply it; arguments broadcast."""

    def source(self, dtype: Any = "float64") -> str:
        """Return the text of its kernels for a dtype, forward and vjp."""


def lift(op: Elementwise) -> Function:
    """Make the eager function of an op, and hand it to the op, so that rules can call it."""
    makers = {1: eager.unary, 2: eager.binary}
    function: Any = makers.get(len(op.params), eager.nary)(op)
    functools.update_wrapper(function, op.body)
    function.__name__ = function.__qualname__ = op.name
    function.op = op
    function.source = functools.partial(compiled.source, op)
    op.run_by(function)
    return function  # type: ignore[no-any-return]


def lift_structural() -> None:
    """Let the structural ops that are declared run on tensors."""
    for op in REGISTRY.values():
        if isinstance(op, Structural) and not hasattr(op, "eager"):
            op.run_by(record.structural(op))


def _product_in_mode(x: Any, y: Any) -> Tensor:
    """Multiply for a rule: plainly under `strict_ieee`, else by the NaN-safe rule."""
    return mul(x, y) if modes().strict_ieee else product(x, y)


# Arithmetic.
add = lift(arithmetic.add)
sub = subtract = lift(arithmetic.sub)
mul = multiply = lift(arithmetic.mul)
div = divide = true_divide = lift(arithmetic.div)
pow = power = lift(arithmetic.pow_)
neg = negative = lift(arithmetic.neg)
abs = absolute = lift(arithmetic.abs_)
sign = lift(arithmetic.sign)
sqrt = lift(arithmetic.sqrt)
square = lift(arithmetic.square)
reciprocal = lift(arithmetic.reciprocal)
log = lift(arithmetic.log)
product = lift(arithmetic.product)
arithmetic.product.run_by(_product_in_mode)
not_a_number = lift(arithmetic.not_a_number)

# Comparison, logic and choice.
eq = lift(choice.equal)
ne = not_equal = lift(choice.not_equal)
lt = less = lift(choice.less)
le = less_equal = lift(choice.less_equal)
gt = greater = lift(choice.greater)
ge = greater_equal = lift(choice.greater_equal)
logical_and = lift(choice.logical_and)
logical_or = lift(choice.logical_or)
where = lift(choice.where)
isnan = lift(predicates.isnan)
isinf = lift(predicates.isinf)
isfinite = lift(predicates.isfinite)
logical_not = lift(predicates.logical_not)

# Exponentials and logarithms.
exp = lift(exponential.exp)
exp2 = lift(exponential.exp2)
expm1 = lift(exponential.expm1)
log1p = lift(exponential.log1p)
log2 = lift(exponential.log2)
log10 = lift(exponential.log10)
rsqrt = lift(exponential.rsqrt)
sigmoid = expit = lift(exponential.sigmoid)
logistic_density = lift(exponential.logistic_density)
log_sigmoid = lift(exponential.log_sigmoid)
logaddexp = lift(exponential.logaddexp)
logaddexp2 = lift(exponential.logaddexp2)

# Trigonometric and hyperbolic functions.
sin = lift(trigonometric.sin)
cos = lift(trigonometric.cos)
tan = lift(trigonometric.tan)
one_minus_square = lift(trigonometric.one_minus_square)
asin = arcsin = lift(trigonometric.asin)
acos = arccos = lift(trigonometric.acos)
atan = arctan = lift(trigonometric.atan)
atan2 = arctan2 = lift(trigonometric.atan2)
hypot = lift(trigonometric.hypot)
sinh = lift(trigonometric.sinh)
cosh = lift(trigonometric.cosh)
tanh = lift(trigonometric.tanh)
asinh = arcsinh = lift(trigonometric.asinh)
acosh = arccosh = lift(trigonometric.acosh)
atanh = arctanh = lift(trigonometric.atanh)

# Rounding and division with remainder.
floor = lift(rounding.floor)
ceil = lift(rounding.ceil)
trunc = fix = lift(rounding.trunc)
rint = lift(rounding.rint)
frac = lift(rounding.frac)
remainder = mod = lift(rounding.remainder)
floor_divide = lift(rounding.floor_divide)
fmod = lift(rounding.fmod)

# The larger and the smaller, and what lies between.
maximum = lift(extremes.maximum)
minimum = lift(extremes.minimum)
fmax = lift(extremes.fmax)
fmin = lift(extremes.fmin)
clamp_min = lift(extremes.clamp_min)
clamp_max = lift(extremes.clamp_max)
limited = lift(extremes.limited)
copysign = lift(extremes.copysign)
lerp = lift(interpolation.lerp)

# Special functions.
erf = lift(special.erf)
erfc = lift(special.erfc)
lgamma = gammaln = lift(special.lgamma)
digamma = psi = lift(special.digamma)
trigamma = lift(special.trigamma)
polygamma = lift(special.polygamma)
xlogy = lift(special.xlogy)
xlog1py = lift(special.xlog1py)

# Activations of neural networks; numgrad.nn.functional has them with PyTorch's arguments.
relu = lift(activation.relu)
leaky_relu = lift(activation.leaky_relu)
elu = lift(activation.elu)
softplus = lift(activation.softplus)
silu = lift(activation.silu)
gelu = lift(activation.gelu)
gelu_tanh = lift(activation.gelu_tanh)

# By this name other processes find them, to which they are pickled.
for _name, _function in tuple(globals().items()):
    if getattr(_function, "op", None) in REGISTRY.values():
        _function.__module__ = __name__
        if globals().get(_function.__qualname__) is not _function:
            _function.__qualname__ = _name

"""The elementwise functions, as tensors run them.

One line an op: the declaration, lifted by how many arguments it takes.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Protocol

from numgrad import compiled, eager, record
from numgrad.ops import arithmetic, choice
from numgrad.op import Structural
from numgrad.value import REGISTRY

if TYPE_CHECKING:
    from numgrad.op import Elementwise
    from numgrad.tensor import Tensor


class Function(Protocol):
    """An elementwise function of tensors, arrays and numbers."""

    op: Elementwise

    def __call__(self, *args: Any) -> Tensor:
        """Apply it; arguments broadcast."""

    def source(self, dtype: Any = "float64") -> str:
        """Text of its kernels for a dtype, forward and vjp."""


def lift(op: Elementwise) -> Function:
    """Make the eager function of an op, and hand it to the op, so that rules can call it."""
    makers = {1: eager.unary, 2: eager.binary}
    function: Any = makers.get(len(op.params), eager.nary)(op)
    functools.update_wrapper(function, op.body)
    function.op = op
    function.source = functools.partial(compiled.source, op)
    op.eager = function
    return function  # type: ignore[no-any-return]


for _op in REGISTRY.values():
    if isinstance(_op, Structural):
        _op.eager = record.structural(_op)

add = lift(arithmetic.add)
sub = lift(arithmetic.sub)
mul = lift(arithmetic.mul)
div = lift(arithmetic.div)
pow = lift(arithmetic.pow_)  # noqa: A001
neg = lift(arithmetic.neg)
abs = lift(arithmetic.abs_)  # noqa: A001
sqrt = lift(arithmetic.sqrt)
log = lift(arithmetic.log)
for _n in ("product","not_a_number","sign","square","reciprocal","equal","not_equal","less","less_equal","greater","greater_equal","logical_and","logical_or","where"):
    globals()[_n]=lift(REGISTRY[_n])
from numgrad.tensor import Tensor as _T
_T.__mul__=mul; _T.__add__=add

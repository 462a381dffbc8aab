"""Functions by `numgrad.elementwise` in compiled code, to the language and to Numba."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from numgrad.adjoint import calls, lazy
from numgrad.adjoint.builder import Builder
from numgrad.adjoint.clean import clean
from numgrad.adjoint.fronts import Shape, is_array, shape_of
from numgrad.adjoint.function import Compiled
from numgrad.adjoint.ir import Procedure, Value, Var
from numgrad.adjoint.writing import Derived
from numgrad.declaration import ElementwiseFunction
from numgrad.errors import LanguageError
from numgrad.expr import Apply, Expression, Symbol, postorder
from numgrad.value import REGISTRY

if TYPE_CHECKING:
    import ast

    from numgrad.adjoint.fronts import Front
    from numgrad.adjoint.lowering import Lowering


class Formula(Compiled):
    """An elementwise function of numbers as a compiled function."""

    def __init__(self, function: ElementwiseFunction) -> None:
        self.function = function
        self.name = self.__name__ = function.__name__
        self.signature = function.signature

    def derive(self, shapes: tuple[Shape, ...], groups: tuple[int, ...] | None) -> Derived:
        """The formula, in the operations of the library."""
        names = self.function.op.params
        builder = Builder()
        params = [Var(shape, name) for shape, name in zip(shapes, names, strict=True)]  # type: ignore[arg-type]
        values: dict[str, Value] = {
            name: builder.as_float(param) for name, param in zip(names, params, strict=True)
        }
        result = builder.as_float(builder.evaluate(_formula(self.function), values))
        procedure = Procedure(self.name, params, builder.block, [result])
        procedure.groups = groups or tuple(range(len(params)))
        clean(procedure)
        return Derived(procedure, shapes, result.type)


def _formula(function: ElementwiseFunction) -> Expression:
    """The expression of a function, in ops of the library."""
    return _expanded(function.op.value, function.__name__)


def _expanded(root: Expression, name: str) -> Expression:
    """An expression with the ops of the user replaced by what they are made of."""
    values: dict[int, Expression] = {}
    for e in postorder([root]):
        if not isinstance(e, Apply):
            continue
        args = tuple(values.get(id(a), a) if isinstance(a, Symbol) else a for a in e.args)
        known: Any = REGISTRY.get(e.op.name)
        if known is e.op:
            values[id(e)] = Apply(known, args)
        elif e.op.template is None and not e.op.has_rule:
            values[id(e)] = _expanded(e.op.body(*args), name)
        else:
            raise LanguageError(
                f"{name}() has a text or derivatives of its own, by .partial, which compiled code"
                " does not know: call it outside, or write it without."
            )
    return values.get(id(root), root) if isinstance(root, Symbol) else root


@functools.lru_cache(maxsize=1024)
def _formula_of(function: ElementwiseFunction) -> Formula:
    return Formula(function)


def _lower_call(
    self: ElementwiseFunction,
    lo: Lowering,
    args: list[Front],
    keywords: dict[str, Front],
    node: ast.Call,
) -> Any:
    """Read a call of it within code that is differentiated."""
    formula = _formula_of(self)
    if keywords or len(args) != formula.count:
        lo.refuse(
            node,
            f"{formula.name}() takes {', '.join(formula.parameters)}, by position",
            "pass all of them",
        )
    if not any(map(is_array, args)):
        return formula.lower_call(lo, args, keywords, node)

    def apply(*numbers: Value) -> Any:
        derived = formula.derived_once(tuple(shape_of(n) for n in numbers), None)
        return calls.append_call(lo, derived.procedure, list(numbers), derived.result)

    return lazy.elementwise(lo, apply, *args)


def _numba_type(self: ElementwiseFunction) -> Any:
    """What Numba takes it for."""
    from numgrad.adjoint import runtime

    formula = _formula_of(self)
    return runtime.lifted_type(formula.dispatcher, formula.count)


ElementwiseFunction.lower_call = _lower_call  # type: ignore[attr-defined]
ElementwiseFunction._numba_type_ = property(functools.lru_cache(maxsize=1024)(_numba_type))  # type: ignore[attr-defined]

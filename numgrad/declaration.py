"""elementwise: an op of the user's own, declared as the library declares its ops."""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import re
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from numgrad import compiled, eager
from numgrad.expr import Apply, Symbol, evaluate, inputs, postorder
from numgrad.kernels.build import PRELUDE
from numgrad.op import RESERVED, Elementwise
from numgrad.value import OWN

if TYPE_CHECKING:
    from collections.abc import Callable

    from numgrad.tensor import Tensor


class ElementwiseFunction:
    """A function of numbers lifted to tensors: see `elementwise`, which makes it."""

    __name__: str
    __qualname__: str
    # What made it, for messages.
    maker = "elementwise"

    def __init__(self, function: Callable[..., Any], template: str | None) -> None:
        functools.update_wrapper(self, function)
        self.signature = inspect.signature(function)
        kinds = {p.kind for p in self.signature.parameters.values()}
        named = inspect.Parameter.POSITIONAL_OR_KEYWORD
        if kinds - {named, inspect.Parameter.POSITIONAL_ONLY} or not kinds:
            raise TypeError(
                f"{self.maker}() takes functions of a fixed number of arguments by position, got"
                f" {self.__name__}{self.signature}."
            )
        self.params = tuple(self.signature.parameters)
        self._set(self._declared(function, template))

    def __call__(self, *args: Any, **keywords: Any) -> Tensor:
        """Apply it; arguments broadcast."""
        if keywords or len(args) != len(self.params):
            bound = self.signature.bind(*args, **keywords)
            bound.apply_defaults()
            args = bound.args
        return self._eager(*args)  # type: ignore[no-any-return]

    def partial(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set the derivatives: `rule(*params, out)` gives that to each parameter.

        0 is a derivative that is zero everywhere, None says that there is none. `out` is the
        result. The rule is written as the function is: it runs once, on symbols.
        """
        op = self._again()
        names = tuple(f"x{k}" for k in range(len(self.params) + 1))
        found = rule(*inputs(*names))
        partials = found if isinstance(found, tuple) else (found,)
        if len(partials) != len(self.params):
            raise TypeError(
                f"the rule of {self.__name__}() must give {len(self.params)} derivatives, one for"
                f" each of {', '.join(self.params)}; it gave {len(partials)}."
            )
        for each in partials:
            self._check(each, "its rule", or_none=True)
        op.partial(lambda *args: tuple(evaluate(partials, dict(zip(names, args, strict=True)))))
        self._set(op)
        return rule

    def source(self, dtype: Any = "float64") -> str:
        """Return the text of its kernels for a dtype, forward and vjp."""
        return compiled.source(self.op, dtype)

    def __repr__(self) -> str:
        return f"<elementwise function {self.__name__}{self.signature}>"

    def __reduce__(self) -> str:
        """Pickle it as functions are, by name."""
        return self.__qualname__

    def _declared(self, function: Callable[..., Any], template: str | None) -> Elementwise:
        """The op, with the derivatives that follow from the function."""
        body = function
        if template is None:
            body = self._traced(function, "the function")
        else:
            _check_template(template, self.params)
        return Elementwise(named(body, function), template)

    def _again(self) -> Elementwise:
        """The op, to be given other derivatives."""
        return Elementwise(self.op.body, self.op.template)

    def _set(self, op: Elementwise) -> None:
        self.op = op
        self._eager = runs(op)

    def _traced(self, function: Callable[..., Any], what: str) -> Callable[..., Any]:
        """Run a function once; what it reads besides its arguments is fixed then."""
        root = function(*inputs(*self.params))
        self._check(root, what)

        def body(*args: Any) -> Any:
            return evaluate([root], dict(zip(self.params, args, strict=True)))[0]

        return body

    def _check(self, value: Any, what: str, *, or_none: bool = False) -> None:
        """Raise for what no kernel can be made of, and make numbers of NumPy's."""
        if or_none and value is None:
            return
        constants: list[Any] = [] if isinstance(value, Symbol) else [value]
        for e in postorder([value]):
            if isinstance(e, Apply):
                e.args = tuple([a.item() if isinstance(a, np.generic) else a for a in e.args])
                constants += [a for a in e.args if not isinstance(a, Symbol)]
        for each in constants:
            if not isinstance(each, (int, float)):
                raise TypeError(
                    f"{what} of {self.__name__}() must give one number, made of its arguments and"
                    f" of numbers, got {type(each).__name__}: pass it as an argument."
                )


def runs(op: Elementwise) -> Callable[..., Any]:
    """Let an op that is not of the library run on tensors; give what does it."""
    makers = {1: eager.unary, 2: eager.binary}
    run = makers.get(len(op.params), eager.nary)(op)
    op.run_by(run)
    OWN.add(op)
    return run


def named(body: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a body the parameters of a function, by names that can stand in the text of kernels."""

    @functools.wraps(function)
    def with_names(*args: Any) -> Any:
        return body(*args)

    with_names.__name__ = re.sub(r"\W", "", function.__name__).strip("_") or "function"
    parameters = inspect.signature(function).parameters.values()
    with_names.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [p.replace(name=p.name + "_" * _is_taken(p.name)) for p in parameters]
    )
    return with_names


# Names that the text of kernels calls or assigns.
_IN_LOOPS = frozenset({"careful", "large", "loop", "start", "stop"})
_TAKEN = RESERVED | _IN_LOOPS | set(re.findall(r"\w+", PRELUDE)) | set(dir(builtins))


def _is_taken(name: str) -> bool:
    return name in _TAKEN or re.fullmatch(r"t\d+", name) is not None


# What a text may consist of. Numba knows more, but a process without Numba does not.
_SYNTAX = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.IfExp, ast.Call),
    *(ast.Attribute, ast.Name, ast.Constant, ast.operator, ast.unaryop, ast.cmpop, ast.boolop),
    ast.expr_context,
)
_BUILTINS = frozenset({"abs", "max", "min"})
_MATH = frozenset(
    re.findall(
        r"\w+",
        "acos acosh asin asinh atan atan2 atanh ceil copysign cos cosh degrees e erf erfc exp exp2"
        " expm1 fabs floor hypot inf isfinite isinf isnan lgamma log log10 log1p log2 nan pi pow"
        " radians sin sinh sqrt tan tanh tau trunc",
    )
)


def _check_template(template: str, params: tuple[str, ...]) -> None:
    """Raise ValueError for a text that is no expression of the arguments, or none for kernels."""
    stand_ins = [f"_{k}" for k in range(len(params))]
    try:
        nodes = list(ast.walk(ast.parse(template.format(*stand_ins), mode="eval")))
    except (SyntaxError, IndexError, KeyError, ValueError) as error:
        raise ValueError(
            f"the text of an elementwise function is an expression of its arguments, {{0}} to"
            f" {{{len(params) - 1}}}; got {template!r}."
        ) from error
    known = _BUILTINS | {*stand_ins, "math"}
    allowed = f"{', '.join(sorted(_BUILTINS))} and functions of math ({', '.join(sorted(_MATH))})"
    for node in nodes:
        strange = (
            not isinstance(node, _SYNTAX)
            or (isinstance(node, ast.Name) and node.id not in known)
            or (isinstance(node, ast.Attribute) and node.attr not in _MATH)
            or (isinstance(node, ast.Constant) and not isinstance(node.value, (int, float)))
        )
        if strange:
            raise ValueError(
                f"the text of an elementwise function consists of operators, choices, {allowed};"
                f" got {ast.unparse(node) or type(node).__name__!r} in {template!r}."
            )


@overload
def elementwise(function: Callable[..., Any]) -> ElementwiseFunction: ...
@overload
def elementwise(function: str) -> Callable[[Callable[..., Any]], ElementwiseFunction]: ...
def elementwise(function: Any) -> Any:
    """Lift a function of numbers to tensors: one compiled kernel, with its derivatives.

    The function is written in numgrad's or NumPy's elementwise functions and in operators; choice
    is `numgrad.where`. It is run once, on symbols, when it is declared; what it reads besides its
    arguments is fixed then. Its derivatives of any order, in both modes, follow from it;
    `.partial` sets others, which must be written in the same way. The kernels, forward and
    backward, touch memory once, and are cached as those of the library are.

    With a text, as in `@elementwise("math.tanh({0})")`, that is what the kernel computes, of
    arguments {0}, {1} and so on, in operators, choices and functions of `math`. The function
    declares name, parameters and documentation. Its derivatives are those of `.partial`.

    Shape: arguments broadcast.
    Dtype: as `numgrad.exp`, integers give the default dtype.

    Raises:
        TypeError: the function looks at its arguments, by `if`, `float()` or `math`, or gives
            anything but a number.

    >>> import numgrad as ng
    >>> @ng.elementwise
    ... def bump(x, width=1.0):
    ...     return ng.exp(-((x / width) ** 2))
    >>> x = ng.tensor([0.0, 1.0], requires_grad=True)
    >>> y = bump(x)
    >>> y
    tensor([1.0000, 0.3679], grad_fn=<BumpBackward0>)
    >>> ng.autograd.grad(y.sum(), x)
    (tensor([-0.0000, -0.7358]),)
    >>> ng.hessian(bump)(1.0)
    np.float64(0.7357588823428847)

    >>> @ng.elementwise("1 / (1 + math.exp(-{0}))")
    ... def squash(x):
    ...     "The logistic function."
    >>> @squash.partial
    ... def _(x, out):
    ...     return out * (1 - out)
    >>> ng.grad(squash)(0.0)
    np.float64(0.25)
    """
    if isinstance(function, str):
        return lambda declared: ElementwiseFunction(declared, function)
    return ElementwiseFunction(function, None)

"""What an op is: a name, a meaning, one rule for its derivatives.

`@elementwise` declares a scalar function that is lifted to arrays; `@structural` one that works
on whole arrays (reductions, views, indexing, linear algebra). Everything else that the library
knows of an op - kernels, what the tape saves, higher orders - is read from the declaration.
"""

from __future__ import annotations

import functools
import inspect
import re
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, overload

from numgrad.expr import (
    Apply,
    Expression,
    Input,
    contribution,
    differentiate,
    evaluate,
    inputs,
    reads,
)
from numgrad.value import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable

    Rule: TypeAlias = Callable[..., Any]


# Names in the text of kernels that a parameter must not take.
RESERVED = frozenset({"args", "data", "dims", "g", "i", "out", "steps"})

AnyOp = TypeVar("AnyOp", "Elementwise", "Structural")


def node_name(name: str) -> str:
    """PyTorch's spelling of a node: `log_softmax` gives `LogSoftmax`."""
    return "".join(part.capitalize() for part in name.split("_"))


class Op:
    """What elementwise and structural ops share: how they run on tensors."""

    # What computes and records this op; set by numgrad.functions.
    eager: Callable[..., Any]

    def run_by(self, eager: Callable[..., Any]) -> None:
        """Let calls of the op go to `eager`, at once: half of what a method that hands on takes."""
        self.eager = eager
        self.__class__ = type(type(self).__name__, (type(self),), {"__call__": staticmethod(eager)})


class Elementwise(Op):
    """One scalar function lifted to arrays. Made by `@elementwise`, never by hand.

    A primitive has a `template`, Python text of its scalar meaning; a composite has none, its
    body is written in other ops, and its derivative follows from theirs unless it has a rule.
    """

    suffix = "Backward0"
    # Gives, for "f8" or "f4", the text of the functions that the template calls, if they are not
    # those that every kernel knows.
    definitions: Callable[[str], str] | None = None

    def __init__(
        self,
        body: Callable[..., Any],
        template: str | None,
        *,
        name: str | None = None,
        node: str | None = None,
        integers: Callable[..., Any] | None = None,
        conditions: tuple[str, ...] = (),
        logical: bool = False,
    ) -> None:
        functools.update_wrapper(self, body)
        self.name = name or body.__name__.rstrip("_")
        self.node = node or node_name(self.name)
        self.body = body
        self.template = template
        self.integers = integers
        self.conditions = conditions
        self.logical = logical
        self.params = tuple(inspect.signature(body).parameters)
        taken = [p for p in self.params if p in RESERVED or re.fullmatch(r"t\d+", p)]
        if taken:
            message = (
                f"op {self.name} names a parameter {taken[0]!r}, which the text of kernels uses"
            )
            raise ValueError(message)
        self._rule: Rule | None = None

    def __call__(self, *args: Any) -> Any:
        """Apply to symbols, which gives an expression; `run_by` adds tensors and arrays."""
        return Apply(self, args)

    def __repr__(self) -> str:
        return f"<elementwise op {self.name}({', '.join(self.params)})>"

    def partial(self, rule: Rule) -> Rule:
        """Set the local derivatives: `rule(*params, out)` gives one for each parameter.

        0 is a derivative that is zero everywhere, None the absence of any.
        """
        self._rule = rule
        return rule

    @property
    def has_rule(self) -> bool:
        """Whether its derivatives were set, and do not follow from what it is made of."""
        return self._rule is not None

    @functools.cached_property
    def differentiable(self) -> bool:
        """Whether the op has derivatives, also where they are zero everywhere."""
        return not self.logical and (self._rule is not None or self.template is None)

    def partials_at(self, *args_and_out: Any) -> tuple[Expression | None, ...]:
        """Local derivatives with the given expressions for parameters and result."""
        if self._rule is not None:
            partials = self._rule(*args_and_out)
            return partials if isinstance(partials, tuple) else (partials,)
        if not self.differentiable:
            return (None,) * len(self.params)
        wrt = inputs(*self.params)
        derived = differentiate(self.body(*wrt), 1.0, wrt)
        environment = dict(zip(self.params, args_and_out, strict=False))
        return tuple(evaluate(derived, environment))

    @functools.cached_property
    def value(self) -> Expression:
        """The op as an expression of its parameters."""
        return Apply(self, inputs(*self.params))

    @functools.cache  # noqa: B019 - ops live as long as the process
    def gradients(self, *, strict: bool = False) -> tuple[Expression | None, ...]:
        """One expression per parameter, of `g`, the parameters and `out`; None: no gradient."""
        g, *xs, out = inputs("g", *self.params, "out")
        if self._rule is None and self.differentiable:
            parameters: tuple[Input, ...] = tuple(xs)
            return differentiate(self.body(*parameters), g, parameters, strict=strict)
        return tuple(
            None if p is None else contribution(g, p, strict=strict)
            for p in self.partials_at(*xs, out)
        )

    @functools.cached_property
    def saves(self) -> tuple[frozenset[str], ...]:
        """Per parameter, which of the parameters and `out` its gradient reads."""
        return tuple(frozenset() if e is None else reads(e) - {"g"} for e in self.gradients())


class Structural(Op):
    """One function of whole arrays. Made by `@structural`, never by hand.

    The declared function is the kernel: arrays by position, metadata by keyword, an array or a
    tuple of arrays out. A vjp rule is written in public ops and takes the cotangent `g` (a tuple
    with None for outputs without one, where the op has several outputs), then by their names
    whichever parameters it reads, `out` if it reads the result (a tuple for several), and by
    keyword the metadata it needs; `shapes` and `dtypes` are those of the inputs. What a rule
    reads is what the tape saves.

    Forward mode: an op that is `linear` applies itself to tangents. True: it is linear in all its
    inputs together; a tuple of names: in each of these while the others are held. Others may have
    a jvp rule, which takes the tangent `t` of one input, then what it reads as a vjp rule does,
    and gives the tangent of the result (a tuple of them for several, None where there is none).
    Without any the tangent follows from the vjp rule.
    """

    def __init__(
        self,
        kernel: Callable[..., Any],
        *,
        node: str | None = None,
        suffix: str = "Backward0",
        view: bool = False,
        outputs: int = 1,
        variadic: bool = False,
        linear: bool | tuple[str, ...] = (),
        batch: Callable[..., Any] | None = None,
    ) -> None:
        functools.update_wrapper(self, kernel)
        self.name = kernel.__name__.strip("_")
        self.node = node or node_name(self.name)
        self.suffix = suffix
        self.kernel = kernel
        self.view = view
        self.outputs = outputs
        self.variadic = variadic
        parameters = inspect.signature(kernel).parameters.values()
        self.params = tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)
        self.keywords = tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
        self.rules: list[VjpRule] = []
        self.linear = linear
        self.batch = batch
        # By position of the input.
        self.jvp_rules: dict[int, JvpRule] = {}

    def __call__(self, *args: Any, **metadata: Any) -> Any:
        """Apply to tensors and arrays; gives a tensor, or a tuple of tensors. See `run_by`."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<structural op {self.name}({', '.join(self.params)})>"

    def vjp(self, *wrt: str) -> Callable[[Rule], Rule]:
        """Declare the vjp rule for the parameters in `wrt`, one gradient for each.

        Without names: for all parameters at once, for work that they share.
        """

        def declare(rule: Rule) -> Rule:
            self.rules.append(VjpRule(self, rule, wrt or self.params))
            return rule

        return declare

    def jvp(self, name: str) -> Callable[[Rule], Rule]:
        """Declare the jvp rule for one parameter."""

        def declare(rule: Rule) -> Rule:
            self.jvp_rules[self.params.index(name)] = JvpRule(self, rule)
            return rule

        return declare


class VjpRule:
    """A vjp rule of a structural op, and what it reads by the names of its parameters."""

    def __init__(self, op: Structural, rule: Rule, wrt: tuple[str, ...]) -> None:
        self.rule = rule
        self.wrt = tuple(op.params.index(name) for name in wrt)
        self.reads, self.metadata = _asks_for(op, rule)


class JvpRule:
    """A jvp rule of a structural op, and what it reads by the names of its parameters."""

    def __init__(self, op: Structural, rule: Rule) -> None:
        self.rule = rule
        self.reads, self.metadata = _asks_for(op, rule)


def _asks_for(op: Structural, rule: Rule) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the values that a rule reads after its derivative, and of the metadata."""
    parameters = inspect.signature(rule).parameters.values()
    positional = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY][1:]
    unknown = set(positional) - {*op.params, "out"}
    if unknown:
        message = f"a rule of {op.name} reads {unknown}, which the op does not have"
        raise TypeError(message)
    return tuple(positional), tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)


@overload
def elementwise(template: Callable[..., Any]) -> Elementwise: ...
@overload
def elementwise(template: str, **options: Any) -> Callable[[Callable[..., Any]], Elementwise]: ...
def elementwise(template: Any, **options: Any) -> Any:
    """Declare an elementwise op.

    `@elementwise("math.sin({0})")` is a primitive; bare `@elementwise` a composite. Options:
    `name` (where it is not the function's), `node` (its name on the tape), `integers` (the NumPy
    function that serves integer and bool arrays; without one they are converted to the default
    dtype), `conditions` (parameters that are bool), `logical` (the result is bool). A composite
    with options has template "".
    """
    if callable(template):
        return register(Elementwise(template, None))
    return lambda body: register(Elementwise(body, template or None, **options))


@overload
def structural(kernel: Callable[..., Any]) -> Structural: ...
@overload
def structural(**options: Any) -> Callable[[Callable[..., Any]], Structural]: ...
def structural(kernel: Any = None, **options: Any) -> Any:
    """Declare a structural op.

    Options: `node` (its name on the tape), `suffix` (what that name ends in), `view`
    (the result may share memory with the first input), `outputs` (how many), `variadic` (any
    number of inputs, given as `*arrays`), `linear` (see Structural), `batch` (how it runs on
    batches, see numgrad.ops.batching).
    """
    if kernel is not None:
        return register(Structural(kernel))
    return lambda function: register(Structural(function, **options))


def register(op: AnyOp) -> AnyOp:
    """Enter an op into the registry under its name."""
    if op.name in REGISTRY:
        message = f"an op named {op.name} exists already"
        raise ValueError(message)
    REGISTRY[op.name] = op
    return op

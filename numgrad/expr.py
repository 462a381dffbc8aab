"""Scalar expressions: what a rule says, written down once by running it on symbols."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from numgrad.value import REGISTRY, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numgrad.op import Elementwise


class Symbol(Value):
    """A scalar that is not known yet: an Input, or an op applied to symbols and numbers.

    What follows the operators is for functions that users write, see numgrad.declaration.
    """

    __slots__ = ()

    # Carries out NumPy's functions; set by numgrad.numpy_protocol.
    __array_ufunc__: ClassVar[Callable[..., Any]]

    def __pow__(self, other: Any) -> Any:
        if isinstance(other, (int, float)) and other == 2:  # the same value, quicker
            return REGISTRY["square"](self)
        return REGISTRY["pow"](self, other)

    def __rpow__(self, other: Any) -> Any:
        return REGISTRY["pow"](other, self)

    def __mod__(self, other: Any) -> Any:
        return REGISTRY["remainder"](self, other)

    def __rmod__(self, other: Any) -> Any:
        return REGISTRY["remainder"](other, self)

    def __abs__(self) -> Any:
        return REGISTRY["abs"](self)

    def __eq__(self, other: object) -> Any:
        return REGISTRY["equal"](self, other)

    def __ne__(self, other: object) -> Any:
        return REGISTRY["not_equal"](self, other)

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        message = (
            "an elementwise function is run once, on symbols, so that if, and, or cannot look at"
            " its arguments: choose by numgrad.where(condition, a, b)."
        )
        raise TypeError(message)

    def __float__(self) -> float:
        message = (
            "an elementwise function is run once, on symbols, which are no numbers: use numgrad's"
            " or NumPy's functions in it, as numgrad.exp for math.exp."
        )
        raise TypeError(message)

    def __getattr__(self, name: str) -> Any:
        """Give a function of one argument as a method, as `x.exp()`."""
        op: Any = REGISTRY.get(name)
        if name.startswith("_") or getattr(op, "params", None) is None or len(op.params) != 1:
            message = f"a symbol in an elementwise function has no {name!r}"
            raise AttributeError(message)
        return lambda: op(self)


class Input(Symbol):
    """A named argument of the expression."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


class Apply(Symbol):
    """An elementwise op applied to symbols and numbers."""

    __slots__ = ("args", "op")

    def __init__(self, op: Elementwise, args: tuple[Expression, ...]) -> None:
        self.op = op
        self.args = args

    def __repr__(self) -> str:
        return f"{self.op.name}({', '.join(map(repr, self.args))})"


Expression: TypeAlias = Symbol | float | int


def inputs(*names: str) -> tuple[Input, ...]:
    """Return one symbol for each name."""
    return tuple(Input(name) for name in names)


def postorder(roots: Iterable[Expression]) -> list[Symbol]:
    """Every symbol that `roots` are made of, each once, arguments before their users."""
    order: list[Symbol] = []
    seen: set[int] = set()
    stack: list[tuple[Expression, bool]] = [(root, False) for root in reversed(list(roots))]
    while stack:
        e, arguments_done = stack.pop()
        if not isinstance(e, Symbol) or (id(e) in seen and not arguments_done):
            continue
        if arguments_done or isinstance(e, Input):
            order.append(e)
        elif isinstance(e, Apply):
            stack.append((e, True))
            stack.extend((a, False) for a in reversed(e.args))
        seen.add(id(e))
    return order


def reads(root: Expression) -> frozenset[str]:
    """Names of the inputs that `root` depends on."""
    return frozenset(e.name for e in postorder([root]) if isinstance(e, Input))


def evaluate(roots: Iterable[Expression], environment: dict[str, Any]) -> list[Any]:
    """Compute `roots` with values for the inputs, calling each op on what it is applied to."""
    roots = list(roots)
    values: dict[int, Any] = {}
    for e in postorder(roots):
        if isinstance(e, Input):
            values[id(e)] = environment[e.name]
        elif isinstance(e, Apply):
            args = [values.get(id(a), a) for a in e.args]
            value = e.op(*args)
            # What is made of numbers alone is a number: as a tensor it would have a dtype to say.
            numbers = not any(isinstance(a, Value) for a in args)
            values[id(e)] = value.item() if numbers else value
    return [values.get(id(root), root) for root in roots]


def contribution(g: Expression, partial: Expression, *, strict: bool = False) -> Expression:
    """Incoming derivative times local derivative: the only product of the chain rule.

    Where one factor is exactly 0 and the other is not finite the product is 0 (the NaN-safe
    rule), unless `strict`. A local derivative that is a choice chooses contributions, and is
    never multiplied: what is not chosen cannot spoil what is.
    """
    if isinstance(g, (int, float)) and g == 1:
        return partial
    if isinstance(partial, (int, float)):
        if partial == 0:
            return 0.0
        if partial == 1:
            return g
        if partial == -1:
            if isinstance(g, (int, float)):
                return -g
            return REGISTRY["neg"](g)  # type: ignore[no-any-return]
    elif isinstance(partial, Apply) and partial.op.name == "where":
        condition, chosen, other = partial.args
        return REGISTRY["where"](  # type: ignore[no-any-return]
            condition,
            contribution(g, chosen, strict=strict),
            contribution(g, other, strict=strict),
        )
    elif isinstance(partial, Apply) and partial.op.name == "neg":
        return REGISTRY["neg"](  # type: ignore[no-any-return]
            contribution(g, partial.args[0], strict=strict)
        )
    return REGISTRY["mul" if strict else "product"](g, partial)  # type: ignore[no-any-return]


def differentiate(
    root: Expression, g: Expression, wrt: tuple[Input, ...], *, strict: bool = False
) -> tuple[Expression, ...]:
    """Reverse mode on an expression: the contribution of `g` to each input in `wrt`."""
    cotangents: dict[int, Expression] = {id(root): g}
    for e in reversed(postorder([root])):
        if not isinstance(e, Apply) or id(e) not in cotangents:
            continue
        for a, partial in zip(e.args, e.op.partials_at(*e.args, e), strict=True):
            if partial is None or not isinstance(a, Symbol):
                continue
            term = contribution(cotangents[id(e)], partial, strict=strict)
            if isinstance(term, (int, float)) and term == 0:
                continue
            known = cotangents.get(id(a))
            cotangents[id(a)] = term if known is None else known + term
    return tuple(cotangents.get(id(w), 0.0) for w in wrt)

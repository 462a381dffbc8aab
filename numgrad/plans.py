"""What nodes do on the way back: fused kernels for elementwise ops, rules for structural ones."""

from __future__ import annotations

import dis
import functools
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from numgrad import compiled, dtypes
from numgrad.expr import evaluate
from numgrad.modes import modes
from numgrad.op import Op
from numgrad.tape import Node, Output, Plan
from numgrad.tensor import Tensor, alias

if TYPE_CHECKING:
    from collections.abc import Callable

    from numgrad.op import Elementwise, Structural, VjpRule

ndarray = np.ndarray


class ElementwisePlan(Plan):
    """The vjp of an elementwise op for one choice of inputs and one dtype."""

    gives_fresh = True

    def __init__(self, op: Elementwise, needs: tuple[int, ...], code: str) -> None:
        self.op = op
        self.needs = needs
        self.code = code
        self.params = op.params
        self.single = needs[0] if len(needs) == 1 else None
        read: frozenset[str] = frozenset().union(*(op.saves[k] for k in needs))
        self.keeps = tuple(p for p in (*op.params, "out") if p in read)
        # Positions of the inputs to save, and whether the result is saved behind them.
        self.inputs = tuple(op.params.index(p) for p in self.keeps if p != "out")
        self.keeps_out = "out" in read
        # They load their kernels when first called, and replace themselves by what these need.
        self.pull = functools.partial(self._load, False)
        self.pull_strict = functools.partial(self._load, True)

    def _load(self, strict: bool, node: Node, g: Any, owned: bool) -> Any:
        pull = self._compile(strict=strict)
        setattr(self, "pull_strict" if strict else "pull", pull)
        return pull(node, g, owned)

    def _compile(self, *, strict: bool) -> Callable[[Node, Any, bool], Any]:
        """Load the kernels; return what runs them on the values that a node saved."""
        gradients = self.op.gradients(strict=strict)
        identity = tuple(k for k in self.needs if repr(gradients[k]) == "g")
        rest = tuple(k for k in self.needs if gradients[k] is not None and k not in identity)
        steps = [
            (kernel.load(), tuple(self.keeps.index(p) for p in kernel.parameters[1:]), kernel.gives)
            for kernel in (compiled.vjp(self.op, rest, self.code, strict=strict) if rest else ())
        ]
        if self.single is None:
            return _several(len(self.op.params), identity, steps)
        if steps:
            return _single(*steps[0][:2])
        return (lambda _node, g, _owned: g) if identity else lambda _node, _g, _owned: None

    def pull_recorded(self, node: Node, g: Any) -> list[Any]:
        """Evaluate the expressions that the kernels are made of, on tensors."""
        expressions = self.op.gradients(strict=modes().strict_ieee)
        roots = [e for k in self.needs if (e := expressions[k]) is not None]
        environment = {"g": g, **unpack(node, self.keeps, self.op.params)}
        gradients: list[Any] = [None] * len(node.edges)
        for k, value in zip(self.needs, evaluate(roots, environment), strict=True):
            # A number is a derivative that is the same everywhere.
            gradients[k] = (
                value
                if isinstance(value, Tensor)
                else alias(np.full_like(g.array, value, order="C"), None)
            )
        return gradients


def _single(kernel: np.ufunc, reads: tuple[int, ...]) -> Callable[[Node, Any, bool], Any]:
    """Make the pull of one gradient. A cotangent that the walk owns is overwritten by it."""

    def pull(node: Node, g: Any, owned: bool) -> Any:
        values = [g]
        for k in reads:
            value = node.saved[k]  # type: ignore[index]
            values.append(value.array if type(value) is Tensor else value)
        if owned:
            return kernel(*values, g)
        result = kernel(*values)
        return result if type(result) is ndarray else np.asarray(result)

    if len(reads) != 1:
        return pull
    (read,) = reads

    def pull_one(node: Node, g: Any, owned: bool) -> Any:
        """The commonest case: it reads one saved value."""
        value = node.saved[read]  # type: ignore[index]
        if type(value) is Tensor:
            value = value.array
        if owned:
            return kernel(g, value, g)
        result = kernel(g, value)
        return result if type(result) is ndarray else np.asarray(result)

    return pull_one


def _several(
    width: int, identity: tuple[int, ...], steps: list[Any]
) -> Callable[[Node, Any, bool], Any]:
    """Make the pull of several gradients, some of which are the cotangent itself."""
    # The last kernel may overwrite the cotangent if nothing else is to have it.
    last = len(steps) - 1 if steps and not identity and len(steps[-1][2]) == 1 else None

    def pull(node: Node, g: Any, owned: bool) -> Any:
        saved: Any = node.saved
        results: list[Any] = [None] * width
        for k in identity:
            results[k] = g
        for position, (kernel, reads, gives) in enumerate(steps):
            values = [g]
            for k in reads:
                value = saved[k]
                values.append(value.array if type(value) is Tensor else value)
            if owned and position == last:
                results[gives[0]] = kernel(*values, g)
                continue
            result = kernel(*values)
            if len(gives) == 1:
                results[gives[0]] = result if type(result) is ndarray else np.asarray(result)
            else:
                for k, each in zip(gives, result, strict=True):
                    results[k] = np.asarray(each)
        return results

    return pull


class Step(NamedTuple):
    """A rule, which saved values it reads, what makes its keywords, for which inputs it is."""

    rule: Callable[..., Any]
    reads: tuple[int, ...]
    keywords: Callable[[Node], dict[str, Any]] | None
    wrt: tuple[int, ...]


class StructuralPlan(Plan):
    """The vjp of a structural op for one choice of inputs."""

    def __init__(self, op: Structural, needs: tuple[int, ...]) -> None:
        self.op = op
        self.needs = needs
        self.params = op.params
        self.outputs = op.outputs
        self.rules: list[VjpRule] = [r for r in op.rules if op.variadic or set(r.wrt) & set(needs)]
        covered = {k for r in self.rules for k in r.wrt}
        self.missing = () if op.variadic else tuple(k for k in needs if k not in covered)
        read = {name for r in self.rules for name in r.reads}
        self.keeps = tuple(p for p in (*op.params, "out") if p in read)
        self.inputs = tuple(op.params.index(p) for p in self.keeps if p != "out")
        self.keeps_out = "out" in read
        self.steps = [
            Step(r.rule, tuple(map(self.keeps.index, r.reads)), _keywords(op, r.metadata), r.wrt)
            for r in self.rules
        ]
        self.quiet_steps = [step._replace(rule=_quiet(step.rule)) for step in self.steps]
        self.pull = self.pull_strict = self._on_arrays
        if len(op.params) == 1 and not op.variadic and len(self.rules) == 1:
            self.single = 0
            self.pull = self.pull_strict = self._single_on_arrays

    def raise_missing(self) -> NoReturn:
        """Raise NotImplementedError for an input without a rule."""
        message = (
            f"{self.op.name}() has no derivative rule for its input"
            f" {self.op.params[self.missing[0]]!r}: detach() that input."
        )
        raise NotImplementedError(message)

    def _on_arrays(self, node: Node, g: Any, _owned: bool) -> list[Any]:
        """Run the rules on arrays, for which the walk has set `modes().on_arrays`."""
        values = [v.array if type(v) is Tensor else v for v in node.saved or ()]
        gradients = self._apply(self.quiet_steps, node, g, values)
        for k, t in enumerate(gradients):
            if type(t) is not ndarray and t is not None:
                gradients[k] = _array(t)
        return gradients

    def _single_on_arrays(self, node: Node, g: Any, _owned: bool) -> Any:
        ((rule, reads, keywords, _),) = self.quiet_steps
        if reads:
            saved: Any = node.saved
            values = [saved[k] for k in reads]
            values = [v.array if type(v) is Tensor else v for v in values]
            result = rule(g, *values, **keywords(node)) if keywords else rule(g, *values)
        else:
            result = rule(g, **keywords(node)) if keywords else rule(g)
        if type(result) is tuple:
            (result,) = result
        return result if type(result) is ndarray or result is None else _array(result)

    def pull_recorded(self, node: Node, g: Any) -> list[Any]:
        """Run the rules on tensors with the history that they had."""
        values = unpack(node, self.keeps, self.params)
        return self._apply(self.steps, node, g, list(values.values()))

    def _apply(self, steps: list[Step], node: Node, g: Any, values: list[Any]) -> list[Any]:
        edges = node.edges
        gradients: list[Any] = [None] * len(edges)
        for rule, reads, keywords, wrt in steps:
            arguments = [values[k] for k in reads]
            results = rule(g, *arguments, **keywords(node)) if keywords else rule(g, *arguments)
            if len(wrt) == 1 and not self.op.variadic and type(results) is not tuple:
                gradients[wrt[0]] = results
                continue
            positions = range(len(edges)) if self.op.variadic else wrt
            for k, result in zip(positions, results, strict=True):
                if edges[k] is not None:
                    gradients[k] = result
        return gradients


def _array(value: Any) -> Any:
    """Make an array of what a rule gave, for a tensor that it made on its way."""
    return value.array if isinstance(value, Tensor) else np.asarray(value)


def _quiet(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Keep NumPy from warning of nan and inf in a rule that runs on arrays.

    Not needed, at half a microsecond, where the rule does nothing but call ops.
    """
    code, known = rule.__code__, rule.__globals__
    names = [known.get(name) for name in code.co_names if name in known]
    arithmetic = any(
        step.opname.startswith(("BINARY_OP", "UNARY", "COMPARE"))
        for step in dis.get_instructions(code)
    )
    if not arithmetic and all(isinstance(value, Op) for value in names):
        return rule
    return np.errstate(all="ignore")(rule)


# What a rule may ask for besides the keywords of its op.
_DERIVED: dict[str, Callable[[Node], Any]] = {
    "needs": lambda node: tuple([edge is not None for edge in node.edges]),
    "shapes": lambda node: tuple([shape for shape, _ in node.shapes or ()]),
    "dtypes": lambda node: tuple([dtype for _, dtype in node.shapes or ()]),
}


def _keywords(op: Structural, names: tuple[str, ...]) -> Callable[[Node], dict[str, Any]] | None:
    """Make what looks up the metadata of a node that a rule asks for; None if it asks for none."""
    if not names:
        return None
    own = tuple(name for name in names if name not in _DERIVED or name in op.keywords)
    derived = tuple((name, _DERIVED[name]) for name in names if name not in own)
    every = set(own) == set(op.keywords)

    def keywords(node: Node) -> dict[str, Any]:
        metadata: Any = node.metadata
        found = metadata.copy() if every else {name: metadata[name] for name in own}
        for name, look_up in derived:
            found[name] = look_up(node)
        return found

    return keywords


def unpack(node: Node, keeps: tuple[str, ...], params: tuple[str, ...]) -> dict[str, Any]:
    """Give saved values by name, tensors with the history they had when they were saved."""
    values: dict[str, Any] = {}
    for name, value in zip(keeps, node.saved or (), strict=True):
        if name == "out":
            values[name] = _outputs(node, value)
        elif isinstance(value, Tensor):
            edge = node.edges[params.index(name)]
            now = value._edge if value._edge is not None or not value._wants else value
            if now is edge:
                values[name] = value
            elif isinstance(edge, Tensor):
                values[name] = edge
            else:  # its history was changed since: a handle with the old one
                values[name] = alias(value.array, value._counter)
                values[name]._edge = edge
        else:
            values[name] = value
    return values


def _outputs(node: Node, arrays: Any) -> Any:
    """Wrap saved results into tensors that are outputs of the node."""
    if isinstance(arrays, tuple):
        wrapped = tuple(alias(a, None) for a in arrays)
        for k, t in enumerate(wrapped):
            if t.array.dtype.kind in dtypes.FLOATING:
                t._edge = node if k == 0 else Output(node, k)
        return wrapped
    t = alias(arrays, None)
    t._edge = node
    return t

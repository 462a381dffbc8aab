"""What nodes do on the way back: fused kernels for elementwise ops, rules for structural ones."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from numgrad import compiled, dtypes
from numgrad.expr import evaluate
from numgrad.modes import modes
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
        read: frozenset[str] = frozenset().union(*(op.saves[k] for k in needs))
        self.keeps = tuple(p for p in (*op.params, "out") if p in read)
        # Positions of the inputs to save, and whether the result is saved behind them.
        self.inputs = tuple(op.params.index(p) for p in self.keeps if p != "out")
        self.keeps_out = "out" in read

    def pull(self, node: Node, g: Any) -> list[Any]:
        """Run the fused kernels on the values that the node saved."""
        if modes.strict_ieee:
            return self._strict(node, g)
        return self._pull(node, g)

    @functools.cached_property
    def _pull(self) -> Callable[[Node, Any], list[Any]]:
        return self._compile(strict=False)

    @functools.cached_property
    def _strict(self) -> Callable[[Node, Any], list[Any]]:
        return self._compile(strict=True)

    def _compile(self, *, strict: bool) -> Callable[[Node, Any], list[Any]]:
        """Load the kernels; return what runs them on the values that a node saved."""
        gradients = self.op.gradients(strict=strict)
        identity = tuple(k for k in self.needs if repr(gradients[k]) == "g")
        rest = tuple(k for k in self.needs if k not in identity)
        steps = [
            (kernel.load(), tuple(self.keeps.index(p) for p in kernel.parameters[1:]), kernel.gives)
            for kernel in (compiled.vjp(self.op, rest, self.code, strict=strict) if rest else ())
        ]
        width = len(self.op.params)

        def pull(node: Node, g: Any) -> list[Any]:
            saved: Any = node.saved
            results: list[Any] = [None] * width
            for k in identity:
                results[k] = g
            for kernel, reads, gives in steps:
                values = [g]
                for k in reads:
                    value = saved[k]
                    values.append(value.array if type(value) is Tensor else value)
                result = kernel(*values)
                if len(gives) == 1:
                    results[gives[0]] = result if type(result) is ndarray else np.asarray(result)
                else:
                    for k, each in zip(gives, result, strict=True):
                        results[k] = np.asarray(each)
            return results

        if len(steps) == 1 and not identity and len(steps[0][2]) == 1 and len(steps[0][1]) == 1:
            (kernel, (read,), (give,)) = steps[0]

            def pull_one(node: Node, g: Any) -> list[Any]:
                """The commonest case: one gradient, which reads one saved value."""
                value = node.saved[read]  # type: ignore[index]
                result = kernel(g, value.array if type(value) is Tensor else value)
                results: list[Any] = [None] * width
                results[give] = result if type(result) is ndarray else np.asarray(result)
                return results

            return pull_one
        return pull

    def pull_recorded(self, node: Node, g: Any) -> list[Any]:
        """Evaluate the expressions that the kernels are made of, on tensors."""
        expressions = self.op.gradients(strict=modes.strict_ieee)
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
        # Per rule: the function, which saved values it reads, the metadata, and for which inputs.
        self.steps = [
            (r.rule, tuple(map(self.keeps.index, r.reads)), r.metadata, r.wrt) for r in self.rules
        ]

    def raise_missing(self) -> NoReturn:
        """Raise NotImplementedError for an input without a rule."""
        message = (
            f"{self.op.name}() has no derivative rule for its input"
            f" {self.op.params[self.missing[0]]!r}: detach() that input."
        )
        raise NotImplementedError(message)

    def pull(self, node: Node, g: Any) -> list[Any]:
        """Run the rules on tensors without history; the walk has switched recording off."""
        values: list[Any] = list(node.saved or ())
        if self.keeps_out:
            values[-1] = _outputs(node, values[-1], recorded=False)
        cotangent: Any
        if self.outputs == 1:
            cotangent = alias(g, None)
        else:
            cotangent = tuple(None if each is None else alias(each, None) for each in g)
        gradients = self._apply(node, cotangent, values)
        for k, t in enumerate(gradients):
            if t is not None:
                gradients[k] = t.array
        return gradients

    def pull_recorded(self, node: Node, g: Any) -> list[Any]:
        """Run the rules on tensors with the history that they had."""
        values = unpack(node, self.keeps, self.params)
        return self._apply(node, g, list(values.values()))

    def _apply(self, node: Node, g: Any, values: list[Any]) -> list[Any]:
        edges = node.edges
        gradients: list[Any] = [None] * len(edges)
        for rule, reads, names, wrt in self.steps:
            arguments = [values[k] for k in reads]
            if names:
                keywords = {name: _metadata(node, name) for name in names}
                results = rule(g, *arguments, **keywords)
            else:
                results = rule(g, *arguments)
            if len(wrt) == 1 and not self.op.variadic and type(results) is not tuple:
                gradients[wrt[0]] = results
                continue
            positions = range(len(edges)) if self.op.variadic else wrt
            for k, result in zip(positions, results, strict=True):
                if edges[k] is not None:
                    gradients[k] = result
        return gradients


def _metadata(node: Node, name: str) -> Any:
    """Look up what a rule asks for: the op's own keywords, or facts about its inputs."""
    known: Any = node.metadata
    shapes: Any = node.shapes
    if name in known:
        return known[name]
    if name == "needs":
        return tuple(edge is not None for edge in node.edges)
    return tuple(shape if name == "shapes" else dtype for shape, dtype in shapes)


def unpack(node: Node, keeps: tuple[str, ...], params: tuple[str, ...]) -> dict[str, Any]:
    """Give saved values by name, tensors with the history they had when they were saved."""
    values: dict[str, Any] = {}
    for name, value in zip(keeps, node.saved or (), strict=True):
        if name == "out":
            values[name] = _outputs(node, value, recorded=True)
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


def _outputs(node: Node, arrays: Any, *, recorded: bool) -> Any:
    """Wrap saved results into tensors, as outputs of the node where `recorded`."""
    if isinstance(arrays, tuple):
        wrapped = tuple(alias(a, None) for a in arrays)
        if recorded:
            for k, t in enumerate(wrapped):
                if t.array.dtype.kind in dtypes.FLOATING:
                    t._edge = node if k == 0 else Output(node, k)
        return wrapped
    t = alias(arrays, None)
    if recorded:
        t._edge = node
    return t

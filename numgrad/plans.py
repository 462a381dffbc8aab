"""What nodes do on the way back: fused kernels for elementwise ops, rules for structural ones."""

from __future__ import annotations

import dis
import functools
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from numgrad import compiled, dtypes
from numgrad import saved as packing
from numgrad.expr import evaluate
from numgrad.modes import modes
from numgrad.op import Op
from numgrad.pulls import several, single
from numgrad.tape import Counter, Node, Output, Plan
from numgrad.tensor import Tensor, alias
from numgrad.wrapped import highest

if TYPE_CHECKING:
    from collections.abc import Callable

    from numgrad.op import Elementwise, Structural, VjpRule
    from numgrad.tape import Edge

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
            return several(len(self.op.params), identity, steps)
        if steps:
            return single(*steps[0][:2])
        return (lambda _node, g, _owned: g) if identity else lambda _node, _g, _owned: None

    def pull_recorded(self, node: Node, g: Any) -> list[Any]:
        """Evaluate the expressions that the kernels are made of, on tensors."""
        environment = {"g": g, **unpack(node, self.keeps, self.op.params)}
        gradients: list[Any] = [None] * len(node.edges)
        if not modes().recording:
            fused = self.pulled(environment)
            if fused is not None:
                for k, value in fused.items():
                    gradients[k] = value
                return gradients
        expressions = self.op.gradients(strict=modes().strict_ieee)
        roots = [e for k in self.needs if (e := expressions[k]) is not None]
        for k, value in zip(self.needs, evaluate(roots, environment), strict=True):
            # A number is a derivative that is the same everywhere.
            gradients[k] = (
                value
                if isinstance(value, Tensor)
                else alias(np.full(g.shape, value, g.dtype), None)
            )
        return gradients

    def pulled(self, values: dict[str, Any]) -> dict[int, Any] | None:
        """Run the fused kernels on tensors, by their names; None if this takes the expressions."""
        top = highest(values.values())
        if top is not None:
            return top.pulled(self, values)
        arrays = [v.array if type(v) is Tensor else v for v in values.values()]
        return {k: alias(a, None) for k, a in self.on_arrays(*arrays).items()}

    def on_arrays(self, g: Any, *saved: Any) -> dict[int, Any]:
        """Run the fused kernels on arrays; give those of the inputs that have a gradient."""
        stand_in: Any = _Saved(saved)
        pull = self.pull_strict if modes().strict_ieee else self.pull
        results = pull(stand_in, g, False)
        if self.single is not None:
            return {} if results is None else {self.single: results}
        return {k: results[k] for k in self.needs if results[k] is not None}


class _Saved:
    """What `pull` reads of a node."""

    __slots__ = ("saved",)

    def __init__(self, saved: tuple[Any, ...]) -> None:
        self.saved = saved


class LiftedPlan(Plan):
    """The plan of a node that saved wrapped tensors: it works on tensors in every walk."""

    lifted = True
    # Lets every walk ask, see `Walk.meet`.
    missing = (-1,)
    # What is missing in truth.
    unruled: tuple[int, ...] = ()
    # All that the node was computed from are variables made in a level of forward mode of this
    # number or a later one; 0 if not known. See `numgrad.dual`.
    inner = 0

    def __init__(self, plan: ElementwisePlan | StructuralPlan) -> None:
        self.plan = plan
        self.unruled = plan.missing
        self.keeps, self.params, self.outputs = plan.keeps, plan.params, plan.outputs
        self.inputs, self.keeps_out = plan.inputs, plan.keeps_out

    def raise_missing(self) -> NoReturn:
        """Raise NotImplementedError for an input without a rule."""
        self.plan.raise_missing()

    def pull_recorded(self, node: Node, g: Any) -> list[Any]:
        """Do what the plan does on tensors."""
        return self.plan.pull_recorded(node, g)


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
        metadata: Any = node.keywords
        found = metadata.copy() if every else {name: metadata[name] for name in own}
        for name, look_up in derived:
            found[name] = look_up(node)
        return found

    return keywords


def unpack(node: Node, keeps: tuple[str, ...], params: tuple[str, ...]) -> dict[str, Any]:
    """Give saved values by name, tensors with the history they had when they were saved."""
    values: dict[str, Any] = {}
    # A stand-in gives values that may be others than those that its inputs have now.
    origin = None if node.extra is None else node.extra.origin
    for name, value in zip(keeps, node.saved or (), strict=True):
        if name == "out":
            values[name] = _outputs(origin or node, value)
        elif origin is not None and isinstance(value, Tensor):
            values[name] = with_history(value, node.edges[params.index(name)])
        elif isinstance(value, Tensor):
            values[name] = with_edge(value, node.edges[params.index(name)])
        else:
            values[name] = value
    return values


def _by_name(node: Node) -> dict[str, Any]:
    """Give all saved values of a node, unpacked."""
    if node.extra is not None and node.extra.packed is not None:
        node = packing.unpacked(node)
    return unpack(node, node.plan.keeps, node.plan.params)


Node.by_name = staticmethod(_by_name)


def with_edge(value: Tensor, edge: Edge) -> Tensor:
    """Return a saved tensor with the history that it had when it was saved."""
    if type(value) is not Tensor:
        return value.with_edge(edge)  # type: ignore[no-any-return]
    now = value._edge if value._edge is not None or not value._wants else value
    if now is edge:
        return value
    if isinstance(edge, Tensor):
        return edge
    # Its history was changed since: a handle with the old one.
    old = alias(value.array, value._counter)
    old._edge = edge
    return old


def with_history(value: Tensor, edge: Edge) -> Tensor:
    """Return an unpacked value with the history that it had; a leaf if it is still its value."""
    if edge is None or type(value) is not Tensor or value._wants:
        return value
    if isinstance(edge, Tensor) and edge.array is value.array:
        return edge
    old = alias(value.array, value._counter or Counter())
    old._edge = edge  # type: ignore[assignment]  # a leaf, where this is not its memory
    return old


def _outputs(node: Node, saved: Any) -> Any:
    """Wrap saved results into tensors that are outputs of the node."""
    if not isinstance(saved, tuple):
        return as_output(saved, node)
    return tuple(
        as_output(a, (Output(node, k) if k else node) if a.dtype.kind in dtypes.FLOATING else None)
        for k, a in enumerate(saved)
    )


def as_output(saved: Any, edge: Any) -> Tensor:
    """Make a tensor of a result that was saved without history, with this history."""
    if not isinstance(saved, ndarray) and type(saved) is not Tensor:
        return saved.as_output(edge)  # type: ignore[no-any-return]
    t = alias(saved.array if isinstance(saved, Tensor) else saved, None)
    t._edge = edge
    return t

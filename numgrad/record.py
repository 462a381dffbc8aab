"""How ops run and are recorded in general: any mix of tensors, arrays and numbers."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import compiled, dtypes, wrapped
from numgrad.arrays import array_of
from numgrad.errors import ShapeError
from numgrad.expr import Apply, Symbol
from numgrad.modes import modes
from numgrad.plans import ElementwisePlan, StructuralPlan
from numgrad.sharing import counter_of
from numgrad.tape import INFERENCE, Node, Output, node_class, raise_inference
from numgrad.tensor import Tensor, alias, constant
from numgrad.value import Value, set_lifter
from numgrad.views import make_view
from numgrad.wrapped import Wrapped

if TYPE_CHECKING:
    from collections.abc import Callable

    from numgrad.op import Elementwise, Structural
    from numgrad.tape import Edge

ndarray = np.ndarray
new = object.__new__

# What the kernels of elementwise ops take as it is.
KNOWN = frozenset({ndarray, float, int, bool})
# Types of arguments that no transform is concerned with.
ORDINARY = KNOWN | {Tensor}


class Recorder:
    """Kernels and plans of one elementwise op, each made when first needed."""

    def __init__(self, op: Elementwise) -> None:
        self.op = op
        self.node = node_class(op)
        self.kernel = functools.cache(lambda code: compiled.forward(op, code).load())
        self.plan = functools.cache(self._plan)

    def _plan(self, needs: tuple[int, ...], code: str) -> ElementwisePlan:
        return ElementwisePlan(self.op, needs, code)

    def run(self, arrays: list[Any]) -> tuple[Any, str | None]:
        """Compute on arrays and numbers; also give the typecode of the kernel that did."""
        op = self.op
        try:
            code = kernel_code(op, arrays)
            if code is None:
                return np.asarray(op.integers(*arrays)), None  # type: ignore[misc]
            prepared = [
                as_condition(a) if p in op.conditions else as_float(a, code)
                for p, a in zip(op.params, arrays, strict=True)
            ]
            return np.asarray(self.kernel(code)(*prepared)), code
        except ValueError as error:
            shapes = ", ".join(str(np.shape(a)) for a in arrays)
            message = f"{op.name}() needs shapes that broadcast, got {shapes}."
            raise ShapeError(message) from error


def general(recorder: Recorder, args: tuple[Any, ...]) -> Any:
    """Run an elementwise op on any mix of tensors, arrays and numbers."""
    op = recorder.op
    if modes().on_arrays and not any(isinstance(a, Value) for a in args):
        return recorder.run([a if type(a) in KNOWN else np.asarray(a) for a in args])[0]
    for a in args:
        if type(a) not in ORDINARY:
            if isinstance(a, Wrapped):
                return wrapped.apply(op, args, {})
            if isinstance(a, Symbol):
                return Apply(op, args)
    operands = [lift(a, op.name) for a in args]
    arrays = [t.array if type(t) is Tensor else t for t in operands]
    r, code = recorder.run(arrays)
    out = constant(r)
    if code is None or not (modes().recording and op.differentiable):
        return out
    edges = tuple(edge_of(t) if type(t) is Tensor else None for t in operands)
    gradients = op.gradients(strict=False)
    needs = tuple(k for k, e in enumerate(edges) if e is not None and gradients[k] is not None)
    if not needs:
        return out
    node = new(recorder.node)
    node.edges = tuple(e if k in needs else None for k, e in enumerate(edges))
    node.plan = plan = recorder.plan(needs, code)
    node.extra = node.keywords = node.versions = None
    node.shapes = None
    if any(arrays[k].shape != r.shape or arrays[k].dtype != r.dtype for k in needs):
        node.shapes = tuple(
            (arrays[k].shape, arrays[k].dtype) if k in needs else None for k in range(len(args))
        )
    node.saved = (*(operands[k] for k in plan.inputs), *((r,) if plan.keeps_out else ()))
    note_versions(node)
    out._edge = node
    return out


def lift(value: Any, name: str) -> Any:
    """Return tensors and Python numbers as they are, arrays and NumPy scalars as tensors."""
    if type(value) in (Tensor, float, int, bool):
        return value
    if isinstance(value, np.ndarray):
        return alias(np.asarray(value), counter_of(value))
    if isinstance(value, np.generic):
        return alias(np.asarray(value), None)
    if isinstance(value, (list, tuple)):
        return alias(array_of(value), None)
    if isinstance(value, Tensor):
        return value
    message = (
        f"{name}() takes tensors, arrays and numbers, got {type(value).__name__}:"
        " convert it with numgrad.tensor() first."
    )
    raise TypeError(message)


def kernel_code(op: Elementwise, arrays: list[Any]) -> str | None:
    """Typecode of the kernel that serves these operands; None: NumPy's function for integers."""
    typed = [a for p, a in zip(op.params, arrays, strict=True) if p not in op.conditions]
    if not typed:
        return None
    result = np.result_type(*(a if isinstance(a, (float, int)) else a.dtype for a in typed))
    if result.kind in dtypes.EXACT or (
        result == dtypes.float64
        and all(isinstance(a, (float, int)) or a.dtype.kind in dtypes.EXACT for a in typed)
    ):
        # Exact arrays, perhaps with a Python float: the result is exact or of the default dtype.
        if op.integers is not None and result.kind in dtypes.EXACT:
            return None
        return dtypes.get_default_dtype().char
    if result.char not in "df":
        message = (
            f"{op.name}() computes in float32 and float64, got {result}:"
            " convert first, as in x.to(numgrad.float32)."
        )
        raise TypeError(message)
    return result.char


def as_float(value: Any, code: str) -> Any:
    """Cast exact arrays to the kernel's dtype; NumPy casts the rest."""
    if isinstance(value, np.ndarray) and value.dtype.kind in dtypes.EXACT:
        return value.astype(code)
    return value


def as_condition(value: Any) -> Any:
    """Cast to bool, as NumPy does for conditions."""
    return np.asarray(value, dtype=np.bool_)


def edge_of(t: Tensor) -> Edge:
    """Where the gradient of a tensor goes; None if it needs none."""
    if t._counter is not None and t._base is not None:
        t.settle()
    if t._edge is not None:
        return t._edge
    return t if t._wants else None


def note_versions(node: Node) -> None:
    """Note the versions of what a node saved."""
    saved: Any = node.saved
    if not saved:
        return
    versions = []
    for value in saved:
        counter = value._counter if type(value) is Tensor else None
        if counter is INFERENCE:
            raise_inference("an inference tensor cannot be saved for backward")
        versions.append(0 if counter is None else counter.value)
    node.versions = tuple(versions)


def structural(op: Structural) -> Callable[..., Any]:  # noqa: C901 - one closure
    """Build the eager function of a structural op."""
    node_type = node_class(op)
    plan_for = functools.cache(lambda needs: StructuralPlan(op, needs))
    if len(op.params) == 1 and op.outputs == 1 and not op.variadic:
        return _structural_of_one(op, node_type)

    def call(*args: Any, **metadata: Any) -> Any:  # noqa: C901 - as above
        if modes().on_arrays and not any(isinstance(x, Value) for x in args):
            return _as_arrays(op.kernel(*map(np.asarray, args), **metadata))
        operands = []
        arrays = []
        needs: tuple[int, ...] = ()
        for k, x in enumerate(args):
            if type(x) is Tensor:
                t = x
            elif isinstance(x, Wrapped):
                return wrapped.apply(op, args, metadata)
            else:
                t = as_tensor(x, op.name)
            operands.append(t)
            arrays.append(t.array)
            if t._counter is not None and t._base is not None and t.settle():
                return call(*args, **metadata)
            if t._edge is not None or t._wants:
                needs = (*needs, k)
        result = op.kernel(*arrays, **metadata)
        if type(result) is tuple:
            outs = [constant(np.asarray(r)) for r in result]
        else:
            outs = [constant(result if type(result) is ndarray else np.asarray(result))]
        if op.view:
            make_view(outs[0], operands[0], op, metadata)
        if needs and modes().recording:
            floating = [out for out in outs if out.array.dtype.kind in dtypes.FLOATING]
            if floating:
                plan = plan_for(() if op.variadic else needs)
                record_structural(new(node_type), plan, outs, operands, metadata)
        return tuple(outs) if type(result) is tuple else outs[0]

    if len(op.params) == 2 and op.outputs == 1 and not op.variadic and not op.view:
        return _structural_of_two(op, node_type, plan_for, call)
    return call


def record_structural(
    node: Node,
    plan: StructuralPlan,
    outs: list[Tensor],
    operands: list[Tensor],
    metadata: dict[str, Any],
) -> None:
    """Fill the node of a structural op, and make it the history of the results."""
    node.edges = tuple(map(edge_of, operands))
    node.plan = plan
    node.extra = node.versions = None
    node.shapes = tuple([(t.array.shape, t.array.dtype) for t in operands])
    node.keywords = metadata
    saved: list[Any] = [operands[k] for k in plan.inputs]
    if plan.keeps_out:
        saved.append(tuple(o.array for o in outs) if len(outs) > 1 else outs[0].array)
    node.saved = tuple(saved)
    for t in operands:
        if t._counter is not None:
            note_versions(node)
            break
    for number, out in enumerate(outs):
        if out.array.dtype.kind in dtypes.FLOATING:
            out._edge = node if number == 0 else Output(node, number)


def _structural_of_one(  # noqa: C901 - the hot path, in one piece
    op: Structural, node_type: type[Node]
) -> Callable[..., Any]:
    """Build the eager function for one input and one result, such as views and reductions."""
    kernel, view = op.kernel, op.view
    plan: Any = None

    def call(x: Any, **metadata: Any) -> Any:  # noqa: C901 - as above
        nonlocal plan
        if type(x) is not Tensor:
            if modes().on_arrays and not isinstance(x, Value):
                return _as_arrays(kernel(x if type(x) is ndarray else np.asarray(x), **metadata))
            if isinstance(x, Wrapped):
                return wrapped.apply(op, (x,), metadata)
            x = as_tensor(x, op.name)
        a = x.array
        r = kernel(a, **metadata)
        if type(r) is not ndarray:
            r = np.asarray(r)
        out = new(Tensor)
        out.array = r
        out._wants = False
        out._edge = None
        out._counter = INFERENCE if modes().inference else None
        if view:
            make_view(out, x, op, metadata)
        counted = x._counter is not None
        if counted and x._base is not None and x.settle():
            return call(x, **metadata)
        edge = x._edge
        if edge is None and x._wants:
            edge = x
        if edge is None or not modes().recording or r.dtype.kind not in dtypes.FLOATING:
            return out
        if plan is None:
            plan = StructuralPlan(op, (0,))
        node = new(node_type)
        node.edges = (edge,)
        node.plan = plan
        node.extra = node.versions = None
        node.shapes = ((a.shape, a.dtype),)
        node.keywords = metadata
        if plan.inputs:
            node.saved = (x, r) if plan.keeps_out else (x,)
        else:
            node.saved = (r,) if plan.keeps_out else ()
        if counted and node.saved:
            note_versions(node)
        out._edge = node
        return out

    return call


def _structural_of_two(  # noqa: C901 - the hot path, in one piece
    op: Structural,
    node_type: type[Node],
    plan_for: Callable[[tuple[int, ...]], StructuralPlan],
    general_call: Callable[..., Any],
) -> Callable[..., Any]:
    """Build the eager function for two inputs and one result, such as products of matrices."""
    kernel = op.kernel
    plans: list[Any] = [None, None, None, None]  # by 1 for x + 2 for y

    def call(x: Any, y: Any, **metadata: Any) -> Any:  # noqa: C901 - as above
        if type(x) is not Tensor or type(y) is not Tensor:
            if type(x) is ndarray and type(y) is ndarray and modes().on_arrays:
                return _as_arrays(kernel(x, y, **metadata))
            return general_call(x, y, **metadata)
        a, b = x.array, y.array
        r = kernel(a, b, **metadata)
        if type(r) is not ndarray:
            r = np.asarray(r)
        out = new(Tensor)
        out.array = r
        out._wants = False
        out._edge = None
        counted = False
        if x._counter is not None:
            counted = True
            if x._base is not None and x.settle():
                return call(x, y, **metadata)
        if y._counter is not None:
            counted = True
            if y._base is not None and y.settle():
                return call(x, y, **metadata)
        edge_x: Any = x._edge
        if edge_x is None and x._wants:
            edge_x = x
        edge_y: Any = y._edge
        if edge_y is None and y._wants:
            edge_y = y
        needs = (edge_x is not None) + 2 * (edge_y is not None)
        mode = modes()
        out._counter = INFERENCE if mode.inference else None
        if not (needs and mode.recording) or r.dtype.kind not in dtypes.FLOATING:
            return out
        plan = plans[needs]
        if plan is None:
            plan = plans[needs] = plan_for(((), (0,), (1,), (0, 1))[needs])
        node = new(node_type)
        node.edges = (edge_x, edge_y)
        node.plan = plan
        node.extra = node.versions = None
        node.shapes = ((a.shape, a.dtype), (b.shape, b.dtype))
        node.keywords = metadata
        saved = (x, y) if len(plan.inputs) == 2 else tuple([(x, y)[k] for k in plan.inputs])
        node.saved = (*saved, r) if plan.keeps_out else saved
        if counted:
            note_versions(node)
        out._edge = node
        return out

    return call


def _as_arrays(result: Any) -> Any:
    """Make arrays of what a kernel gives where that is a NumPy scalar."""
    if type(result) is ndarray:
        return result
    return tuple(map(np.asarray, result)) if type(result) is tuple else np.asarray(result)


def as_tensor(value: Any, name: str) -> Any:
    """Return a tensor, made of arrays and numbers where it is none yet; see `modes().on_arrays`."""
    if modes().on_arrays and not isinstance(value, Value):
        return np.asarray(value)
    lifted = lift(value, name)
    return lifted if isinstance(lifted, Tensor) else alias(array_of(lifted), None)


set_lifter(as_tensor)

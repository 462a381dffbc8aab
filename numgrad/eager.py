"""The short path of elementwise ops: tensors of one shape and float dtype, or one and a number.

A closure built once an op; all else takes the general path of numgrad.record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad import dtypes
from numgrad.modes import modes
from numgrad.record import Recorder, general, lift, note_versions
from numgrad.tape import INFERENCE
from numgrad.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from numgrad.op import Elementwise

F8 = dtypes.float64
F4 = dtypes.float32

ndarray = np.ndarray
new = object.__new__


def unary(op: Elementwise) -> Callable[..., Any]:  # noqa: C901 - the hot path, in one piece
    """Build the eager function of an op of one argument."""
    recorder = Recorder(op)
    node_type = recorder.node
    differentiable = op.differentiable
    ready: dict[Any, Any] = {}  # dtype -> (kernel, plan, saves x, saves out)

    def prepare(dtype: Any) -> Any:
        plan = recorder.plan((0,), dtype.char) if differentiable else None
        found = (
            recorder.kernel(dtype.char),
            plan,
            plan is not None and bool(plan.inputs),
            plan is not None and plan.keeps_out,
        )
        ready[dtype] = found
        return found

    f8: Any = None
    f4: Any = None

    def call(x: Any) -> Any:  # noqa: C901 - the hot path, in one piece
        nonlocal f8, f4
        if type(x) is not Tensor:
            return general(recorder, (x,))
        a = x.array
        if a.dtype is F8:
            if f8 is None:
                f8 = prepare(F8)
            kernel, plan, saves_x, saves_out = f8
        elif a.dtype is F4:
            if f4 is None:
                f4 = prepare(F4)
            kernel, plan, saves_x, saves_out = f4
        else:
            return general(recorder, (x,))
        r = kernel(a)
        if type(r) is not ndarray:
            r = np.asarray(r)
        out = new(Tensor)
        out.array = r
        out._wants = False
        out._counter = None
        counted = x._counter is not None
        if counted and x._base is not None and x.settle():
            return call(x)
        edge: Any = x._edge
        if edge is None and x._wants:
            edge = x
        if edge is None or plan is None or not modes().recording:
            out._edge = None
            if modes().inference:
                out._counter = INFERENCE
            return out
        node = new(node_type)
        node.edges = (edge,)
        node.plan = plan
        node.shapes = node.extra = node.keywords = node.versions = None
        node.saved = (
            (x, r) if saves_x and saves_out else (x,) if saves_x else (r,) if saves_out else ()
        )
        if counted:
            note_versions(node)
        out._edge = node
        return out

    return call


def binary(op: Elementwise) -> Callable[..., Any]:  # noqa: C901, PLR0915 - the hot path
    """Build the eager function of an op of two arguments."""
    recorder = Recorder(op)
    node_type = recorder.node
    differentiable = op.differentiable
    tables: dict[str, Any] = {}  # typecode -> (kernel, plan and saves by 1 for x + 2 for y)

    def prepare(code: str) -> Any:
        entries: list[Any] = [None]
        for needs in ((0,), (1,), (0, 1)):
            plan = recorder.plan(needs, code) if differentiable else None
            entries.append(
                (plan, 0 in plan.inputs, 1 in plan.inputs, plan.keeps_out) if plan else None
            )
        tables[code] = recorder.kernel(code), entries
        return tables[code]

    f8: Any = None
    f4: Any = None

    def call(x: Any, y: Any) -> Any:  # noqa: C901, PLR0912, PLR0915 - the hot path
        nonlocal f8, f4
        a: Any
        b: Any
        if type(x) is Tensor:
            a = x.array
            dtype = a.dtype
            if type(y) is Tensor:
                b = y.array
                if b.dtype is not dtype or a.shape != b.shape:
                    return general(recorder, (x, y))
            elif type(y) is float or type(y) is int:
                b = y
            elif type(y) is ndarray and y.dtype is dtype and y.shape == a.shape:
                return call(x, lift(y, op.name))
            else:
                return general(recorder, (x, y))
        elif type(y) is Tensor and (type(x) is float or type(x) is int):
            a = x
            b = y.array
            dtype = b.dtype
        elif type(y) is Tensor and type(x) is ndarray and x.dtype is y.array.dtype:
            return call(lift(x, op.name), y)
        else:
            return general(recorder, (x, y))
        if dtype is F8:
            if f8 is None:
                f8 = prepare("d")
            kernel, entries = f8
        elif dtype is F4:
            if f4 is None:
                f4 = prepare("f")
            kernel, entries = f4
        else:
            return general(recorder, (x, y))
        r = kernel(a, b)
        if type(r) is not ndarray:
            r = np.asarray(r)
        out = new(Tensor)
        out.array = r
        out._wants = False
        out._counter = None
        needs = 0
        counted = False
        edge_x: Any = None
        edge_y: Any = None
        if type(x) is Tensor:
            if x._counter is not None:
                counted = True
                if x._base is not None and x.settle():
                    return call(x, y)
            edge_x = x._edge
            if edge_x is None and x._wants:
                edge_x = x
            if edge_x is not None:
                needs = 1
        if type(y) is Tensor:
            if y._counter is not None:
                counted = True
                if y._base is not None and y.settle():
                    return call(x, y)
            edge_y = y._edge
            if edge_y is None and y._wants:
                edge_y = y
            if edge_y is not None:
                needs += 2
        entry = entries[needs]
        if entry is None or not modes().recording:
            out._edge = None
            if modes().inference:
                out._counter = INFERENCE
            return out
        plan, saves_x, saves_y, saves_out = entry
        node = new(node_type)
        node.edges = (edge_x, edge_y)
        node.plan = plan
        node.shapes = node.extra = node.keywords = node.versions = None
        if saves_out:
            node.saved = (
                (x, y, r)
                if saves_x and saves_y
                else (x, r)
                if saves_x
                else (y, r)
                if saves_y
                else (r,)
            )
        else:
            node.saved = (
                (x, y) if saves_x and saves_y else (x,) if saves_x else (y,) if saves_y else ()
            )
        if counted:
            note_versions(node)
        out._edge = node
        return out

    return call


def nary(op: Elementwise) -> Callable[..., Any]:
    """Build the eager function of an op of three arguments or more."""
    recorder = Recorder(op)

    def call(*args: Any) -> Any:
        if len(args) != len(op.params):
            message = f"{op.name}() takes {', '.join(op.params)}, got {len(args)} arguments."
            raise TypeError(message)
        return general(recorder, args)

    return call

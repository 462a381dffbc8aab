"""What gradients of Numba functions are compared with: a scalar tape, and finite differences.

The oracle runs the Python source of a function in the interpreter, with the numbers of
`tests.adjoint.numbers` in place of floats and NumPy's arrays of objects in place of arrays of
floats. So NumPy itself says what a view, an overlapping write or a broadcast means, and nothing is
shared with what generates adjoints.
"""

from __future__ import annotations

import builtins
import math
import operator
from types import BuiltinFunctionType, CellType, FunctionType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from tests.adjoint import numbers
from tests.adjoint.numbers import Number


def _objects(x: Any) -> Any:
    """A float array as an array of Python floats, a copy; other arrays are copied."""
    return x.astype(object) if x.dtype.kind == "f" else x.copy()


def _is_float(dtype: Any) -> bool:
    return dtype in (None, float, _identity) or np.dtype(dtype).kind in "fO"


def _maker(name: str, fill: Any) -> Any:
    """`empty`, `zeros` or `ones`; what is not filled yet is NaN, so that reading it shows."""

    def make(shape: Any, dtype: Any = None) -> Any:
        return np.full(shape, fill, object) if _is_float(dtype) else getattr(np, name)(shape, dtype)

    return make


def _like(name: str, fill: Any) -> Any:
    def make(a: Any, dtype: Any = None) -> Any:
        dtype = a.dtype if dtype is None else dtype
        return (
            np.full(a.shape, fill, object)
            if _is_float(dtype)
            else getattr(np, name)(a.shape, dtype)
        )

    return make


def _full(shape: Any, fill: Any, dtype: Any = None) -> Any:
    if dtype is None and isinstance(fill, int):
        return np.full(shape, fill)
    return np.full(shape, fill, object) if _is_float(dtype) else np.full(shape, fill, dtype)


def _array(items: Any, dtype: Any = None) -> Any:
    made = np.array(items, object)
    if dtype is not None and not _is_float(dtype):
        return made.astype(dtype)
    integers = dtype is None and all(isinstance(i, int | np.integer) for i in made.flat)
    return np.array(items) if integers else made


def _linspace(start: Any, stop: Any, count: int) -> Any:
    made = np.empty(count, object)
    made[:] = [start + (stop - start) * (i / (count - 1)) for i in range(count)]
    return made


def _arange(*args: Any) -> Any:
    if all(isinstance(a, int | np.integer) for a in args):
        return np.arange(*args)
    start, stop, step = (0.0, args[0], 1.0) if len(args) == 1 else (*args, 1.0)[:3]
    count = max(0, math.ceil((float(stop) - float(start)) / float(step)))
    made = np.empty(count, object)
    made[:] = [start + i * step for i in range(count)]
    return made


def _where(condition: Any, x: Any, y: Any) -> Any:
    chosen = np.frompyfunc(lambda c, x, y: x if c else y, 3, 1)
    return chosen(condition, x, y)


def _functions() -> dict[str, Any]:
    """NumPy's functions for numbers and arrays of them; what is missing here is NumPy's own."""
    unary = {name: np.frompyfunc(f, 1, 1) for name, f in numbers.UNARY.items()}
    for name in ("square", "reciprocal", "sign", "floor", "ceil", "trunc", "rint"):
        unary[name] = np.frompyfunc(getattr(numbers, name), 1, 1)
    unary["abs"] = unary["absolute"] = unary["fabs"]
    unary["deg2rad"], unary["rad2deg"] = unary["radians"], unary["degrees"]
    for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh"):
        unary[f"arc{name}"] = unary[f"a{name}"]
    binary = {name: np.frompyfunc(f, 2, 1) for name, f in numbers.BINARY.items()}
    for name in ("maximum", "minimum", "logaddexp"):
        binary[name] = np.frompyfunc(getattr(numbers, name), 2, 1)
    binary["fmax"], binary["fmin"] = binary["maximum"], binary["minimum"]
    binary["arctan2"], binary["power"] = binary["atan2"], binary["pow"]
    binary["mod"] = binary["remainder"] = np.frompyfunc(operator.mod, 2, 1)
    binary["floor_divide"] = np.frompyfunc(operator.floordiv, 2, 1)
    binary["add"], binary["subtract"] = np.add, np.subtract
    made = {
        "empty": _maker("empty", math.nan), "empty_like": _like("empty", math.nan),
        "zeros": _maker("zeros", 0.0), "zeros_like": _like("zeros", 0.0),
        "ones": _maker("ones", 1.0), "ones_like": _like("ones", 1.0),
        "full": _full, "full_like": lambda a, fill: _full(a.shape, fill),
        "array": _array, "asarray": _array, "linspace": _linspace, "arange": _arange,
        "where": _where,
        "float64": _identity, "float32": _identity,
        "isnan": np.frompyfunc(lambda x: math.isnan(float(x)), 1, 1),
        "isfinite": np.frompyfunc(lambda x: math.isfinite(float(x)), 1, 1),
    }  # fmt: skip
    return {**unary, **binary, **made}


def _identity(x: Any) -> Any:
    """`float(x)` of a number is the number."""
    return x if isinstance(x, Number) else float(x)


NUMPY = _functions()
MATH = {**numbers.UNARY, **numbers.BINARY, "floor": math.floor, "ceil": math.ceil,
        "trunc": math.trunc}  # fmt: skip


class _Numpy:
    """Stands for the module `numpy` while a function is interpreted."""

    def __getattr__(self, name: str) -> Any:
        return NUMPY.get(name, getattr(np, name))


REPLACED: dict[Any, Any] = {
    **{getattr(math, name): f for name, f in MATH.items()},
    **{getattr(np, name): f for name, f in NUMPY.items() if hasattr(np, name)},
}


def _replaced(value: Any, known: dict[Any, Any]) -> Any:
    """What stands for a global, or for something a function is closed over."""
    if value is np:
        return _Numpy()
    if value is math:
        return SimpleNamespace(**{**vars(math), **MATH})
    if isinstance(value, np.ndarray):
        return _objects(value)
    if (
        isinstance(value, BuiltinFunctionType | np.ufunc | FunctionType | type)
        and value in REPLACED
    ):
        return REPLACED[value]
    if isinstance(value, FunctionType) or hasattr(value, "py_func"):
        return interpreted(value, known)
    return value


def interpreted(function: Any, known: dict[Any, Any] | None = None) -> Any:
    """The Python function behind `function`, fit to run on numbers, and so all that it calls."""
    source = getattr(function, "py_func", function)
    known = {} if known is None else known
    if source in known:
        return known[source]
    names: dict[str, Any] = {"__builtins__": {**vars(builtins), "float": _identity}}
    cells = tuple(CellType() for _ in source.__closure__ or ())
    made = FunctionType(source.__code__, names, source.__name__, source.__defaults__, cells or None)
    known[source] = made
    for name, value in source.__globals__.items():
        if (
            name in source.__code__.co_names and not isinstance(value, ModuleType | type(None))
        ) or isinstance(value, ModuleType):
            names[name] = _replaced(value, known)
    for cell, old in zip(cells, source.__closure__ or (), strict=True):
        cell.cell_contents = _replaced(old.cell_contents, known)
    return made


def _entered(argument: Any, active: bool, leaves: list[Number]) -> Any:
    """An argument as the interpreted function takes it; active floats become leaves."""
    if isinstance(argument, tuple):
        items = [_entered(item, active, leaves) for item in argument]
        return type(argument)(*items) if hasattr(argument, "_fields") else tuple(items)
    if isinstance(argument, np.ndarray):
        copy = _objects(argument)
        if active and copy.dtype == object:
            for place in np.ndindex(copy.shape):
                copy[place] = _entered(copy[place], active, leaves)
        return copy
    if isinstance(argument, Number | float | np.floating):
        argument = argument if isinstance(argument, Number) else float(argument)
        if active:
            leaves.append(Number(argument))
            return leaves[-1]
    return argument


def scalars(result: Any) -> list[Any]:
    """All scalars of a result in their order: tuples and arrays are walked."""
    if isinstance(result, tuple | list):
        return [scalar for item in result for scalar in scalars(item)]
    if isinstance(result, np.ndarray):
        return list(result.ravel())
    return [result]


class Tape:
    """One run of a function with the arguments `argnums` as leaves."""

    def __init__(self, function: Any, args: Any, argnums: Any = (0,)) -> None:
        self.leaves: list[Number] = []
        self.counts: list[int] = []
        self.args: list[Any] = []
        for place, argument in enumerate(args):
            before = len(self.leaves)
            self.args.append(_entered(argument, place in argnums, self.leaves))
            if place in argnums:
                self.counts.append(len(self.leaves) - before)
        self.result = interpreted(function)(*self.args)
        self.results = scalars(self.result)

    def vjp(self, seeds: Any = None) -> list[Any]:
        """The gradient of the seeded sum of results by all leaves, one flat list."""
        seeds = [1.0] * len(self.results) if seeds is None else scalars(seeds)
        return numbers.reverse(self.results, seeds, self.leaves)


def values(function: Any, args: Any) -> np.ndarray:
    """The scalars that a function gives."""
    return np.array([float(v) for v in Tape(function, args, ()).results])


def gradient(function: Any, args: Any, argnums: Any = (0,), seeds: Any = None) -> np.ndarray:
    """The gradient of the seeded sum of all results, flat over the arguments `argnums`."""
    return np.array([float(g) for g in Tape(function, args, argnums).vjp(seeds)])


def jacobian(function: Any, args: Any, argnums: Any = (0,)) -> np.ndarray:
    """One row a scalar of the result, one column a scalar of the arguments `argnums`."""
    tape = Tape(function, args, argnums)
    unit = np.eye(len(tape.results))
    return np.array([[float(g) for g in tape.vjp(list(row))] for row in unit])


def hessian(function: Any, args: Any, argnums: Any = (0,), seeds: Any = None) -> np.ndarray:
    """The second derivatives of the seeded sum of all results: gradients of the gradient."""
    outer: list[Number] = []
    entered = [_entered(a, place in argnums, outer) for place, a in enumerate(args)]
    inner = Tape(function, entered, argnums).vjp(seeds)
    rows = [[float(g) for g in numbers.reverse([entry], [1.0], outer)] for entry in inner]
    return np.array(rows).reshape(len(outer), len(outer))


def flat(gradients: Any) -> np.ndarray:
    """A gradient, or a tuple of them, as one vector."""
    return np.array([float(g) for g in scalars(gradients)])


def is_float(argument: Any) -> bool:
    """Whether an argument can be differentiated: a float, an array or a tuple of such."""
    if isinstance(argument, tuple):
        return any(is_float(item) for item in argument)
    if isinstance(argument, np.ndarray):
        return bool(argument.dtype.kind == "f")
    return isinstance(argument, float | np.floating)


def copied(argument: Any) -> Any:
    """An argument that a function may write to."""
    if isinstance(argument, tuple):
        items = [copied(item) for item in argument]
        return type(argument)(*items) if hasattr(argument, "_fields") else tuple(items)
    return argument.copy() if isinstance(argument, np.ndarray) else argument


def size(argument: Any) -> int:
    """How many floats an argument holds."""
    if isinstance(argument, tuple):
        return sum(map(size, argument))
    return int(np.size(argument)) if is_float(argument) else 0


def moved(argument: Any, place: int, by: float) -> Any:
    """A copy of an argument, one of its floats changed."""
    if isinstance(argument, tuple):
        items = []
        for item in argument:
            items.append(moved(item, place, by) if 0 <= place < size(item) else copied(item))
            place -= size(item)
        return type(argument)(*items) if hasattr(argument, "_fields") else tuple(items)
    if isinstance(argument, np.ndarray):
        copy = argument.copy()
        copy.reshape(-1)[place] += by
        return copy
    return argument + by


def differences(
    function: Any, args: Any, argnums: Any = (0,), seeds: Any = None, step: float = 1e-3
) -> np.ndarray:
    """Central differences of the seeded sum, extrapolated from two steps after Richardson."""

    def total(changed: Any) -> float:
        results = scalars(function(*changed))
        weights = [1.0] * len(results) if seeds is None else scalars(seeds)
        return math.fsum(float(r) * float(w) for r, w in zip(results, weights, strict=True))

    def central(argnum: int, place: int, h: float) -> float:
        above, below = (
            total([moved(a, place, by) if n == argnum else copied(a) for n, a in enumerate(args)])
            for by in (h, -h)
        )
        return (above - below) / (2.0 * h)

    found = []
    for argnum in argnums:
        for place in range(size(args[argnum])):
            coarse, fine = (central(argnum, place, h) for h in (step, step / 2.0))
            found.append((4.0 * fine - coarse) / 3.0)
    return np.array(found)

"""The compiled loop over a batch: its text, and a run of it in the threads of the pool."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.adjoint import interpreter, writing
from numgrad.adjoint.fronts import TupleType
from numgrad.adjoint.ir import Array, Scalar
from numgrad.adjoint.lowering import flatten
from numgrad.kernels import sharing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numgrad.adjoint.writing import Derived, Text

DTYPES = {"f8": np.float64, "f4": np.float32, "i8": np.int64, "b1": np.bool_}

# A block of items is done one after the other by one thread. Its size depends on nothing but how
# many items there are, so that what is summed over them is summed in one order.
MOST_ITEMS, BLOCKS = 64, 256

# Words of the table: where the loop is, how many items a block has, how many there are.
_FIRST = 3
_PROGRAM = """\
def item(i, block, {arguments}, {results}):
{call}
{stores}
    return 0


def attempt(block, size, n, {arguments}, {results}):
    try:
        for i in range(block * size, min(n, block * size + size)):
            item(i, block, {arguments}, {results})
    except Exception:
        return 1
    return 0


@loop
def items(args, dims, steps, data):
    size = load_i8(args[1], 8)
    n = load_i8(args[1], 16)
{arrays}
    for row in range(dims[0]):
        block = load_i8(args[0], row * steps[0])
        status = attempt(block, size, n, {arguments}, {results})
        store_i8(args[2], row * steps[2], status)
"""


class Loop:
    """The loop over a batch of what was derived for the types of one item."""

    def __init__(self, inner: Derived, mapped: tuple[bool, ...], summed: tuple[bool, ...]) -> None:
        self.inner = inner
        self.mapped = mapped
        self.summed = summed
        self.kinds: list[Any] = [s for shape in inner.arguments for s in flatten(shape)]
        self.results: list[Any] = flatten(inner.result)
        self.writes = inner.procedure.writes

    @functools.cached_property
    def text(self) -> Text:
        """The module: the procedures, one item after the other, and what the pool calls."""
        text = writing.write(writing.Derived(self.inner.procedure, *self._flat()))
        arguments = [f"a{k}" for k in range(len(self.kinds))]
        results = [f"o{k}" for k in range(len(self.results))]
        given = [
            self._item(name, k, kind)
            for k, (name, kind) in enumerate(zip(arguments, self.kinds, strict=True))
        ]
        found = ", ".join(f"r{k}" for k in range(len(results)))
        name = self.inner.procedure.name
        stores: list[str] = []
        for k, (kind, is_sum) in enumerate(zip(self.results, self.summed, strict=True)):
            place = "block" if is_sum else "i"
            sign = "+=" if is_sum else "="
            if isinstance(kind, Array):
                stores += [
                    f"if r{k}.shape != o{k}.shape[1:]:",
                    '    raise ValueError("vmap() needs results of one shape for all items")',
                    f"into{k} = o{k}[u({place})]",
                    f"into{k} += r{k}" if is_sum else f"into{k}[:] = r{k}",
                ]
            else:
                stores.append(f"o{k}[u({place})] {sign} r{k}")
        arrays, word = [], _FIRST
        for each, kind, extra in [
            *zip(arguments, self.kinds, self.mapped, strict=True),
            *((r, kind, True) for r, kind in zip(results, self.results, strict=True)),
        ]:
            rank = max(1, getattr(kind, "ndim", 0) + extra)
            words = [f"load_i8(args[1], {8 * (word + j)})" for j in range(rank + 1)]
            arrays.append(
                f"{each} = array_at({words[0]}, ({', '.join(words[1:])},),"
                f" np.{np.dtype(DTYPES[kind.code]).name})"
            )
            word += rank + 1
        body = _PROGRAM.format(
            arguments=", ".join(arguments),
            results=", ".join(results),
            call=f"    {found} = {name}({', '.join(given)})",
            stores=_indented(stores),
            arrays=_indented(arrays),
        )
        return writing.Text(f"{text.body}\n\n{body}", text.objects)

    def _flat(self) -> tuple[tuple[Any, ...], Any]:
        """The types of arguments and results as the entry of the module has them: flat."""
        return tuple(self.kinds), TupleType(tuple(self.results))

    def _item(self, name: str, k: int, kind: Any) -> str:
        """The text of an argument of one item."""
        if not self.mapped[k]:
            if isinstance(kind, Scalar):
                return f"{name}[0]"
            return f"{name}.copy()" if k in self.writes else name
        return f"{name}[u(i)]"

    @functools.cached_property
    def module(self) -> Any:
        """The compiled module."""
        from numgrad.adjoint import runtime

        return runtime.load_module(self.text)

    def run(self, leaves: Sequence[Any]) -> list[Any]:
        """Compute the results of all items; give arrays, and numbers for sums of numbers."""
        arrays = [self._prepared(k, leaf) for k, leaf in enumerate(leaves)]
        sizes = {len(a) for a, on in zip(arrays, self.mapped, strict=True) if on}
        if len(sizes) > 1:
            raise ValueError(
                f"vmap() needs mapped dimensions of one size, got {tuple(sorted(sizes))}."
            )
        (n,) = sizes
        if interpreter.is_active():
            return self._interpreted(arrays, n)
        size = max(1, min(MOST_ITEMS, n // BLOCKS))
        blocks = -(-n // size)
        outs = self._outputs(arrays, n, blocks)
        table = [self.module.items.address, size, n]
        for a in (*arrays, *outs):
            table += [a.ctypes.data, *a.shape]
        numbers = np.arange(blocks)
        status = np.zeros(blocks, np.int64)
        start = time.perf_counter_ns()
        status[:1] = sharing.run(table, numbers[:1])
        once = time.perf_counter_ns() - start
        if blocks > 1:
            status[1:] = sharing.run(table, numbers[1:], once)
        if status.any():
            first = int(status.argmax()) * size
            self._raise(arrays, first, min(n - first, size))
        return [
            (o.sum(0) if isinstance(kind, Array) else o.sum()) if is_sum else o
            for o, kind, is_sum in zip(outs, self.results, self.summed, strict=True)
        ]

    def _prepared(self, k: int, leaf: Any) -> Any:
        """The memory of an argument, in one piece; a copy of what is written to."""
        array: Any = np.asarray(leaf, DTYPES[self.kinds[k].code])
        if k in self.writes and self.mapped[k]:
            return np.array(array, order="C")
        return np.ascontiguousarray(array)

    def _arguments(self, arrays: Sequence[Any], i: int) -> list[Any]:
        """The arguments of one item."""
        given = []
        for k, (a, kind) in enumerate(zip(arrays, self.kinds, strict=True)):
            mine = a[i] if self.mapped[k] else a if isinstance(kind, Array) else a[0]
            given.append(mine.copy() if k in self.writes else mine)
        return given

    def _outputs(self, arrays: Sequence[Any], n: int, blocks: int) -> list[Any]:
        """Room for the results of all items, and for the sums of all blocks."""
        shapes: list[tuple[int, ...]] = [()] * len(self.results)
        if any(isinstance(kind, Array) for kind in self.results):
            if not n:
                raise ValueError(
                    "vmap() of a compiled function that gives arrays needs an item to know their"
                    " shapes, got none."
                )
            shapes = [np.shape(r) for r in self.module.entry(*self._arguments(arrays, 0))]
        return [
            np.zeros((blocks, *shape), DTYPES[kind.code])
            if is_sum
            else np.empty((n, *shape), DTYPES[kind.code])
            for kind, shape, is_sum in zip(self.results, shapes, self.summed, strict=True)
        ]

    def _raise(self, arrays: Sequence[Any], first: int, size: int) -> None:
        """Raise what the first item of a block raised that raised something."""
        for i in range(first, first + size):
            self.module.entry(*self._arguments(arrays, i))
        raise ValueError("vmap() needs results of one shape for all items.")

    def _interpreted(self, arrays: Sequence[Any], n: int) -> list[Any]:
        """The same, item by item in the interpreter."""
        entry = interpreter.load(
            writing.write(writing.Derived(self.inner.procedure, *self._flat()))
        )
        rows = [entry(*self._arguments(arrays, i)) for i in range(n)]
        return [
            np.sum(column, 0) if is_sum else np.array(column)
            for column, is_sum in zip(zip(*rows, strict=True), self.summed, strict=True)
        ]


def _indented(lines: Sequence[str]) -> str:
    return "\n".join(f"    {line}" for line in lines)

"""From what a kernel does with rows, as the table in `numgrad.kernels.rows` has it, to its text."""

from __future__ import annotations

import re
from typing import NamedTuple

from numgrad.kernels.emit import SUFFIX

_TINY = {"f8": "1e-290", "f4": "1e-30"}


class Row(NamedTuple):
    """What a kernel does with rows.

    `signature` names the arrays and their shapes, as in "x(n), c() -> out(n)"; `label` is of int64,
    all else of the kernel's dtype T. In the text `x[i]` is an element of a row, a name without
    dimensions is a number, and numbers that are results are assigned to. What has dimensions (m, n)
    is the row `k` of it, in a loop that the text has.
    """

    signature: str
    text: str
    # Name of a sum that the text uses -> its term, of elements and then numbers, as in "x, c: x-c".
    sums: tuple[tuple[str, str], ...] = ()


# What a text may use besides the names of `build.PRELUDE`, each if it is used.
_HELPERS = {
    "chain": "from numgrad.kernels.lanes import chain",
    "highest": "from numgrad.kernels.lanes import extreme\nhighest = extreme(T, '>')",
    "lowest": "from numgrad.kernels.lanes import extreme\nlowest = extreme(T, '<')",
    "multiplied": "from numgrad.kernels.lanes import multiplied as _\nmultiplied = _(T)",
    "room": "from numgrad.kernels.lanes import ROOM, room\nLONG = ROOM // SIZE",
}
_SUM = "{name} = summed(T, {arrays}, lambda {parameters}: {term})"


class Argument(NamedTuple):
    """An argument of a kernel: its name, and the names of its dimensions."""

    name: str
    dims: tuple[str, ...]


def arguments(row: Row) -> tuple[list[Argument], list[Argument]]:
    """Return what a kernel takes and what it gives."""
    inputs, outputs = (
        [
            Argument(each, tuple(dims.split(",")) if dims else ())
            for each, dims in re.findall(r"(\w+)\(([\w,]*)\)", part)
        ]
        for part in row.signature.split("->")
    )
    return inputs, outputs


def types(row: Row, code: str) -> str:
    """Return the dtypes of a kernel's arguments by NumPy's letters, as in "ff->f"."""
    return "->".join(
        "".join("l" if a.name == "label" else code for a in some) for some in arguments(row)
    )


def core(row: Row) -> str:
    """Return the shapes that one call of a kernel works on, as in "(n),()->(n)"."""
    return re.sub(r"\w+(?=\()|\s", "", row.signature)


def source(row: Row, code: str) -> str:
    """Return the text of a kernel for the float typecode `code`."""
    dtype = SUFFIX[code]
    inputs, outputs = arguments(row)
    everything = [*inputs, *outputs]
    dims = list(dict.fromkeys(d for a in everything for d in a.dims))
    before: list[str] = []
    after: list[str] = []
    matrices: list[str] = []
    for k, a in enumerate(everything):
        place = f"args[{k}], o * steps[{k}]"
        if a.dims:
            whole = "all_" * (len(a.dims) > 1) + a.name
            before.append(f"{whole} = moved({place})")
            matrices += [f"    {a.name} = moved({whole}, k * n * SIZE)"] * (len(a.dims) > 1)
        elif a in inputs:
            before.append(f"{a.name} = load_{'i8' if a.name == 'label' else 'T'}({place})")
        else:
            after.append(f"store_T({place}, T({a.name}))")
    groups = {a.name: "inputs" for a in inputs if a.dims}
    groups |= {name: name for name in (*(a.name for a in outputs if a.dims), "some")}
    groups = {name: group for name, group in groups.items() if f"{name}[" in row.text}
    body = "\n".join(_expanded(line, groups) for line in row.text.strip("\n").split("\n"))
    body = body.replace("for k in range(m):", "\n".join(["for k in range(m):", *matrices]))
    lines = [
        "DENSE = True",
        "from numgrad.kernels.intrinsics import moved",
        "T, SIZE, TINY = TYPE, BYTES, LITTLE",
        *(text for word, text in _HELPERS.items() if re.search(rf"\b{word}\(", row.text)),
        *(["from numgrad.kernels.lanes import safe, summed"] if row.sums else []),
        *(_summing(*each, everything) for each in row.sums),
        *(["from numgrad.kernels.lanes import access"] if groups else []),
        *(_accessing(group, {*groups.values()}) for group in dict.fromkeys(groups.values())),
        "def loop(args, dims, steps, data):",
        *(f"    {d} = dims[{k}]" for k, d in enumerate(dims, start=1)),
        "    for o in range(dims[0]):",
        *(f"        {line}" for line in [*before, *body.split("\n"), *after]),
        "",
    ]
    text = "\n".join(lines)
    size = "8" if dtype == "f8" else "4"
    text = text.replace("TYPE", dtype).replace("BYTES", size).replace("LITTLE", _TINY[dtype])
    return text.replace("load_T", f"load_{dtype}").replace("store_T", f"store_{dtype}")


def _summing(name: str, term: str, everything: list[Argument]) -> str:
    """Text that defines a sum."""
    parameters, result = term.split(": ")
    names = [a.name for a in everything if a.dims]
    count = sum(p in names for p in parameters.split(", "))
    return _SUM.format(name=name, arrays=count, parameters=parameters, term=result)


def _accessing(group: str, groups: set[str]) -> str:
    """Text that defines how a group of arrays is read and written."""
    others = tuple(sorted(groups - {group}))
    return f"load_{group}, store_{group} = access(T, {group!r}, {others!r})"


def _expanded(line: str, groups: dict[str, str]) -> str:
    """A line with its elements of rows as loads and stores."""
    if not groups:
        return line

    def load(found: re.Match[str]) -> str:
        return f"load_{groups[found[1]]}({found[1]}, ({found[2]}) * SIZE)"

    element = rf"\b({'|'.join(groups)})\[([^\]]+)\]"
    stored = re.fullmatch(rf"(\s*){element} = (.*)", line)
    if stored is None:
        return re.sub(element, load, line)
    space, array, index, value = stored.groups()
    value = re.sub(element, load, value)
    return f"{space}store_{groups[array]}({array}, ({index}) * SIZE, T({value}))"

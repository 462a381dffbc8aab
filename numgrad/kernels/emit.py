"""Expressions in, kernel text out. The only module that writes kernel source.

The text is a NumPy ufunc inner loop: addresses, element counts and strides in bytes. It is plain;
the cases of strides that LLVM can vectorise are made of it where it is compiled.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from numgrad.expr import Apply, Expression, Input, Symbol, postorder, reads

if TYPE_CHECKING:
    from collections.abc import Sequence

# NumPy's typecode -> suffix of the loads and stores.
SUFFIX = {"d": "f8", "f": "f4", "?": "b1", "l": "i8"}


# Functions that vectorise for arguments up to a limit, see numgrad.kernels.vecmath.trigonometric.
_LIMITED = re.compile(r"\b(sin|cos|tan)\((\w+)\)")
_UNLIMITED = r"(math.\1(\2) if fabs(\2) > LIMIT_{dtype} else \1(\2))"

_PLAIN = """\
def loop(args, dims, steps, data):
    for i in range(dims[0]):
{body}
"""

# Whether arguments are beyond the limit is seen before anything is written: a result may take the
# place of an argument. What an element gives does not depend on its block.
_IN_BLOCKS = """\
@outlined
def careful(args, steps, start, stop):
    for i in range(start, stop):
{careful}

def loop(args, dims, steps, data):
    for start in range(0, dims[0], 512):
        stop = start + 512 if dims[0] - start > 512 else dims[0]
        large = False
        for i in range(start, stop):
{check}
        if large:
            careful(args, steps, start, stop)
            continue
        for i in range(start, stop):
{body}
"""


def elementwise_source(parameters: Sequence[str], roots: Sequence[Expression], types: str) -> str:
    """Return the text of a loop that computes `roots` from `parameters`, as in `dd->d`."""
    arguments, results = types.split("->")
    dtype = "f4" if "f" in types else "f8"
    loads = {
        name: f"{name} = load_{SUFFIX[code]}(args[{k}], i * steps[{k}])"
        for k, (name, code) in enumerate(zip(parameters, arguments, strict=True))
    }
    lowered = lower(roots)
    statements, values = _statements(lowered, dtype)
    stores = [
        f"store_{SUFFIX[code]}(args[{k}], i * steps[{k}], {value})"
        for k, (code, value) in enumerate(zip(results, values, strict=True), start=len(arguments))
    ]
    body = [*loads.values(), *statements, *stores]
    first = _definitions(lowered, dtype)
    limited = [
        e.args[0]
        for e in postorder(lowered)
        if isinstance(e, Apply) and _LIMITED.match((e.op.template or "").format(*e.op.params))
    ]
    if not limited:
        return first + _PLAIN.format(body=_indented(body, 8))
    needed = frozenset().union(*map(reads, (e for e in limited if isinstance(e, Symbol))))
    statements, values = _statements(limited, dtype)
    check = [line for name, line in loads.items() if name in needed]
    check += statements
    check += [f"large |= fabs({value}) > LIMIT_{dtype}" for value in dict.fromkeys(values)]
    unlimited = _UNLIMITED.format(dtype=dtype)
    return first + _IN_BLOCKS.format(
        careful=_indented([_LIMITED.sub(unlimited, line) for line in body], 8),
        check=_indented(check, 12),
        body=_indented(body, 12),
    )


def _definitions(roots: Sequence[Expression], dtype: str) -> str:
    """The text of all functions that expressions call and that are not known to every kernel."""
    texts = [
        e.op.definitions(dtype)
        for e in postorder(roots)
        if isinstance(e, Apply) and e.op.definitions is not None
    ]
    return "".join(f"{text}\n" for text in dict.fromkeys(texts))


def _indented(lines: Sequence[str], columns: int) -> str:
    return textwrap.indent("\n".join(lines), columns * " ")


def _statements(roots: Sequence[Expression], dtype: str) -> tuple[list[str], list[str]]:
    """Single-assignment statements for `roots`, common subexpressions once, and their values.

    The roots are made of primitives, see `lower`.
    """
    lines: list[str] = []
    names: dict[str, str] = {}  # text -> the variable that holds it
    values: dict[int, str] = {}  # id of a symbol -> the variable or parameter that holds it

    def text_of(e: Expression) -> str:
        return values[id(e)] if isinstance(e, Symbol) else constant(e, dtype)

    for e in postorder(roots):
        if isinstance(e, Input):
            values[id(e)] = e.name
        elif isinstance(e, Apply) and e.op.template is not None:
            text = e.op.template.format(*map(text_of, e.args))
            if text not in names:
                names[text] = f"t{len(names)}"
                lines.append(f"{names[text]} = {text if e.op.logical else f'{dtype}({text})'}")
            values[id(e)] = names[text]
    return lines, [text_of(root) for root in roots]


def constant(number: float, dtype: str) -> str:
    """Return a literal of the kernel's dtype: a bare one would widen float32 to float64."""
    value = float(number)
    literal = repr(value)
    if literal.lstrip("-") in ("inf", "nan"):
        literal = literal.replace("inf", "math.inf").replace("nan", "math.nan")
    return literal if dtype == "f8" else f"{dtype}({literal})"


def lower(roots: Sequence[Expression]) -> list[Expression]:
    """Replace composites by their bodies until only primitives are left."""
    values: dict[int, Expression] = {}
    for e in postorder(roots):
        if isinstance(e, Apply):
            args = tuple(values.get(id(a), a) if isinstance(a, Symbol) else a for a in e.args)
            if e.op.template is None:
                values[id(e)] = lower([e.op.body(*args)])[0]
            else:
                values[id(e)] = Apply(e.op, args)
    return [values.get(id(root), root) if isinstance(root, Symbol) else root for root in roots]

"""Expressions in, kernel text out. The only module that writes kernel source.

The text is a NumPy ufunc inner loop: addresses, element counts and strides in bytes. It is plain;
the cases of strides that LLVM can vectorise are made of it where it is compiled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from numgrad.expr import Apply, Expression, Input, Symbol, postorder

if TYPE_CHECKING:
    from collections.abc import Sequence

# NumPy's typecode -> suffix of the loads and stores.
SUFFIX = {"d": "f8", "f": "f4", "?": "b1", "l": "i8"}


def elementwise_source(parameters: Sequence[str], roots: Sequence[Expression], types: str) -> str:
    """Return the text of a loop that computes `roots` from `parameters`, as in `dd->d`."""
    arguments, results = types.split("->")
    statements, values = _statements(roots, "f4" if "f" in types else "f8")
    count = len(arguments)
    body = [
        f"{name} = load_{SUFFIX[code]}(args[{k}], i * steps[{k}])"
        for k, (name, code) in enumerate(zip(parameters, arguments, strict=True))
    ]
    body += statements
    body += [
        f"store_{SUFFIX[code]}(args[{k}], i * steps[{k}], {value})"
        for k, (code, value) in enumerate(zip(results, values, strict=True), start=count)
    ]
    lines = ["def loop(args, dims, steps, data):", "    for i in range(dims[0]):"]
    return "\n".join([*lines, *(f"        {line}" for line in body), ""])


def _statements(roots: Sequence[Expression], dtype: str) -> tuple[list[str], list[str]]:
    """Single-assignment statements for `roots`, common subexpressions once, and their values."""
    lines: list[str] = []
    names: dict[str, str] = {}  # text -> the variable that holds it
    values: dict[int, str] = {}  # id of a symbol -> the variable or parameter that holds it

    def text_of(e: Expression) -> str:
        return values[id(e)] if isinstance(e, Symbol) else constant(e, dtype)

    lowered = lower(roots)
    for e in postorder(lowered):
        if isinstance(e, Input):
            values[id(e)] = e.name
        elif isinstance(e, Apply) and e.op.template is not None:
            text = e.op.template.format(*map(text_of, e.args))
            if text not in names:
                names[text] = f"t{len(names)}"
                lines.append(f"{names[text]} = {text if e.op.logical else f'{dtype}({text})'}")
            values[id(e)] = names[text]
    return lines, [text_of(root) for root in lowered]


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

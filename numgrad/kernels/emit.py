"""Expressions in, kernel text out. The only module that writes kernel source.

The text is a NumPy ufunc inner loop: arguments are raw addresses, element counts and strides in
bytes. A branch for unit strides comes first, since constant strides are what lets LLVM use
vector instructions; for two arguments there are branches with one of them constant (a scalar or
a broadcast row), which is loaded once; the general loop comes last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from numgrad.expr import Apply, Expression, Input, Symbol, postorder

if TYPE_CHECKING:
    from collections.abc import Sequence

# NumPy's typecode -> suffix of the loads and stores, and bytes of an element.
LAYOUT = {"d": ("f8", 8), "f": ("f4", 4), "?": ("b1", 1), "l": ("i8", 8)}


def elementwise_source(parameters: Sequence[str], roots: Sequence[Expression], types: str) -> str:
    """Return the text of a loop that computes `roots` from `parameters`, as in `dd->d`."""
    arguments, results = types.split("->")
    statements, values = _statements(roots, "f4" if "f" in types else "f8")
    outputs = [f"result{k}" for k in range(len(roots))]
    sources = list(zip(parameters, arguments, strict=True))
    targets = list(zip(outputs, results, values, strict=True))
    layout = [*sources, *((name, code) for name, code, _ in targets)]

    def loop(constant: str | None, *, unit: bool) -> list[str]:
        """One loop; `constant` names the parameter that is the same in every pass."""

        def offset(name: str, code: str) -> str:
            return f"i * {LAYOUT[code][1]}" if unit else f"i * s_{name}"

        def load(name: str, code: str) -> str:
            where = "0" if name == constant else offset(name, code)
            return f"{name} = load_{LAYOUT[code][0]}(p_{name}, {where})"

        once = [load(name, code) for name, code in sources if name == constant]
        body = [load(name, code) for name, code in sources if name != constant]
        body += statements
        body += [
            f"store_{LAYOUT[code][0]}(p_{name}, {offset(name, code)}, {value})"
            for name, code, value in targets
        ]
        return [*once, "for i in range(n):", *[f"    {line}" for line in body]]

    def unit(pairs: list[tuple[str, str]]) -> str:
        return " and ".join(f"s_{name} == {LAYOUT[code][1]}" for name, code in pairs)

    branches = [(unit(layout), loop(None, unit=True))]
    if len(sources) == 2:  # noqa: PLR2004 - see the module's docstring
        for k, (name, _) in enumerate(sources):
            others = layout[:k] + layout[k + 1 :]
            branches.append((f"s_{name} == 0 and {unit(others)}", loop(name, unit=True)))
    lines = ["def loop(args, dims, steps, data):", "    n = dims[0]"]
    lines += [f"    p_{name} = args[{k}]" for k, (name, _) in enumerate(layout)]
    lines += [f"    s_{name} = steps[{k}]" for k, (name, _) in enumerate(layout)]
    keyword = "if"
    for condition, body in branches:
        lines += [f"    {keyword} {condition}:", *[f"        {line}" for line in body]]
        keyword = "elif"
    lines += ["    else:", *[f"        {line}" for line in loop(None, unit=False)]]
    return "\n".join([*lines, ""])


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

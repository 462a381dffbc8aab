"""The graph behind tensors: a table of its nodes, and a picture."""

from __future__ import annotations

import html
import inspect
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numgrad.debug.layered import draw
from numgrad.debug.tape_listing import listed
from numgrad.debug.units import aligned, count, size
from numgrad.tensor import Tensor

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from types import FrameType

    from numgrad.debug.tape_listing import Entry

# How many entries are shown where the caller does not say.
LIMIT = 100
# Seconds after which Graphviz is given up.
_PATIENCE = 60


def graph(*roots: Any, names: Mapping[str, Tensor] | None = None, limit: int = LIMIT) -> Graph:
    """Return the graph that tensors were computed by: a table in print, a picture in notebooks.

    Tensors that the caller has in variables are shown under their names, others by numbers.

    Args:
        roots: tensors, or sequences of tensors.
        names: names for tensors, which come before those of variables.
        limit: how many nodes and leaves are shown, those nearest to the roots.

    Raises TypeError for what is no tensor.

    >>> x = ng.tensor([1.0, 2.0], requires_grad=True)
    >>> y = (x * x).sum()
    >>> print(ng.graph(y, names={"x": x, "y": y}))
    graph of 2 nodes and 1 leaf, as backward() walks it; it keeps 16 bytes in 1 array
    name  node          inputs  shape  dtype    saves
    y     SumBackward0  %0      ()     float64
    %0    MulBackward0  x, x    (2,)   float64  x 16 B, y 16 B
    x     leaf                  (2,)   float64
    """
    tensors: list[Tensor] = []
    for root in roots:
        tensors.extend(root if isinstance(root, (list, tuple)) else [root])
    for t in tensors:
        if not isinstance(t, Tensor):
            raise TypeError(f"graph() shows what tensors were computed by, got {type(t).__name__}.")
    if not tensors:
        raise TypeError("graph() takes one tensor or more, got none.")
    found = _variables(sys._getframe(1))  # noqa: SLF001 - the only way to the caller's names
    return Graph(tensors, found | dict(names or {}), limit)


def _variables(frame: FrameType) -> dict[str, Tensor]:
    """Tensors in the local variables of a function, or in the globals of a module."""
    variables = frame.f_locals
    found = {k: v for k, v in variables.items() if isinstance(v, Tensor) and k[0] != "_"}
    if sys.version_info < (3, 13) and frame.f_code.co_flags & inspect.CO_OPTIMIZED:
        # It is a copy, which the frame would hold, and with it all tensors, until it ends.
        variables.clear()
    return found


class Graph:
    """The graph behind tensors, made by `numgrad.graph`; it is as it was then."""

    def __init__(self, roots: list[Tensor], names: Mapping[str, Tensor], limit: int) -> None:
        listing = listed(roots, names)
        # How many nodes and leaves there are, and the bytes that the nodes keep for backward.
        self.nodes = listing.nodes
        self.leaves = listing.leaves
        self.kept_bytes = listing.kept_bytes
        self._kept_arrays = listing.kept_arrays
        self._shown = listing.entries[:limit]
        self._hidden = len(listing.entries) - len(self._shown)
        self._limit = limit

    def __repr__(self) -> str:
        lines = [self._title(), *aligned([_HEADER, *map(_row, self._shown)])]
        if self._hidden:
            lines.append(self._rest())
        return "\n".join(lines)

    def _title(self) -> str:
        return (
            f"graph of {count(self.nodes, 'node')} and {count(self.leaves, 'leaf', 'leaves')}, as"
            f" backward() walks it; it keeps {count(self.kept_bytes, 'byte')} in"
            f" {count(self._kept_arrays, 'array')}"
        )

    def _rest(self) -> str:
        return (
            f"... and {self._hidden} more, farther from the roots: numgrad.graph(..., limit=N)"
            f" shows the first N instead of {self._limit}"
        )

    def dot(self) -> str:
        """Return the graph as text for Graphviz; arrows go from inputs to results."""
        numbers = {id(entry): k for k, entry in enumerate(self._shown)}
        lines = ["digraph tape {", '  node [shape=box, fontname="monospace", fontsize=10];']
        for k, entry in enumerate(self._shown):
            label = "\\n".join(_quoted(line) for line in _label(entry))
            style = ", style=filled, fillcolor=lightblue" if entry.kind == "leaf" else ""
            style += ", penwidth=2" if entry.root else ""
            lines.append(f'  n{k} [label="{label}"{style}];')
        if self._hidden:
            lines.append(f'  rest [label="... {self._hidden} more", style=dashed];')
        for k, entry in enumerate(self._shown):
            sources = [numbers.get(id(source)) for source, _ in entry.inputs]
            lines += [f"  {'rest' if s is None else f'n{s}'} -> n{k};" for s in sources]
        return "\n".join([*lines, "}", ""])

    def svg(self) -> str:
        """Return the graph as an SVG picture: by Graphviz where its `dot` is installed."""
        if shutil.which("dot") is not None:
            return self._by_graphviz("svg").decode()
        numbers = {id(entry): k for k, entry in enumerate(self._shown)}
        labels = [_label(entry) for entry in self._shown]
        classes = [
            " ".join([(entry.kind == "leaf" and "leaf") or "node", *["root"] * entry.root])
            for entry in self._shown
        ]
        if self._hidden:
            labels.append([f"... {self._hidden} more"])
            classes.append("rest")
        rest = len(self._shown)
        sources = [[numbers.get(id(s), rest) for s, _ in entry.inputs] for entry in self._shown]
        return draw(labels, classes, [*sources, *[[]] * bool(self._hidden)])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the graph to a file, in the form that its suffix names.

        `.svg`, `.dot` or `.gv`, `.txt`; others, such as `.pdf` and `.png`, are left to Graphviz.

        Raises RuntimeError for such another where Graphviz is not installed.
        """
        target = Path(path)
        form = target.suffix.lower().lstrip(".")
        texts: dict[str, Callable[[], str]] = {
            "svg": self.svg,
            "dot": self.dot,
            "gv": self.dot,
            "txt": self.__repr__,
        }
        if form in texts:
            target.write_text(texts[form](), encoding="utf-8")
            return
        if shutil.which("dot") is None:
            raise RuntimeError(
                f"save() needs Graphviz's dot to write {target.name!r}, and it is not installed:"
                " save as .svg, .dot or .txt."
            )
        target.write_bytes(self._by_graphviz(form))

    def _by_graphviz(self, form: str) -> bytes:
        done = subprocess.run(  # noqa: S603 - dot is what the user has installed under this name
            [shutil.which("dot") or "dot", f"-T{form}"],
            input=self.dot().encode(),
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            raise RuntimeError(f"Graphviz could not draw the graph as {form}: {said}")
        return done.stdout

    def _repr_svg_(self) -> str:
        return self.svg()

    def _repr_html_(self) -> str:
        """Picture and table, which notebooks prefer."""
        picture = self.svg()
        table = html.escape(str(self))
        return f"<div>{picture[picture.index('<svg') :]}<pre>{table}</pre></div>"


_HEADER = ("name", "node", "inputs", "shape", "dtype", "saves")


def _row(entry: Entry) -> tuple[str, ...]:
    saved = "freed" if entry.freed else ", ".join(f"{s.name} {size(s.nbytes)}" for s in entry.saved)
    inputs = [f"{s.name}[{k}]" if len(s.results) > 1 else s.name for s, k in entry.inputs]
    shapes = ["?" if fact is None else str(fact[0]) for fact in entry.results]
    dtypes = dict.fromkeys(str(fact[1]) for fact in entry.results if fact is not None)
    return (
        entry.name,
        entry.kind,
        ", ".join(inputs),
        ", ".join(shapes),
        ", ".join(dtypes) or "?",
        saved,
    )


def _label(entry: Entry) -> list[str]:
    """Lines of the box of an entry."""
    name, kind, _, shape, dtype, saved = _row(entry)
    facts = f"{shape} {dtype}"
    first = [f"{name}: {kind}"] if kind != "leaf" else [name]
    kept = f"saves {size(entry.saved_bytes)}" if entry.saved else saved
    return [*first, facts, *[kept] * bool(kept)]


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')

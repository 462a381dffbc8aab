"""Pictures of graphs without Graphviz: boxes in layers, drawn as SVG.

The method is that of Sugiyama, Tagawa and Toda (1981) in its simplest form: each box is one layer
below the lowest of its inputs, lines that cross layers get a place in each, and the layers are
put in the order of the mean place of what their boxes are joined to.
"""

from __future__ import annotations

import html
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Of the monospaced text, in pixels.
_CHARACTER = 7.3
_LINE = 15
_PADDING = 8
_BETWEEN_BOXES = 18
_BETWEEN_LAYERS = 34
_MARGIN = 10
# How often the order within the layers is improved, downwards and upwards.
_SWEEPS = 4

# All under one class: a style inside a page of HTML holds for the whole page.
_STYLE = """<style>
.numgrad-graph text { font: 12px monospace; fill: #111; }
.numgrad-graph rect { fill: #fff; stroke: #555; rx: 3px; }
.numgrad-graph .leaf rect { fill: #d8ecf8; }
.numgrad-graph .rest rect { stroke-dasharray: 4 3; }
.numgrad-graph .root rect { stroke-width: 2.5px; }
.numgrad-graph .line { fill: none; stroke: #777; marker-end: url(#numgrad-tip); }
</style>
<defs><marker id="numgrad-tip" markerWidth="8" markerHeight="8" refX="6" refY="3" orient="auto">
<path d="M0,0 L6,3 L0,6 z" fill="#777"/></marker></defs>"""


def draw(
    labels: Sequence[Sequence[str]], classes: Sequence[str], sources: Sequence[Sequence[int]]
) -> str:
    """Return an SVG picture of boxes and of arrows from their sources.

    Args:
        labels: the lines of text of each box.
        classes: "leaf", "node" or "rest" of each box, and "root".
        sources: the numbers of the boxes that each is joined to; a box comes before its sources.
    """
    layers = _layers(sources)
    paths, joined = _routes(sources, layers)
    rows: list[list[int]] = [[] for _ in range(max(layers, default=0) + 1)]
    for place, layer in enumerate(layers):
        rows[layer].append(place)
    _untangle(rows, joined)
    widths = [max(map(len, label)) * _CHARACTER + 2 * _PADDING for label in labels]
    widths += [0.0] * (len(layers) - len(labels))
    heights = [len(label) * _LINE + 2 * _PADDING for label in labels] + [0] * (
        len(layers) - len(labels)
    )
    x, extent = _across(rows, widths)
    y, depth = _down(rows, heights)
    extents = f'width="{extent:.0f}" height="{depth:.0f}" viewBox="0 0 {extent:.0f} {depth:.0f}"'
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" class="numgrad-graph" {extents}>', _STYLE]
    lines += [_arrow([(x[p], y[p], heights[p]) for p in path]) for path in paths]
    for k, label in enumerate(labels):
        lines += _box(label, classes[k], x[k] - widths[k] / 2, y[k] - heights[k] / 2, widths[k])
    return "\n".join([*lines, "</svg>", ""])


def _layers(sources: Sequence[Sequence[int]]) -> list[int]:
    """Layer of each box, 0 at the top: results lie below all that they were computed from."""
    height = [0] * len(sources)
    for k, each in enumerate(sources):
        for s in each:
            height[s] = max(height[s], height[k] + 1)
    top = max(height, default=0)
    return [top - h for h in height]


def _routes(
    sources: Sequence[Sequence[int]], layers: list[int]
) -> tuple[list[list[int]], list[list[int]]]:
    """Places that each line goes through, new ones in the layers between; and all neighbours."""
    paths = []
    joined: list[list[int]] = [[] for _ in sources]
    for k, each in enumerate(sources):
        for s in each:
            path = [s]
            for layer in range(layers[s] + 1, layers[k]):
                path.append(len(layers))
                layers.append(layer)
                joined.append([])
            path.append(k)
            for above, below in itertools.pairwise(path):
                joined[above].append(below)
                joined[below].append(above)
            paths.append(path)
    return paths, joined


def _untangle(rows: list[list[int]], joined: list[list[int]]) -> None:
    """Put each layer in the order of the mean position of its neighbours, again and again."""
    position = {place: k / len(row) for row in rows for k, place in enumerate(row)}

    def wish(place: int) -> float:
        near = joined[place]
        return sum(position[n] for n in near) / len(near) if near else position[place]

    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 else reversed(rows):
            row.sort(key=wish)
            position.update((place, k / len(row)) for k, place in enumerate(row))


def _across(rows: list[list[int]], widths: list[float]) -> tuple[dict[int, float], float]:
    """Middle of each place from the left, each layer centred; and the extent of all."""
    totals = [sum(widths[p] + _BETWEEN_BOXES for p in row) - _BETWEEN_BOXES for row in rows]
    widest = max(totals, default=0.0)
    x: dict[int, float] = {}
    for row, total in zip(rows, totals, strict=True):
        left = _MARGIN + (widest - total) / 2
        for p in row:
            x[p] = left + widths[p] / 2
            left += widths[p] + _BETWEEN_BOXES
    return x, widest + 2 * _MARGIN


def _down(rows: list[list[int]], heights: list[int]) -> tuple[dict[int, float], float]:
    """Middle of each place from the top; and the extent of all."""
    y: dict[int, float] = {}
    top = float(_MARGIN)
    for row in rows:
        tallest = max((heights[p] for p in row), default=0)
        y.update((p, top + tallest / 2) for p in row)
        top += tallest + _BETWEEN_LAYERS
    return y, top - _BETWEEN_LAYERS + _MARGIN


def _arrow(points: Sequence[tuple[float, float, int]]) -> str:
    """A line from the lower edge of the first place to the upper edge of the last."""
    x, y, height = points[0]
    start = y + height / 2
    commands = [f"M{x:.1f},{start:.1f}"]
    for to_x, to_y, to_height in points[1:]:
        end = to_y - to_height / 2
        half = (start + end) / 2
        commands.append(f"C{x:.1f},{half:.1f} {to_x:.1f},{half:.1f} {to_x:.1f},{end:.1f}")
        x, start = to_x, to_y + to_height / 2
    return f'<path class="line" d="{" ".join(commands)}"/>'


def _box(label: Iterable[str], kind: str, left: float, top: float, width: float) -> Iterable[str]:
    texts = [
        f'<text x="{left + _PADDING:.1f}" y="{top + _PADDING + (k + 0.8) * _LINE:.1f}">'
        f"{html.escape(line)}</text>"
        for k, line in enumerate(label)
    ]
    height = len(texts) * _LINE + 2 * _PADDING
    yield f'<g class="{kind}">'
    yield (f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"/>')
    yield from texts
    yield "</g>"

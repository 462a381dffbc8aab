"""numgrad.graph: the table, its picture, and graphs of any size."""

from __future__ import annotations

import gc
import itertools
import re
import stat
import weakref
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import numgrad as ng


def leaf(*shape):
    return ng.ones(*shape, requires_grad=True)


def table(graph):
    """The rows of a graph as dicts of its columns."""
    _, header, *rows = str(graph).splitlines()
    starts = [m.start() for m in re.finditer(r"\S+", header)]
    ends = [*starts[1:], None]
    names = header.split()
    return [
        dict(zip(names, (row[a:b].strip() for a, b in zip(starts, ends, strict=True)), strict=True))
        for row in rows
    ]


def test_the_table_names_shapes_dtypes_and_bytes():
    w, x = leaf(2, 3), ng.ones(3, dtype=ng.float32, requires_grad=True)
    h = ng.tanh(w @ x)
    y = h.sum()
    graph = ng.graph(y)
    assert str(graph).splitlines()[0] == (
        "graph of 3 nodes and 2 leaves, as backward() walks it; it keeps 76 bytes in 3 arrays"
    )
    rows = table(graph)
    assert [row["name"] for row in rows] == ["y", "h", "%0", "w", "x"]
    assert [row["node"] for row in rows[:3]] == ["SumBackward0", "TanhBackward0", "MvBackward0"]
    assert list(rows[1].values()) == ["h", "TanhBackward0", "%0", "(2,)", "float64", "out 16 B"]
    assert (rows[2]["inputs"], rows[2]["saves"]) == ("w, x", "x 48 B, y 12 B")
    assert (rows[4]["node"], rows[4]["shape"], rows[4]["dtype"]) == ("leaf", "(3,)", "float32")
    assert (graph.nodes, graph.leaves, graph.kept_bytes) == (3, 2, 76)


def test_memory_that_is_shared_counts_once():
    x = leaf(4)
    rows = table(graph := ng.graph((x * x[:2].sum() * x).sum()))
    assert graph.kept_bytes == 32 + 32 + 8
    assert [row["saves"] for row in rows if "x 32 B" in row["saves"]]


def test_shared_parts_are_shown_once():
    x = leaf(2)
    shared = x.exp()
    y, z = (shared * shared).sum(), shared.mean()
    rows = table(ng.graph([y, z]))
    assert [row["node"] for row in rows].count("ExpBackward0") == 1
    assert {row["name"] for row in rows} >= {"x", "y", "z", "shared"}
    assert len(table(ng.graph(y, z))) == len(table(ng.graph((y, z)))) == len(rows)


def test_every_entry_comes_before_its_inputs():
    x = leaf(2)
    for _ in range(6):
        x = x * x.sin() + x
    rows = table(ng.graph(x, limit=1000))
    places = {row["name"]: k for k, row in enumerate(rows)}
    for row in rows:
        sources = [name for name in row["inputs"].split(", ") if name]
        assert all(places[name] > places[row["name"]] for name in sources)


def test_results_of_several_are_told_apart():
    A = leaf(2, 2)
    sign, value = ng.linalg.slogdet(A)
    rows = table(ng.graph(value * 2))
    assert rows[0]["inputs"] == "value[1]"
    assert rows[1]["shape"] == "?, ()"
    assert sign.requires_grad is False or sign.grad_fn is value.grad_fn


def test_a_leaf_alone_and_a_constant():
    x, c = leaf(2), ng.ones(2)
    assert [list(row.values())[:2] for row in table(ng.graph(x))] == [["x", "leaf"]]
    assert [list(row.values())[:2] for row in table(ng.graph(c))] == [["c", "leaf"]]


def test_what_was_freed_says_so():
    x = leaf(2)
    y = (x * x).sum()
    y.backward()
    assert {row["saves"] for row in table(ng.graph(y))} == {"freed", ""}


def test_names_given_come_before_variables():
    x = leaf(2)
    y = x * 2
    rows = table(ng.graph(y, names={"weight": x, "result": y}))
    assert [row["name"] for row in rows] == ["result", "weight"]


def test_a_long_chain_is_cut():
    y = leaf()
    for _ in range(100_000):
        y = y + 1.0
    graph = ng.graph(y, limit=3)
    lines = str(graph).splitlines()
    assert lines[0].startswith("graph of 100000 nodes and 1 leaf")
    assert len(lines) == 2 + 3 + 1
    assert "... and 99998 more" in lines[-1]
    assert "limit=N" in lines[-1]
    assert "... 99998 more" in graph.dot()
    assert "... 99998 more" in graph.svg()
    assert len(str(ng.graph(y)).splitlines()) == 2 + 100 + 1


def test_the_dot_text():
    x = leaf(2)
    y = x * x
    assert ng.graph(y).dot().splitlines() == [
        "digraph tape {",
        '  node [shape=box, fontname="monospace", fontsize=10];',
        '  n0 [label="y: MulBackward0\\n(2,) float64\\nsaves 32 B", penwidth=2];',
        '  n1 [label="x\\n(2,) float64", style=filled, fillcolor=lightblue];',
        "  n1 -> n0;",
        "  n1 -> n0;",
        "}",
    ]


def test_quotes_are_escaped():
    x = leaf(2)
    graph = ng.graph(x, names={'a"\\<b': x})
    assert 'label="a\\"\\\\<b' in graph.dot()
    assert "a&quot;\\&lt;b" in graph.svg()
    assert "a&quot;\\&lt;b" in graph._repr_html_()


@pytest.fixture
def _no_graphviz(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)


def boxes(svg):
    """Position, extents and first line of each box of a picture."""
    ns = "{http://www.w3.org/2000/svg}"
    found = {}
    for group in ET.fromstring(svg).iter(f"{ns}g"):  # noqa: S314 - text of our own
        rect = group.find(f"{ns}rect").attrib
        place = [float(rect[k]) for k in ("x", "y", "width", "height")]
        found[group.find(f"{ns}text").text.partition(":")[0]] = place
    return found


@pytest.mark.usefixtures("_no_graphviz")
def test_the_picture_without_graphviz():
    x, w = leaf(2), leaf(3, 2)
    h = (w @ x).tanh()
    y = h.sum() + x.sum()
    found = boxes(svg := ng.graph(y).svg())
    assert found.keys() == {"x", "w", "h", "y", "%0", "%1", "%2"}
    # Results lie below what they were computed from, and no two boxes overlap.
    for above, below in [("x", "%2"), ("w", "%2"), ("%2", "h"), ("h", "%0"), ("x", "%1"),
                         ("%0", "y"), ("%1", "y")]:  # fmt: skip
        assert found[above][1] + found[above][3] < found[below][1], (above, below)
    for (x0, y0, w0, h0), (x1, y1, w1, h1) in itertools.combinations(found.values(), 2):
        assert x0 + w0 <= x1 or x1 + w1 <= x0 or y0 + h0 <= y1 or y1 + h1 <= y0
    assert svg.count('class="line"') == 7


@pytest.mark.usefixtures("_no_graphviz")
def test_files(tmp_path):
    x = leaf(2)
    y = x * x
    graph = ng.graph(y)
    for name, text in [("a.svg", graph.svg()), ("a.dot", graph.dot()), ("a.gv", graph.dot()),
                       ("a.txt", str(graph))]:  # fmt: skip
        graph.save(tmp_path / name)
        assert (tmp_path / name).read_text("utf-8") == text
    with pytest.raises(RuntimeError, match=r"needs Graphviz's dot to write 'a.png'"):
        graph.save(tmp_path / "a.png")


def installed(folder, monkeypatch, script):
    """Put a program named dot on the path."""
    program = folder / "dot"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_graphviz_draws_where_it_is_installed(tmp_path, monkeypatch):
    installed(tmp_path, monkeypatch, 'echo "<svg $1 $(grep -c label)/>"')
    y = leaf(2) * 2
    assert ng.graph(y).svg() == "<svg -Tsvg 2/>\n"
    ng.graph(y).save(tmp_path / "a.pdf")
    assert (tmp_path / "a.pdf").read_text() == "<svg -Tpdf 2/>\n"


def test_what_graphviz_says_is_told(tmp_path, monkeypatch):
    installed(tmp_path, monkeypatch, "echo no such format >&2; exit 1")
    with pytest.raises(RuntimeError, match="could not draw the graph as xyz: no such format"):
        ng.graph(leaf(2)).save(tmp_path / "a.xyz")


def test_notebooks_get_picture_and_table():
    y = leaf(2) * 2
    graph = ng.graph(y)
    assert graph._repr_svg_() == graph.svg()
    shown = graph._repr_html_()
    assert shown.startswith("<div><svg")
    assert "<pre>graph of 1 node and 1 leaf" in shown


@pytest.mark.parametrize("roots", [(), (1.0,), (np.ones(2),), ([],)])
def test_refused(roots):
    with pytest.raises(TypeError, match=r"graph\(\)"):
        ng.graph(*roots)


def test_a_graph_keeps_nothing_alive():
    x = leaf(2)
    y = x * 2
    gone = weakref.ref(y)
    graph = ng.graph(y)
    gc.disable()
    try:
        del y
        assert gone() is None
    finally:
        gc.enable()
    assert graph.nodes == 1

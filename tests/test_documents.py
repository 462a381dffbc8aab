"""What the documents say is so: their Python blocks run, their links lead somewhere.

The ```python blocks of a document run in their order, in one namespace. A block of `>>>` lines is a
doctest. Of any other block each `print(...)  # text` must print that text.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import numgrad
from numgrad.value import REGISTRY

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "perf/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
FIRST_SCREEN = 30

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PRINTS = re.compile(r"^ *print\(.*\) +# (.*)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
INSTALL = "python3 -m venv .venv && .venv/bin/pip install"
COMMANDS = (
    f'{INSTALL} ".[examples]" && .venv/bin/python examples/digits.py',
    f'{INSTALL} ".[test]" && .venv/bin/python -m tests',
)


class Block(NamedTuple):
    """A block of Python, and the line of the document before its first."""

    source: str
    line: int


def blocks(text: str) -> list[Block]:
    """The Python blocks of a document."""
    return [Block(m[1], text.count("\n", 0, m.start(1))) for m in BLOCK.finditer(text)]


def run(text: str, name: str) -> None:
    """Run the blocks of a document one after the other; raises if one does not do as it says."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(text):
        if block.source.startswith(">>>"):
            run_doctest(block, name, names)
        else:
            run_program(block, name, names)


def run_doctest(block: Block, name: str, names: dict[str, Any]) -> None:
    """Run a block of `>>>` lines and compare what they print."""
    test = doctest.DocTestParser().get_doctest(block.source, names, name, name, block.line)
    test.globs = names
    said = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    failed = runner.run(test, out=said.write, clear_globs=False).failed
    assert not failed, said.getvalue()


def run_program(block: Block, name: str, names: dict[str, Any]) -> None:
    """Run a block of statements and compare what it prints with its comments."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        # The blank lines give the lines of the document in tracebacks.
        exec(compile("\n" * block.line + block.source, name, "exec"), names)  # noqa: S102
    expected = PRINTS.findall(block.source)
    if expected:
        assert printed.getvalue().splitlines() == expected


@pytest.fixture
def _ops_as_before():
    """What a document declares and exports is gone after it."""
    tables = (REGISTRY, vars(numgrad))
    before = [dict(table) for table in tables]
    yield
    for table, old in zip(tables, before, strict=True):
        for name in table.keys() - old.keys():
            del table[name]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
@pytest.mark.usefixtures("_ops_as_before")
def test_the_python_blocks_run(document, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(document.read_text("utf-8"), str(document))


WRONG = {
    "statement": "```python\n1 / 0\n```\n",
    "comment": "```python\nprint(1 + 1)  # 3\n```\n",
    "silence": "```python\nif False:\n    print(2)  # 2\n```\n",
    "doctest": "```python\n>>> 1 + 1\n3\n```\n",
    "exception in a doctest": "```python\n>>> 1 / 0\n```\n",
    "second block": "```python\nx = 1\n```\ntext\n```python\nassert x == 2\n```\n",
    "doctest after a program": "```python\nx = 1\n```\ntext\n```python\n>>> x\n2\n```\n",
    "program after a doctest": "```python\n>>> x = 1\n```\n\n```python\nprint(x)  # 2\n```\n",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=list(WRONG))
def test_a_block_that_does_not_do_as_it_says_is_found(text):
    with pytest.raises((AssertionError, ZeroDivisionError)):
        run(text, "document")


def test_blocks_that_do_as_they_say_pass():
    run("```python\nx = 1\nprint(x)  # 1\n```\n\n```python\n>>> x + 1\n2\n```\n", "document")


def test_every_python_block_is_found():
    for document in DOCUMENTS:
        text = document.read_text("utf-8")
        assert len(blocks(text)) == len(re.findall(r"```\s*(?:python|py|pycon)\b", text)), document


def test_the_readme_opens_with_a_sentence_and_an_example():
    text = (ROOT / "README.md").read_text("utf-8")
    title, _, sentence, *_ = text.splitlines()
    assert title == "# numgrad"
    assert sentence.endswith(".")
    first = blocks(text)[0]
    assert first.line + first.source.count("\n") < FIRST_SCREEN
    assert "print(" in first.source


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_has_the_set_up_in_single_lines(command):
    assert command in (ROOT / "README.md").read_text("utf-8").splitlines()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_to_files(document):
    for target in LINK.findall(document.read_text("utf-8")):
        if not target.startswith(("https://", "#")):
            assert (document.parent / target.partition("#")[0]).exists(), target


def test_the_digits_are_learnt(tmp_path):
    for package in ("sklearn", "matplotlib", "tqdm"):
        pytest.importorskip(package)
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "digits.py", "--epochs", "12"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "they agree" in done.stdout
    accuracy = re.search(r"test accuracy (\d+\.\d)%", done.stdout)
    assert accuracy is not None
    assert float(accuracy[1]) > 95
    assert (tmp_path / "digits.png").read_bytes().startswith(b"\x89PNG")

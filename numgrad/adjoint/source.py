"""The source of functions: their syntax tree, where they stand, and what their names mean."""

from __future__ import annotations

import ast
import builtins
import inspect
import linecache
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from numgrad.errors import LanguageError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, eq=False)
class Source:
    """A Python function as text and tree."""

    function: Callable[..., Any]
    tree: ast.FunctionDef
    file: str
    first_line: int
    text: str
    names: dict[str, Any]

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.function.__name__

    @property
    def parameters(self) -> list[str]:
        """The names of its parameters."""
        return [a.arg for a in (*self.tree.args.posonlyargs, *self.tree.args.args)]

    def refuse(self, node: ast.AST, problem: str, instead: str) -> NoReturn:
        """Raise the error for what stands at `node`."""
        line = self.first_line + getattr(node, "lineno", 1) - 1
        text = self.text.splitlines()[getattr(node, "lineno", 1) - 1].strip()
        message = f"{problem}: {instead}.\n  {self.file}:{line}, in {self.name}\n    {text}"
        raise LanguageError(message)


def read(function: Callable[..., Any]) -> Source:
    """Read a function.

    Raises:
        LanguageError: its source cannot be found, or it is no plain function.
    """
    name = getattr(function, "__name__", repr(function))
    linecache.checkcache(function.__code__.co_filename)
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError) as error:
        message = (
            f"the source of {name} cannot be found, and gradients of compiled code are made from"
            " it: define the function in a file or a notebook cell."
        )
        raise LanguageError(message) from error
    text = textwrap.dedent("".join(lines))
    file = function.__code__.co_filename
    try:
        tree: Any = ast.parse(text).body[0]
    except SyntaxError:
        tree = None
    if not isinstance(tree, ast.FunctionDef):
        message = (
            f"{name} is not defined by a def of its own, and gradients of compiled code are made"
            f" from its source: write it as def.\n  {file}:{first}\n    {lines[0].strip()}"
        )
        raise LanguageError(message)
    first = max(first, 1)
    source = Source(function, tree, file, first, text, _names(function))
    arguments = tree.args
    if arguments.vararg or arguments.kwarg or arguments.kwonlyargs:
        source.refuse(
            tree,
            "parameters with * or ** and keyword-only parameters are not supported",
            "name every parameter and pass it by position",
        )
    return source


def _names(function: Callable[..., Any]) -> dict[str, Any]:
    """What free names mean now: builtins, globals, and what the function closes over."""
    names = {**vars(builtins), **function.__globals__}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            names[name] = cell.cell_contents
        except ValueError:
            names.pop(name, None)
    return names

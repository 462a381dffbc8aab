"""The shape of the package: imports point one way, modules are small and say what they are for."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "numgrad"

# From the bottom up: a part imports from the lines below its own, not from other parts of its line.
# A part is a module or a package with all its modules. A new one needs a place here.
LAYERS = (
    {"errors", "pytree", "differences", "return_types"},
    {"dtypes", "handles", "locks", "modes"},
    {"value"},
    {"expr"},
    {"op", "kernels"},
    {"arrays", "compiled", "ops"},
    {"tape", "printing"},
    {"sharing"},
    {"conversions"},
    {"tensor"},
    {"hooks", "pulls", "saved", "views", "wrapped"},
    {"plans"},
    {"backward"},
    {"record", "programs"},
    {"batched"},
    {"entering"},
    {"batch_ops", "partials", "levels"},
    {"tangents"},
    {"dual"},
    {"eager", "creation", "mapping", "interception"},
    {"functions", "random", "threads"},
    {"declaration"},
    {"wrapped_writes"},
    {"inplace", "serialization", "linalg", "special"},
    {"numpy_functions"},
    {"numpy_protocol"},
    {"autograd"},
    {"methods"},
    {"nn", "utils"},
    {"optim", "ufuncs"},
    {"func", "testing", "debug"},
    {"adjoint"},
    {"__init__", "warmup"},
    {"samples"},
    {"check"},
    {"__main__"},
)

# (importing module, imported module): why it has to look upwards or sideways.
UPWARD: dict[tuple[str, str], str] = {
    ("autograd.functional", name): "PyTorch has this module there; it is made of transforms"
    for name in ("func.arguments", "func.forward", "func.jacobians", "func.reverse")
}

# Name of a third-party package: the modules that may import it. Compiling lives in one module, and
# what a warm process does not need is imported by few.
GUARDED = {
    "numba": {"kernels.jit", "adjoint"},
    "llvmlite": {"kernels", "adjoint"},
}

# What `import numgrad` must not load: it would show in the start of every process.
HEAVY = {"llvmlite", "matplotlib", "numba", "scipy", "tqdm"}

MOST_LINES = 400
# Module: why it is longer.
LONG: dict[str, str] = {
    "__init__": "a table: every public name, once as an import and once in __all__",
}

# PyTorch's public names for a room.
NAMED_BY_PYTORCH = {"nn.utils", "utils.__init__", "utils.checkpoint"}
NAMES_WITHOUT_A_SUBJECT = {"common", "helper", "helpers", "misc", "tools", "util", "utils"}


class Import(NamedTuple):
    """One imported module, or an object that may be a module."""

    module: str
    at_import: bool  # False for an import inside a function


class Module(NamedTuple):
    """A module of the package, by its name inside it: `kernels.jit`, `ops.__init__`."""

    name: str
    tree: ast.Module
    lines: int

    @property
    def package(self) -> str:
        """The full name of the package that relative imports start from."""
        return ".".join([PACKAGE, *self.name.split(".")[:-1]])


@cache
def modules() -> dict[str, Module]:
    """All modules of the package."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT / PACKAGE).with_suffix("").parts)
        source = path.read_text("utf-8")
        found[name] = Module(name, ast.parse(source), len(source.splitlines()))
    return found


class ImportReader(ast.NodeVisitor):
    """Collects the imports of a module that run, at import or inside a function.

    Blocks under `if TYPE_CHECKING:` never run, so they are left out: a hint may name what stands
    above.
    """

    def __init__(self, package: str) -> None:
        self.package = package
        self.found: list[Import] = []
        self.depth = 0

    def add(self, module: str) -> None:
        self.found.append(Import(module, at_import=self.depth == 0))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.add(alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        parts = self.package.split(".")
        base = parts[: len(parts) - node.level + 1] if node.level else []
        base += node.module.split(".") if node.module else []
        for alias in node.names:
            self.add(".".join([*base, alias.name]))

    def visit_Call(self, node: ast.Call) -> None:
        name = ast.unparse(node.func).rsplit(".", maxsplit=1)[-1]
        match node.args:
            case [ast.Constant(value=str(module)), *_] if name in {"import_module", "__import__"}:
                self.add(module)
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            for child in node.orelse:
                self.visit(child)
        else:
            self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1


def imports_of(source: ast.Module, package: str = PACKAGE) -> list[Import]:
    """What a module imports, names inside modules included: `from a import b` gives `a.b`."""
    reader = ImportReader(package)
    reader.visit(source)
    return reader.found


def own_module(imported: str, names: set[str]) -> str | None:
    """The module of this package that an import reaches; None for other packages.

    `from numgrad.ops import add` may name a module or something in `ops/__init__.py`.
    """
    head, *rest = imported.split(".")
    if head != PACKAGE:
        return None
    for length in range(len(rest), -1, -1):
        part = rest[:length]
        for candidate in (".".join(part), ".".join([*part, "__init__"])):
            if candidate in names:
                return candidate
    message = f"import of {imported}: there is no such module"
    raise LookupError(message)


def inside(name: str, places: set[str]) -> bool:
    """Whether a module is one of the places, or lies in one that is a package."""
    return any(name == place or name.startswith(f"{place}.") for place in places)


def place(name: str) -> tuple[int, str]:
    """Where a module stands: the height of its line in LAYERS, and its part of that line."""
    found = [(h, part) for h, line in enumerate(LAYERS) for part in line if inside(name, {part})]
    if len(found) != 1:
        message = f"{PACKAGE}/{name} is in {len(found)} places of LAYERS; give it one"
        raise LookupError(message)
    return found[0]


def points_down(importer: str, imported: str) -> bool:
    """Whether an arrow goes to a lower line, or stays within one part."""
    return place(imported)[0] < place(importer)[0] or place(imported) == place(importer)


def arrows(*, only_at_import: bool = False) -> set[tuple[str, str]]:
    """Every pair of a module and another module of the package that it imports."""
    found = set()
    for module in modules().values():
        for imported in imports_of(module.tree, module.package):
            target = own_module(imported.module, set(modules()))
            wanted = imported.at_import or not only_at_import
            if wanted and target is not None and target != module.name:
                found.add((module.name, target))
    return found


READ = [
    ("import numba", [("numba", True)]),
    ("import numba.core.types as t", [("numba.core.types", True)]),
    ("from numgrad.op import a, b", [("numgrad.op.a", True), ("numgrad.op.b", True)]),
    ("from numgrad import tensor", [("numgrad.tensor", True)]),
    ("from . import jit", [("numgrad.kernels.jit", True)]),
    ("from .jit import build", [("numgrad.kernels.jit.build", True)]),
    ("from ..tape import node", [("numgrad.tape.node", True)]),
    ("def f():\n    import numba", [("numba", False)]),
    ("def f():\n    def g():\n        pass\n    import numba", [("numba", False)]),
    ("class A:\n    import numba", [("numba", True)]),
    ("try:\n    import numba\nexcept ImportError:\n    pass", [("numba", True)]),
    ("def f():\n    return importlib.import_module('numba')", [("numba", False)]),
    ("f = lambda: __import__('numba')", [("numba", False)]),
    ("if TYPE_CHECKING:\n    import numba\nelse:\n    import math", [("math", True)]),
    ("if typing.TYPE_CHECKING:\n    import numba", []),
    ("if not TYPE_CHECKING:\n    import numba", [("numba", True)]),
    ("import_module(name)", []),
]


@pytest.mark.parametrize(("source", "expected"), READ)
def test_imports_are_read(source, expected):
    assert imports_of(ast.parse(source), "numgrad.kernels") == [Import(*e) for e in expected]


def test_an_import_is_traced_to_its_module():
    names = {"__init__", "tensor", "ops.__init__", "ops.reduce"}
    assert own_module("numgrad.tensor.Tensor", names) == "tensor"
    assert own_module("numgrad.ops.reduce", names) == "ops.reduce"
    assert own_module("numgrad.ops.add", names) == "ops.__init__"
    assert own_module("numgrad.ones", names) == "__init__"
    assert own_module("numba.njit", names) is None


def test_the_package_is_found():
    assert "__init__" in modules()


ARROWS = [
    ("tensor", "tape", True),
    ("tape", "tensor", False),
    ("ops.reduce", "ops.shape", True),
    ("ops.reduce", "kernels.jit", True),
    ("kernels.jit", "op", False),
    ("op", "kernels.emit", False),
    ("value", "__init__", False),
    ("nn.functional", "optim.sgd", False),
    ("__main__", "__init__", True),
]


@pytest.mark.parametrize(("importer", "imported", "down"), ARROWS)
def test_up_and_down(importer, imported, down):
    assert points_down(importer, imported) is down


def test_a_module_without_a_place_is_named():
    with pytest.raises(LookupError, match="numgrad/attic is in 0 places"):
        place("attic")


def test_every_module_has_one_place():
    assert {name: place(name) for name in modules()}


def test_imports_point_one_way():
    assert {arrow for arrow in arrows() if not points_down(*arrow)} == set(UPWARD)


def test_no_cycle_at_import():
    graph: dict[str, set[str]] = {}
    for importer, imported in arrows(only_at_import=True):
        graph.setdefault(importer, set()).add(imported)
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the cycle


@pytest.mark.parametrize("guarded", GUARDED)
def test_only_these_modules_import(guarded):
    importers = {
        module.name
        for module in modules().values()
        if any(i.module.split(".")[0] == guarded for i in imports_of(module.tree))
    }
    assert not {name for name in importers if not inside(name, GUARDED[guarded])}


def test_imported_packages_are_dependencies():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = {re.split(r"\W", line)[0] for line in project["dependencies"]}
    imported = {i.module.split(".")[0] for m in modules().values() for i in imports_of(m.tree)}
    assert imported - set(sys.stdlib_module_names) - {PACKAGE} <= declared


def test_import_is_light():
    code = f"import numgrad, sys; print(*{HEAVY} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    assert done.stdout.split() == []


def test_modules_are_short():
    assert {m.name for m in modules().values() if m.lines > MOST_LINES} == set(LONG)


@pytest.mark.parametrize("name", modules())
def test_a_module_has_a_subject(name):
    assert name in NAMED_BY_PYTORCH or not NAMES_WITHOUT_A_SUBJECT & set(name.split("."))
    assert ast.get_docstring(modules()[name].tree), f"{name} has no docstring"

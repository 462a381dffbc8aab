"""What users hold: compiled functions, and functions that are derived from them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.adjoint import calls, interpreter, source, tensors, writing
from numgrad.adjoint.fronts import Front, Shape, Static, leaves, shape_of
from numgrad.adjoint.lowering import Entry, Program
from numgrad.adjoint.signature import shape_of_value

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Sequence

    from numgrad.adjoint.lowering import Lowering
    from numgrad.adjoint.writing import Derived


class Compiled:
    """A function whose code is generated for each combination of argument types.

    It can be called from Python, from compiled code, and from code that is differentiated.
    """

    name: str
    # How many arguments it takes, and their names.
    count: int
    parameters: list[str]

    def derive(self, shapes: tuple[Shape, ...], groups: tuple[int, ...] | None) -> Derived:
        """The procedure for arguments of these types."""
        raise NotImplementedError

    def _derive(self, shapes: Sequence[Shape]) -> Derived:
        return self.derived_once(tuple(shapes), None)

    @functools.cached_property
    def derived_once(self) -> Callable[..., Derived]:
        """What `derive` gives, worked out once for the same arguments."""
        return functools.cache(self.derive)

    @functools.cached_property
    def _compiled(self) -> Callable[[tuple[Shape, ...]], Any]:
        def load(shapes: tuple[Shape, ...]) -> Any:
            from numgrad.adjoint import runtime

            text = writing.write(self._derive(shapes))
            return runtime.load(text)

        return functools.cache(load)

    @functools.cached_property
    def _interpreted(self) -> Callable[[tuple[Shape, ...]], Any]:
        return functools.cache(lambda shapes: interpreter.load(writing.write(self._derive(shapes))))

    def derived(self, shapes: tuple[Shape, ...]) -> Derived:
        """The procedure for arguments of these types, and the type of its result."""
        return self._derive(shapes)

    def plain(self, *args: Any) -> Any:
        """Call with plain numbers and arrays."""
        return self.run(*args)

    def run(self, *args: Any) -> Any:
        """Call with plain numbers and arrays."""
        shapes = tuple(shape_of_value(a, self.name, k) for k, a in enumerate(args))
        load = self._interpreted if interpreter.is_active() else self._compiled
        given = [a for a, s in zip(args, shapes, strict=True) if not isinstance(s, Static)]
        return load(shapes)(*given)

    def source(self, *args: Any) -> str:
        """The text of the code for arguments like these."""
        shapes = [shape_of_value(a, self.name, k) for k, a in enumerate(args)]
        return writing.readable(writing.write(self._derive(shapes)))

    @functools.cached_property
    def dispatcher(self) -> Any:
        """The Numba function."""
        from numgrad.adjoint import runtime

        return runtime.numba_function(lambda shapes: self._compiled(tuple(shapes)), self.count)

    @property
    def _numba_type_(self) -> Any:
        from numgrad.adjoint import runtime

        return runtime.dispatcher_type(self.dispatcher)

    def lower_call(
        self, lo: Lowering, args: list[Front], keywords: dict[str, Front], node: ast.AST
    ) -> Front:
        """Read a call of it within code that is differentiated."""
        from numgrad.adjoint import expressions

        if keywords:
            lo.refuse(node, f"{self.name}() takes no keywords here", "pass arguments by position")
        made = [expressions.made(lo, a) for a in args]
        flat = [leaf for a in made for leaf in leaves(a)]
        derived = self.derived_once(tuple(shape_of(a) for a in made), calls.grouped(lo, flat))
        for k in derived.procedure.writes:
            lo.write(flat[k], node)  # type: ignore[arg-type]
        return calls.append_call(lo, derived.procedure, flat, derived.result)


class Function:
    """A function compiled by Numba that can be differentiated. Made by `numgrad.njit`.

    It behaves as what `numba.njit` gives: call it from Python or from compiled code.
    """

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self.py_func = function
        self.options = options

    def __repr__(self) -> str:
        return f"<numgrad.njit function {self.py_func.__qualname__}>"

    @functools.cached_property
    def dispatcher(self) -> Any:
        """The Numba function."""
        from numgrad.adjoint import runtime

        return runtime.njit(self.py_func, **{"error_model": "numpy", **self.options})

    @property
    def _numba_type_(self) -> Any:
        from numgrad.adjoint import runtime

        return runtime.dispatcher_type(self.dispatcher)

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """Call the compiled function."""
        if tensors.holds_tensor(args):
            return tensors.call(self, args)
        return self.plain(*args, **keywords)

    def plain(self, *args: Any, **keywords: Any) -> Any:
        """Call with plain numbers and arrays."""
        if interpreter.is_active():
            return self.py_func(*args, **keywords)
        return self.dispatcher(*args, **keywords)

    def derived(self, shapes: tuple[Shape, ...]) -> Derived:
        """The procedure for arguments of these types, and the type of its result."""
        return derived_for(self.py_func, shapes)

    def adjoint_source(self, *args: Any) -> str:
        """The generated gradient, as Python text, for arguments like these."""
        from numgrad.adjoint import grad

        text: str = grad(self, argnums=None).source(*args)
        return text


def entry_for(function: Any, shapes: Sequence[Shape], groups: Any = None) -> Entry:
    """The procedure of a compiled function for arguments of these types."""
    return Program().entry(function, tuple(shapes), groups)


@functools.cache
def derived_for(f: Any, shapes: Sequence[Shape], groups: Any = None) -> Derived:
    """The procedure of a compiled function, or of what was derived from one."""
    if isinstance(f, Compiled):
        return f.derived_once(tuple(shapes), groups)
    entry = entry_for(f, shapes, groups)
    return writing.Derived(entry.procedure, tuple(shapes), entry.result)


def python_function(f: Any) -> Any:
    """The Python function behind a compiled one.

    Raises:
        TypeError: it is not a compiled function.
    """
    function = calls.python_function(f)
    if function is None:
        raise TypeError(
            f"a function compiled by numgrad.njit or numba.njit is needed, got {f!r}:"
            " decorate it with @numgrad.njit."
        )
    return function


__all__ = ["Compiled", "Function", "entry_for", "np", "python_function", "source"]

"""What users hold: compiled functions, and functions that are derived from them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.adjoint import binding, calls, interpreter, listing, source, tensors, writing
from numgrad.adjoint.fronts import Front, Shape, Static, leaves, shape_of
from numgrad.adjoint.ir import Array, Scalar
from numgrad.adjoint.lowering import Entry, Program
from numgrad.adjoint.signature import shape_of_value

if TYPE_CHECKING:
    import ast
    import inspect
    from collections.abc import Callable, Mapping, Sequence

    from numgrad.adjoint.lowering import Lowering
    from numgrad.adjoint.writing import Derived


class Compiled:
    """A function whose code is generated for each combination of argument types.

    It can be called from Python, from compiled code, and from code that is differentiated.
    """

    name: str
    signature: inspect.Signature

    @property
    def parameters(self) -> list[str]:
        """The names of its arguments."""
        return list(self.signature.parameters)

    @property
    def count(self) -> int:
        """How many arguments it takes."""
        return len(self.signature.parameters)

    @property
    def __signature__(self) -> inspect.Signature:
        return self.signature

    def bound(self, args: Sequence[Any], keywords: Mapping[str, Any]) -> tuple[Any, ...]:
        """All arguments by position, also those given by keyword and by default.

        Raises:
            TypeError: one is missing, unknown, or given twice.
        """
        return binding.bound(self.signature, self.name, args, keywords)

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
    def seen(self) -> dict[tuple[Shape, ...], None]:
        """The types that there is code for so far, in the order of their first use."""
        return {}

    @functools.cached_property
    def _compiled(self) -> Callable[[tuple[Shape, ...]], Any]:
        def load(shapes: tuple[Shape, ...]) -> Any:
            from numgrad.adjoint import runtime

            text = writing.write(self._derive(shapes))
            self.seen[shapes] = None
            return runtime.load(text)

        return functools.cache(load)

    @functools.cached_property
    def _interpreted(self) -> Callable[[tuple[Shape, ...]], Any]:
        def load(shapes: tuple[Shape, ...]) -> Any:
            self.seen[shapes] = None
            return interpreter.load(writing.write(self._derive(shapes)))

        return functools.cache(load)

    def derived(self, shapes: tuple[Shape, ...]) -> Derived:
        """The procedure for arguments of these types, and the type of its result."""
        return self._derive(shapes)

    def plain(self, *args: Any) -> Any:
        """Call with plain numbers and arrays."""
        return self.run(*args)

    @functools.cached_property
    def _entries(self) -> dict[tuple[Any, ...], Any]:
        """Compiled code by what tells types of numbers and arrays apart, and is quick to get."""
        return {}

    def run(self, *args: Any) -> Any:
        """Call with plain numbers and arrays."""
        entry = self.ready(args)
        if entry is not None:
            return entry(*args)
        shapes = tuple(shape_of_value(a, self.name, k) for k, a in enumerate(args))
        given = [a for a, s in zip(args, shapes, strict=True) if not isinstance(s, Static)]
        if interpreter.is_active():
            return self._interpreted(shapes)(*given)
        entry = self._compiled(shapes)
        if all(isinstance(s, (Scalar, Array)) for s in shapes):
            self._entries[_kinds(args)] = entry
        return entry(*given)

    def ready(self, args: tuple[Any, ...]) -> Any:
        """The compiled code for arguments, where it has been called with such before."""
        return None if interpreter.is_active() else self._entries.get(_kinds(args))

    def source(self, *args: Any, **keywords: Any) -> str:
        """The text of the generated code, as Python that can be read.

        For arguments like these, which may also be types of Numba; without any, for all types that
        it has been compiled for so far.

        Raises:
            TypeError: there are no arguments and it has not been compiled; or they do not fit.
        """
        args = listing.unfolded(args, keywords)
        if args or keywords or not self.count:
            choices = [listing.shapes_of(self.bound(args, keywords), self.name)]
        else:
            choices = list(self.seen)
        name = f"{self.name}.source"
        return listing.listing(name, self.parameters, self._derive, choices)

    @functools.cached_property
    def dispatcher(self) -> Any:
        """The Numba function."""
        from numgrad.adjoint import runtime

        return runtime.numba_function(lambda shapes: self._compiled(tuple(shapes)), self.signature)

    @property
    def _numba_type_(self) -> Any:
        from numgrad.adjoint import runtime

        return runtime.dispatcher_type(self.dispatcher)

    def lower_call(
        self, lo: Lowering, args: list[Front], keywords: dict[str, Front], node: ast.AST
    ) -> Front:
        """Read a call of it within code that is differentiated."""
        from numgrad.adjoint import expressions

        defaults = {
            p.name: expressions.static(p.default)
            for p in self.signature.parameters.values()
            if p.default is not p.empty
        }
        try:
            given = self.signature.bind_partial(*args, **keywords).arguments
            missing = [n for n in self.parameters if n not in given and n not in defaults]
        except TypeError as error:
            lo.refuse(node, f"{self.name}{self.signature} {error}", "pass its arguments")
        if missing:
            lo.refuse(node, f"{self.name}() misses its argument {missing[0]!r}", "pass it")
        fronts = [given[n] if n in given else defaults[n] for n in self.parameters]
        made = [expressions.made(lo, a) for a in fronts]
        flat = [leaf for a in made for leaf in leaves(a)]
        derived = self.derived_once(tuple(shape_of(a) for a in made), calls.grouped(lo, flat))
        for k in derived.procedure.writes:
            lo.write(flat[k], node)  # type: ignore[arg-type]
        return calls.append_call(lo, derived.procedure, flat, derived.result)


def _kinds(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """What tells the types of numbers and arrays apart."""
    return tuple([(a.dtype, a.ndim) if type(a) is np.ndarray else type(a) for a in args])


class Function:
    """A function compiled by Numba that can be differentiated. Made by `numgrad.njit`.

    It behaves as what `numba.njit` gives: call it from Python or from compiled code.
    """

    __name__: str

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self.py_func = function
        self.options = options

    def __repr__(self) -> str:
        return f"<numgrad.njit function {self.py_func.__qualname__}>"

    def __reduce__(self) -> str:
        """Pickle it by its name, as Python functions are, for other processes."""
        return self.py_func.__qualname__

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
        if tensors.holds_tensor((*args, *keywords.values())):
            return tensors.call(self, self.bound(args, keywords))
        return self.plain(*args, **keywords)

    @functools.cached_property
    def signature(self) -> inspect.Signature:
        """Its parameters, with their defaults."""
        return binding.signature_of(self.py_func)

    def bound(self, args: Sequence[Any], keywords: Mapping[str, Any]) -> tuple[Any, ...]:
        """All arguments by position, also those given by keyword and by default.

        Raises:
            TypeError: one is missing, unknown, or given twice.
        """
        return binding.bound(self.signature, self.__name__, args, keywords)

    def plain(self, *args: Any, **keywords: Any) -> Any:
        """Call with plain numbers and arrays."""
        if interpreter.is_active():
            return self.py_func(*args, **keywords)
        return self.dispatcher(*args, **keywords)

    def derived(self, shapes: tuple[Shape, ...]) -> Derived:
        """The procedure for arguments of these types, and the type of its result."""
        return derived_for(self.py_func, shapes)

    def adjoint_source(self, *args: Any, **keywords: Any) -> str:
        """The text of the generated gradient, as Python that can be read.

        The gradient is that by all arguments of floats; of a function whose result is not one
        float it is the product of a seed with the Jacobian. For arguments like these, which may
        also be types of Numba; without any, for all types that the function has been compiled for
        so far. `grad(f).source()` and its kin give the text of one transform.

        Raises:
            TypeError: there are no arguments and it has not been compiled; or they do not fit.
            LanguageError: it uses what cannot be differentiated.
        """
        name = self.__name__
        args = listing.unfolded(args, keywords)
        if args or keywords or not self.signature.parameters:
            choices = [listing.shapes_of(self.bound(args, keywords), name)]
        else:
            choices = list(self.seen)
        parameters = list(self.signature.parameters)
        return listing.listing(f"{name}.adjoint_source", parameters, self._adjoint, choices)

    @property
    def seen(self) -> dict[tuple[Shape, ...], None]:
        """The types that it has been compiled for so far."""
        if "dispatcher" not in self.__dict__:
            return {}
        return {listing.shapes_of(s, self.__name__): None for s in self.dispatcher.signatures}

    def _adjoint(self, shapes: tuple[Shape, ...]) -> Derived:
        """The derivative by everything that has one."""
        from numgrad.adjoint.transforms import adjoint

        return adjoint(self, shapes)


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

"""vectorize: a function of numbers with loops and branches, lifted to arrays and tensors."""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING, Any

from numgrad.adjoint import calls, disk, lazy, writing
from numgrad.adjoint.fronts import is_array, shape_of
from numgrad.adjoint.function import Compiled, Function, derived_for
from numgrad.adjoint.ir import F4, F8, Alloc, Call, Const, Fail, Procedure, Scalar, walk
from numgrad.adjoint.jacobians import Jacobian
from numgrad.declaration import ElementwiseFunction, named, runs
from numgrad.errors import LanguageError
from numgrad.op import Elementwise
from numgrad.value import Value as Operand

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable

    from numgrad.adjoint.fronts import Front, Shape
    from numgrad.adjoint.ir import Value
    from numgrad.adjoint.lowering import Lowering
    from numgrad.adjoint.writing import Derived

# What generated code calls in another form than kernels do.
_RUNTIME = "copysign, cos, fmod, from_bits, maximum, minimum, remainder, sign, sin, tan, to_bits, u"
_DEFINITIONS = """\
def make_{name}():
    import numpy as np
    from numgrad.adjoint.runtime import {runtime}
    from numgrad.kernels.jit import called, inline

{body}
    return entry

{name} = make_{name}()
"""


class Vectorized(ElementwiseFunction):
    """A function of numbers lifted to arrays and tensors: see `vectorize`, which makes it."""

    maker = "vectorize"

    def __init__(self, function: Callable[..., Any]) -> None:
        self.py_func = function
        # Whether its derivatives were set by `partial`.
        self.has_rule = False
        super().__init__(function, None)

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """Apply it; arguments broadcast. It gives tensors for tensors, and arrays for arrays."""
        result = super().__call__(*args, **keywords)
        if any(isinstance(a, Operand) for a in (*args, *keywords.values())):
            return result
        return result.array[()]

    def __repr__(self) -> str:
        return f"<vectorized function {self.__name__}{self.signature}>"

    @functools.cached_property
    def _numba_type_(self) -> Any:
        from numgrad.adjoint import runtime

        @functools.cache
        def load(shapes: tuple[Shape, ...]) -> Any:
            return runtime.load(writing.write(derived_for(self.py_func, shapes)))

        function = runtime.numba_function(lambda shapes: load(tuple(shapes)), self.signature)
        return runtime.lifted_type(function, len(self.params))

    def lower_call(
        self, lo: Lowering, args: list[Front], keywords: dict[str, Front], node: ast.Call
    ) -> Front:
        """Read a call of it within code that is differentiated."""
        if self.has_rule:
            lo.refuse(
                node,
                f"{self.__name__}() has derivatives of its own, by .partial, which compiled code"
                " does not know",
                "call it outside, or the function without .partial",
            )
        if keywords or not any(map(is_array, args)):
            return calls.user_call(lo, self.py_func, args, keywords, node)

        def apply(*numbers: Value) -> Any:
            entry = lo.program.entry(self.py_func, [shape_of(n) for n in numbers])
            return calls.append_call(lo, entry.procedure, list(numbers), entry.result)

        return lazy.elementwise(lo, apply, *args)

    def partial(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set the derivatives, as `numgrad.elementwise` takes them: `rule(*params, out)`."""
        super().partial(rule)
        self.has_rule = True
        return rule

    def _declared(self, function: Callable[..., Any], template: str | None) -> Elementwise:
        del template
        return Generated(named(function, function), function)

    def _again(self) -> Elementwise:
        return Generated(self.op.body, self.py_func)


class Generated(Elementwise):
    """An op whose kernels call generated code. Its derivatives are such ops again."""

    def __init__(self, body: Callable[..., Any], function: Any) -> None:
        # What is read for it: a Python function, or what was derived from one.
        self.function = function
        super().__init__(body, "")
        # By which arguments the function was differentiated, and its derivatives by this.
        self.path: tuple[int, ...] = ()
        self.family: dict[tuple[int, ...], Generated | None] = {}
        self._rule = self._derivatives

    @property
    def template(self) -> str:
        """The call; the function has to be read for its name to be known."""
        places = ", ".join(f"{{{k}}}" for k in range(len(self.params)))
        return f"{self._called}({places})"

    @template.setter
    def template(self, text: str | None) -> None:
        del text

    @functools.cached_property
    def _called(self) -> str:
        """The name of the generated function, which no other one has."""
        digest = hashlib.sha256(self._body(F8).encode()).hexdigest()
        return f"{self.name}_{digest[:12]}"

    def definitions(self, dtype: str) -> str:
        """The text of the generated functions."""
        body = self._body(F4 if dtype == "f4" else F8)
        return _DEFINITIONS.format(name=self._called, runtime=_RUNTIME, body=body)

    def _derived(self, kind: Scalar) -> Derived:
        return derived_for(self.function, (kind,) * len(self.params))

    @functools.cache  # noqa: B019 - ops live as long as the process
    def _body(self, kind: Scalar) -> str:
        derived = self._derived(kind)
        _check(self.name, derived)
        text = writing.write(derived)
        lines = disk.constants(text)
        if lines is None:
            raise LanguageError(
                f"{self.name} closes over a large array or an object of its own, and code that is"
                f" kept cannot: the elements of an array that is read may be"
                f" {disk.MOST_ELEMENTS} at most. Pass what is needed as an argument."
            )
        recursive = {p.name for p in writing.reachable(derived.procedure) if _calls_itself(p)}
        for line in text.body.splitlines():
            if line.startswith("def "):
                name = line[4 : line.index("(")]
                lines.append("@called" if name in recursive else "@inline")
            lines.append(line)
        return "\n".join(f"    {line}" if line else "" for line in lines)

    def _derivatives(self, *args_and_out: Any) -> tuple[Any, ...]:
        """The local derivatives: calls of ops that compute them, or 0."""
        *args, _ = args_and_out
        return tuple(
            0.0 if op is None else op(*args)
            for op in (self._derivative(k) for k in range(len(args)))
        )

    def _derivative(self, k: int) -> Generated | None:
        """The op of one derivative; mixed ones are the same in either order."""
        path = tuple(sorted((*self.path, k)))
        if path not in self.family:
            self.family[path] = self._differentiated(k)
        return self.family[path]

    def _differentiated(self, k: int) -> Generated | None:
        """The op of one derivative, in forward mode, which saves nothing; None where it is zero."""
        if self._derived(F8).result not in (F8, F4):
            return None
        known = isinstance(self.function, Compiled)
        function = self.function if known else Function(self.function, {})
        slope = Jacobian(function, k, mode="forward")
        (result,) = derived_for(slope, (F8,) * len(self.params)).procedure.results
        if isinstance(result, Const) and result.value == 0:
            return None
        body = named(self.body, self.body)
        body.__name__ = f"{self.name}_d{k}"
        op = Generated(body, slope)
        op.path, op.family = tuple(sorted((*self.path, k))), self.family
        runs(op)
        return op


def _calls_itself(procedure: Procedure) -> bool:
    return any(
        isinstance(s, Call) and procedure in writing.reachable(s.function)
        for s in walk(procedure.body)
    )


def _check(name: str, derived: Derived) -> None:
    """Raise for what kernels cannot do: give anything but a number, make arrays, raise errors."""
    if not isinstance(derived.result, Scalar):
        raise TypeError(
            f"vectorize() takes functions of numbers that return one number; {name}() returns"
            " several, or an array: write a function for each, or use numgrad.njit."
        )
    for procedure in writing.reachable(derived.procedure):
        for stmt in walk(procedure.body):
            if isinstance(stmt, (Alloc, Fail)):
                raise LanguageError(
                    f"vectorize() takes functions of numbers, and {name}() makes an array that"
                    " numbers cannot replace: index it by constants only, or compile the function"
                    " by numgrad.njit and map it by numgrad.vmap."
                )


def vectorize(function: Callable[..., Any]) -> Vectorized:
    """Lift a function of numbers, with loops and branches, to arrays and tensors.

    The function is written in the language of `numgrad.njit`: loops, branches, calls of other
    compiled functions, constants from outside. It becomes a compiled op like those of the library:
    one kernel goes over all elements, and one over all gradients, in threads where there is much
    to do. Its derivatives of any order, in both modes and under `vmap`, are derived from its
    source; `.partial` sets others, as for `numgrad.elementwise`. Kernels are cached as those of
    the library are.

    Gives tensors where an argument is one, else arrays. It can be called from compiled code.

    Shape: arguments broadcast.
    Dtype: as `numgrad.exp`, integers give the default dtype; within the function all arguments are
        floats, so that a count of iterations is written `range(int(n))`.

    Raises:
        LanguageError: when it is first called, for what has no derivative, or needs arrays.
        TypeError: the function gives anything but one number.

    Source: `numpy.vectorize`, `numba.vectorize`

    >>> import numgrad as ng
    >>> @ng.vectorize
    ... def steps_to(x, rate):
    ...     total = 0.0
    ...     while x > 1.0:
    ...         x *= rate
    ...         total += x
    ...     return total
    >>> import numpy as np
    >>> steps_to(np.array([1.0, 3.0]), 0.5)
    array([0.  , 2.25])
    >>> x = ng.tensor([1.0, 3.0], requires_grad=True)
    >>> y = steps_to(x, 0.5)
    >>> y
    tensor([0.0000, 2.2500], grad_fn=<StepsToBackward0>)
    >>> ng.autograd.grad(y.sum(), x)
    (tensor([0.0000, 0.7500]),)
    """
    return Vectorized(getattr(function, "py_func", function))


__all__ = ["Vectorized", "vectorize"]

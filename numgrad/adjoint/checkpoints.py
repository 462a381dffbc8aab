"""`numgrad.checkpoint`: what the way back needs is computed again instead of saved."""

from __future__ import annotations

import ast
import functools
from typing import TYPE_CHECKING, Any

from numgrad.adjoint import calls
from numgrad.adjoint.builder import ONE, ZERO

if TYPE_CHECKING:
    from collections.abc import Callable

    from numgrad.adjoint.fronts import Front
    from numgrad.adjoint.ir import Value
    from numgrad.adjoint.lowering import Lowering


def checkpoint(what: Any, every: int | None = None) -> Any:
    """A range or a function of which gradients compute again what they need, not save it.

    Around the range (or the arrays) of a `for` loop in a function under `numgrad.njit`: what the
    loop carries is saved after every so many iterations, by default the root of their number; on
    the way back these iterations are run again. Memory for n iterations is that for `2 * sqrt(n)`,
    at the cost of running them once more. `every` may be any integer known when the loop starts.

    Around a function: one that is called like it, and again on the way back, with the arguments of
    before. In compiled code that holds for one call; on tensors it is that of
    `numgrad.utils.checkpoint`.

    Values and derivatives are those without it. What is run again must not depend on anything but
    its arguments.

    Raises:
        TypeError: neither a range nor a function.

    >>> import numgrad as ng
    >>> @ng.njit
    ... def grow(rate, steps):
    ...     x = 0.5
    ...     for _ in ng.checkpoint(range(steps)):
    ...         x = rate * x * (1.0 - x)
    ...     return x
    >>> round(ng.grad(grow)(3.0, 2), 6)
    -0.1875
    """
    if not callable(what) and hasattr(what, "__iter__"):
        return what
    if not callable(what):
        raise TypeError(
            f"checkpoint() takes a range or a function, got {type(what).__name__}: write"
            " for i in checkpoint(range(n)), or checkpoint(f)(x)."
        )
    if every is not None:
        raise TypeError("checkpoint() of a function takes no `every`: leave it out.")
    return Checkpointed(what)


# Code that is differentiated calls it while it is read, as it does transforms.
checkpoint.__dict__["lower_transform"] = True


class Checkpointed:
    """A function that is called again on the way back. Made by `numgrad.checkpoint`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    def __repr__(self) -> str:
        return f"<checkpoint of {self.function!r}>"

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """Call the function."""
        from numgrad.utils.checkpoint import checkpoint as eager

        return eager(self.function, *args, **keywords)

    def lower_call(
        self, lo: Lowering, args: list[Front], keywords: dict[str, Front], node: ast.AST
    ) -> Front:
        """Read a call of it within code that is differentiated."""
        inner = calls.python_function(self.function)
        if inner is None:
            return lo.refuse(
                node, "checkpoint() is around a function that is not compiled", "use @numgrad.njit"
            )
        return calls.user_call(lo, inner, args, keywords, node, again=True)


def of_range(lo: Lowering, node: ast.Call) -> tuple[ast.expr, Value]:
    """What a loop over `checkpoint(...)` runs over, and how many iterations are run again at once.

    The number is 0 where it is not given.
    """
    from numgrad.adjoint import expressions

    given = dict(zip(("what", "every"), node.args, strict=False))
    given |= {str(k.arg): k.value for k in node.keywords}
    if len(node.args) > 2 or given.keys() - {"what", "every"} or "what" not in given:
        lo.refuse(node, "checkpoint() takes a range and `every`", "write checkpoint(range(n))")
    if "every" not in given or ast.unparse(given["every"]) == "None":
        return given["what"], ZERO
    every = expressions.integer(lo, given["every"])
    return given["what"], lo.builder.emit("i.max", every, ONE)

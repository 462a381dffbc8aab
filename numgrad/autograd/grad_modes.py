"""Whether ops are recorded: context managers that are decorators, too.

All hold for the thread, or the asyncio task, that enters them, nest, and restore what was before
on leaving, also by an exception. As decorators they enter anew at every call; of a generator
function or coroutine, at every step.
"""

from __future__ import annotations

import functools
import inspect
import types
from typing import TYPE_CHECKING, Any

from numgrad.modes import entering, leaving, modes, set_modes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class _Mode:
    """A context manager that sets some of the modes."""

    settings: dict[str, Any]

    def __new__(cls, function: Any = None) -> Any:
        """Make the context manager; or decorate, where used without parentheses."""
        mode = super().__new__(cls)
        if callable(function):
            mode.__init__()  # type: ignore[misc]
            return mode(function)
        return mode

    def __init__(self) -> None:
        self._before: list[dict[str, Any]] = []

    def __enter__(self) -> None:
        now = modes()
        entering(self, {name: getattr(now, name) for name in self.settings})
        set_modes(now._replace(**self.settings))

    def __exit__(self, *exception: object) -> None:
        before = leaving(self)
        if before is not None:
            set_modes(modes()._replace(**before))

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a function, generator function or coroutine function."""

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        @functools.wraps(function)
        def generate(*args: Any, **kwargs: Any) -> Any:
            return self._steps(function(*args, **kwargs))

        @functools.wraps(function)
        async def run(*args: Any, **kwargs: Any) -> Any:
            return await _awaitable(self._steps(function(*args, **kwargs).__await__()))

        if inspect.isgeneratorfunction(function):
            return generate
        return run if inspect.iscoroutinefunction(function) else call

    def _steps(self, generator: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Run a generator, in the mode while it runs and outside while it waits."""
        resume = functools.partial(generator.send, None)
        while True:
            try:
                with self:
                    value = resume()
            except StopIteration as stop:
                return stop.value
            try:
                sent = yield value
            except GeneratorExit:
                generator.close()
                raise
            except BaseException as error:  # noqa: BLE001 - handed on to the generator
                resume = functools.partial(generator.throw, error)
            else:
                resume = functools.partial(generator.send, sent)


@types.coroutine
def _awaitable(steps: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    return (yield from steps)


class no_grad(_Mode):  # noqa: N801 - PyTorch's name
    """Do not record: results do not require grad and are leaves.

    >>> import numgrad as ng
    >>> x = ng.ones(2, requires_grad=True)
    >>> with ng.no_grad():
    ...     (x * 2).requires_grad
    False
    """

    settings = {"recording": False}  # noqa: RUF012 - never changed


class enable_grad(_Mode):  # noqa: N801 - PyTorch's name
    """Record, also inside `no_grad`."""

    settings = {"recording": True, "inference": False}  # noqa: RUF012 - never changed


class set_grad_enabled(_Mode):  # noqa: N801 - PyTorch's name
    """Record or not, from the call on; as a context manager or decorator, within it.

    >>> import numgrad as ng
    >>> with ng.set_grad_enabled(False):
    ...     ng.is_grad_enabled()
    False
    """

    def __new__(cls, mode: bool) -> Any:  # noqa: ARG004 - for __init__
        """Make the context manager."""
        return object.__new__(cls)

    def __init__(self, mode: bool) -> None:
        self.settings = {"recording": bool(mode)}
        # What the call has changed and nobody has put back yet.
        self._outside: dict[str, Any] | None = {"recording": modes().recording}
        set_modes(modes()._replace(**self.settings))

    def __enter__(self) -> None:
        if self._outside is not None:
            set_modes(modes()._replace(**self._outside))
            self._outside = None
        super().__enter__()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a function; outside of it nothing changes."""
        with self:  # puts back what the call has changed
            pass
        return super().__call__(function)


class inference_mode(_Mode):  # noqa: N801 - PyTorch's name
    """Do not record, and make results that never can be: they have no version counter.

    `inference_mode(False)` does nothing.

    >>> import numgrad as ng
    >>> with ng.inference_mode():
    ...     ng.ones(2).is_inference()
    True
    """

    def __new__(cls, mode: Any = True) -> Any:
        """Make the context manager; or decorate, where used without parentheses."""
        if callable(mode):
            return cls()(mode)
        return object.__new__(cls)

    def __init__(self, mode: bool = True) -> None:
        self.settings = {"recording": False, "inference": True} if mode else {}


class strict_ieee(_Mode):  # noqa: N801 - named like the modes above
    """Let products of the chain rule follow IEEE, so that 0 * inf is nan.

    Without it a contribution with one factor 0 and the other not finite is 0, so that a branch
    that was not taken cannot poison a gradient; the price is that a true limit of 0 * inf is
    taken for 0. Read when derivatives are computed, not when they are recorded.

    >>> import numgrad as ng
    >>> x = ng.tensor(0.0, requires_grad=True)
    >>> ng.autograd.grad((x * 0.0).sqrt(), x)
    (tensor(0.),)
    >>> with ng.autograd.strict_ieee():
    ...     ng.autograd.grad((x * 0.0).sqrt(), x)
    (tensor(nan),)
    """

    def __new__(cls, mode: bool = True) -> Any:  # noqa: ARG004 - for __init__
        """Make the context manager."""
        return object.__new__(cls)

    def __init__(self, mode: bool = True) -> None:
        self.settings = {"strict_ieee": mode}


def is_grad_enabled() -> bool:
    """Whether ops are recorded in this thread or task."""
    return modes().recording


def is_inference_mode_enabled() -> bool:
    """Whether this thread or task is in inference mode."""
    return modes().inference

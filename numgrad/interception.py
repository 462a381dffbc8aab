"""Stepping between a program and its ops, for as long as somebody looks, at no cost otherwise.

Functions such as `numgrad.exp` are bound in many places: in the package, as methods and operators
of tensors, in tables of NumPy's functions, under names of users. So not the bindings are changed
but the functions themselves: while an observer is attached, the code of each eager function is a
call of what observes it, which calls a copy of the function. Vjps are reached through the plans of
nodes, which a walk knows before it pulls the first: it is there that they are changed.
"""

from __future__ import annotations

import functools
from types import FunctionType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from numgrad.backward import Walk
from numgrad.locks import process_lock
from numgrad.value import OWN, REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

    from numgrad.tape import Node, Plan

    Call: TypeAlias = Callable[..., Any]


class Observer(Protocol):
    """Looks at ops in all threads, from `attach` to `detach`."""

    def of_op(self, op: Any, call: Call) -> Call:
        """Return what is called instead of the eager function of an op, which is `call`."""

    def of_pull(self, call: Call) -> Call:
        """Return what is called instead of a pull of a plan; the first argument is the node."""

    def of_walk(self, call: Call) -> Call:
        """Return what is called instead of `Walk.run`."""


# Guards all that follows.
_lock = process_lock()
_observers: list[Observer] = []
# Eager functions whose code is changed, and their own code.
_own_code: dict[FunctionType, CodeType] = {}
# Names of pulls, as plans have them.
_PULLS = ("pull", "pull_strict", "pull_recorded")
# Plans that walks are under way with.
_watched: dict[Plan, _Watched] = {}
_pull_nodes = Walk.pull
_run = Walk.run


def attach(observer: Observer) -> None:
    """Let an observer look from now on, in front of those that look already."""
    with _lock:
        _observers.append(observer)
        _rewire()


def detach(observer: Observer) -> None:
    """Let an observer look no longer."""
    with _lock:
        _observers.remove(observer)
        _rewire()


def _rewire() -> None:
    """Put the observers there are before all eager functions and walks; without any, nothing."""
    for function, code in _own_code.items():
        function.__code__ = code
    _own_code.clear()
    run: Any = _run
    if _observers:
        for op in (*REGISTRY.values(), *OWN):
            _watch(op)
        for observer in _observers:
            run = observer.of_walk(run)
    walk: Any = Walk
    walk.pull = _pull_watched if _observers else _pull_nodes
    walk.run = run


def _watch(op: Any) -> None:
    function = op.eager
    call: Call = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    call.__kwdefaults__ = function.__kwdefaults__
    for observer in _observers:
        call = observer.of_op(op, call)
    _own_code[function] = function.__code__
    function.__code__ = _calling(call, len(function.__code__.co_freevars))


def _calling(call: Call, free: int) -> CodeType:
    """Code that calls `call`, for a function with this many free variables."""
    template = _template(free)
    constants = tuple(call if c == _MARK else c for c in template.co_consts)
    return template.replace(co_consts=constants)


_MARK = "what is called instead"


@functools.cache
def _template(free: int) -> CodeType:
    names = [f"free_{k}" for k in range(free)]
    lines = [
        "def make():",
        *(f"    {name} = None" for name in names),
        "    def call(*args, **keywords):",
        f"        target = {_MARK!r}",
        "        return target(*args, **keywords)",
        # Never reached; named, so that they are free variables of it.
        *(f"        {name}" for name in names),
        "    return call",
    ]
    space: dict[str, Any] = {}
    # The name shows in tracebacks that it is of this package, but no file whose lines were shown.
    code = compile("\n".join(lines), f"{__file__}, made while ops are observed", "exec")
    exec(code, space)  # noqa: S102 - text of this function alone
    return space["make"]().__code__  # type: ignore[no-any-return]


def _pull_watched(walk: Walk, ready: list[Node], counts: dict[Node, int]) -> None:
    """Do what `Walk.pull` does, with observers before the pulls of all plans on the way."""
    plans = {node.plan for node in counts}
    with _lock:
        for plan in plans:
            if plan not in _watched:
                _watched[plan] = _Watched(plan)
            _watched[plan].walks += 1
    try:
        _pull_nodes(walk, ready, counts)
    finally:
        with _lock:
            for plan in plans:
                _watched[plan].walks -= 1
                if not _watched[plan].walks:
                    _watched.pop(plan).restore()


class _Watched:
    """The pulls of one plan, behind observers until `restore`."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        # How many walks are under way.
        self.walks = 0
        self.calls: dict[str, Call] = {}
        # What stands before these: it refers to this object, which is a cycle until `restore`.
        self.shown: dict[str, Call] = {}
        # Those that the plan has from its class.
        self.inherited: set[str] = set()
        for name in _PULLS:
            if hasattr(plan, name):
                self._watch(name)

    def _watch(self, name: str) -> None:
        plan = self.plan
        self.calls[name] = getattr(plan, name)
        if name not in vars(plan):
            self.inherited.add(name)

        def call(*args: Any) -> Any:
            result = self.calls[name](*args)
            if vars(plan).get(name) is not self.shown.get(name):
                with _lock:
                    # Unless it was restored meanwhile, for walks of other threads, it has replaced
                    # itself by what it loaded at its first call.
                    if _watched.get(plan) is self:
                        self.calls[name] = vars(plan)[name]
                        setattr(plan, name, self.shown[name])
            return result

        shown: Call = call
        for observer in _observers:
            shown = observer.of_pull(shown)
        self.shown[name] = shown
        setattr(plan, name, shown)

    def restore(self) -> None:
        """Give the plan its own pulls again."""
        self.shown.clear()
        for name, call in self.calls.items():
            if name in self.inherited:
                delattr(self.plan, name)
            else:
                setattr(self.plan, name, call)

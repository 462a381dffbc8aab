"""Arguments by keyword and by default: put in the order of the parameters."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from numgrad.adjoint.source import read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_KIND = inspect.Parameter.POSITIONAL_OR_KEYWORD


def signature_of(function: Any) -> inspect.Signature:
    """The parameters of a Python function, with its defaults.

    Raises:
        LanguageError: they are not those of a compiled function.
    """
    read(function)
    known = inspect.signature(function).parameters.values()
    # Annotations are of no use here, and may name what cannot be resolved.
    return inspect.Signature([p.replace(annotation=p.empty) for p in known])


def behind(name: str, signature: inspect.Signature) -> inspect.Signature:
    """The parameters of a signature behind one more, which is called `name` if that is free."""
    while name in signature.parameters:
        name = f"{name}_"
    first = [inspect.Parameter(name, _KIND)]
    rest = [p.replace(kind=_KIND) for p in signature.parameters.values()]
    return inspect.Signature([*first, *rest])


def bound(
    signature: inspect.Signature, name: str, args: Sequence[Any], keywords: Mapping[str, Any]
) -> tuple[Any, ...]:
    """All arguments by position.

    Raises:
        TypeError: one is missing, unknown, or given twice.
    """
    if not keywords and len(args) == len(signature.parameters):
        return tuple(args)
    try:
        found = signature.bind(*args, **keywords)
    except TypeError as error:
        message = f"{name}{signature} cannot be called with {_given(args, keywords)}: {error}."
        raise TypeError(message) from None
    found.apply_defaults()
    return found.args


def _given(args: Sequence[Any], keywords: Mapping[str, Any]) -> str:
    """What a call gave, for messages."""
    some = f"{len(args)} argument{'s' if len(args) != 1 else ''}"
    return f"{some} and {', '.join(keywords)}" if keywords else some

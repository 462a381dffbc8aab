"""Parameter: a leaf that says that it is to be trained."""

from __future__ import annotations

from typing import Any

from numgrad.record import as_tensor
from numgrad.tensor import Tensor, alias


class _ParameterType(type):
    """Lets isinstance() find parameters, which are tensors that carry a mark."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor) and getattr(instance, "is_parameter", False)


class Parameter(metaclass=_ParameterType):
    """A tensor that requires grad and prints as a parameter; it shares the memory of `data`.

    A parameter is a Tensor and runs as fast as one: the class only makes and recognises them.

    >>> ng.nn.Parameter(ng.tensor([1.0, 2.0]))
    Parameter containing:
    tensor([1., 2.], requires_grad=True)
    """

    def __new__(cls, data: Any, requires_grad: bool = True) -> Tensor:  # type: ignore[misc]
        """Mark a leaf that shares the memory of `data`."""
        source = as_tensor(data, "Parameter")
        t = alias(source.array, source.counter())
        t.requires_grad = requires_grad
        t.is_parameter = True
        return t

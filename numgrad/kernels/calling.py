"""Calls of compiled loops by their addresses, for compiled code."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from numgrad.kernels.jit import intrinsic, types


@intrinsic
def call_at(typing: Any, address: Any, args: Any, dims: Any, steps: Any, data: Any) -> Any:
    """Call the inner loop of a ufunc at an address."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        target, *others = values
        kind = ir.FunctionType(ir.VoidType(), [value.type for value in others])
        builder.call(builder.inttoptr(target, kind.as_pointer()), others)
        return context.get_dummy_value()

    return types.void(address, args, dims, steps, data), generate

"""Texts of small kernels, for tests."""

from __future__ import annotations

from numgrad.kernels import build

SUFFIX = {"d": "f8", "f": "f4", "l": "i8", "?": "b1"}


def source(expression, types, before=""):
    """A loop that stores `expression` of x0, x1, ...; several outputs are divided by semicolons."""
    inputs, outputs = types.split("->")
    lines = [before, "def loop(args, dims, steps, data):", "    for i in range(dims[0]):"]
    for k, code in enumerate(inputs):
        lines.append(f"        x{k} = load_{SUFFIX[code]}(args[{k}], i * steps[{k}])")
    for k, (code, value) in enumerate(
        zip(outputs, expression.split(";"), strict=True), len(inputs)
    ):
        lines.append(f"        store_{SUFFIX[code]}(args[{k}], i * steps[{k}], {value})")
    return "\n".join([*lines, ""])


def elementwise(expression, types="dd->d", before=""):
    return build.kernel("f", source(expression, types, before), types)

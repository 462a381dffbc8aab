"""Samples of elementwise functions: arithmetic, powers, rounding, choice.

Of zeros with different signs, NumPy leaves open which one is the larger.
"""

from __future__ import annotations

import numpy as np

from numgrad.samples.domains import between, booleans, signed, steps
from numgrad.samples.row import elementwise

ROWS = (
    elementwise("add", signed(0.2, 2), signed(0.2, 2), reference=np.add, ulps=0),
    elementwise("sub", signed(0.2, 2), signed(0.2, 2), reference=np.subtract, ulps=0),
    elementwise("mul", signed(0.2, 2), signed(0.2, 2), reference=np.multiply, ulps=0),
    elementwise("div", signed(0.2, 2), signed(0.3, 2), reference=np.divide, ulps=0),
    elementwise("neg", signed(0.2, 2), reference=np.negative, ulps=0),
    elementwise("abs", signed(0.2, 2), reference=np.abs, ulps=0),
    elementwise("square", signed(0.2, 2), reference=np.square, ulps=0),
    elementwise("reciprocal", signed(0.3, 2), reference=lambda x: 1 / x, ulps=0),
    elementwise("sqrt", between(0.2, 3), reference=np.sqrt, ulps=0),
    elementwise("pow", between(0.3, 2), signed(0.3, 2.5), reference=np.power),
    elementwise(
        "pow",
        signed(0.3, 2),
        label="(x, 3)",
        call=lambda f, x: f(x, 3),
        reference=lambda x: np.power(x, 3),
    ),
    elementwise(
        "pow",
        signed(0.3, 2),
        label="(x, -2.0)",
        call=lambda f, x: f(x, -2.0),
        reference=lambda x: np.power(x, -2.0),
    ),
    elementwise(
        "pow",
        signed(0.3, 2),
        label="(2.5, y)",
        call=lambda f, y: f(2.5, y),
        reference=lambda y: np.power(2.5, y),
    ),
    elementwise("sign", signed(0.2, 2), reference=np.sign, ulps=0),
    elementwise("floor", steps(0.3), reference=np.floor, ulps=0),
    elementwise("ceil", steps(0.3), reference=np.ceil, ulps=0),
    elementwise("trunc", steps(0.3), reference=np.trunc, ulps=0),
    elementwise("round", steps(0.3), reference=np.round, ulps=0),
    elementwise(
        "round",
        steps(0.3),
        label="decimals=1",
        call=lambda f, x: f(x / 10, decimals=1),
        reference=lambda x: np.round(x / 10, 1),
        integers=None,
    ),
    elementwise(
        "frac", signed(1.1, 1.9), reference=lambda x: x - np.trunc(x), edges=False, integers=None
    ),
    elementwise("fmod", signed(3.1, 3.9), signed(2.1, 2.9), reference=np.fmod),
    elementwise("fmax", steps(0.0), steps(0.5), reference=np.fmax, ulps=0, signed_zeros=False),
    elementwise("fmin", steps(0.0), steps(0.5), reference=np.fmin, ulps=0, signed_zeros=False),
    elementwise("copysign", signed(0.1, 2), signed(0.1, 2), reference=np.copysign, ulps=0),
    elementwise("remainder", signed(3.1, 3.9), signed(2.1, 2.9), reference=np.remainder),
    elementwise(
        "floor_divide", signed(3.1, 3.9), signed(2.1, 2.9), reference=np.floor_divide, ulps=0
    ),
    elementwise(
        "maximum", steps(0.0), steps(0.5), reference=np.maximum, ulps=0, signed_zeros=False
    ),
    elementwise(
        "minimum", steps(0.0), steps(0.5), reference=np.minimum, ulps=0, signed_zeros=False
    ),
    elementwise(
        "clamp",
        steps(0.5),
        label="(x, -1, 1)",
        call=lambda f, x: f(x, -1, 1),
        reference=lambda x: np.clip(x, -1, 1),
        ulps=0,
        signed_zeros=False,
    ),
    elementwise(
        "clamp",
        steps(0.5),
        label="min=0",
        call=lambda f, x: f(x, min=0),
        reference=lambda x: np.maximum(x, 0),
        ulps=0,
        signed_zeros=False,
    ),
    elementwise(
        "clamp",
        steps(0.5),
        label="max=0",
        call=lambda f, x: f(x, max=0),
        reference=lambda x: np.minimum(x, 0),
        ulps=0,
        signed_zeros=False,
    ),
    elementwise(
        "clamp",
        steps(0.3, -2, 3),
        steps(0.0, -2, 1),
        steps(0.6, 1, 3),
        label="(x, low, high)",
        reference=np.clip,
        ulps=0,
        signed_zeros=False,
    ),
    elementwise("where", booleans, signed(0.2, 2), signed(0.2, 2), reference=np.where, ulps=0),
    elementwise(
        "lerp",
        signed(0.2, 2),
        signed(0.2, 2),
        between(0.1, 0.9),
        reference=lambda x, y, w: x + w * (y - x),
        edges=False,
        integers=None,
    ),
    elementwise(
        "lerp",
        signed(0.2, 2),
        signed(0.2, 2),
        label="(x, y, 0.25)",
        call=lambda f, x, y: f(x, y, 0.25),
        reference=lambda x, y: x + 0.25 * (y - x),
        edges=False,
        integers=None,
    ),
)

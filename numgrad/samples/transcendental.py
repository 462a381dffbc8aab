"""Samples of elementwise functions: exponentials, trigonometry, special functions."""

from __future__ import annotations

import numpy as np
import scipy.special

from numgrad.samples.domains import between, signed
from numgrad.samples.row import elementwise

ROWS = (
    elementwise("exp", signed(0.1, 2), reference=np.exp),
    elementwise("expm1", signed(0.1, 2), reference=np.expm1),
    elementwise("log", between(0.2, 3), reference=np.log),
    elementwise("log1p", between(-0.7, 3), reference=np.log1p),
    elementwise("sin", signed(0.1, 4), reference=np.sin),
    elementwise("cos", signed(0.1, 4), reference=np.cos),
    elementwise("tan", signed(0.1, 1.2), reference=np.tan),
    elementwise("asin", signed(0.1, 0.8), reference=np.arcsin, integers=(-1, 0, 1)),
    elementwise("acos", signed(0.1, 0.8), reference=np.arccos, integers=(-1, 0, 1)),
    elementwise("atan", signed(0.1, 3), reference=np.arctan),
    elementwise("sinh", signed(0.1, 2), reference=np.sinh),
    elementwise("cosh", signed(0.1, 2), reference=np.cosh),
    elementwise("tanh", signed(0.1, 2), reference=np.tanh),
    elementwise("sigmoid", signed(0.1, 3), reference=scipy.special.expit),
    elementwise("exp2", signed(0.1, 2), reference=np.exp2),
    elementwise("log2", between(0.2, 3), reference=np.log2),
    elementwise("log10", between(0.2, 3), reference=np.log10),
    elementwise("asinh", signed(0.1, 2), reference=np.arcsinh),
    elementwise("acosh", between(1.2, 3), reference=np.arccosh, integers=(2, 3)),
    elementwise("atanh", signed(0.1, 0.8), reference=np.arctanh, integers=(0,)),
    elementwise(
        "nn.functional.logsigmoid",
        signed(0.1, 3),
        reference=scipy.special.log_expit,
        signed_zeros=False,
    ),
    elementwise("logaddexp2", signed(0.1, 2), signed(0.1, 2), reference=np.logaddexp2),
    elementwise(
        "special.xlog1py", signed(0.2, 2), between(0.3, 2), reference=scipy.special.xlog1py
    ),
    elementwise("relu", signed(0.1, 2), reference=lambda x: np.maximum(x, 0), ulps=0),
    elementwise("erf", signed(0.1, 2), reference=scipy.special.erf),
    elementwise("atan2", signed(0.3, 2), signed(0.3, 2), reference=np.arctan2),
    elementwise("logaddexp", signed(0.1, 2), signed(0.1, 2), reference=np.logaddexp),
    elementwise("hypot", signed(0.3, 2), signed(0.3, 2), reference=np.hypot),
    elementwise("rsqrt", between(0.2, 3), reference=lambda x: 1 / np.sqrt(x + 0.0)),
    elementwise(
        "special.polygamma",
        between(0.7, 3),
        label="(2, x)",
        call=lambda f, x: f(2, x),
        reference=lambda x: scipy.special.polygamma(2, x),
        ulps=64,
        edges=False,
    ),
    elementwise("special.erf", signed(0.1, 2), reference=scipy.special.erf),
    elementwise("special.erfc", signed(0.1, 2), reference=scipy.special.erfc),
    # SciPy's gammaln is inf where gamma overflows, and -inf at -inf.
    elementwise(
        "special.gammaln",
        between(2.3, 5),
        reference=scipy.special.gammaln,
        ulps=16,
        edges=False,
    ),
    elementwise(
        "special.gammaln",
        between(-0.7, -0.3),
        label="x < 0",
        reference=scipy.special.gammaln,
        ulps=16,
        edges=False,
    ),
    elementwise("special.digamma", between(1.7, 4), reference=scipy.special.digamma, ulps=64),
    elementwise(
        "special.digamma",
        between(-0.8, -0.6),
        label="x < 0",
        reference=scipy.special.digamma,
        ulps=64,
    ),
    elementwise("special.expit", signed(0.1, 3), reference=scipy.special.expit),
    elementwise("special.xlogy", signed(0.2, 2), between(0.3, 2), reference=scipy.special.xlogy),
)

"""Special functions, under SciPy's and PyTorch's names (`torch.special`).

>>> import numgrad as ng
>>> ng.special.expit(ng.tensor(0.0))
tensor(0.5000)
"""

from __future__ import annotations

from numgrad.functions import (
    digamma,
    erf,
    erfc,
    exp2,
    expit,
    expm1,
    gammaln,
    lgamma,
    log1p,
    polygamma,
    psi,
    xlog1py,
    xlogy,
)
from numgrad.ops.softmax import log_softmax, logsumexp, softmax

__all__ = [
    "digamma",
    "erf",
    "erfc",
    "exp2",
    "expit",
    "expm1",
    "gammaln",
    "lgamma",
    "log1p",
    "log_softmax",
    "logsumexp",
    "polygamma",
    "psi",
    "softmax",
    "xlog1py",
    "xlogy",
]

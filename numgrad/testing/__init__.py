"""What tests of numerical code need: closeness with good messages, derivatives by differences.

numgrad's own tests are written with it.

>>> from numgrad import testing
>>> testing.assert_close(ng.tensor([1.0, 2.0]), [1.0, 2.0 + 1e-9])
>>> testing.assert_derivatives(lambda x, y: x * y.exp(), [1.0, 2.0], [0.5, 0.0])
"""

from __future__ import annotations

from numgrad.autograd.comparison import GradcheckError
from numgrad.autograd.gradcheck import gradcheck, gradgradcheck
from numgrad.testing.closeness import assert_close
from numgrad.testing.derivatives import (
    assert_derivatives,
    finite_difference_jacobian,
    gradients,
    relative_error,
)

__all__ = [
    "GradcheckError",
    "assert_close",
    "assert_derivatives",
    "finite_difference_jacobian",
    "gradcheck",
    "gradgradcheck",
    "gradients",
    "relative_error",
]

"""What training needs beside tensors: functions of networks in `functional`, and Parameter."""

from __future__ import annotations

from numgrad.nn import functional, utils
from numgrad.nn.parameter import Parameter

__all__ = ["Parameter", "functional", "utils"]

"""PyTorch's `torch.utils`: as much of it as belongs to automatic differentiation."""

from __future__ import annotations

from numgrad.utils import checkpoint

__all__ = ["checkpoint"]

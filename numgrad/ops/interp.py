"""Linear interpolation between samples in one dimension."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numgrad.errors import ShapeError
from numgrad.op import structural
from numgrad.ops.arithmetic import product
from numgrad.ops.choice import where
from numgrad.ops.index import index_at
from numgrad.ops.join import cat_along
from numgrad.ops.matrices import floating
from numgrad.ops.scatter import accumulate_along

if TYPE_CHECKING:
    from numgrad.tensor import Tensor

__all__ = ["interp"]

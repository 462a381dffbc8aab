"""Optimizers: what turns gradients into better parameters, in place."""

from __future__ import annotations

from numgrad.optim.adam import Adam, AdamW
from numgrad.optim.optimizer import Optimizer
from numgrad.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]

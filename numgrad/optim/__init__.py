"""Optimizers: what turns gradients into better parameters, in place."""

from __future__ import annotations

from numgrad.optim.adagrad import Adagrad
from numgrad.optim.adam import Adam, AdamW
from numgrad.optim.lbfgs import LBFGS
from numgrad.optim.optimizer import Optimizer
from numgrad.optim.rmsprop import RMSprop
from numgrad.optim.sgd import SGD

__all__ = ["LBFGS", "SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop"]

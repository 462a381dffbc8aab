"""Functions of neural networks, with the names, arguments and results of PyTorch.

>>> import numgrad.nn.functional as F
>>> F.mse_loss(ng.tensor([1.0, 2.0]), ng.tensor([1.0, 4.0]))
tensor(2.)
"""

from __future__ import annotations

from numgrad.nn.activations import (
    elu,
    gelu,
    leaky_relu,
    logsigmoid,
    relu,
    sigmoid,
    silu,
    softplus,
    tanh,
)
from numgrad.nn.classification import binary_cross_entropy_with_logits, cross_entropy, nll_loss
from numgrad.nn.layers import dropout, layer_norm, linear
from numgrad.nn.losses import l1_loss, mse_loss
from numgrad.ops.softmax import log_softmax, softmax

__all__ = [
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "dropout",
    "elu",
    "gelu",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "mse_loss",
    "nll_loss",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]

"""Every op has a row in the table of samples, every name of the first tier is there."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import numgrad as ng
from numgrad import check
from numgrad.op import Elementwise
from numgrad.samples import ROWS
from numgrad.value import REGISTRY

# In brackets: names of the same function.
FUNCTIONS = {
    "": """
        abs (absolute) neg (negative) exp expm1 log log1p sqrt square reciprocal sin cos tan
        asin (arcsin) acos (arccos) atan (arctan) sinh cosh tanh sigmoid relu sign floor ceil round
        trunc erf
        add sub (subtract) mul (multiply) div (divide true_divide) pow (power) remainder (mod)
        maximum minimum where clamp (clip) atan2 (arctan2) logaddexp floor_divide lerp
        eq (equal) ne (not_equal) lt (less) le (less_equal) gt (greater) ge (greater_equal)
        logical_and logical_or isclose allclose all any
        sum mean prod max min amax amin argmax argmin var std cumsum cumprod logsumexp softmax
        log_softmax sort argsort norm
        reshape ravel flatten transpose permute (permute_dims) matrix_transpose swapaxes
        moveaxis (movedim) squeeze unsqueeze (expand_dims) broadcast_to cat (concatenate concat)
        stack hstack vstack split tile repeat flip roll diag diagonal tril triu
        index_select gather take_along_dim take_along_axis scatter scatter_add masked_fill
        masked_select extract take index_add index_put
        matmul mm mv bmm dot vdot inner outer einsum tensordot trace kron
        tensor as_tensor (asarray) from_numpy zeros ones full empty zeros_like ones_like arange
        linspace eye clone set_default_dtype get_default_dtype
        manual_seed rand randn randint rand_like randn_like normal randperm
        convolve interp
    """,
    "linalg": """
        inv solve det slogdet cholesky eigh eigvalsh svd qr norm vector_norm matrix_norm
    """,
    "special": "erf erfc gammaln (lgamma) digamma (psi) expit xlogy logsumexp",
    "nn.functional": """
        linear relu sigmoid tanh softmax log_softmax softplus gelu silu leaky_relu elu dropout
        mse_loss l1_loss cross_entropy nll_loss binary_cross_entropy_with_logits layer_norm
    """,
    "random": "uniform permutation",
    "Tensor": """
        T mT view expand clone detach to astype item tolist numpy reshape ravel flatten transpose
        permute swapaxes squeeze unsqueeze repeat sum mean prod max min var std cumsum cumprod
        argmax argmin softmax sort argsort norm all any abs exp log sqrt sin cos tanh sigmoid clamp
        clip pow round add sub mul div matmul mm mv dot gather scatter scatter_add masked_fill
        masked_select index_select index_add take diagonal trace tril triu flip roll split
        __getitem__ __setitem__ __matmul__ __rmatmul__ __pow__ __rpow__ __floordiv__ __mod__
        __abs__ __neg__ __add__ __radd__ __sub__ __rsub__ __mul__ __rmul__ __truediv__ __rtruediv__
    """,
}

# Op that no row records: where its derivatives are tested instead.
ELSEWHERE: dict[str, str] = {}


def named(text):
    """Read names, each with the list of its other names."""
    names = []
    for word in text.replace("(", " ( ").replace(")", " ) ").split():
        if word == "(":
            inside = True
        elif word == ")":
            inside = False
        elif names and inside:
            names[-1][1].append(word)
        else:
            names.append((word, []))
        if word not in "()":
            inside = names and names[-1][0] != word
    return names


def at(path):
    return functools.reduce(getattr, [part for part in path.split(".") if part], ng)

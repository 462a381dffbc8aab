"""Samples of functions of shape: views, permutations, joining, repeating."""

from __future__ import annotations

import numpy as np

from numgrad.samples.domains import signed
from numgrad.samples.row import whole

NUMBERS = (signed(0.2, 2), (2, 3))
CUBE = (signed(0.2, 2), (1, 2, 3))
VECTOR = (signed(0.2, 2), (3,))

ROWS = (
    whole(
        "reshape",
        NUMBERS,
        call=lambda f, x: f(x, (3, -1)),
        reference=lambda x: x.reshape(3, 2),
        view=True,
    ),
    whole(
        "reshape",
        NUMBERS,
        label="order=F",
        call=lambda f, x: f(x, (3, 2), order="F"),
        reference=lambda x: x.reshape((3, 2), order="F"),
    ),
    whole(
        "Tensor.view",
        NUMBERS,
        call=lambda f, x: f(x, 6),
        reference=lambda x: x.reshape(6),
        view=True,
    ),
    whole("ravel", NUMBERS, reference=np.ravel, view=True),
    whole(
        "flatten", CUBE, call=lambda f, x: f(x, 1), reference=lambda x: x.reshape(1, 6), view=True
    ),
    whole(
        "transpose",
        CUBE,
        call=lambda f, x: f(x, 0, 2),
        reference=lambda x: x.swapaxes(0, 2),
        view=True,
    ),
    whole(
        "permute",
        CUBE,
        call=lambda f, x: f(x, (2, 0, 1)),
        reference=lambda x: x.transpose(2, 0, 1),
        view=True,
    ),
    whole("Tensor.T", NUMBERS, call=lambda _, x: x.T, reference=np.transpose, view=True),
    whole(
        "Tensor.mT", CUBE, call=lambda _, x: x.mT, reference=lambda x: x.swapaxes(1, 2), view=True
    ),
    whole("matrix_transpose", CUBE, reference=lambda x: x.swapaxes(1, 2), view=True),
    whole(
        "swapaxes",
        CUBE,
        call=lambda f, x: f(x, 1, -1),
        reference=lambda x: x.swapaxes(1, 2),
        view=True,
    ),
    whole(
        "moveaxis",
        CUBE,
        call=lambda f, x: f(x, 0, -1),
        reference=lambda x: np.moveaxis(x, 0, -1),
        view=True,
    ),
    whole("squeeze", CUBE, reference=np.squeeze, view=True),
    whole(
        "squeeze",
        CUBE,
        label="dim=0",
        call=lambda f, x: f(x, dim=0),
        reference=lambda x: x[0],
        view=True,
    ),
    whole(
        "unsqueeze", NUMBERS, call=lambda f, x: f(x, 1), reference=lambda x: x[:, None], view=True
    ),
    whole(
        "Tensor.expand",
        (signed(0.2, 2), (2, 1)),
        call=lambda f, x: f(x, 2, -1, 3),
        reference=lambda x: np.broadcast_to(x, (2, 2, 3)),
        view=True,
    ),
    whole(
        "broadcast_to",
        VECTOR,
        call=lambda f, x: f(x, (2, 3)),
        reference=lambda x: np.broadcast_to(x, (2, 3)),
        view=True,
    ),
    whole(
        "cat",
        NUMBERS,
        (signed(0.2, 2), (1, 3)),
        call=lambda f, *xs: f(xs),
        reference=lambda *xs: np.concatenate(xs),
    ),
    whole(
        "cat",
        NUMBERS,
        (signed(0.2, 2), (2, 1)),
        label="dim=-1",
        call=lambda f, x, y: f([x, y, x], dim=-1),
        reference=lambda x, y: np.concatenate([x, y, x], -1),
    ),
    whole("stack", VECTOR, VECTOR, call=lambda f, *xs: f(xs), reference=lambda *xs: np.stack(xs)),
    whole(
        "stack",
        VECTOR,
        VECTOR,
        label="dim=1",
        call=lambda f, *xs: f(xs, 1),
        reference=lambda *xs: np.stack(xs, 1),
    ),
    whole(
        "hstack",
        VECTOR,
        (signed(0.2, 2), (2,)),
        call=lambda f, *xs: f(xs),
        reference=lambda *xs: np.hstack(xs),
    ),
    whole(
        "hstack",
        NUMBERS,
        (signed(0.2, 2), (2, 1)),
        label="matrices",
        call=lambda f, *xs: f(xs),
        reference=lambda *xs: np.hstack(xs),
    ),
    whole(
        "vstack", VECTOR, NUMBERS, call=lambda f, *xs: f(xs), reference=lambda *xs: np.vstack(xs)
    ),
    whole(
        "split",
        (signed(0.2, 2), (5,)),
        call=lambda f, x: f(x, 2),
        reference=lambda x: (x[:2], x[2:4], x[4:]),
        view=True,
    ),
    whole(
        "split",
        NUMBERS,
        label="[1, 2]",
        call=lambda f, x: f(x, [1, 2], dim=1),
        reference=lambda x: (x[:, :1], x[:, 1:]),
        view=True,
    ),
    whole(
        "split",
        (signed(0.2, 2), (4,)),
        label="axis=0",
        call=lambda f, x: f(x, 2, axis=0),
        reference=lambda x: np.split(x, 2),
        view=True,
    ),
    whole(
        "chunk",
        NUMBERS,
        call=lambda f, x: f(x, 2, 1),
        reference=lambda x: (x[:, :2], x[:, 2:]),
        view=True,
    ),
    whole(
        "tensor_split",
        NUMBERS,
        call=lambda f, x: f(x, (1,), dim=1),
        reference=lambda x: (x[:, :1], x[:, 1:]),
        view=True,
    ),
    whole("unbind", NUMBERS, reference=tuple, view=True),
    whole(
        "meshgrid",
        VECTOR,
        (signed(0.2, 2), (2,)),
        call=lambda f, *xs: tuple(g + 0.0 for g in f(*xs)),
        reference=lambda *xs: np.meshgrid(*xs, indexing="ij"),
    ),
    whole(
        "unflatten",
        (signed(0.2, 2), (6,)),
        call=lambda f, x: f(x, 0, (2, -1)),
        reference=lambda x: x.reshape(2, 3),
        view=True,
    ),
    whole(
        "repeat_interleave",
        VECTOR,
        call=lambda f, x: f(x, [1, 0, 2]),
        reference=lambda x: np.repeat(x, [1, 0, 2]),
    ),
    whole("tile", NUMBERS, call=lambda f, x: f(x, (2, 1)), reference=lambda x: np.tile(x, (2, 1))),
    whole(
        "tile",
        VECTOR,
        label="more dimensions",
        call=lambda f, x: f(x, (2, 2)),
        reference=lambda x: np.tile(x, (2, 2)),
    ),
    whole(
        "Tensor.repeat",
        NUMBERS,
        call=lambda f, x: f(x, 2, 1, 2),
        reference=lambda x: np.tile(x, (2, 1, 2)),
    ),
    whole(
        "repeat",
        NUMBERS,
        label="axis=1",
        call=lambda f, x: f(x, 2, axis=1),
        reference=lambda x: np.repeat(x, 2, axis=1),
    ),
    whole(
        "flip",
        NUMBERS,
        call=lambda f, x: f(x, (0, 1)),
        reference=lambda x: np.flip(x, (0, 1)),
        view=True,
    ),
    whole(
        "flip",
        NUMBERS,
        label="axis=1",
        call=lambda f, x: f(x, axis=1),
        reference=lambda x: np.flip(x, axis=1),
        view=True,
    ),
    whole("roll", NUMBERS, call=lambda f, x: f(x, 2), reference=lambda x: np.roll(x, 2)),
    whole(
        "roll",
        NUMBERS,
        label="dims",
        call=lambda f, x: f(x, (1, -1), (0, 1)),
        reference=lambda x: np.roll(x, (1, -1), (0, 1)),
    ),
    whole("diag", VECTOR, reference=np.diag),
    whole(
        "diag",
        NUMBERS,
        label="of a matrix",
        call=lambda f, x: f(x, 1),
        reference=lambda x: np.diag(x, 1),
        view=True,
    ),
    whole(
        "diagonal",
        CUBE,
        call=lambda f, x: f(x, -1, 1, 2),
        reference=lambda x: np.diagonal(x, -1, 1, 2),
        view=True,
    ),
    whole("tril", NUMBERS, reference=np.tril),
    whole(
        "tril",
        CUBE,
        label="(x, -1)",
        call=lambda f, x: f(x, -1),
        reference=lambda x: np.tril(x, -1),
    ),
    whole("triu", NUMBERS, call=lambda f, x: f(x, 1), reference=lambda x: np.triu(x, 1)),
    whole("clone", NUMBERS, reference=np.copy),
    whole(
        "Tensor.contiguous",
        NUMBERS,
        label="of T",
        call=lambda f, x: f(x.T),
        reference=lambda x: x.T,
    ),
)

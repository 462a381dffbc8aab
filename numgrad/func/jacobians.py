"""Whole matrices of derivatives: `jacrev`, `jacfwd`, `jacobian`, `hessian`.

All rows, or columns, are one batch: the function and the walk back run once.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from numgrad.batched import Batch
from numgrad.func.arguments import (
    Chosen,
    choose,
    given,
    positions,
    replaced,
    split_aux,
    tensors_of,
    variables,
    without_history,
)
from numgrad.func.compiled import adjoint_for
from numgrad.func.forward import push
from numgrad.func.outside import depends_on_outside
from numgrad.func.reverse import call_recorded, named, pull
from numgrad.mapping import batch, retire, unbatch
from numgrad.ops.broadcast import view_as
from numgrad.ops.index import slice_at
from numgrad.ops.join import cat
from numgrad.pytree import Structure, tree_leaves
from numgrad.tensor import Tensor, alias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def jacrev(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Make the function that gives the Jacobian by reverse mode, a row for each element of results.

    Shape: that of the result, then that of the argument. With several results or arguments, or
    trees of them, it is a tree of the results whose leaves are trees of the arguments.
    `chunk_size` limits how many rows are computed at a time.

    >>> import numgrad as ng
    >>> ng.func.jacrev(lambda x: x * x)(ng.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    compiled = adjoint_for(
        "jacobian", f, argnums, mode="reverse", has_aux=has_aux, chunk_size=chunk_size
    )
    if compiled is not None:
        return compiled  # type: ignore[no-any-return]
    check_chunks("jacrev", chunk_size)

    @named(f, "jacrev")
    def transformed(*args: Any, **kwargs: Any) -> Any:
        places, chosen = _chosen("jacrev", argnums, args)
        inputs, result, aux = _recorded("jacrev", f, args, kwargs, places, chosen, has_aux)
        rows, outside = _rows(result, aux, inputs, chunk_size)
        return _answer(rows, chosen, argnums, aux if outside else without_history(aux), has_aux)

    return transformed


def jacfwd(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Make the function that gives the Jacobian by forward mode, a column for each input element.

    Arguments and results are those of `jacrev`.

    >>> import numgrad as ng
    >>> ng.func.jacfwd(ng.sin)(ng.tensor([0.0, 0.0]))
    tensor([[1., 0.],
            [0., 1.]])
    """
    compiled = adjoint_for(
        "jacobian", f, argnums, mode="forward", has_aux=has_aux, chunk_size=chunk_size
    )
    if compiled is not None:
        return compiled  # type: ignore[no-any-return]
    check_chunks("jacfwd", chunk_size)

    @named(f, "jacfwd")
    def transformed(*args: Any, **kwargs: Any) -> Any:
        places, chosen = _chosen("jacfwd", argnums, args)
        columns, aux = _columns("jacfwd", f, args, kwargs, places, chosen, has_aux, chunk_size)
        return _answer(columns, chosen, argnums, aux, has_aux)

    return transformed


def jacobian(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Make the function that gives the Jacobian: by forward mode if it has more rows than columns.

    Arguments and results are those of `jacrev`.

    >>> import numgrad as ng
    >>> ng.jacobian(lambda x: x.sum() * x)(ng.tensor([1.0, 2.0]))
    tensor([[4., 1.],
            [2., 5.]])
    """
    compiled = adjoint_for("jacobian", f, argnums, has_aux=has_aux)
    if compiled is not None:
        return compiled  # type: ignore[no-any-return]
    check_chunks("jacobian", chunk_size)

    @named(f, "jacobian")
    def transformed(*args: Any, **kwargs: Any) -> Any:
        places, chosen = _chosen("jacobian", argnums, args)
        inputs, result, aux = _recorded("jacobian", f, args, kwargs, places, chosen, has_aux)
        outputs, _ = tensors_of("jacobian", result, "tensors")
        if sum(o.numel() for o in outputs) > sum(t.numel() for t in chosen.leaves):
            retire(inputs)
            found, aux = _columns("jacobian", f, args, kwargs, places, chosen, has_aux, chunk_size)
        else:
            found, outside = _rows(result, aux, inputs, chunk_size)
            aux = aux if outside else without_history(aux)
        return _answer(found, chosen, argnums, aux, has_aux)

    return transformed


def hessian(
    f: Callable[..., Any], argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False
) -> Callable[..., Any]:
    """Make the function that gives second derivatives: forward mode over reverse mode.

    Shape: that of the result, which is () for a number, then twice that of the argument.

    >>> import numgrad as ng
    >>> ng.hessian(lambda x: (x**3).sum())(ng.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    compiled = adjoint_for("hessian", f, argnums, has_aux=has_aux)
    if compiled is not None:
        return compiled  # type: ignore[no-any-return]
    return jacfwd(jacrev(f, argnums, has_aux=has_aux), argnums, has_aux=has_aux)


def check_chunks(name: str, chunk_size: int | None) -> None:
    """Raise ValueError for a size of chunks that is none."""
    if chunk_size is not None and chunk_size < 1:
        message = f"{name}() takes a chunk_size of 1 or more, or None, got {chunk_size}."
        raise ValueError(message)


def _chosen(name: str, argnums: Any, args: tuple[Any, ...]) -> tuple[tuple[int, ...], Chosen]:
    places = positions(name, argnums, len(args))
    return places, choose(name, tuple(args[k] for k in places))


def _recorded(
    name: str,
    f: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    places: tuple[int, ...],
    chosen: Chosen,
    has_aux: bool,
) -> tuple[list[Tensor], Any, Any]:
    """Call the function on variables; give these, result and aux."""
    inputs = variables(chosen.leaves)
    result = call_recorded(f, *replaced(args, places, chosen.structure.unflatten(inputs)), **kwargs)
    return inputs, *split_aux(name, result, has_aux=has_aux)


# A block for each output and each input, and the tree of the outputs.
Blocks: TypeAlias = tuple[list[list[Tensor]], Structure]


def _rows(
    result: Any, aux: Any, inputs: list[Tensor], chunk_size: int | None
) -> tuple[Blocks, bool]:
    """A block for each output and each input, by reverse mode; whether they are recorded."""
    outputs, structure = tensors_of("jacrev", result, "tensors")
    outside = depends_on_outside([*outputs, *tree_leaves(aux)], inputs)
    blocks = []
    for o in outputs:
        n = o.numel()
        if not o.requires_grad or not n:
            blocks.append([_zeros(o.shape + t.shape, t) for t in inputs])
            continue
        chunks = []
        for seeds in _chunks(np.eye(n, dtype=o.dtype), chunk_size):
            keep = {"create_graph": outside, "retain_graph": True}
            if len(seeds) == 1:
                seed = alias(seeds.reshape(o.shape), None)
                chunks.append(
                    [view_as(g, shape=(1, *g.shape)) for g in pull([o], [seed], inputs, **keep)]
                )
                continue
            level = Batch(len(seeds))
            seed = batch(alias(seeds.reshape((len(seeds), *o.shape)), None), level)
            chunks.append([unbatch(g, level) for g in pull([o], [seed], inputs, **keep)])
        joined = [
            cat(list(parts)) if len(parts) > 1 else parts[0] for parts in zip(*chunks, strict=True)
        ]
        blocks.append([view_as(g, shape=o.shape + g.shape[1:]) for g in joined])
    retire(inputs)
    return (blocks, structure), outside


def _columns(
    name: str,
    f: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    places: tuple[int, ...],
    chosen: Chosen,
    has_aux: bool,
    chunk_size: int | None,
) -> tuple[Blocks, Any]:
    """A block for each output and each input, by forward mode; and aux."""
    sizes = [t.numel() for t in chosen.leaves]
    ends = np.cumsum([0, *sizes])
    total = int(ends[-1])
    chunks = []
    aux: Any = None

    def on(*values: Any) -> Any:
        return f(*replaced(args, places, values), **kwargs)

    for first in range(0, max(total, 1), chunk_size or max(total, 1)):
        last = min(first + (chunk_size or total), total)
        level = Batch(last - first)
        tangents = []
        for t, start, size in zip(chosen.leaves, ends, sizes, strict=False):
            basis = np.eye(last - first, size, k=first - int(start), dtype=t.dtype)
            basis = basis.reshape((last - first, *t.shape))
            tangents.append(batch(alias(basis, None), level))
        _, moved, aux = push(name, on, chosen, tangents, has_aux=has_aux)
        outputs, structure = tensors_of(name, moved, "tensors")
        chunks.append([unbatch(t, level, t.ndim) for t in outputs])
    joined = [
        cat(list(parts), -1) if len(parts) > 1 else parts[0] for parts in zip(*chunks, strict=True)
    ]
    blocks = [
        [
            view_as(
                slice_at(t, key=(..., slice(int(a), int(b)))),
                shape=t.shape[:-1] + x.shape,
            )
            for x, (a, b) in zip(chosen.leaves, itertools.pairwise(ends), strict=True)
        ]
        for t in joined
    ]
    return (blocks, structure), aux


def _chunks(rows: Any, size: int | None) -> Iterator[Any]:
    """Pieces of so many rows, the last maybe smaller."""
    step = size or len(rows)
    return (rows[k : k + step] for k in range(0, len(rows), step))


def _zeros(shape: tuple[int, ...], like: Tensor) -> Tensor:
    return alias(np.zeros(shape, like.dtype), None)


def _answer(found: Blocks, chosen: Chosen, argnums: Any, aux: Any, has_aux: bool) -> Any:
    """Put blocks together as the user sees them."""
    blocks, structure = found

    def tree(row: list[Tensor]) -> Any:
        by_argument = chosen.structure.unflatten(row)
        return by_argument if isinstance(argnums, (tuple, list)) else by_argument[0]

    jacobians = structure.unflatten([tree(row) for row in blocks])
    return given((jacobians, aux) if has_aux else jacobians, plain=chosen.plain)

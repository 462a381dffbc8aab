"""Derived procedures: gradients as one function, and both ways of callees as two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numgrad.adjoint.activity import Activity, Memory, floating
from numgrad.adjoint.builder import NOTHING, Builder, number
from numgrad.adjoint.clean import clean
from numgrad.adjoint.ir import F8, Alloc, Array, Block, Const, Procedure, Scalar, Value, Var, walk
from numgrad.adjoint.jamming import jam
from numgrad.adjoint.memory import lay_out, nest
from numgrad.adjoint.reverse import Reverse
from numgrad.adjoint.simplify import tidy

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(eq=False)
class Variant:
    """The two ways of a procedure for one choice of what is differentiated."""

    there: Procedure
    back: Procedure


class Variants:
    """The ways of all procedures; a recursive one finds itself."""

    def __init__(self) -> None:
        self.known: dict[Any, Variant] = {}

    def variant(
        self,
        procedure: Procedure,
        active: tuple[bool, ...],
        seeded: tuple[bool, ...],
        kept: tuple[bool, ...],
    ) -> Variant:
        """The ways of a procedure: for active parameters, seeded results, kept arrays."""
        key = (procedure, active, seeded, kept)
        if key not in self.known:
            name = procedure.name
            count = sum(1 for k in self.known if k[0] is procedure)
            mark = f"_{count}" if count else ""
            there = Procedure(f"{name}_forward{mark}", [], Block(), [], saves=True)
            back = Procedure(f"{name}_backward{mark}", [], Block(), [], saves=True)
            self.known[key] = variant = Variant(there, back)
            there.writes = procedure.writes | {len(procedure.params)}
            there.groups = back.groups = ()
            self.split(procedure, active, seeded, kept, variant)
        return self.known[key]

    def split(
        self,
        procedure: Procedure,
        active: tuple[bool, ...],
        seeded: tuple[bool, ...],
        kept: tuple[bool, ...],
        variant: Variant,
    ) -> None:
        """Write both ways as two procedures that share the arena."""
        memory = Memory(procedure)
        params = procedure.params
        inputs = {p for p, on in zip(params, active, strict=True) if on}
        outputs: set[Any] = {r for r, on in zip(procedure.results, seeded, strict=True) if on}
        outputs |= {params[k] for k in procedure.writes if active[k]}
        activity = Activity(procedure, inputs, outputs, memory)
        # The caller decided; what it thinks active is so.
        activity.varied |= {memory.root(p) for p in inputs}
        activity.useful |= {memory.root(p) for p in inputs}
        stable = {p for p, on in zip(params, kept, strict=True) if on}
        reverse = Reverse(procedure, activity, memory, joint=False, stable=stable, variants=self)
        given = [p for p in params if p in stable]
        arrays = [p for p in params if p in inputs and isinstance(p.type, Array)]
        shadows = {p: Var(p.type, f"d_{p.hint}") for p in arrays}
        _alias_shadows(procedure, memory, shadows)
        seeds: list[Var] = []
        pairs: list[tuple[Value, Var]] = []
        for result, on in zip(procedure.results, seeded, strict=True):
            if on:
                seed = Var(result.type if isinstance(result.type, Array) else F8, "g")
                seeds.append(seed)
                pairs.append((result, seed))
        there, back = Block(), reverse.builder.block
        _run(reverse, procedure, there, shadows, pairs)
        numbers = [p for p in params if p in inputs and not isinstance(p.type, Array)]
        results = [reverse.adjoints.get(p, NOTHING) for p in numbers]
        variant.there.params, variant.there.body = list(params), there
        variant.there.results = list(procedure.results)
        variant.there.groups = procedure.groups
        variant.back.params = [*given, *(shadows[p] for p in arrays), *seeds]
        variant.back.body = back
        variant.back.results = results
        first = len(given)
        array_seeds = {k for k, s in enumerate(seeds) if isinstance(s.type, Array)}
        variant.back.writes = frozenset(range(first, first + len(arrays))) | {
            first + len(arrays) + k for k in array_seeds
        }
        lay_out(variant.there, own=False)
        lay_out(variant.back, own=False)
        variant.back.groups = tuple(range(len(variant.back.params)))
        variant.there.groups = (
            *(procedure.groups or range(len(params))),
            len(params),
            len(params) + 1,
        )
        tidy(variant.back)
        tidy(variant.there)
        dead = clean(variant.back)
        clean(variant.there, frozenset(dead))


def _alias_shadows(procedure: Procedure, memory: Memory, shadows: dict[Var, Var]) -> None:
    """Note which shadows share memory, as their arrays do; nothing to do for others."""
    del procedure, memory, shadows


def _run(
    reverse: Reverse,
    procedure: Procedure,
    there: Block,
    shadows: dict[Var, Var],
    seeds: Sequence[tuple[Value, Any]],
) -> None:
    """Write both ways of the outermost block."""
    reverse.current = reverse.root
    reverse.given_shadows = set(shadows)
    reverse.arenas = {s.out for s in walk(procedure.body) if isinstance(s, Alloc) and s.arena}
    reverse.root.shadows.update(shadows)
    reverse.seeds = {seed for _, seed in seeds}
    builder = reverse.builder
    for result, seed in seeds:
        if isinstance(result.type, Array):
            shadow = reverse.shadow(result)
            nest(
                builder,
                builder.sizes(seed),
                lambda i, s=shadow, g=seed: builder.store(s, i, builder.load(g, i), add=True),
            )
        else:
            reverse.add(result, seed)
    reverse.block(procedure.body, there)
    reverse.close(reverse.root, there, 0)


def gradient(
    procedure: Procedure,
    wrt: Sequence[int],
    variants: Variants,
    *,
    seeded: Sequence[int],
    seeds: bool,
    value: bool,
    name: str,
    outputs: Sequence[int] = (),
) -> Procedure:
    """One procedure for both ways: gives the results, if asked, and the derivatives.

    `wrt`: parameters that are differentiated; `seeded`: results whose derivatives count, with
    seeds as parameters if `seeds`, else 1. `outputs`: parameters that the function writes to whose
    final content counts; the seeds for these are further parameters.
    """
    memory = Memory(procedure)
    params = procedure.params
    inputs = {params[k] for k in wrt}
    counted: set[Any] = {procedure.results[k] for k in seeded}
    counted |= {params[k] for k in outputs}
    activity = Activity(procedure, inputs, counted, memory)
    stable = {p for p in params if isinstance(p.type, Array)}
    reverse = Reverse(procedure, activity, memory, joint=True, stable=stable, variants=variants)
    given: list[Var] = []
    pairs: list[tuple[Value, Any]] = []
    for k in seeded:
        result = procedure.results[k]
        if seeds:
            seed: Any = Var(result.type if isinstance(result.type, Array) else F8, "seed")
            given.append(seed)
        else:
            seed = number(1.0)
        pairs.append((result, seed))
    there, back = Block(), reverse.builder.block
    start = Builder(Block())
    shadows: dict[Var, Var] = {}
    for k in dict.fromkeys((*wrt, *outputs)):
        if isinstance(params[k].type, Array):
            array = params[k]
            shadows[array] = start.alloc(
                array.type.code, start.sizes(array), f"d_{array.hint}", zero=True
            )
    _run(reverse, procedure, there, shadows, pairs)
    derivatives: list[Value] = []
    for k in wrt:
        if isinstance(params[k].type, Array):
            derivatives.append(shadows[params[k]])
        else:
            derivatives.append(reverse.adjoints.get(params[k], NOTHING))
    out = Procedure(
        name,
        [*params, *given],
        Block(None, [*start.block.stmts, *there.stmts, *back.stmts]),
        [*(procedure.results if value else ()), *derivatives],
        procedure.writes,
        (*(procedure.groups or range(len(params))), *range(len(params), len(params) + len(given))),
    )
    lay_out(out, own=True)
    clean(out)
    tidy(out)
    clean(out)
    jam(out)
    return out


__all__ = ["Const", "Scalar", "Variants", "floating", "gradient"]

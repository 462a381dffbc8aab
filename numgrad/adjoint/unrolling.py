"""Writes out loops of few trips, so that the elements they touch are known by their indices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numgrad.adjoint.builder import number, simplified
from numgrad.adjoint.cloning import Cloner
from numgrad.adjoint.ir import Compute, Const, Loop, Procedure, Stmt, Value, Var, blocks, walk

if TYPE_CHECKING:
    from numgrad.adjoint.ir import Block

MOST_TRIPS = 8
MOST_STATEMENTS = 160


def unroll(procedure: Procedure) -> None:
    """Write out the loops of a procedure whose few trips are known."""
    table: dict[Any, Value] = {}
    procedure.body = _block(procedure.body, table)
    cloner = Cloner(table)
    procedure.results = [cloner.value(r) for r in procedure.results]


def _block(block: Block, table: dict[Any, Value]) -> Block:
    """A copy of a block with its loops written out."""
    from numgrad.adjoint.ir import Block

    out = Block()
    for stmt in block.stmts:
        _append(stmt, table, out.stmts)
    return out


def _append(stmt: Stmt, table: dict[Any, Value], out: list[Stmt]) -> None:
    """Append a statement, or what it comes to when values are known."""
    cloner = _Folding(table)
    if isinstance(stmt, Compute):
        args = cloner.value(stmt.args)
        known = simplified(stmt.op, args)
        if known is not None:
            table[stmt.out] = known
            return
    trips = _trips(stmt, cloner)
    if isinstance(stmt, Loop) and trips is not None:
        carried = [cloner.value(p.init) for p in stmt.phis]
        for k in trips:
            if stmt.index is not None:
                table[stmt.index] = number(k)
            for phi, value in zip(stmt.phis, carried, strict=True):
                table[phi.inner] = value
            for each in stmt.body.stmts:
                _append(each, table, out)
            carried = [cloner.value(p.next) for p in stmt.phis]
        for phi, value in zip(stmt.phis, carried, strict=True):
            table[phi.out] = value
        table[stmt.trips] = number(len(trips))
        return
    out.append(cloner.stmt(stmt))


class _Folding(Cloner):
    """Copies blocks with their loops written out."""

    def block(self, block: Block) -> Block:
        """Copy a block."""
        return _block(block, self.table)


def _trips(stmt: Stmt, cloner: Cloner) -> range | None:
    """The indices of a loop that is worth writing out."""
    if not isinstance(stmt, Loop) or stmt.bounds is None or stmt.stop is not None:
        return None
    low, high, step = cloner.value(stmt.bounds)
    if not (isinstance(low, Const) and isinstance(high, Const) and isinstance(step, Const)):
        return None
    trips = range(int(low.value), int(high.value), int(step.value))
    size = sum(1 for _ in walk(stmt.body))
    inner = any(isinstance(s, Loop) for s in walk(stmt.body))
    most = MOST_TRIPS // 2 if inner else MOST_TRIPS
    if len(trips) > most or len(trips) * size > MOST_STATEMENTS:
        return None
    return trips


__all__ = ["Var", "blocks", "unroll"]

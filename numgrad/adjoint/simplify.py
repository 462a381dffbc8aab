"""What makes procedures simpler before they are differentiated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numgrad.adjoint.clean import clean
from numgrad.adjoint.forwarding import forward
from numgrad.adjoint.scalarising import scalarise
from numgrad.adjoint.unrolling import unroll

if TYPE_CHECKING:
    from numgrad.adjoint.ir import Procedure


def tidy(procedure: Procedure) -> None:
    """Fold what became known, and compute everything once; the caller cleans up."""
    unroll(procedure)
    forward(procedure)


def simplify(procedure: Procedure) -> None:
    """Write out short loops, make numbers of small arrays, compute everything once."""
    unroll(procedure)
    scalarise(procedure)
    forward(procedure)
    clean(procedure)

"""What programs did: their graphs as text and pictures, and where their time went."""

from __future__ import annotations

from numgrad.debug.graphs import Graph, graph
from numgrad.debug.profiling import profile

__all__ = ["Graph", "graph", "profile"]

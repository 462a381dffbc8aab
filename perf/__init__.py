"""Benchmarks of numgrad beside its peers, in one process: ``python -m perf``.

A subject is a module of this package with a function ``tables(contestants)`` that yields
`perf.declare.Table` objects; its name in `SUBJECTS` makes it run.
"""

from __future__ import annotations

SUBJECTS = ("ops", "throughput", "networks", "training", "transforms", "adjoint")
PEERS = ("torch", "autograd", "mygrad", "jax")

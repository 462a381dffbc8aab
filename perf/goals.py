"""The goals: every figure that numgrad sets itself, in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RatioGoal:
    """numgrad's median may be at most `at_most` times that of `peer`.

    It covers every case of a table, or the one that is named.
    """

    subject: str
    table: str
    peer: str
    at_most: float
    case: str | None = None


_MIXED = "sum(tanh(x*w+b)*exp(-x))"

RATIOS = (
    RatioGoal("ops", "forward+backward", "torch", 0.6),
    RatioGoal("ops", "forward+backward", "autograd", 0.3),
    RatioGoal("ops", "forward+backward", "mygrad", 0.3),
    RatioGoal("throughput", "value", "numpy", 1.0, "sum 1e6"),
    RatioGoal("networks", "forward+backward", "torch", 0.8, "cross_entropy 128x1000"),
    RatioGoal("networks", "forward+backward", "torch", 0.8, "layer_norm 256x1024"),
    RatioGoal("training", "step", "torch", 0.9, "784-256-128-10, batch 128, float32"),
    RatioGoal("threads", "2 threads and one", "torch", 0.6, f"{_MIXED} 1e5, gradient"),
    RatioGoal("threads", "2 threads and one", "torch", 0.6, f"{_MIXED} 1e6, gradient"),
    RatioGoal("transforms", "Hessian-vector product", "gradient", 3.0),
    RatioGoal("transforms", "Hessian", "torch", 0.2),
    RatioGoal("transforms", "Jacobian", "torch", 0.3),
    RatioGoal("transforms", "Jacobian", "backwards", 0.15),
    RatioGoal("transforms", "per-sample gradients", "torch", 1.0),
    RatioGoal("adjoint", "gradient", "primal", 3.0, "RK4, 1000 steps"),
    RatioGoal("adjoint", "gradient", "primal", 2.0, "particle, 20000 steps"),
    RatioGoal("adjoint", "gradient", "primal", 5.0, "determinant 8x8"),
    RatioGoal("adjoint", "gradient", "primal", 3.0, "LSTM, 1024 steps"),
    RatioGoal("adjoint", "gradient", "primal", 1.5, "polynomial, 1000 points"),
    RatioGoal("adjoint", "gradient", "primal", 2.0, "logsumexp of 100000"),
    RatioGoal("adjoint", "gradient", "by hand", 1.3),
    RatioGoal("adjoint", "sampler", "by hand", 1.3),
)

WARM_FIRST_GRADIENT_OVER_NUMPY = 0.25
"""Seconds from `import numgrad` to a first gradient in a new process with a warm kernel cache, more
than `import numpy` takes."""

COLD_README_EXAMPLE = 5.0
"""Seconds that the README's first example takes in all on an empty kernel cache."""

KERNEL_COMPILES = 0.2
"""Seconds that the first use of one more kernel takes on an empty kernel cache."""


def ratio_goal(subject: str, table: str, case: str, peer: str) -> float | None:
    """The largest ratio to `peer` that meets the goal, or None where there is none."""
    for goal in RATIOS:
        if (goal.subject, goal.table, goal.peer) == (subject, table, peer) and (
            goal.case in (None, case)
        ):
            return goal.at_most
    return None

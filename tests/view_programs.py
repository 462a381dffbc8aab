"""Random programs of views, writes in place and uses, run by numgrad and by PyTorch.

    python -m tests.view_programs --count 10000

runs programs in both and compares values and gradients. What ends in an error in numgrad has to in
PyTorch as well. Where PyTorch alone refuses, as for values that numgrad had copied before it wrote
to them, gradients are compared with finite differences.
"""

from __future__ import annotations

import argparse
import random
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import numgrad as ng

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS, COLUMNS = 3, 4
# How many of the steps run under no_grad.
SILENT = 0.1


class Step(NamedTuple):
    """A line of a program: what it does to which of the tensors so far."""

    text: str
    run: Callable[[Any, list[Any]], Any]


def _view(draw: random.Random, k: int) -> Step:
    low = draw.randrange(2)
    ways: list[tuple[str, Callable[[Any], Any]]] = [
        (f"[{low}]", lambda t: t[low]),
        (f"[{low}:]", lambda t: t[low:]),
        ("[..., ::2]", lambda t: t[..., ::2]),
        (".T", lambda t: t.transpose(0, -1)),
        (".reshape(-1)", lambda t: t.reshape(-1)),
        (".unsqueeze(0)", lambda t: t.unsqueeze(0)),
        ("[..., None]", lambda t: t[..., None]),
        (".select(-1, 0)", lambda t: t.select(-1, 0)),
        (".unbind(0)[0]", lambda t: t.unbind(0)[0]),
        ("[None].expand(2, ...)[1]", lambda t: t[None].expand(2, *t.shape)[1]),
        (".split(1)[0]", lambda t: t.split(1)[0]),
        (".detach()", lambda t: t.detach()),
    ]
    text, take = draw.choices(ways, weights=[3, 3, 3, 3, 2, 2, 2, 2, 0.4, 1, 0.4, 0.3])[0]
    return Step(f"t{k}{text}", lambda _, ts: take(ts[k]))


def _ends(t: Any) -> list[int]:
    """Rows, each once: PyTorch counts the gradient of a repeated one twice."""
    return [0, -1] if t.shape[0] > 1 else [0]


def _write(draw: random.Random, k: int, j: int) -> Step:
    c = round(draw.uniform(-2, 2), 2)
    low = draw.randrange(2)
    ways: list[tuple[str, Callable[[Any, Any, Any], Any]]] = [
        (f".mul_({c})", lambda _, t, u: t.mul_(c)),
        (f".add_({c})", lambda _, t, u: t.add_(c)),
        (f".mul_(t{j}.sum())", lambda _, t, u: t.mul_(u.sum())),
        (f".add_(t{j}.sum())", lambda _, t, u: t.add_(u.sum())),
        (".sin_()", lambda _, t, u: t.sin_()),
        (".exp_()", lambda _, t, u: t.exp_()),
        (".zero_()", lambda _, t, u: t.zero_()),
        (f".copy_(t{j}.mean())", lambda _, t, u: t.copy_(u.mean())),
        (f"[{low}] = {c}", lambda _, t, u: t.__setitem__(low, c)),
        (f"[{low}:] = t{j}.sum()", lambda _, t, u: t.__setitem__(slice(low, None), u.sum())),
        ("[::2] = 0.5", lambda _, t, u: t.__setitem__(slice(None, None, 2), 0.5)),
        (f"[[0, -1]] = t{j}.mean()", lambda _, t, u: t.__setitem__(_ends(t), u.mean())),
        (f"[t{k} > {c}] = {c}", lambda _, t, u: t.__setitem__(t > c, c)),
    ]
    text, write = draw.choice(ways)

    def run(library: Any, ts: list[Any]) -> Any:
        write(library, ts[k], ts[j])

    return Step(f"t{k}{text}", run)


def _use(draw: random.Random, k: int, j: int) -> Step:
    ways: list[tuple[str, Callable[[Any, Any], Any]]] = [
        (f"t{k} * t{k}", lambda t, u: t * t),
        (f"t{k} * t{j}.sum()", lambda t, u: t * u.sum()),
        (f"t{k}.sin()", lambda t, u: t.sin()),
        (f"t{k}.clone()", lambda t, u: t.clone()),
        (f"t{k} * 2", lambda t, u: t * 2),
    ]
    text, use = draw.choice(ways)
    return Step(text, lambda _, ts: use(ts[k], ts[j]))


def write(seed: int) -> list[Step]:
    """The program of a seed. Its first tensor is a leaf, its second is computed from that."""
    draw = random.Random(seed)  # noqa: S311 - no secret hangs on it
    steps: list[Step] = []
    count = 2
    for _ in range(draw.randint(3, 9)):
        k, j = draw.randrange(1, count), draw.randrange(1, count)
        kind = draw.choices(("view", "write", "use"), weights=(4, 4, 3))[0]
        step = (
            {"write": _write, "use": _use}[kind](draw, k, j) if kind != "view" else _view(draw, k)
        )
        steps.append(_silent(step) if draw.random() < SILENT else step)
        count += kind != "write"
    return steps


def _silent(step: Step) -> Step:
    """The same without recording."""

    def run(library: Any, ts: list[Any]) -> Any:
        with library.no_grad():
            return step.run(library, ts)

    return Step(f"{step.text}  # no_grad", run)


def run(library: Any, leaf: Any, steps: list[Step]) -> tuple[list[Any], Any]:
    """Run a program with a library; gives all tensors, and the sum that gradients are taken of."""
    tensors = [leaf, leaf * 1.5]
    for step in steps:
        out = step.run(library, tensors)
        if out is not None:
            tensors.append(out)
    return tensors, sum(((k + 1) * t * t).sum() for k, t in enumerate(tensors))


def gradient(library: Any, start: Any, steps: list[Step]) -> Any:
    """Values of all tensors, which require grad, and the gradient; or the error, as text."""
    leaf = library.tensor(start, requires_grad=True)
    try:
        tensors, total = run(library, leaf, steps)
        total.backward()
    except (RuntimeError, IndexError) as error:
        return f"{type(error).__name__}: {error}"
    flags = [t.requires_grad for t in tensors]
    return [np.array(t.tolist()) for t in tensors], flags, np.array(leaf.grad.tolist())


def by_differences(start: Any, steps: list[Step], found: Any) -> bool:
    """Whether a gradient agrees with central differences, as far as these can tell."""
    if any("no_grad" in s.text or "detach" in s.text for s in steps):
        return True  # a part of the program is not recorded

    def total(values: Any) -> float:
        return float(run(ng, ng.tensor(values), steps)[1])

    step = 1e-6
    noise = 1e-15 * abs(total(start)) / step
    expected = np.empty_like(start)
    for k in np.ndindex(*start.shape):
        sides = []
        for h in (step, -step):
            moved = start.copy()
            moved[k] += h
            sides.append(total(moved))
        expected[k] = (sides[0] - sides[1]) / (2 * step)
    if not np.isfinite(expected).all():
        return True
    error = np.abs(found - expected).max()
    return bool(error <= 1e-3 * (1 + np.abs(expected).max()) + 10 * noise)


def outcome(seed: int) -> str:
    """Say whether both give the same, or refuse, or PyTorch alone does; or what differs."""
    import torch

    start = np.random.default_rng(seed).uniform(-1, 1, (ROWS, COLUMNS))
    steps = write(seed)
    ours, theirs = gradient(ng, start, steps), gradient(torch, start, steps)
    text = "\n".join(s.text for s in steps)
    if isinstance(ours, str):
        return "refused" if isinstance(theirs, str) else f"{text}\nnumgrad: {ours}"
    if isinstance(theirs, str):
        ambiguous = "no_grad mode and is being modified" in theirs
        if not ambiguous and by_differences(start, steps, ours[2]):
            return "refused by PyTorch"
        return f"{text}\nnumgrad: {ours[2]}\ntorch: {theirs}"
    # PyTorch says of a view made under no_grad that it requires grad, but gives it none.
    if ours[1] != theirs[1] and not any("no_grad" in s.text for s in steps):
        return f"{text}\nnumgrad: require grad {ours[1]}\ntorch: {theirs[1]}"
    for mine, other in zip((*ours[0], ours[2]), (*theirs[0], theirs[2]), strict=True):
        if not np.allclose(mine, other, rtol=1e-9, atol=1e-9, equal_nan=True):
            return f"{text}\nnumgrad: {mine}\ntorch: {other}"
    return "same"


def main() -> int:
    """The command line; 1 if any program differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.view_programs")
    parser.add_argument("--count", type=int, default=10_000, help="default: 10000")
    parser.add_argument("--start", type=int, default=0, help="the first seed; default: 0")
    options = parser.parse_args()
    counts = {"same": 0, "refused": 0, "refused by PyTorch": 0, "different": 0}
    for seed in range(options.start, options.start + options.count):
        found = outcome(seed)
        if found not in counts:
            if counts["different"] < 5:
                print(f"seed {seed}\n{found}\n")
            found = "different"
        counts[found] += 1
    print(counts)
    return 1 if counts["different"] else 0


if __name__ == "__main__":
    sys.exit(main())

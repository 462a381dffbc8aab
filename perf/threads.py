"""What threads gain, the library's or its caller's, beside PyTorch: ``python -m perf.threads``."""

from __future__ import annotations

import argparse
import importlib.util
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from perf import machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from perf.declare import Benchmark, Entry

SIZES = {"1e5": 100_000, "1e6": 1_000_000, "1e7": 10_000_000}


def benchmarks(threads: int) -> Iterator[Benchmark]:
    """Two ops and a gradient, with one thread and with several."""
    from perf import expressions
    from perf.declare import Benchmark

    libraries = [name for name in ("numgrad", "torch") if importlib.util.find_spec(name)]
    runs = {
        _column(name, count, threads): (name, count) for name in libraries for count in (threads, 1)
    }
    for expression in (expressions.MUL, expressions.EXP):
        for label, size in SIZES.items():
            inputs = expression.inputs((size,))
            yield Benchmark(
                f"{expression.name} {label}",
                {key: _value(expression.name, inputs, *run) for key, run in runs.items()},
            )
    for label in ("1e5", "1e6"):
        inputs = expressions.MIXED.inputs((SIZES[label],))
        yield Benchmark(
            f"{expressions.MIXED.name} {label}, gradient",
            {key: _gradient(inputs, *run) for key, run in runs.items()},
        )
    for label, calls in (("1e3", 200), ("1e5", 10), ("1e6", 2)):
        inputs = expressions.MIXED.inputs((int(float(label)),))
        yield Benchmark(
            f"{expressions.MIXED.name} {label}, gradient, by {threads} callers",
            {key: _by_callers(inputs, calls, threads, *run) for key, run in runs.items()},
            per=calls * threads,
        )


def _column(name: str, count: int, threads: int) -> str:
    return name if count == threads else f"{name}, 1 thread"


def _value(op: str, inputs: list[Any], library: str, count: int) -> Callable[[], Any]:
    """Apply an op to tensors that do not require gradients."""
    from perf.declare import Entry

    def prepare() -> Entry:
        namespace = importlib.import_module(library)
        tensors = [namespace.tensor(array) for array in inputs]
        result = getattr(namespace, op)

        def step() -> Any:
            namespace.set_num_threads(count)
            return result(*tensors)

        return Entry(step, answer=lambda value: [value.numpy()])

    return prepare


def _gradient(inputs: list[Any], library: str, count: int) -> Callable[[], Any]:
    """Give the value and the gradients of an expression anew."""
    from perf import expressions
    from perf.contestants.torch_like import TorchLike

    def prepare() -> Any:
        contestant = TorchLike(library)
        entry = contestant.gradient(expressions.MIXED, inputs, expressions.MIXED.seed(inputs))
        set_threads, step = contestant.namespace.set_num_threads, entry.step

        def with_threads() -> Any:
            set_threads(count)
            return step()

        return type(entry)(with_threads, entry.answer)

    return prepare


def _by_callers(
    inputs: list[Any], calls: int, callers: int, library: str, count: int
) -> Callable[[], Any]:
    """Give gradients anew for several callers, each with leaves of its own and no other thread.

    With a `count` of 1 one thread of Python does the work of all, otherwise each has one.
    """
    from perf import expressions
    from perf.contestants.torch_like import TorchLike

    def prepare() -> Any:
        contestant = TorchLike(library)
        seed = expressions.MIXED.seed(inputs)
        entries = [contestant.gradient(expressions.MIXED, inputs, seed) for _ in range(callers)]
        set_threads = contestant.namespace.set_num_threads
        workers = ThreadPoolExecutor(callers, initializer=set_threads, initargs=(1,))

        def work(entry: Entry) -> None:
            for _ in range(calls):
                entry.step()

        def step() -> None:
            set_threads(1)
            list((workers.map if count > 1 else map)(work, entries))

        return type(entries[0])(step, lambda _: [a for e in entries for a in e.answer(None)])

    return prepare


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(prog="python -m perf.threads", description=__doc__)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    threads = parser.parse_args().threads
    machine.limit_threads(threads)
    # NumPy's BLAS reads the limits when it is first imported.
    from perf import report, timing
    from perf.declare import Table

    rows = [report.Row(one.case, timing.measure(one)) for one in benchmarks(threads)]
    table = Table("threads", f"{threads} threads and one", "us", "a call, float64", [])
    print(report.render(table, rows, "numgrad"))


if __name__ == "__main__":
    main()

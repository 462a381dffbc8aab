"""Random programs: gradients equal the oracle's, or the program is refused with a reason.

`python -m tests.adjoint.programs` runs more of them, and makes those that differ smaller.
"""

from __future__ import annotations

import collections

import pytest

from tests.adjoint import programs

BATCH = 125
BATCHES = 8
COMPILED = range(9000, 9010)
MOST_REFUSED = 0.12
"""The share of programs that may be refused; a test that all are refused would prove nothing."""


@pytest.mark.parametrize("batch", range(BATCHES))
def test_interpreted(batch):
    outcomes: collections.Counter[str] = collections.Counter()
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        program = programs.write(seed)
        try:
            outcome = programs.check(program)
        except programs.Unfit:
            outcome = "unfit"
        except programs.Mismatch as mismatch:
            pytest.fail(programs.report(program, str(mismatch)))
        outcomes[outcome.split(":", maxsplit=1)[0]] += 1
    assert outcomes["refused"] <= MOST_REFUSED * BATCH, outcomes
    assert outcomes["same"] >= 0.75 * BATCH, outcomes


@pytest.mark.parametrize("seed", COMPILED)
@pytest.mark.filterwarnings("ignore::numba.core.errors.NumbaPerformanceWarning")
def test_compiled(seed):
    program = programs.write(seed)
    try:
        outcome = programs.check(program, compiled=True)
    except programs.Unfit:
        outcome = "unfit"
    except programs.Mismatch as mismatch:
        pytest.fail(programs.report(program, str(mismatch)))
    assert outcome.split(":", maxsplit=1)[0] in {"same", "unfit", "refused"}


def test_the_same_seed_writes_the_same_program():
    assert programs.write(7) == programs.write(7)
    assert programs.write(7).text != programs.write(8).text


def test_programs_are_made_smaller(monkeypatch):
    """A defect that is planted is found, and the program around it is cut away."""

    def wrong(program, seeds):
        values, _, gradient = programs.expected(program)
        return values, gradient * (1.01 if "math.sin" in program.text else 1.0)

    monkeypatch.setattr(programs.subject, "interpreted", wrong)
    for seed in range(100):
        program = programs.write(seed)
        if "math.sin" in program.text and programs.differs(program):
            break
    small = programs.shrink(program)
    assert programs.differs(small)
    assert len(small.text.splitlines()) < 10 < len(program.text.splitlines())

"""What is outside of the language is refused before anything is compiled, at its place."""

from __future__ import annotations

import inspect

import pytest

from numgrad import adjoint, errors
from tests.adjoint.refused import REFUSED


@pytest.mark.parametrize("case", REFUSED, ids=lambda c: c.name)
def test_refusals_name_the_place(case):
    with pytest.raises(errors.LanguageError) as caught:
        adjoint.vjp(adjoint.njit(case.function))(1.0, *case.args)
    lines, first = inspect.getsourcelines(case.function)
    [place] = [k for k, line in enumerate(lines) if line.rstrip().endswith("# refused")]
    message = str(caught.value)
    assert f"refused.py:{first + place}, in {case.name}" in message
    assert lines[place].strip() in message
    problem, instead = message.splitlines()[0].split(": ", maxsplit=1)
    assert problem
    assert instead.endswith(".")

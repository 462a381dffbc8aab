"""`python -m numgrad`: info, warmup, check."""

from __future__ import annotations

import pytest

from numgrad import __main__, warmup
from numgrad.kernels import rows


def test_info_names_versions_and_the_cache(capsys):
    assert __main__.main(["info"]) == 0
    printed = capsys.readouterr().out
    for name in (
        "numgrad",
        "numba",
        "llvmlite",
        "processor level",
        "kernel cache",
        "cached kernels",
    ):
        assert name in printed


def test_warmup_compiles_every_job_it_lists(monkeypatch, capsys):
    loaded = []
    few = [warmup.Job(name, lambda name=name: loaded.append(name)) for name in ("one", "two")]
    monkeypatch.setattr(warmup, "jobs", lambda _: few)
    assert __main__.main(["warmup", "--dtype", "float64"]) == 0
    assert loaded == ["one", "two"]
    assert "2/2" in capsys.readouterr().out


def test_jobs_are_forward_vjp_and_rows_of_each_dtype():
    names = {job.name for job in warmup.jobs(["float64", "float32"])}
    assert {"exp d->d", "exp f->f", "exp_vjp_x dd->d", "mul_vjp_x dd->d"} <= names
    assert {f"{row} of rows, {code}" for row in rows.ROWS for code in "df"} <= names


def test_a_job_gives_the_kernel():
    (job,) = [job for job in warmup.jobs(["float64"]) if job.name == "exp d->d"]
    assert job.load()(0.0) == 1.0


def test_check_prints_a_row_and_tells_success(capsys):
    assert __main__.main(["check", "tanh"]) == 0
    assert "tanh" in capsys.readouterr().out


def test_a_command_is_required():
    with pytest.raises(SystemExit):
        __main__.main([])

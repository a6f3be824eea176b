"""``trtbench sweep`` as a user meets it."""

from pathlib import Path

import pytest
from support.sweeps import Inline, write

from trtbench.results import Sweep, SweepEstimate
from trtbench.sweep import executors

PLAN = "patch: [8, 16]\ndepth: [1, 2]\nwidth: [64, 128]\nrecipe: fp16\nstages: predict\n"


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(executors, "LocalProcesses", lambda count, store: Inline(store))
    return write(tmp_path / "plan.yaml", PLAN)


def test_json_is_all_there_is_on_stdout(trtbench, plan: Path, tmp_path: Path):
    code, out, err = trtbench("sweep", plan, "--store", tmp_path, "--json")
    assert code == 0
    assert len(Sweep.model_validate_json(out).rows) == 8
    assert "cells; 8.00 s of workers (8/8, 0 s left)" in err


def test_files_and_plots_are_written(trtbench, plan: Path, tmp_path: Path):
    files = {kind: tmp_path / f"found.{kind}" for kind in ("csv", "json", "markdown")}
    options = [word for kind, path in files.items() for word in (f"--export-{kind}", path)]
    code, out, _ = trtbench("sweep", plan, "--store", tmp_path, "--plots", tmp_path / "plots", *options)
    assert code == 0
    assert "plan: 8 cells, 0 failed; evidence: predicted" in out
    assert all(path.stat().st_size for path in files.values())
    assert list((tmp_path / "plots").glob("*.svg"))


def test_a_failed_cell_is_an_exit_code(trtbench, plan: Path, tmp_path: Path):
    write(plan, PLAN.replace("[1, 2]", "[1, 13]"))
    code, out, _ = trtbench("sweep", plan, "--store", tmp_path)
    assert code == 1
    assert "vit8x13x64 224px b8 fp16 and 3 more failed: no kernel fits" in out


def test_a_dry_run_does_nothing(trtbench, tmp_path: Path):
    code, out, _ = trtbench("sweep", "vit39", "--dry-run", "--json", "--store", tmp_path)
    found = SweepEstimate.model_validate_json(out)
    assert code == 0
    assert (found.cells, found.models, found.skipped) == (78, 39, 18)
    assert not list(tmp_path.glob("models"))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("--workers 0", "--workers 0: expected at least 1"),
        ("--address x:1", "--address has no effect with --executor local; remove it, or use ray"),
        ("--artifacts store", "--artifacts has no effect with --executor local"),
        ("--executor ray --address x:1 --workers 2", "--workers has no effect with --address x:1"),
    ],
)
def test_options_without_effect_are_refused(trtbench, plan: Path, options: str, problem: str):
    code, out, err = trtbench("sweep", plan, *options.split())
    assert (code, out) == (2, "")
    assert problem in err
    assert len(err.splitlines()) == 1


def test_each_fault_of_a_plan_is_a_line(trtbench, plan: Path):
    write(plan, PLAN + "dept: 3\nbatch: 0\n")
    code, _, err = trtbench("sweep", plan)
    assert code == 2
    assert [line.partition("plan.yaml")[2] for line in err.splitlines()] == [
        ":6: dept: unknown key; did you mean depth?",
        ":7: batch: 0: expected a whole number from 1 to 65536",
    ]

"""A sweep as a whole, with stand-ins for its work: nothing is lost, done twice, or stopped by a failure."""

from pathlib import Path

import pytest
from support.sweeps import Inline, deadly_work, done_by, milliseconds, plan

from trtbench.errors import Code
from trtbench.progress import Step
from trtbench.results import Sweep
from trtbench.store.artifacts import Store
from trtbench.store.results import load_any
from trtbench.sweep import estimate, sweep
from trtbench.sweep.executors import LocalProcesses


def run(store: Store, asked=None, **options) -> Sweep:
    return sweep(asked or plan(), store, lambda: Inline(store, **options))


def test_every_cell_has_a_row_in_the_order_of_the_plan(tmp_path: Path):
    found = run(Store(tmp_path))
    cells = list(plan().cells())
    assert [row.cell for row in found.rows] == cells
    for row in found.rows:
        assert row.status == "ok"
        assert row.values["predicted_gpu_compute_ms"] == milliseconds(row.cell)
    assert found.evidence == ("predicted",)
    assert found.to_rows()[0]["model"] == "vit8x1x64"


def test_the_result_is_kept_and_read_back(tmp_path: Path):
    found = run(Store(tmp_path))
    (path,) = (tmp_path / "results").glob("sweep-small-*.json")
    assert load_any(path) == found


@pytest.mark.parametrize("stop_after", range(0, 8, 2))
def test_an_interrupted_sweep_resumes_with_an_equal_result(tmp_path: Path, stop_after: int):
    store, whole = Store(tmp_path / "a"), run(Store(tmp_path / "b"))
    with pytest.raises(KeyboardInterrupt):
        run(store, stop_after=stop_after)
    assert run(store).rows == whole.rows
    assert len(done_by(store)) == len(set(done_by(store))) == len(whole.rows)


def test_a_journal_that_a_kill_cut_short_loses_one_line(tmp_path: Path):
    store = Store(tmp_path)
    whole = run(store)
    (journal,) = (tmp_path / "results" / "sweep").iterdir()
    journal.write_bytes(journal.read_bytes()[:-9])
    assert run(store).rows == whole.rows
    assert len(done_by(store)) == len(whole.rows) + 1


def test_a_larger_plan_does_what_is_new(tmp_path: Path):
    store = Store(tmp_path)
    run(store)
    done = len(done_by(store))
    run(store, plan(depth=(1, 2, 4)))
    assert len(done_by(store)) == done * 3 // 2


def test_a_plan_that_begins_with_another_model_does_what_is_new_and_keeps_the_other_result(tmp_path: Path):
    store = Store(tmp_path)
    run(store)
    done = len(done_by(store))
    run(store, plan(depth=(4, 1, 2)))
    assert len(done_by(store)) == done * 3 // 2
    assert len(list((tmp_path / "results").glob("sweep-small-*.json"))) == 2


def test_models_that_are_timed_without_an_export_need_no_exporter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("trtbench.export._PACKAGES", ("not-installed",))
    store = Store(tmp_path)
    assert not run(store, plan(runtime=("torch-eager",))).has_failed


def test_a_failed_cell_stops_no_other_and_is_tried_again(tmp_path: Path):
    store, asked = Store(tmp_path), plan(depth=(1, 13))
    found = run(store, asked)
    assert [row.status for row in found.rows] == ["ok", "ok", "ok", "ok", *["failed"] * 4] * 2
    assert {row.reason for row in found.rows if row.status == "failed"} == {"no kernel fits"}
    assert found.has_failed
    run(store, asked)
    assert sum("x13x" in line for line in done_by(store)) == 16


def test_times_follow_what_is_made_where_a_gpu_is(tmp_path: Path):
    store = Store(tmp_path)
    found = run(store, gpus=1)
    assert all(
        {"predicted_gpu_compute_ms", "measured_gpu_compute_median_ms"} <= r.values.keys() for r in found.rows
    )
    for cell in plan().cells():
        assert done_by(store).index(f"make {cell.key}") < done_by(store).index(f"time {cell.key}")
    assert found.cost.gpu_s == 8


def test_a_lost_worker_is_replaced_and_a_cell_counts_once(tmp_path: Path):
    store = Store(tmp_path)
    found = run(store, lose=(1, 3))
    assert found.rows == run(Store(tmp_path / "b")).rows
    assert found.cost.retries == 2
    assert len(done_by(store)) == len(set(done_by(store)))


def test_a_cell_that_loses_every_worker_fails_alone(tmp_path: Path):
    found = run(Store(tmp_path), lose=(1, 2, 3))
    assert [row.status for row in found.rows] == ["failed", "failed", *["ok"] * 14]
    assert found.rows[0].code is Code.BUILD_KILLED
    assert "lost its worker 3 times" in str(found.rows[0].reason)


def test_progress_counts_cells_and_says_what_they_took(tmp_path: Path):
    steps: list[Step] = []
    store = Store(tmp_path)
    sweep(plan(depth=(1, 13)), store, lambda: Inline(store), steps.append)
    assert [step.done for step in steps] == [0, 16]
    assert steps[-1].text == "cells; 8.00 s of workers, 8 failed"


def test_processes_that_die_are_replaced(tmp_path: Path):
    store, asked = Store(tmp_path), plan(depth=(1, 2, 3), patch=(8,), width=(64,))
    found = sweep(asked, store, lambda: LocalProcesses(2, store, deadly_work))
    by_depth = {row.cell.depth: row for row in found.rows}
    assert {depth: row.status for depth, row in by_depth.items()} == {1: "ok", 2: "ok", 3: "failed"}
    assert "its process died" in str(by_depth[3].reason)
    assert found.cost.retries == 4
    assert len(done_by(store)) == len(set(done_by(store))) == 4


def test_an_estimate_counts_cells_and_learns_from_those_that_are_done(tmp_path: Path):
    store = Store(tmp_path)
    asked = plan(depth=(1, 2, 2), skip=("vit8x1x64",))
    first = estimate(asked, store, 2)
    assert (first.cells, first.models, first.done) == (14, 7, 0)
    assert (first.duplicates, first.skipped) == (8, 2)
    assert first.basis.startswith("a rough guess")
    with pytest.raises(KeyboardInterrupt):
        run(store, asked, stop_after=3)
    second = estimate(asked, store, 2)
    assert second.done == 6
    assert second.basis == "6 cells done here, scaled by depth and weights"
    assert 0 < second.duration_s < first.duration_s

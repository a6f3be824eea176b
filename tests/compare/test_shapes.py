"""Several batches in one run: what fails is a row, what was interrupted goes on, shapes are judged apart."""

import pytest
from support.grids import grid_of, install_exports, install_timers
from support.scripted import BENCH
from support.tensorrt_machine import write_model

from trtbench.compare import bench, compare
from trtbench.errors import ExportError
from trtbench.results import Measurement, RoundRecord
from trtbench.specs import Grid
from trtbench.store.artifacts import Store
from trtbench.store.journal import read_journal
from trtbench.store.results import load_result

CPU = {"runtimes": ("onnxruntime-cpu",)}


@pytest.fixture
def store(tmp_path, monkeypatch):
    install_timers(monkeypatch)
    return Store(tmp_path / "store")


def test_each_batch_has_a_row_and_a_verdict_of_its_own(monkeypatch, tmp_path, store):
    exported = install_exports(monkeypatch, tmp_path)
    result = compare(grid_of("fp16", "fp32", batches=(1, 4), **CPU), store)
    assert exported.seen == [("fp16", 1), ("fp32", 1), ("fp16", 4), ("fp32", 4)]
    assert [row.key for row in result.rows] == ["fp16 b1", "fp32 b1", "fp16 b4", "fp32 b4"]
    assert [(v.arm, v.baseline) for v in result.verdicts] == [("fp32 b1", "fp16 b1"), ("fp32 b4", "fp16 b4")]
    assert [row.measured.batch for row in result.rows] == [1, 1, 4, 4]
    (raw,) = result.raw_files(store.results)
    (stored,) = store.results.glob("*.json")
    assert (raw.is_file(), load_result(stored)) == (True, result)


def test_a_batch_that_cannot_be_exported_is_a_row(monkeypatch, tmp_path, store):
    install_exports(monkeypatch, tmp_path, **{"fp16 b2": "too large"})
    result = bench(grid_of("fp16", batches=(1, 2, 4), **CPU), store)
    assert [row.status for row in result.rows] == ["ok", "failed", "ok"]
    assert (result.rows[1].reason, result.rows[1].batch, result.has_failed) == ("too large", 2, True)


def test_alone_it_is_an_error(monkeypatch, tmp_path, store):
    install_exports(monkeypatch, tmp_path, fp16="too large")
    with pytest.raises(ExportError, match="too large"):
        bench(grid_of("fp16", **CPU), store)


def test_a_single_cell_is_a_measurement(monkeypatch, tmp_path, store):
    install_exports(monkeypatch, tmp_path)
    result = bench(grid_of("fp16", **CPU), store)
    assert isinstance(result, Measurement)
    assert (result.arm.label, result.status, result.environment is None) == ("fp16", "ok", False)


def test_a_baseline_that_failed_makes_others_incomparable(monkeypatch, tmp_path, store):
    install_exports(monkeypatch, tmp_path, **{"fp16 b1": "too large"})
    result = compare(grid_of("fp16", "fp32", batches=(1, 4), **CPU), store)
    small, large = result.verdicts
    assert (small.arm, small.verdict, small.reason) == (
        "fp32 b1",
        "INCOMPARABLE",
        "the baseline fp16 b1 failed",
    )
    assert (large.arm, large.verdict != "INCOMPARABLE") == ("fp32 b4", True)


def test_an_interrupted_run_goes_on_where_it_stopped(monkeypatch, tmp_path, store):
    install_exports(monkeypatch, tmp_path)
    grid = grid_of("fp16", batches=(1, 4), **CPU)
    whole = install_timers(monkeypatch)
    undisturbed = compare(grid, Store(tmp_path / "other"))
    interrupted = install_timers(monkeypatch, interrupt_after=whole.blocks // 2)
    with pytest.raises(KeyboardInterrupt):
        compare(grid, store)
    assert list(store.results.glob("*.json")) == []
    rest = install_timers(monkeypatch)
    result = compare(grid, store)
    assert interrupted.blocks + rest.blocks == sum(row.measured.blocks for row in result.rows)
    assert rest.blocks < whole.blocks
    for row, other in zip(result.rows, undisturbed.rows, strict=True):
        assert row.measured.series["gpu_compute_ms"].median == other.measured.series["gpu_compute_ms"].median
        assert row.measured.processes >= other.measured.processes


def test_shapes_take_turns_round_by_round(monkeypatch, tmp_path, store):
    install_exports(monkeypatch, tmp_path)
    install_timers(monkeypatch)
    result = compare(grid_of("fp16", "fp32", batches=(1, 4), **CPU), store)
    (raw,) = result.raw_files(store.results)
    rounds = read_journal(raw.parent / "rounds.jsonl", RoundRecord)
    assert [each.group for each in rounds] == ["b1", "b4"] * BENCH.processes
    assert len({each.process for each in rounds}) == len(rounds)


@pytest.mark.parametrize("files_first", [True, False])
def test_a_file_stands_beside_recipes_of_its_batch(tmp_path, store, monkeypatch, files_first):
    install_exports(monkeypatch, tmp_path)
    install_timers(monkeypatch)
    # Its name is that of the recipe, and it is one arm of the same turns.
    file = str(write_model(tmp_path / "fp16.onnx", 4))
    result = compare(grid_of("fp16", "fp32", files=(file,), files_first=files_first, **CPU), store)
    keys = [file, "fp16", "fp32"] if files_first else ["fp16", "fp32", file]
    assert [row.key for row in result.rows] == keys
    assert [(each.baseline, each.arm) for each in result.verdicts] == [(keys[0], each) for each in keys[1:]]
    assert {row.batch for row in result.rows} == {4}


def test_files_are_compared_whatever_their_batch_is(tmp_path, store, monkeypatch):
    paths = [str(write_model(tmp_path / f"{name}.onnx", batch)) for name, batch in (("one", 1), ("two", 2))]
    result = compare(Grid(files=tuple(paths), bench=BENCH, **CPU), store)
    assert [row.key for row in result.rows] == ["one", "two"]
    assert [(verdict.arm, verdict.baseline) for verdict in result.verdicts] == [("two", "one")]

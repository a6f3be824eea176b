"""The search: bounds, failures, resumption and times, with stand-ins for workers and timers."""

import json
from concurrent.futures import ThreadPoolExecutor
from queue import Queue

import pytest
from support.grids import install_exports, install_no_gpu, install_timers
from support.scripted import BENCH
from support.tunings import install_work, noise, time_ms

from trtbench.compare.recommend import AS_FAST
from trtbench.errors import BuildError, SpecError
from trtbench.predict.gpus import find_gpu
from trtbench.progress import silent
from trtbench.results import Tuning
from trtbench.specs import CalibrationSpec, ExportSpec, InputsSpec, ModelSpec, TuneSpec
from trtbench.store.artifacts import Store
from trtbench.store.locks import locked
from trtbench.tune import tune
from trtbench.tune.space import BASELINE

GPU = find_gpu("rtx-5090")
PARTS = 1 + 11 + 28


@pytest.fixture
def store(tmp_path, monkeypatch):
    install_no_gpu(monkeypatch)
    return Store(tmp_path / "store")


def spec(**fields):
    export = ExportSpec(model=ModelSpec(), recipe=BASELINE, batch=4, calibration=CalibrationSpec())
    return TuneSpec(export=export, bench=BENCH, **fields)


def all_ms(bound):
    from trtbench.tune.space import all_recipes, precisions_of

    return [time_ms(recipe) for recipe in all_recipes(precisions_of(GPU)) if noise(recipe) <= bound]


def searched(work):
    """Parts that were made for the search itself, not for its winner."""
    of_winner = ("@stock", "+sparse")
    return {
        part
        for part, recipe, *change in work.seen
        if not change and not any(word in recipe for word in of_winner)
    }


def test_without_a_bound_the_fastest_wins(monkeypatch, store):
    install_work(monkeypatch)
    result = tune(spec(), GPU, store)
    assert (result.candidates, result.engines_built, result.errors_measured) == (486, 28, 11)
    assert str(result.winner) == "nvfp4+fp8attn"
    assert result.row_of(BASELINE).on_front
    assert [row.meets for row in result.rows] == [None] * len(result.rows)
    assert [row.predicted_ms for row in result.rows] == sorted(row.predicted_ms for row in result.rows)
    assert (result.by, result.has_failed, result.not_timed) == ("predicted", False, "no GPU here")


@pytest.mark.parametrize("bound_db", [18.2, 19.9, 23.1, 31.0, 33.2, 36.0, 40.1, 59.0])
def test_the_winner_is_the_fastest_that_keeps_the_bound(monkeypatch, store, bound_db):
    install_work(monkeypatch)
    result = tune(spec(min_sqnr_db=bound_db), GPU, store)
    best_ms = min(all_ms(10 ** (-bound_db / 10)))
    winner = result.row_of(result.winner)
    assert winner.meets
    assert winner.sqnr_db >= bound_db
    assert best_ms <= winner.predicted_ms <= best_ms * (1 + AS_FAST)
    assert {row.meets for row in result.rows} >= {True}
    assert len(result.rows) < 20


def test_where_nothing_keeps_the_bound_there_is_no_winner(monkeypatch, store):
    install_work(monkeypatch)
    result = tune(spec(min_sqnr_db=61), GPU, store)
    assert (result.winner, result.has_failed) == (None, True)


def test_a_bound_on_accuracy_is_judged_on_confirmed_recipes(monkeypatch, store):
    install_work(monkeypatch, top1=lambda power: 0.8 - power)
    result = tune(spec(max_top1_drop=1.15), GPU, store)
    winner = result.row_of(result.winner)
    assert winner.top1_drop <= 1.15
    best_ms = min(all_ms(0.0115))
    assert best_ms <= winner.predicted_ms <= best_ms * (1 + AS_FAST)


def test_a_bound_on_accuracy_needs_a_classifier(monkeypatch, store):
    work = install_work(monkeypatch)
    with pytest.raises(SpecError, match="--max-top1-drop needs a classifier"):
        tune(spec(max_top1_drop=1), GPU, store)
    assert work.seen == []
    tune(spec(), GPU, store)
    with pytest.raises(SpecError, match="--max-top1-drop needs a classifier"):
        tune(spec(max_top1_drop=1), GPU, store)


def test_what_was_confirmed_counts_and_not_the_estimate(monkeypatch, store):
    """Errors that do not add up: the whole model is 3 dB worse than its parts say."""
    work = install_work(monkeypatch)
    made = work._line

    def worse(task):
        line = made(task)
        if task.part != "whole" or task.export.recipe == BASELINE:
            return line
        lost = line.fidelity.model_copy(update={"sqnr_db": line.fidelity.sqnr_db - 3})
        return line.model_copy(update={"fidelity": lost})

    monkeypatch.setattr(work, "_line", worse)
    result = tune(spec(min_sqnr_db=30), GPU, store)
    assert result.row_of(result.winner).sqnr_db >= 30
    assert any(row.estimate.sqnr_db >= 30 > row.sqnr_db for row in result.rows)
    assert result.sqnr_error_db == pytest.approx(3)


def test_recipes_with_a_part_that_fails_are_left_out(monkeypatch, store):
    install_work(monkeypatch, refused={("shallow", "fp8:fc1=nvfp4,fc2=nvfp4"): "no room"})
    result = tune(spec(), GPU, store)
    assert result.failures == ("fp8:fc1=nvfp4,fc2=nvfp4: no room",)
    assert result.winner.precision_of("fc1") is not result.winner.precision_of("fc2")
    assert not result.has_failed


def test_a_candidate_that_fails_is_a_row_and_the_next_fastest_wins(monkeypatch, store):
    install_work(monkeypatch, refused={("whole", "nvfp4+fp8attn"): "no room"})
    result = tune(spec(), GPU, store)
    (failed,) = [row for row in result.rows if row.status == "failed"]
    assert (str(failed.recipe), failed.reason) == ("nvfp4+fp8attn", "no room")
    assert str(result.winner) != "nvfp4+fp8attn"
    assert result.has_failed


@pytest.mark.parametrize("part", [("whole", "fp16"), ("shallow", "fp8")])
def test_without_what_all_are_compared_with_there_is_an_error(monkeypatch, store, part):
    work = install_work(monkeypatch, refused={part: "no room"})
    with pytest.raises(BuildError, match=f"^{part[1]}, which all others are compared with, failed: no room"):
        tune(spec(), GPU, store)
    assert len(work.seen) < 2


def test_finished_work_is_not_done_again(monkeypatch, store):
    install_work(monkeypatch)
    first = tune(spec(), GPU, store)
    again = install_work(monkeypatch)
    assert tune(spec(), GPU, store) == first
    assert again.seen == []


def test_other_gpus_of_the_architecture_and_other_bounds_take_the_same_parts(monkeypatch, store):
    install_work(monkeypatch)
    tune(spec(), GPU, store)
    other = install_work(monkeypatch)
    tune(spec(min_sqnr_db=30), find_gpu("rtx-pro-6000-se"), store)
    assert searched(other) == {"whole"}


def test_other_images_change_errors_and_no_engine(monkeypatch, store):
    install_work(monkeypatch)
    tune(spec(), GPU, store)
    other = install_work(monkeypatch)
    tune(spec(inputs=InputsSpec(samples=9)), GPU, store)
    assert searched(other) == {"whole", "error"}


@pytest.mark.parametrize("after", [0, 5, PARTS, PARTS + 2])
def test_an_interrupted_search_goes_on(monkeypatch, store, after):
    first = install_work(monkeypatch, interrupt_after=after)
    with pytest.raises(KeyboardInterrupt):
        tune(spec(), GPU, store)
    rest = install_work(monkeypatch)
    tune(spec(), GPU, store)
    assert len(first.seen) == after
    assert set(first.seen).isdisjoint(rest.seen)


def test_a_failed_piece_is_tried_again(monkeypatch, store):
    refused = {("shallow", "fp8:head=nvfp4"): "no room"}
    install_work(monkeypatch, refused=refused)
    tune(spec(), GPU, store)
    again = install_work(monkeypatch)
    assert tune(spec(), GPU, store).failures == ()
    assert ("shallow", "fp8:head=nvfp4") in again.seen


def test_a_second_search_waits_for_the_first_and_takes_up_its_work(monkeypatch, store):
    install_work(monkeypatch)
    first = tune(spec(), GPU, store)
    again, steps = install_work(monkeypatch), Queue()
    with locked(store.results / "tune", "vit_base_patch16_224", "build", silent):
        second = ThreadPoolExecutor(1).submit(tune, spec(), GPU, store, steps.put)
        assert steps.get(timeout=60).text == "wait for another process that is making it"
        assert not second.done()
    assert (second.result(), again.seen) == (first, [])


def test_the_result_is_stored(monkeypatch, store):
    install_work(monkeypatch)
    result = tune(spec(), GPU, store)
    (path,) = store.results.glob("tune-vit_base_patch16_224-b4-*-rtx-5090.json")
    assert Tuning.model_validate_json(path.read_bytes()) == result


def test_where_the_confirmed_are_timed_the_measured_times_decide(monkeypatch, store, tmp_path):
    install_work(monkeypatch)
    install_timers(monkeypatch)
    install_exports(monkeypatch, tmp_path)
    result = tune(spec(runtime="onnxruntime-cpu"), GPU, store)
    assert all(row.measured_ms for row in result.rows)
    assert (result.by, result.not_timed) == ("measured", None)
    assert result.row_of(result.winner).measured_ms <= min(row.measured_ms for row in result.rows) * 1.01


def test_a_gpu_without_rates_is_refused_before_anything_is_made(monkeypatch, store):
    work = install_work(monkeypatch)
    with pytest.raises(SpecError, match="no prediction for Jetson Thor"):
        tune(spec(), find_gpu("thor"), store)
    assert (work.seen, store.root.exists()) == ([], False)


def test_the_command(monkeypatch, trtbench):
    install_no_gpu(monkeypatch)
    install_work(monkeypatch)
    arguments = ("tune", "vit_tiny_patch16_224", "--gpu", "5090", "--batch", "4", "--set", "depth=4")
    code, out, err = trtbench(*arguments)
    assert (code, err.count("\n") > 0) == (0, True)
    assert "winner: nvfp4+fp8attn, the fastest of" in out
    assert (
        "next: trtbench compare fp16 nvfp4+fp8attn --model vit_tiny_patch16_224 --batch 4 --set depth=4 "
        "--gpu rtx-5090 --target sm120\n"
    ) in out.replace("--set depth=4 --batch 4", "--batch 4 --set depth=4")
    assert " --clock-mhz 2000.0 " in trtbench(*arguments, "--clock-mhz", "2000")[1]
    code, out, _ = trtbench(*arguments, "--min-sqnr", "99", "--json")
    assert (code, json.loads(out)["winner"], json.loads(out)["kind"]) == (1, None, "tuning")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--max-top1-drop", "1"], "--max-top1-drop needs --data"),
        (["--max-top1-drop", "1", "--min-sqnr", "3", "--data", "x"], "exclude each other"),
        (["--max-top1-drop", "-1", "--data", "."], "--max-top1-drop -1.0: "),
        (["--min-sqnr", "nan"], "--min-sqnr nan: "),
        (["--sparsity-method", "sparsegpt"], "--sparsity-method has no effect"),
        (["--data", "nowhere"], "nowhere: no such directory"),
    ],
)
def test_what_is_wrong_is_one_line(trtbench, monkeypatch, options, reason):
    install_no_gpu(monkeypatch)
    work = install_work(monkeypatch)
    code, out, err = trtbench("tune", "vit_tiny_patch16_224", "--gpu", "5090", *options)
    assert (code, out, err.count("\n"), work.seen) == (2, "", 1, []), err
    assert reason in err

"""Whole runs over scripted arms, in this process but where one ends it or is in an environment."""

import json
import re
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import onnx
import pytest
from onnx import TensorProto, helper
from support.docker_stand_in import DIGEST, IMAGE, put_on_path
from support.scripted import BENCH, arm, of_label, spec_of, telemetry, write_script
from support.timed import MACHINE

from trtbench.environments import parse_environment, prepare
from trtbench.errors import ArtifactError, Code, MeasureError, SpecError
from trtbench.measure import stop
from trtbench.measure.arms import arm_of_onnx
from trtbench.measure.interleave import order
from trtbench.measure.process import ArmProcess
from trtbench.measure.run import Arm, run_id
from trtbench.measure.side_by_side import check_exclusive, measure_side_by_side
from trtbench.results import ProcessRecord, RunRecord, TimedBlock
from trtbench.store.artifacts import Store
from trtbench.store.journal import open_journal, read_journal
from trtbench.store.results import save_result


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def measure(arms, store, bench=BENCH, **options):
    seen = []
    measured = measure_side_by_side(arms, bench, store, "test", seen.append, MACHINE, **options)
    return measured, seen


def lines_of(store, name, file="blocks.jsonl", line_type=TimedBlock):
    return read_journal(store.root / "results" / name / file, line_type)


def keep_rounds(journal, count):
    """Make the run beside ``journal`` one that was interrupted after ``count`` rounds."""
    path = journal.with_name("rounds.jsonl")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:count]))


def codes(measurement):
    return {finding.code for finding in measurement.findings}


def test_two_arms_from_blocks_to_verdict(tmp_path, store):
    measured, seen = measure([arm(tmp_path, "fp16", 1.5), arm(tmp_path, "nvfp4", 1.2)], store)
    slow, fast = measured.measurements
    (verdict,) = measured.verdicts
    assert (slow.status, slow.processes, slow.blocks, slow.batch) == ("ok", 2, 8, 2)
    assert slow.series["gpu_compute_ms"].median == pytest.approx(1.5, rel=0.002)
    assert fast.queries_per_s == pytest.approx(1000 / 1.2, rel=0.002)
    assert fast.images_per_s == pytest.approx(2000 / 1.2, rel=0.002)
    assert (verdict.baseline, verdict.arm, verdict.verdict) == ("fp16", "nvfp4", "FASTER")
    assert verdict.ratio == pytest.approx(1.25, rel=0.005)
    assert slow.raw == f"{measured.name}/blocks.jsonl"
    assert re.fullmatch(r"timed 16 blocks: fp16 1\.5\d* ms, nvfp4 1\.2\d* ms", seen[-1].text)
    assert (seen[-1].done, seen[-1].total, seen[-1].left_s) == (2, 2, 0)
    assert [step.text for step in seen if step.total is None] == [
        "about 680 ms of warm-up and blocks, and 4 processes to load",
        *["load fp16", "load nvfp4"] * 2,
    ]
    assert [step.done for step in seen if step.total] == [0] * 4 + [1] * 5 + [2]
    lefts = [step.left_s for step in seen if step.total]  # what loading takes is not known before
    assert lefts == sorted(lefts, reverse=True)


def test_every_turn_has_every_arm_once_in_random_order(tmp_path, store):
    measured, _ = measure([arm(tmp_path, name) for name in "abc"], store)
    turns: dict[tuple[int, int], list[str]] = {}
    for block in lines_of(store, measured.name):
        turns.setdefault((block.process, block.block), []).append(block.arm)
    assert all(sorted(labels) == ["a", "b", "c"] for labels in turns.values())
    assert len({tuple(labels) for labels in turns.values()}) > 2
    assert Counter(process for process, _ in turns) == {0: 4, 1: 4}


def test_orders_repeat_with_the_seed_and_are_balanced():
    labels = ["a", "b", "c"]
    assert [order(labels, 7, 0, turn) for turn in range(9)] == [
        order(labels, 7, 0, turn) for turn in range(9)
    ]
    first = Counter(order(labels, 0, 0, turn)[0] for turn in range(600))
    assert all(150 < count < 250 for count in first.values())


def test_a_precise_arm_stops_before_its_time(tmp_path, store):
    bench = BENCH.model_copy(update={"duration_s": 4.0, "target_half_width": 0.01})
    measured, _ = measure([arm(tmp_path, "a", noise=0.0)], store, bench)
    # One process alone is never precise, since others may differ: it has its 2 s.
    assert Counter(block.process for block in lines_of(store, measured.name)) == {0: 50, 1: 3}


@pytest.mark.parametrize(
    ("failure", "words", "code", "was_measured"),
    [
        ({"at": "load", "how": "out_of_memory"}, "out of GPU memory", Code.GPU_OUT_OF_MEMORY, False),
        ({"at": "capture", "how": "error"}, "capture", Code.GRAPH_CAPTURE_FAILED, False),
        ({"at": "query", "query": 250, "how": "kill"}, "killed by signal 9", Code.MEASURE_KILLED, True),
        ({"at": "query", "query": 250, "how": "exit"}, "exit code 3", Code.MEASURE_FAILED, True),
    ],
)
def test_an_arm_that_fails_is_a_row_and_the_others_go_on(tmp_path, store, failure, words, code, was_measured):
    arms = [arm(tmp_path, "good"), arm(tmp_path, "bad", failure=failure)]
    measured, _ = measure(arms, store)
    good, bad = measured.measurements
    assert (good.status, good.processes) == ("ok", 2)
    assert (bad.status, bad.code) == ("failed", code)
    assert words in bad.reason
    assert (bad.blocks > 0, bool(bad.series)) == (was_measured, was_measured)
    assert measured.verdicts[0].verdict == "INCOMPARABLE"


def test_exclusive_is_refused_if_processes_cannot_be_listed():
    assert check_exclusive(None, False) == ()
    with pytest.raises(
        MeasureError,
        match=r"^--exclusive: NVML does not answer, so the GPU's other processes cannot be listed",
    ):
        check_exclusive(None, True)


def test_an_empty_graph_is_a_finding(tmp_path, store):
    measured, _ = measure([arm(tmp_path, "a", graph_kernels=0)], store)
    assert measured.measurements[0].status == "failed"
    assert "GRAPH_EMPTY" in codes(measured.measurements[0])


def test_throttled_blocks_are_reported_and_kept(tmp_path, store):
    held = telemetry(throttle_us={"hw_therm_slowdown": 200_000}, sm_clock_mhz=(1500,))
    entries = [each.model_dump(mode="json") for each in (telemetry(), held, telemetry())]
    measured, _ = measure([arm(tmp_path, "a", telemetry=entries)], store)
    (measurement,) = measured.measurements
    (finding,) = [each for each in measurement.findings if each.code == "THROTTLED"]
    assert finding.severity == "warning"
    assert finding.numbers["samples_share"] == pytest.approx(1 / 3, abs=0.1)
    assert measurement.telemetry.throttled_share == pytest.approx(0.8 / 3, abs=0.1)
    assert measurement.telemetry.throttle_us["hw_therm_slowdown"] > 0
    counted = sum(len(block.samples["gpu_compute_ms"]) for block in lines_of(store, measured.name))
    assert measurement.series["gpu_compute_ms"].samples == counted


HELD = telemetry(throttle_us={"sw_power_cap": 200_000}, sm_clock_mhz=(1830,), power_w=(695.0,))
ON_ZEROS = telemetry(sm_clock_mhz=(1965,), power_w=(610.0,))


def capped_arm(folder, label, factor, **fields):
    """A process of it has four blocks under the power cap, and then perhaps one on zeros."""
    entries = [each.model_dump(mode="json") for each in (HELD, HELD, HELD, HELD, ON_ZEROS)]
    return arm(folder, label, telemetry=entries, constant_inputs_factor=factor, **fields)


@pytest.fixture
def time_for_zeros(monkeypatch):
    """Scripted blocks take no time, and so neither do the shares of it."""
    monkeypatch.setattr(stop, "CONSTANTS_SHARE", 1e6)


@pytest.mark.parametrize(("factor", "fires"), [(0.94, True), (1.0, False)])
def test_under_the_power_cap_zeros_are_timed_too(tmp_path, store, time_for_zeros, factor, fires):
    bench = BENCH.model_copy(update={"processes": 3, "duration_s": 0.48})
    measured, _ = measure([capped_arm(tmp_path, "a", factor)], store, bench)
    (measurement,) = measured.measurements
    ordinary = lines_of(store, measured.name)
    on_zeros = lines_of(store, measured.name, "constant_blocks.jsonl")
    assert Counter(block.process for block in ordinary) == {0: 4, 1: 4, 2: 4}
    assert [(block.arm, block.process) for block in on_zeros] == [("a", 0), ("a", 1), ("a", 2)]
    assert {block.telemetry.sm_clock_mhz for block in on_zeros} == {(1965,)}
    assert {series for block in on_zeros for series in block.samples} == {"gpu_compute_ms"}
    assert measurement.blocks == 12
    assert measurement.telemetry.sm_clock_mhz == 1830
    counted = sum(len(block.samples["gpu_compute_ms"]) for block in ordinary)
    assert measurement.series["gpu_compute_ms"].samples == counted
    assert ("INPUT_DEPENDENT_POWER" in codes(measurement)) is fires
    if fires:
        (finding,) = [each for each in measurement.findings if each.code == "INPUT_DEPENDENT_POWER"]
        assert finding.numbers["constants_speedup"] == pytest.approx(1 / 0.94, rel=0.005)
        assert "at 1965 instead of 1830 MHz and 610 instead of 695 W" in finding.message


def test_zeros_are_timed_only_where_the_power_cap_held(tmp_path, store, time_for_zeros):
    entries = [telemetry(throttle_us={"hw_therm_slowdown": 200_000}).model_dump(mode="json")]
    hot = measure([arm(tmp_path, "a", telemetry=entries)], store)[0]
    burst = BENCH.model_copy(update={"regime": "burst", "rest_ms": 1.0})
    rested = measure([capped_arm(tmp_path, "b", 0.9)], store, burst)[0]
    unwatched = measure([arm(tmp_path, "c", constant_inputs_factor=0.9)], store)[0]
    for measured in (hot, rested, unwatched):
        assert lines_of(store, measured.name, "constant_blocks.jsonl") == []


def test_zeros_have_no_more_than_their_share_of_the_time(tmp_path, store, monkeypatch):
    monkeypatch.setattr(stop, "CONSTANTS_SHARE", 0.0)
    measured, _ = measure([capped_arm(tmp_path, "a", 0.9)], store)
    assert lines_of(store, measured.name, "constant_blocks.jsonl") == []
    assert measured.measurements[0].status == "ok"


def test_long_labels_have_logs_of_their_own(tmp_path, store):
    script = write_script(tmp_path, "a")
    labels = [f"{'x' * 200} {end}" for end in ("one", "two")] + ["fp16 on torch", "fp16-on-torch", "short"]
    arms = [Arm((spec_of(script, label=label),)) for label in labels]
    measured, _ = measure(arms, store)
    assert [each.status for each in measured.measurements] == 5 * ["ok"]
    logs = {path.name for path in (store.root / "results" / measured.name).glob("*.log")}
    assert len(logs) == 5 * BENCH.processes
    assert "short-0.log" in logs


def test_an_arm_that_is_not_restored_says_so_and_keeps_its_blocks(
    tmp_path, store, time_for_zeros, monkeypatch
):
    restore = ArmProcess.restore_inputs

    def refuse(process):
        if process._job.arm.label == "a":
            raise MeasureError("as if images were lost", code=Code.GRAPH_DIFFERS)
        restore(process)

    monkeypatch.setattr(ArmProcess, "restore_inputs", refuse)
    measured, _ = measure([capped_arm(tmp_path, "a", 0.9), arm(tmp_path, "b")], store)
    capped, other = measured.measurements
    assert (capped.status, capped.blocks, other.status) == ("failed", 4, "ok")
    assert (capped.reason, capped.code) == ("as if images were lost", Code.GRAPH_DIFFERS)
    on_zeros = lines_of(store, measured.name, "constant_blocks.jsonl")
    assert [(block.arm, block.process) for block in on_zeros] == [("b", 0), ("b", 1)]


def test_a_burst_rests_before_every_block(tmp_path, store):
    bench = BENCH.model_copy(update={"processes": 1, "regime": "burst", "rest_ms": 100.0})
    measured, _ = measure([arm(tmp_path, "a")], store, bench)
    started = [datetime.fromisoformat(block.started_utc) for block in lines_of(store, measured.name)]
    assert all(later - earlier >= timedelta(milliseconds=99) for earlier, later in pairwise(started))


def test_a_gpu_is_not_watched_for_what_a_cpu_computes(tmp_path, store):
    path = tmp_path / "model.onnx"
    inputs, outputs = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 8])] for name in ("images", "logits")
    )
    graph = helper.make_graph([helper.make_node("Exp", ["images"], ["logits"])], "g", inputs, outputs)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    watched = arm(tmp_path, "gpu", telemetry=[telemetry(foreign_pids=(4242,)).model_dump(mode="json")])
    measured, _ = measure([watched, arm_of_onnx("cpu", path, "onnxruntime-cpu")], store)
    on_gpu, on_cpu = measured.measurements
    assert (on_gpu.status, on_cpu.status) == ("ok", "ok"), on_cpu.reason
    assert "FOREIGN_PROCESS" in codes(on_gpu)
    assert (on_cpu.telemetry, codes(on_cpu) & {"FOREIGN_PROCESS", "THROTTLED"}) == (None, set())


def test_foreign_processes_are_reported_or_refused_with_exclusive(tmp_path, store):
    entries = [telemetry(foreign_pids=(4242,)).model_dump(mode="json")]
    arms = [arm(tmp_path, "a", telemetry=entries)]
    measured, _ = measure(arms, store)
    assert "FOREIGN_PROCESS" in codes(measured.measurements[0])
    with pytest.raises(MeasureError, match="4242") as caught:
        measure(arms, store, exclusive=True)
    assert caught.value.code == Code.FOREIGN_PROCESS


def test_rebuilds_are_a_level_of_their_own(tmp_path, store):
    path = write_script(tmp_path, "engine")
    built = Arm(tuple(spec_of(path, build=build, artifact_sha256=None) for build in range(2)))
    measured, _ = measure([arm(tmp_path, "torch"), built], store)
    of_engine = [block for block in lines_of(store, measured.name) if block.arm == "engine"]
    assert {(block.process, block.build) for block in of_engine} == {
        (process, process % 2) for process in range(4)
    }
    assert of_label(measured.measurements, "torch").processes == 4
    assert "REBUILDS_IDENTICAL" in codes(of_label(measured.measurements, "engine"))


def test_labels_must_differ(tmp_path, store):
    same = arm(tmp_path, "a")
    with pytest.raises(SpecError, match="--aa"):
        measure([same, same], store)


def test_each_arm_is_compared_with_the_one_that_is_named(tmp_path, store):
    arms = [arm(tmp_path, name, ms) for name, ms in (("a1", 1.5), ("a2", 1.2), ("b1", 3.0), ("b2", 3.6))]
    measured, _ = measure(arms, store, against={"a2": "a1", "b2": "b1", "b1": "nobody"})
    assert [(each.baseline, each.arm, each.verdict) for each in measured.verdicts] == [
        ("a1", "a2", "FASTER"),
        ("b1", "b2", "SLOWER"),
    ]


class TestEnvironments:
    """Arms in containers of a stand-in for docker, and in the Python that runs this."""

    @pytest.fixture
    def places(self, tmp_path, monkeypatch, store):
        put_on_path(tmp_path / "bin", monkeypatch)
        return [prepare(parse_environment(word), store) for word in (f"docker:{IMAGE}", "local")]

    def arms(self, tmp_path, places):
        made = [arm(tmp_path, f"{name}-{index}") for index in range(len(places)) for name in ("fp16", "fp8")]
        return [
            replace(
                each,
                builds=tuple(
                    build.model_copy(update={"environment": place.identity}) for build in each.builds
                ),
                environment=place,
            )
            for each, place in zip(made, [place for place in places for _ in range(2)], strict=True)
        ]

    def test_all_take_turns_in_one_run(self, tmp_path, store, places):
        measured, _ = measure(self.arms(tmp_path, places), store)
        assert [each.status for each in measured.measurements] == 4 * ["ok"]
        turns = Counter((block.process, block.block) for block in lines_of(store, measured.name))
        assert set(turns.values()) == {4}
        words = [each.arm.environment.word for each in measured.measurements]
        assert words == 2 * [f"docker:{IMAGE}"] + 2 * ["local"]
        assert measured.measurements[0].arm.environment.image_digest == DIGEST
        journal = (tmp_path / "bin" / "journal.txt").read_text().splitlines()
        names = [re.search(r"--name (\S+)", line).group(1) for line in journal if "measure.worker" in line]
        assert len(set(names)) == len(names) == 2 * BENCH.processes

    def test_an_interrupted_run_goes_on(self, tmp_path, store, places):
        first, _ = measure(self.arms(tmp_path, places), store)
        again = [prepare(place.spec, store) for place in places]
        second, seen = measure(self.arms(tmp_path, again), store)
        assert second == first
        assert seen == []

    def test_another_environment_is_another_run(self, tmp_path, store, places):
        container, here = places
        contents = container.contents.model_copy(update={"tensorrt": "10.14.1.48"})
        others = [
            container,
            container.model_copy(update={"image_digest": "sha256:1"}),
            container.model_copy(update={"contents": contents}),
            here,
        ]
        builds = [self.arms(tmp_path, [place])[0].builds[0] for place in others]
        records = [
            RunRecord(purpose="measure", arms=(build,), protocol=BENCH, machine={}) for build in builds
        ]
        assert len({run_id(record) for record in records}) == 4

    def test_an_arm_without_one_is_named_as_it_was(self, tmp_path):
        spec = arm(tmp_path, "a").builds[0]
        assert "environment" not in spec.model_dump(mode="json")
        assert type(spec).model_validate(spec.model_dump(mode="json")) == spec


class TestResuming:
    """An unfinished run goes on; a finished one, or another identity, is left alone."""

    def test_without_a_result_nothing_is_measured_twice(self, tmp_path, store):
        arms = [arm(tmp_path, "a"), arm(tmp_path, "b")]
        first, _ = measure(arms, store)
        second, seen = measure(arms, store)
        assert second == first
        assert seen == []

    def test_a_round_that_was_cut_short_is_kept_and_made_up_for(self, tmp_path, store):
        arms = [arm(tmp_path, "a"), arm(tmp_path, "b")]
        first, _ = measure(arms, store)
        journal = store.root / "results" / first.name / "blocks.jsonl"
        kept = journal.read_bytes().splitlines(keepends=True)[:11]
        journal.write_bytes(b"".join(kept) + b'{"schema_version":1,"arm":"a","bui')
        keep_rounds(journal, 1)
        again, _ = measure(arms, store)
        assert again.name == first.name
        assert journal.read_bytes().startswith(b"".join(kept))
        counts = Counter((block.arm, block.process) for block in lines_of(store, first.name))
        # Eight blocks of process 0 were whole, and three of process 1: another took its place.
        assert [counts["a", 0], counts["a", 2], counts["b", 0], counts["b", 2]] == [4, 4, 4, 4]
        assert counts["a", 1] + counts["b", 1] == 3
        assert again.measurements[0].blocks == 8 + counts["a", 1]
        assert again.verdicts[0].verdict in ("SAME", "AMBIGUOUS")

    def test_a_round_is_whole_when_its_stop_rules_ended_it_and_not_before(self, tmp_path, store):
        bench = BENCH.model_copy(update={"processes": 1, "duration_s": 0.8})
        arms = [arm(tmp_path, "a", noise=0.05), arm(tmp_path, "b", noise=0.05)]
        wanted = int(bench.duration_s * 1000 / bench.block_ms)
        cut = bench.min_blocks + 1

        turns = []

        def interrupt(step):
            turns.extend([step] if step.total else [])
            if len(turns) == cut:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            measure_side_by_side(arms, bench, store, "test", interrupt, MACHINE)
        measured, _ = measure(arms, store, bench)
        counts = Counter((block.arm, block.process) for block in lines_of(store, measured.name))
        assert [counts["a", 0], counts["b", 0]] == [cut, cut]
        assert [counts["a", 1], counts["b", 1]] == [wanted, wanted]

    def test_a_finished_run_is_never_added_to(self, tmp_path, store):
        arms = [arm(tmp_path, "a")]
        first, _ = measure(arms, store)
        save_result(store, first.name, first.measurements[0])
        second, _ = measure(arms, store)
        assert second.name != first.name
        assert second.name.endswith("-2")

    def test_another_protocol_or_another_artifact_is_another_run(self, tmp_path, store):
        one = arm(tmp_path, "a")
        other = Arm((one.builds[0].model_copy(update={"artifact_sha256": "ab" * 32}),))
        longer = BENCH.model_copy(update={"duration_s": 0.4})
        names = {measure([one], store)[0].name, measure([one], store, longer)[0].name}
        # The worker refuses a file that is not the one that the arm names; the name is what counts here.
        names.add(measure([other], store)[0].name)
        assert len(names) == 3

    def test_the_place_of_the_artifact_does_not_matter(self, tmp_path, store):
        (tmp_path / "elsewhere").mkdir()
        moved = arm(tmp_path / "elsewhere", "a")
        assert measure([arm(tmp_path, "a")], store)[0].name == measure([moved], store)[0].name

    def test_the_folder_says_what_its_blocks_belong_to(self, tmp_path, store):
        one = arm(tmp_path, "a")
        name = measure([one], store)[0].name
        record = json.loads((store.root / "results" / name / "run.json").read_text())
        assert RunRecord.model_validate(record).arms == one.builds
        assert record["protocol"]["block_ms"] == BENCH.block_ms
        assert {"gpu", "cpu_model", "packages"} <= set(record["machine"])
        processes = lines_of(store, name, "processes.jsonl", ProcessRecord)
        assert [(each.process, each.reason) for each in processes] == [(0, None), (1, None)]


def test_an_arm_that_recovers_is_measured_in_the_rounds_that_are_left(tmp_path, store):
    bad = arm(tmp_path, "bad", failure={"at": "load", "how": "error"})
    good = arm(tmp_path, "good")
    first, _ = measure([good, bad], store)
    journal = store.root / "results" / first.name / "blocks.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:4]))
    keep_rounds(journal, 1)
    write_script(tmp_path, "bad")
    again, _ = measure([good, bad], store)
    assert [each.status for each in again.measurements] == ["ok", "ok"]
    (failed,) = (each for each in again.measurements[1].findings if each.code == "PROCESS_FAILED")
    assert failed.message.startswith("1 process failed before the run was interrupted and went on: failed at")
    assert "PROCESS_FAILED" not in codes(again.measurements[0])
    assert of_label(again.measurements, "bad").processes == 1
    assert replace(again, verdicts=()).name == first.name


def test_a_round_that_lost_its_last_blocks_is_refused(tmp_path, store):
    measured, _ = measure([arm(tmp_path, "a")], store)
    journal = store.results / measured.name / "blocks.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(ArtifactError, match=r"holds 3 of the 4 blocks of process 1: remove the folder"):
        measure([arm(tmp_path, "a")], store)


def test_a_second_process_of_the_same_run_changes_nothing_of_the_first(tmp_path, store):
    measured, _ = measure([arm(tmp_path, "a")], store)
    folder = store.results / measured.name

    def contents():
        """Without times, which opening a journal changes."""
        return {path.name: (path.stat().st_ino, path.read_bytes()) for path in folder.iterdir()}

    before = contents()
    with (
        open_journal(folder / "blocks.jsonl", TimedBlock),
        pytest.raises(MeasureError, match="another trtbench is using it"),
    ):
        measure([arm(tmp_path, "a")], store)
    assert contents() == before


def test_the_store_is_moved_amid_a_run(tmp_path, store, monkeypatch):
    """Nothing is left under its old path, and the run goes on at the new one."""

    def move(self, *arguments, **options):
        store.root.rename(tmp_path / "moved")
        raise MeasureError("the log cannot be opened")

    arms = [arm(tmp_path, "a")]
    with monkeypatch.context() as patch:
        patch.setattr("trtbench.measure.interleave.open_timer", move)
        with pytest.raises(ArtifactError, match=r"store: was moved or removed while it was in use: run the"):
            measure(arms, store)
    assert not store.root.exists()
    measured, _ = measure(arms, Store(tmp_path / "moved"))
    assert measured.measurements[0].status == "ok"

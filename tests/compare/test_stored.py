"""Stored results read back, and compared without a GPU."""

import json
from pathlib import Path

import pytest
from support.scripted import FACTS, blocks, spec_of

from trtbench.compare.stored import compare_stored
from trtbench.compare.stored_arms import stored_arms
from trtbench.errors import ArtifactError, IncompatibleResults, SpecError
from trtbench.measure.findings import output_differs
from trtbench.measure.summarise import measurement_of
from trtbench.results import Comparison, ComparisonRow, Environment, Measurement
from trtbench.specs import ArmEnvironment, BenchSpec, ExportSpec
from trtbench.specs.recipe import parse_recipe
from trtbench.store.artifacts import Store
from trtbench.store.results import load_result, save_result

GOLDEN = Path(__file__).parents[1] / "golden"
ENVIRONMENT = Environment(
    trtbench_version="0.1.0",
    python_version="3.12.3",
    platform="Linux",
    cpu_model="EPYC",
    cpu_count=16,
    memory_bytes=2**36,
    packages={"torch": "2.11"},
    gpus=(),
    no_gpu_reason=None,
)


def measure(folder, name, medians, label="fp16", gpu="NVIDIA H200", bench=None, environment=None):
    """Store a measurement of four processes with these medians; return its path."""
    timed = [
        block
        for process, median in enumerate(medians)
        for block in blocks(median, median * 1.001, median * 0.999, process=process, label=label)
    ]
    (folder / "results" / name).mkdir(parents=True)
    raw = folder / "results" / name / "blocks.jsonl"
    raw.write_text("".join(f"{block.model_dump_json()}\n" for block in timed))
    measurement = measurement_of(
        spec_of(folder / label), bench or BenchSpec(), timed, FACTS, None, gpu, f"{name}/blocks.jsonl"
    ).model_copy(update={"environment": environment or ENVIRONMENT})
    return save_result(Store(folder), name, measurement)


def comparison_of(measured: list[Measurement], **fields: object) -> Comparison:
    """Measured arms as rows."""
    rows = tuple(
        ComparisonRow(
            key=each.arm.label,
            subject=each.arm.label,
            recipe=None,
            batch=each.batch,
            environment=each.arm.environment.word if each.arm.environment else "local",
            runtime=each.arm.runtime,
            measured=each,
        )
        for each in measured
    )
    return Comparison.model_validate({"environment": ENVIRONMENT, "model": None, "rows": rows, **fields})


@pytest.fixture
def slow(tmp_path):
    return measure(tmp_path, "slow", [1.5, 1.501, 1.499, 1.5])


@pytest.fixture
def fast(tmp_path):
    return measure(tmp_path, "fast", [1.2, 1.201, 1.199, 1.2], label="nvfp4")


def test_a_result_reads_back_with_its_blocks(slow):
    (stored,) = stored_arms(slow)
    assert stored.measurement == load_result(slow)
    assert len(stored.blocks) == 12


def test_two_files_get_a_verdict_and_a_warning(slow, fast):
    comparison = compare_stored([slow, fast])
    (verdict,) = comparison.verdicts
    assert (verdict.baseline, verdict.arm, verdict.verdict) == ("fp16", "nvfp4", "FASTER")
    assert verdict.ratio == pytest.approx(1.25, rel=1e-3)
    assert [finding.code for finding in comparison.measurements()[1].findings] == ["NOT_INTERLEAVED"]
    assert comparison.sources == (str(slow), str(fast))


def test_variables_that_differ_are_named_where_both_runs_recorded_them(tmp_path):
    found = {}
    for name, variables in (("old", None), ("none", {}), ("four", {"OMP_NUM_THREADS": "4"})):
        environment = ENVIRONMENT.model_copy(update={"variables": variables})
        found[name] = measure(tmp_path, name, [1.0, 1.0], label=name, environment=environment)

    def differences(*names):
        findings = compare_stored([found[name] for name in names]).measurements()[1].findings
        return [finding.message for finding in findings if finding.code == "MACHINE_DIFFERS"]

    assert differences("none", "four") == ["OMP_NUM_THREADS: none and 4"]
    assert differences("old", "four") == []


def test_sides_can_be_swapped(slow, fast):
    (verdict,) = compare_stored([fast, slow]).verdicts
    assert verdict.verdict == "SLOWER"
    assert verdict.ratio == pytest.approx(0.8, rel=1e-3)


def test_blocks_of_two_runs_are_not_paired(tmp_path):
    """Processes that differ alike in both runs would cancel if they were taken for neighbours."""
    one = measure(tmp_path, "one", [1.0, 1.1, 1.2, 1.3])
    other = measure(tmp_path, "other", [1.0, 1.1, 1.2, 1.3])
    (verdict,) = compare_stored([one, other]).verdicts
    assert verdict.ci95[1] - verdict.ci95[0] > 0.1
    assert verdict.verdict == "AMBIGUOUS"


def test_arms_of_one_run_stay_paired(tmp_path):
    (tmp_path / "results" / "both").mkdir(parents=True)
    sides = {
        label: [
            block
            for process, median in enumerate([1.0, 1.1, 1.2, 1.3])
            for block in blocks(median, median, process=process, label=label)
        ]
        for label in ("a", "b")
    }
    lines = [block for timed in sides.values() for block in timed]
    (tmp_path / "results" / "both" / "blocks.jsonl").write_text(
        "".join(f"{block.model_dump_json()}\n" for block in lines)
    )
    measured = [
        measurement_of(
            spec_of(tmp_path / label), BenchSpec(), timed, FACTS, None, "H200", "both/blocks.jsonl"
        )
        for label, timed in sides.items()
    ]
    again = compare_stored([save_result(Store(tmp_path), "both", comparison_of(measured))])
    assert again.verdicts[0].verdict == "SAME"
    assert again.measurements()[1].findings == ()


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        ({"gpu": "NVIDIA B200"}, ["gpu", "H200", "B200"]),
        ({"bench": BenchSpec(l2="flushed")}, ["l2", "warm", "flushed"]),
        ({"bench": BenchSpec(cuda_graph=False)}, ["cuda_graph"]),
    ],
)
def test_what_cannot_be_compared_says_why(tmp_path, slow, difference, words):
    other = measure(tmp_path, "other", [1.2] * 4, label="nvfp4", **difference)
    (verdict,) = compare_stored([slow, other]).verdicts
    assert verdict.verdict == "INCOMPARABLE"
    assert all(word in verdict.reason for word in words)
    assert verdict.ratio is None


def test_two_cpus_cannot_be_compared(tmp_path):
    one = measure(tmp_path, "one", [1.0] * 4, gpu=None)
    other = measure(
        tmp_path,
        "other",
        [1.0] * 4,
        label="b",
        gpu=None,
        environment=ENVIRONMENT.model_copy(update={"cpu_model": "Xeon"}),
    )
    (verdict,) = compare_stored([one, other]).verdicts
    assert verdict.verdict == "INCOMPARABLE"
    assert "EPYC" in verdict.reason
    assert "Xeon" in verdict.reason


def test_other_packages_are_reported(tmp_path, slow):
    other = ENVIRONMENT.model_copy(update={"packages": {"torch": "2.15"}})
    newer = measure(tmp_path, "newer", [1.2] * 4, label="b", environment=other)
    findings = {finding.code: finding for finding in compare_stored([slow, newer]).measurements()[1].findings}
    assert findings["MACHINE_DIFFERS"].message == "torch: 2.11 and 2.15"


def test_equal_labels_get_the_name_of_their_file(tmp_path, slow):
    again = measure(tmp_path, "again", [1.5] * 4)
    (verdict,) = compare_stored([slow, again]).verdicts
    assert (verdict.baseline, verdict.arm) == ("fp16 in slow", "fp16 in again")


def test_files_of_one_name_are_told_apart_by_their_paths(tmp_path, slow):
    (tmp_path / "tuesday").mkdir()
    again = measure(tmp_path / "tuesday", "slow", [1.5] * 4)
    (verdict,) = compare_stored([slow, again]).verdicts
    assert (verdict.baseline, verdict.arm) == (f"fp16 in {slow}", f"fp16 in {again}")


def test_a_file_cannot_be_compared_with_itself(slow):
    with pytest.raises(SpecError, match="named more than once"):
        compare_stored([slow, slow.parent / ".." / "results" / slow.name])


def test_one_arm_is_not_enough(slow):
    with pytest.raises(SpecError, match="two or more"):
        compare_stored([slow])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema_version": 2}, "schema_version 2, this trtbench reads 1 to 1"),
        ({"schema_version": None}, "schema_version None"),
        ({"kind": "onnx"}, "kind 'onnx'"),
        ({"blocks": "many"}, "field blocks"),
        ({"invented": 1}, "field invented"),
    ],
)
def test_a_file_of_another_kind_or_schema_is_refused(slow, change, words):
    slow.write_text(json.dumps({**json.loads(slow.read_text()), **change}))
    with pytest.raises(IncompatibleResults, match=words):
        load_result(slow)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"gpus": [{"x": 1}]}, "field environment.gpus.0.name: Field required"),
        ({"packages": ["torch"]}, "field environment.packages: Input should be an object"),
    ],
)
def test_a_damaged_environment_is_one_line_with_the_file_and_the_field(slow, fast, environment, words):
    fast.write_text(
        json.dumps(
            {
                **json.loads(fast.read_text()),
                "environment": {**json.loads(fast.read_text())["environment"], **environment},
            }
        )
    )
    with pytest.raises(IncompatibleResults, match=words) as caught:
        compare_stored([slow, fast])
    assert str(caught.value).startswith(f"{fast}: ")


def test_a_runtime_that_is_not_known_is_one_line(slow):
    raw = json.loads(slow.read_text())
    slow.write_text(json.dumps({**raw, "arm": {**raw["arm"], "runtime": "tensorrt_next"}}))
    with pytest.raises(IncompatibleResults, match="runtime 'tensorrt_next' of fp16 is not known"):
        stored_arms(slow)


def test_what_is_no_json_or_not_there_is_refused(tmp_path):
    (tmp_path / "text.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "deep.json").write_text("[" * 10**5)
    for name, words in {"text.json": "not JSON", "deep.json": "not JSON", "list.json": "kind None"}.items():
        with pytest.raises(IncompatibleResults, match=words):
            load_result(tmp_path / name)
    with pytest.raises(SpecError, match="no such file"):
        load_result(tmp_path / "no.json")


def test_several_batches_are_refused(tmp_path, slow):
    small = load_result(slow)
    large = small.model_copy(update={"batch": 64, "arm": small.arm.model_copy(update={"label": "fp16 b64"})})
    path = save_result(Store(tmp_path), "shapes", comparison_of([small, large], model="vit"))
    with pytest.raises(IncompatibleResults, match="several batches or image sizes; name results of one"):
        stored_arms(path)


def in_environment(measurement, word, **versions):
    place = ArmEnvironment(word=word, versions=versions)
    arm = measurement.arm.model_copy(update={"label": f"fp16 in {word}", "environment": place})
    return measurement.model_copy(update={"arm": arm, "environment": None})


def test_versions_of_the_environment_of_a_row_are_reported(tmp_path, slow):
    """Each row has the versions that were found where it ran."""
    once = load_result(slow)
    rows = [in_environment(once, f"venv:onnxruntime=={v}", onnxruntime=v) for v in ("1.24.4", "1.31.1")]
    raw = slow.parent / once.raw
    lines = raw.read_text()
    labels = [row.arm.label for row in rows]
    raw.write_text("".join(lines.replace('"arm":"fp16"', f'"arm":"{label}"') for label in labels))
    path = save_result(Store(tmp_path), "environments", comparison_of(rows))
    findings = compare_stored([path]).measurements()[1].findings
    assert [f.message for f in findings if f.code == "MACHINE_DIFFERS"] == ["onnxruntime: 1.24.4 and 1.31.1"]


def test_an_arm_against_itself_is_no_arm_to_compare():
    path = Path(__file__).parents[1] / "golden" / "measure" / "aa.json"
    with pytest.raises(IncompatibleResults, match=r"aa\.json: compares an arm with itself; name"):
        stored_arms(path)


def test_raw_blocks_that_are_gone_are_named(slow):
    (slow.parent / "slow" / "blocks.jsonl").unlink()
    with pytest.raises(ArtifactError, match=r"blocks\.jsonl"):
        stored_arms(slow)


def test_raw_blocks_that_are_not_all_there_are_refused(slow):
    raw = slow.parent / "slow" / "blocks.jsonl"
    raw.write_text("".join(raw.read_text().splitlines(keepends=True)[:3]))
    with pytest.raises(
        ArtifactError, match=r"blocks\.jsonl: holds 3 of the 12 blocks of fp16: bring the whole"
    ):
        stored_arms(slow)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"samples": {"gpu_compute_ms": [3.0, 3.0]}},
            r"fp16 has a median of 3 ms in .*, where .*slow\.json says",
        ),
        (
            {"samples": {"gpu_compute_ms": []}},
            r"line 1 is damaged \(field samples\.gpu_comp.* at least 1",
        ),
        ({"samples": {"gpu_compute_ms": [-1.0]}}, r"line 1 is damaged \(field .*greater than 0"),
        ({"samples": {"enqueue_ms": [1.0]}}, r"fp16 has no samples in gpu_compute_ms"),
        ({"schema_version": 9}, r"line 1 is damaged \(field schema_version"),
        ({"block": 1}, r"line 2 repeats block 1 of process 0 of fp16"),
    ],
)
def test_raw_blocks_that_were_changed_are_refused(slow, change, words):
    raw = slow.parent / "slow" / "blocks.jsonl"
    first, *others = [json.loads(line) for line in raw.read_text().splitlines()]
    changed = [
        {**first, **change},
        *({**line, "samples": change.get("samples", line["samples"])} for line in others),
    ]
    raw.write_text("".join(json.dumps(line) + "\n" for line in changed))
    with pytest.raises(ArtifactError, match=words):
        stored_arms(slow)


def with_outputs(path, outputs, **fields):
    """Give the stored arm an export and other outputs."""
    raw = json.loads(path.read_text())
    raw["arm"]["export"] = ExportSpec(recipe=parse_recipe("fp16")).model_dump(mode="json")
    raw["facts"]["output_sample"] = outputs
    path.write_text(json.dumps({**raw, **fields}))


def test_different_outputs_of_stored_results_are_reported_too(slow, fast):
    with_outputs(slow, [1.0, 2.0, -1.0])
    with_outputs(fast, [-1.0, -2.0, 1.0])
    found = compare_stored([slow, fast]).measurements()[1].findings
    assert [finding.code for finding in found] == ["NOT_INTERLEAVED", "OUTPUT_DIFFERS"]
    other_images = {**json.loads(fast.read_text())["protocol"], "seed": 7}
    with_outputs(fast, [-1.0, -2.0, 1.0], protocol=other_images)
    found = compare_stored([slow, fast]).measurements()[1].findings
    assert "OUTPUT_DIFFERS" not in [finding.code for finding in found]


def test_findings_of_a_run_are_not_reported_twice(tmp_path):
    runs = [two_arms(tmp_path, name) for name in ("monday", "tuesday")]
    measurements = compare_stored(runs).measurements()
    assert [each.arm.label for each in measurements] == [
        f"{arm} in {name}" for name in ("monday", "tuesday") for arm in ("fp16", "nvfp4")
    ]
    counts = [[finding.code for finding in each.findings].count("OUTPUT_DIFFERS") for each in measurements]
    assert counts == [0, 1, 0, 2]  # on Tuesday against its own baseline, and against Monday's


def two_arms(folder, name):
    """Store a run of two arms whose outputs differ, with the finding that it wrote."""
    export = ExportSpec(recipe=parse_recipe("fp16"))
    timed = {label: blocks(1.5, 1.501, label=label) for label in ("fp16", "nvfp4")}
    facts = {"fp16": FACTS, "nvfp4": FACTS.model_copy(update={"output_sample": (-1.0, -2.0, 1.0)})}
    base, arm = (
        measurement_of(
            spec_of(folder / label, export=export),
            BenchSpec(),
            timed[label],
            facts[label],
            None,
            None,
            f"{name}/b.jsonl",
        )
        for label in timed
    )
    arm = arm.model_copy(update={"findings": (output_differs(base, arm),)})
    (folder / "results" / name).mkdir(parents=True)
    lines = (block.model_dump_json() + "\n" for label in timed for block in timed[label])
    (folder / "results" / name / "b.jsonl").write_text("".join(lines))
    return save_result(Store(folder), name, comparison_of([base, arm]))


def compiled(folder, name, golden="compare/comparison", **fields):
    """Keep a comparison of which nothing was timed, as ``--json`` prints it; return its path."""
    (folder / "results").mkdir(exist_ok=True)
    result = load_result(GOLDEN / f"{golden}.json").model_copy(update=fields)
    return result.save(folder / "results" / f"{name}.json")


class TestCompiled:
    """Results of machines without a GPU."""

    def test_rows_keep_what_was_compiled_and_found(self, tmp_path):
        one, other = compiled(tmp_path, "one"), compiled(tmp_path, "other")
        result = compare_stored([one, other])
        assert [row.key for row in result.rows[:2]] == ["fp16 in one", "mxfp8 in one"]
        assert len(result.rows) == 10
        before = load_result(one).rows
        assert [row.findings for row in result.rows] == [row.findings for row in (*before, *before)]
        assert [row.compiled for row in result.rows[:5]] == [row.compiled for row in before]
        assert (result.verdicts, result.has_failed) == ((), True)

    def test_one_result_has_rows_enough(self, tmp_path):
        assert [row.key for row in compare_stored([compiled(tmp_path, "one")]).rows][:2] == ["fp16", "mxfp8"]

    def test_beside_one_that_was_timed(self, tmp_path, slow, fast):
        result = compare_stored([slow, compiled(tmp_path, "one"), fast])
        assert [row.key for row in result.rows] == [
            *("fp16 in slow", "fp16 in one", "mxfp8", "nvfp4@stock", "nvfp4 in one", "fp8", "nvfp4 in fast")
        ]
        (verdict,) = result.verdicts
        assert (verdict.baseline, verdict.arm, verdict.verdict) == ("fp16 in slow", "nvfp4 in fast", "FASTER")

    def test_what_was_timed_in_a_comparison_keeps_what_was_compiled(self, tmp_path, slow):
        row = load_result(GOLDEN / "compare" / "comparison.json").rows[2]
        timed = load_result(slow)
        rows = []
        for label in ("fp16", "b"):
            measured = timed.model_copy(update={"arm": timed.arm.model_copy(update={"label": label})})
            rows.append(row.model_copy(update={"key": label, "measured": measured}))
        raw = slow.parent / timed.raw
        raw.write_text(raw.read_text() + raw.read_text().replace('"arm":"fp16"', '"arm":"b"'))
        path = compiled(tmp_path, "both", rows=tuple(rows))
        result = compare_stored([path])
        assert [each.findings for each in result.rows] == [row.findings] * 2
        assert [verdict.verdict for verdict in result.verdicts] == ["SAME"]

    def test_predictions_are_compared_on_one_gpu(self, tmp_path):
        (fp16, *_), clock = load_result(GOLDEN / "predict" / "predictions.json").rows, 2000.0
        slower = fp16.predicted.model_copy(update={"clock_mhz": clock})
        alone = {"predicted_speedups": (), "recommendations": ()}
        one = compiled(tmp_path, "one", "predict/predictions", rows=(fp16,), **alone)
        same = compiled(tmp_path, "same", "predict/predictions", rows=(fp16,), **alone)
        rows = (fp16.model_copy(update={"predicted": slower}),)
        other = compiled(tmp_path, "other", "predict/predictions", rows=rows, **alone)
        result = compare_stored([one, same, other])
        assert [(each.arm, each.ratio) for each in result.predicted_speedups] == [("fp16 b1 in same", 1.0)]
        assert result.rows[2].predicted is None
        assert "at 2000 MHz" in result.rows[2].not_predicted
        assert result.recommendations[0].row == "fp16 b1 in one"

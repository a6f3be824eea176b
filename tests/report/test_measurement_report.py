"""The text of everything that times, character by character."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from support.scripted import FACTS, blocks, spec_of, telemetry

from trtbench.compare.stored_arms import raw_files
from trtbench.measure.findings import Observed, findings_between, findings_of
from trtbench.measure.run import Arm
from trtbench.measure.side_by_side import ratio_of
from trtbench.measure.summarise import measurement_of
from trtbench.measure.verdict import decide
from trtbench.progress import RunProgress
from trtbench.report.text.measurement import evidence, progress_line, told_as_steps
from trtbench.report.text.stored import render_stored
from trtbench.results import AaReport, ArmsComparison, Comparison, ComparisonRow, Sweep
from trtbench.specs import BenchSpec, ExportSpec
from trtbench.specs.recipe import parse_recipe
from trtbench.store.results import load_result

GOLDEN = Path(__file__).parents[1] / "golden" / "measure"
GPU = "NVIDIA RTX PRO 6000 Blackwell"
RESULTS = ("measurement", "failed", "arms", "compared", "sweep", "aa")
HOT = telemetry(throttle_us={"hw_therm_slowdown": 100_000}, sm_clock_mhz=(1500,))


def observe(label, median, batch=8, hot=False, reason=None, gpu=GPU, size=None):
    timed = [
        block.model_copy(update={"telemetry": HOT if hot and process == 2 else telemetry()})
        for process, factor in enumerate([1.0, 1.001, 0.999] if median else [])
        for block in blocks(
            median * factor, median * factor * 1.002, process=process, label=label, enqueue_ms=(0.02,)
        )
    ]
    inputs = (FACTS.inputs[0].model_copy(update={"shape": (batch, 3, 224, 224)}),)
    facts = (
        FACTS.model_copy(update={"inputs": inputs, "notes": ("a note of the runtime",)}) if median else None
    )
    export = ExportSpec(recipe=parse_recipe(label), batch=batch)
    arm = spec_of(Path(label), runtime="tensorrt_rtx", recipe=export.recipe, export=export)
    measurement = measurement_of(
        arm, BenchSpec(processes=3), timed, facts if median else None, reason, gpu, "run-1/blocks.jsonl"
    )
    return Observed(Arm((arm,), size), measurement, timed)


def with_findings(observed, baseline=None):
    found = findings_of(observed) + (findings_between(baseline, observed) if baseline else ())
    return observed.measurement.model_copy(update={"findings": found})


def compared(batch=8):
    """Measurements and verdicts of a baseline, a faster arm that was hot, one alike, and one that failed."""
    base = observe("fp16", 1.5, batch, size=180 << 20)
    others = [
        observe("nvfp4", 1.2, batch, hot=True, size=40 << 20),
        observe("bf16", 1.5, batch, size=180 << 20),
        observe("mxfp8", 0, batch, reason="out of GPU memory [2.1 GB]: take a smaller batch"),
    ]
    verdicts = []
    for each in others:
        ratio = ratio_of(base.measurement, base.blocks, each.measurement, each.blocks)
        verdicts.append(decide(base.measurement, each.measurement, ratio))
    return [with_findings(base), *(with_findings(each, base) for each in others)], tuple(verdicts)


def comparison(batch=8):
    measurements, verdicts = compared(batch)
    return Comparison(
        environment={},
        model="vit_base_patch16_224",
        batch=batch,
        target={"sm": None, "gpu": GPU},
        baseline="fp16",
        rows=tuple(
            ComparisonRow(
                recipe=each.arm.recipe,
                status=each.status,
                reason=each.reason,
                runtime="tensorrt_rtx",
                measured=each,
            )
            for each in measurements
        ),
        verdicts=verdicts,
    )


def result(name):
    measurements, verdicts = compared()
    return {
        "measurement": measurements[1].model_copy(update={"environment": {"cpu_model": "EPYC"}}),
        "failed": measurements[3],
        "arms": ArmsComparison(
            environment={}, sources=("a.json",), baseline="fp16", measurements=measurements, verdicts=verdicts
        ),
        "compared": comparison(),
        "sweep": Sweep(points=(comparison(1), comparison(64))),
        "aa": AaReport(
            environment={},
            gpu=GPU,
            arm=measurements[0].arm,
            protocol=BenchSpec(processes=3),
            series="gpu_compute_ms",
            facts=measurements[0].facts,
            comparisons=200,
            pool=9,
            verdicts={"SAME": 150, "AMBIGUOUS": 47, "FASTER": 3},
            false_alarm_share=0.015,
            coverage=0.955,
            half_width=0.0031,
            raw="aa-1/comparisons.jsonl",
        ),
    }[name]


def render(stored, width):
    console = Console(file=StringIO(), width=width, highlight=False)
    render_stored(stored, raw_files(stored, Path("v", "results")), console)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize("width", [110, 80])
def test_text(name, width):
    assert render(result(name), width) == (GOLDEN / f"{name}_{width}.txt").read_text()


@pytest.mark.parametrize("name", RESULTS)
def test_json(name):
    stored, path = result(name), GOLDEN / f"{name}.json"
    assert rounded(stored.model_dump(mode="json")) == rounded(json.loads(path.read_text()))
    assert load_result(path).model_dump_json(indent=2) + "\n" == path.read_text()


def test_a_report_of_an_arm_against_itself_may_have_no_facts_as_older_ones(tmp_path):
    stored = json.loads((GOLDEN / "aa.json").read_text())
    del stored["facts"]
    (tmp_path / "aa.json").write_text(json.dumps(stored))
    text = render(load_result(tmp_path / "aa.json"), 110)
    assert text == (GOLDEN / "aa_110.txt").read_text().replace("note: a note of the runtime\n", "")


def rounded(value):
    """Without the last digits, which differ between processors."""
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [rounded(entry) for entry in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


def test_one_of_a_thing_is_no_plural():
    single = result("measurement").model_copy(update={"blocks": 1, "processes": 1})
    assert "; 1 block of 1 process\n" in render(single, 110)
    report = result("aa").model_copy(
        update={"comparisons": 1, "pool": 3, "protocol": BenchSpec(processes=1), "raw": "x"}
    )
    assert ": 1 comparison of 1 process with 1 other, out of 3, measured" in render(report, 110)
    assert progress_line(RunProgress("measure", 1, {}, None)) == "measure, 1 block"


def test_every_table_names_the_gpu_or_says_that_there_was_none():
    assert GPU in evidence([observe("fp16", 1.5).measurement])
    no_gpu = observe("fp16", 1.5, gpu=None).measurement
    on_cpu = no_gpu.model_copy(update={"arm": no_gpu.arm.model_copy(update={"runtime": "onnxruntime-cpu"})})
    assert evidence([on_cpu]) == "measured on a CPU (gpu_compute_ms)"
    scripted = no_gpu.model_copy(update={"arm": no_gpu.arm.model_copy(update={"runtime": "fake"})})
    assert "scripted" in evidence([scripted])
    assert evidence([observe("fp16", 0, reason="x").measurement]) == "nothing was measured"


def test_progress_tells_blocks_medians_and_the_time_that_is_left():
    progress = RunProgress("process 2 of 3: measure", 14, {"fp16": 1.5, "nvfp4": 1.2}, 12.0)
    assert progress_line(progress) == (
        "process 2 of 3: measure, 14 blocks, fp16 1.5 ms, nvfp4 1.2 ms, at most 12.0 s of blocks left"
    )


def test_progress_is_not_told_after_every_turn():
    lines = []
    tell = told_as_steps(lines.append)
    for turn in range(50):
        tell(RunProgress("process 1 of 1: measure", turn, {}, 1.0))
    tell(RunProgress("process 2 of 2: load fp16", 50, {}, 1.0))
    assert len(lines) == 2

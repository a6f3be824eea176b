"""The text of everything that times, character by character."""

import json
from io import StringIO
from pathlib import Path

import pytest
from support.timed import GPU, MACHINE, compared, comparison, observe

from trtbench.errors import MeasureError
from trtbench.report.text.console import VisibleConsole
from trtbench.report.text.measurement import evidence
from trtbench.report.text.stored import render_stored
from trtbench.results import AaReport
from trtbench.specs import BenchSpec
from trtbench.store.results import load_result

GOLDEN = Path(__file__).parents[1] / "golden" / "measure"
RESULTS = ("measurement", "failed", "arms", "compared", "sweep", "aa")


def from_files():
    """The comparison as one of stored results."""
    fields = {"environment": None, "model": None, "sources": ("a.json",)}
    return comparison(8).model_copy(update=fields)


def result(name):
    measurements, _ = compared()
    return {
        "measurement": measurements[1].model_copy(update={"environment": MACHINE}),
        "failed": measurements[3],
        "arms": from_files(),
        "compared": comparison(8),
        "sweep": comparison(1, 64),
        "aa": AaReport(
            environment=MACHINE,
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
    console = VisibleConsole(file=StringIO(), width=width)
    render_stored(stored, stored.raw_files(Path("v", "results")), console)
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


def test_a_failure_stored_before_there_were_codes_can_be_read(tmp_path):
    stored = json.loads((GOLDEN / "failed.json").read_text())
    del stored["code"]
    (tmp_path / "failed.json").write_text(json.dumps(stored))
    older = load_result(tmp_path / "failed.json")
    assert (older.reason, older.code) == (stored["reason"], None)


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


def test_every_table_names_the_gpu_or_says_that_there_was_none():
    assert GPU in evidence([("fp16", observe("fp16", 1.5).measurement)])
    no_gpu = observe("fp16", 1.5, gpu=None).measurement
    on_cpu = no_gpu.model_copy(update={"arm": no_gpu.arm.model_copy(update={"runtime": "onnxruntime-cpu"})})
    assert evidence([("fp16", on_cpu)]) == "measured on a CPU (gpu_compute_ms)"
    scripted = no_gpu.model_copy(update={"arm": no_gpu.arm.model_copy(update={"runtime": "fake"})})
    assert "scripted" in evidence([("fp16", scripted)])
    assert (
        evidence([("fp16", observe("fp16", 0, failure=MeasureError("x")).measurement)])
        == "nothing was measured"
    )


def test_arms_on_two_gpus_are_named_once_each():
    one, other = observe("fp16", 1.5), observe("fp16", 1.5, gpu="NVIDIA H200")
    named = [("fp16", one.measurement), ("fp16", one.measurement), ("nvfp4", other.measurement)]
    assert evidence(named) == f"measured fp16 on {GPU}; nvfp4 on NVIDIA H200 (gpu_compute_ms)"

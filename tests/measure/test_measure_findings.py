"""Each check fires on its evidence, gives its numbers, and stays silent without it."""

import re
from dataclasses import replace
from pathlib import Path
from statistics import fmean, pstdev

import pytest
from support.scripted import FACTS, blocks, spec_of, telemetry

from trtbench.errors import Code, MeasureError
from trtbench.measure.findings import (
    Observed,
    constants_speedup,
    cosine_limit,
    findings_between,
    findings_of,
    output_differs,
)
from trtbench.measure.run import Arm
from trtbench.measure.summarise import measurement_of
from trtbench.specs import BenchSpec, CheckpointSpec, ExportSpec, ModelSpec
from trtbench.specs.recipe import Precision, parse_recipe

STEADY = [1.0, 1.001, 0.999, 1.0]


def observe(tmp_path, timed, recipe=None, facts=FACTS, bench=None, size=None, failure=None, model=None):
    export = None
    if recipe is not None:
        export = ExportSpec(recipe=parse_recipe(recipe), model=model or ModelSpec())
    spec = spec_of(tmp_path / "a", export=export, recipe=None if export is None else export.recipe)
    bench = bench or BenchSpec(target_half_width=0.5)
    measurement = measurement_of(spec, bench, timed, facts, failure, "NVIDIA H200", "raw")
    return Observed(Arm((spec,), size), measurement, timed)


def found(observed):
    return {finding.code: finding for finding in findings_of(observed)}


def three_processes(medians, **series):
    return [block for process in range(3) for block in blocks(*medians, process=process, **series)]


def watched(medians, *entries):
    timed = three_processes(medians)
    return [
        block.model_copy(update={"telemetry": entries[index % len(entries)]})
        for index, block in enumerate(timed)
    ]


def test_a_quiet_arm_has_no_findings(tmp_path):
    assert found(observe(tmp_path, watched(STEADY, telemetry()))) == {}


@pytest.mark.parametrize(("enqueue_ms", "fires"), [(0.79, False), (0.8, False), (0.81, True)])
def test_enqueue_bound(tmp_path, enqueue_ms, fires):
    findings = found(observe(tmp_path, three_processes([1.0, 1.0], enqueue_ms=(enqueue_ms,))))
    assert ("ENQUEUE_BOUND" in findings) is fires
    if fires:
        assert findings["ENQUEUE_BOUND"].numbers == {"enqueue_ms": 0.81, "gpu_compute_ms": 1.0}
        assert "81%" in findings["ENQUEUE_BOUND"].message


@pytest.mark.parametrize(("empty_query_ms", "fires"), [(None, False), (0.09, False), (0.4, True)])
def test_runtime_overhead(tmp_path, empty_query_ms, fires):
    facts = FACTS.model_copy(update={"empty_query_ms": empty_query_ms})
    findings = found(observe(tmp_path, three_processes([1.0, 1.0]), facts=facts))
    assert ("RUNTIME_OVERHEAD" in findings) is fires
    if fires:
        assert findings["RUNTIME_OVERHEAD"].numbers == {"empty_query_ms": 0.4, "gpu_compute_ms": 1.0}
        assert "40%" in findings["RUNTIME_OVERHEAD"].message


def test_throttle_by_heat_is_a_warning_with_the_contrast(tmp_path):
    hot = telemetry(throttle_us={"hw_therm_slowdown": 100_000})
    finding = found(observe(tmp_path, watched([1.2, 1.0], hot, telemetry())))["THROTTLED"]
    assert finding.severity == "warning"
    assert finding.numbers["median_throttled_ms"] == 1.2
    assert finding.numbers["median_free_ms"] == 1.0
    assert finding.numbers["samples_share"] == 0.5
    assert "hw_therm_slowdown" in finding.message


HINTS = {
    "hw_therm_slowdown": ("warning", "cool the GPU"),
    "sw_therm_slowdown": ("warning", "cool the GPU"),
    "hw_power_brake_slowdown": ("warning", "power supply slowed the GPU down"),
    "sw_power_cap": ("info", "sustained load at the power limit"),
    "sync_boost": ("info", "sync boost group"),
}


@pytest.mark.parametrize("reason", HINTS)
def test_every_throttle_reason_has_its_own_hint(tmp_path, reason):
    held = telemetry(throttle_us={**dict.fromkeys(HINTS, 0), reason: 100_000})
    finding = found(observe(tmp_path, watched(STEADY, held)))["THROTTLED"]
    severity, words = HINTS[reason]
    assert (finding.severity, words in finding.hint) == (severity, True)
    assert reason in finding.message
    others = {other for _, other in HINTS.values() if other != words}
    assert not [other for other in others if other in finding.hint]


def test_several_throttle_reasons_have_all_their_hints_once(tmp_path):
    reasons = ("sw_power_cap", "hw_therm_slowdown", "sw_therm_slowdown")
    held = telemetry(throttle_us=dict.fromkeys(reasons, 100_000))
    finding = found(observe(tmp_path, watched(STEADY, held)))["THROTTLED"]
    assert finding.severity == "warning"
    assert [finding.hint.count(words) for words in ("cool the GPU", "power limit", "brake")] == [1, 1, 0]


CAPPED = telemetry(throttle_us={"sw_power_cap": 100_000}, sm_clock_mhz=(1830,), power_w=(695.0,))
FREE = telemetry(sm_clock_mhz=(1965,), power_w=(610.0,))


def contrasted(tmp_path, on_zeros, entry=FREE, recipe="fp16", model=None):
    """An arm under the power cap, 1 ms on images, with one block on zeros in each process."""
    observed = observe(tmp_path, watched(STEADY, CAPPED), recipe, model=model)
    timed = [
        each.model_copy(update={"telemetry": entry})
        for process, median_ms in enumerate(on_zeros)
        for each in blocks(median_ms, process=process)
    ]
    return replace(observed, constant_blocks=timed)


def test_the_speedup_of_zeros_under_the_power_cap_is_reported(tmp_path):
    finding = found(contrasted(tmp_path, [0.94, 0.942, 0.938]))["INPUT_DEPENDENT_POWER"]
    numbers = finding.numbers
    assert finding.severity == "info"
    assert numbers["constants_speedup"] == pytest.approx(1 / 0.94, rel=1e-3)
    assert 1.05 < numbers["ci95_low"] < numbers["constants_speedup"] < numbers["ci95_high"] < 1.08
    assert numbers["power_capped_share"] == pytest.approx(0.4)
    assert (numbers["constants_sm_clock_mhz"], numbers["images_sm_clock_mhz"]) == (1965, 1830)
    assert (numbers["constants_power_w"], numbers["images_power_w"]) == (610, 695)
    assert "1.064x as fast as images (95 % interval 1.05" in finding.message
    assert "3 processes), at 1965 instead of 1830 MHz and 610 instead of 695 W" in finding.message
    assert "--checkpoint" in finding.hint


@pytest.mark.parametrize(
    "on_zeros",
    [
        [],  # no time was left for them
        [1.0, 1.002, 0.998],  # the same
        [0.9, 1.01, 0.95],  # faster in the median, by less than processes differ
        [0.998, 0.9981, 0.9979],  # surely faster, by too little to matter
        [1.05, 1.051, 1.049],  # slower: not for less power
        [0.94],  # one process says nothing about others
    ],
)
def test_an_unresolved_or_irrelevant_difference_is_not_a_finding(tmp_path, on_zeros):
    assert "INPUT_DEPENDENT_POWER" not in found(contrasted(tmp_path, on_zeros))


def test_blocks_on_zeros_are_in_no_statistic(tmp_path):
    with_zeros, without = contrasted(tmp_path, [0.5, 0.5, 0.5]), contrasted(tmp_path, [])
    assert with_zeros.measurement == without.measurement
    assert set(found(with_zeros)) - set(found(without)) == {"INPUT_DEPENDENT_POWER"}


def test_only_processes_that_timed_both_are_compared(tmp_path):
    finding = found(contrasted(tmp_path, [0.94, 0.942, 0.938, 5.0]))["INPUT_DEPENDENT_POWER"]
    assert finding.numbers["constants_speedup"] == pytest.approx(1 / 0.94, rel=1e-3)


def test_known_weights_and_clocks_that_were_not_read(tmp_path):
    weights = ModelSpec(checkpoint=CheckpointSpec(path="vit.safetensors", sha256="ab" * 32))
    unread = FREE.model_copy(update={"sm_clock_mhz": (), "power_w": ()})
    observed = contrasted(tmp_path, [0.94, 0.942, 0.938], entry=unread, model=weights)
    finding = found(observed)["INPUT_DEPENDENT_POWER"]
    assert "--checkpoint" not in finding.hint
    assert "MHz" not in finding.message


def test_a_throttle_of_no_account_is_none(tmp_path):
    assert "THROTTLED" not in found(
        observe(tmp_path, watched(STEADY, telemetry(throttle_us={"sw_power_cap": 2000})))
    )


def test_noise(tmp_path):
    loud = found(observe(tmp_path, three_processes([1.0, 1.1, 0.9, 1.05, 0.95])))["NOISY"]
    assert loud.severity == "warning"
    assert loud.numbers["cov"] == pytest.approx(0.0707, abs=1e-3)
    wide = found(observe(tmp_path, three_processes(STEADY)[:6], bench=BenchSpec(target_half_width=1e-6)))[
        "NOISY"
    ]
    assert wide.severity == "info"
    assert wide.numbers["relative_half_width"] > 1e-6


def test_drift_in_every_process(tmp_path):
    finding = found(observe(tmp_path, three_processes([1.0, 1.0, 1.02, 1.02])))["NOT_STEADY"]
    assert finding.numbers["drift"] == pytest.approx(0.02)
    assert "slower" in finding.message


def test_a_drift_to_shorter_times_is_one(tmp_path):
    finding = found(observe(tmp_path, three_processes([1.02, 1.02, 1.0, 1.0])))["NOT_STEADY"]
    assert finding.numbers["drift"] == pytest.approx(-0.02, rel=0.03)
    assert "faster" in finding.message


def test_the_share_of_an_enqueue_is_that_of_the_gpus_time(tmp_path):
    finding = found(observe(tmp_path, three_processes([2.0, 2.0], enqueue_ms=(2.0,))))["ENQUEUE_BOUND"]
    assert "takes 2 ms, 100% of its 2 ms" in finding.message


def test_ups_and_downs_are_no_drift(tmp_path):
    up, down = blocks(1.0, 1.0, 1.05, 1.05), blocks(1.05, 1.05, 1.0, 1.0, process=1)
    assert "NOT_STEADY" not in found(observe(tmp_path, [*up, *down]))
    assert "NOT_STEADY" not in found(observe(tmp_path, three_processes([1.0, 1.0, 1.001, 1.001])))


def test_one_process_is_no_plural(tmp_path):
    drifting = found(observe(tmp_path, blocks(1.0, 1.0, 1.02, 1.02)))["NOT_STEADY"]
    assert drifting.message.startswith("in the one process the second half of the blocks is slower")
    hot = telemetry(throttle_us={"hw_therm_slowdown": 100_000})
    timed = [block.model_copy(update={"telemetry": hot}) for block in blocks(1.0)]
    assert "(1 of 1 block)" in found(observe(tmp_path, timed))["THROTTLED"].message


def test_notes_of_the_warm_up_are_reported(tmp_path):
    facts = FACTS.model_copy(update={"unsteady": ("no steady state in 10.0 s of warming up",)})
    assert "10.0 s" in found(observe(tmp_path, three_processes(STEADY), facts=facts))["NOT_STEADY"].message


def test_a_runtime_without_a_graph(tmp_path):
    facts = FACTS.model_copy(update={"cuda_graph": "none"})
    assert "NO_GRAPH" in found(observe(tmp_path, three_processes(STEADY), facts=facts))
    asked = BenchSpec(target_half_width=0.5, cuda_graph=False)
    assert "NO_GRAPH" not in found(observe(tmp_path, three_processes(STEADY), facts=facts, bench=asked))


def test_the_l2_cache_that_holds_one_arm(tmp_path):
    small, large = (observe(tmp_path, three_processes(STEADY), size=size) for size in (40 << 20, 180 << 20))
    (finding,) = findings_between(large, small)
    assert finding.code == "L2_FITS_ONE_ARM"
    assert finding.numbers == {"baseline_bytes": 180 << 20, "arm_bytes": 40 << 20, "l2_bytes": 50 << 20}
    assert findings_between(large, large) == ()
    full, unknown = (observe(tmp_path, three_processes(STEADY), size=size) for size in (50 << 20, None))
    assert findings_between(full, small) == ()  # exactly as large as the cache
    assert [each.code for each in findings_between(large, full)] == ["L2_FITS_ONE_ARM"]
    assert findings_between(unknown, small) == findings_between(small, unknown) == ()
    flushed = BenchSpec(l2="flushed", target_half_width=0.5)
    cold = observe(tmp_path, three_processes(STEADY), size=40 << 20, bench=flushed)
    assert findings_between(large, cold) == ()


@pytest.mark.parametrize(
    ("recipe", "sample", "fires"),
    [
        ("fp16", (1.0, 2.0, -1.0), False),
        ("fp16", (1.0, 2.0, -0.5), True),
        ("nvfp4", (1.0, 2.0, -0.5), False),
        ("nvfp4", (-1.0, 2.0, 1.0), True),
        ("nvfp4+sparse", (0.0, 1.0, 2.0), True),
        ("nvfp4+sparse", (0.0, 2.0, 0.0), False),
    ],
)
def test_outputs_are_compared_with_a_limit_by_precision(tmp_path, recipe, sample, fires):
    facts = FACTS.model_copy(update={"output_sample": sample})
    baseline = observe(tmp_path, three_processes(STEADY), "fp16")
    other = observe(tmp_path, three_processes(STEADY), recipe, facts=facts)
    assert [finding.code for finding in findings_between(baseline, other)] == ["OUTPUT_DIFFERS"] * fires


def test_the_limits_of_cosines_are_those_of_the_documentation():
    text = (Path(__file__).parents[2] / "docs" / "explanation" / "measuring.md").read_text(encoding="utf-8")
    table = text.partition("| recipe | least cosine |")[2].partition("\n\n")[0]
    rows = [row.split("|")[1:3] for row in table.splitlines()[2:]]
    shown = {word: float(limit) for words, limit in rows for word in re.findall("`([^`]+)`", words)}
    assert {"fp32", "nvfp4", "fp16+fp8attn", "nvfp4+fp8attn", "fp16+sparse"} < set(shown)
    assert {precision.value for precision in Precision} < set(shown)
    assert shown == {word: cosine_limit(parse_recipe(word)) for word in shown}


def test_outputs_of_two_models_are_not_compared(tmp_path):
    facts = FACTS.model_copy(update={"output_sample": (-1.0, -2.0, 1.0)})
    baseline = observe(tmp_path, three_processes(STEADY), "fp16")
    other = observe(tmp_path, three_processes(STEADY), "fp16", facts=facts, model=ModelSpec(seed=1))
    assert findings_between(baseline, other) == ()


def test_a_failed_arm_without_blocks_has_its_reason_only(tmp_path):
    failure = MeasureError("the captured CUDA graph holds no kernel", code=Code.GRAPH_EMPTY)
    observed = observe(tmp_path, [], facts=None, failure=failure)
    assert found(observed)["GRAPH_EMPTY"].message == "the captured CUDA graph holds no kernel"


def test_a_graph_that_leaves_outputs_unwritten_is_reported_as_such(tmp_path):
    text = "output y: the captured CUDA graph left 20 of 20 values unwritten"
    observed = observe(tmp_path, [], facts=None, failure=MeasureError(text, code=Code.GRAPH_EMPTY))
    assert found(observed)["GRAPH_EMPTY"].message == text
    assert observed.measurement.status == "failed"


@pytest.mark.parametrize(
    ("hashes", "fires"), [("aa", True), ("aaa", True), ("ab", False), ("aab", False), ("a", False)]
)
def test_builds_are_identical_where_all_hashes_are(tmp_path, hashes, fires):
    one = observe(tmp_path, three_processes(STEADY))
    builds = tuple(
        spec_of(tmp_path / "a", build=build, artifact_sha256=letter * 64)
        for build, letter in enumerate(hashes)
    )
    codes = found(replace(one, arm=Arm(builds, None)))
    assert (Code.REBUILDS_IDENTICAL in codes) == fires
    if fires:
        assert codes[Code.REBUILDS_IDENTICAL].numbers == {"builds": len(hashes)}


@pytest.mark.parametrize("side", [0, 1])
def test_an_arm_without_facts_has_no_outputs_to_compare(tmp_path, side):
    arms = [observe(tmp_path, three_processes(STEADY), "fp16") for _ in range(2)]
    unknown = arms[side].measurement.model_copy(update={"facts": None})
    measurements = [unknown if index == side else each.measurement for index, each in enumerate(arms)]
    assert output_differs(*measurements) is None


def test_noise_is_relative_to_the_mean(tmp_path):
    medians = [2.0, 2.2, 1.8, 2.1, 1.9]
    assert found(observe(tmp_path, three_processes(medians)))["NOISY"].numbers["cov"] == pytest.approx(
        pstdev(medians) / fmean(medians), rel=1e-3
    )


@pytest.mark.parametrize(
    ("medians", "drift"),
    [
        ([1.0, 1.01, 1.01, 1.03, 1.03, 1.05], 1.03 / 1.01 - 1),
        ([1.0, 1.0, 9.0, 1.05, 1.05], 0.05),  # the block in the middle is in neither half
    ],
)
def test_a_drift_is_that_of_the_medians_of_halves(tmp_path, medians, drift):
    finding = found(observe(tmp_path, three_processes(medians)))["NOT_STEADY"]
    assert finding.numbers["drift"] == pytest.approx(drift)


def test_one_process_that_drifts_the_other_way_is_enough_to_doubt_a_drift(tmp_path):
    ends = (1.02, 1.03, 0.99)
    timed = [each for process, end in enumerate(ends) for each in blocks(1.0, 1.0, end, end, process=process)]
    assert "NOT_STEADY" not in found(observe(tmp_path, timed))


def test_three_blocks_are_too_few_for_halves(tmp_path):
    assert "NOT_STEADY" not in found(observe(tmp_path, three_processes([1.0, 1.05, 1.05])))


def test_failed_processes_are_counted_and_the_last_is_quoted(tmp_path):
    observed = observe(tmp_path, three_processes(STEADY))
    finding = found(replace(observed, failures=("out of memory", "killed by signal 9")))["PROCESS_FAILED"]
    assert finding.message.startswith("2 processes failed before")
    assert finding.message.endswith("killed by signal 9")
    assert finding.numbers == {"processes": 2}
    assert "PROCESS_FAILED" not in found(observed)


def test_other_processes_are_named_with_the_blocks_that_they_were_in(tmp_path):
    quiet, busy = telemetry(), telemetry(foreign_pids=(7, 3))
    beside = found(observe(tmp_path, watched(STEADY, quiet, busy, busy)))["FOREIGN_PROCESS"]
    assert "(3, 7): not at the start, and in 8 of 12 blocks" in beside.message
    assert beside.numbers == {"blocks": 8, "processes": 2}
    before = replace(observe(tmp_path, watched(STEADY, quiet)), foreign_pids=(5,))
    assert "(5): before the first block" in found(before)["FOREIGN_PROCESS"].message


def test_zeros_without_telemetry_or_facts_are_no_failure(tmp_path):
    ratios = [0.94, 0.942, 0.938]
    unread = replace(contrasted(tmp_path, ratios), constant_blocks=[])
    assert constants_speedup(unread) is None
    observed = contrasted(tmp_path, ratios)
    bare = [each.model_copy(update={"telemetry": None}) for each in observed.constant_blocks]
    finding = found(replace(observed, constant_blocks=bare))["INPUT_DEPENDENT_POWER"]
    assert "constants_sm_clock_mhz" not in finding.numbers
    unknown = observed.measurement.model_copy(update={"facts": None})
    assert constants_speedup(replace(observed, measurement=unknown)) is None

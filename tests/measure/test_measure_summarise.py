"""Blocks become a measurement: rates, energy, throttle, and nothing left out."""

import pytest
from support.scripted import FACTS, blocks, spec_of, telemetry

from trtbench.errors import Code, MeasureError
from trtbench.measure.summarise import is_power_capped, is_throttled, measurement_of, power_capped_share
from trtbench.specs import BenchSpec, ExportSpec
from trtbench.specs.recipe import parse_recipe


def summarise(tmp_path, timed, facts=FACTS, failure=None, **arm):
    return measurement_of(spec_of(tmp_path / "a", **arm), BenchSpec(), timed, facts, failure, "H200", "raw")


def test_rates_and_counts(tmp_path):
    timed = [*blocks(2.0, 2.0, h2d_ms=(0.5,)), *blocks(2.0, 2.0, process=1)]
    measurement = summarise(tmp_path, timed)
    assert (measurement.processes, measurement.blocks, measurement.batch) == (2, 4, 8)
    assert measurement.queries_per_s == pytest.approx(500)
    assert measurement.images_per_s == pytest.approx(4000)
    assert measurement.series["gpu_compute_ms"].samples == 12
    assert measurement.series["h2d_ms"].samples == 2


def test_energy_is_the_mean_power_times_the_time_of_an_image(tmp_path):
    timed = [each.model_copy(update={"telemetry": telemetry(energy_j=75.0)}) for each in blocks(2.0, 2.0)]
    timed[1] = timed[1].model_copy(update={"telemetry": telemetry(energy_j=25.0)})
    # 100 J in 0.5 s are 200 W; a query of 8 images takes 2 ms.
    assert summarise(tmp_path, timed).telemetry.energy_per_image_j == pytest.approx(200 * 0.002 / 8)


def test_energy_that_is_not_known_is_null(tmp_path):
    timed = [each.model_copy(update={"telemetry": telemetry(energy_j=None)}) for each in blocks(2.0, 2.0)]
    assert summarise(tmp_path, timed).telemetry.energy_per_image_j is None
    assert summarise(tmp_path, blocks(2.0)).telemetry is None


def test_reasons_overlap_and_are_not_added_up(tmp_path):
    held = telemetry(throttle_us={"sw_power_cap": 100_000, "sw_therm_slowdown": 50_000})
    timed = [each.model_copy(update={"telemetry": held}) for each in blocks(2.0, 2.0)]
    summary = summarise(tmp_path, timed).telemetry
    assert summary.throttled_share == pytest.approx(0.4)
    assert summary.throttle_us == {"sw_power_cap": 200_000, "sw_therm_slowdown": 100_000}
    assert is_throttled(timed[0])
    assert not is_throttled(blocks(2.0)[0])


def test_the_power_caps_share_is_of_the_time_of_watched_blocks():
    held = [
        each.model_copy(update={"telemetry": telemetry(throttle_us={"sw_power_cap": microseconds})})
        for each, microseconds in zip(blocks(2.0, 2.0), (40_000, 0), strict=True)
    ]
    assert power_capped_share(held) == pytest.approx(0.08)
    assert is_power_capped(held)
    assert not is_power_capped(held[1:])
    assert power_capped_share(blocks(2.0)) == 0


def test_a_counter_that_ran_longer_than_the_block_counts_as_the_block():
    held = [
        each.model_copy(update={"telemetry": telemetry(throttle_us={"sw_power_cap": 255_000})})
        for each in blocks(2.0)
    ]
    assert power_capped_share(held) == 1.0


def test_readings_that_nvml_did_not_give_are_null(tmp_path):
    unread = telemetry(sm_clock_mhz=(), power_w=(), temperature_c=())
    timed = [each.model_copy(update={"telemetry": unread}) for each in blocks(2.0, 2.0)]
    summary = summarise(tmp_path, timed).telemetry
    assert (summary.sm_clock_mhz, summary.power_w, summary.temperature_c) == (None, None, None)


def test_a_failure_keeps_what_was_measured_before(tmp_path):
    failure = MeasureError("out of memory", code=Code.GPU_OUT_OF_MEMORY)
    measurement = summarise(tmp_path, blocks(2.0, 2.0), failure=failure)
    assert (measurement.status, measurement.reason) == ("failed", "out of memory")
    assert measurement.code == Code.GPU_OUT_OF_MEMORY
    assert measurement.series["gpu_compute_ms"].median == 2.0


def test_a_failure_at_load_knows_the_batch_that_was_asked_for(tmp_path):
    export = ExportSpec(recipe=parse_recipe("fp16"), batch=4)
    measurement = summarise(tmp_path, [], facts=None, failure=MeasureError("no driver"), export=export)
    assert (measurement.batch, measurement.series, measurement.queries_per_s) == (4, {}, None)


def test_an_arm_without_a_block_is_no_success(tmp_path):
    assert summarise(tmp_path, []).status == "failed"

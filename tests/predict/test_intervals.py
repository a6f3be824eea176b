"""Intervals hold as often as they say, on made-up and on held-out measured times."""

import csv
from pathlib import Path

import numpy as np
import pytest

from trtbench.predict.fitted import calibration_of, fitted
from trtbench.predict.gpus import find_gpu, known_gpus
from trtbench.predict.intervals import COVERAGE, conformal_bounds, worst_of

SAMPLE = Path(__file__).parents[2] / "docs" / "benchmarks" / "prediction_held_out.csv"


def held_out():
    with SAMPLE.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def share_within(rows, bounds_of):
    within = []
    for row in rows:
        bounds = bounds_of(row).kernel
        ratio = float(row["measured_us"]) / float(row["predicted_us"])
        within.append(bounds.low <= ratio <= bounds.high)
    return np.mean(within)


@pytest.mark.parametrize("count", [19, 100, 1000])
def test_bounds_hold_for_new_draws(count):
    rng = np.random.default_rng(0)
    within = []
    for _ in range(2000):
        *seen, new = rng.lognormal(0, 0.2, count + 1)
        bounds = conformal_bounds(np.array(seen))
        within.append(bounds.low <= new <= bounds.high)
    assert COVERAGE - 0.02 < np.mean(within) < COVERAGE + 0.04


def test_the_worst_group_decides():
    calm, wild = np.linspace(0.9, 1.1, 100), np.linspace(0.5, 2.0, 100)
    assert worst_of([calm, wild]) == conformal_bounds(wild)


def test_measured_gpus_hold_on_shapes_and_model_widths_that_were_held_out():
    for split in ("shape", "family"):
        rows = [row for row in held_out() if row["split"] == split]
        share = share_within(rows, own_bounds)
        assert len(rows) > 500
        assert share > COVERAGE - 0.03, split


def test_left_out_gpus_hold():
    fit = fitted()
    rows = [row for row in held_out() if row["split"] == "gpu"]
    assert share_within(rows, lambda row: fit.unmeasured[key(row)]) > COVERAGE


def test_an_unmeasured_gpu_gets_a_wider_interval():
    own = calibration_of(find_gpu("rtx-pro-6000-se"))
    for name in ("rtx-pro-6000-ws", "rtx-5090"):
        other = calibration_of(find_gpu(name))
        for name_of, bounds in own.errors.items():
            wider = other.errors[name_of].kernel
            assert wider.low <= bounds.kernel.low
            assert wider.high >= bounds.kernel.high
    assert calibration_of(find_gpu("rtx-5090")).level == "unmeasured"
    assert calibration_of(find_gpu("rtx-pro-6000-ws")).level == "same_chip"


def test_every_predicted_gpu_has_rates_for_its_precisions():
    for gpu in known_gpus():
        if gpu.calibrated_on:
            rates = fitted().gpus[gpu.calibrated_on]
            assert {"fp16", "fp8", "fp4"} & set(gpu.flop_per_clock_sm) <= set(rates.gemm), gpu.name


def test_every_error_is_an_interval_around_a_usable_prediction():
    fit = fitted()
    for errors in (*(rates.errors for rates in fit.gpus.values()), fit.same_chip, fit.unmeasured):
        for each in errors.values():
            for bounds in (each.kernel, each.total):
                assert 0.3 < bounds.low < 1 < bounds.high < 3


def own_bounds(row):
    return calibration_of(find_gpu(row["gpu"])).errors[key(row)]


def key(row):
    return f"{row['kind']} {row['precision']}"

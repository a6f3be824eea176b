"""Speed-ups: errors that both engines share cancel, and others do not."""

import runpy
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from support.audits import audit_of
from support.predicted_examples import PREDICTED_GROUP, PREDICTION

from trtbench.errors import IncompatibleResults
from trtbench.predict.engine import predict_engine
from trtbench.predict.gpus import find_gpu
from trtbench.predict.speedup import predicted_speedup

BENCHMARKS = Path(__file__).parents[2] / "docs" / "benchmarks"
FACTORS = {"gemm fp16": (0.9, 1.1), "gemm fp4": (0.8, 1.3), "pointwise any": (0.7, 1.2)}


def prediction(**milliseconds):
    """By group; ``gemm_fp16=2.0``."""
    groups = {
        (name := key.replace("_", " ")): PREDICTED_GROUP.model_copy(
            update={"predicted_ms": time, "factor": FACTORS[name]}
        )
        for key, time in milliseconds.items()
    }
    total = sum(milliseconds.values())
    ends = [sum(each.factor[end] * each.predicted_ms for each in groups.values()) for end in (0, 1)]
    return PREDICTION.model_copy(
        update={"groups": groups, "gpu_compute_ms": total, "interval_ms": tuple(ends)}
    )


FP16 = prediction(gemm_fp16=4.0, pointwise_any=1.0)
NVFP4 = prediction(gemm_fp16=1.0, gemm_fp4=1.0, pointwise_any=1.5)


def test_the_ratio_is_that_of_the_times():
    found = predicted_speedup("fp16", FP16, "nvfp4", NVFP4)
    assert (found.baseline, found.arm, found.ratio) == ("fp16", "nvfp4", pytest.approx(5 / 3.5))
    low, high = found.interval
    assert low < found.ratio < high


def test_an_engine_is_as_fast_as_itself():
    assert predicted_speedup("a", FP16, "b", FP16).interval == (1, 1)


def test_engines_that_share_no_group_have_the_quotient_of_both_intervals():
    slow, fast = prediction(gemm_fp16=4.0), prediction(gemm_fp4=2.0)
    (low, high), (least, most) = slow.interval_ms, fast.interval_ms
    assert predicted_speedup("a", slow, "b", fast).interval == pytest.approx((low / most, high / least))


def test_no_factors_within_the_bounds_give_a_ratio_beyond_the_interval():
    low, high = predicted_speedup("a", FP16, "b", NVFP4).interval
    steps = [np.linspace(*FACTORS[name], 9) for name in FACTORS]
    ratios = [(4 * fp16 + moved) / (fp16 + fp4 + 1.5 * moved) for fp16, fp4, moved in product(*steps)]
    assert (min(ratios), max(ratios)) == pytest.approx((low, high))
    (slow, slowest), (fast, fastest) = FP16.interval_ms, NVFP4.interval_ms
    assert slow / fastest < low
    assert high < slowest / fast


def test_the_interval_is_that_of_all_corners():
    rng = np.random.default_rng(5)
    for _ in range(50):
        slow, fast = ({f"g{at}": time for at, time in enumerate(rng.integers(0, 4, 7))} for _ in range(2))
        bounds = [(1 - low, 1 + high) for low, high in rng.uniform(0, 0.5, (7, 2))]
        sides = [
            PREDICTION.model_copy(
                update={
                    "gpu_compute_ms": 1.0,
                    "groups": {
                        name: PREDICTED_GROUP.model_copy(
                            update={"predicted_ms": float(time), "factor": factor}
                        )
                        for (name, time), factor in zip(times.items(), bounds, strict=True)
                    },
                }
            )
            for times in (slow | {"g0": 1}, fast | {"g0": 1})
        ]
        all_ratios = [
            sum(f * t for f, t in zip(corner, {**slow, "g0": 1}.values(), strict=True))
            / sum(f * t for f, t in zip(corner, {**fast, "g0": 1}.values(), strict=True))
            for corner in product(*bounds)
        ]
        found = predicted_speedup("a", sides[0], "b", sides[1]).interval
        assert found == pytest.approx((min(all_ratios), max(all_ratios)), rel=1e-12)


def test_many_groups_take_no_time():
    many = prediction(gemm_fp16=4.0)
    groups = {f"{number}": PREDICTED_GROUP for number in range(200)}
    many = many.model_copy(update={"groups": groups})
    assert predicted_speedup("a", many, "b", many).interval == (1, 1)


@pytest.mark.parametrize("change", [{"gpu_compute_ms": 0.0}, {"groups": {}}])
def test_a_prediction_of_no_time_is_refused(change):
    with pytest.raises(IncompatibleResults, match="no speed-up of nvfp4 over fp16: a predicted time is not"):
        predicted_speedup("fp16", FP16.model_copy(update=change), "nvfp4", NVFP4)


def test_intervals_hold_on_held_out_kernels_where_shared_kernels_are_the_same():
    script = runpy.run_path(str(BENCHMARKS / "speedup_coverage.py"))
    held_out = script["ratios"](BENCHMARKS / "prediction_held_out.csv")
    gpu = "rtx-pro-6000-se"
    drawn = {
        group: ratios for (split, of, group), ratios in held_out.items() if (split, of) == ("family", gpu)
    }
    first, second = (
        predict_engine(audit, find_gpu(gpu), 8) for audit in (audit_of("fp16"), audit_of("mxfp8"))
    )
    same, other = (script["coverage"](first, second, drawn, 1, same) for same in (True, False))
    assert same > 0.9
    # What docs/explanation/prediction.md does not claim.
    assert other < 0.9

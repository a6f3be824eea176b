import importlib.util
import math
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_ind, ttest_rel

from trtbench.errors import MeasureError
from trtbench.stats import (
    PROCESS_STATE,
    BlockSamples,
    Ratio,
    Summary,
    is_beyond_scatter,
    speedup,
    speedup_of_runs,
    summarise,
)

SCRIPT = Path(__file__).parents[1] / "docs" / "benchmarks" / "interval_coverage.py"

times_ms = st.floats(1e-3, 1e3)
keys = st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 3))


def blocks_of(samples: dict[tuple[int, int, int], Sequence[float]]) -> list[BlockSamples]:
    return [BlockSamples(*key, values) for key, values in samples.items()]


# Arms of any shape: other counts of builds, processes, blocks and samples than their rival's.
arms = st.dictionaries(keys, st.lists(times_ms, min_size=1, max_size=6), min_size=1, max_size=12).map(
    blocks_of
)


def noisy_arm(
    processes: int, blocks: int, samples: int, seed: int, median_ms: float = 1.0
) -> list[BlockSamples]:
    rng = np.random.default_rng(seed)
    levels = median_ms * np.exp(0.001 * rng.standard_normal((processes, blocks, 1)))
    values = levels * np.exp(0.002 * rng.standard_normal((processes, blocks, samples)))
    return [BlockSamples(0, p, b, values[p, b]) for p in range(processes) for b in range(blocks)]


def scaled(arm: Sequence[BlockSamples], factor: float) -> list[BlockSamples]:
    return [BlockSamples(b.build, b.process, b.block, np.asarray(b.values) * factor) for b in arm]


def shuffled(arm: Sequence[BlockSamples], seed: int) -> list[BlockSamples]:
    order = random.Random(seed)  # noqa: S311
    inside = [
        BlockSamples(b.build, b.process, b.block, order.sample(list(b.values), len(b.values))) for b in arm
    ]
    return order.sample(inside, len(inside))


def numbers(ratio: Ratio) -> list[float]:
    return [ratio.value, *ratio.ci95, *ratio.ci975]


@given(arms, arms)
def test_swapped_arms_invert_the_ratio(baseline: list[BlockSamples], arm: list[BlockSamples]) -> None:
    ratio, swapped = speedup(baseline, arm), speedup(arm, baseline)
    assert swapped.value == pytest.approx(1 / ratio.value)
    assert swapped.ci95 == pytest.approx((1 / ratio.ci95[1], 1 / ratio.ci95[0]))
    assert swapped.ci975 == pytest.approx((1 / ratio.ci975[1], 1 / ratio.ci975[0]))
    assert swapped.level == ratio.level


@given(arms, arms)
def test_intervals_are_nested_and_hold_the_ratio(
    baseline: list[BlockSamples], arm: list[BlockSamples]
) -> None:
    ratio = speedup(baseline, arm)
    assert 0 <= ratio.ci975[0] <= ratio.ci95[0] <= ratio.value <= ratio.ci95[1] <= ratio.ci975[1]


@given(arms, arms, st.floats(0.1, 10))
def test_scaling(baseline: list[BlockSamples], arm: list[BlockSamples], factor: float) -> None:
    ratio = speedup(baseline, arm)
    assert numbers(speedup(scaled(baseline, factor), scaled(arm, factor))) == pytest.approx(numbers(ratio))
    one_scaled = speedup(scaled(baseline, factor), arm)
    assert numbers(one_scaled) == pytest.approx([factor * number for number in numbers(ratio)])


# Powers of two: any other factor can round two values to one, and equal values share their weights.
@given(arms, st.sampled_from([0.125, 0.5, 2.0, 8.0]))
def test_summary_scales_and_its_quantiles_are_ordered(arm: list[BlockSamples], factor: float) -> None:
    found = summarise(arm)
    assert found.minimum <= found.median <= found.p90 <= found.p99 <= found.maximum
    assert found.ci95[0] <= found.median <= found.ci95[1]
    assert found.samples == sum(len(block.values) for block in arm)
    for name, value in summarise(scaled(arm, factor)).model_dump(exclude={"samples"}).items():
        assert value == pytest.approx(np.multiply(getattr(found, name), factor))


def test_an_interval_of_no_width_holds_its_median() -> None:
    found = summarise([BlockSamples(0, 0, 0, (0.125,)), BlockSamples(0, 1, 0, (0.125,))])
    assert found.ci95 == (0.125, 0.125)


@given(arms, arms, st.integers(0, 99))
def test_order_of_samples_and_blocks_changes_nothing(
    baseline: list[BlockSamples], arm: list[BlockSamples], seed: int
) -> None:
    assert speedup(shuffled(baseline, seed), shuffled(arm, seed)) == speedup(baseline, arm)
    found, again = summarise(arm), summarise(shuffled(arm, seed))
    for name, value in again:
        assert value == pytest.approx(getattr(found, name), rel=1e-12)


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 9), st.data())
def test_equal_counts_give_the_quantiles_of_all_samples(
    processes: int, blocks: int, samples: int, data: st.DataObject
) -> None:
    shape = processes * blocks * samples
    values = np.array(data.draw(st.lists(times_ms, min_size=shape, max_size=shape)))
    nested = values.reshape(processes, blocks, samples)
    found = summarise([BlockSamples(0, p, b, nested[p, b]) for p, b in np.ndindex(processes, blocks)])
    assert [found.median, found.p90, found.p99] == pytest.approx(
        np.quantile(values, [0.5, 0.9, 0.99], method="hazen")
    )
    assert found.median == pytest.approx(np.median(values))
    assert found.mean == pytest.approx(values.mean())


def test_a_process_with_more_samples_weighs_no_more() -> None:
    found = summarise(blocks_of({(0, 0, 0): [1.0] * 100, (0, 1, 0): [3.0], (0, 2, 0): [3.0]}))
    assert found.median == pytest.approx(3)
    assert found.mean == pytest.approx(7 / 3)


@given(st.integers(1, 3), st.integers(1, 3), times_ms)
def test_constant_series(processes: int, blocks: int, time_ms: float) -> None:
    arm = [BlockSamples(0, p, b, [time_ms] * 3) for p, b in np.ndindex(processes, blocks)]
    ratio, found = speedup(arm, arm), summarise(arm)
    assert ratio.value == 1
    widening = 1 + PROCESS_STATE if processes == 1 else 1
    assert ratio.ci95 == pytest.approx((1 / widening, widening))
    assert found.ci95 == pytest.approx((time_ms / widening, time_ms * widening))
    assert (found.minimum, found.maximum) == (time_ms, time_ms)
    assert found.median == pytest.approx(time_ms)


def test_one_sample_is_summarised_with_a_wide_interval() -> None:
    one = blocks_of({(0, 0, 0): [2.0]})
    assert summarise(one).ci95 == pytest.approx((2 / (1 + PROCESS_STATE), 2 * (1 + PROCESS_STATE)))
    ratio = speedup(one, blocks_of({(0, 0, 0): [1.0]}))
    assert (ratio.value, ratio.level) == (2.0, "sample")


@pytest.mark.parametrize("paired_wins", [True, False])
def test_the_narrower_of_paired_and_welch_interval_at_half_the_error(paired_wins: bool) -> None:
    rng = np.random.default_rng(3)
    shared, own = rng.standard_normal(5), 0.1 * rng.standard_normal((2, 5))
    old, new = shared + own[0], (shared if paired_wins else -shared) + own[1]
    ratio = speedup(
        *([BlockSamples(0, p, 0, [math.exp(x)]) for p, x in enumerate(arm)] for arm in (old, new))
    )
    paired = ttest_rel(old, new).confidence_interval(0.975)
    welch = ttest_ind(old, new, equal_var=False).confidence_interval(0.975)
    assert bool(paired.high - paired.low < welch.high - welch.low) is paired_wins
    narrower = paired if paired_wins else welch
    assert np.log(ratio.ci95) == pytest.approx((narrower.low, narrower.high))
    assert ratio.level == "process"


def test_without_common_blocks_it_is_welchs_interval() -> None:
    old, new = [0.01, 0.02, 0.05], [0.0, -0.01]
    ratio = speedup(
        [BlockSamples(0, p, 0, [math.exp(x)]) for p, x in enumerate(old)],
        [BlockSamples(0, 10 + p, 0, [math.exp(x)]) for p, x in enumerate(new)],
    )
    welch = ttest_ind(old, new, equal_var=False).confidence_interval(0.95)
    assert np.log(ratio.ci95) == pytest.approx((welch.low, welch.high))
    assert ratio.level == "process"


def test_drift_that_both_arms_share_cancels() -> None:
    drift = np.exp(np.linspace(0, 0.2, 12)).reshape(3, 4)
    old = [BlockSamples(0, p, b, [1.1 * drift[p, b]]) for p, b in np.ndindex(3, 4)]
    new = [BlockSamples(0, p, b, [drift[p, b]]) for p, b in np.ndindex(3, 4)]
    assert numbers(speedup(old, new)) == pytest.approx([1.1] * 5)
    # Blocks that only one arm has would bring their share of the drift: they are left out.
    assert numbers(speedup(old, new[:-1])) == pytest.approx([1.1] * 5)


def test_builds_are_the_units_when_there_are_several() -> None:
    def arm(levels: Sequence[float]) -> list[BlockSamples]:
        return [
            BlockSamples(build, p, b, [math.exp(level + 0.001 * p)] * 3)
            for build, level in enumerate(levels)
            for p, b in np.ndindex(3, 4)
        ]

    ratio = speedup(arm([0.0, 0.02]), arm([0.01, 0.0]))
    assert ratio.level == "build"
    # Two builds that differ by 2 % tell little, however often each was timed.
    assert ratio.ci95[1] / ratio.ci95[0] > 1.1
    # Against one build: its processes, three values, by the means of two builds.
    welch = ttest_ind([0.0, 0.001, 0.002], [0.011, 0.001], equal_var=False).confidence_interval(0.95)
    assert np.log(speedup(arm([0.0]), arm([0.01, 0.0])).ci95) == pytest.approx((welch.low, welch.high))


@pytest.mark.parametrize(
    ("processes", "blocks", "level"),
    [(1, 5, "block"), (1, 1, "sample"), (2, 1, "process"), (3, 4, "process")],
)
def test_one_process_or_one_block_widens_the_interval(processes: int, blocks: int, level: str) -> None:
    ratio = speedup(noisy_arm(3, 4, 30, seed=1), noisy_arm(processes, blocks, 30, seed=2))
    assert ratio.level == level
    assert (ratio.ci95[1] / ratio.value > 1 + PROCESS_STATE) is (processes == 1)
    low, high = summarise(noisy_arm(processes, blocks, 30, seed=2)).ci95
    assert (high / low > (1 + PROCESS_STATE) ** 2) is (processes == 1)


@pytest.mark.parametrize("time_ms", [0.0, -1.0, math.nan, math.inf])
def test_times_that_are_none_are_refused(time_ms: float) -> None:
    arm = blocks_of({(0, 2, 0): [1.0], (0, 2, 1): [1.0, time_ms]})
    with pytest.raises(MeasureError, match=rf"block 1 of process 2 of build 0 has a time of {time_ms} ms"):
        summarise(arm)
    with pytest.raises(MeasureError, match="measure again"):
        speedup(blocks_of({(0, 0, 0): [1.0]}), arm)


def test_nothing_to_summarise() -> None:
    with pytest.raises(MeasureError, match="no blocks"):
        summarise([])
    with pytest.raises(MeasureError, match="block 0 of process 0 of build 0 has no samples"):
        speedup([BlockSamples(0, 0, 0, ())], noisy_arm(1, 1, 1, seed=0))
    with pytest.raises(MeasureError, match="2 blocks have 1 different"):
        summarise([BlockSamples(0, 0, 0, (1.0,))] * 2)


def test_quick_enough_for_a_stop_rule() -> None:
    baseline, arm = noisy_arm(5, 20, 400, seed=1), noisy_arm(5, 20, 400, seed=2)
    speedup(baseline, arm)  # loads scipy
    times_s = []
    for _ in range(5):
        started_s = time.process_time()
        speedup(baseline, arm)
        summarise(arm)
        times_s.append(time.process_time() - started_s)
    assert min(times_s) < 0.1  # 0.01 s alone; other work on the machine only ever adds to it


def test_importing_loads_no_scipy() -> None:
    program = "import sys, trtbench.stats; print('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    """The script behind docs/benchmarks/interval_coverage.md, for fewer trials."""
    spec = importlib.util.spec_from_file_location("interval_coverage", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


TRIALS = 400


@pytest.mark.parametrize("name", ["batch 1", "batch 64", "noisy", "heavy tails", "20 % of processes slow"])
def test_equal_arms(simulation: ModuleType, name: str) -> None:
    noise = next(noise for noise in simulation.REALISTIC if noise.name == name)
    found = simulation.compare(simulation.replace(noise, samples=20), 3, 4, trials=TRIALS)
    assert found.coverage >= 0.93
    assert found.faster + found.slower <= 0.02


def test_one_percent_is_found_at_batch_1(simulation: ModuleType) -> None:
    found = simulation.compare(simulation.QUIET, 3, 13, simulation.EFFECT, trials=TRIALS)
    assert found.faster >= 0.95
    assert found.slower == 0
    assert found.coverage >= 0.93
    assert found.half_width < 0.005


def test_interval_of_a_median(simulation: ModuleType) -> None:
    coverage, half_width = simulation.median_coverage(
        simulation.replace(simulation.QUIET, samples=20), 3, 4, TRIALS
    )
    assert coverage >= 0.93
    assert half_width < 0.005


@pytest.mark.parametrize(("processes", "blocks", "level"), [(3, 4, "process"), (1, 5, "block")])
def test_summaries_of_two_runs_give_the_ratio_of_their_samples(processes, blocks, level):
    """Two runs are not paired, so their intervals hold all that Welch's needs."""
    old, new = (noisy_arm(processes, blocks, 9, seed, median_ms=1.0 + 0.01 * seed) for seed in (1, 2))
    later = [BlockSamples(each.build, each.process + processes, each.block, each.values) for each in new]
    units = processes if processes > 1 else blocks
    found = speedup_of_runs(*(summary_of(arm, units, level) for arm in (old, new)))
    expected = speedup(old, later)
    assert found.level == expected.level == level
    assert numbers(found) == pytest.approx(numbers(expected), rel=1e-3)


def summary_of(arm: Sequence[BlockSamples], units: int, level: str) -> Summary:
    statistic = summarise(arm)
    return Summary(statistic.median, statistic.ci95, units, level)


def test_a_run_of_one_block_has_the_range_of_its_samples():
    several, one = noisy_arm(3, 4, 9, 1), noisy_arm(1, 1, 9, 2)
    found = speedup_of_runs(summary_of(several, 3, "process"), summary_of(one, 2, "sample"))
    assert found.level == "sample"
    assert found.ci95[0] < 1 / 1.09 < 1.09 < found.ci95[1]


@pytest.mark.parametrize(
    "ci95", [(0.0, 1.0), (2.0, 1.0), (1.0, math.inf), (-1.0, 1.0), (math.nan, 1.0), (1e-200, 1e200)]
)
def test_an_interval_that_is_none_is_refused(ci95):
    with pytest.raises(MeasureError, match="is not a median with its interval"):
        speedup_of_runs(Summary(1.0, (0.9, 1.1), 3, "process"), Summary(1.0, ci95, 3, "process"))


def test_the_scatter_of_runs_is_three_deviations_of_one_more():
    rng = np.random.default_rng(7)
    outside = []
    for _ in range(400):
        *runs, more = np.exp(0.01 * rng.standard_normal(21))
        outside.append(is_beyond_scatter(runs, runs, more))
    assert np.mean(outside) < 0.03


def test_a_step_before_does_not_hide_the_next_one():
    stepped = [1.0, 1.001, 0.999, 1.0, 1.1, 1.101, 1.099]
    assert is_beyond_scatter(stepped, stepped[4:], 1.2)
    assert not is_beyond_scatter(stepped, stepped[4:], 1.102)

"""The statistics against slow and obvious ones, on arms of any shape."""

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, median, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t
from test_stats import arms

from trtbench.stats import LEVELS, PROCESS_STATE, BlockSamples, is_beyond_scatter, speedup, summarise


def tree_of(arm: Sequence[BlockSamples]) -> list[list[list[list[float]]]]:
    """Builds of processes of blocks of samples."""
    builds = sorted({each.build for each in arm})
    return [
        [
            [list(b.values) for b in sorted(arm, key=lambda b: b.block) if (b.build, b.process) == key]
            for key in sorted({(b.build, b.process) for b in arm if b.build == build})
        ]
        for build in builds
    ]


def weighted_values(arm: Sequence[BlockSamples]) -> list[tuple[float, float]]:
    """Every sample with its share: each child has the same share of its parent."""
    tree = tree_of(arm)
    return sorted(
        (value, 1 / len(tree) / len(processes) / len(blocks) / len(samples))
        for processes in tree
        for blocks in processes
        for samples in blocks
        for value in samples
    )


def quantile(arm: Sequence[BlockSamples], probability: float) -> float:
    """Linear between the middles of the shares."""
    points, below = [], 0.0
    for value, share in weighted_values(arm):
        points.append((below + share / 2, value))
        below += share
    if probability <= points[0][0]:
        return points[0][1]
    for (low, first), (high, second) in pairwise(points):
        if low <= probability <= high:
            return first + (second - first) * (probability - low) / (high - low)
    return points[-1][1]


def units(arm: Sequence[BlockSamples]) -> list[float]:
    """Logarithms of the times of the highest level that was repeated."""
    tree = [[[math.log(median(s)) for s in blocks] for blocks in processes] for processes in tree_of(arm)]
    if len(tree) > 1:
        return [fmean(median(blocks) for blocks in processes) for processes in tree]
    if len(tree[0]) > 1:
        return [median(blocks) for blocks in tree[0]]
    return tree[0][0]


def level(arm: Sequence[BlockSamples]) -> str:
    tree = tree_of(arm)
    return next(
        (name for name, parts in zip(LEVELS, (tree, tree[0], tree[0][0]), strict=False) if len(parts) > 1),
        "sample",
    )


@given(arms)
def test_the_mean_is_that_of_means_at_every_level(arm: list[BlockSamples]) -> None:
    expected = fmean(
        fmean(fmean(fmean(samples) for samples in blocks) for blocks in processes)
        for processes in tree_of(arm)
    )
    assert summarise(arm).mean == pytest.approx(expected)


@given(arms)
def test_quantiles_weigh_every_child_alike(arm: list[BlockSamples]) -> None:
    found = summarise(arm)
    assert found.median == pytest.approx(quantile(arm, 0.5), rel=1e-6)
    assert found.p90 == pytest.approx(quantile(arm, 0.9), rel=1e-6)
    assert found.p99 == pytest.approx(quantile(arm, 0.99), rel=1e-6)
    values = [value for value, _ in weighted_values(arm)]
    assert (found.minimum, found.maximum, found.samples) == (min(values), max(values), len(values))


@given(arms)
def test_the_interval_is_students_on_the_units(arm: list[BlockSamples]) -> None:
    found, values = summarise(arm), units(arm)
    if level(arm) == "sample":
        samples = [value for value, _ in weighted_values(arm)]
        expected = (min(samples) / (1 + PROCESS_STATE), max(samples) * (1 + PROCESS_STATE))
    else:
        half = t.ppf(0.975, len(values) - 1) * stdev(values) / math.sqrt(len(values))
        half += math.log(1 + PROCESS_STATE) if level(arm) == "block" else 0
        half = min(half, 600)
        expected = (found.median * math.exp(-half), found.median * math.exp(half))
    if expected[1] < 1e200:
        assert found.ci95 == pytest.approx(expected, rel=1e-5)


@given(st.integers(2, 4), st.lists(st.integers(1, 5), min_size=2, max_size=4), st.data())
def test_of_common_blocks_the_ratio_is_that_of_their_medians(
    samples: int, counts: list[int], data: st.DataObject
) -> None:
    """Processes with unequal numbers of blocks weigh alike."""
    times = st.lists(st.floats(0.5, 2.0), min_size=samples, max_size=samples)
    keys = [(process, block) for process, count in enumerate(counts) for block in range(count)]
    old = {key: data.draw(times) for key in keys}
    new = {key: data.draw(times) for key in keys}
    logs = [
        median(math.log(median(old[process, block]) / median(new[process, block])) for block in range(count))
        for process, count in enumerate(counts)
    ]
    found = speedup(*([BlockSamples(0, *key, values) for key, values in arm.items()] for arm in (old, new)))
    assert found.level == "process"
    assert math.log(found.value) == pytest.approx(fmean(logs), abs=1e-9)


def test_a_process_with_more_blocks_weighs_no_more() -> None:
    arm = [BlockSamples(0, 0, block, [1.0, 1.0]) for block in range(9)]
    arm.append(BlockSamples(0, 1, 0, [3.0, 3.0]))
    assert summarise(arm).mean == pytest.approx(2.0)


def test_other_processes_may_differ_by_a_tenth() -> None:
    """As seen on a GPU, rounded up: a number that the documentation states."""
    alone = summarise([BlockSamples(0, 0, 0, [1.0, 2.0])])
    assert alone.ci95 == pytest.approx((1 / 1.1, 2.2))


@given(
    st.lists(st.floats(0.5, 2.0), min_size=2, max_size=8), st.integers(1, 8), st.floats(-6, 6), st.booleans()
)
def test_a_run_is_beyond_the_limits_of_a_control_chart(
    earlier: list[float], last: int, distance: float, is_far: bool
) -> None:
    """Limits are 3 / 0.954 median moving ranges from the center, wider where that is of few runs."""
    segment = earlier[-last:]
    ranges = [abs(math.log(after / before)) for before, after in pairwise(earlier)]
    limit = 3.145 * median(ranges) * math.sqrt(1 + 1 / len(segment))
    center = fmean(math.log(each) for each in segment)
    offset = math.copysign((1.0001 if is_far else 0.9999) * limit, distance)
    if limit > 1e-9:
        assert is_beyond_scatter(earlier, segment, math.exp(center + offset)) == is_far


@given(st.integers(2, 9), st.floats(0.001, 100.0))
def test_times_that_never_differ_have_an_interval_of_no_width(processes: int, time_ms: float) -> None:
    """However many processes there are: a run that was killed has more of them."""
    arm = [BlockSamples(0, process, 0, [time_ms] * 3) for process in range(processes)]
    assert summarise(arm).ci95 == (time_ms, time_ms)
    assert speedup(arm, arm).ci95 == (1.0, 1.0)

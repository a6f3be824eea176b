"""Medians and intervals that grow block by block, against those computed anew; and what a block costs."""

import math
import statistics
import sys
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.scripted import BENCH, FACTS, arm

from trtbench.measure import interleave
from trtbench.measure.running import RunningInterval, RunningMedian
from trtbench.measure.side_by_side import open_run
from trtbench.measure.stop import relative_half_width
from trtbench.progress import silent
from trtbench.results import RunRecord
from trtbench.stats import BlockSamples, summarise
from trtbench.store.artifacts import Store

times_ms = st.floats(1e-3, 1e3)
counts = st.lists(st.lists(times_ms, min_size=1, max_size=9), min_size=1, max_size=4)


@settings(deadline=None)
@given(st.lists(times_ms | st.sampled_from([1.0, 2.0]), min_size=1, max_size=50))
def test_the_median_is_that_of_all_values_so_far(values: list[float]) -> None:
    running = RunningMedian()
    for number, value in enumerate(values, start=1):
        running.add(value)
        assert running.value == pytest.approx(statistics.median(values[:number]), rel=1e-12)
        assert len(running) == number


@settings(max_examples=60, deadline=None)
@given(st.lists(counts, min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_the_interval_is_that_of_all_blocks(builds: list[list[list[float]]], random: object) -> None:
    """By build, process and block; they come in any order."""
    blocks = [
        BlockSamples(build, process, block, (median_ms,))
        for build, processes in enumerate(builds)
        for process, medians in enumerate(processes)
        for block, median_ms in enumerate(medians)
    ]
    random.shuffle(blocks)  # type: ignore[attr-defined]
    running = RunningInterval()
    for number, block in enumerate(blocks, start=1):
        running.add(block.build, block.process, block.values[0])
        expected = relative_half_width(summarise(blocks[:number]))
        assert running.relative_half_width == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert running.median_ms == pytest.approx(statistics.median(block.values[0] for block in blocks))


def test_nothing_is_known_before_the_first_block() -> None:
    assert RunningInterval().median_ms is None


class Counted(float):
    """Counts comparisons of values."""

    comparisons = 0

    def __lt__(self, other: float) -> bool:
        Counted.comparisons += 1
        return float.__lt__(self, other)

    def __neg__(self) -> "Counted":
        return Counted(float.__neg__(self))


def test_a_median_takes_no_more_comparisons_than_heaps_do() -> None:
    running, values = RunningMedian(), [Counted(math.sin(number)) for number in range(20_000)]
    Counted.comparisons = 0
    for value in values:
        running.add(value)
    assert Counted.comparisons < 20_000 * 3 * math.log2(20_000)


class InstantTimer:
    """A timer whose blocks take no time; it notes how many steps ran in between, outside of it."""

    pid = 1

    def __init__(self, steps: "Steps") -> None:
        self._steps, self._blocks = steps, 0

    def __enter__(self) -> "InstantTimer":
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def prepare(self) -> object:
        return FACTS

    def block(self) -> object:
        self._steps.note()
        self._blocks += 1
        return {"gpu_compute_ms": (1 + math.sin(self._blocks) / 10,)}


class Steps:
    """Counts the bytecodes of trtbench and of Python's own modules that run, whatever time they take."""

    def __init__(self) -> None:
        self.count = 0
        self.at_blocks: list[int] = []

    def note(self) -> None:
        self.at_blocks.append(self.count)

    def trace(self, frame: FrameType, event: str, argument: object) -> object:
        frame.f_trace_opcodes = True
        if event == "opcode":
            self.count += 1
        return self.trace

    @contextmanager
    def counted(self):
        before = sys.gettrace()
        sys.settrace(self.trace)
        try:
            yield
        finally:
            sys.settrace(before)


def test_the_last_blocks_cost_what_the_first_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = BENCH.model_copy(update={"processes": 1, "block_ms": 1000, "duration_s": 250})
    steps = Steps()
    monkeypatch.setattr(interleave, "open_timer", lambda *arguments: InstantTimer(steps))
    arms = [arm(tmp_path, "a"), arm(tmp_path, "b")]
    specs = tuple(each.builds[0] for each in arms)
    record = RunRecord(purpose="measure", arms=specs, protocol=bench, machine={})
    with open_run(Store(tmp_path), "soak", record) as run, steps.counted():
        interleave.interleave(run, arms, bench, None, silent)
    assert len(steps.at_blocks) == 500
    early, late = (steps.at_blocks[end] - steps.at_blocks[end - 100] for end in (150, 499))
    assert late < 1.1 * early

"""An arm against itself, many times: how often the verdict is wrong where the truth is known.

A pool of processes of the arm stays alive. Each comparison draws two disjoint groups of them and measures
fresh blocks as a comparison of two arms does: pairs of processes, blocks in turns, the same stop rules.
"""

import random
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from trtbench.measure.findings import Observed, findings_of
from trtbench.measure.interleave import RawBlock, order, run_block, timed_block
from trtbench.measure.machine import gpu_identity, machine_identity
from trtbench.measure.run import Arm, open_run, with_all_notes
from trtbench.measure.running import RunningInterval
from trtbench.measure.side_by_side import check_exclusive, ratio_of, uses_gpu
from trtbench.measure.stop import RoundState, round_is_done
from trtbench.measure.summarise import measurement_of
from trtbench.measure.telemetry import GpuMonitor, open_monitor
from trtbench.measure.timers import ArmTimer, monitor_of, open_timer
from trtbench.measure.verdict import decide
from trtbench.progress import OnStep, Step
from trtbench.results import (
    AaBlock,
    AaBlocks,
    AaComparison,
    AaReport,
    ArmFacts,
    Environment,
    Finding,
    RunRecord,
    Series,
    TimedBlock,
    VerdictWord,
)
from trtbench.specs import ArmSpec, BenchSpec
from trtbench.store.artifacts import Store
from trtbench.store.journal import Journal, open_journal
from trtbench.store.results import save_result

GROUPS_IN_POOL = 3
"""How many times the processes of one side are in the pool, so that groups differ from draw to draw."""
KEPT_SAMPLES = 200
"""Of each block; 200 comparisons of the default protocol then keep their 16,000 blocks in 45 MB."""

_Side = Literal["A", "B"]
_SIDES: tuple[_Side, ...] = ("A", "B")
_NS_DIGITS = 6  # of a time in ms; CUDA's events count in steps of tens of nanoseconds


def compare_with_itself(
    arm: Arm,
    bench: BenchSpec,
    comparisons: int,
    store: Store,
    on_step: OnStep,
    environment: Environment,
    exclusive: bool = False,
) -> AaReport:
    """Compare ``arm`` with itself ``comparisons`` times; an interrupted run goes on where it stopped.

    Raises:
        MeasureError: a process failed, or another one has the GPU, and ``exclusive``.
        ArtifactError: the store cannot be written, or a journal in it is damaged.
    """
    spec = arm.builds[0]
    gpu = gpu_identity() if uses_gpu([spec]) else None
    machine = machine_identity(gpu, environment, [spec.runtime])
    record = RunRecord(purpose="aa", arms=(spec,), protocol=bench, machine=machine)
    monitor = open_monitor([spec])
    foreign_pids = check_exclusive(monitor, exclusive)
    gpu_name = gpu["name"] if gpu else None
    with (
        open_run(store, f"aa-{arm.label}", record) as run,
        open_journal(run.folder / "comparisons.jsonl", AaComparison) as journal,
        open_journal(run.folder / "comparison_blocks.jsonl", AaBlocks) as block_journal,
        ExitStack() as stack,
    ):
        pool = _start_pool(stack, spec, bench, monitor, run.folder, on_step)
        _fill(journal, block_journal, pool, comparisons, gpu_name, on_step)
        lines = journal.lines[:comparisons]
        kept = {line.comparison: line.blocks for line in block_journal.lines}
    blocks = [block for index in range(len(lines)) for block in kept.get(index, ())]
    findings = _findings(arm, pool, blocks, gpu_name, foreign_pids)
    report = _report(pool, lines, findings, gpu_name, environment, f"{run.name}/comparisons.jsonl")
    save_result(store, run.name, report)
    return report


@dataclass(frozen=True)
class _Pool:
    """Processes of one arm, all alive, and what they found out when they loaded it."""

    arm: ArmSpec
    bench: BenchSpec
    monitor: GpuMonitor | None
    processes: tuple[ArmTimer, ...]
    facts: tuple[ArmFacts, ...]

    @property
    def series(self) -> Series:
        """The series that speeds refer to."""
        return self.facts[0].main_series

    def block(self, number: int) -> RawBlock:
        """One block of one of the processes."""
        pids = [process.pid for process in self.processes]
        return run_block(self.processes[number], self.bench, monitor_of(self.arm, self.monitor), pids)


@dataclass
class _Timed:
    """What was timed of one side of a comparison."""

    blocks: list[TimedBlock] = field(default_factory=list)
    interval: RunningInterval = field(default_factory=RunningInterval)

    def add(self, block: TimedBlock, series: Series) -> None:
        """Take in one more block."""
        self.blocks.append(block)
        self.interval.add(block.build, block.process, statistics.median(block.samples[series]))


def _start_pool(
    stack: ExitStack,
    arm: ArmSpec,
    bench: BenchSpec,
    monitor: GpuMonitor | None,
    folder: Path,
    on_step: OnStep,
) -> _Pool:
    processes, facts = [], []
    size = GROUPS_IN_POOL * bench.processes
    for number in range(size):
        on_step(Step("measure", f"load {arm.label}", number, size))
        process = stack.enter_context(open_timer(arm, bench, folder / f"{number}.log", number))
        facts.append(process.prepare())
        processes.append(process)
    return _Pool(arm, bench, monitor, tuple(processes), tuple(facts))


def _fill(
    journal: Journal[AaComparison],
    block_journal: Journal[AaBlocks],
    pool: _Pool,
    comparisons: int,
    gpu: str | None,
    on_step: OnStep,
) -> None:
    """Make the comparisons that the journal lacks; after a kill in between, blocks may be there twice."""
    started_s, lacking = time.monotonic(), comparisons - len(journal.lines)
    text = "compare with itself"
    on_step(Step("measure", text, len(journal.lines), comparisons))
    for index in range(len(journal.lines), comparisons):
        comparison, blocks = _compare(pool, index, gpu)
        block_journal.append(AaBlocks(comparison=index, blocks=blocks))
        journal.append(comparison)
        done = len(journal.lines)
        made = lacking - (comparisons - done)
        left_s = (time.monotonic() - started_s) / made * (comparisons - done)
        on_step(Step("measure", text, done, comparisons, left_s))


def draw_groups(pool: int, processes: int, seed: int, index: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two disjoint random groups of ``processes`` out of ``pool``; the same ones for the same ``index``."""
    drawn = random.Random(f"{seed} {index}").sample(range(pool), 2 * processes)  # noqa: S311 (no secret)
    return tuple(drawn[:processes]), tuple(drawn[processes:])


def _compare(pool: _Pool, index: int, gpu: str | None) -> tuple[AaComparison, tuple[AaBlock, ...]]:
    """Measure two groups side by side and decide; also give the blocks as they are kept."""
    groups = draw_groups(len(pool.processes), pool.bench.processes, pool.bench.seed, index)
    timed = {side: _Timed() for side in _SIDES}
    for number, pair in enumerate(zip(*groups, strict=True)):
        _measure_pair(pool, dict(zip(_SIDES, pair, strict=True)), (index, number), timed)
    blocks = {side: each.blocks for side, each in timed.items()}
    arms = {side: pool.arm.model_copy(update={"label": side}) for side in _SIDES}
    sides = [
        measurement_of(arms[side], pool.bench, blocks[side], pool.facts[0], None, gpu, raw="")
        for side in _SIDES
    ]
    ratio = ratio_of(sides[0], blocks["A"], sides[1], blocks["B"])
    verdict = decide(sides[0], sides[1], ratio)
    kept = tuple(
        kept_block(block, side, group[block.process], pool.series)
        for side, group in zip(_SIDES, groups, strict=True)
        for block in blocks[side]
    )
    line = AaComparison(groups=groups, verdict=verdict.verdict, ratio=verdict.ratio, ci95=verdict.ci95)
    return line, kept


def kept_block(block: TimedBlock, side: Literal["A", "B"], process: int, series: Series) -> AaBlock:
    """What is kept of a block: the median, on which verdicts rest, of all samples; of these, some."""
    values = block.samples[series]
    count = min(len(values), KEPT_SAMPLES)
    return AaBlock(
        side=side,
        process=process,
        pair=block.process,
        block=block.block,
        started_utc=block.started_utc,
        samples=len(values),
        median_ms=statistics.median(values),
        sample_ms=tuple(round(values[index * len(values) // count], _NS_DIGITS) for index in range(count)),
        telemetry=block.telemetry,
    )


def _measure_pair(
    pool: _Pool, pair: Mapping[_Side, int], numbers: tuple[int, int], timed: Mapping[_Side, _Timed]
) -> None:
    """Let the blocks of two processes take turns, as in a round of a comparison.

    ``numbers``: of the comparison and of the pair in it; the order of turns is another for each.
    """
    index, number = numbers

    def half_widths() -> list[float]:
        return [each.interval.relative_half_width for each in timed.values()]

    state = RoundState()
    while not round_is_done(state, pool.bench, pool.bench.processes, half_widths):
        process = index * pool.bench.processes + number
        for side in order(_SIDES, pool.bench.seed, process, state.turns):
            raw = pool.block(pair[side])
            state.add(side, raw.spent_s, pool.bench)
            timed[side].add(timed_block(raw, side, 0, number, state.turns), pool.series)
        state.turns += 1


def _report(
    pool: _Pool,
    lines: Sequence[AaComparison],
    findings: tuple[Finding, ...],
    gpu: str | None,
    environment: Environment,
    raw: str,
) -> AaReport:
    words = [line.verdict for line in lines]
    counts: dict[VerdictWord, int] = {word: words.count(word) for word in dict.fromkeys(words)}
    return AaReport(
        environment=environment,
        gpu=gpu,
        arm=pool.arm,
        protocol=pool.bench,
        series=pool.series,
        facts=with_all_notes(pool.facts),
        comparisons=len(lines),
        pool=len(pool.processes),
        verdicts=counts,
        false_alarm_share=(counts.get("FASTER", 0) + counts.get("SLOWER", 0)) / len(lines),
        coverage=coverage(lines),
        half_width=median_half_width(lines),
        findings=findings,
        raw=raw,
    )


def _findings(
    arm: Arm, pool: _Pool, kept: Sequence[AaBlock], gpu: str | None, foreign_pids: tuple[int, ...]
) -> tuple[Finding, ...]:
    """What the blocks of all comparisons show of the arm."""
    timed = [_unthinned(block, pool, index) for index, block in enumerate(kept)]
    measurement = measurement_of(pool.arm, pool.bench, timed, pool.facts[0], None, gpu, raw="")
    return findings_of(Observed(arm, measurement, timed, foreign_pids))


def _unthinned(block: AaBlock, pool: _Pool, index: int) -> TimedBlock:
    """A block as findings take it, with the samples that are left of it."""
    return TimedBlock(
        arm=pool.arm.label,
        build=pool.arm.build,
        process=block.process,
        block=index,
        started_utc=block.started_utc,
        samples={pool.series: block.sample_ms},
        telemetry=block.telemetry,
    )


def coverage(lines: Sequence[AaComparison]) -> float:
    """Share of the intervals that hold 1, which is the truth."""
    intervals = [line.ci95 for line in lines if line.ci95 is not None]
    return sum(low <= 1 <= high for low, high in intervals) / len(intervals) if intervals else 0.0


def median_half_width(lines: Sequence[AaComparison]) -> float:
    """Median of the intervals' half widths, relative to their ratios."""
    widths = [(line.ci95[1] - line.ci95[0]) / 2 / line.ratio for line in lines if line.ci95 and line.ratio]
    return statistics.median(widths) if widths else 0.0

"""Measure arms side by side: one process an arm, all alive at once, blocks in turns and in random order.

What drifts (temperature, clocks, neighbours) then meets all arms alike. Nothing here touches CUDA.
"""

import random
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from trtbench.errors import MeasureError, RuntimeUnavailable, TrtbenchError
from trtbench.measure.messages import Samples
from trtbench.measure.process import ArmProcess
from trtbench.measure.run import Arm, Run
from trtbench.measure.running import RunningInterval
from trtbench.measure.stop import ConstantsState, RoundState, round_is_done
from trtbench.measure.summarise import is_power_capped
from trtbench.measure.timers import ArmTimer, monitor_of, open_timer
from trtbench.progress import OnStep, Step
from trtbench.results import ArmFacts, ProcessRecord, Telemetry, TimedBlock
from trtbench.specs import BenchSpec, first_problem
from trtbench.store.files import file_name
from trtbench.units import format_count, format_seconds

if TYPE_CHECKING:
    from trtbench.measure.telemetry import GpuMonitor

L = TypeVar("L", bound=str)


@dataclass(frozen=True)
class RawBlock:
    """One block as the worker and the GPU gave it; ``spent_s`` is what it took in all."""

    started_utc: str
    samples: Samples
    telemetry: Telemetry | None
    spent_s: float


def interleave(
    run: Run,
    arms: Sequence[Arm],
    bench: BenchSpec,
    monitor: "GpuMonitor | None",
    on_step: OnStep,
) -> None:
    """Carry out what the run still lacks; every finished block is in its journal at once.

    An arm that fails (at its start or in a block) is out for the rest; its reason is in the journal, too.
    """
    groups = [
        _Interleaving(run, [arm for arm in arms if arm.group == group], bench, monitor, on_step)
        for group in dict.fromkeys(arm.group for arm in arms)
    ]
    for index in range(max(group.rounds for group in groups)):
        for group in groups:
            if group.ended <= index < group.rounds and group.live:
                group.run_round(index)


def order(labels: Sequence[L], seed: int, process: int, turn: int) -> list[L]:
    """Shuffle ``labels`` for one turn; the same seed gives the same orders, wherever a run stopped."""
    shuffled = list(labels)
    random.Random(f"{seed} {process} {turn}").shuffle(shuffled)  # noqa: S311 (an order, no secret)
    return shuffled


def log_names(labels: Sequence[str]) -> dict[str, str]:
    """Give each label a file name, with a hash where two would have the same (long ones are cut)."""
    names = [file_name(label) for label in labels]
    return {
        label: name if names.count(name) == 1 else f"{name}-{sha256(label.encode()).hexdigest()[:8]}"
        for label, name in zip(labels, names, strict=True)
    }


def run_block(
    process: ArmTimer, bench: BenchSpec, monitor: "GpuMonitor | None", own_pids: Sequence[int]
) -> RawBlock:
    """Run one block, watched by the monitor, after a rest where the regime asks for one.

    Raises:
        MeasureError: the worker says so, or died.
    """
    if bench.regime == "burst":
        time.sleep(bench.rest_ms / 1000)
    started_utc = _now()
    started_s = time.monotonic()
    samples, telemetry = _watched(process.block, monitor, own_pids)
    return RawBlock(started_utc, samples, telemetry, time.monotonic() - started_s)


def run_constant_block(
    process: ArmProcess, monitor: "GpuMonitor | None", own_pids: Sequence[int]
) -> RawBlock:
    """Run one shorter block on inputs of zeros, watched, between setting them and bringing the images back.

    Raises:
        MeasureError: the worker says so (outputs are not what they were before), or died.
    """
    started_s = time.monotonic()
    process.fill_constants()
    started_utc = _now()
    samples, telemetry = _watched(process.constant_block, monitor, own_pids)
    process.restore_inputs()
    return RawBlock(started_utc, samples, telemetry, time.monotonic() - started_s)


def _watched(
    block: Callable[[], Samples], monitor: "GpuMonitor | None", own_pids: Sequence[int]
) -> tuple[Samples, Telemetry | None]:
    if monitor is None:
        return block(), None
    with monitor.watch(own_pids) as watch:
        samples = block()
    return samples, watch.telemetry


def timed_block(raw: RawBlock, arm: str, build: int, process: int, block: int) -> TimedBlock:
    """Number a block, as journals have it.

    Raises:
        MeasureError: a time is not a positive number.
    """
    try:
        return TimedBlock(
            arm=arm,
            build=build,
            process=process,
            block=block,
            started_utc=raw.started_utc,
            samples={name: tuple(values) for name, values in raw.samples.items() if values},
            telemetry=raw.telemetry,
        )
    except ValidationError as error:
        raise MeasureError(
            f"block {block} of process {process}: {first_problem(error)}: the timer failed"
        ) from error


class _Interleaving:
    """The rounds of one group of arms, and which of them still live."""

    def __init__(
        self,
        run: Run,
        arms: Sequence[Arm],
        bench: BenchSpec,
        monitor: "GpuMonitor | None",
        on_step: OnStep,
    ) -> None:
        self.run, self.bench, self.monitor, self.on_step = run, bench, monitor, on_step
        self.name = arms[0].group
        self.live = {arm.label: arm for arm in arms}
        self._log_names = log_names(list(self.live))
        self.builds = max(len(arm.builds) for arm in arms)
        self.rounds = bench.processes * self.builds
        self.ended = run.ended_rounds(self.name)
        self.intervals = {arm.label: RunningInterval() for arm in arms}
        self.series = {label: facts.main_series for label in self.live if (facts := run.facts_of(label))}
        for block in run.blocks.lines:
            if block.arm in self.series:
                self._remember(block)
        self._started_s, self._blocks_s, self._constants = time.monotonic(), 0.0, ConstantsState()
        self._loads_s: list[float] = []
        self._longest_share_s = 0.0

    def run_round(self, index: int) -> None:
        """Start one process an arm, and let their blocks take turns until the stop rules say so."""
        number, build = self.run.next_process(), index % self.builds
        if index == self.ended:
            self._tell_what_is_to_come(index)
        with ExitStack() as stack:
            running = self._start(stack, index, number, build)
            state = RoundState()
            while running and not round_is_done(state, self.bench, self.rounds, self._half_widths):
                for label in order(list(running), self.bench.seed, number, state.turns):
                    self._take_block(running, label, number, state)
                state.turns += 1
                self._tell_blocks(index, state)
            self._contrast_inputs(running, number, state)
        self._longest_share_s = max(self._longest_share_s, *state.spent_s.values(), 0.0)
        self.run.end_round(number, self.name)
        self._tell_blocks(index + 1, RoundState())

    def _start(self, stack: ExitStack, index: int, number: int, build: int) -> "_Running":
        """Prepare one process of every live arm, one after the other."""
        running: _Running = {}
        for label, arm in list(self.live.items()):
            self.on_step(Step("measure", f"load {label}", left_s=self._left_s(index, RoundState())))
            spec, started_s = arm.spec(build), time.monotonic()
            try:
                log_path = self.run.folder / f"{self._log_names[label]}-{number}.log"
                process = stack.enter_context(open_timer(spec, self.bench, log_path, number, arm.environment))
                facts = process.prepare()
            except (MeasureError, RuntimeUnavailable) as error:
                self._fail(label, spec.build, number, error)
            else:
                self._record(label, spec.build, number, facts, None)
                self._loads_s.append(time.monotonic() - started_s)
                self.series.setdefault(label, facts.main_series)
                running[label] = (spec.build, process)
        return running

    def _take_block(self, running: "_Running", label: str, number: int, state: RoundState) -> None:
        build, process = running[label]
        monitor = monitor_of(self.live[label].spec(build), self.monitor)
        try:
            raw = run_block(process, self.bench, monitor, [each.pid for _, each in running.values()])
            block = timed_block(raw, label, build, number, state.turns)
        except MeasureError as error:
            del running[label]
            self._fail(label, build, number, error)
            return
        state.add(label, raw.spent_s, self.bench)
        self.run.blocks.append(block, at_once=False)
        self._remember(block)

    def _contrast_inputs(self, running: "_Running", number: int, state: RoundState) -> None:
        """Time arms that the power cap held back on inputs of zeros, too, in their share of the time.

        Not in bursts: a block on zeros has to run on until the clock could follow.
        """
        if self.bench.regime == "burst":
            return
        self._blocks_s += sum(state.spent_s.values())
        for label in order(list(running), self.bench.seed, number, state.turns):
            block_s = state.spent_s[label] / state.turns
            # Scripted blocks take no time: then what was asked counts, as for the stop rules.
            elapsed_s = max(time.monotonic() - self._started_s, self._blocks_s)
            if is_power_capped(self.run.blocks_of(label, number)) and self._constants.has_time_for(
                label, block_s, elapsed_s
            ):
                self._take_constant_block(running, label, number)

    def _take_constant_block(self, running: "_Running", label: str, number: int) -> None:
        build, process = running[label]
        if not isinstance(process, ArmProcess):
            return  # what times itself has inputs of its own
        try:
            raw = run_constant_block(process, self.monitor, [each.pid for _, each in running.values()])
            block = timed_block(raw, label, build, number, 0)
        except MeasureError as error:
            del running[label]
            self._fail(label, build, number, error)
            return
        self._constants.add(label, raw.spent_s, self.bench)
        self.run.constant_blocks.append(block)

    def _remember(self, block: TimedBlock) -> None:
        median_ms = statistics.median(block.samples[self.series[block.arm]])
        self.intervals[block.arm].add(block.build, block.process, median_ms)

    def _fail(self, label: str, build: int, number: int, error: TrtbenchError) -> None:
        self.run.store.check_in_place()  # or each arm would fail for want of its folder
        del self.live[label]
        self._record(label, build, number, None, error)

    def _record(
        self, label: str, build: int, number: int, facts: ArmFacts | None, failure: TrtbenchError | None
    ) -> None:
        self.run.processes.append(
            ProcessRecord(
                arm=label,
                build=build,
                process=number,
                started_utc=_now(),
                facts=facts,
                reason=None if failure is None else str(failure),
                code=None if failure is None else failure.code,
            )
        )

    def _half_widths(self) -> list[float]:
        found = (self.intervals[label] for label in self.live)
        return [each.relative_half_width for each in found if each.median_ms is not None]

    def _tell_blocks(self, rounds_done: int, state: RoundState) -> None:
        """Report how many blocks there are, and the median of each arm so far."""
        medians = {label: self.intervals[label].median_ms for label in self.live}
        words = ", ".join(f"{label} {ms:.4g} ms" for label, ms in medians.items() if ms is not None)
        text = f"timed {format_count(len(self.run.blocks.lines), 'block')}{': ' * bool(words)}{words}"
        self.on_step(Step("measure", text, rounds_done, self.rounds, self._left_s(rounds_done, state)))

    def _tell_what_is_to_come(self, index: int) -> None:
        """Say how long it takes, as far as is known before the first process is loaded."""
        loads = len(self.live) * (self.rounds - index)
        known_s = self._left_s(index, RoundState()) + loads * self.bench.warmup_ms / 1e3
        blocks = f"about {format_seconds(known_s)} of warm-up and blocks"
        text = f"{blocks}, and {format_count(loads, 'process')} to load"
        self.on_step(Step("measure", text))

    def _left_s(self, rounds_done: int, state: RoundState) -> float:
        """Time left by what blocks and loads took so far; a round that is precise enough ends sooner."""
        planned_s = max(
            self.bench.duration_s / self.rounds, self.bench.min_blocks * self.bench.block_ms / 1e3
        )
        share_s = max(planned_s, self._longest_share_s)
        spent_s = max(state.spent_s.values(), default=0.0)
        load_s = statistics.mean(self._loads_s) if self._loads_s else 0.0
        to_load = self.rounds - rounds_done - (1 if state.turns else 0)
        left_s = share_s * (self.rounds - rounds_done) - spent_s + load_s * to_load
        return round(max(len(self.live) * left_s, 0.0), 1)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


_Running = dict[str, tuple[int, ArmTimer]]
"""Processes by label, each with the number of its build."""

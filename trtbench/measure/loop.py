"""The measurement of one arm, as a recipe in named steps. It asks runtime and device, and knows neither."""

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt

from trtbench.errors import Code, MeasureError
from trtbench.measure.buffers import BufferSet, allocate_sets, rotation_note, run_poisoned, upload_inputs
from trtbench.measure.checks import Outputs, check_follows, check_outputs, check_query, output_sample
from trtbench.measure.device import Device, Query
from trtbench.measure.inputs import make_constants, make_inputs
from trtbench.measure.messages import Samples
from trtbench.measure.profiler import record_queries
from trtbench.measure.warmup import WarmUp, chunk_queries, warm_up
from trtbench.results import ArmFacts, GraphUse, Series
from trtbench.runtimes import Runtime
from trtbench.specs import BenchSpec

_LEAD_IN_MS = 10.0
_LONGEST_LEAD_IN = 50
_SINGLE_SHARE = 0.10
_COPY_SHARE = 0.05
_MOST_SINGLES = 20
_MOST_COPIES = 10
_LATE_SHARE = 0.25
_LATE_MS = 0.1
_TRACED = 20
"""Queries in a trace."""
CONSTANT_BLOCK_SHARE = 0.5
"""A block on constant inputs is half as long as others: the other half lets the clock follow, untimed."""


@dataclass(frozen=True)
class Load:
    """What loading took; ``free_bytes`` of GPU memory there were before it; see ``ArmFacts`` for the last."""

    duration_s: float
    free_bytes: int | None
    empty_query_ms: float | None = None


@dataclass(frozen=True)
class Bound:
    """An arm with its memory; ``inputs[k]`` is what set ``k`` is filled with, and there is one more."""

    device: Device
    runtime: Runtime
    bench: BenchSpec
    sets: tuple[BufferSet, ...]
    inputs: tuple[tuple[npt.NDArray[np.generic], ...], ...]

    def enqueue(self) -> None:
        """Start one plain query on what is bound."""
        self.runtime.enqueue(self.device.stream)


@dataclass(frozen=True)
class Plan:
    """The queries that are timed, one for each set of inputs and outputs."""

    queries: tuple[Query, ...]
    use: GraphUse
    kernels: int | None


def prepare(
    device: Device, runtime: Runtime, bench: BenchSpec, load: Load, trace_path: Path | None = None
) -> "TimedArm":
    """Make an arm ready to be timed; ``trace_path``: where it may be asked to write a trace.

    Raises:
        MeasureError: out of memory, or a check failed; the code says which.
    """
    arm = allocate(device, runtime, bench)
    run_first_queries(arm)
    references = check_plain_queries(arm)
    check_stream(arm)
    plan = plan_queries(arm)
    prove_queries(arm, plan, references)
    free_bytes = device.free_bytes()
    warm = warm_up_queries(arm, plan)
    facts = _facts(arm, plan, warm, load, free_bytes, references[0])
    return TimedArm(arm, plan, references, warm, facts, trace_path)


def allocate(device: Device, runtime: Runtime, bench: BenchSpec) -> Bound:
    """Give the runtime memory, filled with images that are the same for every arm."""
    sets = allocate_sets(device, runtime, bench.l2)
    inputs = tuple(
        make_inputs(runtime.inputs, bench.seed, index, bench.inputs) for index in range(len(sets) + 1)
    )
    for one, values in zip(sets, inputs, strict=False):
        upload_inputs(device, one, values)
    runtime.bind(sets[0].by_name())
    return Bound(device, runtime, bench, sets, inputs)


def run_first_queries(arm: Bound) -> None:
    """Let the runtime do what it does at first: compile, choose kernels, allocate, capture its own graph."""
    for _ in range(arm.bench.warmup_iterations):
        arm.enqueue()
        arm.device.finish()


def check_plain_queries(arm: Bound) -> tuple[Outputs, ...]:
    """Run every batch of inputs in the first set, check the outputs, and give them."""
    references = tuple(
        run_poisoned(arm.device, arm.sets[0], values, arm.enqueue) for values in reversed(arm.inputs)
    )[::-1]
    for outputs in references:
        check_outputs(arm.runtime.outputs, outputs)
    own = arm.runtime.graph == "own" and arm.bench.cuda_graph
    if arm.runtime.inputs:
        check_follows(references[0], references[1], "runtime" if own else "none")
    return references


def check_stream(arm: Bound) -> None:
    """Check that a query ends when its stream does; else events on the stream would time nothing.

    Raises:
        MeasureError: the device works on, every time.
    """
    shares = []
    for _ in range(3):
        started_ms = arm.device.now_ms()
        arm.enqueue()
        arm.device.finish()
        late_ms = arm.device.late_work_ms()
        total_ms = max(arm.device.now_ms() - started_ms, late_ms)
        shares.append(late_ms / total_ms if late_ms > _LATE_MS else 0.0)
    if min(shares) > _LATE_SHARE:
        raise MeasureError(
            f"for {min(shares):.0%} of a query the GPU works on after the query's stream is "
            "done: the runtime enqueues on another stream, and its times would be too short",
            code=Code.WORK_OFF_STREAM,
        )


def plan_queries(arm: Bound) -> Plan:
    """Decide how queries are started, and capture a graph for each set where that is asked for.

    Raises:
        MeasureError: a capture failed or holds no kernel.
    """
    wanted = arm.runtime.graph if arm.bench.cuda_graph else "none"
    flush = arm.device.flush_l2 if arm.bench.l2 == "flushed" else None
    if wanted == "capture":
        graphs = [capture(arm, one) for one in arm.sets]
        queries = tuple(Query(launch, flush) for _, launch in graphs)
        return Plan(queries, "captured", min(kernels for kernels, _ in graphs))
    use: GraphUse = "runtime" if wanted == "own" else "none"
    if len(arm.sets) == 1:
        return Plan((Query(arm.enqueue, flush),), use, None)
    binds = [partial(arm.runtime.bind, one.by_name()) for one in arm.sets]
    return Plan(tuple(Query(arm.enqueue, bind) for bind in binds), use, None)


def capture(arm: Bound, buffers: BufferSet) -> tuple[int, Callable[[], None]]:
    """Capture a query on these buffers: how many kernels, and what launches them."""
    arm.runtime.bind(buffers.by_name())
    graph = arm.device.capture(arm.runtime)
    if graph.kernels == 0:
        raise MeasureError(
            "the captured CUDA graph holds no kernel: the runtime enqueues on another stream "
            "than the one it was given, or refused to enqueue",
            code=Code.GRAPH_EMPTY,
        )
    return graph.kernels, graph.launch


def prove_queries(arm: Bound, plan: Plan, references: tuple[Outputs, ...]) -> None:
    """Check that every query, started as it will be timed, follows its input as plain queries do."""
    for index in range(len(arm.sets)):
        # The set's own input last: it stays.
        for own, other in ((index + 1, index), (index, index + 1)):
            prove_query(arm, plan, index, (own, other), references)


def prove_query(
    arm: Bound, plan: Plan, index: int, batches: tuple[int, int], references: tuple[Outputs, ...]
) -> None:
    """Check that query ``index`` on the first of two batches of inputs gives its outputs, not the other's."""
    buffers, (own, other) = arm.sets[index], batches
    if plan.use != "captured":
        arm.runtime.bind(buffers.by_name())
    outputs = run_poisoned(arm.device, buffers, arm.inputs[own], plan.queries[index].start)
    check_query(arm.runtime.outputs, outputs, references[own], references[other], plan.use)


def warm_up_queries(arm: Bound, plan: Plan) -> WarmUp:
    """Run queries as they will be timed until their times are steady; first run what is timed besides."""
    queries = cycle(plan.queries)
    arm.device.time_copies(arm.sets[0].inputs, arm.sets[0].outputs)
    arm.device.time_single(next(queries))
    return warm_up(
        lambda count: arm.device.time_queries(queries, count),
        arm.device.now_ms,
        arm.bench.warmup_ms,
        arm.bench.block_ms,
    )


class TimedArm:
    """An arm that is ready: ``facts`` about it, and its blocks."""

    def __init__(
        self,
        arm: Bound,
        plan: Plan,
        references: tuple[Outputs, ...],
        warm: WarmUp,
        facts: ArmFacts,
        trace_path: Path | None,
    ) -> None:
        self.facts = facts
        self._trace_path = trace_path
        self._arm, self._plan, self._references = arm, plan, references
        self._device = arm.device
        self._block_ms = arm.bench.block_ms
        self._queries = cycle(plan.queries)
        self._buffers = arm.sets[0]
        self._query_ms = self._query_ms_on_images = warm.query_ms

    def block(self) -> Samples:
        """Time one block of about ``bench.block_ms``; all times in ms.

        Raises:
            MeasureError: the device failed.
        """
        samples: dict[Series, list[float]] = {}
        with _no_garbage_collection():
            until_ms = self._device.now_ms() + (1 - _SINGLE_SHARE - _COPY_SHARE) * self._block_ms
            self._lead_in()
            samples[self._device.main_series] = self._main_series(until_ms)
            self._repeat(samples, self._single, _SINGLE_SHARE, _MOST_SINGLES)
            self._repeat(samples, self._copies, _COPY_SHARE, _MOST_COPIES)
        return {series: tuple(times_ms) for series, times_ms in samples.items()}

    def fill_constants(self) -> None:
        """Set all inputs to one value, and run queries untimed until the clock could follow the power.

        Raises:
            MeasureError: the device failed.
        """
        self._query_ms_on_images = self._query_ms
        constants = make_constants(self._arm.runtime.inputs, self._arm.bench.inputs)
        for buffers in self._arm.sets:
            upload_inputs(self._device, buffers, constants)
        self._main_series(self._device.now_ms() + CONSTANT_BLOCK_SHARE * self._block_ms)

    def constant_block(self) -> Samples:
        """Time a block on what ``fill_constants`` left: the main series alone, as copies bring images back.

        Raises:
            MeasureError: the device failed.
        """
        with _no_garbage_collection():
            until_ms = self._device.now_ms() + CONSTANT_BLOCK_SHARE * self._block_ms
            return {self._device.main_series: tuple(self._main_series(until_ms))}

    def restore_inputs(self) -> None:
        """Bring the images back, and prove with every query that its outputs are theirs again.

        Raises:
            MeasureError: an output is not what it was on these images.
        """
        for index in range(len(self._arm.sets)):
            prove_query(self._arm, self._plan, index, (index, index + 1), self._references)
        self._query_ms = self._query_ms_on_images

    def trace(self) -> Samples:
        """Time a few queries, then record as many: the times without a profiler, in ms.

        Raises:
            RuntimeUnavailable: torch is not installed.
            MeasureError: the device or the profiler failed.
        """
        if self._trace_path is None:
            raise MeasureError("no path to write a trace to: is the process that measures another version?")
        times_ms = self._device.time_queries(self._queries, _TRACED)
        record_queries(self._queries, _TRACED, self._device.finish, self._trace_path)
        return {self._device.main_series: tuple(times_ms)}

    def _lead_in(self) -> None:
        """Run a few queries untimed: another process had the device just before."""
        self._device.time_queries(self._queries, _at_most(_LEAD_IN_MS / self._query_ms, _LONGEST_LEAD_IN))

    def _main_series(self, until_ms: float) -> list[float]:
        times_ms: list[float] = []
        while not times_ms or self._device.now_ms() < until_ms:
            chunk_ms = self._device.time_queries(self._queries, chunk_queries(self._query_ms, self._block_ms))
            self._query_ms = median(chunk_ms)
            times_ms += chunk_ms
        return times_ms

    def _repeat(
        self,
        samples: dict[Series, list[float]],
        measure: Callable[[], dict[Series, float]],
        share: float,
        most: int,
    ) -> None:
        """Measure once, and on for this share of the block's time."""
        until_ms = self._device.now_ms() + share * self._block_ms
        for _ in range(most):
            for series, time_ms in measure().items():
                samples.setdefault(series, []).append(time_ms)
            if self._device.now_ms() >= until_ms:
                return

    def _single(self) -> dict[Series, float]:
        return self._device.time_single(next(self._queries))

    def _copies(self) -> dict[Series, float]:
        return self._device.time_copies(self._buffers.inputs, self._buffers.outputs)


def _facts(
    arm: Bound, plan: Plan, warm: WarmUp, load: Load, free_bytes: int | None, reference: Outputs
) -> ArmFacts:
    notes = (*arm.runtime.notes, rotation_note(arm.sets, arm.device.l2_bytes))
    return ArmFacts(
        runtime_version=arm.runtime.version,
        main_series=arm.device.main_series,
        inputs=arm.runtime.inputs,
        outputs=arm.runtime.outputs,
        cuda_graph=plan.use,
        graph_kernels=plan.kernels,
        output_sample=output_sample(reference),
        l2_bytes=arm.device.l2_bytes,
        device_memory_bytes=_taken(load.free_bytes, free_bytes),
        empty_query_ms=load.empty_query_ms,
        load_s=load.duration_s,
        pid=os.getpid(),
        notes=tuple(note for note in notes if note is not None),
        unsteady=() if warm.unsteady is None else (warm.unsteady,),
    )


def _taken(free_before: int | None, free_after: int | None) -> int | None:
    """Memory that is gone; other processes on the GPU affect it."""
    return None if free_before is None or free_after is None else max(0, free_before - free_after)


def _at_most(count: float, most: int) -> int:
    return max(1, min(round(count), most))


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Collect later, not in the middle of a query."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()

"""What a user should know of a measurement: one pure function a check, thresholds beside it."""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trtbench.errors import Code
from trtbench.measure.run import Arm
from trtbench.measure.stop import relative_half_width
from trtbench.measure.summarise import (
    block_medians,
    block_samples,
    is_throttled,
    power_capped_share,
    telemetry_summary,
)
from trtbench.measure.trtexec_check import trtexec_disagrees
from trtbench.measure.verdict import MARGIN
from trtbench.results import (
    Finding,
    Measurement,
    Series,
    Severity,
    Statistic,
    TelemetrySummary,
    ThrottleReason,
    TimedBlock,
)
from trtbench.runtimes import runtime_entry
from trtbench.specs.recipe import Precision, Recipe
from trtbench.stats import BlockSamples, Ratio, speedup
from trtbench.units import format_bytes, format_count

ENQUEUE_SHARE = 0.8
"""trtexec warns from the same share on (sampleReporting.cpp)."""
OVERHEAD_SHARE = 0.1
"""Share of the median that a query of the same runtime that computes nothing may take unsaid."""
NOISY_COV = 0.025
"""Coefficient of variation from which trtexec advises to lock the clocks (sampleReporting.cpp)."""
DRIFT = 0.01
"""Change of the median from the first to the second half of every process that counts as a drift."""
_DRIFT_BLOCKS = 4


@dataclass(frozen=True)
class _Throttle:
    """How grave a throttle reason is, and what to do about it."""

    severity: Severity
    hint: str


_HEAT = _Throttle("warning", "cool the GPU or let it rest between blocks (--regime burst)")
_THROTTLES: dict[ThrottleReason, _Throttle] = {
    "sw_therm_slowdown": _HEAT,
    "hw_therm_slowdown": _HEAT,
    "hw_power_brake_slowdown": _Throttle(
        "warning",
        "the server's power supply slowed the GPU down (power brake): check it, its cables and the load of "
        "what shares it",
    ),
    "sw_power_cap": _Throttle(
        "info",
        "this is the speed under sustained load at the power limit; --regime burst measures after rests",
    ),
    "sync_boost": _Throttle("info", "the GPU keeps to the clock of the slowest in its sync boost group"),
}
"""By NVML's reason, the gravest first."""

_COSINES = {
    Precision.FP32: 0.999,
    Precision.FP16: 0.99,
    Precision.BF16: 0.99,
    Precision.INT8: 0.95,
    Precision.FP8: 0.95,
    Precision.MXFP8: 0.95,
    Precision.NVFP4: 0.8,
}
_COSINE_SPARSE = 0.5
"""Limits that a wrong model misses and a rounded one does not; for the loss of accuracy, see verify."""


@dataclass(frozen=True)
class Observed:
    """One arm as the checks see it; ``foreign_pids`` had the GPU open before the first block.

    ``constant_blocks`` ran on inputs of zeros. ``failures``: why processes of the arm failed.
    """

    arm: Arm
    measurement: Measurement
    blocks: Sequence[TimedBlock]
    foreign_pids: tuple[int, ...] = ()
    constant_blocks: Sequence[TimedBlock] = ()
    failures: Sequence[str] = ()

    @property
    def main(self) -> Statistic | None:
        """The series that speeds refer to."""
        facts = self.measurement.facts
        return self.measurement.series.get(facts.main_series) if facts else None


def findings_of(observed: Observed) -> tuple[Finding, ...]:
    """All that one arm shows by itself."""
    found = (check(observed) for check in _CHECKS)
    return tuple(finding for finding in found if finding is not None)


def findings_between(baseline: Observed, arm: Observed) -> tuple[Finding, ...]:
    """All that shows in ``arm`` beside the baseline."""
    found = (l2_fits_one_arm(baseline, arm), output_differs(baseline.measurement, arm.measurement))
    return tuple(finding for finding in found if finding is not None)


def cross_checks(arm: Observed, observed: Sequence[Observed]) -> tuple[Finding, ...]:
    """What shows in an arm that timed itself beside an arm of ours with the same engines."""
    if not runtime_entry(arm.measurement.arm.runtime).times_itself:
        return ()
    hashes = [build.artifact_sha256 for build in arm.arm.builds]
    found = (
        trtexec_disagrees(other.main.median, arm.main.median)
        for other in observed
        if not runtime_entry(other.measurement.arm.runtime).times_itself
        if [build.artifact_sha256 for build in other.arm.builds] == hashes
        if other.main is not None and arm.main is not None
    )
    return tuple(finding for finding in found if finding is not None)


def enqueue_bound(observed: Observed) -> Finding | None:
    """The host needs about as long to enqueue a query as the GPU to compute it."""
    gpu = observed.measurement.series.get("gpu_compute_ms")
    enqueue = observed.measurement.series.get("enqueue_ms")
    if gpu is None or enqueue is None or enqueue.median <= ENQUEUE_SHARE * gpu.median:
        return None
    share = enqueue.median / gpu.median
    return Finding(
        code=Code.ENQUEUE_BOUND,
        severity="warning",
        message=f"to enqueue a query takes {enqueue.median:.4g} ms, {share:.0%} of its {gpu.median:.4g} ms "
        "on the GPU: the GPU may wait for the host between queries",
        hint="measure with a CUDA graph (remove --no-graph), or use a larger batch",
        numbers={"enqueue_ms": enqueue.median, "gpu_compute_ms": gpu.median},
    )


def runtime_overhead(observed: Observed) -> Finding | None:
    """The runtime itself takes a good part of the time, or may."""
    main, facts = observed.main, observed.measurement.facts
    if main is None or facts is None or facts.empty_query_ms is None:
        return None
    share = facts.empty_query_ms / main.median
    if share <= OVERHEAD_SHARE:
        return None
    return Finding(
        code=Code.RUNTIME_OVERHEAD,
        severity="warning",
        message=f"a query that computes nothing takes {facts.empty_query_ms:.4g} ms in "
        f"{observed.measurement.arm.runtime}, {share:.0%} of this model's {main.median:.4g} ms: ratios to "
        "other runtimes, and times of smaller models, include that overhead",
        hint="use a larger batch, or compare models in one runtime",
        numbers={"empty_query_ms": facts.empty_query_ms, facts.main_series: main.median},
    )


def throttled(observed: Observed) -> Finding | None:
    """The driver held the clock down while it measured; those samples are in the statistic, too."""
    held = [block for block in observed.blocks if is_throttled(block)]
    summary, facts = observed.measurement.telemetry, observed.measurement.facts
    if not held or summary is None or facts is None:
        return None
    counts = {id(block): len(block.samples.get(facts.main_series, ())) for block in observed.blocks}
    samples_share = sum(counts[id(block)] for block in held) / max(sum(counts.values()), 1)
    free = [block for block in observed.blocks if not is_throttled(block)]
    reasons = [name for name, microseconds in summary.throttle_us.items() if microseconds]
    throttles = [throttle for name, throttle in _THROTTLES.items() if name in reasons]
    numbers = {"samples_share": samples_share, "throttled_share": summary.throttled_share}
    counted = f"{len(held)} of {format_count(len(observed.blocks), 'block')}"
    contrast = ""
    if free:
        medians = [statistics.median(block_medians(each, facts.main_series)) for each in (held, free)]
        numbers |= {"median_throttled_ms": medians[0], "median_free_ms": medians[1]}
        contrast = f"; their median is {medians[0]:.4g} ms, that of the others {medians[1]:.4g} ms"
    return Finding(
        code=Code.THROTTLED,
        severity=throttles[0].severity,
        message=f"{samples_share:.0%} of the samples ({counted}) were taken while the clock was held down by "
        f"{', '.join(reasons)}{contrast}; none is left out",
        hint="; ".join(dict.fromkeys(throttle.hint for throttle in throttles)),
        numbers=numbers,
    )


def noisy(observed: Observed) -> Finding | None:
    """Times scatter, or the interval of the median is wider than was asked for."""
    main, facts = observed.main, observed.measurement.facts
    if main is None or facts is None:
        return None
    cov = _coefficient_of_variation(observed, main)
    width, target = relative_half_width(main), observed.measurement.protocol.target_half_width
    if cov <= NOISY_COV and width <= target:
        return None
    return Finding(
        code=Code.NOISY,
        severity="warning" if cov > NOISY_COV else "info",
        message=f"times vary by {cov:.1%} (coefficient of variation), and the median of {main.median:.4g} ms "
        f"is known to {width:.2%}, asked was {target:.2%}",
        hint="measure longer (--duration-s), in more processes (--processes), on a machine that does nothing "
        "else" + ("; lock the clocks where you may (nvidia-smi -lgc)" if observed.measurement.gpu else ""),
        numbers={"cov": cov, "relative_half_width": width, "target_half_width": target},
    )


def graph_empty(observed: Observed) -> Finding | None:
    """The captured CUDA graph holds no kernel or leaves outputs unwritten: its replays would time nothing."""
    reason = observed.measurement.reason
    if observed.measurement.code != Code.GRAPH_EMPTY or reason is None:
        return None
    return Finding(
        code=Code.GRAPH_EMPTY,
        severity="error",
        message=reason,
        hint="measure with --no-graph; is the model loaded, and does it run on the stream that it is given?",
    )


def process_failed(observed: Observed) -> Finding | None:
    """An arm is measured, and a process of it failed before the run was interrupted and went on."""
    if observed.measurement.status == "failed" or not observed.failures:
        return None
    count = len(observed.failures)
    return Finding(
        code=Code.PROCESS_FAILED,
        severity="warning",
        message=f"{format_count(count, 'process')} failed before the run was interrupted and went on: "
        f"{observed.failures[-1]}",
        hint="find out why before trusting what the others measured; measure again from the start",
        numbers={"processes": count},
    )


def foreign_process(observed: Observed) -> Finding | None:
    """Somebody else had the GPU open before or in a block."""
    in_blocks = [block.telemetry.foreign_pids for block in observed.blocks if block.telemetry]
    shared = sum(bool(pids) for pids in in_blocks)
    pids = sorted({*observed.foreign_pids, *(pid for pids in in_blocks for pid in pids)})
    if not pids:
        return None
    return Finding(
        code=Code.FOREIGN_PROCESS,
        severity="warning",
        message=f"other processes had the GPU open ({', '.join(map(str, pids))}): "
        f"{'before the first block' if observed.foreign_pids else 'not at the start'}"
        + (f", and in {shared} of {format_count(len(observed.blocks), 'block')}" if observed.blocks else ""),
        hint="stop them and measure again; --exclusive refuses to start while others use the GPU",
        numbers={"blocks": shared, "processes": len(pids)},
    )


def input_dependent_power(observed: Observed) -> Finding | None:
    """Under the power cap, zeros are computed faster than images: power depends on the values multiplied."""
    ratio = constants_speedup(observed)
    if ratio is None or ratio.ci95[0] <= 1 or ratio.value <= 1 + MARGIN:
        return None
    processes = {block.process for block in observed.constant_blocks}
    beside = [block for block in observed.blocks if block.process in processes]
    states = [telemetry_summary(blocks, None, None) for blocks in (observed.constant_blocks, beside)]
    share = power_capped_share(beside)
    return Finding(
        code=Code.INPUT_DEPENDENT_POWER,
        severity="info",
        message=f"inputs of zeros are computed {ratio.value:.3f}x as fast as images (95 % interval "
        f"{ratio.ci95[0]:.3f} to {ratio.ci95[1]:.3f}, {format_count(len(processes), 'process')})"
        f"{_states_words(*states)}: "
        f"the power cap holds the clock down for {share:.0%} of the time, and power depends on the values "
        "that are multiplied",
        hint="these times hold for images of mean 0 and standard deviation 1, other values move them"
        + (_OWN_WEIGHTS if _has_random_weights(observed) else "; compare arms on the same inputs only"),
        numbers={
            "constants_speedup": ratio.value,
            "ci95_low": ratio.ci95[0],
            "ci95_high": ratio.ci95[1],
            "power_capped_share": share,
            **_state_numbers("constants", states[0]),
            **_state_numbers("images", states[1]),
        },
    )


_OWN_WEIGHTS = "; so do weights, and these are random: measure with yours (--checkpoint or --pretrained)"


def constants_speedup(observed: Observed) -> Ratio | None:
    """Time on images by that on zeros, in the processes that timed both; None without any."""
    facts = observed.measurement.facts
    if facts is None or not observed.constant_blocks:
        return None
    on_zeros = _process_medians(observed.constant_blocks, facts.main_series)
    on_images = _process_medians(observed.blocks, facts.main_series)
    shared = [key for key in on_zeros if key in on_images]
    if not shared:
        return None
    images, zeros = (
        [BlockSamples(*key, 0, (medians[key],)) for key in shared] for medians in (on_images, on_zeros)
    )
    return speedup(images, zeros)


def not_steady(observed: Observed) -> Finding | None:
    """It had not come to rest: while it warmed up, or from the first to the second half of every process."""
    facts, changes = observed.measurement.facts, _drifts(observed)
    drift = statistics.median(changes) if changes else 0.0
    same_way = bool(changes) and (min(changes) > 0 or max(changes) < 0)
    notes = [] if facts is None else list(facts.unsteady)
    if same_way and abs(drift) >= DRIFT:
        where = "the one process" if len(changes) == 1 else f"each of {len(changes)} processes"
        notes.append(
            f"in {where} the second half of the blocks is "
            f"{'slower' if drift > 0 else 'faster'} than the first, by {abs(drift):.1%} in the median"
        )
    if not notes:
        return None
    return Finding(
        code=Code.NOT_STEADY,
        severity="warning",
        message="; ".join(notes),
        hint="warm up longer (--warmup-ms), and look at the clock and the temperature in the blocks",
        numbers={"drift": drift, "processes": len(changes)},
    )


def no_graph(observed: Observed) -> Finding | None:
    """A CUDA graph was asked for, and this runtime cannot."""
    facts = observed.measurement.facts
    if facts is None or facts.main_series != "gpu_compute_ms" or facts.cuda_graph != "none":
        return None
    if not observed.measurement.protocol.cuda_graph:
        return None
    return Finding(
        code=Code.NO_GRAPH,
        severity="warning",
        message=f"{observed.measurement.arm.runtime} runs without a CUDA graph: what the host needs to "
        "launch kernels may be in the times",
        hint="compare with an arm that runs without one, too (--no-graph)",
    )


def rebuilds_identical(observed: Observed) -> Finding | None:
    """Engines built anew hold the same bytes, so that builds are no source of variation."""
    hashes = {build.artifact_sha256 for build in observed.arm.builds}
    if len(observed.arm.builds) < 2 or len(hashes) > 1:
        return None
    return Finding(
        code=Code.REBUILDS_IDENTICAL,
        severity="info",
        message=f"all {len(observed.arm.builds)} builds of the engine hold the same bytes",
        hint="remove --rebuilds: this compiler is deterministic here",
        numbers={"builds": len(observed.arm.builds)},
    )


def l2_fits_one_arm(baseline: Observed, arm: Observed) -> Finding | None:
    """Repeated queries may find one arm's data in the L2 cache and never the other's."""
    sizes = (baseline.arm.working_set_bytes, arm.arm.working_set_bytes)
    l2_bytes = arm.measurement.facts.l2_bytes if arm.measurement.facts else None
    if l2_bytes is None or sizes[0] is None or sizes[1] is None:
        return None
    if arm.measurement.protocol.l2 != "warm" or (sizes[0] <= l2_bytes) == (sizes[1] <= l2_bytes):
        return None
    return Finding(
        code=Code.L2_FITS_ONE_ARM,
        severity="warning",
        message=f"weights and activations are {format_bytes(sizes[0])} for {baseline.arm.label} and "
        f"{format_bytes(sizes[1])} for {arm.arm.label}; the L2 cache holds {format_bytes(l2_bytes)}: queries "
        "that follow each other keep one of them in it, which other work in between would not",
        hint="measure with --l2 flushed, too",
        numbers={"baseline_bytes": sizes[0], "arm_bytes": sizes[1], "l2_bytes": l2_bytes},
    )


def output_differs(baseline: Measurement, arm: Measurement) -> Finding | None:
    """An arm computes something else than the baseline on the same inputs."""
    facts = (baseline.facts, arm.facts)
    exports = (baseline.arm.export, arm.arm.export)
    if baseline.protocol.seed != arm.protocol.seed:
        return None  # other inputs
    if facts[0] is None or facts[1] is None or exports[0] is None or exports[1] is None:
        return None
    wanted, found = facts[0].output_sample, facts[1].output_sample
    if exports[0].model.without_paths() != exports[1].model.without_paths():
        return None
    if not wanted or len(wanted) != len(found):
        return None
    limit = min(cosine_limit(exports[0].recipe), cosine_limit(exports[1].recipe))
    cosine = _cosine(wanted, found)
    if cosine >= limit:
        return None
    return Finding(
        code=Code.OUTPUT_DIFFERS,
        severity="error",
        message=f"its outputs have a cosine of {cosine:.3f} with those of {baseline.arm.label} on the same "
        f"inputs, rounding leaves at least {limit:g}: it may not compute the same model",
        hint="compare the exported models with trtbench verify before trusting its time",
        numbers={"cosine": cosine, "limit": limit},
    )


_CHECKS = (
    enqueue_bound,
    runtime_overhead,
    throttled,
    noisy,
    graph_empty,
    process_failed,
    foreign_process,
    input_dependent_power,
    not_steady,
    no_graph,
    rebuilds_identical,
)


def _coefficient_of_variation(observed: Observed, main: Statistic) -> float:
    """Standard deviation of all samples over their mean."""
    facts = observed.measurement.facts
    if facts is None:
        return 0.0
    values = [v for each in block_samples(observed.blocks, facts.main_series) for v in each.values]
    return math.sqrt(math.fsum((v - main.mean) ** 2 for v in values) / len(values)) / main.mean


def _process_medians(blocks: Iterable[TimedBlock], series: Series) -> dict[tuple[int, int], float]:
    """Median of the medians of the blocks of each build and process, in ms."""
    medians = defaultdict(list)
    for each in block_samples(blocks, series):
        medians[each.build, each.process].append(statistics.median(each.values))
    return {key: statistics.median(values) for key, values in medians.items()}


def _states_words(on_zeros: TelemetrySummary | None, on_images: TelemetrySummary | None) -> str:
    """Clock and power both ways."""
    if on_zeros is None or on_images is None:
        return ""
    pairs = {
        "MHz": (on_zeros.sm_clock_mhz, on_images.sm_clock_mhz),
        "W": (on_zeros.power_w, on_images.power_w),
    }
    known = [
        f"{zeros:.0f} instead of {images:.0f} {unit}"
        for unit, (zeros, images) in pairs.items()
        if zeros is not None and images is not None
    ]
    return f", at {' and '.join(known)}" if known else ""


def _state_numbers(inputs: str, state: TelemetrySummary | None) -> dict[str, float]:
    if state is None:
        return {}
    readings = {f"{inputs}_sm_clock_mhz": state.sm_clock_mhz, f"{inputs}_power_w": state.power_w}
    return {name: value for name, value in readings.items() if value is not None}


def _has_random_weights(observed: Observed) -> bool:
    """Whether trtbench drew the weights itself; of a file that is named nothing is known."""
    export = observed.measurement.arm.export
    return export is not None and not export.model.pretrained and export.model.checkpoint is None


def _drifts(observed: Observed) -> list[float]:
    """Relative change from the first to the second half, of each process with enough blocks."""
    facts = observed.measurement.facts
    if facts is None:
        return []
    changes = []
    for process in sorted({block.process for block in observed.blocks}):
        blocks = [block for block in observed.blocks if block.process == process]
        medians = block_medians(blocks, facts.main_series)
        if len(medians) >= _DRIFT_BLOCKS:
            half = len(medians) // 2
            first, second = statistics.median(medians[:half]), statistics.median(medians[-half:])
            changes.append(second / first - 1)
    return changes


def cosine_limit(recipe: Recipe) -> float:
    """The lowest limit of the precisions of a recipe; attention in FP8 counts as one of them."""
    if recipe.sparse:
        return _COSINE_SPARSE
    precisions = (*recipe.precisions, Precision.FP8) if recipe.fp8attn else recipe.precisions
    return min(_COSINES[precision] for precision in precisions)


def _cosine(a: Sequence[float], b: Sequence[float]) -> float:
    norm = math.hypot(*a) * math.hypot(*b)
    return math.fsum(x * y for x, y in zip(a, b, strict=True)) / norm if norm else 0.0

"""What a user should know of a measurement: one pure function a check, thresholds beside it."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from trtbench.measure.run import Arm
from trtbench.measure.stop import relative_half_width
from trtbench.measure.summarise import block_medians, block_samples, is_throttled
from trtbench.recipes import Precision, Recipe
from trtbench.results import Finding, Measurement, Statistic, TimedBlock
from trtbench.units import format_bytes

ENQUEUE_SHARE = 0.8
"""trtexec warns from the same share on (sampleReporting.cpp)."""
NOISY_COV = 0.025
"""Coefficient of variation from which trtexec advises to lock the clocks (sampleReporting.cpp)."""
DRIFT = 0.01
"""Change of the median from the first to the second half of every process that counts as a drift."""
POWER_CAPPED_SHARE = 0.05
_DRIFT_BLOCKS = 4
_UNSTEADY = "NOT_STEADY: "  # how a worker's note of it begins

_THERMAL = ("hw_therm_slowdown", "sw_therm_slowdown", "hw_power_brake_slowdown")

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
"""Limits that a wrong model misses and a rounded one does not; the loss of accuracy is verify's to tell."""


@dataclass(frozen=True)
class Observed:
    """One arm as the checks see it; ``foreign_pids`` had the GPU open before the first block."""

    arm: Arm
    measurement: Measurement
    blocks: Sequence[TimedBlock]
    foreign_pids: tuple[int, ...] = ()

    @property
    def main(self) -> Statistic | None:
        """The series that speeds are told in."""
        facts = self.measurement.facts
        return self.measurement.series.get(facts.main_series) if facts else None


def findings_of(observed: Observed) -> tuple[Finding, ...]:
    """All that one arm shows by itself."""
    found = (check(observed) for check in _CHECKS)
    return tuple(finding for finding in found if finding is not None)


def findings_between(baseline: Observed, arm: Observed) -> tuple[Finding, ...]:
    """All that shows in ``arm`` beside the baseline."""
    found = (l2_fits_one_arm(baseline, arm), output_differs(baseline, arm))
    return tuple(finding for finding in found if finding is not None)


def enqueue_bound(observed: Observed) -> Finding | None:
    """The host needs about as long to enqueue a query as the GPU to compute it."""
    gpu = observed.measurement.series.get("gpu_compute_ms")
    enqueue = observed.measurement.series.get("enqueue_ms")
    if gpu is None or enqueue is None or enqueue.median <= ENQUEUE_SHARE * gpu.median:
        return None
    share = enqueue.median / gpu.median
    return Finding(
        code="ENQUEUE_BOUND",
        severity="warning",
        message=f"to enqueue a query takes {enqueue.median:.4g} ms, {share:.0%} of its {gpu.median:.4g} ms "
        "on the GPU: the GPU may wait for the host between queries",
        hint="measure with a CUDA graph (leave --no-graph out), or take a larger batch",
        numbers={"enqueue_ms": enqueue.median, "gpu_compute_ms": gpu.median},
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
    thermal = any(name in _THERMAL for name in reasons)
    numbers = {"samples_share": samples_share, "throttled_share": summary.throttled_share}
    contrast = ""
    if free:
        medians = [statistics.median(block_medians(each, facts.main_series)) for each in (held, free)]
        numbers |= {"median_throttled_ms": medians[0], "median_free_ms": medians[1]}
        contrast = f"; their median is {medians[0]:.4g} ms, that of the others {medians[1]:.4g} ms"
    return Finding(
        code="THROTTLED",
        severity="warning" if thermal else "info",
        message=f"{samples_share:.0%} of the samples ({len(held)} of {len(observed.blocks)} blocks) were "
        f"taken while the clock was held down by {', '.join(reasons)}{contrast}; none is left out",
        hint="cool the GPU or let it rest between blocks (--regime burst)"
        if thermal
        else "this is the speed under sustained load; --regime burst measures after rests",
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
        code="NOISY",
        severity="warning" if cov > NOISY_COV else "info",
        message=f"times vary by {cov:.1%} (coefficient of variation), and the median of {main.median:.4g} ms "
        f"is known to {width:.2%}, asked was {target:.2%}",
        hint="measure longer (--duration-s), in more processes (--processes), on a machine that does nothing "
        "else" + ("; lock the clocks where you may (nvidia-smi -lgc)" if observed.measurement.gpu else ""),
        numbers={"cov": cov, "relative_half_width": width, "target_half_width": target},
    )


def graph_empty(observed: Observed) -> Finding | None:
    """The captured CUDA graph held no kernel, so that its replays would have timed nothing."""
    reason = observed.measurement.reason or ""
    if not reason.startswith("GRAPH_EMPTY"):
        return None
    return Finding(
        code="GRAPH_EMPTY",
        severity="error",
        message="the captured CUDA graph holds no kernel: its replays would time nothing",
        hint="measure with --no-graph; is the model loaded, and does it run on the stream that it is given?",
    )


def foreign_process(observed: Observed) -> Finding | None:
    """Somebody else had the GPU open before or in a block."""
    in_blocks = [block.telemetry.foreign_pids for block in observed.blocks if block.telemetry]
    shared = sum(bool(pids) for pids in in_blocks)
    pids = sorted({*observed.foreign_pids, *(pid for pids in in_blocks for pid in pids)})
    if not pids:
        return None
    return Finding(
        code="FOREIGN_PROCESS",
        severity="warning",
        message=f"other processes had the GPU open ({', '.join(map(str, pids))}): "
        f"{'before the first block' if observed.foreign_pids else 'not at the start'}, and in {shared} of "
        f"{len(observed.blocks)} blocks",
        hint="stop them and measure again; --exclusive refuses to start beside others",
        numbers={"blocks": shared, "processes": len(pids)},
    )


def input_dependent_power(observed: Observed) -> Finding | None:
    """The power cap set the clock, and power depends on the values that are multiplied."""
    summary, export = observed.measurement.telemetry, observed.measurement.arm.export
    if summary is None or export is None or export.model.pretrained or export.model.checkpoint is not None:
        return None
    duration_s = sum(block.telemetry.duration_s for block in observed.blocks if block.telemetry)
    share = summary.throttle_us.get("sw_power_cap", 0) / 1e6 / duration_s
    if share <= POWER_CAPPED_SHARE:
        return None
    return Finding(
        code="INPUT_DEPENDENT_POWER",
        severity="info",
        message=f"the power cap held the clock down for {share:.0%} of the time, at a median of "
        f"{summary.power_w:.0f} W; power depends on the values that are multiplied, and these are random "
        "weights and synthetic images",
        hint="measure with the weights that you will use (--checkpoint or --pretrained)",
        numbers={"power_capped_share": share, "power_w": summary.power_w},
    )


def not_steady(observed: Observed) -> Finding | None:
    """It had not come to rest: while it warmed up, or from the first to the second half of every process."""
    facts, changes = observed.measurement.facts, _drifts(observed)
    drift = statistics.median(changes) if changes else 0.0
    same_way = bool(changes) and (min(changes) > 0 or max(changes) < 0)
    notes = (
        [note.removeprefix(_UNSTEADY) for note in facts.notes if note.startswith(_UNSTEADY)] if facts else []
    )
    if same_way and abs(drift) >= DRIFT:
        notes.append(
            f"in each of {len(changes)} processes the second half of the blocks is "
            f"{'slower' if drift > 0 else 'faster'} than the first, by {abs(drift):.1%} in the median"
        )
    if not notes:
        return None
    return Finding(
        code="NOT_STEADY",
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
        code="NO_GRAPH",
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
        code="REBUILDS_IDENTICAL",
        severity="info",
        message=f"all {len(observed.arm.builds)} builds of the engine hold the same bytes",
        hint="leave --rebuilds out: this compiler is deterministic here",
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
        code="L2_FITS_ONE_ARM",
        severity="warning",
        message=f"weights and activations are {format_bytes(sizes[0])} for {baseline.arm.label} and "
        f"{format_bytes(sizes[1])} for {arm.arm.label}; the L2 cache holds {format_bytes(l2_bytes)}: queries "
        "that follow each other keep one of them in it, which other work in between would not",
        hint="measure with --l2 flushed, too",
        numbers={"baseline_bytes": sizes[0], "arm_bytes": sizes[1], "l2_bytes": l2_bytes},
    )


def output_differs(baseline: Observed, arm: Observed) -> Finding | None:
    """An arm computes something else than the baseline on the same inputs."""
    facts = (baseline.measurement.facts, arm.measurement.facts)
    exports = (baseline.measurement.arm.export, arm.measurement.arm.export)
    if facts[0] is None or facts[1] is None or exports[0] is None or exports[1] is None:
        return None
    wanted, found = facts[0].output_sample, facts[1].output_sample
    if exports[0].model != exports[1].model or not wanted or len(wanted) != len(found):
        return None
    limit = min(_cosine_limit(exports[0].recipe), _cosine_limit(exports[1].recipe))
    cosine = _cosine(wanted, found)
    if cosine >= limit:
        return None
    return Finding(
        code="OUTPUT_DIFFERS",
        severity="error",
        message=f"its outputs have a cosine of {cosine:.3f} with those of {baseline.arm.label} on the same "
        f"inputs, rounding leaves at least {limit:g}: it may not compute the same model",
        hint="compare the exported models with trtbench verify before trusting its time",
        numbers={"cosine": cosine, "limit": limit},
    )


_CHECKS = (
    enqueue_bound,
    throttled,
    noisy,
    graph_empty,
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


def _cosine_limit(recipe: Recipe) -> float:
    """The lowest limit of the precisions of a recipe."""
    if recipe.sparse:
        return _COSINE_SPARSE
    precisions = (*recipe.precisions, Precision.FP8) if recipe.fp8attn else recipe.precisions
    return min(_COSINES[precision] for precision in precisions)


def _cosine(a: Sequence[float], b: Sequence[float]) -> float:
    norm = math.hypot(*a) * math.hypot(*b)
    return math.fsum(x * y for x, y in zip(a, b, strict=True)) / norm if norm else 0.0

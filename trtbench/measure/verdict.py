"""Which of two arms is faster, if the data show it: every comparison is AMBIGUOUS until there is evidence.

FASTER, SLOWER  The 97.5 % interval of the speed-up excludes 1, and the 95 % interval is not wholly inside the
                margin of practical equality. Where the SM clocks of the arms differ, it excludes 1 in clock
                cycles too (nvbench's rule: docs/nvbench_compare_robust.md in NVIDIA/nvbench).
SAME            The 95 % interval lies wholly inside the margin.
INCOMPARABLE    Something that is recorded and not under test differs, or an arm failed or has no samples.

At 97.5 %, three processes call fewer than 2 % of equal arms FASTER or SLOWER, unless a third or more of the
processes are in a slow state: docs/benchmarks/interval_coverage.md.
"""

from collections.abc import Collection, Iterator

from trtbench.results import Measurement, TelemetrySummary, Verdict, VerdictWord
from trtbench.specs import Spec
from trtbench.stats import PROCESS_STATE, Ratio

# Half of the 1 % that a comparison should find; nvbench's default clear gap is as large.
MARGIN = 0.005
# Arms that were throttled for shares of the time further apart than this ran under different conditions.
THROTTLED_SHARE_GAP = 0.1


def decide(baseline: Measurement, arm: Measurement, ratio: Ratio | None, margin: float = MARGIN) -> Verdict:
    """Say how ``arm`` compares with ``baseline``: FASTER means that it takes less time.

    Args:
        baseline: what ``arm`` is compared with; the two may differ in recipe, runtime and versions.
        arm: what is judged.
        ratio: ``trtbench.stats.speedup`` of the main series; ``None`` when an arm has no samples.
        margin: differences up to this, as a share of the time, do not matter.
    """
    obstacle = next(_obstacles(baseline, arm), None)
    if obstacle or ratio is None:
        return _verdict(baseline, arm, "INCOMPARABLE", obstacle or "no samples to compare", None)
    word, reason = _judge(ratio, margin)
    if doubt := _doubt(baseline, arm, ratio, word):
        word, reason = "AMBIGUOUS", f"{word} by time alone ({reason}), but {doubt}"
    reasons = (reason, *_notes(baseline, arm, ratio))
    return _verdict(baseline, arm, word, "; ".join(reasons), ratio)


def _verdict(
    baseline: Measurement, arm: Measurement, word: VerdictWord, reason: str, ratio: Ratio | None
) -> Verdict:
    return Verdict(
        baseline=baseline.arm.label,
        arm=arm.arm.label,
        verdict=word,
        reason=reason,
        series=baseline.facts.main_series if ratio and baseline.facts else None,
        ratio=ratio.value if ratio else None,
        ci95=ratio.ci95 if ratio else None,
    )


def _judge(ratio: Ratio, margin: float) -> tuple[VerdictWord, str]:
    """Word and reason by the times alone. The margin is that of a ratio: swapped arms get the same word."""
    band = f"1 +- {margin:.1%}"
    if 1 / (1 + margin) <= ratio.ci95[0] and ratio.ci95[1] <= 1 + margin:
        return "SAME", f"{ratio.value:.4f}x, 95% interval {_span(ratio.ci95)} within {band}"
    if _excludes_1(ratio.ci975):
        word: VerdictWord = "FASTER" if ratio.value > 1 else "SLOWER"
        return word, f"{ratio.value:.4f}x, 97.5% interval {_span(ratio.ci975)} excludes 1"
    return "AMBIGUOUS", (
        f"{ratio.value:.4f}x, 97.5% interval {_span(ratio.ci975)} includes 1, and 95% interval "
        f"{_span(ratio.ci95)} is not within {band}: more processes narrow them"
    )


def _excludes_1(interval: tuple[float, float], scale: float = 1.0) -> bool:
    return interval[0] * scale > 1 or interval[1] * scale < 1


def _span(interval: tuple[float, float], scale: float = 1.0) -> str:
    return f"{interval[0] * scale:.4f} to {interval[1] * scale:.4f}"


def _obstacles(baseline: Measurement, arm: Measurement) -> Iterator[str]:
    """What forbids the comparison, with both values."""
    if baseline.status == "failed":
        yield baseline_failed(baseline.arm.label)  # once for every arm: the reason is in the baseline's row
    if arm.status == "failed":
        yield f"{arm.arm.label} failed: {arm.reason}"
    for measurement in (baseline, arm):
        if measurement.facts is None or measurement.facts.main_series not in measurement.series:
            yield f"{measurement.arm.label} has no samples"
    yield from _differences("gpu", baseline.gpu, arm.gpu)
    yield from _differences("batch", baseline.batch, arm.batch)
    # The seed orders blocks and draws inputs; another one is another repetition of the same protocol.
    yield from spec_differences("protocol", baseline.protocol, arm.protocol, but=("seed",))
    if baseline.arm.export and arm.arm.export:
        old, new = (each.model.without_paths() for each in (baseline.arm.export, arm.arm.export))
        yield from spec_differences("model", old, new)
    if baseline.facts and arm.facts:
        yield from _differences("main series", baseline.facts.main_series, arm.facts.main_series)
        if baseline.arm.runtime == arm.arm.runtime:
            yield from _differences("CUDA graph", baseline.facts.cuda_graph, arm.facts.cuda_graph)


def baseline_failed(label: str) -> str:
    """The obstacle where the arm ``label`` that others are compared with failed."""
    return f"the baseline {label} failed"


def incomparable(baseline: str, arm: str, reason: str) -> Verdict:
    """The verdict on two arms of which one was not measured."""
    return Verdict(
        baseline=baseline, arm=arm, verdict="INCOMPARABLE", reason=reason, series=None, ratio=None, ci95=None
    )


def _differences(field: str, of_baseline: object, of_arm: object) -> Iterator[str]:
    if of_baseline != of_arm:
        yield f"{field} differs: {of_baseline} and {of_arm}"


def spec_differences(name: str, of_baseline: Spec, of_arm: Spec, but: Collection[str] = ()) -> Iterator[str]:
    """Each field in which two specs of one type differ, with both values, except ``but``."""
    for field in type(of_baseline).model_fields:
        if field not in but:
            yield from _differences(f"{name} {field}", getattr(of_baseline, field), getattr(of_arm, field))


def _doubt(baseline: Measurement, arm: Measurement, ratio: Ratio, word: VerdictWord) -> str | None:
    """What speaks against a word that the times alone support."""
    if word == "AMBIGUOUS":
        return None
    clocks = _clocks_mhz(baseline, arm)
    if word != "SAME" and clocks and clocks[0] != clocks[1]:
        # What holds in cycles was not made by unequal throttling, which lowers the clock.
        return None if _holds_in_cycles(ratio, clocks) else "not in clock cycles"
    if _throttled_share_gap(baseline, arm) > THROTTLED_SHARE_GAP:
        return "the arms were throttled for very different shares of the time"
    return None


def _clocks_mhz(baseline: Measurement, arm: Measurement) -> tuple[float, float] | None:
    """SM clocks of both, if both are known."""
    clocks = [each.telemetry.sm_clock_mhz if each.telemetry else None for each in (baseline, arm)]
    # Results of before there was a None say 0.
    return (clocks[0], clocks[1]) if clocks[0] and clocks[1] else None


def _holds_in_cycles(ratio: Ratio, clocks: tuple[float, float]) -> bool:
    """Whether the ratio of clock cycles (time x clock) is on the same side of 1 with the same certainty."""
    scale = clocks[0] / clocks[1]
    return _excludes_1(ratio.ci975, scale) and (ratio.value * scale > 1) == (ratio.value > 1)


def _throttled_share_gap(baseline: Measurement, arm: Measurement) -> float:
    if baseline.telemetry and arm.telemetry:
        return abs(baseline.telemetry.throttled_share - arm.telemetry.throttled_share)
    return 0.0


def _notes(baseline: Measurement, arm: Measurement, ratio: Ratio) -> Iterator[str]:
    """What a reader of the verdict should know besides."""
    if ratio.level in ("block", "sample"):
        yield (
            f"an arm ran in one process, so the intervals are widened by {PROCESS_STATE:.0%} "
            "for the state of a process: use 3 or more"
        )
    if baseline.facts and arm.facts and baseline.facts.cuda_graph != arm.facts.cuda_graph:
        yield f"CUDA graph: {baseline.facts.cuda_graph} and {arm.facts.cuda_graph}, as the runtimes differ"
    clocks = _clocks_mhz(baseline, arm)
    if clocks is None and baseline.gpu:
        yield "the SM clocks are not known, so nothing is confirmed in clock cycles"
    if clocks and clocks[0] != clocks[1]:
        scale = clocks[0] / clocks[1]
        yield (
            f"in clock cycles {ratio.value * scale:.4f}x, 97.5% interval {_span(ratio.ci975, scale)}, "
            f"SM clocks {clocks[0]:.0f} and {clocks[1]:.0f} MHz"
        )
    telemetry = [measurement.telemetry for measurement in (baseline, arm) if measurement.telemetry]
    if any(each.throttled_share for each in telemetry):
        yield f"throttled for {' and '.join(_throttled(each) for each in telemetry)} of the time"


def _throttled(telemetry: TelemetrySummary) -> str:
    reasons = ", ".join(sorted(reason for reason, time_us in telemetry.throttle_us.items() if time_us))
    return f"{telemetry.throttled_share:.1%}" + (f" ({reasons})" if reasons else "")

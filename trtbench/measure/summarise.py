"""From raw blocks to a measurement; nothing is left out of a statistic."""

import statistics
from collections.abc import Callable, Iterable, Sequence

from trtbench.errors import MeasureError, TrtbenchError
from trtbench.results import (
    ArmFacts,
    Measurement,
    Series,
    Statistic,
    Telemetry,
    TelemetrySummary,
    ThrottleReason,
    TimedBlock,
)
from trtbench.specs import ArmSpec, BenchSpec
from trtbench.stats import BlockSamples, summarise

THROTTLED_SHARE = 0.01
"""From which share of its time under a throttle reason a block counts as throttled."""
POWER_CAPPED_SHARE = 0.05
"""From which share of the time of its blocks under the power cap an arm counts as power-capped."""


def measurement_of(
    arm: ArmSpec,
    bench: BenchSpec,
    blocks: Sequence[TimedBlock],
    facts: ArmFacts | None,
    failure: TrtbenchError | None,
    gpu: str | None,
    raw: str,
) -> Measurement:
    """Summarise what was measured of one arm; with a ``failure`` it failed, whatever it had before.

    Queries follow each other without a gap: ``queries_per_s`` is the inverse of the median time of one.
    """
    batch = batch_of(arm, facts)
    series = {name: summarise(block_samples(blocks, name)) for name in series_in(blocks)}
    main = series.get(facts.main_series) if facts else None
    queries_per_s = None if main is None else 1000 / main.median
    if failure is None and main is None:
        failure = MeasureError("no block was finished")
    return Measurement(
        arm=arm,
        status="ok" if failure is None else "failed",
        reason=None if failure is None else str(failure),
        code=None if failure is None else failure.code,
        gpu=gpu,
        protocol=bench,
        batch=batch,
        facts=facts,
        series=series,
        queries_per_s=queries_per_s,
        images_per_s=None if queries_per_s is None or batch is None else queries_per_s * batch,
        builds=max(1, len({block.build for block in blocks})),
        processes=len({block.process for block in blocks}),
        blocks=len(blocks),
        telemetry=telemetry_summary(blocks, main, batch),
        raw=raw,
    )


def batch_of(arm: ArmSpec, facts: ArmFacts | None) -> int | None:
    """The first dimension of the first input; that which was asked for, where nothing was loaded."""
    if facts is None:
        return arm.export.batch if arm.export else None
    return facts.inputs[0].shape[0] if facts.inputs and facts.inputs[0].shape else None


def series_in(blocks: Iterable[TimedBlock]) -> list[Series]:
    """All series that have samples."""
    return list(dict.fromkeys(name for block in blocks for name, values in block.samples.items() if values))


def block_samples(blocks: Iterable[TimedBlock], series: Series) -> list[BlockSamples]:
    """One series as the statistics take it."""
    return [
        BlockSamples(build=b.build, process=b.process, block=b.block, values=b.samples[series])
        for b in blocks
        if b.samples.get(series)
    ]


def block_medians(blocks: Iterable[TimedBlock], series: Series) -> list[float]:
    """Median of each block in ms."""
    return [statistics.median(each.values) for each in block_samples(blocks, series)]


def statistic_of(blocks: Iterable[TimedBlock], series: Series) -> Statistic | None:
    """Summary of one series, if it has samples."""
    samples = block_samples(blocks, series)
    return summarise(samples) if samples else None


def telemetry_summary(
    blocks: Iterable[TimedBlock], main: Statistic | None, batch: int | None
) -> TelemetrySummary | None:
    """Medians of all readings, None where there are none.

    Energy per image is the mean power of the blocks times the time per image.
    """
    seen = [block.telemetry for block in blocks if block.telemetry is not None]
    if not seen:
        return None
    return TelemetrySummary(
        sm_clock_mhz=_median(seen, lambda each: each.sm_clock_mhz),
        power_w=_median(seen, lambda each: each.power_w),
        temperature_c=_median(seen, lambda each: each.temperature_c),
        energy_per_image_j=_energy_per_image_j(seen, main, batch),
        throttle_us=_sum_by_reason(seen),
        throttled_share=sum(throttled_s(each) for each in seen) / sum(each.duration_s for each in seen),
    )


def throttled_s(telemetry: Telemetry) -> float:
    """How long the clock was held down: by the reason that held it longest, since reasons overlap."""
    return min(max(telemetry.throttle_us.values(), default=0) / 1e6, telemetry.duration_s)


def is_throttled(block: TimedBlock) -> bool:
    """Whether the samples of a block were taken under throttle."""
    telemetry = block.telemetry
    return telemetry is not None and throttled_s(telemetry) > THROTTLED_SHARE * telemetry.duration_s


def power_capped_share(blocks: Iterable[TimedBlock]) -> float:
    """Share of the time of the blocks for which the power cap held the clock down."""
    seen = [block.telemetry for block in blocks if block.telemetry is not None]
    # The driver's counters and the block's clock are read one after the other.
    capped_s = sum(min(each.throttle_us.get("sw_power_cap", 0) / 1e6, each.duration_s) for each in seen)
    return capped_s / sum(telemetry.duration_s for telemetry in seen) if seen else 0.0


def is_power_capped(blocks: Iterable[TimedBlock]) -> bool:
    """Whether the power cap affected the times of these blocks."""
    return power_capped_share(blocks) > POWER_CAPPED_SHARE


def _energy_per_image_j(seen: Sequence[Telemetry], main: Statistic | None, batch: int | None) -> float | None:
    counted = [(each.energy_j, each.duration_s) for each in seen if each.energy_j is not None]
    if not counted or main is None or not batch:
        return None
    power_w = sum(energy for energy, _ in counted) / sum(duration for _, duration in counted)
    return power_w * main.median / 1000 / batch


def _sum_by_reason(seen: Iterable[Telemetry]) -> dict[ThrottleReason, int]:
    total: dict[ThrottleReason, int] = {}
    for telemetry in seen:
        for reason, microseconds in telemetry.throttle_us.items():
            total[reason] = total.get(reason, 0) + microseconds
    return total


def _median(seen: Iterable[Telemetry], readings: Callable[[Telemetry], Iterable[float]]) -> float | None:
    values = [value for telemetry in seen for value in readings(telemetry)]
    return float(statistics.median(values)) if values else None

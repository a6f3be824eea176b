"""Two measurements of two runs: a verdict from their summaries alone, without their samples."""

from trtbench.compare.stored import other_cpu
from trtbench.errors import MeasureError
from trtbench.measure.verdict import decide, incomparable
from trtbench.results import Measurement, Verdict
from trtbench.stats import Level, Ratio, Summary, speedup_of_runs


def verdict_of_runs(baseline: Measurement, arm: Measurement) -> Verdict:
    """Say how ``arm`` compares with ``baseline``; what changed on the machine in between is in the ratio.

    Both have the environment that they ran in.
    """
    labels = baseline.arm.label, arm.arm.label
    obstacle = other_cpu(baseline, arm)
    if obstacle is not None:
        return incomparable(*labels, obstacle)
    try:
        ratio = _ratio(baseline, arm)
    except MeasureError as error:
        return incomparable(*labels, str(error))
    return decide(baseline, arm, ratio)


def _ratio(baseline: Measurement, arm: Measurement) -> Ratio | None:
    sides = _summary(baseline), _summary(arm)
    return speedup_of_runs(sides[0], sides[1]) if sides[0] and sides[1] else None


def _summary(measurement: Measurement) -> Summary | None:
    """The main series; its interval rests on the highest level of which there are several."""
    if measurement.main is None:
        return None
    counts: tuple[tuple[Level, int], ...] = (
        ("build", measurement.builds),
        ("process", measurement.processes),
        ("block", measurement.blocks),
        ("sample", 2),
    )
    level, units = next((level, units) for level, units in counts if units > 1)
    return Summary(measurement.main.median, measurement.main.ci95, units, level)

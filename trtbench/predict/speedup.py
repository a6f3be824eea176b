"""How many times faster one engine is predicted to be than another, on the same GPU."""

import math
from collections.abc import Iterator, Sequence

from trtbench.errors import IncompatibleResults
from trtbench.results import PredictedGroup, PredictedSpeedup, Prediction


def predicted_speedup(baseline_key: str, baseline: Prediction, key: str, arm: Prediction) -> PredictedSpeedup:
    """Compare two predictions that were made for one GPU and clock.

    Both engines take their rates from the same fit, so one factor ``f`` is taken to hold for a group in both:
    the true ratio is ``sum_g f_g a_g / sum_g f_g b_g``, each ``f_g`` within the bounds of its group. In every
    ``f_g`` alone that is monotone: it grows with the factors of the groups whose ``a_g / b_g`` is above the
    ratio, and falls with the others. So the extremes are at corners that split the groups in that order.

    Raises:
        IncompatibleResults: an engine is predicted to take no time, which no prediction of ours says.
    """
    groups = {**baseline.groups, **arm.groups}
    slow, fast = ([_time(each, name) for name in groups] for each in (baseline, arm))
    factors = [each.factor for each in groups.values()]
    ratios = [_ratio(slow, fast, corner) for corner in _corners(slow, fast, factors)]
    if None in ratios or min(baseline.gpu_compute_ms, arm.gpu_compute_ms) <= 0:
        raise IncompatibleResults(
            f"no speed-up of {key} over {baseline_key}: a predicted time is not positive"
        )
    known = [ratio for ratio in ratios if ratio is not None]
    return PredictedSpeedup(
        baseline=baseline_key,
        arm=key,
        ratio=baseline.gpu_compute_ms / arm.gpu_compute_ms,
        interval=(min(known), max(known)),
    )


def _time(prediction: Prediction, group: str) -> float:
    found: PredictedGroup | None = prediction.groups.get(group)
    return found.predicted_ms if found else 0.0


def _corners(
    slow: Sequence[float], fast: Sequence[float], factors: Sequence[tuple[float, float]]
) -> Iterator[list[float]]:
    """Factors that are high for the first groups by ``slow / fast`` and low for the rest, and the reverse."""
    order = sorted(range(len(factors)), key=lambda group: -math.atan2(slow[group], fast[group]))
    for split in range(len(order) + 1):
        first = set(order[:split])
        for high, low in ((1, 0), (0, 1)):
            yield [each[high if at in first else low] for at, each in enumerate(factors)]


def _ratio(slow: Sequence[float], fast: Sequence[float], factors: Sequence[float]) -> float | None:
    above = sum(factor * time for factor, time in zip(factors, slow, strict=True))
    below = sum(factor * time for factor, time in zip(factors, fast, strict=True))
    return above / below if above > 0 and below > 0 else None

"""How many times faster one engine is predicted to be than another, on the same GPU."""

from itertools import product

from trtbench.results import PredictedGroup, PredictedSpeedup, Prediction


def predicted_speedup(baseline_key: str, baseline: Prediction, key: str, arm: Prediction) -> PredictedSpeedup:
    """Compare two predictions that were made for one GPU and clock.

    Both engines take their rates from the same fit, so one factor ``f`` is taken to hold for a group in both:
    the true ratio is ``sum_g f_g a_g / sum_g f_g b_g``, each ``f_g`` within the bounds of its group. In every
    ``f_g`` alone that is monotone, so the extremes are at corners of the box, and all of them are computed.
    """
    groups = {**baseline.groups, **arm.groups}
    slow, fast = ([_time(each, name) for name in groups] for each in (baseline, arm))
    ratios = [_ratio(slow, fast, corner) for corner in product(*(each.factor for each in groups.values()))]
    return PredictedSpeedup(
        baseline=baseline_key,
        arm=key,
        ratio=baseline.gpu_compute_ms / arm.gpu_compute_ms,
        interval=(min(ratios), max(ratios)),
    )


def _time(prediction: Prediction, group: str) -> float:
    found: PredictedGroup | None = prediction.groups.get(group)
    return found.predicted_ms if found else 0.0


def _ratio(slow: list[float], fast: list[float], factors: tuple[float, ...]) -> float:
    above = sum(factor * time for factor, time in zip(factors, slow, strict=True))
    return above / sum(factor * time for factor, time in zip(factors, fast, strict=True))

"""Medians, intervals and speed-ups of nested samples: build > process > block > sample. Times are in ms.

Intervals rest on the highest level that was repeated, as Kalibera and Jones advise ("Rigorous Benchmarking in
Reasonable Time", ISMM 2013, doi:10.1145/2464157.2464160): samples of a block depend on each other, blocks of
a process share its state, and only fresh processes (or builds) are independent repetitions. Each such unit is
one logarithm of a time, and their few values get a Student t interval. A bootstrap would resample three
values; its 95 % percentile interval holds the truth in 77 to 87 % of cases: see
docs/benchmarks/interval_coverage.md. Medians are taken of samples and of blocks, so the order of the samples
in a block has no influence.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trtbench.errors import MeasureError
from trtbench.results import Statistic

FloatArray = NDArray[np.float64]
Key = tuple[int, int, int]  # build, process, block
Level = Literal["build", "process", "block", "sample"]
LEVELS: tuple[Level, ...] = ("build", "process", "block", "sample")

# By how much all samples of one process may be slower than those of another: on an H200, a CUDA graph of
# ViT-B/16 at batch 1 took 0.6402 ms and, in another state of the process at the same clock, 0.6872 ms.
# Those 7.3 % were seen on one machine, so they are rounded up.
PROCESS_STATE = 0.1

_MEDIAN_RANGES = 3.145
"""Three standard deviations in median moving ranges of two normal values: 3 / 0.954."""


@dataclass(frozen=True)
class BlockSamples:
    """One block of one series of one arm; ``values`` in ms, one a query."""

    build: int
    process: int
    block: int
    values: Sequence[float] | FloatArray


@dataclass(frozen=True)
class Ratio:
    """Median time of the baseline by that of the arm: above 1, the arm is faster.

    ``level``: what the intervals rest on, the lower one of the two arms. With ``block`` (one process) or
    ``sample`` (one block) they are widened by ``PROCESS_STATE``, since other processes were not seen.
    """

    value: float
    ci95: tuple[float, float]
    ci975: tuple[float, float]
    level: Level


@dataclass(frozen=True)
class Spread:
    """Standard error of a logarithm, with its degrees of freedom."""

    standard_error: float
    degrees: float

    def half_width(self, confidence: float) -> float:
        """Half of the two-sided Student t interval."""
        if self.standard_error == 0:
            return 0.0
        # Within the function: loading scipy.special takes a quarter of a second.
        from scipy.special import stdtrit

        return float(stdtrit(self.degrees, (1 + confidence) / 2)) * self.standard_error


def summarise(blocks: Sequence[BlockSamples]) -> Statistic:
    """Summarise one series of one arm; every build, process and block weighs the same within its parent.

    With equal counts the quantiles are those of all samples pooled, so anyone can recompute them.
    The interval is the median times ``exp(+-t * s / sqrt(n))``, ``s`` being the standard deviation of the
    logarithms of the ``n`` units' medians. With one process it is widened by ``PROCESS_STATE``; with one
    block it is the range of the samples, widened likewise.

    Raises:
        MeasureError: there are no samples, or one of them is not a positive number.
    """
    samples = _samples(blocks)
    values, weights = _weighted(samples)
    median, p90, p99 = _quantiles(values, weights, (0.5, 0.9, 0.99))
    return Statistic(
        samples=values.size,
        median=median,
        ci95=_median_interval(samples, median),
        mean=float(np.average(values, weights=weights)),
        minimum=float(values.min()),
        p90=p90,
        p99=p99,
        maximum=float(values.max()),
    )


def speedup(baseline: Sequence[BlockSamples], arm: Sequence[BlockSamples]) -> Ratio:
    """Median time of ``baseline`` by that of ``arm``, with its intervals.

    Blocks with the same indices ran next to each other: where both arms have them, the ratio is of those
    alone, block by block (the median over blocks, then the geometric mean over processes), and drift of the
    clocks cancels. Two intervals hold then: that of the paired differences, narrow when the arms drift
    together, and Welch's, which has more degrees of freedom and ignores what the arms share. The narrower of
    two intervals of confidence ``1 - a / 2`` has at least ``1 - a`` (Bonferroni's inequality).

    Raises:
        MeasureError: an arm has no samples, or one of them is not a positive number.
    """
    old, new = _samples(baseline), _samples(arm)
    level = max(_level(old), _level(new), key=LEVELS.index)
    if level == "sample":
        return _ratio_of_ranges(old, new)
    log_ratio, spreads = _log_ratio(_log_medians(old), _log_medians(new))
    ratio = math.exp(log_ratio)
    return Ratio(
        value=ratio,
        ci95=_around(ratio, _narrowest(spreads, 0.95) + unseen_state(level)),
        ci975=_around(ratio, _narrowest(spreads, 0.975) + unseen_state(level)),
        level=level,
    )


@dataclass(frozen=True)
class Summary:
    """What is kept of one series of a run: median in ms, its 95 % interval, and what this rests on.

    ``units``: how many builds, processes or blocks, whichever ``level`` names.
    """

    median: float
    ci95: tuple[float, float]
    units: int
    level: Level


def speedup_of_runs(baseline: Summary, arm: Summary) -> Ratio:
    """Median time of ``baseline`` by that of ``arm``, timed in two runs, from their summaries alone.

    An interval of a median is one of Student's t, so its width gives back the standard error, and Welch's
    interval follows. Where a run has one block, all that is left is the quotient of the intervals' ends.

    Raises:
        MeasureError: an interval is not one of positive times.
    """
    for each in (baseline, arm):
        low, high = each.ci95
        if not (0 < low <= each.median <= high and high / low < math.inf):
            raise MeasureError(f"{each.median} ms with {each.ci95} is not a median with its interval")
    level = max(baseline.level, arm.level, key=LEVELS.index)
    ratio = baseline.median / arm.median
    if level == "sample":
        widest = baseline.ci95[0] / arm.ci95[1], baseline.ci95[1] / arm.ci95[0]
        return Ratio(ratio, widest, widest, level)
    spread = _of_difference(_spread_behind(baseline), _spread_behind(arm))
    return Ratio(
        value=ratio,
        ci95=_around(ratio, spread.half_width(0.95) + unseen_state(level)),
        ci975=_around(ratio, spread.half_width(0.975) + unseen_state(level)),
        level=level,
    )


def _spread_behind(summary: Summary) -> Spread:
    """What the interval of a median was made from: the inverse of ``_median_interval``."""
    degrees = summary.units - 1
    half_width = math.log(summary.ci95[1] / summary.ci95[0]) / 2 - unseen_state(summary.level)
    return Spread(max(half_width, 0.0) / Spread(1.0, degrees).half_width(0.95), degrees)


def is_beyond_scatter(earlier: Sequence[float], segment: Sequence[float], value: float) -> bool:
    """Whether a time lies further from the mean of ``segment`` than runs scatter from one to the next.

    A control chart of individual logarithms with limits at 3.145 median moving ranges (Wheeler,
    "Understanding Statistical Process Control"; NIST/SEMATECH e-Handbook of Statistical Methods, 6.3.2.2).
    A step in ``earlier`` is one large range among others, and moves their median little.

    Args:
        earlier: medians of all runs before, in their order; at least two.
        segment: the last of them, since the time changed.
        value: the median of the run in question.
    """
    ranges = np.abs(np.diff(np.log(np.asarray(earlier, dtype=np.float64))))
    center = float(np.log(np.asarray(segment, dtype=np.float64)).mean())
    limit = _MEDIAN_RANGES * float(np.median(ranges)) * math.sqrt(1 + 1 / len(segment))
    return abs(math.log(value) - center) > limit


def _log_ratio(old: dict[Key, float], new: dict[Key, float]) -> tuple[float, list[Spread]]:
    """Difference of two arms' log medians with its spreads, from the blocks of both if these suffice."""
    shared = old.keys() & new.keys()
    if not _level(shared) == _level(old) == _level(new):
        old_units, new_units = _units(old), _units(new)
        return float(old_units.mean() - new_units.mean()), [_welch(old_units, new_units)]
    differences = _units({key: old[key] - new[key] for key in shared})
    welch = _welch(_units({key: old[key] for key in shared}), _units({key: new[key] for key in shared}))
    return float(differences.mean()), [_student(differences), welch]


def _samples(blocks: Sequence[BlockSamples]) -> dict[Key, FloatArray]:
    """Check the blocks and order them by their indices, so that the order they came in has no influence."""
    if not blocks:
        raise MeasureError(
            "no blocks to summarise: the arm was not timed, or its blocks are lost; measure again"
        )
    samples = {(b.build, b.process, b.block): np.asarray(b.values, dtype=np.float64) for b in blocks}
    if len(samples) < len(blocks):
        raise MeasureError(
            f"{len(blocks)} blocks have {len(samples)} different (build, process, block): "
            "pass those of one series of one arm"
        )
    for key, values in samples.items():
        _check(key, values)
    return dict(sorted(samples.items()))


def _check(key: Key, values: FloatArray) -> None:
    where = f"block {key[2]} of process {key[1]} of build {key[0]}"
    if values.size == 0:
        raise MeasureError(f"{where} has no samples: drop it or measure again")
    wrong = values[~(np.isfinite(values) & (values > 0))]
    if wrong.size:
        raise MeasureError(
            f"{where} has a time of {wrong[0]} ms: times are positive; the timer failed, measure again"
        )


def _level(keys: Collection[Key]) -> Level:
    """The highest level that has more than one unit; ``sample`` when there is one block."""
    for depth, level in enumerate(LEVELS[:-1], start=1):
        if len({key[:depth] for key in keys}) > 1:
            return level
    return "sample"


def _log_medians(samples: Mapping[Key, FloatArray]) -> dict[Key, float]:
    return {key: math.log(np.median(values)) for key, values in samples.items()}


def _units(blocks: Mapping[Key, float]) -> FloatArray:
    """One value for each unit of the highest repeated level: the median over blocks, the mean over processes.

    The median, because a block is easily disturbed as a whole; of the few processes none can be left out.
    """
    level = _level(blocks)
    if level == "block":
        return np.array([blocks[key] for key in sorted(blocks)])
    by_process = defaultdict(list)
    for build, process, block in sorted(blocks):
        by_process[build, process].append(blocks[build, process, block])
    return _units_of_processes({key: float(np.median(values)) for key, values in by_process.items()})


def _units_of_processes(medians: Mapping[tuple[int, int], float]) -> FloatArray:
    by_build = defaultdict(list)
    for (build, _), median in medians.items():
        by_build[build].append(median)
    if len(by_build) == 1:
        return np.array([*medians.values()])
    return np.array([np.mean(values) for values in by_build.values()])


def spread_of_processes(medians: Mapping[tuple[int, int], float]) -> Spread:
    """What the interval of an arm rests on, by (build, process) the median of the logarithms of its blocks.

    There are at least two.
    """
    return _student(_units_of_processes(medians))


def _student(units: FloatArray) -> Spread:
    """Standard error of the mean of ``units``."""
    # From the first: the mean of equal values may differ from them in its last bit.
    deviation = float((units - units[0]).std(ddof=1))
    return Spread(deviation / math.sqrt(units.size), units.size - 1)


def _welch(old: FloatArray, new: FloatArray) -> Spread:
    """Standard error of the difference of two means."""
    return _of_difference(_student(old), _student(new))


def _of_difference(old: Spread, new: Spread) -> Spread:
    """Standard error of the difference of two independent means, with Satterthwaite's degrees of freedom.

    Source: Welch, "The generalization of 'Student's' problem when several different population variances are
    involved", Biometrika 34, 1947, equations 28 and 29.
    """
    variances = np.array([old.standard_error, new.standard_error]) ** 2
    total = float(variances.sum())
    if total == 0:
        return Spread(0.0, 1)
    shares = variances / total
    degrees = 1 / float((shares**2 / np.array([old.degrees, new.degrees])).sum())
    return Spread(math.sqrt(total), degrees)


def _narrowest(spreads: Sequence[Spread], confidence: float) -> float:
    each = 1 - (1 - confidence) / len(spreads)
    return min(spread.half_width(each) for spread in spreads)


def unseen_state(level: Level) -> float:
    """Logarithm by which an interval grows that rests on the blocks of one process."""
    return math.log1p(PROCESS_STATE) if level == "block" else 0.0


def _around(value: float, log_half_width: float) -> tuple[float, float]:
    return value * math.exp(-log_half_width), value * math.exp(log_half_width)


def _ratio_of_ranges(old: Mapping[Key, FloatArray], new: Mapping[Key, FloatArray]) -> Ratio:
    """With one block their spread is unknown: all that the samples allow, and ``PROCESS_STATE``."""
    old_values, new_values = np.concatenate([*old.values()]), np.concatenate([*new.values()])
    widest = (
        float(old_values.min() / new_values.max()) / (1 + PROCESS_STATE),
        float(old_values.max() / new_values.min()) * (1 + PROCESS_STATE),
    )
    value = float(np.median(old_values) / np.median(new_values))
    return Ratio(value, widest, widest, "sample")


def _median_interval(samples: Mapping[Key, FloatArray], median: float) -> tuple[float, float]:
    level = _level(samples)
    if level == "sample":
        values = next(iter(samples.values()))
        return float(values.min()) / (1 + PROCESS_STATE), float(values.max()) * (1 + PROCESS_STATE)
    spread = _student(_units(_log_medians(samples)))
    return _around(median, spread.half_width(0.95) + unseen_state(level))


def _weighted(samples: Mapping[Key, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """All samples, and weights that give each build, process and block the same share of its parent."""
    blocks = Counter(key[:2] for key in samples)
    processes = Counter(build for build, _ in blocks)
    shares = {key: 1 / (len(processes) * processes[key[0]] * blocks[key[:2]]) for key in samples}
    weights = [np.full(values.size, shares[key] / values.size) for key, values in samples.items()]
    return np.concatenate([*samples.values()]), np.concatenate(weights)


def _quantiles(values: FloatArray, weights: FloatArray, probabilities: Sequence[float]) -> list[float]:
    """Weighted quantiles, linear between the middles of the samples' weights.

    With equal weights: Hazen's plotting positions, definition 5 of Hyndman and Fan, "Sample Quantiles in
    Statistical Packages", The American Statistician 50, 1996; numpy's method "hazen".
    """
    # Equal values by their weights, or the quantiles would depend on the order of the blocks.
    order = np.lexsort((weights, values))
    ordered = weights[order]
    positions = (np.cumsum(ordered) - ordered / 2) / ordered.sum()
    return [float(quantile) for quantile in np.interp(probabilities, positions, values[order])]

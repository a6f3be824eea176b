"""Simulate how often the intervals of trtbench.stats hold, and how often its verdicts are wrong.

Run from the repository's root, after installation:

    uv run python docs/benchmarks/interval_coverage.py

It takes ten minutes. Noise is added level by level to the logarithm of a time: samples of a block
depend on their predecessors, blocks and process rounds drift together in all arms, each process has its own
level and, with some probability, is in a slow state. The seeds are fixed: every run gives the same numbers.
The results go to docs/benchmarks/interval_coverage.md.
"""

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
from arguments import parse
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.special import ndtr, stdtrit

from trtbench.host.hardware import package_versions
from trtbench.measure.verdict import decide
from trtbench.results import ArmFacts, Measurement, Statistic, VerdictWord
from trtbench.specs import ArmSpec, BenchSpec
from trtbench.stats import PROCESS_STATE, BlockSamples, speedup, summarise

Array = NDArray[np.float64]
TIME_MS = 0.64
EFFECT = 0.01
TRIALS = 2000
BOOTSTRAPS = 1000
SLOW_BY = 0.6872 / 0.6402 - 1  # one CUDA graph on an H200, in two states of the process, in ms
CORRELATION = 0.9  # of a sample with the one before it


@dataclass(frozen=True)
class Noise:
    """Standard deviations, relative to the time.

    ``drift_sd`` is of the step of a random walk from block to block, ``round_sd`` of what all arms share in
    one round of processes. ``tail_df``: degrees of freedom of the t distribution of processes and blocks.
    ``outliers``: share of the samples that take up to half as long again.
    """

    name: str
    process_sd: float = 0.001
    block_sd: float = 0.0008
    round_sd: float = 0.0
    drift_sd: float = 0.0003
    sample_sd: float = 0.002
    tail_df: float = 1000.0
    outliers: float = 0.0
    slow_share: float = 0.0
    samples: int = 400


QUIET = Noise("batch 1")
STILL = replace(QUIET, name="batch 1, no drift", drift_sd=0.0)
DRIFT = replace(QUIET, name="batch 1, rounds differ by 0.3 %", round_sd=0.003, drift_sd=0.001)
BATCH_64 = Noise("batch 64", 0.002, 0.002, 0.003, 0.001, samples=30)
NOISY = Noise("noisy", 0.005, 0.005, 0.005, 0.001)
NOISY_STILL = Noise("noisy, no drift", 0.005, 0.003, 0.0, 0.0)
TAILS = Noise("heavy tails", 0.003, 0.003, 0.002, tail_df=3.0, outliers=0.02)
STATES = replace(QUIET, name="20 % of processes slow", slow_share=0.2)
REALISTIC = (
    QUIET,
    STILL,
    replace(QUIET, name="batch 1, rounds differ by 0.1 %", round_sd=0.001),
    DRIFT,
    BATCH_64,
    NOISY,
    NOISY_STILL,
    TAILS,
    replace(QUIET, name="10 % of processes slow", slow_share=0.1),
    STATES,
    replace(QUIET, name="30 % of processes slow", slow_share=0.3),
)
TELLING = (QUIET, STILL, DRIFT, NOISY_STILL, TAILS, STATES)
COIN = replace(QUIET, name="50 % of processes slow", slow_share=0.5)


def simulate(
    noise: Noise, processes: int, blocks: int, rng: np.random.Generator, effect: float = 0.0
) -> tuple[list[BlockSamples], list[BlockSamples]]:
    """Time two arms side by side; the second takes ``1 - effect`` of the time of the first."""
    turns = rng.random((processes, blocks)).argsort(axis=1) % 2
    walk = np.cumsum(rng.standard_normal((processes, 2 * blocks)) * noise.drift_sd, axis=1)
    shared = rng.standard_normal((processes, 1)) * noise.round_sd
    arms = []
    for arm, shift in enumerate((0.0, np.log1p(-effect))):
        turn = 2 * np.arange(blocks) + (turns + arm) % 2
        levels = shift + shared + np.take_along_axis(walk, turn, axis=1)
        arms.append(_time_arm(noise, levels, rng))
    return arms[0], arms[1]


def _time_arm(noise: Noise, levels: Array, rng: np.random.Generator) -> list[BlockSamples]:
    processes, blocks = levels.shape
    levels = levels + _tailed(rng, (processes, 1), noise.tail_df) * noise.process_sd
    levels = levels + _tailed(rng, (processes, blocks), noise.tail_df) * noise.block_sd
    levels = levels + np.log1p(SLOW_BY) * (rng.random((processes, 1)) < noise.slow_share)
    steps = rng.standard_normal((processes, blocks, noise.samples)) * np.sqrt(1 - CORRELATION**2)
    logs = levels[..., None] + noise.sample_sd * lfilter([1.0], [1.0, -CORRELATION], steps, axis=2)
    hit = rng.random(logs.shape) < noise.outliers
    times = TIME_MS * np.exp(logs) * (1 + hit * rng.random(logs.shape) / 2)
    return [BlockSamples(0, p, b, times[p, b]) for p in range(processes) for b in range(blocks)]


def _tailed(rng: np.random.Generator, shape: tuple[int, int], degrees: float) -> Array:
    """Student t with a standard deviation of 1."""
    return np.asarray(rng.standard_t(degrees, shape) / np.sqrt(degrees / (degrees - 2)))


@dataclass(frozen=True)
class Outcome:
    """Shares of trials, and the median half-width of the 95 % interval."""

    coverage: float
    faster: float
    slower: float
    same: float
    half_width: float


def compare(noise: Noise, processes: int, blocks: int, effect: float = 0.0, trials: int = TRIALS) -> Outcome:
    """Time two arms ``trials`` times and judge them."""
    rng = np.random.default_rng([processes, blocks, round(1e6 * effect)])
    truth = 1 / (1 - effect)
    covered, widths, words = 0, [], []
    for _ in range(trials):
        ratio = speedup(*simulate(noise, processes, blocks, rng, effect))
        low, high = ratio.ci95
        covered += low <= truth <= high
        widths.append((high - low) / 2 / ratio.value)
        words.append(decide(_measurement("baseline"), _measurement("arm"), ratio).verdict)
    return Outcome(
        coverage=covered / trials,
        faster=_share(words, "FASTER"),
        slower=_share(words, "SLOWER"),
        same=_share(words, "SAME"),
        half_width=float(np.median(widths)),
    )


def _share(words: Sequence[VerdictWord], word: VerdictWord) -> float:
    return words.count(word) / len(words)


def _measurement(label: str) -> Measurement:
    """Two of these differ in nothing but what ``speedup`` says."""
    statistic = Statistic(samples=1, median=1, ci95=(1, 1), mean=1, minimum=1, p90=1, p99=1, maximum=1)
    facts = ArmFacts(
        runtime_version="",
        main_series="gpu_compute_ms",
        inputs=(),
        outputs=(),
        cuda_graph="captured",
        graph_kernels=None,
        output_sample=(),
        device_memory_bytes=None,
        load_s=0,
        pid=1,
    )
    return Measurement(
        arm=ArmSpec(
            label=label, runtime="fake", recipe=None, export=None, artifact=None, artifact_sha256=None
        ),
        status="ok",
        gpu=None,
        protocol=BenchSpec(),
        batch=1,
        facts=facts,
        series={"gpu_compute_ms": statistic},
        queries_per_s=None,
        images_per_s=None,
        processes=1,
        blocks=1,
        telemetry=None,
        raw="",
    )


def median_coverage(noise: Noise, processes: int, blocks: int, trials: int = TRIALS) -> tuple[float, float]:
    """How often ``summarise``'s interval holds the true median, and its median relative half-width."""
    rng = np.random.default_rng([processes, blocks])
    covered, widths = 0, []
    for _ in range(trials):
        statistic = summarise(simulate(noise, processes, blocks, rng)[0])
        low, high = statistic.ci95
        covered += low <= TIME_MS <= high
        widths.append((high - low) / 2 / statistic.median)
    return covered / trials, float(np.median(widths))


# The candidates below see (processes, blocks) logarithms of block medians, and return a 95 % interval of the
# difference of the two arms.
Interval = tuple[float, float]


def percentile(old: Array, new: Array, rng: np.random.Generator, tail: float = 0.025) -> Interval:
    """Percentile bootstrap of processes and of blocks within them."""
    differences = old - new
    processes, blocks = differences.shape
    chosen = rng.integers(processes, size=(BOOTSTRAPS, processes, 1))
    resampled = differences[chosen, rng.integers(blocks, size=(BOOTSTRAPS, processes, blocks))]
    means = np.median(resampled, axis=2).mean(axis=1)
    low, high = np.quantile(means, (tail, 1 - tail))
    return float(low), float(high)


def expanded_percentile(old: Array, new: Array, rng: np.random.Generator) -> Interval:
    """Percentile bootstrap at the tail that makes up for ``n`` few processes: Phi(-sqrt(n/(n-1)) * t).

    Source: Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician 69, 2015.
    """
    n = old.shape[0]
    return percentile(old, new, rng, float(ndtr(-np.sqrt(n / (n - 1)) * stdtrit(n - 1, 0.975))))


def paired_t(old: Array, new: Array, rng: np.random.Generator) -> Interval:
    """Student t interval of the differences of processes that ran side by side."""
    units = np.median(old - new, axis=1)
    half = stdtrit(units.size - 1, 0.975) * units.std(ddof=1) / np.sqrt(units.size)
    return float(units.mean() - half), float(units.mean() + half)


def welch_t(old: Array, new: Array, rng: np.random.Generator) -> Interval:
    """Welch's interval of processes that are not paired."""
    units = np.median(old, axis=1), np.median(new, axis=1)
    first, second = (each.var(ddof=1) / each.size for each in units)
    degrees = (units[0].size - 1) * (first + second) ** 2 / (first**2 + second**2)
    half = stdtrit(degrees, 0.975) * np.sqrt(first + second)
    centre = units[0].mean() - units[1].mean()
    return float(centre - half), float(centre + half)


def narrower(old: Array, new: Array, rng: np.random.Generator) -> Interval:
    """The narrower of the two t intervals, both at 95 %."""
    return min(
        paired_t(old, new, rng), welch_t(old, new, rng), key=lambda interval: interval[1] - interval[0]
    )


def of_library(old: Array, new: Array, rng: np.random.Generator) -> Interval:
    """What trtbench does: the narrower of both at 97.5 %."""
    low, high = speedup(_blocks(old), _blocks(new)).ci95
    return float(np.log(low)), float(np.log(high))


def _blocks(logs: Array) -> list[BlockSamples]:
    return [BlockSamples(0, p, b, [float(np.exp(log))]) for (p, b), log in np.ndenumerate(logs)]


CANDIDATES: dict[str, Callable[[Array, Array, np.random.Generator], Interval]] = {
    "percentile bootstrap": percentile,
    "expanded percentile bootstrap": expanded_percentile,
    "paired t": paired_t,
    "Welch's t": welch_t,
    "narrower of the two t": narrower,
    "**narrower of the two t at 97.5 %**": of_library,
}


def candidate_coverage(
    noise: Noise, processes: int, blocks: int, trials: int
) -> dict[str, tuple[float, float]]:
    """Coverage and median half-width of each candidate, A against A, all on the same data."""
    rng = np.random.default_rng([processes, blocks])
    found: dict[str, list[Interval]] = {name: [] for name in CANDIDATES}
    for _ in range(trials):
        old, new = (
            np.log([np.median(block.values) for block in arm]).reshape(processes, blocks)
            for arm in simulate(noise, processes, blocks, rng)
        )
        for name, interval in CANDIDATES.items():
            found[name].append(interval(old, new, rng))
    return {
        name: (
            sum(low <= 0 <= high for low, high in intervals) / trials,
            float(np.median([(high - low) / 2 for low, high in intervals])),
        )
        for name, intervals in found.items()
    }


def table(header: str, rows: Iterator[Sequence[str]]) -> str:
    """A Markdown table."""
    columns = header.split(" | ")
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def percent(share: float, digits: int = 1) -> str:
    """Write a share."""
    return f"{100 * share:.{digits}f}"


def rows_of_scenarios(blocks: int) -> Iterator[Sequence[str]]:
    """A against A, and an arm that takes 1 % less time, for every kind of noise."""
    for noise in (*REALISTIC, COIN):
        alike = compare(noise, 3, blocks)
        better = compare(noise, 3, blocks, EFFECT)
        wrong = alike.faster + alike.slower
        numbers = (alike.coverage, wrong, alike.same, better.coverage, better.faster, better.slower)
        yield noise.name, *(percent(number) for number in numbers), percent(alike.half_width, 2)


def rows_of_processes() -> Iterator[Sequence[str]]:
    """The same 10 s an arm, in more or fewer processes."""
    for noise in (QUIET, BATCH_64, STATES):
        for processes, blocks in ((1, 40), (2, 20), (3, 13), (5, 8)):
            alike = compare(noise, processes, blocks, trials=TRIALS // 2)
            better = compare(noise, processes, blocks, EFFECT, trials=TRIALS // 2)
            numbers = (alike.coverage, alike.faster + alike.slower, alike.same, better.faster)
            shares = [percent(number) for number in numbers]
            yield noise.name, f"{processes} x {blocks}", percent(alike.half_width, 2), *shares


def rows_of_candidates() -> Iterator[Sequence[str]]:
    """Every candidate on the noises that tell them apart."""
    found = [candidate_coverage(noise, 3, 8, TRIALS // 2) for noise in TELLING]
    for name in CANDIDATES:
        yield name, *(f"{percent(each[name][0])} ({percent(each[name][1], 2)})" for each in found)


def rows_of_medians() -> Iterator[Sequence[str]]:
    """``summarise`` on one arm."""
    for noise in REALISTIC:
        found = [median_coverage(noise, processes, 8, TRIALS // 2) for processes in (1, 2, 3, 5)]
        yield noise.name, *(f"{percent(coverage)} ({percent(width, 2)})" for coverage, width in found)


def page() -> str:
    """The whole page, in Markdown."""
    versions = package_versions(("trtbench", "numpy", "scipy"))
    tools = ", ".join(f"{name} {version}" for name, version in versions.items())
    scenarios = "noise | A/A holds | A/A wrong | A/A SAME | 1 % holds | FASTER | SLOWER | half-width"
    costs = "noise | processes x blocks | half-width | A/A holds | A/A wrong | A/A SAME | 1 % FASTER"
    return f"""# How often the intervals hold, and how often a verdict is wrong

Simulated {date.today()} with `uv run python docs/benchmarks/interval_coverage.py`
on Python {platform.python_version()}, {tools}. Nothing here was timed on a GPU.
All numbers are percentages, of {TRIALS} pairs of arms a row; of half as many from the third table on.

Noise of `batch 1`, as standard deviations: between processes {QUIET.process_sd:.1%}, between the block
medians of a process {_block_median_sd():.2%}, drift of the clocks from block to block {QUIET.drift_sd:.2%}.
A block has {QUIET.samples} samples, each correlated with the one before ({CORRELATION}).
The other noises are in the script.
A slow process takes {SLOW_BY:.1%} longer in all its samples, as was seen on an H200.

## Three processes with four blocks each (the least that the default protocol measures)

A against A: how often the 95 % interval holds 1 (wanted: at least 93), how often FASTER or SLOWER is said
(wanted: at most 2), and SAME. Then an arm that takes 1 % less time: how often the 95 % interval holds that,
and how often it is called FASTER (wanted at batch 1: at least 95) or SLOWER. Last the median half-width of
the 95 % interval. Where rounds differ, all arms are slower or faster together in one round of processes.

{table(scenarios, rows_of_scenarios(4))}

## The same with 13 blocks (10 s an arm)

{table(scenarios, rows_of_scenarios(13))}

No statistic tells a faster arm from three processes that all happened to be in the faster state: where half
of the processes are slow, that alone makes 2 of 64 comparisons wrong; with five processes 2 of 1024.

## What processes cost: 10 s an arm, in 1, 2, 3 or 5 processes

With one process the interval is widened by {PROCESS_STATE:.0%}: nothing that it saw tells of other processes.
With two, both of an arm are in the slow state often enough to make more than 2 % of the verdicts wrong.

{table(costs, rows_of_processes())}

## Other intervals

How often a 95 % interval holds 1, A against A, three processes of eight blocks, and (its median half-width).

{table(" | ".join(("interval", *(noise.name for noise in TELLING))), rows_of_candidates())}

## The median of one arm

How often the 95 % interval of `summarise` holds the true median, eight blocks a process, and (its median
half-width). Where some processes are slow, the true median is taken to be that of the others.

{table("noise | 1 process | 2 processes | 3 processes | 5 processes", rows_of_medians())}
"""


def _block_median_sd() -> float:
    """Standard deviation of the block medians of a process at batch 1, drift aside."""
    arm, _ = simulate(replace(QUIET, drift_sd=0.0), 50, 50, np.random.default_rng(0))
    medians = np.log([np.median(block.values) for block in arm]).reshape(50, 50)
    return float(np.sqrt(medians.var(axis=1, ddof=1).mean()))


def main() -> None:
    """Simulate everything and write the page beside this script."""
    parse(__doc__)
    started = time.monotonic()
    Path(__file__).with_suffix(".md").write_text(page())
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()

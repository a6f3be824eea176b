"""Which kernels belong to one inference.

By the first that works: ranges that the program named and that hold most kernels, launches of CUDA graphs,
and a period in the sequence of kernels.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trtbench.results.trace import InferenceSource
from trtbench.trace.recording import Kernels, Ranges, Recording
from trtbench.trace.spans import Column, Ns

Bounds = npt.NDArray[np.intp]

_LEAST_SHARE = 0.5
"""Of all kernels that inferences must hold."""
_NEARLY = 0.9
"""Ranges that hold nearly as many kernels as others are the better unit if there are fewer of them."""
_PERIODIC = 0.9
_AS_GOOD = 0.005
_SAMPLE = 1 << 16
_COUNTER = re.compile(r"[#:\s]*\d+$")


@dataclass(frozen=True)
class Split:
    """Inference ``i`` is the kernels ``first[i]`` up to, not including, ``last[i]``."""

    source: InferenceSource
    detail: str
    first: Bounds
    last: Bounds

    @property
    def kernels(self) -> int:
        """How many kernels all inferences hold."""
        return int(np.sum(self.last - self.first))


def split_inferences(recording: Recording) -> Split | None:
    """Find the inferences; None where kernels show none."""
    kernels = recording.kernels
    for split in (by_ranges(recording), by_graph_launches(recording), by_sequence(kernels)):
        if split is not None and split.kernels >= _LEAST_SHARE * len(kernels):
            return split
    return None


def by_ranges(recording: Recording) -> Split | None:
    """Ranges of one name; a number at the end of a name, as in ``ProfilerStep#3``, is no part of it.

    A kernel is in the range in which its launch was called.
    """
    if not len(recording.ranges.start):
        return None
    launched = recording.calls.ended(recording.kernels.correlation)
    found = [
        split
        for name, start, end in _families(recording.ranges)
        if (split := _split_by_times(name, start, end, launched)) is not None
    ]
    most = max((split.kernels for split in found), default=0)
    return min(
        (split for split in found if split.kernels >= _NEARLY * most),
        key=lambda split: len(split.first),
        default=None,
    )


def _families(ranges: Ranges) -> Iterator[tuple[str, Ns, Ns]]:
    """Names with at least two ranges that do not overlap: name, starts, ends."""
    families: dict[str, list[int]] = {}
    for index, name in enumerate(ranges.names):
        families.setdefault(_COUNTER.sub("", name) or name, []).append(index)
    for name, members in families.items():
        chosen = np.flatnonzero(np.isin(ranges.name, members))
        order = chosen[np.argsort(ranges.start[chosen], kind="stable")]
        start, end = ranges.start[order], ranges.end[order]
        if len(start) > 1 and np.all(start[1:] >= end[:-1]):
            yield name, start, end


def _split_by_times(name: str, start: Ns, end: Ns, launched: Ns) -> Split | None:
    """Kernels that were launched in each of these ranges, if they follow each other on the GPU."""
    place = np.searchsorted(start, launched, side="right") - 1
    inside = (place >= 0) & (launched < end[np.maximum(place, 0)])
    chosen = np.flatnonzero(inside)
    if not len(chosen):
        return None
    first, last = _runs(place[chosen])
    if len(first) != len(np.unique(place[chosen])) or len(first) < 2:
        return None  # inferences overlap on the GPU
    return Split("range", name, chosen[first], chosen[last - 1] + 1)


def by_graph_launches(recording: Recording) -> Split | None:
    """Kernels that one call launched; several of them, or the replay that stands for them."""
    kernels = recording.kernels
    if len(kernels) < 2:
        return None
    first, last = _runs(kernels.correlation)
    is_graph = (last - first > 1) & (kernels.correlation[first] > 0)
    if recording.graph_replays:
        replays = np.array(["replay" in name for name in kernels.names])
        is_graph |= replays[kernels.name[first]]
    first, last = first[is_graph], last[is_graph]
    if len(first) < 2 or len(np.unique(kernels.correlation[first])) != len(first):
        return None
    return Split("graph launch", "one CUDA graph each", first, last)


def _runs(values: Column | Bounds) -> tuple[Bounds, Bounds]:
    """Where runs of equal values begin and end."""
    changes = np.flatnonzero(values[1:] != values[:-1]) + 1
    return np.concatenate(([0], changes)), np.concatenate((changes, [len(values)]))


def by_sequence(kernels: Kernels) -> Split | None:
    """The shortest period of the names of kernels that fits as well as any other.

    An inference begins where the GPU waits the longest for it, on average.
    """
    name = kernels.name
    period = _period(name)
    if period is None:
        return None
    equal = name[period:] == name[:-period]
    # From the first kernel on after which a whole period repeats: what comes before is warm-up.
    breaks = np.flatnonzero(~equal)
    runs = np.concatenate(([-1], breaks, [len(equal)]))
    longest = int(np.argmax(np.diff(runs)))
    begin, end = int(runs[longest]) + 1, int(runs[longest + 1]) + period
    begin += _phase(kernels, begin, end, period)
    count = (end - begin) // period
    if count < 2:
        return None
    first = begin + period * np.arange(count)
    return Split("kernel sequence", f"{period} kernels that repeat", first, first + period)


def _period(name: Column) -> int | None:
    """Candidates are the distances between equal kernels; the shortest of the best wins."""
    sample = name[-_SAMPLE:]
    candidates = set()
    for number in np.unique(sample):
        distances = np.diff(np.flatnonzero(sample == number))
        if len(distances):
            values, counts = np.unique(distances, return_counts=True)
            candidates.add(int(values[np.argmax(counts)]))
    fits = {
        period: float(np.mean(sample[period:] == sample[:-period]))
        for period in candidates
        if period <= len(sample) // 2
    }
    best = max(fits.values(), default=0.0)
    if best < _PERIODIC:
        return None
    return min(period for period, fit in fits.items() if fit >= best - _AS_GOOD)


def _phase(kernels: Kernels, begin: int, end: int, period: int) -> int:
    """How far behind ``begin`` an inference begins."""
    count = min(end - begin, _SAMPLE) // period - 1
    if count < 1:
        return 0
    stop = begin + period * count + 1
    waits = kernels.start[begin + 1 : stop] - np.maximum.accumulate(kernels.end[begin : stop - 1])
    mean = np.median(np.maximum(waits, 0).reshape(count, period), axis=0)
    phase = int(np.argmax(mean)) + 1
    return phase % period if mean[phase - 1] > 0 else 0

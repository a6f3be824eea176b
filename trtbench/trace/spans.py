"""Sets of times as sorted arrays of starts and ends in ns, whole numbers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[np.signedinteger[Any]]
Ns = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Spans:
    """Intervals that neither overlap nor touch, in order."""

    start: Ns
    end: Ns

    @property
    def total_ns(self) -> int:
        """Length of all together."""
        return int(np.sum(self.end - self.start))


NOTHING = Spans(np.empty(0, np.int64), np.empty(0, np.int64))


def union(start: Ns, end: Ns) -> Spans:
    """Whatever lies in at least one of these intervals, which may be in any order."""
    if not len(start):
        return NOTHING
    if np.any(start[1:] < start[:-1]):
        order = np.argsort(start, kind="stable")
        start, end = start[order], end[order]
    reached = np.maximum.accumulate(end)
    begins = np.ones(len(start) + 1, bool)
    np.greater(start[1:], reached[:-1], out=begins[1:-1])
    return Spans(start[begins[:-1]], reached[begins[1:]])


def together(*spans: Spans) -> Spans:
    """Whatever lies in at least one of the sets."""
    return union(np.concatenate([each.start for each in spans]), np.concatenate([each.end for each in spans]))


def gaps_between(spans: Spans) -> Spans:
    """What lies between two neighbours of a set."""
    return Spans(spans.end[:-1], spans.start[1:])


def within(spans: Spans, begin: int, end: int) -> Spans:
    """Those of a set that reach into a window."""
    first = np.searchsorted(spans.end, begin, side="right")
    last = np.searchsorted(spans.start, end, side="left")
    return Spans(spans.start[first:last], spans.end[first:last])


def blocks(spans: Spans, size: int) -> Iterator[Spans]:
    """A set in pieces of so many intervals."""
    for first in range(0, len(spans.start), size):
        yield Spans(spans.start[first : first + size], spans.end[first : first + size])


def overlap_ns(parts: Spans, whole: Spans) -> Ns:
    """How much of each part lies in ``whole``."""
    return _before(whole, parts.end) - _before(whole, parts.start)


def _before(spans: Spans, times: Ns) -> Ns:
    """Length of what lies before each time."""
    if not len(spans.start):
        return np.zeros(len(times), np.int64)
    lengths = np.concatenate(([0], np.cumsum(spans.end - spans.start)))
    index = np.searchsorted(spans.start, times, side="right")
    last = np.maximum(index - 1, 0)
    beyond = np.maximum(0, spans.end[last] - times)
    found: Ns = np.where(index > 0, lengths[index] - beyond, 0)
    return found

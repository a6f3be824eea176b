"""Unions, gaps and overlaps of intervals, against counting every ns."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from trtbench.trace.spans import Spans, gaps_between, overlap_ns, together, union

_INTERVALS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), min_size=1, max_size=12)


def spans_of(intervals: list[tuple[int, int]]) -> Spans:
    start = np.array([begin for begin, _ in intervals], np.int64)
    return union(start, start + np.array([length for _, length in intervals], np.int64))


def covered(intervals: list[tuple[int, int]]) -> set[int]:
    return {ns for begin, length in intervals for ns in range(begin, begin + length)}


@given(_INTERVALS, _INTERVALS)
@settings(max_examples=60, deadline=None)
def test_as_sets_of_ns(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    one, other = spans_of(first), spans_of(second)
    assert one.total_ns == len(covered(first))
    assert together(one, other).total_ns == len(covered(first) | covered(second))
    assert np.sum(overlap_ns(one, other)) == len(covered(first) & covered(second))
    whole = set(range(min(covered(first)), max(covered(first)) + 1))
    assert gaps_between(one).total_ns == len(whole - covered(first))
    assert np.all(one.start[1:] > one.end[:-1])


def test_nothing_overlaps_nothing() -> None:
    nothing = union(np.empty(0, np.int64), np.empty(0, np.int64))
    assert overlap_ns(spans_of([(0, 5)]), nothing).tolist() == [0]

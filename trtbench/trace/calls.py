"""What the host did: sums by function, when it did what, and when it launched what.

Of millions of calls, no more is kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from trtbench.results.trace import Cause
from trtbench.trace.spans import Column, Ns, Spans, union

CAUSES: tuple[Cause, ...] = (
    "allocation",
    "launch",
    "copy calls",
    "other CUDA calls",
    "synchronisation",
    "operators",
    "Python",
)
"""What the host does; of several at once, the first counts."""


@dataclass(frozen=True)
class Function:
    """All calls of one function."""

    name: str
    cause: Cause
    count: int
    total_ns: int


@dataclass(frozen=True)
class Calls:
    """``activities``: when the host did what, in the order of ``CAUSES``.

    ``correlation`` and ``end``: of each call, by correlation.
    """

    functions: tuple[Function, ...]
    activities: tuple[tuple[Cause, Spans], ...]
    correlation: Column
    end: Ns

    def ended(self, correlation: Column) -> Ns:
        """When the calls with these correlations ended; -1 for those that are not known."""
        if not len(self.correlation):
            return np.full(len(correlation), -1)
        place = np.minimum(np.searchsorted(self.correlation, correlation), len(self.correlation) - 1)
        is_known = (self.correlation[place] == correlation) & (correlation != 0)
        found: Ns = np.where(is_known, self.end[place], -1)
        return found


_NONE = np.empty(0, np.int64)
NO_CALLS = Calls((), (), _NONE, _NONE)


def calls_of(
    names: Sequence[str],
    causes: Sequence[Cause],
    columns: tuple[Ns, Ns, Column, Column],
) -> Calls:
    """Sum calls up.

    Args:
        names: of the functions.
        causes: what each of them does.
        columns: start, end, index of the function, correlation.
    """
    start, end, name, correlation = columns
    counts = np.bincount(name, minlength=len(names))
    sums = np.bincount(name, weights=end - start, minlength=len(names))
    functions = (
        Function(each, causes[index], int(counts[index]), int(sums[index]))
        for index, each in enumerate(names)
        if counts[index]
    )
    activities = tuple(_activities(causes, start, end, name))
    if np.any(correlation[1:] < correlation[:-1]):
        order = np.argsort(correlation, kind="stable")
        correlation, end = correlation[order], end[order]
    return Calls(tuple(functions), activities, correlation, end)


def _activities(causes: Sequence[Cause], start: Ns, end: Ns, name: Column) -> Iterator[tuple[Cause, Spans]]:
    for cause in CAUSES:
        chosen = np.array([each == cause for each in causes], bool)[name]
        if np.all(chosen):  # as in a large trace: without a copy
            yield cause, union(start, end)
        elif np.any(chosen):
            yield cause, union(start[chosen], end[chosen])

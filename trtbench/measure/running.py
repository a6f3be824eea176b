"""Median and interval of an arm as its blocks come in: each block costs the same, however many there were.

What they are is defined in ``stats.py``, which computes them anew from all blocks.
"""

import math
from dataclasses import dataclass, field
from heapq import heappush, heappushpop

from trtbench.stats import PROCESS_STATE, Spread, spread_of_processes, unseen_state


class RunningMedian:
    """The median of all values so far: the lower half in one heap, the upper half in another."""

    def __init__(self) -> None:
        self._lower: list[float] = []  # negated, so that the largest comes first
        self._upper: list[float] = []

    def __len__(self) -> int:
        return len(self._lower) + len(self._upper)

    def add(self, value: float) -> None:
        """Take in one more value."""
        if len(self._lower) == len(self._upper):
            heappush(self._lower, -heappushpop(self._upper, value))
        else:
            heappush(self._upper, -heappushpop(self._lower, -value))

    @property
    def value(self) -> float:
        """The median; of an even number of values, the mean of the middle two."""
        if len(self._lower) > len(self._upper):
            return -self._lower[0]
        return (self._upper[0] - self._lower[0]) / 2


@dataclass
class RunningSpread:
    """Mean and sum of squared deviations (Welford, "Note on a Method ...", Technometrics 4, 1962)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        """Take in one more value."""
        self.count += 1
        step = value - self.mean
        self.mean += step / self.count
        self.squares += step * (value - self.mean)

    @property
    def spread(self) -> Spread:
        """Standard error of the mean of at least two values."""
        degrees = self.count - 1
        return Spread(math.sqrt(self.squares / degrees / self.count), degrees)


@dataclass
class RunningInterval:
    """One arm by the medians of its blocks."""

    _blocks: RunningMedian = field(default_factory=RunningMedian)
    _logs: RunningSpread = field(default_factory=RunningSpread)
    _processes: dict[tuple[int, int], RunningMedian] = field(default_factory=dict)

    def add(self, build: int, process: int, median_ms: float) -> None:
        """Take in one more block."""
        log = math.log(median_ms)
        self._blocks.add(median_ms)
        self._logs.add(log)
        self._processes.setdefault((build, process), RunningMedian()).add(log)

    @property
    def median_ms(self) -> float | None:
        """Median of the blocks, None before the first."""
        return self._blocks.value if len(self._blocks) else None

    @property
    def relative_half_width(self) -> float:
        """Half the width of the interval of the median, relative to the median."""
        if len(self._blocks) == 1:  # its range, widened as that of the samples of one block
            return (1 + PROCESS_STATE - 1 / (1 + PROCESS_STATE)) / 2
        if len(self._processes) == 1:
            return math.sinh(self._logs.spread.half_width(0.95) + unseen_state("block"))
        medians = {key: each.value for key, each in self._processes.items()}
        return math.sinh(spread_of_processes(medians).half_width(0.95))

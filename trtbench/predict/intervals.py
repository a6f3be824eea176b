"""Split-conformal intervals: how far measured times lay from predictions made without them."""

import math
from collections.abc import Iterable

import numpy as np

from trtbench.predict.arrays import Array
from trtbench.specs import Spec

COVERAGE = 0.9


class Bounds(Spec):
    """Factors on a predicted time between which the measured time lies, for ``COVERAGE`` of the kernels."""

    low: float
    high: float

    def widened_to(self, other: "Bounds") -> "Bounds":
        """The bounds that hold both."""
        return Bounds(low=min(self.low, other.low), high=max(self.high, other.high))


def conformal_bounds(ratios: Array, coverage: float = COVERAGE) -> Bounds:
    """Bounds from held-out ``measured / predicted``, half of the misses allowed on each side.

    The ranks are those of split-conformal prediction: a new ratio that is exchangeable with these lies
    within with at least the probability ``coverage``. Too few ratios for a rank: the extreme one counts.
    """
    ordered = np.sort(ratios)
    rank = math.ceil((len(ordered) + 1) * (1 + coverage) / 2)
    last = len(ordered) - 1
    return Bounds(
        low=float(ordered[max(len(ordered) - rank, 0)]),
        high=float(ordered[min(rank - 1, last)]),
    )


def worst_of(groups: Iterable[Array], coverage: float = COVERAGE) -> Bounds:
    """Bounds that hold within each group, such as each GPU that was left out."""
    bounds = [conformal_bounds(ratios, coverage) for ratios in groups]
    return Bounds(low=min(b.low for b in bounds), high=max(b.high for b in bounds))

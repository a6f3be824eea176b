"""A series of numbers as one short line of bars."""

import statistics
from collections.abc import Sequence
from itertools import pairwise

_BARS = "▁▂▃▄▅▆▇█"
_DIGITS = "12345678"
_LEAST_SPAN = 0.02
"""Of the largest value: what fills the height at least, so that noise does not look like a change."""

_ROUNDING = 1e-9


def sparkline(values: Sequence[float], width: int, ascii_only: bool = False) -> str:
    """Bars from the least to the greatest value, at most ``width``; digits where bars cannot be printed.

    Of more values than that, each bar is the median of neighbours.
    """
    if not values:
        return ""
    largest = max(map(abs, values)) or 1.0
    shown = [each / largest for each in _thinned(values, width)]
    levels = _DIGITS if ascii_only else _BARS
    low = min(shown)
    span = max(max(shown) - low, _LEAST_SPAN * max(map(abs, shown))) or 1.0
    return "".join(
        levels[min(int((each - low) / span * len(levels) + _ROUNDING), len(levels) - 1)] for each in shown
    )


def _thinned(values: Sequence[float], width: int) -> Sequence[float]:
    if len(values) <= width:
        return values
    ends = [at * len(values) // width for at in range(width + 1)]
    return [statistics.median(values[start:end]) for start, end in pairwise(ends)]

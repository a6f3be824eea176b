"""Warming up until times no longer change."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

CHUNK_MS = 25.0
"""Queries are queued ahead in chunks of about this length."""

_SHORTEST_CHUNK = 4
_LONGEST_CHUNK = 512
_WINDOW = 5
_STEADY_CHANGE = 0.005
_CAP_FACTOR = 20.0
_LEAST_CAP_MS = 2000.0


@dataclass(frozen=True)
class WarmUp:
    """How warming up ended: time of a query, and ``unsteady`` if times were still changing."""

    query_ms: float
    unsteady: str | None


def chunk_queries(query_ms: float, block_ms: float) -> int:
    """How many queries to queue at once: 25 ms of them, of slow ones some more, but no more than a block."""
    fitting = max(1, int(block_ms / query_ms))
    return max(min(_SHORTEST_CHUNK, fitting), min(round(CHUNK_MS / query_ms), _LONGEST_CHUNK))


def relative_change(chunk_medians_ms: Sequence[float]) -> float | None:
    """How far the median of the last 5 chunks is from that of the 5 before; None with fewer chunks."""
    if len(chunk_medians_ms) < 2 * _WINDOW:
        return None
    before = median(chunk_medians_ms[-2 * _WINDOW : -_WINDOW])
    return abs(median(chunk_medians_ms[-_WINDOW:]) / before - 1.0)


def warm_up(
    time_chunk: Callable[[int], Sequence[float]],
    now_ms: Callable[[], float],
    warmup_ms: float,
    block_ms: float,
) -> WarmUp:
    """Run chunks for ``warmup_ms`` and on until the change is below 0.5 %, or 20 times as long.

    Args:
        time_chunk: times that many queries, in ms.
        now_ms: the clock that ``warmup_ms`` is counted by.
        warmup_ms: the least time.
        block_ms: no chunk is longer.
    """
    started_ms = now_ms()
    cap_ms = max(_CAP_FACTOR * warmup_ms, _LEAST_CAP_MS)
    medians_ms = [median(time_chunk(1))]
    while True:
        medians_ms.append(median(time_chunk(chunk_queries(medians_ms[-1], block_ms))))
        # The first was of a single query.
        change = relative_change(medians_ms[1:])
        spent_ms = now_ms() - started_ms
        if spent_ms >= warmup_ms and change is not None and change < _STEADY_CHANGE:
            return WarmUp(medians_ms[-1], None)
        if spent_ms >= cap_ms:
            return WarmUp(medians_ms[-1], _unsteady(spent_ms, change))


def _unsteady(spent_ms: float, change: float | None) -> str:
    seen = "too slow to tell" if change is None else f"last change {change:.2%}"
    return f"no steady state in {spent_ms / 1e3:.1f} s of warming up ({seen}, limit 0.5%)"

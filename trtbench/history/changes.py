"""Where a series changed: no method of change points that needs many points, since most series have few.

Compiled numbers and predicted times are the same in every run, so any difference is a change. An SQNR that is
emulated on another CPU differs in its last digits, so it has to differ as it is printed. A measured time is
compared with the first one since the last change: a mark needs the verdict FASTER or SLOWER and, from three
earlier results on, a time beyond their scatter, which the intervals of two runs do not hold.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trtbench.compare.runs import verdict_of_runs
from trtbench.history.points import Point
from trtbench.results import HistoryPoint, PointChange, Verdict
from trtbench.results.baseline import Pair
from trtbench.stats import is_beyond_scatter
from trtbench.units import format_bytes

_RECORDED = {
    "trtbench_version": "trtbench",
    "compiler": "compiler",
    "runtime_version": "runtime",
    "driver": "driver",
    "commit": "commit",
    "weights": "weights",
    "engine_sha256": "engine",
}
"""What is recorded beside the numbers, by field, and what it is called."""
_LEAST_RUNS = 3
"""From how many runs on their scatter counts."""


def with_changes(points: Sequence[Point]) -> tuple[HistoryPoint, ...]:
    """The points of one series, the oldest first, each with what changed."""
    marked: list[HistoryPoint] = []
    segment: list[Point] = []
    for at, each in enumerate(points):
        judged = _judged(points[:at], segment, each)
        if judged.begins:
            segment = []
        segment.append(each)
        marked.append(_marked(points[at - 1] if at else None, each, judged))
    return tuple(marked)


@dataclass(frozen=True)
class _Judged:
    """What a measured time is against the runs of its segment."""

    verdict: Verdict | None = None
    reference: Point | None = None

    @property
    def is_change(self) -> bool:
        """Whether the time changed."""
        return self.verdict is not None and self.verdict.verdict in ("FASTER", "SLOWER")

    @property
    def not_compared(self) -> str | None:
        """Why it does not compare."""
        found = self.verdict
        return found.reason if found is not None and found.verdict == "INCOMPARABLE" else None

    @property
    def begins(self) -> bool:
        """Whether later runs are compared with this one."""
        return self.is_change or self.not_compared is not None


def _judged(earlier: Sequence[Point], segment: Sequence[Point], each: Point) -> _Judged:
    """Compare a measured time with the first of its segment, and with the scatter of all before it."""
    if not segment or each.timed is None or segment[0].timed is None:
        return _Judged()
    verdict = verdict_of_runs(segment[0].timed, each.timed)
    is_known = len(earlier) >= _LEAST_RUNS  # how runs scatter
    if is_known and not _is_beyond_scatter(earlier, segment, each) and verdict.verdict != "INCOMPARABLE":
        verdict = verdict.model_copy(update={"verdict": "AMBIGUOUS"})
    return _Judged(verdict, segment[0])


def _is_beyond_scatter(earlier: Sequence[Point], segment: Sequence[Point], each: Point) -> bool:
    time_ms = each.point.time_ms
    return time_ms is not None and is_beyond_scatter(_times_ms(earlier), _times_ms(segment), time_ms)


def _times_ms(runs: Sequence[Point]) -> list[float]:
    return [run.point.time_ms for run in runs if run.point.time_ms]


def _marked(before: Point | None, each: Point, judged: _Judged) -> HistoryPoint:
    if before is None:
        return each.point
    what = [*_measured(judged, each), *_numbers(before, each)]
    change = PointChange(
        what=tuple(what),
        verdict=judged.verdict.verdict if judged.verdict and judged.is_change else None,
        with_it=tuple(_with_it(before.point, each.point)),
    )
    return each.point.model_copy(
        update={"change": change if what else None, "not_compared": judged.not_compared}
    )


def _measured(judged: _Judged, each: Point) -> Iterator[str]:
    verdict, reference = judged.verdict, judged.reference
    if judged.is_change and verdict and reference:
        times = f"{reference.point.time_ms:.4f} -> {each.point.time_ms:.4f} ms"
        yield f"{verdict.verdict}, measured: {times}, {verdict.reason}"


def _numbers(before: Point, each: Point) -> Iterator[str]:
    """Numbers that are the same in every run, as far as both points have them."""
    old, new = before.point, each.point
    predicted = ("predicted", "ms", old.time_ms, new.time_ms)
    for name, unit, one, other in (
        *([predicted] if each.series.evidence == "predicted" else []),
        ("kernels", "", old.kernels, new.kernels),
    ):
        if _differ(one, other):
            digits = 0 if name == "kernels" else 4
            yield f"{name} {one:.{digits}f} -> {other:.{digits}f} {unit}".rstrip()
    if _differ(old.coverage, new.coverage):
        yield f"coverage {old.coverage:.1%} -> {new.coverage:.1%}"
    if _differ(old.other_bytes, new.other_bytes):
        yield f"traffic {format_bytes(old.other_bytes)} -> {format_bytes(new.other_bytes)}"
    shown = [None if each is None else round(each, 1) for each in (old.sqnr_db, new.sqnr_db)]
    if _differ(*shown):
        yield f"SQNR {shown[0]:.1f} -> {shown[1]:.1f} dB"


def _differ(one: float | None, other: float | None) -> bool:
    pair = Pair(before=one, after=other)
    return pair.rises or pair.falls


def _with_it(old: HistoryPoint, new: HistoryPoint) -> Iterator[str]:
    for field, name in _RECORDED.items():
        pair = [_text(getattr(each, field), field) for each in (old, new)]
        if pair[0] != pair[1]:
            yield f"{name} {pair[0]} -> {pair[1]}"


def _text(value: object, field: str) -> str:
    text = "unknown" if value is None else str(value)
    return text[:_HASH] if field == "engine_sha256" and value is not None else text


_HASH = 9

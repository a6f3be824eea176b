"""Which row of a comparison to take: the fastest that keeps its accuracy, and what may change that choice.

Accuracy counts where neither weights nor images are made up. With class folders a row may lose
``MOST_TOP1_DROP`` points of top-1, or one image where that is more; without them it needs ``LEAST_SQNR_DB``.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from trtbench.predict.speedup import predicted_speedup
from trtbench.results import Comparison, ComparisonRow, Fidelity, Recommendation, Verdict
from trtbench.specs import ImageSize
from trtbench.units import format_bytes

T = TypeVar("T")

AS_FAST = 0.01
"""Times that are closer than this rank by error: predictions and estimates are no better."""
MOST_TOP1_DROP = 1.0
_ROUNDING = 1e-9
"""Of differences of shares, in points."""
LEAST_SQNR_DB = 20.0
"""An RMS error of a tenth of the output; docs/results/accuracy.md has what recipes lose at that."""


def fastest(items: Sequence[T], time_of: Callable[[T], float], error_of: Callable[[T], float]) -> T:
    """The fastest; of those as fast within ``AS_FAST``, the one with the least error."""
    limit = min(map(time_of, items)) * (1 + AS_FAST)
    return min((item for item in items if time_of(item) <= limit), key=error_of)


def with_recommendations(comparison: Comparison) -> Comparison:
    """The comparison with what ``recommend`` says of it."""
    return comparison.model_copy(update={"recommendations": recommend(comparison)})


def recommend(comparison: Comparison) -> tuple[Recommendation, ...]:
    """One choice for each shape of which two rows were timed or, where nothing was timed, predicted."""
    by: Literal["measured", "predicted"] = (
        "measured" if any(_ms(row, "measured") for row in comparison.rows) else "predicted"
    )
    shapes: dict[tuple[int | None, ImageSize | None], list[ComparisonRow]] = {}
    for row in comparison.rows:
        shapes.setdefault((row.batch, row.img_size), []).append(row)
    choices = (_Choice(comparison, by, rows) for rows in shapes.values())
    return tuple(choice.recommendation() for choice in choices if len(choice.timed) > 1)


@dataclass(frozen=True)
class _Choice:
    """One among the rows of a shape."""

    comparison: Comparison
    by: Literal["measured", "predicted"]
    rows: Sequence[ComparisonRow]

    @property
    def timed(self) -> list[ComparisonRow]:
        """Those with a time."""
        return [row for row in self.rows if row.status == "ok" and _ms(row, self.by)]

    def time(self, row: ComparisonRow) -> float:
        """Time of a row that has one, in ms."""
        return _ms(row, self.by) or 0.0

    def recommendation(self) -> Recommendation:
        """The choice in words."""
        kept = [row for row in self.timed if _keeps(row.fidelity)]
        if not kept:
            text = f"none: {_loss_of_all(self.timed)}."
            return Recommendation(row=None, by=self.by, text=text)
        pick = fastest(kept, self.time, _error)
        lost = [row for row in self.timed if row not in kept and self.time(row) < self.time(pick)]
        reasons = self._reasons(pick, "" if lost else "no other is faster")
        text = f"take {pick.key}: {', '.join(filter(None, reasons))}."
        if lost:
            losses = ", ".join(f"{row.key} ({_loss(row.fidelity)})" for row in lost)
            text += f" Faster, but too far from FP32: {losses}."
        return Recommendation(
            row=pick.key, by=self.by, text=text, uncertain=tuple(self._uncertain(pick, kept))
        )

    def _reasons(self, pick: ComparisonRow, of_baseline: str) -> Iterator[str]:
        base = self.timed[0]
        yield f"{self.by} {self.time(pick):.3g} ms"
        yield self._speed(pick) if pick is not base else of_baseline
        if pick.fidelity is not None:
            yield _accuracy(pick.fidelity)
        if pick.engine is not None:
            instead = f" instead of {format_bytes(base.engine.size_bytes)}" if base.engine else ""
            yield f"engine {format_bytes(pick.engine.size_bytes)}{instead if pick is not base else ''}"

    def _speed(self, pick: ComparisonRow) -> str:
        base = self.timed[0]
        verdict = self._verdict(pick)
        if verdict is not None and verdict.ratio and verdict.ci95:
            low, high = verdict.ci95
            return f"{verdict.ratio:.2f}x {verdict.baseline} ({low:.2f} to {high:.2f})"
        if self.by == "predicted" and base.predicted and pick.predicted:
            found = predicted_speedup(base.key, base.predicted, pick.key, pick.predicted)
            return f"{found.ratio:.2f}x {base.key} ({found.interval[0]:.2f} to {found.interval[1]:.2f})"
        return f"{self.time(base) / self.time(pick):.2f}x {base.key}"

    def _verdict(self, row: ComparisonRow) -> Verdict | None:
        found = (verdict for verdict in self.comparison.verdicts if verdict.arm == row.key)
        return next(found, None) if self.by == "measured" else None

    def _uncertain(self, pick: ComparisonRow, kept: Sequence[ComparisonRow]) -> Iterator[str]:
        """What may change the choice, the most first."""
        if self.by == "predicted":
            yield "times are predicted, not measured"
        yield from _doubts_on_accuracy(pick.fidelity)
        verdict = self._verdict(pick)
        if verdict is not None and verdict.verdict in ("AMBIGUOUS", "INCOMPARABLE"):
            yield f"{pick.key} against {verdict.baseline} is {verdict.verdict}"
        alike = [row.key for row in kept if row is not pick and self._may_be_as_fast(row, pick)]
        if alike:
            yield f"{', '.join(alike)} may be as fast"
        found = (*pick.findings, *(pick.measured.findings if pick.measured else ()))
        warnings = dict.fromkeys(str(each.code) for each in found if each.severity != "info")
        if warnings:
            yield f"{pick.key} has warnings: {', '.join(warnings)}"
        left_out = [row.key for row in self.rows if row not in self.timed]
        if left_out:
            yield f"without a {self.by} time: {', '.join(left_out)}"

    def _may_be_as_fast(self, row: ComparisonRow, pick: ComparisonRow) -> bool:
        """Whether the verdict on two rows, else their intervals, leave open which is the faster."""
        for each in self.comparison.verdicts:
            if (each.baseline, each.arm) == (row.key, pick.key):
                return each.verdict == "SAME"  # others are named
            if (each.baseline, each.arm) == (pick.key, row.key):
                return each.verdict != "SLOWER"
        if self.by == "predicted" and row.predicted and pick.predicted:
            return predicted_speedup(row.key, row.predicted, pick.key, pick.predicted).interval[0] <= 1
        one, other = (each.measured.main if each.measured else None for each in (row, pick))
        return one is not None and other is not None and one.ci95[0] <= other.ci95[1]


def _ms(row: ComparisonRow, by: Literal["measured", "predicted"]) -> float | None:
    if by == "measured":
        return row.measured.median_ms if row.measured else None
    return row.predicted.gpu_compute_ms if row.predicted else None


def _error(row: ComparisonRow) -> float:
    """What ranks rows that are as fast: minus SQNR, least without any error."""
    if row.fidelity is None:
        return 0.0
    return -math.inf if row.fidelity.sqnr_db is None else -row.fidelity.sqnr_db


def _keeps(fidelity: Fidelity | None) -> bool:
    """Whether a row keeps its accuracy, as far as that is known."""
    if fidelity is None or not fidelity.is_real:
        return True
    if fidelity.top1_drop is not None:
        return fidelity.top1_drop <= _most_drop(fidelity) + _ROUNDING
    return fidelity.sqnr_db is None or fidelity.sqnr_db >= LEAST_SQNR_DB


def _most_drop(fidelity: Fidelity) -> float:
    """In percentage points: the bound, or one image."""
    return max(MOST_TOP1_DROP, 100 / fidelity.samples)


def _loss_of_all(rows: Sequence[ComparisonRow]) -> str:
    """Why none of the rows keeps its accuracy."""
    drops = [_most_drop(row.fidelity) for row in rows if row.fidelity and row.fidelity.top1_drop is not None]
    if drops:
        return f"all lose more than {max(drops):.1f} points of top-1"
    return f"all have less than {LEAST_SQNR_DB:g} dB, an RMS error of a tenth of the output"


def _accuracy(fidelity: Fidelity) -> str:
    if fidelity.top1 is not None and fidelity.reference.top1 is not None:
        return f"top-1 {fidelity.top1:.1%} (FP32: {fidelity.reference.top1:.1%})"
    return "no error against FP32" if fidelity.sqnr_db is None else f"SQNR {fidelity.sqnr_db:.1f} dB"


def _loss(fidelity: Fidelity | None) -> str:
    if fidelity is not None and fidelity.top1_drop is not None:
        return f"{fidelity.top1_drop:.1f} points of top-1"
    return "" if fidelity is None else _accuracy(fidelity)


def _doubts_on_accuracy(fidelity: Fidelity | None) -> Iterator[str]:
    if fidelity is None:
        yield "accuracy is not known"
    elif not fidelity.is_real:
        made_up = ["random weights"] * (fidelity.weights == "random")
        made_up += ["synthetic images"] * (fidelity.inputs.directory is None)
        yield f"accuracy is not known: {' and '.join(made_up)}"
    elif fidelity.top1_drop is None:
        yield "no class folders: SQNR stands for accuracy"
    elif 100 / fidelity.samples > MOST_TOP1_DROP:
        yield f"{fidelity.samples} images: one of them is {100 / fidelity.samples:.1f} points of top-1"

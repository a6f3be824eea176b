"""Stored results of one cell over time, and where they changed."""

from typing import ClassVar, Literal

from trtbench.results.base import SCHEMA_VERSION, Count, Positive, Result
from trtbench.results.environments import Commit
from trtbench.results.measurement import VerdictWord
from trtbench.results.rows import Row, aligned, ends, flat
from trtbench.specs import ImageSize, Spec
from trtbench.specs.token_reduction import TokenReductionField


class PointChange(Spec):
    """What a result changed since an earlier one of its series.

    ``what``: numbers that changed, each with both values. ``verdict``: on measured time against the first
    result since the last change of it; null of other evidence. ``with_it``: versions, the commit and the like
    that differ from the result before.
    """

    what: tuple[str, ...]
    verdict: VerdictWord | None = None
    with_it: tuple[str, ...] = ()


class HistoryPoint(Spec):
    """One cell of one stored result.

    Args:
        file: the result.
        recorded_utc: when, in ISO 8601; of a result that does not say it, the time of the file.
        is_file_time: whether it is that.
        trtbench_version: what made it; null where the result names no machine.
        compiler: with its version; null without an engine.
        runtime_version: of what timed it.
        driver: of the GPU that timed it.
        commit: of the working directory.
        weights: where they came from.
        time_ms: of a query: measured or predicted, as the series says; null where it is compiled alone.
        interval_ms: 95 % of measured times; of predicted ones, as docs/explanation/prediction.md says.
        coverage: share of FLOPs that run in the precision that was asked for, from 0 to 1. Compiled.
        kernels: all kernels of the engine. Compiled.
        other_bytes: traffic of kernels that are neither GEMMs nor attention, in bytes. Compiled.
        sqnr_db: of the output against FP32, in dB. Emulated.
        engine_sha256: of the engine's file.
        change: what changed with it; null where nothing did.
        not_compared: why its measured time is not compared with earlier ones.
    """

    file: str
    recorded_utc: str
    is_file_time: bool = False
    trtbench_version: str | None = None
    compiler: str | None = None
    runtime_version: str | None = None
    driver: str | None = None
    commit: Commit | None = None
    weights: str | None = None
    time_ms: float | None = None
    interval_ms: tuple[float, float] | None = None
    coverage: float | None = None
    kernels: int | None = None
    other_bytes: int | None = None
    sqnr_db: float | None = None
    engine_sha256: str | None = None
    change: PointChange | None = None
    not_compared: str | None = None


class HistorySeries(Spec):
    """Results of one cell with one kind of evidence, the oldest first.

    Args:
        evidence: of ``time_ms``; ``compiled`` where no time is known.
        model: the name, and what makes it another model than that of its name.
        subject: the recipe, or the name of the file that was timed in its place.
        place: the GPU or CPU that timed it, the GPU and clock that it is predicted for, or the targets.
    """

    evidence: Literal["measured", "predicted", "compiled"]
    model: str | None
    subject: str
    batch: Positive | None
    img_size: ImageSize | None
    token_reduction: TokenReductionField | None = None
    environment: str
    runtime: str | None
    place: str
    points: tuple[HistoryPoint, ...]

    @property
    def changes(self) -> tuple[HistoryPoint, ...]:
        """The results that changed something."""
        return tuple(point for point in self.points if point.change)


class SkippedFile(Spec):
    """A file that is not in the history, and why."""

    file: str
    reason: str


class History(Result):
    """Stored results over time, by cell and evidence.

    Args:
        sources: folders and files that were read.
        results: how many results are in it.
        skipped: files that are not: broken ones, and results of other kinds.
    """

    SHOWN: ClassVar[tuple[str, ...]] = (
        *("model", "subject", "batch", "evidence", "place", "recorded_utc", "commit", "trtbench_version"),
        *("compiler", "time_ms", "coverage", "kernels", "sqnr_db", "change"),
    )

    schema_version: int = SCHEMA_VERSION
    kind: Literal["history"] = "history"
    sources: tuple[str, ...]
    results: Count
    series: tuple[HistorySeries, ...]
    skipped: tuple[SkippedFile, ...] = ()

    @property
    def evidence(self) -> tuple[str, ...]:
        """Kinds of evidence of the series, and emulated where errors are known."""
        kinds: dict[str, None] = dict.fromkeys(each.evidence for each in self.series)
        points = [point for each in self.series for point in each.points]
        compiled = any(point.kernels is not None for point in points)
        emulated = any(point.sqnr_db is not None for point in points)
        return tuple(kinds | dict.fromkeys(["compiled"] * compiled + ["emulated"] * emulated))

    @property
    def remarks(self) -> tuple[str, ...]:
        """Which files were left out."""
        return tuple(f"Skipped {each.file}: {each.reason}" for each in self.skipped)

    def to_rows(self) -> list[Row]:
        """One a result and series."""
        return aligned(_row(series, point) for series in self.series for point in series.points)


def _row(series: HistorySeries, point: HistoryPoint) -> Row:
    change = point.change
    grid = ("evidence", "model", "subject", "batch", "img_size", "environment", "runtime", "place")
    fields = ("time_ms", "coverage", "kernels", "other_bytes", "sqnr_db", "engine_sha256", "not_compared")
    versions = ("trtbench_version", "compiler", "runtime_version", "driver", "weights")
    return {
        **flat(series, *grid),
        **flat(point, "file", "recorded_utc", "is_file_time", *versions, *fields),
        "commit": str(point.commit) if point.commit else None,
        **ends("interval", point.interval_ms, "_ms"),
        "change": "; ".join(change.what) if change else None,
        "changed_with": "; ".join(change.with_it) if change else None,
        "verdict": change.verdict if change else None,
    }

"""The stage: read results, put their cells in series, and mark changes."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from trtbench.errors import IncompatibleResults, SpecError
from trtbench.history.changes import with_changes
from trtbench.history.points import Point, points_of
from trtbench.progress import OnStep, Step, silent
from trtbench.results import History, HistorySeries, SkippedFile


def history(paths: Sequence[Path], on_step: OnStep = silent) -> History:
    """Put stored comparisons and measurements in series over time, the oldest first.

    Args:
        paths: files, and folders whose ``*.json`` are read; a file that cannot be read is skipped with its
            reason.
        on_step: progress callback.

    Raises:
        SpecError: a path does not exist.
    """
    files = list(dict.fromkeys(file for path in paths for file in _files(path)))
    points: list[Point] = []
    skipped = []
    for done, file in enumerate(files):
        on_step(Step("setup", "read results", done, len(files)))
        try:
            points += points_of(file)
        except (IncompatibleResults, SpecError, OSError) as error:
            skipped.append(SkippedFile(file=str(file), reason=str(error).removeprefix(f"{file}: ")))
    return History(
        sources=tuple(map(str, paths)),
        results=len(files) - len(skipped),
        series=tuple(_series(points)),
        skipped=tuple(skipped),
    )


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.glob("*.json") if not file.name.startswith("."))
    if not path.exists():
        raise SpecError(f"{path}: no such file or folder: name stored results, or a folder of them")
    return [path]


def _series(points: Iterable[Point]) -> list[HistorySeries]:
    """Series in a fixed order; results of the same second by their files."""
    by_series: dict[str, list[Point]] = {}
    for each in points:
        by_series.setdefault(each.series.model_dump_json(), []).append(each)
    found = []
    for cell in sorted(by_series):
        ordered = sorted(by_series[cell], key=lambda each: (each.point.recorded_utc, each.point.file))
        found.append(ordered[0].series.model_copy(update={"points": with_changes(ordered)}))
    return sorted(found, key=_order)


def _order(series: HistorySeries) -> tuple[object, ...]:
    kinds = ("measured", "predicted", "compiled")
    return (series.model or "", series.batch or 0, kinds.index(series.evidence), series.place)

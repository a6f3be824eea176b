"""What a stored result says of each of its cells, at one point in time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from trtbench.compare.baseline import load_one
from trtbench.errors import IncompatibleResults
from trtbench.results import (
    Comparison,
    ComparisonRow,
    Environment,
    HistoryPoint,
    HistorySeries,
    Measurement,
)
from trtbench.specs.model import ModelSpec


@dataclass(frozen=True)
class Point:
    """A point and the series that it belongs to, still without points; ``timed`` where it was measured."""

    series: HistorySeries
    point: HistoryPoint
    timed: Measurement | None = None


def points_of(path: Path) -> list[Point]:
    """Read a stored comparison or measurement; failed rows have no point.

    Raises:
        SpecError: there is no such file.
        IncompatibleResults: it is neither, is made of other results, or cannot be read.
    """
    comparison = load_one(path)
    if comparison.sources:
        raise IncompatibleResults(f"{path}: is made of other results, {', '.join(comparison.sources)}")
    recorded, is_file_time = _when(path, comparison.environment)
    return [
        point
        for row in comparison.rows
        if row.status == "ok"
        for point in _points(row, comparison, _Where(str(path), recorded, is_file_time))
    ]


@dataclass(frozen=True)
class _Where:
    file: str
    recorded_utc: str
    is_file_time: bool


def _when(path: Path, environment: Environment | None) -> tuple[str, bool]:
    """When a result was made in UTC, to the second; where it does not say that, the time of its file."""
    recorded = environment.recorded_utc if environment else None
    if recorded is not None:
        try:
            return _written(datetime.fromisoformat(recorded)), False
        except (ValueError, OverflowError) as error:
            raise IncompatibleResults(
                f"{path}: field environment.recorded_utc: {recorded[:40]!r} is not a time with a time zone"
            ) from error
    return _written(datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)), True


def _written(when: datetime) -> str:
    if when.tzinfo is None:
        raise ValueError("no time zone")
    return when.astimezone(timezone.utc).isoformat(timespec="seconds")


def _points(row: ComparisonRow, comparison: Comparison, where: _Where) -> Iterator[Point]:
    """One a kind of evidence of its time: never two kinds in one series."""
    machine = comparison.environment
    measured = row.measured.in_environment(machine) if row.measured else None
    if measured and measured.median_ms is not None and measured.main:
        times = {"time_ms": measured.median_ms, "interval_ms": measured.main.ci95}
        point = _point(row, machine, where).model_copy(update={**times, **_timed_by(measured)})
        place = measured.gpu or (machine.cpu_model if machine else "a CPU")
        yield Point(_series(row, comparison, place, "measured"), point, _slim(measured))
    if row.predicted:
        found = row.predicted
        times = {"time_ms": found.gpu_compute_ms, "interval_ms": found.interval_ms}
        point = _point(row, machine, where).model_copy(update=times)
        place = f"{found.gpu} at {found.clock_mhz:.0f} MHz"
        yield Point(_series(row, comparison, place, "predicted"), point)
    elif row.compiled and not (measured and measured.median_ms):
        yield Point(_series(row, comparison, ", ".join(row.targets), "compiled"), _point(row, machine, where))


def _series(row: ComparisonRow, comparison: Comparison, place: str, evidence: str) -> HistorySeries:
    return HistorySeries.model_validate(
        {
            "evidence": evidence,
            "model": _model_name(_model_of(row), comparison.model),
            **{name: getattr(row, name) for name in ("subject", "batch", "img_size", "token_reduction")},
            "environment": row.environment,
            "runtime": row.runtime if evidence == "measured" else None,
            "place": place,
            "points": (),
        }
    )


def _model_of(row: ComparisonRow) -> ModelSpec | None:
    if row.model is None and row.measured and row.measured.arm.export:
        return row.measured.arm.export.model
    return row.model


def _model_name(model: ModelSpec | None, name: str | None) -> str | None:
    """What tells models apart but for their weights, which change no time."""
    if model is None:
        return None if name is None else f"{name} (arguments not recorded)"
    return " ".join((model.name, *(f"{key}={value}" for key, value in model.overrides)))


def _point(row: ComparisonRow, machine: Environment | None, where: _Where) -> HistoryPoint:
    compiled, model = row.compiled, _model_of(row)
    return HistoryPoint(
        file=where.file,
        recorded_utc=where.recorded_utc,
        is_file_time=where.is_file_time,
        trtbench_version=machine.trtbench_version if machine else None,
        compiler=f"{row.engine.backend} {row.engine.backend_version}" if row.engine else None,
        commit=machine.commit if machine else None,
        weights=_weights(model) if model else None,
        coverage=compiled.coverage if compiled else None,
        kernels=compiled.kernels if compiled else None,
        other_bytes=compiled.other_bytes if compiled else None,
        sqnr_db=row.fidelity.sqnr_db if row.fidelity else None,
        engine_sha256=row.engine.sha256 if row.engine else None,
    )


def _weights(model: ModelSpec) -> str:
    """Where weights come from; files by the start of their hash."""
    sha256 = model.checkpoint.sha256 if model.checkpoint else model.source.sha256 if model.source else None
    return f"{model.weights} {sha256[:_HASH]}" if sha256 else model.weights_name


_HASH = 9


def _timed_by(measured: Measurement) -> dict[str, str | None]:
    machine = measured.environment
    driver = next((each.driver_version for each in machine.gpus), None) if machine else None
    return {
        "runtime_version": measured.facts.runtime_version if measured.facts else None,
        "driver": driver if measured.gpu else None,
    }


def _slim(measured: Measurement) -> Measurement:
    """What a verdict needs of it: thousands of them are held at a time."""
    facts = measured.facts and measured.facts.model_copy(
        update={"output_sample": (), "layers": (), "notes": (), "unsteady": ()}
    )
    return measured.model_copy(update={"facts": facts, "findings": ()})

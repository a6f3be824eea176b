"""Compare stored results, measured or compiled: no GPU, and nothing is timed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from trtbench.compare.recommend import with_recommendations
from trtbench.compare.stored_arms import StoredArm, arms_of, load_comparable
from trtbench.errors import Code, SpecError
from trtbench.measure.findings import output_differs
from trtbench.measure.side_by_side import ratio_of
from trtbench.measure.verdict import decide, incomparable
from trtbench.predict.speedup import predicted_speedup
from trtbench.results import Environment, Finding, GpuEntry, Measurement, TimedBlock, Verdict
from trtbench.results.comparison import Comparison, ComparisonRow

_MACHINE_FIELDS = ("trtbench_version", "cpu_model", "cpu_count", "platform", "python_version")


@dataclass(frozen=True)
class StoredRow:
    """A row of a stored result; ``arm`` if it was timed."""

    path: Path
    row: ComparisonRow
    arm: StoredArm | None

    def called(self, label: str) -> "StoredRow":
        """The same by another name, which is that of its arm, too."""
        row = self.row.model_copy(update={"key": label, "subject": label})
        if self.arm is None:
            return replace(self, row=row)
        spec = self.arm.measurement.arm.model_copy(update={"label": label})
        measurement = self.arm.measurement.model_copy(update={"arm": spec})
        row = row.model_copy(update={"measured": measurement})
        return replace(self, row=row, arm=replace(self.arm, measurement=measurement))


def compare_stored(paths: Sequence[Path]) -> Comparison:
    """Compare all rows of stored results with the first one; times of two runs unpaired.

    Raises:
        SpecError: there are fewer than two rows, or one file is named twice.
        IncompatibleResults: a file is not a measurement or comparison, or cannot be read.
        ArtifactError: raw blocks are missing or damaged.
    """
    _check_different(paths)
    results = {path: load_comparable(path) for path in paths}
    stored = _with_own_labels([row for path, result in results.items() for row in _rows(path, result)])
    if len(stored) < 2:
        raise SpecError(f"{len(stored)} row in {', '.join(map(str, paths))}: name two or more")
    arms = [each.arm for each in stored if each.arm is not None]
    gpus = {arm.measurement.gpu for arm in arms}
    rows = [_with_findings(each, arms[0]) if each.arm else each.row for each in stored]
    rows = [_with_samples(row, each.path) for row, each in zip(rows, stored, strict=True)]
    comparison = Comparison(
        environment=None,
        model=None,
        sources=tuple(map(str, paths)),
        rows=tuple(rows),
        verdicts=tuple(_verdict(arms[0], arm) for arm in arms[1:]),
        gpu=gpus.pop() if len(gpus) == 1 else None,
    )
    entries = [each.predicted_on for each in results.values() if isinstance(each, Comparison)]
    return with_recommendations(_with_predictions(comparison, [entry for entry in entries if entry]))


def _rows(path: Path, result: Measurement | Comparison) -> list[StoredRow]:
    """The rows of a result in their order; those of a measurement say nothing beyond it."""
    arms = {arm.measurement.arm.label: arm for arm in arms_of(path, result)}
    if isinstance(result, Measurement):
        return [StoredRow(path, row_of(arm.measurement), arm) for arm in arms.values()]
    found = [(row, arms[row.measured.arm.label] if row.measured else None) for row in result.rows]
    # What the arm has of the environment is only beside the rows.
    return [
        StoredRow(path, row.model_copy(update={"measured": arm.measurement}) if arm else row, arm)
        for row, arm in found
    ]


def row_of(measurement: Measurement) -> ComparisonRow:
    """What is timed alone as a row."""
    spec = measurement.arm
    return ComparisonRow(
        key=spec.label,
        subject=spec.label,
        recipe=spec.recipe,
        batch=measurement.batch,
        img_size=spec.export.model.img_size if spec.export else None,
        model=spec.export.model.without_paths() if spec.export else None,
        environment=spec.environment.word if spec.environment else "local",
        runtime=spec.runtime,
        status=measurement.status,
        reason=measurement.reason,
        code=measurement.code,
        measured=measurement,
    )


def _with_findings(stored: StoredRow, baseline: StoredArm) -> ComparisonRow:
    """The row of an arm; findings on the comparison stand with those on the measurement."""
    if stored.arm is None or stored.arm is baseline:
        return stored.row
    measurement = stored.arm.measurement
    findings = (*measurement.findings, *_findings(baseline, stored.arm))
    return stored.row.model_copy(update={"measured": measurement.model_copy(update={"findings": findings})})


def _with_samples(row: ComparisonRow, path: Path) -> ComparisonRow:
    """The row with its samples where they are: beside its own result."""
    measured = row.measured and row.measured.with_samples_in(path.parent)
    return row.model_copy(update={"measured": measured})


def _with_predictions(comparison: Comparison, entries: Sequence[GpuEntry]) -> Comparison:
    """The comparison with its speed-ups on the first GPU; times on another one are left out."""
    if not entries:
        return comparison
    gpu = entries[0]
    rows = [_on_gpu(row, gpu) for row in comparison.rows]
    first = next(row for row in rows if row.predicted)
    speedups = tuple(
        predicted_speedup(first.key, first.predicted, row.key, row.predicted)
        for row in rows
        if row is not first and row.predicted and first.predicted and row.batch == first.batch
    )
    return comparison.model_copy(
        update={"rows": tuple(rows), "predicted_on": gpu, "predicted_speedups": speedups}
    )


def _on_gpu(row: ComparisonRow, gpu: GpuEntry) -> ComparisonRow:
    found = row.predicted
    if found is None or (found.gpu, found.clock_mhz) == (gpu.name, gpu.clock_mhz):
        return row
    reason = (
        f"its time is for {found.gpu} at {found.clock_mhz:.0f} MHz, and earlier ones are for {gpu.name} at "
        f"{gpu.clock_mhz:.0f} MHz; predict all of them with one --gpu"
    )
    return row.model_copy(update={"predicted": None, "not_predicted": reason})


def _check_different(paths: Sequence[Path]) -> None:
    resolved = [path.resolve() for path in paths]
    repeated = [path for index, path in enumerate(paths) if resolved[index] in resolved[:index]]
    if repeated:
        raise SpecError(f"{repeated[0]} is named more than once: name each result once")


def _with_own_labels(stored: Sequence[StoredRow]) -> list[StoredRow]:
    """Name the file, too, where one label comes twice: its stem, or its path where stems are alike."""
    labels = [each.row.key for each in stored]
    stems = [path.stem for path in {each.path for each in stored}]
    return [
        each.called(f"{label} in {each.path.stem if stems.count(each.path.stem) == 1 else each.path}")
        if labels.count(label) > 1
        else each.called(label)
        for label, each in zip(labels, stored, strict=True)
    ]


def _verdict(baseline: StoredArm, arm: StoredArm) -> Verdict:
    obstacle = other_cpu(baseline.measurement, arm.measurement)
    if obstacle is not None:
        return incomparable(baseline.measurement.arm.label, arm.measurement.arm.label, obstacle)
    blocks = arm.blocks if _is_same_run(baseline, arm) else _unpaired(baseline.blocks, arm.blocks)
    ratio = ratio_of(baseline.measurement, baseline.blocks, arm.measurement, blocks)
    return decide(baseline.measurement, arm.measurement, ratio)


def other_cpu(baseline: Measurement, arm: Measurement) -> str | None:
    """Why times of two arms that no GPU computed do not compare: their CPUs differ."""
    if baseline.gpu is not None or arm.gpu is not None:
        return None
    for field in ("cpu_model", "cpu_count"):
        old, new = (getattr(each.environment, field, None) for each in (baseline, arm))
        if old != new:
            return f"{field} differs: {old} and {new}"
    return None


def _is_same_run(baseline: StoredArm, arm: StoredArm) -> bool:
    return (baseline.path.parent / baseline.measurement.raw).resolve() == (
        arm.path.parent / arm.measurement.raw
    ).resolve()


def _unpaired(old: Sequence[TimedBlock], new: Sequence[TimedBlock]) -> list[TimedBlock]:
    """Give the processes numbers that the other run has not: equal ones mean blocks side by side."""
    offset = 1 + max((block.process for block in old), default=0)
    return [block.model_copy(update={"process": block.process + offset}) for block in new]


def _findings(baseline: StoredArm, arm: StoredArm) -> tuple[Finding, ...]:
    outputs = output_differs(baseline.measurement, arm.measurement)
    found = (
        _not_interleaved(baseline, arm),
        _machine_differs(baseline, arm),
        None if _is_same_run(baseline, arm) else outputs,  # one run has compared them already
    )
    return tuple(finding for finding in found if finding is not None)


def _not_interleaved(baseline: StoredArm, arm: StoredArm) -> Finding | None:
    """Two runs: what changed between them is in the ratio, and not in its interval."""
    if _is_same_run(baseline, arm) or not baseline.blocks or not arm.blocks:
        return None
    return Finding(
        code=Code.NOT_INTERLEAVED,
        severity="warning",
        message=f"measured in another run than {baseline.measurement.arm.label} "
        f"({baseline.blocks[0].started_utc} and {arm.blocks[0].started_utc}): what changed on the machine in "
        "between is in the ratio and not in its interval",
        hint="measure both in one run with trtbench compare",
    )


def _machine_differs(baseline: StoredArm, arm: StoredArm) -> Finding | None:
    """Recorded things other than the GPU's name that differ, by name with both values."""
    old, new = _machine(baseline), _machine(arm)
    old_variables, new_variables = _variables(baseline), _variables(arm)
    if old_variables is not None and new_variables is not None:
        old, new = old | old_variables, new | new_variables
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if not names:
        return None
    return Finding(
        code=Code.MACHINE_DIFFERS,
        severity="warning",
        message="; ".join(f"{name}: {old.get(name, 'none')} and {new.get(name, 'none')}" for name in names),
        hint="if one of these is what you compare, read the verdict as its effect; else measure again on one",
    )


def _variables(arm: StoredArm) -> dict[str, str] | None:
    """Variables that can act on times, where they were recorded."""
    environment = arm.measurement.environment
    return None if environment is None else environment.variables


def _machine(arm: StoredArm) -> dict[str, str]:
    """Recorded facts by name."""
    environment = arm.measurement.environment
    return {} if environment is None else {**machine_facts(environment), **versions_in(environment)}


def machine_facts(environment: Environment) -> dict[str, str]:
    """What is recorded of the machine and of trtbench itself, by name."""
    return {field: str(getattr(environment, field)) for field in _MACHINE_FIELDS}


def versions_in(environment: Environment) -> dict[str, str]:
    """Versions of packages and drivers by name."""
    drivers = {f"driver of {gpu.name}": gpu.driver_version for gpu in environment.gpus}
    return {**environment.packages, **drivers}

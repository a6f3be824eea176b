"""Compare stored measurements: no GPU, and nothing is timed."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from trtbench.compare.recommend import with_recommendations
from trtbench.compare.stored_arms import StoredArm, stored_arms
from trtbench.errors import Code, SpecError
from trtbench.measure.findings import output_differs
from trtbench.measure.side_by_side import ratio_of
from trtbench.measure.verdict import decide, incomparable
from trtbench.results import Finding, Measurement, TimedBlock, Verdict
from trtbench.results.comparison import Comparison, ComparisonRow

_MACHINE_FIELDS = ("trtbench_version", "cpu_model", "cpu_count", "platform", "python_version")


def compare_stored(paths: Sequence[Path]) -> Comparison:
    """Compare all arms of stored results with the first arm of the first; those of two runs unpaired.

    Raises:
        SpecError: there are fewer than two arms, or one file is named twice.
        IncompatibleResults: a file is no measurement or comparison, or cannot be read.
        ArtifactError: raw blocks are missing or damaged.
    """
    _check_different(paths)
    arms = _with_own_labels([arm for path in paths for arm in stored_arms(path)])
    if len(arms) < 2:
        raise SpecError(f"{len(arms)} measured arm in {', '.join(map(str, paths))}: name two or more")
    found = [(), *(_findings(arms[0], arm) for arm in arms[1:])]
    gpus = {arm.measurement.gpu for arm in arms}
    return with_recommendations(
        Comparison(
            environment=None,
            model=None,
            sources=tuple(map(str, paths)),
            rows=tuple(_row(arm, more) for arm, more in zip(arms, found, strict=True)),
            verdicts=tuple(_verdict(arms[0], arm) for arm in arms[1:]),
            gpu=gpus.pop() if len(gpus) == 1 else None,
        )
    )


def _row(arm: StoredArm, findings: Sequence[Finding]) -> ComparisonRow:
    """The arm as a row; findings on the comparison stand with those on the measurement."""
    measurement, spec = arm.measurement, arm.measurement.arm
    measured = measurement.model_copy(update={"findings": (*measurement.findings, *findings)})
    return ComparisonRow(
        key=spec.label,
        subject=spec.label,
        recipe=spec.recipe,
        batch=measurement.batch,
        img_size=spec.export.model.img_size if spec.export else None,
        environment=spec.environment.word if spec.environment else "local",
        runtime=spec.runtime,
        status=measurement.status,
        reason=measurement.reason,
        code=measurement.code,
        measured=measured,
    )


def _check_different(paths: Sequence[Path]) -> None:
    resolved = [path.resolve() for path in paths]
    repeated = [path for index, path in enumerate(paths) if resolved[index] in resolved[:index]]
    if repeated:
        raise SpecError(f"{repeated[0]} is named more than once: name each result once")


def _with_own_labels(arms: Sequence[StoredArm]) -> list[StoredArm]:
    """Name the file, too, where one label comes twice: its stem, or its path where stems are alike."""
    labels = [arm.measurement.arm.label for arm in arms]
    stems = [path.stem for path in {arm.path for arm in arms}]
    return [
        _relabelled(arm, f"{label} in {arm.path.stem if stems.count(arm.path.stem) == 1 else arm.path}")
        if labels.count(label) > 1
        else arm
        for label, arm in zip(labels, arms, strict=True)
    ]


def _relabelled(arm: StoredArm, label: str) -> StoredArm:
    spec = arm.measurement.arm.model_copy(update={"label": label})
    return replace(arm, measurement=arm.measurement.model_copy(update={"arm": spec}))


def _verdict(baseline: StoredArm, arm: StoredArm) -> Verdict:
    obstacle = _other_cpu(baseline.measurement, arm.measurement)
    if obstacle is not None:
        return incomparable(baseline.measurement.arm.label, arm.measurement.arm.label, obstacle)
    blocks = arm.blocks if _is_same_run(baseline, arm) else _unpaired(baseline.blocks, arm.blocks)
    ratio = ratio_of(baseline.measurement, baseline.blocks, arm.measurement, blocks)
    return decide(baseline.measurement, arm.measurement, ratio)


def _other_cpu(baseline: Measurement, arm: Measurement) -> str | None:
    """Two arms that no GPU computed, on CPUs that differ."""
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
        None if _is_same_run(baseline, arm) else outputs,  # one run has told it
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
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if not names:
        return None
    return Finding(
        code=Code.MACHINE_DIFFERS,
        severity="warning",
        message="; ".join(f"{name}: {old.get(name, 'none')} and {new.get(name, 'none')}" for name in names),
        hint="if one of these is what you compare, read the verdict as its effect; else measure again on one",
    )


def _machine(arm: StoredArm) -> dict[str, str]:
    """Recorded facts by name."""
    environment = arm.measurement.environment
    if environment is None:
        return {}
    facts = {field: str(getattr(environment, field)) for field in _MACHINE_FIELDS}
    drivers = {f"driver of {gpu.name}": gpu.driver_version for gpu in environment.gpus}
    return {**facts, **environment.packages, **drivers}

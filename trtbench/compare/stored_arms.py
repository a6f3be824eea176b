"""Measured arms of stored results, with the raw blocks that belong to them."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trtbench.errors import ArtifactError, IncompatibleResults
from trtbench.measure.summarise import statistic_of
from trtbench.results.comparison import Comparison
from trtbench.results.measurement import Measurement, TimedBlock
from trtbench.results.run import AaReport, ArmsComparison, Sweep
from trtbench.results.versions import VersionComparison
from trtbench.runtimes import RUNTIMES
from trtbench.specs.bench import ArmEnvironment
from trtbench.store.journal import check_once, read_journal
from trtbench.store.results import Stored, load_result

_REL_TOL = 1e-9
"""Between a median that was stored and the same one computed again, by another numpy maybe."""


@dataclass(frozen=True)
class StoredArm:
    """A measured arm of a stored result, with its blocks and the machine; ``path`` is the result's."""

    path: Path
    measurement: Measurement
    blocks: tuple[TimedBlock, ...]


def stored_arms(path: Path) -> list[StoredArm]:
    """Read the arms of a measurement or a comparison, in their order, with their raw blocks.

    Raises:
        IncompatibleResults: it holds no measured arm, or several batches, or cannot be read.
        ArtifactError: raw blocks are missing or damaged.
    """
    result = load_result(path)
    if isinstance(result, Sweep | AaReport):
        what = "a sweep" if isinstance(result, Sweep) else "a comparison of an arm with itself (--aa)"
        raise IncompatibleResults(f"{path}: {what}: name measurements or comparisons of one batch")
    arms = [StoredArm(path, each, _blocks_of(path, each)) for each in _measurements(result)]
    if not arms:
        raise IncompatibleResults(f"{path}: nothing in it was timed: name a measurement")
    unknown = [arm.measurement.arm for arm in arms if arm.measurement.arm.runtime not in RUNTIMES]
    if unknown:
        raise IncompatibleResults(
            f"{path}: runtime {unknown[0].runtime!r} of {unknown[0].label} is none that this trtbench knows: "
            "use the one that wrote it"
        )
    return arms


def _measurements(
    result: Measurement | Comparison | VersionComparison | ArmsComparison,
) -> Iterator[Measurement]:
    """All measurements, each with the environment that it was made in."""
    if isinstance(result, Measurement):
        yield result
    elif isinstance(result, Comparison | VersionComparison):
        for row in result.rows:
            if row.measured is not None:
                environment = _environment_in(row.measured.arm.environment, result.environment)
                yield row.measured.model_copy(update={"environment": environment})
    else:
        for measurement in result.measurements:
            yield measurement.model_copy(
                update={"environment": measurement.environment or result.environment}
            )


def _environment_in(place: ArmEnvironment | None, here: Mapping[str, Any]) -> dict[str, Any]:
    """The machine, with the versions that were found where the arm ran."""
    if place is None:
        return dict(here)
    found = {name.replace("_", "-"): version for name, version in place.versions.items()}
    python = found.pop("python", here.get("python_version"))
    found.pop("cuda", None)  # of the image, and no package
    return {**here, "python_version": python, "packages": {**here.get("packages", {}), **found}}


def _blocks_of(path: Path, measurement: Measurement) -> tuple[TimedBlock, ...]:
    """The arm's blocks: those of the journal that bear its label, and all of them."""
    raw, label = path.parent / measurement.raw, measurement.arm.label
    if not raw.is_file():
        raise ArtifactError(f"{raw}: is missing: the samples of {path} belong beside it, or measure again")
    lines = read_journal(raw, TimedBlock)
    check_once(raw, lines)
    blocks = tuple(block for block in lines if block.arm == label)
    if len(blocks) != measurement.blocks:
        raise ArtifactError(
            f"{raw}: holds {len(blocks)} of the {measurement.blocks} blocks of {label}: bring the whole file "
            "back, or measure again"
        )
    _check_summary(path, raw, measurement, blocks)
    return blocks


def _check_summary(path: Path, raw: Path, measurement: Measurement, blocks: Sequence[TimedBlock]) -> None:
    """Refuse blocks that have another median than the result: the ratio would contradict the times."""
    for name, stored in measurement.series.items():
        found = statistic_of(blocks, name)
        if found is not None and math.isclose(found.median, stored.median, rel_tol=_REL_TOL):
            continue
        median = "no samples" if found is None else f"a median of {found.median:.6g} ms"
        raise ArtifactError(
            f"{raw}: {measurement.arm.label} has {median} in {name}, where {path} says {stored.median:.6g} "
            "ms: one of the two files was changed; bring both back, or measure again"
        )


def raw_files(result: Stored | VersionComparison, folder: Path) -> list[Path]:
    """Where what was measured is kept, each file once; ``folder`` is that of the result.

    Of ``--aa`` it is the file of comparisons.
    """
    if isinstance(result, AaReport):
        return [folder / result.raw]
    points = result.points if isinstance(result, Sweep) else (result,)
    measured = (each for point in points for each in _measurements(point))
    return [folder / raw for raw in dict.fromkeys(each.raw for each in measured if each.blocks)]


def raw_files_of_stored(paths: Iterable[Path]) -> list[Path]:
    """``raw_files`` of all these results, each file once.

    Raises:
        SpecError: there is no such file.
        IncompatibleResults: a file is no result.
    """
    files = (file for path in paths for file in raw_files(load_result(path), path.parent))
    return list(dict.fromkeys(files))


def has_failed(result: Stored) -> bool:
    """Whether an arm or a recipe failed."""
    if isinstance(result, Sweep):
        return any(has_failed(point) for point in result.points)
    if isinstance(result, Comparison):
        return any(row.status == "failed" for row in result.rows)
    if isinstance(result, ArmsComparison):
        return any(measurement.status == "failed" for measurement in result.measurements)
    return isinstance(result, Measurement) and result.status == "failed"

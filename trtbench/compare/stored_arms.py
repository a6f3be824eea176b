"""Measured arms of stored results, with the raw blocks that belong to them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trtbench.errors import ArtifactError, IncompatibleResults
from trtbench.measure.summarise import statistic_of
from trtbench.results.comparison import Comparison, ComparisonRow, varying
from trtbench.results.measurement import Measurement, TimedBlock
from trtbench.results.run import AaReport
from trtbench.runtimes import RUNTIMES
from trtbench.store.journal import check_once, read_journal
from trtbench.store.results import load_result

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
        IncompatibleResults: it holds several batches, or cannot be read.
        ArtifactError: raw blocks are missing or damaged.
    """
    return arms_of(path, load_comparable(path))


def load_comparable(path: Path) -> Measurement | Comparison:
    """Read a measurement, or a comparison of one shape.

    Raises:
        IncompatibleResults: it is neither, or cannot be read.
    """
    result = load_result(path)
    if isinstance(result, AaReport):
        raise IncompatibleResults(f"{path}: compares an arm with itself; name measurements or comparisons")
    if isinstance(result, Comparison) and varying(_of_recipes(result)) & {"batch", "img_size"}:
        raise IncompatibleResults(f"{path}: has several batches or image sizes; name results of one")
    return result


def arms_of(path: Path, result: Measurement | Comparison) -> list[StoredArm]:
    """The arms of a result that was read from ``path``; none where nothing was timed.

    Raises:
        IncompatibleResults: a runtime is unknown.
        ArtifactError: raw blocks are missing or damaged.
    """
    arms = [StoredArm(path, each, _blocks_of(path, each)) for each in result.measurements()]
    unknown = [arm.measurement.arm for arm in arms if arm.measurement.arm.runtime not in RUNTIMES]
    if unknown:
        raise IncompatibleResults(
            f"{path}: runtime {unknown[0].runtime!r} of {unknown[0].label} is not known to this version of "
            "trtbench; use the one that wrote it"
        )
    return arms


def _of_recipes(comparison: Comparison) -> list[ComparisonRow]:
    """Rows that were compared shape by shape; files are compared whatever theirs is."""
    return [] if comparison.model is None else list(comparison.rows)


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

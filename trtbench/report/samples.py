"""Raw samples beside a stored result, as far as they are still there."""

from pathlib import Path

from trtbench.errors import ArtifactError
from trtbench.results import Measurement, TimedBlock
from trtbench.store.journal import read_journal

_MOST_BYTES = 64 << 20


def blocks_of(measurement: Measurement, folder: Path) -> list[TimedBlock]:
    """The timed blocks of an arm in the order of their starts; none where the file is lost, damaged or large.

    Args:
        measurement: of the arm.
        folder: that its file of blocks is relative to.
    """
    path = folder / measurement.raw
    try:
        if path.stat().st_size > _MOST_BYTES:
            return []
        blocks = read_journal(path, TimedBlock)
    except (ArtifactError, OSError, ValueError):
        return []
    own = [block for block in blocks if block.arm == measurement.arm.label]
    return sorted(own, key=lambda block: block.started_utc)

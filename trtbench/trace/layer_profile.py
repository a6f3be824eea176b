"""Layer profiles of trtexec (``--exportProfile``): sums by layer, without times of begin and end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trtbench.errors import ArtifactError, Code

TOOL = "trtexec, layer by layer"


@dataclass(frozen=True)
class ProfiledLayer:
    """One layer: all its runs, and the median of one, in ms."""

    name: str
    total_ms: float
    median_ms: float


@dataclass(frozen=True)
class LayerProfile:
    """All layers in execution order; each ran ``count`` times."""

    count: int
    layers: tuple[ProfiledLayer, ...]


def profile_of(path: Path, rows: Sequence[Mapping[str, Any]]) -> LayerProfile:
    """The profile that the rows of a file hold.

    Raises:
        ArtifactError: they are something else of trtexec's, or no layer ran.
    """
    if rows and "startComputeMs" in rows[0]:
        raise ArtifactError(
            f"{path}: times of queries (--exportTimes), not of layers; run trtexec --exportProfile",
            code=Code.TRACE_FOREIGN,
        )
    try:
        count = int(rows[0]["count"])
        layers = tuple(
            ProfiledLayer(str(row["name"]), float(row["timeMs"]), float(row["medianMs"])) for row in rows[1:]
        )
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{path}: not a layer profile of trtexec ({error!r}); write one with trtexec --exportProfile",
            code=Code.TRACE_FOREIGN,
        ) from error
    if not layers or not count:
        raise ArtifactError(f"{path}: no layer ran; let trtexec run longer", code=Code.TRACE_WITHOUT_KERNELS)
    return LayerProfile(count, layers)

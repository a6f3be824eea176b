"""The points of a sweep, one after the other; an interrupted sweep goes on with the point it stopped at.

``results/sweep-<id>.jsonl`` names the results of finished points while the sweep is at work; a sweep that
ends removes it, so that the same command then measures anew, as it does for a single measurement.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from trtbench.compare.stored_arms import has_failed, raw_files
from trtbench.errors import ArtifactError
from trtbench.measure.machine import gpu_identity, machine_identity
from trtbench.results import SCHEMA_VERSION, Comparison, Measurement
from trtbench.specs import Spec, canonical_hash
from trtbench.store.artifacts import Store
from trtbench.store.journal import Journal, open_journal
from trtbench.store.results import load_result

P = TypeVar("P")
R = TypeVar("R", Measurement, Comparison)


class FinishedPoint(Spec):
    """A line of the file of a sweep at work; ``result`` is the name of a file in ``results/``."""

    schema_version: int = SCHEMA_VERSION
    point: int
    result: str


def sweep_over(
    points: Sequence[P],
    measure: Callable[[P], R],
    store: Store,
    identity: Mapping[str, Any],
    runtimes: Sequence[str],
) -> list[R]:
    """Measure every point that an interrupted sweep of this ``identity`` on this machine has not finished.

    A point that failed, or in which nothing was timed, counts as not finished.

    Raises:
        MeasureError: another process is at work on the same sweep.
        ArtifactError: the store cannot be written, or what it keeps of the sweep is damaged.
    """
    if len(points) == 1:
        return [measure(points[0])]
    whole = {"sweep": dict(identity), "machine": machine_identity(gpu_identity(), runtimes)}
    path = store.root / "results" / f"sweep-{canonical_hash(whole)[:12]}.jsonl"
    results: list[R] = []
    with _told_by(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with open_journal(path, FinishedPoint) as journal:
        for number, point in enumerate(points):
            kept = _kept(journal, path.parent, number)
            results.append(measure(point) if kept is None else kept)
            if kept is None:
                _keep(journal, number, results[-1])
        with _told_by(path):
            path.unlink()
    return results


@contextmanager
def _told_by(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be written: {error.strerror}") from error


def _kept(journal: Journal[FinishedPoint], folder: Path, number: int) -> Any:
    """The result of a point that is finished and still there."""
    names = [line.result for line in journal.lines if line.point == number]
    path = folder / names[-1] if names else None
    return load_result(path) if path and path.exists() else None


def _keep(journal: Journal[FinishedPoint], number: int, result: Measurement | Comparison) -> None:
    """Call a point finished; its result has the name of the folder of its blocks."""
    timed = raw_files(result, Path())
    if timed and not has_failed(result):
        journal.append(FinishedPoint(point=number, result=f"{timed[0].parent.name}.json"))

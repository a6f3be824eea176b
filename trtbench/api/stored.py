"""Results that were saved."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from trtbench.api.words import words
from trtbench.progress import OnStep, silent
from trtbench.request import AnyPath
from trtbench.results import AaReport, Comparison, History, Measurement, Result
from trtbench.store.results import load_any


def load(path: AnyPath) -> Result:
    """Read what ``save`` wrote, what ``--json`` printed, or ``results/NAME.json`` of a store.

    Older schemas become the present one; of a result that was timed, ``raw`` is the absolute path of its
    samples.

    Raises:
        SpecError: there is no such file.
        IncompatibleResults: it is not a result, of a newer schema, or damaged; the text names the field.
    """
    result = load_any(Path(path))
    if isinstance(result, Measurement | Comparison | AaReport):
        return result.with_samples_in(Path(path).parent)
    return result


def report(
    results: AnyPath | Result | Sequence[AnyPath | Result], to: AnyPath | Sequence[AnyPath] = "report.html"
) -> tuple[Path, ...]:
    """Write a report with figures on results, one section each; gives the files.

    Args:
        results: results, files of them, and folders, of which files that are no results are left out.
        to: names that end in ``.html`` (one file that loads nothing), ``.md`` (with a folder of pictures) or
            ``.csv`` (all rows).

    Raises:
        SpecError: a path does not exist, a folder holds no result, or a name ends in something else.
        IncompatibleResults: a file is not a result, of a newer schema, or damaged.
        RuntimeUnavailable: a package of the extra ``report`` is missing.
        ArtifactError: a file cannot be written.
    """
    from trtbench.report.sources import source_of, sources_in
    from trtbench.report.write import write_report

    listed = [results] if isinstance(results, Result | str | PathLike) else list(results)
    sources = [
        source
        for each in listed
        for source in ([source_of(each)] if isinstance(each, Result) else sources_in([Path(each)])[0])
    ]
    paths = tuple(Path(path) for path in words(to))
    for path in paths:
        write_report(sources, path)
    return paths


def history(paths: AnyPath | Sequence[AnyPath] = "results", *, on_step: OnStep = silent) -> History:
    """Put stored comparisons and measurements in series over time, and mark what changed.

    Args:
        paths: files, and folders whose ``*.json`` are read. One that cannot be read is in ``skipped``.
        on_step: progress callback.

    Raises:
        SpecError: a path does not exist.
    """
    from trtbench.history import history as run

    return run([Path(path) for path in words(paths)], on_step)

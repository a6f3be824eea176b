"""Results that were saved."""

from collections.abc import Sequence
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

"""Results that were saved."""

from pathlib import Path

from trtbench.request import AnyPath
from trtbench.results import AaReport, Comparison, Measurement, Result
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

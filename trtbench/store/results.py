"""Results read back from files, with the raw blocks that belong to them.

Format history of stored results:
    1  first version; what came later has defaults (``Comparison.verdicts``, ``ComparisonRow.runtime``)
"""

import json
from pathlib import Path

from pydantic import ValidationError

from trtbench.errors import IncompatibleResults, SpecError
from trtbench.results import (
    SCHEMA_VERSION,
    AaReport,
    ArmsComparison,
    Comparison,
    Measurement,
    Sweep,
)
from trtbench.results.versions import VersionComparison

Stored = Measurement | Comparison | ArmsComparison | Sweep | AaReport
"""What the commands that time print."""
_Result = Stored | VersionComparison


_KINDS: dict[str, type[_Result]] = {
    "measurement": Measurement,
    "comparison": Comparison,
    "version_comparison": VersionComparison,
    "arms_comparison": ArmsComparison,
    "sweep": Sweep,
    "aa_report": AaReport,
}


def load_result(path: Path) -> Stored | VersionComparison:
    """Read a result of any kind.

    Raises:
        SpecError: there is no such file.
        IncompatibleResults: no result, of a newer schema, or damaged; the text names the field.
    """
    try:
        raw = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise SpecError(f"{path}: no such file: name a stored result such as results/NAME.json") from error
    except IsADirectoryError as error:
        raise SpecError(f"{path}: a folder: name the result, such as {path}.json") from error
    except OSError as error:
        raise IncompatibleResults(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise IncompatibleResults(f"{path}: not JSON: {error}") from error
    kind = raw.get("kind") if isinstance(raw, dict) else None
    if not isinstance(kind, str) or kind not in _KINDS:
        raise IncompatibleResults(f"{path}: kind {kind!r}, a stored result is one of {', '.join(_KINDS)}")
    _check_version(path, raw.get("schema_version"))
    try:
        return _KINDS[kind].model_validate(raw)
    except (ValidationError, SpecError) as error:
        problem = str(error) if isinstance(error, SpecError) else first_problem(error)
        raise IncompatibleResults(f"{path}: {problem}") from error


def _check_version(path: Path, version: object) -> None:
    if not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
        raise IncompatibleResults(
            f"{path}: schema_version {version}, this trtbench reads 1 to {SCHEMA_VERSION}: "
            "use the one that wrote it"
        )


def first_problem(error: ValidationError, within: str = "") -> str:
    """The first field that is wrong, by its name within the field ``within``, and why."""
    first = error.errors()[0]
    return f"field {'.'.join(filter(None, (within, *map(str, first['loc']))))}: {first['msg']}"

"""Results as files: saved, and read back.

Format history of stored results:
    1  first version; what came later has defaults
    2  of comparisons alone: ``trtbench/results/comparison.py``
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from trtbench.errors import IncompatibleResults, SpecError
from trtbench.host.json_text import parse_json
from trtbench.host.untrusted_files import RECORD_BYTES, read_untrusted
from trtbench.progress import silent
from trtbench.results import (
    COMPARISON_SCHEMA_VERSION,
    KINDS,
    SCHEMA_VERSION,
    AaReport,
    Comparison,
    Measurement,
    Result,
)
from trtbench.specs import Spec, first_problem
from trtbench.store.artifacts import Store
from trtbench.store.files import remove, sync, write_json, writing
from trtbench.store.locks import locked, remove_leftovers, work_path
from trtbench.store.upgrade import OLD_KINDS, upgraded

R = TypeVar("R", bound=Result)
Stored = Measurement | Comparison | AaReport
"""What the commands that time print and keep."""

_KINDS: dict[str, type[Measurement] | type[Comparison] | type[AaReport]] = {
    "measurement": Measurement,
    "comparison": Comparison,
    "aa_report": AaReport,
}
_NEWEST = {"comparison": COMPARISON_SCHEMA_VERSION}
"""Schema version by kind, where it is not ``SCHEMA_VERSION``."""
_OWNER = "results"
"""Whose lock and work all results share."""


def load_result(path: Path) -> Stored:
    """Read a result that was timed.

    Raises:
        SpecError: there is no such file.
        IncompatibleResults: no such result, of a newer schema, or damaged; the text names the field.
    """
    return _load(path, _KINDS)


def load_any(path: Path) -> Result:
    """Read a result of any kind.

    Raises:
        SpecError: there is no such file.
        IncompatibleResults: no result, of a newer schema, or damaged; the text names the field.
    """
    return _load(path, KINDS)


def _load(path: Path, kinds: Mapping[str, type[R]]) -> R:
    try:
        text = read_untrusted(path, RECORD_BYTES)
        raw = parse_json(text)
    except FileNotFoundError as error:
        raise SpecError(f"{path}: no such file: name a stored result such as results/NAME.json") from error
    except IsADirectoryError as error:
        raise SpecError(f"{path}: a folder: name the result, such as {path}.json") from error
    except OSError as error:
        raise IncompatibleResults(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise IncompatibleResults(f"{path}: not JSON: {error}") from error
    kind = raw.get("kind") if isinstance(raw, dict) else None
    if kind not in (*kinds, *OLD_KINDS):
        raise IncompatibleResults(f"{path}: kind {kind!r}, give a file of kind {', '.join(kinds)}")
    _check_version(path, kind, raw.get("schema_version"))
    try:
        if kind in OLD_KINDS and raw["schema_version"] == 1:
            raw = upgraded(raw)
            text = json.dumps(raw).encode()
        return kinds[raw["kind"]].model_validate_json(text, strict=True)
    except (ValidationError, SpecError) as error:
        problem = str(error) if isinstance(error, SpecError) else first_problem(error)
        raise IncompatibleResults(f"{path}: {problem}") from error


def save_result(store: Store, name: str, result: Spec) -> Path:
    """Write ``results/<name>.json`` all at once, in place of an older one.

    Raises:
        ArtifactError: the store cannot be written, or is full.
    """
    store.check_in_place()
    path = store.result_path(name)
    work = work_path(path, _OWNER)
    with locked(store.results, _OWNER, "setup", silent), writing(path):
        remove_leftovers(store.results, _OWNER)
        try:
            write_json(work, result)
            sync(work)
            work.replace(path)
            sync(path.parent)
        finally:
            remove(work)
    return path


def _check_version(path: Path, kind: str, version: object) -> None:
    newest = _NEWEST.get(kind, SCHEMA_VERSION)
    if type(version) is not int or not 1 <= version <= newest:
        raise IncompatibleResults(
            f"{path}: schema_version {version}, this trtbench reads 1 to {newest}: use the one that wrote it"
        )

"""Results to report on: files, and folders of them."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from trtbench.compare.recommend import with_recommendations
from trtbench.errors import IncompatibleResults, SpecError
from trtbench.report.sections.section import Source
from trtbench.results import Comparison, Result
from trtbench.store.results import load_any


def sources_in(paths: Sequence[Path]) -> tuple[list[Source], list[str]]:
    """Read all results, those of a folder by name; also say why files of folders are left out.

    Raises:
        SpecError: a file is missing, or a folder holds no result.
        IncompatibleResults: a file that was named is no result, of a newer schema, or damaged.
    """
    found: list[Source] = []
    left_out: list[str] = []
    for path in paths:
        if path.is_dir():
            inside, reasons = _in_folder(path)
            found += inside
            left_out += reasons
        else:
            found.append(_source(path))
    return found, left_out


def source_of(result: Result, path: Path = Path()) -> Source:
    """A result that is there already, with the file that it was read from, if any."""
    name = str(path) if path.name else "Python"
    return Source(name, _recommended(result), path.parent)


def _source(path: Path) -> Source:
    return source_of(load_any(path), path)


def _recommended(result: Result) -> Result:
    """With recommendations, which comparisons of older versions were stored without."""
    if isinstance(result, Comparison) and not result.recommendations:
        return with_recommendations(result)
    return result


def _in_folder(folder: Path) -> tuple[list[Source], list[str]]:
    read = [_read(path) for path in _files(folder)]
    found = [each for each in read if isinstance(each, Source)]
    if not found:
        raise SpecError(f"{folder}: no result in this folder; name files such as {folder}/NAME.json")
    return found, [f"left out: {each}" for each in read if isinstance(each, str)]


def _read(path: Path) -> Source | str:
    """The result, or why there is none."""
    try:
        return _source(path)
    except IncompatibleResults as error:
        return str(error)


def _files(folder: Path) -> Iterable[Path]:
    try:
        return sorted(
            (path for path in folder.iterdir() if path.suffix == ".json" and path.is_file()), key=_by_number
        )
    except OSError as error:
        raise SpecError(f"{folder}: cannot be read: {error.strerror}") from error


def _by_number(path: Path) -> list[tuple[int, str]]:
    """Orders run-2 before run-10."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", path.name)]

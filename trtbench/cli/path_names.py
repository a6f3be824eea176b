"""Names of files that cannot be used are refused where they come in."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from trtbench.errors import SpecError

P = TypeVar("P", str, Path, Sequence[str], Path | None, Sequence[str] | None)


def checked_names(value: P) -> P:
    """Return the path, paths or words of an option, which may name files.

    Raises:
        SpecError: a name is too long or not UTF-8, or the working directory was removed.
    """
    for path in [value] if isinstance(value, str | Path) else value or ():
        _check(path)
    return value


def writable_file(path: Path | None) -> Path | None:
    """Return the path of a file to write, checked before any work.

    Raises:
        SpecError: it cannot be written, or is not a regular file.
    """
    if path is None:
        return None
    from trtbench.results.base import work_file

    checked_names(path)
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "not a regular file"
        raise SpecError(f"{path}: {kind}; name a file to write")
    try:
        work_file(path).touch()
        work_file(path).unlink()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it has no name"
        raise SpecError(f"{path}: cannot be written: {reason}; name another file") from error
    return path


def writable_reports(paths: list[Path]) -> list[Path]:
    """Return where reports are to be written, checked before any work, as are the packages for them.

    Raises:
        SpecError: a file cannot be written, is named twice, or its name ends in something else.
        RuntimeUnavailable: a package of the extra ``report`` is missing.
    """
    from trtbench.report.write import check_ending

    if len({path.resolve() for path in paths}) < len(paths):
        raise SpecError(f"-o {paths[-1]}: a file is named twice; name each file once")
    for path in paths:
        check_ending(path)
        writable_file(path)
    return paths


def writable_page(path: Path | None) -> Path | None:
    """Return the path of an HTML file to write, checked before any work, as are the packages for it.

    Raises:
        SpecError: it cannot be written, or is not a regular file.
        RuntimeUnavailable: a package of the extra ``report`` is missing.
    """
    if path is not None:
        from trtbench.report.charts import check_packages

        check_packages()
    return writable_file(path)


def plot_folder(path: Path | None) -> Path | None:
    """Return the folder for plots, as do ``checked_names``, once the packages that draw them are there.

    Raises:
        SpecError: its name cannot be used.
        RuntimeUnavailable: a package of the extra ``report`` is missing.
    """
    if path is not None:
        from trtbench.report.charts import check_packages

        check_packages()
    return checked_names(path)


def _check(path: str | Path) -> None:
    try:
        os.lstat(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise SpecError(f"{path}: {error.strerror}; use a shorter name") from error
    try:
        real = os.path.realpath(path)
    except FileNotFoundError as error:
        raise SpecError("the working directory was removed; change to an existing directory") from error
    try:
        real.encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(real).decode(errors="backslashreplace")
        raise SpecError(f"{shown}: the name is not UTF-8, as results are; rename it") from error

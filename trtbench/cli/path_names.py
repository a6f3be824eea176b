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

"""Names of files that nothing can be made of, refused where they come in."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from trtbench.errors import SpecError

P = TypeVar("P", str, Path, Sequence[str], Path | None, Sequence[str] | None)


def checked_names(value: P) -> P:
    """Give back the path, paths or words of an option, for they could name files.

    Raises:
        SpecError: a name is too long for a file or cannot be written down in a result, or the folder that it
            is in was removed.
    """
    for path in [value] if isinstance(value, str | Path) else value or ():
        _check(path)
    return value


def _check(path: str | Path) -> None:
    try:
        os.lstat(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise SpecError(f"{path}: {error.strerror}: name a shorter one") from error
    try:
        real = os.path.realpath(path)
    except FileNotFoundError as error:
        raise SpecError("the working directory was removed: go to one that is there") from error
    try:
        real.encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(real).decode(errors="backslashreplace")
        raise SpecError(f"{shown}: the name is not UTF-8, which results are written in: rename it") from error

"""Which trtexec times here: asked once, since every process of every arm needs to know."""

from functools import lru_cache
from pathlib import Path

from trtbench.build.trtexec import Trtexec, find_trtexec, locate_trtexec


def installed_trtexec() -> Trtexec:
    """The program that ``find_trtexec`` finds, started again only if there is another file by now.

    Raises:
        RuntimeUnavailable: there is none, it does not start, or it names no version.
    """
    path = locate_trtexec()
    return find_trtexec() if path is None else _asked(path, path.stat().st_mtime_ns)


@lru_cache
def _asked(path: Path, mtime_ns: int) -> Trtexec:
    return find_trtexec(path)

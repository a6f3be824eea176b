"""NVIDIA's own tool as a builder: which one there is, and its arguments for that version.

Up to 10.16 networks are strongly typed only if it is said; from 11.0 on always, and the flags for precisions
are gone (``samples/common/sampleOptions.cpp`` of TensorRT, v10.14 to v11.1).
"""

import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from trtbench.errors import RuntimeUnavailable

PLACES = ("/opt/tensorrt/bin", "/usr/src/tensorrt/bin")
"""Where NVIDIA's containers and packages put it before they put it in /usr/bin, in 10.15."""

# "&&&& RUNNING TensorRT.trtexec [TensorRT v101401] [b48] # trtexec --help": 10.14.1, build 48.
_BANNER = re.compile(r"TensorRT\.trtexec \[TensorRT v(\d+)(\d\d)(\d\d)\](?: \[b(\d+)\])?")
_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Trtexec:
    """The program at ``path``, of TensorRT ``version`` (``10.14.1.48``)."""

    path: Path
    version: str

    @property
    def major(self) -> int:
        """The number that decides what its flags mean."""
        return int(self.version.partition(".")[0])


def find_trtexec(path: Path | None = None) -> Trtexec:
    """Look for it, on PATH and where NVIDIA puts it unless ``path`` is given, and ask which it is.

    Cached until the file changes, since every build and process of an arm needs it.

    Raises:
        RuntimeUnavailable: there is none, it does not start, or it names no version.
    """
    found = path or locate_trtexec()
    if found is None:
        raise RuntimeUnavailable(
            f"no trtexec on PATH or in {', '.join(PLACES)}: it comes with NVIDIA's containers, such as "
            "nvcr.io/nvidia/tensorrt:25.11-py3, and not with pip packages"
        )
    return _asked(found, found.stat().st_mtime_ns if found.exists() else 0)


@lru_cache
def _asked(found: Path, mtime_ns: int) -> Trtexec:
    try:
        # Not --version, which 11 takes for an error: it wants a model, too.
        run = subprocess.run(
            [found, "--help"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeUnavailable(f"{found} does not start ({error}): is it for this machine?") from error
    version = read_version(run.stdout + run.stderr)
    if version is None:
        last = " ".join((run.stderr or run.stdout).split())[-200:]
        raise RuntimeUnavailable(
            f"{found} --help names no version of TensorRT, it ends with: {last or 'nothing'}"
        )
    return Trtexec(found, version)


def locate_trtexec() -> Path | None:
    """Where it is: on PATH, or where NVIDIA puts it."""
    found = shutil.which("trtexec")
    places = (Path(place) / "trtexec" for place in PLACES)
    return Path(found) if found is not None else next((path for path in places if path.is_file()), None)


def read_version(text: str) -> str | None:
    """Find the version in a banner, with its build number where it has one."""
    banner = _BANNER.search(text)
    if banner is None:
        return None
    return ".".join(str(int(number)) for number in banner.groups() if number is not None)

"""trtbench as a wheel, made from the repository that it runs from, for environments that lack it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from trtbench.errors import RuntimeUnavailable
from trtbench.host.commands import run_command
from trtbench.host.installation import package_command, source_folder
from trtbench.progress import OnStep, Step
from trtbench.specs.environment import EnvironmentSpec
from trtbench.store.files import file_record

_TIMEOUT_S = 1800.0

EXTRAS = "gpu"
"""What timing needs besides, by its name in pyproject.toml."""


@dataclass(frozen=True)
class Wheel:
    """A wheel at ``path``; the same sources make one of the same ``sha256``."""

    path: Path
    sha256: str


def check_uv(spec: EnvironmentSpec) -> None:
    """Look for what makes environments other than the local one, before anything of them is made.

    Raises:
        RuntimeUnavailable: it is not there.
    """
    if shutil.which("uv") is None:
        raise RuntimeUnavailable(
            f"{spec}: uv is not on PATH, and makes this environment: {package_command('uv')}"
        )


@contextmanager
def made_wheel(on_step: OnStep) -> Iterator[Wheel]:
    """Make a wheel of trtbench that is there while the ``with`` lasts.

    Raises:
        RuntimeUnavailable: trtbench's repository is gone, or uv cannot make it.
    """
    with TemporaryDirectory(prefix="trtbench-wheel-") as work:
        on_step(Step("setup", "make a wheel of trtbench"))
        outcome = run_command(wheel_command(Path(work)), _TIMEOUT_S)
        if outcome.returncode != 0:
            raise RuntimeUnavailable(f"a wheel of trtbench cannot be made: {outcome.last_line}")
        (path,) = Path(work).glob("*.whl")
        yield Wheel(path, file_record(path).sha256)


def wheel_command(folder: Path) -> tuple[str, ...]:
    """The command of uv that makes trtbench's wheel in ``folder``.

    Raises:
        RuntimeUnavailable: the repository that trtbench was installed from is gone.
    """
    repository = source_folder()
    if repository is None:
        raise RuntimeUnavailable(
            "another environment needs a wheel of trtbench, and the repository that trtbench was installed "
            "from is gone: clone it, and install trtbench from there"
        )
    return ("uv", "build", "--quiet", "--wheel", "--out-dir", str(folder), str(repository))

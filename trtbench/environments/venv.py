"""A virtual environment with one version of TensorRT-RTX, made by uv and kept in the cache."""

import platform
import shutil
import sys
from functools import partial
from pathlib import Path

from trtbench.environments import probe
from trtbench.environments.cache import cache_root, get_or_make_folder, remove_folder
from trtbench.environments.command import run_command
from trtbench.environments.contents import read_contents
from trtbench.environments.parse import COMPILER_PACKAGE, EnvironmentSpec
from trtbench.environments.prepared import Prepared
from trtbench.errors import RuntimeUnavailable
from trtbench.progress import OnStep
from trtbench.results import Finding
from trtbench.results.environments import Contents
from trtbench.specs import canonical_hash

_VENV_TIMEOUT_S = 120.0
_INSTALL_TIMEOUT_S = 1800.0  # some hundred MB from an index


def prepare_venv(spec: EnvironmentSpec, on_step: OnStep) -> Prepared:
    """Make the environment unless the cache has it, and ask it what is in it.

    Raises:
        RuntimeUnavailable: there is no uv, it cannot install this version, or the version cannot be imported.
        ArtifactError: the cache cannot be written.
    """
    folder = cache_root() / "venvs" / venv_id(spec)
    make = partial(_make, spec=spec, on_step=on_step)
    python = _python(get_or_make_folder(folder, make, on_step))
    try:
        contents = read_contents((*python, probe.__file__), str(spec))
    except RuntimeUnavailable as damage:
        # The Python that it was made from may be gone.
        on_step(f"make it again: {damage}")
        remove_folder(folder)
        python = _python(get_or_make_folder(folder, make, on_step))
        contents = read_contents((*python, probe.__file__), str(spec))
    return Prepared(spec=spec, python=python, contents=contents, findings=_mismatch(spec, contents))


def venv_id(spec: EnvironmentSpec) -> str:
    """Name the folder by all that determines what is in it: packages, Python and machine."""
    facts = {"packages": [_requirement(spec)], "python": platform.python_version(), "base": sys.base_prefix}
    return canonical_hash({**facts, "machine": platform.machine()})[:16]


def venv_commands(folder: Path, spec: EnvironmentSpec) -> tuple[tuple[str, ...], ...]:
    """The two commands of uv that make the environment in ``folder``."""
    # From another directory, or uv would obey the constraints of a project that the user works in.
    uv = ("uv", "--directory", str(folder.parent))
    # Relocatable, since it is made under another name.
    create = (*uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, str(folder))
    python = str(folder / "bin" / "python")
    return create, (*uv, "pip", "install", "--quiet", "--python", python, _requirement(spec))


def _make(folder: Path, spec: EnvironmentSpec, on_step: OnStep) -> None:
    if shutil.which("uv") is None:
        raise RuntimeUnavailable(f"{spec}: uv is not on PATH, and makes this environment: pip install uv")
    on_step(f"install {_requirement(spec)} in an environment of its own")
    create, install = venv_commands(folder, spec)
    for command, timeout_s in ((create, _VENV_TIMEOUT_S), (install, _INSTALL_TIMEOUT_S)):
        outcome = run_command(command, timeout_s)
        if outcome.returncode != 0:
            raise RuntimeUnavailable(f"{spec}: uv {command[3]} failed: {outcome.said}")


def _python(folder: Path) -> tuple[str, ...]:
    # Isolated: PYTHONPATH and the like are meant for the environment that trtbench runs in.
    return (str(folder / "bin" / "python"), "-I")


def _requirement(spec: EnvironmentSpec) -> str:
    return f"{COMPILER_PACKAGE}=={spec.version}"


def _mismatch(spec: EnvironmentSpec, contents: Contents) -> tuple[Finding, ...]:
    """A finding when another version answers than the one that was asked for."""
    if contents.tensorrt_rtx == spec.version:
        return ()
    return (
        Finding(
            code="ENVIRONMENT_MISMATCH",
            severity="warning",
            message=f"{spec} was asked for, and TensorRT-RTX {contents.tensorrt_rtx} answers in it",
            hint=f"remove {cache_root() / 'venvs' / venv_id(spec)} and run again",
        ),
    )

"""A virtual environment with one version of one package, made by uv and kept in the cache."""

import platform
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from trtbench.environments import probe
from trtbench.environments.cache import cache_root, get_or_make_folder, identity_of_folder, remove_folder
from trtbench.environments.contents import read_contents
from trtbench.environments.prepared import Prepared
from trtbench.environments.wheel import EXTRAS, Wheel, check_uv, made_wheel
from trtbench.errors import Code, RuntimeUnavailable
from trtbench.host.commands import run_command
from trtbench.progress import OnStep, Step
from trtbench.results import Finding
from trtbench.results.environments import Contents
from trtbench.specs import canonical_hash
from trtbench.specs.environment import EnvironmentSpec

_VENV_TIMEOUT_S = 120.0
_INSTALL_TIMEOUT_S = 1800.0  # some hundred MB from an index


def prepare_venv(spec: EnvironmentSpec, timed: bool, on_step: OnStep) -> Prepared:
    """Make the environment unless the cache has it, and ask it what is in it.

    Args:
        spec: the package and its version.
        timed: install trtbench, too, so that a worker can run there.
        on_step: progress callback.

    Raises:
        RuntimeUnavailable: there is no uv, it cannot install this version, or the version cannot be imported.
        ArtifactError: the cache cannot be written.
    """
    if not timed:
        return _prepare(spec, None, on_step)
    check_uv(spec)
    with made_wheel(on_step) as wheel:
        return _prepare(spec, wheel, on_step)


def venv_folder(spec: EnvironmentSpec, wheel: Wheel | None) -> Path:
    """The folder, named by all that determines what is in it: packages, Python and machine."""
    packages = (
        [spec.requirement] if wheel is None else [f"trtbench[{EXTRAS}] {wheel.sha256}", spec.requirement]
    )
    facts = {"packages": packages, "python": platform.python_version(), "base": sys.base_prefix}
    return cache_root() / "venvs" / canonical_hash({**facts, "machine": platform.machine()})[:16]


def venv_commands(folder: Path, requirements: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The two commands of uv that make the environment in ``folder``."""
    # From another directory, or uv would obey the constraints of a project that the user works in.
    uv = ("uv", "--directory", str(folder.parent))
    # Relocatable, since it is made under another name.
    create = (*uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, str(folder))
    python = str(folder / "bin" / "python")
    return create, (*uv, "pip", "install", "--quiet", "--python", python, *requirements)


def requirements_of(spec: EnvironmentSpec, wheel: Wheel | None) -> tuple[str, ...]:
    """What is installed there: with a wheel of trtbench what timing needs, else the package alone."""
    return (spec.requirement,) if wheel is None else (f"{wheel.path}[{EXTRAS}]", spec.requirement)


def _prepare(spec: EnvironmentSpec, wheel: Wheel | None, on_step: OnStep) -> Prepared:
    folder = venv_folder(spec, wheel)
    make = partial(_make, spec=spec, wheel=wheel, on_step=on_step)
    python = _python(get_or_make_folder(folder, make, on_step))
    identity = identity_of_folder(folder)
    try:
        contents = read_contents((*python, probe.__file__), str(spec))
    except RuntimeUnavailable as damage:
        # The Python that it was made from may be gone.
        on_step(Step("setup", f"make it again: {damage}"))
        remove_folder(folder, identity, on_step)
        python = _python(get_or_make_folder(folder, make, on_step))
        contents = read_contents((*python, probe.__file__), str(spec))
    return Prepared(spec=spec, python=python, contents=contents, findings=_mismatch(spec, contents, folder))


def _make(folder: Path, spec: EnvironmentSpec, wheel: Wheel | None, on_step: OnStep) -> None:
    check_uv(spec)
    with_trtbench = "" if wheel is None else " with trtbench"
    on_step(Step("setup", f"install {spec.requirement}{with_trtbench} in an environment of its own"))
    create, install = venv_commands(folder, requirements_of(spec, wheel))
    for command, timeout_s in ((create, _VENV_TIMEOUT_S), (install, _INSTALL_TIMEOUT_S)):
        outcome = run_command(command, timeout_s)
        if outcome.returncode != 0:
            raise RuntimeUnavailable(f"{spec}: uv {command[3]} failed: {outcome.said}")


def _python(folder: Path) -> tuple[str, ...]:
    # Isolated: PYTHONPATH and the like are meant for the environment that trtbench runs in.
    return (str(folder / "bin" / "python"), "-I")


def _mismatch(spec: EnvironmentSpec, contents: Contents, folder: Path) -> tuple[Finding, ...]:
    """A finding when another version answers than the one that was asked for."""
    found = contents.versions.get(spec.package.replace("-", "_"))
    if found == spec.version:
        return ()
    return (
        Finding(
            code=Code.ENVIRONMENT_MISMATCH,
            severity="warning",
            message=f"{spec} was asked for, and {spec.package} {found or 'that does not load'} answers in it",
            hint=f"remove {folder} and run again",
        ),
    )

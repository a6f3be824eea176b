"""A container with all GPUs, the store mounted where it is here, and trtbench from a wheel made here."""

import os
import secrets
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import trtbench
from trtbench.artifacts import Store, file_record
from trtbench.environments import probe
from trtbench.environments.cache import cache_root, get_or_make_folder
from trtbench.environments.catalogue import expectation_of
from trtbench.environments.command import Outcome, run_command
from trtbench.environments.container_errors import explain
from trtbench.environments.contents import read_contents
from trtbench.environments.parse import EnvironmentSpec
from trtbench.environments.prepared import Prepared
from trtbench.errors import RuntimeUnavailable
from trtbench.progress import OnStep
from trtbench.specs import canonical_hash

# podman has no daemon to ask, and without keep-id files would belong to another user.
_ENGINES = {
    "docker": (("version", "--format", "{{.Server.Version}}"), ()),
    "podman": (("version", "--format", "{{.Client.Version}}"), ("--userns", "keep-id")),
}
_DIGEST = "{{if .RepoDigests}}{{index .RepoDigests 0}}{{else}}{{.Id}}{{end}}"
_SHORT_TIMEOUT_S = 30.0
_INSTALL_TIMEOUT_S = 1800.0


@dataclass(frozen=True)
class ContainerEngine:
    """What starts containers: ``docker`` or ``podman``."""

    name: str
    version: str

    @property
    def user_options(self) -> tuple[str, ...]:
        """Run as the user who runs this, so that what is written in the store is theirs."""
        return (*_ENGINES[self.name][1], "--user", f"{os.getuid()}:{os.getgid()}")


def prepare_container(spec: EnvironmentSpec, store: Store, on_step: OnStep) -> Prepared:
    """Find the image, install trtbench for it, and ask its Python what is in it.

    Raises:
        RuntimeUnavailable: no container engine, no image, no GPU for it: one line with what to do.
        ArtifactError: the cache cannot be written.
    """
    image = str(spec.image)
    engine = find_engine()
    digest = image_digest(engine, image)
    packages = _install(engine, image, digest, on_step)
    root = store.root.resolve()
    root.mkdir(parents=True, exist_ok=True)
    name = f"trtbench-{secrets.token_hex(4)}"
    python = python_command(engine, image, name, root, packages)
    on_step(f"ask {spec} what is in it")
    contents = read_contents((*python, probe.__file__), str(spec), partial(explain, engine.name, image))
    return Prepared(
        spec=spec,
        python=python,
        stop=(engine.name, "kill", name),
        contents=contents,
        image_digest=digest,
        findings=expectation_of(image, contents),
    )


def find_engine() -> ContainerEngine:
    """The first container engine that answers.

    Raises:
        RuntimeUnavailable: there is none on PATH, or none answers.
    """
    problem = f"no {' or '.join(_ENGINES)} on PATH: sudo apt-get install podman"
    for name, (arguments, _) in _ENGINES.items():
        if shutil.which(name) is None:
            continue
        outcome = run_command((name, *arguments), _SHORT_TIMEOUT_S)
        if outcome.returncode == 0:
            return ContainerEngine(name, outcome.stdout.strip())
        problem = explain(name, None, outcome)
    raise RuntimeUnavailable(f"no container can be started: {problem}")


def image_digest(engine: ContainerEngine, image: str) -> str:
    """What identifies the image for good: its digest in the registry, or of one built here its own.

    Raises:
        RuntimeUnavailable: the image is not on this machine.
    """
    outcome = run_command(
        (engine.name, "image", "inspect", "--format", _DIGEST, image),
        _SHORT_TIMEOUT_S,
    )
    if outcome.returncode != 0:
        raise RuntimeUnavailable(f"docker:{image}: {explain(engine.name, image, outcome)}")
    return outcome.stdout.strip()


def python_command(
    engine: ContainerEngine, image: str, name: str, store_root: Path, packages: Path
) -> tuple[str, ...]:
    """The command in front of a script: a container called ``name`` that ends with it.

    Folders have the same path inside as outside, so that paths in manifests hold in both.
    """
    return (
        *_run(engine, name, packages, read_only=True),
        *("--gpus", "all", "--volume", f"{store_root}:{store_root}"),
        *("--volume", f"{_package_root()}:{_package_root()}:ro"),
        *(image, "python3"),
    )


def install_command(
    engine: ContainerEngine, image: str, name: str, wheel: Path, packages: Path
) -> tuple[str, ...]:
    """The command that installs ``wheel``, and what the image lacks for it, in the folder ``packages``."""
    return (
        *_run(engine, name, packages, read_only=False),
        *("--volume", f"{wheel}:{wheel}:ro", image),
        *("python3", "-m", "pip", "install", "--quiet", "--user", "--break-system-packages", str(wheel)),
    )


def wheel_command(folder: Path) -> tuple[str, ...]:
    """The command of uv that makes trtbench's wheel in ``folder``.

    Raises:
        RuntimeUnavailable: trtbench does not run from its repository.
    """
    repository = _package_root().parent
    if not (repository / "pyproject.toml").is_file():
        raise RuntimeUnavailable(
            f"a container needs a wheel of trtbench, and {repository} has no pyproject.toml to make it with: "
            "install trtbench from its repository (pip install -e .)"
        )
    return ("uv", "build", "--quiet", "--wheel", "--out-dir", str(folder), str(repository))


def _run(engine: ContainerEngine, name: str, packages: Path, read_only: bool) -> tuple[str, ...]:
    mode = ":ro" * read_only
    return (
        *(engine.name, "run", "--rm", "--pull", "never", "--name", name, *engine.user_options),
        *("--env", "HOME=/tmp", "--env", f"PYTHONUSERBASE={packages}"),
        *("--volume", f"{packages}:{packages}{mode}"),
    )


def _install(engine: ContainerEngine, image: str, digest: str, on_step: OnStep) -> Path:
    """Install trtbench for an image, once for each of its digests and each state of trtbench."""
    with TemporaryDirectory(prefix="trtbench-wheel-") as work:
        on_step("make a wheel of trtbench")
        _check("a wheel of trtbench", run_command(wheel_command(Path(work)), _INSTALL_TIMEOUT_S))
        (wheel,) = Path(work).glob("*.whl")
        identity = canonical_hash({"wheel": file_record(wheel).sha256, "image": digest})[:16]
        folder = cache_root() / "containers" / identity

        def make(packages: Path) -> None:
            on_step(f"install trtbench for {image}")
            packages.mkdir()
            name = f"trtbench-{secrets.token_hex(4)}"
            command = install_command(engine, image, name, wheel, packages)
            outcome = run_command(command, _INSTALL_TIMEOUT_S)
            if outcome.returncode != 0:
                raise RuntimeUnavailable(f"docker:{image}: {explain(engine.name, image, outcome)}")

        return get_or_make_folder(folder, make, on_step)


def _check(what: str, outcome: Outcome) -> None:
    if outcome.returncode != 0:
        raise RuntimeUnavailable(f"{what} cannot be made: {outcome.last_line}")


def _package_root() -> Path:
    return Path(trtbench.__file__).resolve().parent

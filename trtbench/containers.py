"""Which of NVIDIA's images are known, and what this machine could run of them."""

import shlex
from pathlib import Path
from typing import Literal

import trtbench
from trtbench.environment import Gpu, read_gpus
from trtbench.environments import probe
from trtbench.environments.cache import cache_root
from trtbench.environments.catalogue import KnownImage, read_catalogue
from trtbench.environments.container import (
    ContainerEngine,
    find_engine,
    image_digest,
    install_command,
    python_command,
    wheel_command,
)
from trtbench.errors import RuntimeUnavailable
from trtbench.results import SCHEMA_VERSION
from trtbench.specs import Spec


class ContainerEntry(Spec):
    """A known image; ``digest``: of the one on this machine; ``commands``: what would be run."""

    image: KnownImage
    digest: str | None
    commands: tuple[str, ...] = ()


class ContainerList(Spec):
    """All known images, and what runs them here: an ``engine`` (``docker 28.2.2``), or the ``problem``."""

    schema_version: int = SCHEMA_VERSION
    kind: Literal["containers"] = "containers"
    engine: str | None
    problem: str | None
    gpus: tuple[Gpu, ...]
    no_gpu_reason: str | None
    containers: tuple[ContainerEntry, ...]


def list_containers(store_root: Path, dry_run: bool = False) -> ContainerList:
    """Look at this machine and the catalogue; an absent engine or GPU is a recorded reason, not an error.

    Args:
        store_root: what commands mount.
        dry_run: also give the commands that fetch and use each image.

    Raises:
        ArtifactError: a file of the catalogue is wrong.
    """
    engine, problem = _engine()
    gpus, no_gpu_reason = _gpus()
    return ContainerList(
        engine=f"{engine.name} {engine.version}" if engine else None,
        problem=problem,
        gpus=gpus,
        no_gpu_reason=no_gpu_reason,
        containers=tuple(
            ContainerEntry(
                image=image,
                digest=_digest(engine, image.image),
                commands=commands_for(engine or ContainerEngine("docker", ""), image.image, store_root)
                if dry_run
                else (),
            )
            for image in read_catalogue()
        ),
    )


def commands_for(engine: ContainerEngine, image: str, store_root: Path) -> tuple[str, ...]:
    """What it takes, by hand, to fetch an image, to install trtbench for it, and to ask it what it holds."""
    name = f"trtbench-{image.rpartition(':')[2]}"
    folder = cache_root() / "by-hand" / name
    wheel = folder / f"trtbench-{trtbench.__version__}-py3-none-any.whl"
    packages = folder / "packages"
    commands = (
        (engine.name, "pull", image),
        ("mkdir", "-p", str(packages)),
        wheel_command(folder),
        install_command(engine, image, name, wheel, packages),
        (*python_command(engine, image, name, store_root.resolve(), packages), probe.__file__),
    )
    return tuple(shlex.join(command) for command in commands)


def _engine() -> tuple[ContainerEngine | None, str | None]:
    try:
        return find_engine(), None
    except RuntimeUnavailable as error:
        return None, str(error)


def _gpus() -> tuple[tuple[Gpu, ...], str | None]:
    try:
        return read_gpus(), None
    except RuntimeUnavailable as error:
        return (), str(error)


def _digest(engine: ContainerEngine | None, image: str) -> str | None:
    try:
        return image_digest(engine, image) if engine else None
    except RuntimeUnavailable:
        return None

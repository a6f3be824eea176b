"""NVIDIA's container images, and whether this machine can run them."""

from typing import Literal

from trtbench.results.base import SCHEMA_VERSION
from trtbench.results.environments import Gpu, KnownImage
from trtbench.specs.base import Spec


class ContainerEntry(Spec):
    """A known image; ``digest``: of the one on this machine; ``commands``: what would be run."""

    image: KnownImage
    digest: str | None
    commands: tuple[str, ...] = ()


class ContainerList(Spec):
    """Known images, and what runs them here: an ``engine`` (``docker 28.2.2``), or the ``problem``."""

    schema_version: int = SCHEMA_VERSION
    kind: Literal["containers"] = "containers"
    engine: str | None
    problem: str | None
    gpus: tuple[Gpu, ...]
    no_gpu_reason: str | None
    containers: tuple[ContainerEntry, ...]

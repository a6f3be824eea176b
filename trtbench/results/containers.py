"""NVIDIA's container images, and whether this machine can run them."""

from typing import Literal

from trtbench.results.base import SCHEMA_VERSION, Result
from trtbench.results.environments import Gpu, KnownImage
from trtbench.results.rows import Row, aligned, flat
from trtbench.specs.base import Spec


class ContainerEntry(Spec):
    """A known image; ``digest``: of the one on this machine; ``commands``: what would be run."""

    image: KnownImage
    digest: str | None
    commands: tuple[str, ...] = ()


class ContainerList(Result):
    """Known images, and what runs them here: an ``engine`` (``docker 28.2.2``), or the ``problem``."""

    schema_version: int = SCHEMA_VERSION
    kind: Literal["containers"] = "containers"
    engine: str | None
    problem: str | None
    gpus: tuple[Gpu, ...]
    no_gpu_reason: str | None
    containers: tuple[ContainerEntry, ...]

    def to_rows(self) -> list[Row]:
        """One an image; versions are those that it should hold."""
        return aligned(
            {
                "image": each.image.image,
                "tensorrt": each.image.tensorrt.version,
                "cuda": each.image.cuda.version,
                **flat(each.image, "driver", "driver_oldest"),
                **flat(each, "digest"),
                "commands": "; ".join(each.commands) or None,
            }
            for each in self.containers
        )

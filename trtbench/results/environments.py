"""Environments as they were found."""

from trtbench.results.base import Finding
from trtbench.specs import Spec


class Contents(Spec):
    """What the Python of an environment tells of itself.

    ``tensorrt_rtx`` and ``tensorrt`` are versions by ``__version__``; ``problem``: why TensorRT-RTX cannot be
    imported although it is there; ``cuda``: ``CUDA_VERSION``, which NVIDIA's images set.
    """

    python: str
    tensorrt_rtx: str | None
    tensorrt: str | None
    targets: tuple[str, ...]
    cuda: str | None
    problem: str | None


class EnvironmentRecord(Spec):
    """One environment by its word: no ``contents`` and a ``reason``, if it could not be made ready."""

    environment: str
    contents: Contents | None
    image_digest: str | None = None
    reason: str | None = None
    findings: tuple[Finding, ...] = ()

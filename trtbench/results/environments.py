"""Environments as they were found."""

from trtbench.results.base import Finding
from trtbench.specs import Spec


class Contents(Spec):
    """What the Python of an environment tells of itself.

    ``tensorrt_rtx``, ``tensorrt`` and ``onnxruntime`` are versions by ``__version__``; ``problem``,
    ``tensorrt_problem`` and ``onnxruntime_problem``: why TensorRT-RTX, TensorRT or onnxruntime cannot be
    imported although it is there; ``cuda``: ``CUDA_VERSION``, which NVIDIA's images set.
    """

    python: str
    tensorrt_rtx: str | None
    tensorrt: str | None
    targets: tuple[str, ...]
    cuda: str | None
    problem: str | None
    onnxruntime: str | None = None
    onnxruntime_problem: str | None = None
    tensorrt_problem: str | None = None

    @property
    def versions(self) -> dict[str, str]:
        """What has a version there, by name."""
        names = ("python", "tensorrt_rtx", "tensorrt", "onnxruntime", "cuda")
        return {name: version for name in names if (version := getattr(self, name)) is not None}


class EnvironmentRecord(Spec):
    """One environment by its word: no ``contents`` and a ``reason``, if it could not be made ready."""

    environment: str
    contents: Contents | None
    image_digest: str | None = None
    reason: str | None = None
    findings: tuple[Finding, ...] = ()

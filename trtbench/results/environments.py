"""Environments as they were found."""

from collections.abc import Mapping

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import Field, field_validator

from trtbench.errors import Code
from trtbench.results.base import Finding
from trtbench.specs import Spec


class Contents(Spec):
    """What the Python of an environment reports about itself.

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
    """One environment by its word: if its setup failed, no ``contents``, a ``reason`` and its ``code``."""

    environment: str
    contents: Contents | None
    image_digest: str | None = None
    reason: str | None = None
    code: Code | None = None
    findings: tuple[Finding, ...] = ()


class Gpu(Spec):
    """One NVIDIA GPU, of compute capability ``12.0``, say; no ``memory_bytes`` where it shares the CPU's."""

    name: str
    compute_capability: str
    memory_bytes: int | None
    driver_version: str

    @property
    def target(self) -> str:
        """The compute capability as compilers name it: ``sm120``."""
        return f"sm{self.compute_capability.replace('.', '')}"


_SHORT_SHA = 9


class Commit(Spec):
    """The git commit that was checked out where a command ran; files may differ from it."""

    sha: str

    def __str__(self) -> str:
        return self.sha[:_SHORT_SHA]


class Environment(Spec):
    """Software and hardware.

    ``cpu_count``: CPUs that this process may use. ``variables``: those of the environment that can act on
    times, such as ``OMP_NUM_THREADS``. ``recorded_utc``: when, in ISO 8601. ``commit``: of the working
    directory, null outside of git. ``command``: the command line; null from Python. The last four are unknown
    in results of older versions.
    """

    trtbench_version: str
    python_version: str
    platform: str
    cpu_model: str
    cpu_count: int
    memory_bytes: int
    packages: dict[str, str]
    gpus: tuple[Gpu, ...]
    no_gpu_reason: str | None
    variables: dict[str, str] | None = None
    recorded_utc: str | None = Field(default=None, exclude_if=lambda recorded: recorded is None)
    commit: Commit | None = Field(default=None, exclude_if=lambda commit: commit is None)
    command: str | None = Field(default=None, exclude_if=lambda command: command is None)

    def with_versions(self, found: Mapping[str, str]) -> "Environment":
        """The same machine with the versions that were found in another Python of it."""
        # CUDA is that of an image, and no package.
        packages = {n.replace("_", "-"): v for n, v in found.items() if n not in ("python", "cuda")}
        return self.model_copy(
            update={
                "python_version": found.get("python", self.python_version),
                "packages": {**self.packages, **packages},
            }
        )


_PARTS = 4  # of __version__ of TensorRT (10.14.1.48) and of CUDA_VERSION in NVIDIA's images (13.0.2.006)


class ExpectedVersion(Spec):
    """A version that an image should hold, as ``packaging`` writes ranges, and how that is known."""

    version: str
    known: str

    @field_validator("version")
    @classmethod
    def _is_a_range(cls, text: str) -> str:
        try:
            clauses = SpecifierSet(text)
        except InvalidSpecifier as error:
            raise ValueError(f"{text!r} is not a range of versions such as ==10.14.1.*") from error
        # 13.0.2.006 is not ==13.0.2: a version that is written out has all the parts that images report.
        exact = [c.version for c in clauses if c.operator == "==" and not c.version.endswith(".*")]
        if any(len(version.split(".")) < _PARTS for version in exact):
            raise ValueError(f"{text!r} names fewer than four parts: write ==13.0.2.* for all that begin so")
        return text

    @property
    def oldest(self) -> str:
        """The oldest version that is in the range, as far as it names one: ``10.14.1``."""
        named = [clause.version for clause in SpecifierSet(self.version) if clause.operator in ("==", ">=")]
        return named[0].removesuffix(".*")


class KnownImage(Spec):
    """One image, and the drivers for it where they are known.

    ``driver``: the one that comes with the CUDA in the image, for all that this CUDA has, on any GPU.
    ``driver_oldest``: an older one for a Blackwell GPU, with which features of this CUDA are missing: the
    later of the first one of the same major CUDA (minor version compatibility) and of 570, the first for
    Blackwell. ``source``: of the versions.
    """

    image: str
    tensorrt: ExpectedVersion
    cuda: ExpectedVersion
    driver: str | None
    driver_source: str | None
    driver_oldest: str | None
    driver_oldest_source: str | None
    source: str

"""Which compiler builds, and what runs it."""

import sys
from dataclasses import dataclass

from trtbench.build.backends import child_command
from trtbench.build.dialect import PRODUCTS, BuildPaths, check_target, import_compiler
from trtbench.build.targets import known_targets
from trtbench.build.trtexec import Trtexec, build_command, find_trtexec
from trtbench.environment import read_gpus
from trtbench.environments import Prepared
from trtbench.errors import RuntimeUnavailable, SpecError
from trtbench.specs import BuildBackend, BuildSpec


@dataclass(frozen=True)
class Compiler:
    """A compiler and the command that runs it.

    ``python``: what stands in front of a script; ``stop``: ends what would survive when that is killed;
    ``image_digest``: of the image that it comes in, if in any. ``targets``: those it compiles for, which for
    TensorRT and trtexec is the GPU at hand.
    """

    backend: BuildBackend
    python: tuple[str, ...]
    stop: tuple[str, ...]
    version: str
    targets: tuple[str, ...]
    image_digest: str | None
    trtexec: Trtexec | None = None

    @property
    def name(self) -> str:
        """Name and version for people."""
        tool = " (trtexec)" if self.trtexec is not None else ""
        return f"{PRODUCTS[self.backend]} {self.version}{tool}"

    def command(self, spec: BuildSpec, paths: BuildPaths) -> tuple[str, ...]:
        """What builds ``spec``.

        Raises:
            SpecError: this compiler has no such option.
        """
        if self.trtexec is not None:
            return build_command(self.trtexec, spec, paths)
        return child_command(spec, self.version, paths, self.python)


def compiler_of(environment: Prepared | None, spec: BuildSpec) -> Compiler:
    """Tell which compiler an environment has; None stands for the Python that runs this.

    Raises:
        RuntimeUnavailable: it has no TensorRT-RTX that works.
        SpecError: a limit on memory is asked for, and cannot be kept there.
    """
    if environment is None:
        return _compiler_here(spec)
    contents = environment.contents
    if contents.tensorrt_rtx is None:
        raise RuntimeUnavailable(
            f"{environment.spec} has no TensorRT-RTX, which compiles: {_instead(environment)}"
        )
    if environment.spec.kind == "docker" and spec.memory_limit_bytes is not None:
        raise SpecError(
            f"--memory-limit-gb cannot be kept in {environment.spec}: that memory is the container's"
        )
    return Compiler(
        backend="tensorrt_rtx",
        python=environment.python,
        stop=environment.stop,
        version=contents.tensorrt_rtx,
        targets=contents.targets,
        image_digest=environment.image_digest,
    )


def _compiler_here(spec: BuildSpec) -> Compiler:
    backend, python = spec.backend, (sys.executable,)
    if backend == "tensorrt_rtx":
        version = str(import_compiler(backend).__version__)
        return Compiler(backend, python, (), version, known_targets(), None)
    gpu = read_gpus()[0]
    check_target(spec.targets, gpu)
    if backend == "trtexec":
        trtexec = find_trtexec()
        return Compiler(backend, python, (), trtexec.version, (gpu.target,), None, trtexec)
    version = str(import_compiler(backend).__version__)
    return Compiler(backend, python, (), version, (gpu.target,), None)


def _instead(environment: Prepared) -> str:
    contents = environment.contents
    if contents.problem is not None:
        return f"it cannot be imported there: {contents.problem}"
    if contents.tensorrt is not None:
        return f"there is TensorRT {contents.tensorrt}, another compiler"
    return "take venv:tensorrt-rtx==VERSION, or install tensorrt-rtx there"

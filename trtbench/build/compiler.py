"""Which compiler builds, and what runs it."""

import sys
from dataclasses import dataclass

from trtbench.build.backends import child_command
from trtbench.build.dialect import (
    OLDEST_TENSORRT,
    PRODUCTS,
    check_target,
    import_compiler,
    version_numbers,
)
from trtbench.build.targets import known_targets
from trtbench.environments import Prepared
from trtbench.environments.prepared import Container
from trtbench.errors import RuntimeUnavailable, SpecError
from trtbench.host.hardware import first_gpu
from trtbench.results.environments import Gpu
from trtbench.specs import BuildBackend, BuildSpec
from trtbench.specs.build import BuildPaths
from trtbench.trtexec.command import build_command
from trtbench.trtexec.tool import Trtexec, find_trtexec


@dataclass(frozen=True)
class Compiler:
    """A compiler and the command that runs it.

    ``python``: what stands in front of a script; ``container``: the one that this command starts, if it does;
    ``image_digest``: of the image that the compiler comes in, if in any. ``targets``: those it compiles for,
    which for TensorRT and trtexec is the local GPU; they time tactics on it, so its name (``gpu``) is
    part of the engine's identity, too.
    """

    backend: BuildBackend
    python: tuple[str, ...]
    container: Container | None
    version: str
    targets: tuple[str, ...]
    image_digest: str | None
    gpu: str | None = None
    trtexec: Trtexec | None = None

    @property
    def name(self) -> str:
        """Name and version for people."""
        tool = " (trtexec)" if self.trtexec is not None else ""
        return f"{PRODUCTS[self.backend]} {self.version}{tool}"

    @property
    def stop(self) -> tuple[str, ...]:
        """What ends that which would survive when the command is killed."""
        return () if self.container is None else self.container.stop

    def command(self, spec: BuildSpec, paths: BuildPaths) -> tuple[str, ...]:
        """What builds ``spec``, whose options this compiler has."""
        if self.trtexec is not None:
            return build_command(self.trtexec, spec, paths)
        return child_command(spec, self.version, paths, self.python)


def compiler_of(environment: Prepared | None, spec: BuildSpec) -> Compiler:
    """Find the compiler of an environment; None stands for the Python that runs this.

    Raises:
        RuntimeUnavailable: it has no such compiler that works, or there is no GPU that it builds for.
        SpecError: a target is not available there, or a memory limit cannot be enforced.
    """
    if spec.backend == "tensorrt_rtx" and not spec.targets:
        check_rtx_gpu()
    if environment is None:
        return _compiler_here(spec)
    if spec.backend == "trtexec":
        if environment.spec.kind == "local":
            return _compiler_here(spec)
        raise SpecError(
            f"--backend trtexec builds locally, not in {environment.spec}: use --backend tensorrt"
        )
    if environment.spec.kind == "docker" and spec.memory_limit_bytes is not None:
        raise SpecError(f"--memory-limit-gb cannot be enforced in {environment.spec}, a container; remove it")
    version = environment.contents.versions.get(spec.backend)
    if version is None:
        raise RuntimeUnavailable(
            f"{environment.spec} has no {PRODUCTS[spec.backend]}: {_instead(environment, spec.backend)}"
        )
    gpu = None if spec.backend == "tensorrt_rtx" else _gpu_of(environment, version, spec)
    return Compiler(
        backend=spec.backend,
        python=environment.python,
        container=environment.container,
        version=version,
        targets=environment.contents.targets if gpu is None else (gpu.target,),
        image_digest=environment.image_digest,
        gpu=None if gpu is None else gpu.name,
    )


def check_rtx_gpu() -> None:
    """Refuse to build by TensorRT-RTX for this machine's GPU, where there is one, and no target for it.

    Raises:
        RuntimeUnavailable: with what to do.
    """
    try:
        gpu = first_gpu()
    except RuntimeUnavailable:
        return
    known = known_targets()
    if gpu.target not in known:
        raise RuntimeUnavailable(
            f"TensorRT-RTX has no target for this machine's GPU, {gpu.name} ({gpu.target}), only "
            f"{', '.join(known)}: use --runtime torch or onnxruntime, or install TensorRT and use "
            "--backend tensorrt"
        )


def backend_in(environment: Prepared) -> BuildBackend:
    """Choose a default compiler: TensorRT if it is the only one installed, else TensorRT-RTX."""
    contents = environment.contents
    has_rtx = contents.tensorrt_rtx is not None or contents.problem is not None
    has_tensorrt = contents.tensorrt is not None or contents.tensorrt_problem is not None
    return "tensorrt" if has_tensorrt and not has_rtx else "tensorrt_rtx"


def _gpu_of(environment: Prepared, version: str, spec: BuildSpec) -> Gpu:
    """TensorRT builds for the GPU that it runs on: a container has those of this machine."""
    if version_numbers(version)[:2] < OLDEST_TENSORRT:
        raise RuntimeUnavailable(
            f"{environment.spec} has TensorRT {version}: 10.8 is the first for Blackwell, use a later tag"
        )
    try:
        gpu = first_gpu()
    except RuntimeUnavailable as error:
        raise RuntimeUnavailable(
            f"{environment.spec} has TensorRT {version}, which builds for the local GPU: {error}"
        ) from error
    check_target(spec.targets, gpu)
    return gpu


def _compiler_here(spec: BuildSpec) -> Compiler:
    backend, python = spec.backend, (sys.executable,)
    if backend == "tensorrt_rtx":
        version = str(import_compiler(backend).__version__)
        return Compiler(backend, python, None, version, known_targets(), None)
    try:
        gpu = first_gpu()
    except RuntimeUnavailable as no_gpu:
        raise RuntimeUnavailable(_missing_here(backend, no_gpu)) from no_gpu
    check_target(spec.targets, gpu)
    version, trtexec = _find_tool(backend)
    return Compiler(backend, python, None, version, (gpu.target,), None, gpu.name, trtexec)


def _find_tool(backend: BuildBackend) -> tuple[str, Trtexec | None]:
    """Version of the TensorRT that is here, and its trtexec where that is to build."""
    if backend == "trtexec":
        trtexec = find_trtexec()
        return trtexec.version, trtexec
    return str(import_compiler(backend).__version__), None


def _missing_here(backend: BuildBackend, no_gpu: RuntimeUnavailable) -> str:
    """What a machine without a GPU lacks to build: the compiler comes first, if that is missing, too."""
    instead = "tensorrt_rtx instead, which compiles without a GPU"
    try:
        version, _ = _find_tool(backend)
    except RuntimeUnavailable as no_tool:
        needed = f"{backend} also needs a GPU to build for: trtbench doctor looks for one"
        return f"{no_tool}; or name {instead}; {needed}"
    return f"{PRODUCTS[backend]} {version} builds for the local GPU: {no_gpu}; or name {instead}"


def _instead(environment: Prepared, backend: BuildBackend) -> str:
    contents = environment.contents
    problem = contents.problem if backend == "tensorrt_rtx" else contents.tensorrt_problem
    if problem is not None:
        return f"it cannot be imported there: {problem}"
    compilers = {"TensorRT-RTX": contents.tensorrt_rtx, "TensorRT": contents.tensorrt}
    there = [f"{name} {version}" for name, version in compilers.items() if version is not None]
    if there:
        return f"there is {there[0]}, another compiler: remove the --backend or --runtime that needs it"
    if contents.onnxruntime is not None:
        return f"there is onnxruntime {contents.onnxruntime}, for --runtime onnxruntime-cpu"
    return "use venv:tensorrt-rtx==VERSION, or install tensorrt-rtx there"

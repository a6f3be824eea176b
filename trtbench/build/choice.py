"""Which compiler builds, and for which GPU, where the request leaves it open."""

from collections.abc import Sequence
from typing import cast

from trtbench.build.compiler import backend_in
from trtbench.build.dialect import check_options, import_compiler
from trtbench.build.targets import known_targets, parse_targets
from trtbench.environments import Prepared
from trtbench.errors import RuntimeUnavailable, SpecError
from trtbench.host.hardware import first_gpu
from trtbench.specs import BuildBackend, BuildRequest, BuildSpec

DEFAULT_TARGETS = ("sm120",)


def default_backend(asked_targets: Sequence[str] = ()) -> BuildBackend:
    """TensorRT where it is installed and has a GPU to build for, and TensorRT-RTX cannot; else TensorRT-RTX.

    TensorRT-RTX cannot where it is not installed, or has no target for that GPU and no target was asked for.
    Where neither can, it is TensorRT-RTX, whose error comes with the way out.
    """
    here = target_of_gpu()
    has_target = bool(asked_targets) or set(here) <= set(known_targets())
    if not here or (has_target and _imports("tensorrt_rtx")):
        return "tensorrt_rtx"
    return "tensorrt" if _imports("tensorrt") else "tensorrt_rtx"


def _imports(backend: str) -> bool:
    try:
        import_compiler(backend)
    except RuntimeUnavailable:
        return False
    return True


def target_of_gpu() -> tuple[str, ...]:
    """The target of this machine's first GPU; none without a GPU."""
    try:
        return (first_gpu().target,)
    except RuntimeUnavailable:
        return ()


def build_spec_for(
    request: BuildRequest,
    runtime: str | None = None,
    environment: Prepared | None = None,
    sparse: bool = False,
) -> BuildSpec:
    """Decide the backend and the targets that a request leaves open; refuse what would fail in every build.

    The backend is the namesake of the runtime, else the compiler of the environment. Targets are sm120 for
    TensorRT-RTX, or the local GPU if a runtime is named; TensorRT and trtexec build for the local GPU alone.
    A compiler without a target for that GPU, or TensorRT without a GPU, gets no targets: ``compiler_of`` then
    gives the reason.

    Args:
        request: what was asked.
        runtime: what is to load the engine, if that was named.
        environment: where it is built; None: here.
        sparse: the recipe has 2:4 sparse weights.

    Raises:
        SpecError: the compiler has no such target or option.
    """
    backend = request.backend or _backend_for(request, runtime, environment)
    targets = request.targets or _targets(backend, runtime)
    return _checked(
        BuildSpec(
            backend=backend,
            targets=targets,
            sparsity=request.sparsity or sparse,
            timeout_s=request.timeout_s,
            memory_limit_bytes=request.memory_limit_bytes,
            options=request.options,
        ),
        environment,
    )


def _backend_for(request: BuildRequest, runtime: str | None, environment: Prepared | None) -> BuildBackend:
    if runtime is not None:
        return cast(BuildBackend, runtime)  # what loads engines and its compiler have one name
    return default_backend(request.targets) if environment is None else backend_in(environment)


def _targets(backend: BuildBackend, runtime: str | None) -> tuple[str, ...]:
    here = target_of_gpu()
    if backend != "tensorrt_rtx":
        return here
    if runtime is None or not here:
        return DEFAULT_TARGETS
    return tuple(target for target in here if target in known_targets())


def _checked(spec: BuildSpec, environment: Prepared | None) -> BuildSpec:
    """Give ``spec`` with its targets in order; a compiler of another environment judges them itself."""
    check_options(spec, None)
    if spec.backend != "tensorrt_rtx" and len(spec.targets) > 1:
        raise SpecError(
            f"target {', '.join(spec.targets)}: {spec.backend} builds for the local GPU only; remove --target"
        )
    if spec.backend == "tensorrt_rtx" and spec.targets and environment is None:
        return spec.model_copy(update={"targets": parse_targets(spec.targets)})
    return spec

"""Which compiler builds where nobody says it, and what is known to fail before any work is done."""

from contextlib import suppress

from trtbench.build.compiler import compiler_of
from trtbench.build.dialect import check_options, import_compiler
from trtbench.build.targets import parse_targets
from trtbench.environment import read_gpus
from trtbench.errors import RuntimeUnavailable, SpecError
from trtbench.specs import BuildBackend, BuildSpec


def default_backend() -> BuildBackend:
    """TensorRT-RTX where it is installed; else TensorRT where that is installed and has a GPU to build for.

    Where neither is, TensorRT-RTX, whose absence comes with the way to get it.
    """
    with suppress(RuntimeUnavailable):
        import_compiler("tensorrt_rtx")
        return "tensorrt_rtx"
    with suppress(RuntimeUnavailable):
        import_compiler("tensorrt")
        read_gpus()
        return "tensorrt"
    return "tensorrt_rtx"


def target_of_gpu() -> tuple[str, ...]:
    """The target of this machine's first GPU; none without a GPU."""
    try:
        return (read_gpus()[0].target,)
    except RuntimeUnavailable:
        return ()


def checked(spec: BuildSpec) -> BuildSpec:
    """Give ``spec`` with its targets in order, and refuse what would fail in every build.

    A compiler or a GPU that is not there is no matter of the request: each build then says so.

    Raises:
        SpecError: this compiler has no such target or option.
    """
    if spec.backend == "tensorrt_rtx":
        spec = spec.model_copy(update={"targets": parse_targets(spec.targets)})
    elif len(spec.targets) > 1:
        raise SpecError(
            f"target {', '.join(spec.targets)}: {spec.backend} builds for the GPU of this machine only: "
            "leave --target out"
        )
    with suppress(RuntimeUnavailable):
        check_options(spec, compiler_of(None, spec).version)
    return spec

"""Which compiler builds where nobody says it, and what is known to fail before any work is done."""

from collections.abc import Iterable, Sequence
from contextlib import suppress

from trtbench.build.compiler import compiler_of
from trtbench.build.dialect import check_options, import_compiler
from trtbench.build.targets import known_targets, parse_targets
from trtbench.errors import RuntimeUnavailable, SpecError
from trtbench.host.hardware import first_gpu
from trtbench.specs import BuildBackend, BuildSpec


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


def checked(spec: BuildSpec) -> BuildSpec:
    """Give ``spec`` with its targets in order, and refuse what would fail in every build.

    A compiler or a GPU that is not there is no matter of the request: each build then says so, which is what
    empty targets stand for.

    Raises:
        SpecError: this compiler has no such target or option.
    """
    check_options(spec, None)
    if spec.backend == "tensorrt_rtx" and spec.targets:
        spec = spec.model_copy(update={"targets": parse_targets(spec.targets)})
    elif len(spec.targets) > 1:
        raise SpecError(
            f"target {', '.join(spec.targets)}: {spec.backend} builds for the GPU of this machine only: "
            "leave --target out"
        )
    with suppress(RuntimeUnavailable):
        check_options(spec, compiler_of(None, spec).version)
    return spec


def check_any_builds(specs: Iterable[BuildSpec]) -> None:
    """Refuse, before any work is done, builds none of which can be done by this machine.

    Raises:
        RuntimeUnavailable: what the first of them lacks.
    """
    problems = [_what_is_missing(spec) for spec in specs]
    missing = [problem for problem in problems if problem is not None]
    if missing and len(missing) == len(problems):
        raise missing[0]


def _what_is_missing(spec: BuildSpec) -> RuntimeUnavailable | None:
    try:
        compiler_of(None, spec)
    except RuntimeUnavailable as error:
        return error
    return None

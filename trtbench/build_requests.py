"""From the options of a command to how engines are built, one spec for each runtime that loads engines."""

from collections.abc import Mapping, Sequence

from trtbench.build.choice import checked, default_backend, target_of_gpu
from trtbench.cli_options import CompilerOptions, given_options
from trtbench.errors import RuntimeUnavailable, SpecError
from trtbench.measure.arms import RUNTIMES_OF, target_here
from trtbench.runtimes import runtime_entry
from trtbench.specs import BuildBackend, BuildSpec
from trtbench.specs_from_options import asked_targets, build_spec

_NAMESAKES: dict[str, BuildBackend] = {
    "tensorrt_rtx": "tensorrt_rtx",
    "tensorrt": "tensorrt",
    "trtexec": "trtexec",
}
"""Who builds for a runtime unless it is said."""


def spec_to_compile(options: CompilerOptions, sparsity: bool = False) -> BuildSpec:
    """How to build where no runtime is named: by the compiler that is here.

    Raises:
        SpecError: an option is out of range, or the compiler has no such target or option.
    """
    backend = options.backend or default_backend()
    targets = None if backend == "tensorrt_rtx" else target_of_gpu()
    return checked(build_spec(options, sparsity, backend, targets))


def specs_for_runtimes(options: CompilerOptions, runtimes: Sequence[str]) -> Mapping[str, BuildSpec]:
    """How to build for each of ``runtimes`` that loads engines; they are for the GPU that is here.

    Raises:
        SpecError: an option is out of range or has no say, a runtime does not load the engines of
            ``--backend``, or a compiler has no such target or option.
    """
    loading = [runtime for runtime in runtimes if runtime_entry(runtime).loads == "engine"]
    if not loading:
        refuse_build_options(options, f"runtime {', '.join(runtimes)}, which loads no engine")
    return {runtime: _spec_for(options, runtime) for runtime in loading}


def specs_by_backend(options: CompilerOptions) -> Mapping[BuildBackend, BuildSpec]:
    """How each compiler builds that an environment may have; only the one that is asked for, if one is.

    Targets that are not asked for are DEFAULT_TARGETS, and for TensorRT the GPU that is here.

    Raises:
        SpecError: an option is out of range.
    """
    either: tuple[BuildBackend, ...] = ("tensorrt_rtx", "tensorrt")
    backends = (options.backend,) if options.backend else either
    return {
        backend: build_spec(
            options, False, backend, None if backend == "tensorrt_rtx" else target_of_gpu() or None
        )
        for backend in backends
    }


def refuse_build_options(options: CompilerOptions, what: str) -> None:
    """Refuse all options of a build, since ``what`` takes none.

    Raises:
        SpecError: one is given.
    """
    given = given_options(options)
    if given:
        raise SpecError(f"{given[0]} has no say in {what}: leave it out")


def _spec_for(options: CompilerOptions, runtime: str) -> BuildSpec:
    backend = options.backend or _NAMESAKES[runtime]
    if runtime not in RUNTIMES_OF[backend]:
        raise SpecError(
            f"--backend {backend}: runtime {runtime} does not load its engines: name "
            f"{' or '.join(RUNTIMES_OF[backend])}"
        )
    return checked(build_spec(options, False, backend, None if asked_targets(options) else _targets(backend)))


def _targets(backend: str) -> tuple[str, ...] | None:
    """The GPU that is here; without one every engine of TensorRT-RTX says so when it is timed."""
    if backend != "tensorrt_rtx":
        return target_of_gpu()
    try:
        return (target_here(),)
    except RuntimeUnavailable:
        return None

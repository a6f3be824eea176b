"""From the options of a command to how engines are built, one spec for each runtime that loads engines."""

from collections.abc import Mapping, Sequence
from typing import cast

from trtbench.build.choice import checked, default_backend, target_of_gpu
from trtbench.build.compiler import check_rtx_gpu
from trtbench.build.targets import known_targets
from trtbench.cli.options import CompilerOptions, given_options
from trtbench.cli.parse import asked_targets, build_spec, parse_profiles
from trtbench.errors import SpecError
from trtbench.measure.arms import RUNTIMES_OF
from trtbench.runtimes import runtime_entry
from trtbench.specs import BuildBackend, BuildSpec


def spec_to_compile(
    options: CompilerOptions, sparsity: bool = False, profiles: Sequence[str] = ()
) -> BuildSpec:
    """How to build where no runtime is named: by the compiler that is here.

    Args:
        options: of the builder.
        sparsity: allow kernels for 2:4 sparse weights.
        profiles: words such as ``x=1x3:8x3:64x3``, an optimization profile each.

    Raises:
        SpecError: an option is out of range, or the compiler has no such target or option.
    """
    backend = options.backend or default_backend(asked_targets(options))
    targets = None if backend == "tensorrt_rtx" else target_of_gpu()
    spec = build_spec(options, sparsity, backend, targets)
    update = {"options": spec.options.model_copy(update={"profiles": parse_profiles(profiles)})}
    return checked(spec.model_copy(update=update))


def specs_for_runtimes(options: CompilerOptions, runtimes: Sequence[str]) -> Mapping[str, BuildSpec]:
    """How to build for each of ``runtimes`` that loads engines; they are for the GPU that is here.

    The spec of a compiler that has nothing for that GPU, or of TensorRT without one, has no targets: each
    build by it fails with the reason.

    Raises:
        RuntimeUnavailable: TensorRT-RTX is the only one to build, and has no target for the GPU that is here.
        SpecError: an option is out of range or has no say, a runtime does not load the engines of
            ``--backend``, or a compiler has no such target or option.
    """
    loading = [runtime for runtime in runtimes if runtime_entry(runtime).loads == "engine"]
    if not loading:
        refuse_build_options(options, f"runtime {', '.join(runtimes)}, which loads no engine")
    specs = {runtime: _spec_for(options, runtime) for runtime in loading}
    hopeless = [spec for spec in specs.values() if spec.backend == "tensorrt_rtx" and not spec.targets]
    if hopeless and len(hopeless) == len(runtimes):
        check_rtx_gpu()
    return specs


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


def refuse_shared_rebuilds(options: CompilerOptions, rebuilds: int) -> None:
    """Refuse builds that shall differ and share what they choose by.

    Raises:
        SpecError: more engines of each model are asked for, and shared timings.
    """
    if rebuilds and options.timing_cache == "shared":
        raise SpecError(
            f"--rebuilds {rebuilds} and --timing-cache shared exclude each other: builds that share timings "
            "choose alike"
        )


def _spec_for(options: CompilerOptions, runtime: str) -> BuildSpec:
    # What loads engines and its compiler have one name.
    backend = options.backend or cast(BuildBackend, runtime)
    if runtime not in RUNTIMES_OF[backend]:
        raise SpecError(
            f"--backend {backend}: runtime {runtime} does not load its engines: name "
            f"{' or '.join(RUNTIMES_OF[backend])}"
        )
    return checked(build_spec(options, False, backend, None if asked_targets(options) else _targets(backend)))


def _targets(backend: BuildBackend) -> tuple[str, ...] | None:
    """The GPU that is here, as far as the compiler has it.

    None without a GPU where that is TensorRT-RTX, whose engines then say so when they are timed.
    """
    here = target_of_gpu()
    if backend != "tensorrt_rtx":
        return here
    return tuple(target for target in here if target in known_targets()) if here else None

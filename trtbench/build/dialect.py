"""What differs between TensorRT-RTX, TensorRT 10 and TensorRT 11, in one place: the builder's settings.

Pure functions from a ``BuildSpec`` and a version to the job of ``child.py``. Names and values of the API are
those of the bindings, 10.8 to 11.4 and TensorRT-RTX 1.5 to 1.7 (``tests/data/tensorrt-api``).
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from trtbench.build.child import BuildJob, Ranges
from trtbench.build.profiles import profile_word
from trtbench.build.targets import import_tensorrt_rtx
from trtbench.errors import SpecError
from trtbench.host.installation import needing, tensorrt_remedy
from trtbench.results.environments import Gpu
from trtbench.specs import BuilderOptions, BuildSpec, ShapeRange
from trtbench.specs.build import BuildPaths

PRODUCTS = {"tensorrt_rtx": "TensorRT-RTX", "tensorrt": "TensorRT", "trtexec": "TensorRT"}
"""What people call the compiler behind a backend."""

OLDEST_TENSORRT = (10, 8)
"""The first for Blackwell GPUs, and the first with FP4."""

_FIRST_WITH_SAME_COMPUTE_CAPABILITY = (10, 9)


def import_compiler(backend: str) -> Any:
    """Return the module that builds for ``tensorrt_rtx`` or ``tensorrt``.

    Raises:
        RuntimeUnavailable: it is not installed, or its libraries do not load.
    """
    if backend == "tensorrt_rtx":
        return import_tensorrt_rtx()
    with needing("TensorRT", remedy=tensorrt_remedy):
        return import_module("tensorrt")


def build_job(spec: BuildSpec, version: str, paths: BuildPaths) -> BuildJob:
    """Derive the child's instructions from ``spec`` for the module of that ``version`` (``10.14.1.48``).

    Raises:
        SpecError: this compiler has no such option.
    """
    check_options(spec, version)
    options, is_rtx = spec.options, spec.backend == "tensorrt_rtx"
    return BuildJob(
        onnx_path=str(paths.onnx),
        engine_path=str(paths.engine.absolute()),
        log_path=str(paths.log.absolute()),
        # TensorRT builds for the local GPU, and for no other.
        targets=spec.targets if is_rtx else (),
        sparsity=spec.sparsity,
        module=spec.backend,
        network_flags=_network_flags(spec.backend, version),
        flags=_builder_flags(spec.backend, options),
        settings=_settings(options),
        workspace_bytes=options.workspace_bytes,
        profiles=tuple(_ranges(profile) for profile in options.profiles),
        timing_cache_path=str(paths.timing_cache.absolute()) if options.timing_cache == "shared" else None,
        # TensorRT-RTX lists its layers in the log, which takes no GPU.
        inspector_path=None if is_rtx else str(paths.inspector.absolute()),
        # As trtexec does, so that a model finds the same operators either way.
        plugins=not is_rtx,
    )


def check_options(spec: BuildSpec, version: str | None) -> None:
    """Refuse what the compiler of this version would ignore or does not know; None: what none of them knows.

    Raises:
        SpecError: an option would be ignored, or is unknown.
    """
    options = spec.options
    _check_profiles(options)
    if spec.backend == "tensorrt_rtx":
        _check_options_of_rtx(options)
        return
    if options.tactic_table and options.timing_cache == "off":
        raise SpecError("--tactic-table needs the timing cache: remove --timing-cache off")
    if options.tactic_table and spec.backend == "trtexec":
        raise SpecError("trtexec has no flag for --tactic-table: use --backend tensorrt")
    if version is not None:
        _check_options_of_version(options, version)


def _check_options_of_rtx(options: BuilderOptions) -> None:
    """What its API has and it does not do.

    Seen in 1.5 to 1.7: every optimisation and tiling level gives the same bytes, for products, convolutions
    and ViTs in FP16, FP8 and NVFP4, on sm120 and most on sm89, although the logs describe what each does.
    """
    if options.timing_cache != "private" or options.tactic_table:
        option = "--tactic-table" if options.tactic_table else f"--timing-cache {options.timing_cache}"
        raise SpecError(
            f"{option}: TensorRT-RTX times no tactics at build time, so it keeps no timings and no table"
        )
    if options.hardware_compatibility != "none":
        raise SpecError(
            f"--hardware-compatibility {options.hardware_compatibility}: TensorRT-RTX ignores it: name every "
            "GPU by --target"
        )
    if options.version_compatible:
        raise SpecError("--version-compatible: TensorRT-RTX comes without the lean runtime that this needs")
    levels = {"--optimization-level": options.optimization_level, "--tiling": options.tiling}
    for option, level in levels.items():
        if level is not None:
            raise SpecError(f"{option} {level}: TensorRT-RTX makes the same engine at every level: remove it")


def _check_options_of_version(options: BuilderOptions, version: str) -> None:
    numbers = version_numbers(version)[:2]
    if numbers < OLDEST_TENSORRT:
        raise SpecError(f"TensorRT {version} is too old: 10.8 is the first for Blackwell")
    level = options.hardware_compatibility
    if level == "same_compute_capability" and numbers < _FIRST_WITH_SAME_COMPUTE_CAPABILITY:
        raise SpecError(
            f"--hardware-compatibility {level}: TensorRT {version} has ampere_plus only: {level} came with "
            "10.9"
        )


def check_target(targets: Sequence[str], gpu: Gpu) -> None:
    """Refuse other targets than the local GPU, the only one that TensorRT and trtexec build for.

    Raises:
        SpecError: another one is asked for.
    """
    if tuple(targets) != (gpu.target,):
        raise SpecError(
            f"target {', '.join(targets)}: TensorRT builds for the local GPU, {gpu.name} ({gpu.target}): "
            "remove --target, or use --backend tensorrt_rtx, which needs no GPU to compile for"
        )


def version_numbers(version: str) -> tuple[int, ...]:
    """Read ``10.14.1.48.post1`` as numbers, as far as it has them.

    Raises:
        SpecError: it is not a version.
    """
    numbers = []
    for part in version.split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    if len(numbers) < 2:
        raise SpecError(f"version {version!r} of TensorRT cannot be read: expected one such as 10.14.1")
    return tuple(numbers)


def _check_profiles(options: BuilderOptions) -> None:
    for profile in options.profiles:
        for entry in profile:
            sides = [len(shape) for shape in (entry.min_shape, entry.opt_shape, entry.max_shape)]
            if len(set(sides)) > 1:
                raise SpecError(
                    f"--profile {profile_word(profile)}: MIN, OPT and MAX of {entry.input} have {sides[0]}, "
                    f"{sides[1]} and {sides[2]} dimensions: give all the same number"
                )
            if not _rises(entry):
                raise SpecError(
                    f"--profile {profile_word(profile)}: no dimension of {entry.input} may fall from MIN to "
                    "OPT, or from OPT to MAX"
                )


def _rises(entry: ShapeRange) -> bool:
    sides = zip(entry.min_shape, entry.opt_shape, entry.max_shape, strict=True)
    return all(least <= best <= most for least, best, most in sides)


def _network_flags(backend: str, version: str) -> tuple[str, ...]:
    """TensorRT 10 infers precisions by default; 11 and TensorRT-RTX are always strongly typed."""
    is_weakly_typed = backend == "tensorrt" and version_numbers(version)[0] < 11
    return ("STRONGLY_TYPED",) if is_weakly_typed else ()


def _builder_flags(backend: str, options: BuilderOptions) -> tuple[str, ...]:
    flags = []
    # The cache of TensorRT-RTX does nothing since 1.2, and some versions look for a GPU to fill it.
    if backend == "tensorrt_rtx" or options.timing_cache == "off":
        flags.append("DISABLE_TIMING_CACHE")
    if options.tactic_table:
        # Makes the verbose log list the tactics (samples/sampleEditableTimingCache/README.md of TensorRT).
        flags.append("EDITABLE_TIMING_CACHE")
    if options.version_compatible:
        flags.append("VERSION_COMPATIBLE")
    return tuple(flags)


def _settings(options: BuilderOptions) -> dict[str, int | str]:
    settings: dict[str, int | str] = {}
    if options.optimization_level is not None:
        settings["builder_optimization_level"] = options.optimization_level
    if options.max_aux_streams is not None:
        settings["max_aux_streams"] = options.max_aux_streams
    if options.tiling is not None:
        settings["tiling_optimization_level"] = f"TilingOptimizationLevel.{options.tiling.upper()}"
    if options.hardware_compatibility != "none":
        level = options.hardware_compatibility.upper()
        settings["hardware_compatibility_level"] = f"HardwareCompatibilityLevel.{level}"
    return settings


def _ranges(profile: tuple[ShapeRange, ...]) -> Ranges:
    return {entry.input: (entry.min_shape, entry.opt_shape, entry.max_shape) for entry in profile}

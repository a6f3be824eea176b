"""The arguments with which the installed version of trtexec times an engine.

Between 10.16 and 11.0 defaults turned round: CUDA graph and spin wait came on, data transfers went off, layer
times are always taken in a run of their own. What had been a flag became a deprecated one without effect,
and its opposite a new one (``samples/common/sampleOptions.cpp`` of TensorRT, v10.14 to v11.1). In 10
everything is said that is not its default; in 11 only what is off, since only deprecated flags say that it is
on. Whatever the version, ``measure.py`` compares the options that trtexec reports with those requested.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trtbench.errors import SpecError
from trtbench.specs import BenchSpec, BuilderOptions
from trtbench.specs.build import BuildPaths, BuildSpec, ShapeRange
from trtbench.trtexec.tool import Trtexec

_LEAST_QUERIES = 10  # trtexec's own default
_DEFAULT_OPTIONS = BuilderOptions()


@dataclass(frozen=True)
class Exports:
    """Files that a timing run writes: times of every query, and of every layer in a run after it."""

    times: Path
    profile: Path | None = None


def bench_command(
    trtexec: Trtexec,
    spec: BenchSpec,
    engine: Path,
    exports: Exports,
    options: BuilderOptions = _DEFAULT_OPTIONS,
) -> tuple[str, ...]:
    """Time an engine for ``spec.duration_s`` after ``spec.warmup_ms``, without copies of inputs and outputs.

    Args:
        trtexec: decides what has to be said.
        spec: of its protocol trtexec knows the CUDA graph, the warm-up and the duration.
        engine: to load.
        exports: files to write.
        options: how the engine was built. A version-compatible one has code for the host in it, and is loaded
            only if that is said (``samples/common/sampleEngines.cpp``). One with optimization profiles is
            timed at the best shape of the first: without it, trtexec takes 1 for every dynamic side.

    Raises:
        SpecError: trtexec cannot do what the spec asks for.
    """
    check_protocol(spec)
    return (
        str(trtexec.path),
        f"--loadEngine={engine}",
        *(("--versionCompatible",) if options.version_compatible else ()),
        *_shapes(options),
        f"--warmUp={number(spec.warmup_ms)}",
        f"--duration={number(spec.duration_s)}",
        f"--iterations={_LEAST_QUERIES}",
        "--infStreams=1",
        *_protocol(trtexec.major, spec.cuda_graph),
        f"--exportTimes={exports.times}",
        *((f"--exportProfile={exports.profile}",) if exports.profile is not None else ()),
    )


def check_protocol(spec: BenchSpec) -> None:
    """Refuse what trtexec cannot do.

    Raises:
        SpecError: the spec asks for it.
    """
    if spec.l2 != "warm" or spec.regime != "sustained":
        asked = f"l2 {spec.l2}" if spec.l2 != "warm" else f"regime {spec.regime}"
        raise SpecError(
            f"{asked}: runtime trtexec repeats queries at once on the same buffers: remove it, or use "
            "--runtime tensorrt"
        )
    if spec.inputs:
        raise SpecError(
            f"--input {spec.inputs[0].input}: runtime trtexec makes its own inputs: remove it, or use "
            "--runtime tensorrt"
        )


def _shapes(options: BuilderOptions) -> tuple[str, ...]:
    if not options.profiles:
        return ()
    return (f"--shapes={shape_arguments((e.input, e.opt_shape) for e in options.profiles[0])}",)


def _protocol(major: int, cuda_graph: bool) -> tuple[str, ...]:
    """CUDA graph, no data transfers, spin wait, and layer times apart from the others."""
    if major < 11:
        graph = ("--useCudaGraph",) if cuda_graph else ()
        return (*graph, "--noDataTransfers", "--useSpinWait", "--separateProfileRun")
    return () if cuda_graph else ("--noCudaGraph",)


_MIB = 2**20


_HARDWARE = {"none": "none", "ampere_plus": "ampere+", "same_compute_capability": "sameComputeCapability"}


_TILING = {"none": 0, "fast": 1, "moderate": 2, "full": 3}  # TilingOptimizationLevel


_SEPARATORS = "':,"


def build_command(trtexec: Trtexec, spec: BuildSpec, paths: BuildPaths) -> tuple[str, ...]:
    """Build an engine and time nothing; the layers go to ``paths.inspector``.

    Raises:
        SpecError: trtexec has no such option, or an input has a name that its syntax cannot hold.
    """
    options = spec.options
    return (
        str(trtexec.path),
        f"--onnx={paths.onnx}",
        f"--saveEngine={paths.engine}",
        "--skipInference",
        *(("--stronglyTyped",) if trtexec.major < 11 else ()),
        "--noTF32",
        f"--sparsity={'enable' if spec.sparsity else 'disable'}",
        "--profilingVerbosity=detailed",
        "--verbose",
        f"--exportLayerInfo={paths.inspector}",
        f"--hardwareCompatibilityLevel={_HARDWARE[options.hardware_compatibility]}",
        *_timing_cache(options, paths),
        *_build_choices(options),
        *_profiles(options.profiles),
    )


def shape_argument(name: str, shape: Sequence[int]) -> str:
    """Write ``images:8x3x224x224``; a scalar is ``x:scalar``.

    Raises:
        SpecError: the name holds what separates names and shapes.
    """
    if any(separator in name for separator in _SEPARATORS):
        raise SpecError(
            f"input {name!r}: trtexec has no way to pass a name with one of {_SEPARATORS}; rename the input"
        )
    return f"{name}:{'x'.join(map(str, shape)) or 'scalar'}"


def shape_arguments(shapes: Iterable[tuple[str, Sequence[int]]]) -> str:
    """Write shapes by name, ``images:8x3x224x224,mask:8x197``."""
    return ",".join(shape_argument(name, shape) for name, shape in shapes)


def number(value: float) -> str:
    """Write 500.0 as 500; trtexec reads both."""
    return str(int(value)) if value == int(value) else repr(value)


def _timing_cache(options: BuilderOptions, paths: BuildPaths) -> tuple[str, ...]:
    if options.timing_cache == "off":
        return ("--noBuilderCache",)
    return (f"--timingCacheFile={paths.timing_cache}",) if options.timing_cache == "shared" else ()


def _build_choices(options: BuilderOptions) -> tuple[str, ...]:
    flags = []
    if options.workspace_bytes is not None:
        flags.append(f"--memPoolSize=workspace:{number(options.workspace_bytes / _MIB)}")
    if options.optimization_level is not None:
        flags.append(f"--builderOptimizationLevel={options.optimization_level}")
    if options.tiling is not None:
        flags.append(f"--tilingOptimizationLevel={_TILING[options.tiling]}")
    if options.max_aux_streams is not None:
        flags.append(f"--maxAuxStreams={options.max_aux_streams}")
    if options.version_compatible:
        flags.append("--versionCompatible")
    return tuple(flags)


def _profiles(profiles: Sequence[Sequence[ShapeRange]]) -> tuple[str, ...]:
    flags = []
    for index, profile in enumerate(profiles):
        if len(profiles) > 1:
            flags.append(f"--profile={index}")
        for flag, shapes in (
            ("minShapes", [(entry.input, entry.min_shape) for entry in profile]),
            ("optShapes", [(entry.input, entry.opt_shape) for entry in profile]),
            ("maxShapes", [(entry.input, entry.max_shape) for entry in profile]),
        ):
            flags.append(f"--{flag}={shape_arguments(shapes)}")
    return tuple(flags)

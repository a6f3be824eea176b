"""The arguments of trtexec that times an engine, for the version at hand.

Between 10.16 and 11.0 defaults turned round: CUDA graph and spin wait came on, data transfers went off, layer
times are always taken in a run of their own. What had been a flag became a deprecated one without effect,
and its opposite a new one (``samples/common/sampleOptions.cpp`` of TensorRT, v10.14 to v11.1). In 10
everything is said that is not its default; in 11 only what is off, since only deprecated flags say that it is
on. Whatever the version, ``measure.py`` compares what trtexec tells of its options with what was asked for.
"""

from dataclasses import dataclass
from pathlib import Path

from trtbench.build.trtexec import Trtexec, number, shape_arguments
from trtbench.errors import SpecError
from trtbench.specs import BenchSpec, BuilderOptions

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
            f"{asked}: runtime trtexec repeats queries at once on the same buffers: leave it out, or time in "
            "runtime tensorrt"
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

"""Arguments by name and type, and how a wrong one is refused. A missing one has the default of its spec."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from os import PathLike
from typing import TYPE_CHECKING, TypeAlias, TypedDict, TypeVar

from pydantic import ValidationError

from trtbench.errors import SpecError
from trtbench.specs import (
    BuildBackend,
    BuildRequest,
    CalibrationSpec,
    HardwareCompatibility,
    InputsSpec,
    Interpolation,
    L2Mode,
    ModelSpec,
    Regime,
    Scalar,
    SparsityMethod,
    Spec,
    TilingLevel,
    TimingCacheMode,
)

if TYPE_CHECKING:
    from torch import nn

S = TypeVar("S", bound=Spec)
AnyPath = str | PathLike[str]
AnyModel: TypeAlias = "str | PathLike[str] | nn.Module"
"""A timm name, a ``.yaml`` file, or a model that timm made."""

_ARGUMENTS: dict[tuple[type[Spec], str], str] = {
    (ModelSpec, "name"): "model",
    (CalibrationSpec, "samples"): "calib_samples",
    (InputsSpec, "samples"): "data_samples",
    (BuildRequest, "targets"): "target",
}
"""Arguments with another name than the field that they fill."""


class ArgumentError(SpecError):
    """An argument is wrong.

    Args:
        argument: its name in Python, such as ``calib_samples``.
        problem: the value and what is wrong with it: ``0: Input should be greater than 0``.
    """

    def __init__(self, argument: str, problem: str) -> None:
        super().__init__(f"{argument} {problem}")
        self.argument = argument
        self.problem = problem


def checked_spec(spec_type: type[S], values: Mapping[str, object] | None = None, /, **fields: object) -> S:
    """Make a spec of ``fields`` and, where these lack one, of the value with its name.

    Raises:
        ArgumentError: a value is wrong.
    """
    same = {name: value for name, value in (values or {}).items() if name in spec_type.model_fields}
    try:
        return spec_type(**{**same, **fields})
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        argument = _ARGUMENTS.get((spec_type, field), field)
        problem = first["msg"].removeprefix("Value error, ")
        raise ArgumentError(argument, f"{first['input']}: {problem}") from error


def check_names(given: Iterable[str], known: Collection[str]) -> None:
    """Refuse the first name that is no argument, as type checkers do before.

    Raises:
        ArgumentError: there is one.
    """
    for name in given:
        if name not in known:
            similar = get_close_matches(name, known, n=1) or sorted(known)
            raise ArgumentError(name, f"is not an argument here: did you mean {', '.join(similar)}?")


class ModelArguments(TypedDict, total=False):
    """Which weights a model has, and what its quantizers are calibrated on.

    Args:
        overrides: arguments of timm's constructor, such as ``{"depth": 2}``.
        checkpoint: weights: safetensors, a torch state dict (never unpickled), .npz or a folder.
        pretrained: download timm's weights; default: random weights.
        seed: of random weights, synthetic images, the choice of images, and the inputs that are timed.
        sparsity_method: how ``+sparse`` recipes prune to 2:4.
        calib: folder of calibration images; default: synthetic images.
        calib_samples: number of calibration images.
        token_reduction: drop or merge tokens: ``evit:keep=0.5,at=3+6+9`` or ``tome:r=8``; default: keep all.
        features: numbers of the blocks whose tokens are the outputs, in place of the model's own.
        passes: passes of the export; default: all that the recipe takes.
        mean: of pixels from 0 to 1, one number or one for each channel; default: timm's, as of the next.
        std: standard deviation, as ``mean``.
        crop_pct: part of a side of an image that is kept.
        interpolation: of resizing.
    """

    overrides: Mapping[str, Scalar]
    checkpoint: AnyPath | None
    pretrained: bool
    seed: int
    sparsity_method: SparsityMethod
    calib: AnyPath | None
    calib_samples: int
    token_reduction: str | None
    features: Sequence[int] | None
    passes: Sequence[str] | None
    mean: Sequence[float] | None
    std: Sequence[float] | None
    crop_pct: float | None
    interpolation: Interpolation | None


class CompilerArguments(TypedDict, total=False):
    """Which compiler builds engines, and how.

    Args:
        backend: default: the one for the runtime, else what works here.
        timing_cache: tactic timings: discarded, kept within a build, or shared by builds.
        tactic_table: log every timed tactic.
        workspace_mib: workspace limit in MiB; default: none.
        optimization_level: of the builder, 0 to 5; default: TensorRT's, 3.
        tiling: effort to find tilings that fit the L2 cache.
        hardware_compatibility: other GPUs that can load the engine.
        version_compatible: later TensorRT versions can load the engine.
        max_aux_streams: limit on auxiliary streams.
        timeout_s: stop a build after this many seconds.
        memory_limit_gb: stop a build above this resident memory, in 1e9 bytes.
    """

    backend: BuildBackend | None
    timing_cache: TimingCacheMode
    tactic_table: bool
    workspace_mib: int | None
    optimization_level: int | None
    tiling: TilingLevel | None
    hardware_compatibility: HardwareCompatibility
    version_compatible: bool
    max_aux_streams: int | None
    timeout_s: float
    memory_limit_gb: float | None


class BuildArguments(CompilerArguments, total=False):
    """How engines are built, and for which GPUs.

    Args:
        target: compute capabilities to compile for, such as ``sm120``.
    """

    target: str | Sequence[str]


class TimingArguments(TypedDict, total=False):
    """How arms are timed; docs/explanation/measuring.md has the protocol.

    Args:
        duration_s: time budget per arm in seconds; stops early once precise enough.
        processes: fresh processes per arm.
        block_ms: length of a block; blocks of all arms take turns.
        warmup_ms: minimum warm-up per process.
        target_half_width: stop early at this half width of the interval, relative to the median.
        l2: the L2 cache before a query: left as it is, overwritten, or rotated buffers.
        regime: blocks back to back, or each after a rest.
        cuda_graph: time a CUDA graph where the runtime can; else enqueue every query.
        rebuilds: build this many more engines of each model, and time all.
        input: values of inputs that take no images, ``NAME=FILE.npy`` or ``NAME=LOW:HIGH`` each.
        exclusive: refuse to start while another process uses the GPU.
        trust: load engines that you did not build; an engine can run any code.
    """

    duration_s: float
    processes: int
    block_ms: float
    warmup_ms: float
    target_half_width: float
    l2: L2Mode
    regime: Regime
    cuda_graph: bool
    rebuilds: int
    input: str | Sequence[str]
    exclusive: bool
    trust: bool


class PredictionArguments(TypedDict, total=False):
    """Where times are predicted.

    Args:
        gpu: a name that ``gpus()`` lists; default: the local GPU if it is listed, else one with published
            kernel times.
        clock_mhz: SM clock to predict at; default: the one that ``gpus()`` lists.
    """

    gpu: str | None
    clock_mhz: float | None


class BenchArguments(ModelArguments, CompilerArguments, TimingArguments, total=False):
    """All that ``bench`` takes, by name."""


class CompareArguments(ModelArguments, BuildArguments, TimingArguments, PredictionArguments, total=False):
    """All that ``compare`` takes, by name."""


class ExplainArguments(ModelArguments, BuildArguments, total=False):
    """All that ``explain`` takes, by name."""


class PackArguments(ModelArguments, BuildArguments, total=False):
    """All that ``pack`` takes, by name."""


class PredictArguments(ModelArguments, BuildArguments, PredictionArguments, total=False):
    """All that ``predict`` takes, by name."""


class TraceArguments(ModelArguments, CompilerArguments, total=False):
    """What decides which kernels run when ``trace`` records.

    Args:
        cuda_graph: run a CUDA graph where the runtime can; else enqueue every query.
        trust: load engines that you did not build; an engine can run any code.
    """

    cuda_graph: bool
    trust: bool


class TuneArguments(ModelArguments, CompilerArguments, total=False):
    """All that ``tune`` takes, by name."""

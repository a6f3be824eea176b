"""Options that several commands share. Defaults and choices are those of the specs that the options fill."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

from typer import Argument, Option

from trtbench.cli.path_names import checked_names, writable_file, writable_page
from trtbench.errors import SpecError
from trtbench.specs import (
    BenchSpec,
    BuildBackend,
    BuilderOptions,
    BuildRequest,
    CalibrationSpec,
    ExportSpec,
    Grid,
    HardwareCompatibility,
    Interpolation,
    L2Mode,
    ModelSpec,
    Regime,
    SparsityMethod,
    TilingLevel,
    TimingCacheMode,
)

_MODEL, _CALIBRATION, _BENCH = ModelSpec(), CalibrationSpec(), BenchSpec()
_GRID = Grid()
_BUILD, _BUILDER = BuildRequest(), BuilderOptions()
_MODEL_HELP = (
    "timm Vision Transformer, sizes such as vit16x12x768, a file such as models/*.yaml or model.onnx, a "
    "folder of Hugging Face's, or package.module:function."
)
_BATCH: int = ExportSpec.model_fields["batch"].default

GpuOption = Annotated[str, Option(help="Where the engines would run; trtbench gpus lists the names.")]
ShapeOption = Annotated[
    list[str] | None,
    Option(
        "--shape",
        metavar="NAME=SHAPE",
        help="Shape of a dynamic input, such as x=8x3x224x224; repeatable; default: the profile's optimum.",
    ),
]
SET = Option("--set", metavar="NAME=VALUE", help="Constructor argument, such as depth=2; repeatable.")


@dataclass(frozen=True)
class PreparationOptions:
    """How images are prepared."""

    PANEL: ClassVar = "Preparation of images"

    mean: Annotated[
        str | None,
        Option(metavar="N[,N...]", help="Mean of pixels from 0 to 1, one or one a channel; default: timm's."),
    ] = None
    std: Annotated[
        str | None, Option(metavar="N[,N...]", help="Standard deviation, as --mean; default: timm's.")
    ] = None
    crop_pct: Annotated[float | None, Option(help="Part of a side that is kept; default: timm's.")] = None
    interpolation: Annotated[Interpolation | None, Option(help="Of resizing; default: timm's.")] = None


@dataclass(frozen=True)
class ModelOptions(PreparationOptions):
    """Which model, with which weights, calibrated on what: all but the shape."""

    PANEL: ClassVar = "Model"

    model: Annotated[str, Option(help=_MODEL_HELP)] = _MODEL.name
    overrides: Annotated[list[str], SET] = field(default_factory=list)
    checkpoint: Annotated[
        Path | None,
        Option(
            help="Weights: safetensors, a torch state dict (never unpickled), .npz or a folder.",
            callback=checked_names,
        ),
    ] = None
    pretrained: Annotated[
        bool, Option("--pretrained", help="Download timm's weights; default: random weights.")
    ] = False
    seed: Annotated[
        int, Option(help="Random seed for weights, synthetic images and the choice of images.")
    ] = _MODEL.seed
    sparsity_method: Annotated[SparsityMethod, Option(help="How +sparse recipes prune to 2:4.")] = (
        "sparse_magnitude"
    )
    calib: Annotated[
        Path | None,
        Option(help="Folder of calibration images; default: synthetic images.", callback=checked_names),
    ] = None
    calib_samples: Annotated[int, Option(help="Number of calibration images.")] = _CALIBRATION.samples
    token_reduction: Annotated[
        str | None,
        Option(
            metavar="METHOD:ARGUMENTS",
            help="Drop or merge tokens: evit:keep=0.5,at=3+6+9 or tome:r=8; default: keep all.",
        ),
    ] = None
    features: Annotated[
        str | None,
        Option(
            metavar="BLOCK[+BLOCK...]",
            help="Output the tokens behind these blocks, such as 3+6+9; the first is 0. Default: logits.",
        ),
    ] = None
    passes: Annotated[
        str | None,
        Option(help="Comma-separated passes, or none; default: all. trtbench passes lists them."),
    ] = None


_IMG_SIZE = "Image side in pixels, or HEIGHTxWIDTH; default: the model's."


@dataclass(frozen=True)
class ShapeOptions:
    """The only shape."""

    PANEL: ClassVar = "Shape"

    batch: Annotated[
        str,
        Option(metavar="N|MIN:OPT:MAX", help="Batch of the ONNX model and the engine; a range is dynamic."),
    ] = str(_BATCH)
    img_size: Annotated[str | None, Option(metavar="N|HxW", help=_IMG_SIZE)] = None


@dataclass(frozen=True)
class ShapesOptions:
    """One shape, or all combinations of several batches and image sizes."""

    PANEL: ClassVar = "Shape"

    batch: Annotated[
        str,
        Option(
            metavar="N[,N...]|MIN:OPT:MAX",
            help="Batch; several give a row each, as does each of a range, in which one engine is dynamic.",
        ),
    ] = str(_BATCH)
    img_size: Annotated[str | None, Option(metavar="N|HxW[,...]", help=_IMG_SIZE)] = None


@dataclass(frozen=True)
class CompilerOptions:
    """Which compiler builds engines, and how; an option that the compiler lacks is refused."""

    PANEL: ClassVar = "Compiler"

    backend: Annotated[
        BuildBackend | None,
        Option(
            help="Compiler backend; tensorrt and trtexec build for the local GPU only. Default: the one for "
            "--runtime, else TensorRT-RTX, or TensorRT where TensorRT-RTX is missing or lacks the local GPU."
        ),
    ] = None
    timing_cache: Annotated[
        TimingCacheMode, Option(help="Tactic timings: discarded, kept within a build, or shared by builds.")
    ] = _BUILDER.timing_cache
    tactic_table: Annotated[bool, Option("--tactic-table", help="Log every timed tactic.")] = False
    workspace_mib: Annotated[int | None, Option(help="Workspace limit in MiB; default: none.")] = None
    optimization_level: Annotated[
        int | None, Option(help="Builder optimization level, 0-5; default: TensorRT's, 3.")
    ] = None
    tiling: Annotated[
        TilingLevel | None,
        Option(help="Effort to find tilings that fit the L2 cache; default: TensorRT's."),
    ] = None
    hardware_compatibility: Annotated[HardwareCompatibility, Option(help="Hardware compatibility level.")] = (
        _BUILDER.hardware_compatibility
    )
    version_compatible: Annotated[
        bool, Option("--version-compatible", help="Build an engine that later TensorRT versions can load.")
    ] = False
    max_aux_streams: Annotated[
        int | None, Option(help="Limit on auxiliary streams; default: TensorRT's.")
    ] = None
    timeout_s: Annotated[float, Option(help="Stop a build after this many seconds.")] = _BUILD.timeout_s
    memory_limit_gb: Annotated[float | None, Option(help="Stop a build above this resident memory.")] = None


@dataclass(frozen=True)
class BuildOptions(CompilerOptions):
    """How engines are built, and for which GPUs."""

    target: Annotated[
        list[str],
        Option(
            help="Compute capability to compile for; repeatable or comma-separated. Default: sm120; with "
            "--runtime, and with backends tensorrt and trtexec, that of the local GPU."
        ),
    ] = field(default_factory=list)


@dataclass(frozen=True)
class TimingOptions:
    """How arms are timed; docs/explanation/measuring.md has the rest of the protocol."""

    PANEL: ClassVar = "Timing"

    duration_s: Annotated[float, Option(help="Time budget per arm; stops early once precise enough.")] = (
        _BENCH.duration_s
    )
    processes: Annotated[int, Option(help="Fresh processes per arm.")] = _BENCH.processes
    block_ms: Annotated[float, Option(help="Length of a block; blocks of all arms take turns.")] = (
        _BENCH.block_ms
    )
    warmup_ms: Annotated[float, Option(help="Minimum warm-up per process.")] = _BENCH.warmup_ms
    target_half_width: Annotated[
        float, Option(help="Stop early at this half width of the interval, relative to the median.")
    ] = _BENCH.target_half_width
    l2: Annotated[
        L2Mode, Option(help="L2 cache before a query: left as it is, overwritten, or rotated buffers.")
    ] = _BENCH.l2
    regime: Annotated[Regime, Option(help="Blocks back to back, or each after a rest.")] = _BENCH.regime
    no_graph: Annotated[bool, Option("--no-graph", help="Enqueue every query; no CUDA graph.")] = False
    rebuilds: Annotated[int, Option(help="Build this many more engines of each model, and time all.")] = 0
    input: Annotated[
        list[str],
        Option(
            metavar="NAME=FILE|LOW:HIGH",
            help="Values of an input that takes no images: a .npy file, or a range to draw from; repeatable.",
        ),
    ] = field(default_factory=list)
    exclusive: Annotated[
        bool, Option("--exclusive", help="Refuse to start while another process uses the GPU.")
    ] = False
    trust: Annotated[
        bool,
        Option("--trust", help="Load engines that you did not build; an engine can run any code."),
    ] = False


@dataclass(frozen=True)
class ClockOptions:
    """The clock of the GPU that times are predicted on."""

    PANEL: ClassVar = "Prediction"

    clock_mhz: Annotated[
        float | None, Option(help="SM clock to predict at; default: the one that trtbench gpus lists.")
    ] = None


@dataclass(frozen=True)
class PredictionOptions(ClockOptions):
    """Which GPU times are predicted on."""

    PANEL: ClassVar = "Prediction"

    gpu: Annotated[
        str | None,
        Option(
            help="GPU to predict times on; trtbench gpus lists the names. Default: the local GPU if it is "
            "listed, else one with published kernel times: for sm120 rtx-pro-6000-se."
        ),
    ] = None


@dataclass(frozen=True)
class DataOptions:
    """Which images errors are measured on."""

    PANEL: ClassVar = "Images"

    data: Annotated[
        Path | None,
        Option(
            help="Folder with one folder of images per class, as ImageNet, to measure errors on; default: "
            "images of --calib, else synthetic ones.",
            callback=checked_names,
        ),
    ] = None
    data_samples: Annotated[int, Option(help="Number of images to measure errors on.")] = _GRID.inputs.samples


@dataclass(frozen=True)
class GridOptions(TimingOptions, CompilerOptions, ShapesOptions, ModelOptions):
    """All that ``bench`` and ``compare`` share."""


@dataclass(frozen=True)
class CompareOptions(PredictionOptions, DataOptions, BuildOptions, GridOptions):
    """All that ``compare`` has beyond ``bench``: ``--target``, ``--data``, ``--gpu`` and their like."""

    runtime: Annotated[
        list[str],
        Option(help="Time every recipe in this runtime; repeatable: recipes x runtimes."),
    ] = field(default_factory=list)
    env: Annotated[
        list[str],
        Option(
            help="Build and time in this environment: local, venv:tensorrt-rtx==VERSION, "
            "venv:onnxruntime==VERSION or docker:IMAGE; repeatable."
        ),
    ] = field(default_factory=list)


@dataclass(frozen=True)
class GateOptions:
    """What a comparison is judged by, for a job that is to fail."""

    PANEL: ClassVar = "Gate"

    baseline: Annotated[
        Path | None,
        Option(
            metavar="FILE",
            help="Stored comparison to show changes against, such as an --export-json file; --fail-on slower "
            "is judged against it.",
            callback=checked_names,
        ),
    ] = None
    fail_on: Annotated[
        list[str],
        Option(
            metavar="CONDITION",
            help="Exit with 1 if a row has a finding with this code, such as GEMM_FELL_BACK, any warning, "
            "sqnr<DB or top1-drop>POINTS, and with 3 if it is slower than the baseline; with --baseline also "
            "less-coverage and more-kernels; repeatable.",
        ),
    ] = field(default_factory=list)


@dataclass(frozen=True)
class BreakEvenOptions(PredictionOptions, BuildOptions, GridOptions):
    """What ``break-even`` shares with ``compare``."""

    runtime: Annotated[
        list[str],
        Option(help="Time both models in this runtime, on the local GPU; repeatable. Default: predict."),
    ] = field(default_factory=list)


@dataclass(frozen=True)
class PredictedBuildOptions(BuildOptions):
    """How engines are built that are predicted: for the GPU of the prediction."""

    target: Annotated[
        list[str],
        Option(
            help="Compute capability to compile for; repeatable or comma-separated. Default: that of --gpu, "
            "else sm120; with backends tensorrt and trtexec, that of the local GPU."
        ),
    ] = field(default_factory=list)


@dataclass(frozen=True)
class PredictOptions(PredictionOptions, PredictedBuildOptions, ShapesOptions, ModelOptions):
    """What ``predict`` shares with ``compare``."""


@dataclass(frozen=True)
class ExplainOptions(ClockOptions, PredictedBuildOptions, ShapeOptions, ModelOptions):
    """What ``explain`` shares with ``predict``: one shape."""


@dataclass(frozen=True)
class ArtifactOptions(BuildOptions, ShapeOptions, ModelOptions):
    """What finds an artifact by its recipe: the options that made it, or will make it."""


@dataclass(frozen=True)
class TuneOptions(ClockOptions, CompilerOptions, ModelOptions):
    """What ``tune`` shares with ``compare``; the model is an argument, since recipes are what is sought."""

    model: Annotated[str, Argument(metavar="MODEL", help=_MODEL_HELP)] = _MODEL.name
    batch: Annotated[
        str,
        Option(metavar="N[,N...]", help="Batch to search at; the front is also predicted at the others."),
    ] = str(_BATCH)
    img_size: Annotated[
        str | None,
        Option(metavar="N|HxW[,...]", help="Image size to search at, in pixels, and others for the front."),
    ] = None


@dataclass(frozen=True)
class TraceOptions(CompilerOptions, ShapeOptions, ModelOptions):
    """What ``trace`` shares with ``bench``: all that decides what runs."""

    no_graph: Annotated[bool, Option("--no-graph", help="Enqueue every query; no CUDA graph.")] = False
    trust: Annotated[
        bool,
        Option("--trust", help="Load engines that you did not build; an engine can run any code."),
    ] = False
    gpu: Annotated[
        str | None,
        Option(help="GPU that times of an engine's layers are predicted for; default: that of the trace."),
    ] = None


@dataclass(frozen=True)
class ResultOptions:
    """How the result is printed, and which files it is written to."""

    PANEL: ClassVar = "Output"

    json: Annotated[bool, Option("--json", help="Print the result as JSON and nothing else on stdout.")] = (
        False
    )
    export_markdown: Annotated[
        Path | None, Option(metavar="FILE", help="Also write a Markdown table.", callback=writable_file)
    ] = None
    export_csv: Annotated[
        Path | None, Option(metavar="FILE", help="Also write all columns as CSV.", callback=writable_file)
    ] = None
    export_json: Annotated[
        Path | None, Option(metavar="FILE", help="Also write the result as JSON.", callback=writable_file)
    ] = None

    def __post_init__(self) -> None:
        """Refuse one file for two of them."""
        files = [path for path in self._files() if path]
        if len({path.resolve() for path in files}) < len(files):
            raise SpecError(f"{files[-1]}: named by two of the --export options; name a file for each")

    def _files(self) -> tuple[Path | None, ...]:
        return (self.export_markdown, self.export_csv, self.export_json)


@dataclass(frozen=True)
class OutputOptions(ResultOptions):
    """Where artifacts are kept, and how the result is printed."""

    store: Annotated[
        Path,
        Option(
            help="Directory of models/, engines/ and results/.",
            envvar="TRTBENCH_STORE",
            callback=checked_names,
        ),
    ] = Path()


@dataclass(frozen=True)
class ReportOptions(OutputOptions):
    """The output of a command whose result a report shows with figures."""

    html: Annotated[
        Path | None,
        Option(metavar="FILE", help="Also write a report as one HTML file.", callback=writable_page),
    ] = None

    def _files(self) -> tuple[Path | None, ...]:
        return (*super()._files(), self.html)

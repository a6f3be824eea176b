"""Options that several commands share, declared once."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from typer import Option

from trtbench.cli.path_names import checked_names

DEFAULT_BATCH = 64
AA_COMPARISONS = 200


@dataclass(frozen=True)
class NetworkOptions:
    """Which model, with which weights, calibrated on what: all but the shape."""

    model: Annotated[
        str, Option(help="Name of a timm Vision Transformer, or a file such as models/*.yaml.")
    ] = "vit_base_patch16_224"
    overrides: Annotated[
        list[str],
        Option("--set", metavar="NAME=VALUE", help="Constructor argument, such as depth=2; repeatable."),
    ] = field(default_factory=list)
    checkpoint: Annotated[
        Path | None,
        Option(help="Weights: safetensors or a torch state dict (never unpickled).", callback=checked_names),
    ] = None
    pretrained: Annotated[
        bool, Option("--pretrained", help="Fetch timm's weights; default: random ones.")
    ] = False
    seed: Annotated[int, Option(help="Of random weights, synthetic images and the choice of images.")] = 0
    sparsity_method: Annotated[
        Literal["sparse_magnitude", "sparsegpt"], Option(help="How +sparse recipes prune to 2:4.")
    ] = "sparse_magnitude"
    calib: Annotated[
        Path | None,
        Option(help="Folder of calibration images; default: synthetic ones.", callback=checked_names),
    ] = None
    calib_samples: Annotated[int, Option(help="Number of calibration images.")] = 8
    passes: Annotated[
        str | None,
        Option(help="Names of passes with commas between, or none; default: all. See trtbench passes."),
    ] = None


@dataclass(frozen=True)
class ModelOptions(NetworkOptions):
    """Which model, with which weights, at which shape."""

    img_size: Annotated[int | None, Option(help="Image side in pixels, if not the model's own.")] = None
    batch: Annotated[int, Option(help="Static batch of the ONNX model and the engine.")] = DEFAULT_BATCH


@dataclass(frozen=True)
class ShapeOptions:
    """At which shapes, of recipes; all combinations of several are a sweep."""

    batch: Annotated[
        str | None,
        Option(metavar="N[,N...]", help=f"Static batch; several are a sweep; default: {DEFAULT_BATCH}."),
    ] = None
    img_size: Annotated[
        str | None,
        Option(metavar="N[,N...]", help="Image side in pixels, if not the model's own; several are a sweep."),
    ] = None


@dataclass(frozen=True)
class CompilerOptions:
    """Which compiler builds engines, and how; one that it lacks is refused."""

    backend: Annotated[
        Literal["tensorrt_rtx", "tensorrt", "trtexec"] | None,
        Option(
            help="Who builds engines; the last two build for the GPU of this machine only. "
            "Default: what fits --runtime; else TensorRT-RTX, or TensorRT where that alone is installed or "
            "knows the GPU here."
        ),
    ] = None
    timing_cache: Annotated[
        Literal["off", "private", "shared"],
        Option(help="Measured times of tactics: not kept, kept within a build, or shared by builds."),
    ] = "private"
    tactic_table: Annotated[
        bool, Option("--tactic-table", help="Have the log list every tactic that was timed.")
    ] = False
    workspace_mib: Annotated[
        int | None, Option(help="Most scratch memory that a tactic may use, in MiB; default: all.")
    ] = None
    optimization_level: Annotated[
        int | None, Option(help="Of the builder, 0 to 5: more tries more tactics; default: TensorRT's, 3.")
    ] = None
    tiling: Annotated[
        Literal["none", "fast", "moderate", "full"] | None,
        Option(help="How long to search for tilings that fit the L2 cache; default: TensorRT's."),
    ] = None
    hardware_compatibility: Annotated[
        Literal["none", "ampere_plus", "same_compute_capability"],
        Option(help="Other GPUs that the engine shall run on, too."),
    ] = "none"
    version_compatible: Annotated[
        bool, Option("--version-compatible", help="Make an engine that later versions load, too.")
    ] = False
    max_aux_streams: Annotated[
        int | None, Option(help="Most streams that TensorRT runs layers on besides; default: TensorRT's.")
    ] = None
    timeout_s: Annotated[float, Option(help="Stop a build that takes longer.")] = 900.0
    memory_limit_gb: Annotated[float | None, Option(help="Stop a build that takes more resident memory.")] = (
        None
    )


@dataclass(frozen=True)
class BuildOptions(CompilerOptions):
    """How engines are built, and for which GPUs."""

    target: Annotated[
        list[str],
        Option(
            help="Compute capability to compile for; repeatable or comma-separated. Default: sm120; with "
            "--runtime, and with backends tensorrt and trtexec, that of the GPU here."
        ),
    ] = field(default_factory=list)


@dataclass(frozen=True)
class BenchOptions:
    """How arms are timed; the rest of the protocol is in docs/measuring.md."""

    duration_s: Annotated[float, Option(help="Blocks of each arm in all, unless it is precise sooner.")] = (
        10.0
    )
    processes: Annotated[int, Option(help="Fresh processes of each arm.")] = 5
    block_ms: Annotated[float, Option(help="Length of a block; blocks of all arms take turns.")] = 250.0
    warmup_ms: Annotated[float, Option(help="Least warm-up of each process.")] = 500.0
    target_half_width: Annotated[
        float, Option(help="Stop early at this half width of the interval, relative to the median.")
    ] = 0.002
    l2: Annotated[
        Literal["warm", "flushed", "rotated"],
        Option(help="L2 cache before a query: as the last left it, overwritten, or other buffers."),
    ] = "warm"
    regime: Annotated[
        Literal["sustained", "burst"], Option(help="Blocks follow at once, or each after a rest.")
    ] = "sustained"
    no_graph: Annotated[bool, Option("--no-graph", help="Enqueue every query: no CUDA graph.")] = False
    rebuilds: Annotated[int, Option(help="Build this many more engines of each model, and time all.")] = 0
    exclusive: Annotated[
        bool, Option("--exclusive", help="Refuse to start while another process has the GPU open.")
    ] = False
    trust: Annotated[
        bool,
        Option("--trust", help="Load engines that this store did not build: an engine can run any code."),
    ] = False


@dataclass(frozen=True)
class CompareOptions:
    """What ``compare`` holds against what."""

    runtime: Annotated[
        list[str], Option(help="Time every recipe in this runtime; repeatable: recipes x runtimes.")
    ] = field(default_factory=list)
    fail_on: Annotated[
        Literal["slower"] | None, Option(help="Exit with 3 if an arm is SLOWER than the first.")
    ] = None
    aa: Annotated[
        bool, Option("--aa", help="Compare the arm with itself, to see how often verdicts are wrong.")
    ] = False
    comparisons: Annotated[int | None, Option(min=1, help=f"Of --aa; default: {AA_COMPARISONS}.")] = None
    stored: Annotated[
        bool, Option("--from", help="The arguments are stored results: compare them, time nothing.")
    ] = False
    env: Annotated[
        list[str],
        Option(
            help="Build and time in this environment: local, venv:tensorrt-rtx==VERSION, "
            "venv:onnxruntime==VERSION, docker:IMAGE; repeatable, one table."
        ),
    ] = field(default_factory=list)


@dataclass(frozen=True)
class OutputOptions:
    """Where artifacts are kept, and how the result is printed."""

    store: Annotated[
        Path, Option(help="Directory that holds models/, engines/ and results/.", callback=checked_names)
    ] = Path()
    json: Annotated[bool, Option("--json", help="Print the result as JSON and nothing else on stdout.")] = (
        False
    )


def given_options(options: NetworkOptions | ShapeOptions | CompilerOptions | BenchOptions) -> tuple[str, ...]:
    """Name the options of a group that differ from their defaults, with their dashes."""
    default = type(options)()
    names = [f.name for f in fields(options) if getattr(options, f.name) != getattr(default, f.name)]
    return tuple(f"--{_WORDS.get(name, name).replace('_', '-')}" for name in names)


_WORDS = {"overrides": "set"}
"""Options that are not called as their fields are."""


def expand_options(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take whole option groups: a parameter annotated with one becomes the group's options."""
    signature, hints = inspect.signature(command), get_type_hints(command, include_extras=True)
    groups = {
        name: hint
        for name, hint in hints.items()
        if isinstance(hint, type) and hint.__name__.endswith("Options")
    }

    @wraps(command)
    def expanded(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{f.name: values.pop(f.name) for f in fields(group)})
        command(**values)

    own = [p.replace(annotation=hints[n]) for n, p in signature.parameters.items() if n not in groups]
    shared = [p for group in groups.values() for p in _parameters(group)]
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in [*own, *shared]]
    expanded.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    expanded.__annotations__ = {p.name: p.annotation for p in parameters}
    return expanded


def _parameters(group: type) -> list[inspect.Parameter]:
    """The fields of an option group as parameters of a command."""
    hints = get_type_hints(group, include_extras=True)
    kind = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(
            f.name,
            kind,
            annotation=hints[f.name],
            default=f.default if f.default_factory is MISSING else f.default_factory(),
        )
        for f in fields(group)
    ]

"""What a user asks for. Specs are frozen, refuse unknown fields, and do no I/O."""

import json
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from trtbench.recipes import Recipe, parse_recipe

Scalar = bool | int | float | str
RecipeField = Annotated[
    Recipe,
    BeforeValidator(lambda value: parse_recipe(value) if isinstance(value, str) else value),
    PlainSerializer(str),
]


# torch takes 64 bits, numpy no seed below 0.
MAX_SEED = 2**64 - 1
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]


class Spec(BaseModel):
    """Base of all specs and results: immutable, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CheckpointSpec(Spec):
    """A weight file, identified by its content."""

    path: str
    sha256: str


class ModelSpec(Spec):
    """A timm model and how to construct it."""

    name: str = "vit_base_patch16_224"
    overrides: tuple[tuple[str, Scalar], ...] = ()
    img_size: int | None = Field(default=None, gt=0)
    pretrained: bool = False
    checkpoint: CheckpointSpec | None = None
    seed: Seed = Field(default=0, description="of the random weights, when there are no others")

    def without_paths(self) -> "ModelSpec":
        """The same model wherever its checkpoint lies: to compare models by."""
        if self.checkpoint is None:
            return self
        return self.model_copy(update={"checkpoint": self.checkpoint.model_copy(update={"path": ""})})


class CalibrationSpec(Spec):
    """The images that quantizers see; ``directory=None`` stands for seeded synthetic images.

    ``sha256`` identifies the chosen images (names and contents), so that other images give another artifact.
    """

    directory: str | None = None
    sha256: str | None = None
    samples: int = Field(default=8, gt=0)
    seed: Seed = 0


SparsityMethod = Literal["sparse_magnitude", "sparsegpt"]


class ExportSpec(Spec):
    """One ONNX file: a model, a recipe, a static batch."""

    model: ModelSpec = ModelSpec()
    recipe: RecipeField
    batch: int = Field(default=64, gt=0)
    passes: tuple[str, ...] | None = Field(default=None, description="null: all that the recipe takes")
    sparsity_method: SparsityMethod | None = None
    calibration: CalibrationSpec | None = None

    @property
    def shape_name(self) -> str:
        """Batch and, where it was asked for, image size as names of folders have them: ``b64-256px``."""
        return f"b{self.batch}" + (f"-{self.model.img_size}px" if self.model.img_size else "")


Shape = tuple[Annotated[int, Field(ge=0, lt=2**31)], ...]


class ShapeRange(Spec):
    """The shapes that one input of an engine takes, and the one that it is optimised for."""

    input: str
    min_shape: Shape
    opt_shape: Shape
    max_shape: Shape


BuildBackend = Literal["tensorrt_rtx", "tensorrt", "trtexec"]
TimingCacheMode = Literal["off", "private", "shared"]
TilingLevel = Literal["none", "fast", "moderate", "full"]
HardwareCompatibility = Literal["none", "ampere_plus", "same_compute_capability"]


# More than any GPU has. The API takes 64 and 32 bits, with which TensorRT-RTX fails (1.7).
MAX_WORKSPACE_BYTES = 2**44
MAX_AUX_STREAMS = 1024
MAX_BYTES = 2**60
"""More memory than any machine has."""


class BuilderOptions(Spec):
    """How the builder works, in TensorRT's words; ``None`` leaves a choice to TensorRT.

    ``timing_cache``: measured times of tactics are not kept at all (``off``), kept within the build
    (``private``, TensorRT's default), or shared with other builds (``shared``), which then choose alike.
    ``tactic_table``: have the log list all tactics that were timed. ``profiles``: one optimization profile
    each, with a range for every dynamic input.
    """

    timing_cache: TimingCacheMode = "private"
    tactic_table: bool = False
    workspace_bytes: int | None = Field(default=None, gt=0, le=MAX_WORKSPACE_BYTES)
    optimization_level: int | None = Field(default=None, ge=0, le=5)
    tiling: TilingLevel | None = None
    hardware_compatibility: HardwareCompatibility = "none"
    version_compatible: bool = False
    max_aux_streams: int | None = Field(default=None, ge=0, le=MAX_AUX_STREAMS)
    profiles: tuple[tuple[ShapeRange, ...], ...] = ()


class BuildSpec(Spec, allow_inf_nan=False):
    """One engine: targets such as ``sm120``, who builds it, and how the compiler is run."""

    targets: tuple[str, ...] = ("sm120",)
    sparsity: bool = False
    timeout_s: float = Field(default=900.0, gt=0)
    memory_limit_bytes: int | None = Field(default=None, gt=0, le=MAX_BYTES)
    backend: BuildBackend = "tensorrt_rtx"
    options: BuilderOptions = BuilderOptions()

    @model_serializer(mode="wrap")
    def _leave_out_defaults(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write ``backend`` and ``options`` only where they are set: older engines keep their identity."""
        fields: dict[str, Any] = serialize(self)
        unset = {name for name in ("backend", "options") if getattr(self, name) == _BUILD_DEFAULTS[name]}
        return {name: value for name, value in fields.items() if name not in unset}


_BUILD_DEFAULTS = {name: field.default for name, field in BuildSpec.model_fields.items()}


class InputsSpec(Spec):
    """The images to compare on; ``directory=None`` stands for seeded synthetic images.

    A directory holds one folder of images a class. ``sha256`` identifies the chosen images and their classes.
    """

    directory: str | None = None
    sha256: str | None = None
    samples: int = Field(default=32, gt=0)
    seed: Seed = 0


L2Mode = Literal["warm", "flushed", "rotated"]
Regime = Literal["sustained", "burst"]


class BenchSpec(Spec, allow_inf_nan=False):
    """The protocol of a measurement; measurements compare only when theirs are equal.

    Every arm runs in ``processes`` processes, in each in blocks of ``block_ms`` that take turns with those of
    the other arms in random order. It ends at ``duration_s`` of blocks an arm, or sooner: after
    ``min_blocks`` in every process, once all intervals are narrower than ``target_half_width`` (relative to
    the median).

    ``l2``: what lies in the L2 cache before a query: what the query before left (``warm``), nothing of it
    (``flushed``, overwritten before each), or other buffers (``rotated``, inputs and outputs take turns).
    ``regime``: blocks follow at once (``sustained``), or after a rest of ``rest_ms`` (``burst``).
    """

    cuda_graph: bool = Field(default=True, description="where the runtime can; recorded for each arm")
    l2: L2Mode = "warm"
    regime: Regime = "sustained"
    rest_ms: float = Field(default=1000.0, gt=0)
    warmup_ms: float = Field(default=500.0, ge=0)
    warmup_iterations: int = Field(default=20, ge=1)
    processes: int = Field(default=5, ge=1)
    block_ms: float = Field(default=250.0, gt=0)
    min_blocks: int = Field(default=4, ge=1)
    duration_s: float = Field(default=10.0, gt=0)
    target_half_width: float = Field(default=0.002, gt=0)
    seed: Seed = Field(default=0, description="of the inputs and of the order of the blocks")


class ArmEnvironment(Spec):
    """Where an arm runs: the word that asked for it, the versions in it, and the digest of its image."""

    word: str
    versions: dict[str, str]
    image_digest: str | None = None


class ArmSpec(Spec):
    """One thing that is timed: a model in a runtime.

    ``artifact`` is the file that the runtime loads, ``None`` when it makes the model from ``export`` itself;
    ``weights``: name and sha256 of each file beside it that holds weights of it. ``build`` counts engines
    built anew from the same model; ``options``: how the engine was built, as its manifest says.
    ``environment=None``: the Python that measures.
    """

    label: str
    runtime: str
    recipe: RecipeField | None
    export: ExportSpec | None
    artifact: str | None
    artifact_sha256: str | None
    weights: tuple[tuple[str, str], ...] = ()
    build: int = Field(default=0, ge=0)
    options: BuilderOptions = BuilderOptions()
    environment: ArmEnvironment | None = None

    @model_serializer(mode="wrap")
    def _leave_out_defaults(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write what came later only where it is set: runs of older versions keep their identity."""
        fields: dict[str, Any] = serialize(self)
        unset = {name for name in _CAME_LATER if getattr(self, name) == ArmSpec.model_fields[name].default}
        return {name: value for name, value in fields.items() if name not in unset}


_CAME_LATER = ("weights", "options", "environment")
"""Fields of ``ArmSpec``."""


def spec_id(spec: Spec, upstream_sha256: str, tool_versions: dict[str, str]) -> str:
    """Cache key of what ``spec`` produces: 16 hex digits of the hash of all that determines it."""
    return canonical_hash(
        {"spec": spec.model_dump(mode="json"), "upstream": upstream_sha256, "tools": tool_versions}
    )[:16]


def canonical_hash(value: Any) -> str:
    """SHA-256 of the JSON of ``value`` with sorted keys and no white space."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(text.encode()).hexdigest()

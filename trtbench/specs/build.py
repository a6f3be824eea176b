"""How an engine is built."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from trtbench.specs.base import Spec

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
    """One engine: targets such as ``sm120``, the compiler, and how it is run."""

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


class BuildRequest(Spec, allow_inf_nan=False):
    """How engines are to be built, before it is known for which runtime and where.

    Args:
        backend: null: the namesake of the runtime, else the compiler of the environment.
        targets: none: what the backend and the runtime need (``build_spec_for`` in trtbench/build/choice.py).
        sparsity: allow kernels for 2:4 sparse weights in every engine; recipes with ``+sparse`` always do.
        timeout_s, memory_limit_bytes, options: as in ``BuildSpec``.
    """

    backend: BuildBackend | None = None
    targets: tuple[str, ...] = ()
    sparsity: bool = False
    timeout_s: float = Field(default=900.0, gt=0)
    memory_limit_bytes: int | None = Field(default=None, gt=0, le=MAX_BYTES)
    options: BuilderOptions = BuilderOptions()


@dataclass(frozen=True)
class BuildPaths:
    """Where a build reads and writes; ``timing_cache`` is where shared timings lie."""

    onnx: Path
    engine: Path
    log: Path
    inspector: Path
    timing_cache: Path

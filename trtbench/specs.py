"""What a user asks for. Specs are frozen, refuse unknown fields, and do no I/O."""

import json
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from trtbench.recipes import Recipe, parse_recipe

Scalar = bool | int | float | str
RecipeField = Annotated[
    Recipe,
    BeforeValidator(lambda value: parse_recipe(value) if isinstance(value, str) else value),
    PlainSerializer(str),
]


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
    seed: int = Field(default=0, ge=0, description="of the random weights, when there are no others")


class CalibrationSpec(Spec):
    """The images that quantizers see; ``directory=None`` stands for seeded synthetic images.

    ``sha256`` identifies the chosen images (names and contents), so that other images give another artifact.
    """

    directory: str | None = None
    sha256: str | None = None
    samples: int = Field(default=8, gt=0)
    seed: int = Field(default=0, ge=0)


SparsityMethod = Literal["sparse_magnitude", "sparsegpt"]


class ExportSpec(Spec):
    """One ONNX file: a model, a recipe, a static batch."""

    model: ModelSpec = ModelSpec()
    recipe: RecipeField
    batch: int = Field(default=64, gt=0)
    sparsity_method: SparsityMethod | None = None
    calibration: CalibrationSpec | None = None


class BuildSpec(Spec):
    """One engine: targets such as ``sm120``, and how the compiler is run."""

    targets: tuple[str, ...] = ("sm120",)
    sparsity: bool = False
    timeout_s: float = Field(default=900.0, gt=0)
    memory_limit_bytes: int | None = Field(default=None, gt=0)


def spec_id(spec: Spec, upstream_sha256: str, tool_versions: dict[str, str]) -> str:
    """Cache key of what ``spec`` produces: 16 hex digits of the hash of all that determines it."""
    return canonical_hash(
        {"spec": spec.model_dump(mode="json"), "upstream": upstream_sha256, "tools": tool_versions}
    )[:16]


def canonical_hash(value: Any) -> str:
    """SHA-256 of the JSON of ``value`` with sorted keys and no white space."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(text.encode()).hexdigest()

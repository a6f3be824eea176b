"""Which model, in which precision, with which weights and images."""

from pathlib import Path
from typing import Annotated, Literal, NamedTuple, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from trtbench.specs.base import Scalar, Seed, Spec
from trtbench.specs.recipe import Recipe, parse_recipe
from trtbench.specs.token_reduction import TokenReductionField

MAX_PIXELS = 2**16
"""Of a side of an image."""
MAX_BATCH = 2**20
MAX_IMAGES = 2_000_000
"""To calibrate or verify on: ImageNet has 1.3 million."""

RecipeField = Annotated[
    Recipe,
    BeforeValidator(lambda value: parse_recipe(value) if isinstance(value, str) else value),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["fp16", "nvfp4:qkv=fp8,head=fp16+sparse"]}),
]


Weights = Literal["random", "pretrained", "checkpoint", "file", "function"]
"""Where the weights of a model come from: ``file``: the model's own, ``function``: whatever it gives."""


class HeightWidth(NamedTuple):
    """Sides of an image in pixels."""

    height: Annotated[int, Field(gt=0, le=MAX_PIXELS)]
    width: Annotated[int, Field(gt=0, le=MAX_PIXELS)]

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"


ImageSize = Annotated[int, Field(gt=0, le=MAX_PIXELS)] | HeightWidth
"""Side of a square image in pixels, or both sides."""


def sides_of(size: ImageSize) -> HeightWidth:
    """Height and width."""
    return HeightWidth(size, size) if isinstance(size, int) else size


class CheckpointSpec(Spec):
    """A weight file, identified by its content."""

    path: str
    sha256: str


class SourceSpec(Spec):
    """Where a model comes from that is not timm's; the hash of its content is filled in for the export.

    ``path``: an ONNX file, a folder of Hugging Face's, or a function, ``package.module:function``.
    """

    kind: Literal["onnx", "folder", "function"]
    path: str
    sha256: str | None = None


Interpolation = Literal["nearest", "bilinear", "bicubic", "box", "hamming", "lanczos"]


class PreparationSpec(Spec, allow_inf_nan=False):
    """How images are prepared, where that is not the model's own way; of pixels from 0 to 1.

    ``mean`` and ``std``: one number for all channels, or one for each; ``crop_pct``: the part of a side kept.
    """

    mean: tuple[float, ...] | None = Field(default=None, min_length=1)
    std: tuple[Annotated[float, Field(gt=0)], ...] | None = Field(default=None, min_length=1)
    crop_pct: float | None = Field(default=None, gt=0, le=1)
    interpolation: Interpolation | None = None


def _ascending(blocks: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(blocks)) < len(blocks):
        raise ValueError("name each block once")
    return tuple(sorted(blocks))


Features = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1), AfterValidator(_ascending)]
"""Numbers of blocks; the first is 0."""


class ModelSpec(Spec):
    """A timm model and how to construct it, or a model from elsewhere, which only has a size and a seed.

    ``features``: the blocks whose tokens are the outputs, in place of the model's own; what stands behind the
    last of them is left out.
    """

    name: str = "vit_base_patch16_224"
    source: SourceSpec | None = Field(default=None, exclude_if=lambda source: source is None)
    overrides: tuple[tuple[str, Scalar], ...] = ()
    img_size: ImageSize | None = None
    preparation: PreparationSpec | None = Field(default=None, exclude_if=lambda asked: asked is None)
    pretrained: bool = False
    checkpoint: CheckpointSpec | None = None
    seed: Seed = Field(default=0, description="of the random weights, when there are no others")
    token_reduction: TokenReductionField | None = Field(
        default=None, exclude_if=lambda reduction: reduction is None
    )
    features: Features | None = Field(default=None, exclude_if=lambda blocks: blocks is None)

    @property
    def weights(self) -> Weights:
        """Where its weights come from."""
        if self.source is not None:
            return "function" if self.source.kind == "function" else "file"
        return "pretrained" if self.pretrained else "checkpoint" if self.checkpoint else "random"

    @property
    def weights_name(self) -> str:
        """Where the weights come from, without the folder of a file."""
        if self.source is not None:
            return Path(self.source.path).name
        if self.checkpoint is not None:
            return Path(self.checkpoint.path).name
        return "pretrained" if self.pretrained else f"random {self.seed}"

    @property
    def changes(self) -> tuple[str, ...]:
        """What makes it another model than that of its name: ``depth=2``, ``token_reduction=tome:r=8``."""
        words = [f"{name}={value}" for name, value in self.overrides]
        if self.token_reduction is not None:
            words.append(f"token_reduction={self.token_reduction}")
        if self.features is not None:
            words.append(f"features={'+'.join(map(str, self.features))}")
        return tuple(words)

    def without_paths(self) -> "ModelSpec":
        """The same model wherever its files lie: to compare models by."""
        files = {"checkpoint": self.checkpoint, "source": self.source}
        update = {name: file.model_copy(update={"path": ""}) for name, file in files.items() if file}
        return self.model_copy(update=update)


Images = TypeVar("Images", bound="ImagesSpec")


class ImagesSpec(Spec):
    """Images of a folder; results, which are shared, do not say where it lies."""

    directory: str | None = None

    @property
    def named(self: Images) -> Images:
        """The same, with the folder's name alone."""
        if self.directory is None:
            return self
        return self.model_copy(update={"directory": Path(self.directory).name})

    def without_place(self, text: str) -> str:
        """Cut what the folder lies in off the paths in ``text``."""
        return text if self.directory is None else text.replace(f"{Path(self.directory).parent}/", "")


class CalibrationSpec(ImagesSpec):
    """The images that quantizers see; ``directory=None`` stands for seeded synthetic images.

    ``sha256`` identifies the chosen images (names and contents), so that other images give another artifact.
    """

    sha256: str | None = None
    samples: int = Field(default=8, gt=0, le=MAX_IMAGES)
    seed: Seed = 0


SparsityMethod = Literal["sparse_magnitude", "sparsegpt"]


class BatchRange(Spec):
    """The batches that a file with a dynamic batch takes, and the one that its engine is optimised for."""

    minimum: int = Field(gt=0)
    optimum: int
    maximum: int = Field(le=MAX_BATCH)

    @model_validator(mode="after")
    def _check_order(self) -> "BatchRange":
        if not self.minimum <= self.optimum <= self.maximum or self.minimum == self.maximum:
            raise ValueError("expected MIN:OPT:MAX in ascending order, such as 1:8:64")
        return self

    def __str__(self) -> str:
        return ":".join(map(str, self.batches))

    @property
    def batches(self) -> tuple[int, int, int]:
        """Minimum, optimum and maximum."""
        return self.minimum, self.optimum, self.maximum


class ExportSpec(Spec):
    """One ONNX file: a model, a recipe, a batch.

    ``batch_range``: of a dynamic batch; ``batch`` is then the one that shapes, FLOPs and times are given at.
    """

    model: ModelSpec = ModelSpec()
    recipe: RecipeField
    batch: int = Field(default=64, gt=0, le=MAX_BATCH)
    batch_range: BatchRange | None = Field(default=None, exclude_if=lambda batches: batches is None)
    passes: tuple[str, ...] | None = Field(default=None, description="null: all that the recipe takes")
    sparsity_method: SparsityMethod | None = None
    calibration: CalibrationSpec | None = None

    @property
    def shape_name(self) -> str:
        """Batch and, where it was asked for, image size as names of folders have them: ``b64-256px``."""
        batch = str(self.batch if self.batch_range is None else self.batch_range).replace(":", "-")
        return f"b{batch}" + (f"-{self.model.img_size}px" if self.model.img_size else "")


class InputsSpec(ImagesSpec):
    """The images to compare on; ``directory=None`` stands for seeded synthetic images.

    A directory holds one folder of images a class. ``sha256`` identifies the chosen images and their classes.
    ``is_calibration``: the directory is that of the calibration, in any layout, and no class is known.
    """

    is_calibration: bool = False
    sha256: str | None = None
    samples: int = Field(default=32, gt=0, le=MAX_IMAGES)
    seed: Seed = 0

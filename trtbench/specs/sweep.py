"""A grid over Vision Transformers of any size: a plan, and its cells."""

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import Any, Literal, TypeVar, cast

from pydantic import Field

from trtbench.specs.base import Spec
from trtbench.specs.model import CalibrationSpec, ExportSpec, ModelSpec, RecipeField
from trtbench.specs.sized_vit import SizedViT

SweepStage = Literal["predict", "verify", "bench", "trace"]
"""What may follow the build and the audit of an engine."""

ALL_STAGES: tuple[SweepStage, ...] = ("predict", "verify", "bench", "trace")
MAX_CELLS = 1_000_000
"""Cells of one plan; 100,000 take about 200 MB of memory."""

T = TypeVar("T")


class SweepCell(Spec):
    """One model at one shape in one recipe; ``runtime`` and ``gpu`` are null where the plan names none.

    ``heads``: null where each is 64 of the width. ``gpu``: where its time is predicted.
    """

    patch: int
    depth: int
    width: int
    heads: int | None = None
    image: int
    batch: int
    recipe: RecipeField
    runtime: str | None = None
    gpu: str | None = None

    @property
    def sizes(self) -> SizedViT:
        """Patch, depth and width."""
        return SizedViT(patch=self.patch, depth=self.depth, width=self.width)

    @property
    def model(self) -> str:
        """Name of the model: ``vit16x12x768``."""
        return self.sizes.name

    @property
    def key(self) -> str:
        """What the cell is called, unlike any other: ``vit16x12x768 224px b8 nvfp4``."""
        heads = "" if self.heads is None else f" {self.heads} heads"
        rest = (self.runtime and f"on {self.runtime}", self.gpu and f"for {self.gpu}")
        words = (f"{self.model}{heads} {self.image}px b{self.batch} {self.recipe}", *filter(None, rest))
        return " ".join(words)

    @property
    def export(self) -> ExportSpec:
        """What is exported: random weights, calibrated on one image; kernels and times depend on neither."""
        overrides = () if self.heads is None else (("num_heads", self.heads),)
        model = ModelSpec(name=self.model, overrides=overrides, img_size=self.image)
        calibration = CalibrationSpec(samples=1)
        return ExportSpec(model=model, recipe=self.recipe, batch=self.batch, calibration=calibration)


class SweepPlan(Spec):
    """Values of each factor; the cells are all combinations, but for the models that are skipped.

    Args:
        name: what results are called after.
        patch, depth, width, heads: of the models; no heads: each is 64 of the width.
        image, batch: the shapes.
        recipe: the precisions.
        runtime: what times; none: the namesake of the compiler, where its engines run.
        gpu: where times are predicted; none: as ``compare`` chooses it.
        skip: models that are left out.
        stages: what is done with each model; null: all that the machine allows.
    """

    name: str
    patch: tuple[int, ...]
    depth: tuple[int, ...]
    width: tuple[int, ...]
    heads: tuple[int, ...] = ()
    image: tuple[int, ...] = (224,)
    batch: tuple[int, ...] = (8,)
    recipe: tuple[RecipeField, ...] = Field(min_length=1)
    runtime: tuple[str, ...] = ()
    gpu: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    stages: tuple[SweepStage, ...] | None = None

    @property
    def combinations(self) -> int:
        """How many cells there would be if nothing was skipped or named twice."""
        return prod(map(len, self._axes()))

    @property
    def distinct(self) -> int:
        """How many cells there would be if no model was skipped."""
        return prod(len(_once(each)) for each in self._axes())

    def cells(self) -> Iterator[SweepCell]:
        """Each cell once, model by model."""
        skipped = set(self.skip)
        names = tuple(SweepCell.model_fields)
        for values in product(*map(_once, self._axes())):
            cell = SweepCell.model_construct(**cast(dict[str, Any], dict(zip(names, values, strict=True))))
            if cell.model not in skipped:
                yield cell

    def _axes(self) -> tuple[Sequence[object], ...]:
        """In the order of the fields of a cell."""
        shapes = (self.patch, self.depth, self.width, self.heads or (None,), self.image, self.batch)
        return (*shapes, self.recipe, self.runtime or (None,), self.gpu or (None,))


def _once(values: Sequence[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(values))

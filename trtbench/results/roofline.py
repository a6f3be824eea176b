"""Roofs of a model's kernels on a GPU that is named: bounds, not times. Evidence kind: predicted."""

from typing import ClassVar, Literal

from pydantic import Field

from trtbench.results.base import SCHEMA_VERSION, Count, Result
from trtbench.results.prediction import GpuEntry
from trtbench.results.rows import Row, aligned, flat
from trtbench.specs import ImageSize, ModelSpec, RecipeField, Spec

RoofBound = Literal["compute", "memory"]
"""Which roof a kernel meets: the peak of its precision, or the DRAM bandwidth."""


class RooflineKernel(Spec):
    """One kernel of a batch under the roofs.

    Args:
        count: how many equal ones an inference has; all other fields are of one.
        precision: of the operands; of what is written for a quantiser.
        m: of ``(m, k) x (k, n)``; not whole if the batch is not. Attention is its first product with all
            heads of all images stacked. Pointwise kernels have ``m`` rows of ``n`` elements and no ``k``.
        bytes: each tensor read or written counts once.
        intensity: FLOP per byte.
        ridge: intensity from which the peak of the precision is the roof, in FLOP per byte of DRAM.
        attainable_tflops: the lower roof at this intensity.
        roof_us: time at that roof, the least that the kernel takes with its tensors in DRAM.
        compute_bound_from: smallest compute-bound batch; null: no batch is.
    """

    name: str
    kind: Literal["gemm", "attention", "pointwise"]
    count: int
    precision: str
    m: float
    n: int
    k: int | None
    flops: float
    bytes: float
    intensity: float
    ridge: float
    bound: RoofBound
    attainable_tflops: float
    roof_us: float
    compute_bound_from: int | None


class RooflineBatch(Spec):
    """All kernels of one batch.

    Args:
        roof_ms: sum of the times of all kernels at their roofs, in sequence.
        per_s: images or sequences a second at that time.
        compute_bound_share: of the FLOPs of all GEMMs, 0 to 1.
    """

    batch: float
    kernels: tuple[RooflineKernel, ...]
    roof_ms: float
    per_s: float
    compute_bound_share: float


class L2Stay(Spec):
    """Largest batch whose activations stay in L2 from one use of the residual stream to the next.

    Args:
        image_bytes: residual stream and results of all kernels between the two uses, for one image.
        weight_bytes: weights of these kernels.
        batch: the largest for which both fit in ``l2_bytes``; 0: none.
    """

    l2_bytes: float
    image_bytes: float
    weight_bytes: float
    batch: Count


class RooflineSection(Spec):
    """One recipe and length, over batches.

    Args:
        tokens: of one image or sequence.
        is_images: patch embedding and head belong to it; false for sequences that enter the first block.
        img_size: side of the images in pixels, where it was asked for; else the model's own.
        gemms_compute_bound_from: smallest batch at which all GEMMs together are compute-bound: their FLOPs
            take as long at the peak as their bytes from DRAM; null: none.
        l2: null without a residual stream.
    """

    recipe: RecipeField
    tokens: int
    is_images: bool
    img_size: ImageSize | None = None
    batches: tuple[RooflineBatch, ...] = Field(min_length=1)
    gemms_compute_bound_from: int | None
    l2: L2Stay | None


class EqualM(Spec):
    """One recipe at equal ``m`` = batch x tokens: the first length at the first batch, then the others."""

    recipe: RecipeField
    m: int
    tokens: tuple[int, ...] = Field(min_length=2)
    batches: tuple[RooflineBatch, ...] = Field(min_length=2)


class Roofline(Result):
    """Roofs of a model on one GPU. Evidence kind: predicted."""

    EVIDENCE: ClassVar[tuple[str, ...]] = ("predicted",)
    SHOWN: ClassVar[tuple[str, ...]] = ("recipe", "tokens", "batch", "name", "bound", "intensity", "roof_us")

    schema_version: int = SCHEMA_VERSION
    kind: Literal["roofline"] = "roofline"
    model: ModelSpec
    gpu: GpuEntry
    sections: tuple[RooflineSection, ...] = Field(min_length=1)
    equal_m: tuple[EqualM, ...] = ()

    def to_rows(self) -> list[Row]:
        """One a kernel of a recipe, length and batch; intensities in FLOP per byte."""
        fields = ("name", "kind", "count", "precision", "m", "n", "k", "flops", "bytes", "intensity", "ridge")
        return aligned(
            {
                **flat(section, "recipe", "tokens", "img_size"),
                "batch": batch.batch,
                **flat(kernel, *fields, "bound", "attainable_tflops", "roof_us", "compute_bound_from"),
            }
            for section in self.sections
            for batch in section.batches
            for kernel in batch.kernels
        )

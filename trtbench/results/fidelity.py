"""What verification finds: how close an exported model comes to the FP32 model.

Evidence kind: emulated. The ONNX file is computed on a CPU with the number formats it states; no kernel ran.
"""

from typing import ClassVar, Literal

from pydantic import Field

from trtbench.errors import Code
from trtbench.results.base import SCHEMA_VERSION, Count, Finding, Result
from trtbench.results.rows import Row, aligned, flat
from trtbench.specs import InputsSpec, RecipeField, Spec
from trtbench.specs.model import Weights
from trtbench.specs.token_reduction import TokenReductionField


class BlockFidelity(Spec):
    """Error in the residual stream behind transformer block ``block``; ``sqnr_db`` as in ``Fidelity``."""

    block: int
    cosine: float
    sqnr_db: float | None
    max_abs_error: float


class OutputFidelity(Spec):
    """Error in one of several outputs; ``sqnr_db`` as in ``Fidelity``."""

    name: str
    cosine: float
    sqnr_db: float | None
    max_abs_error: float


class FidelityReference(Spec):
    """The FP32 model; accuracy as fractions, absent without labelled images."""

    recipe: RecipeField
    sha256: str
    top1: float | None
    top5: float | None


class Fidelity(Spec):
    """One ONNX file against the reference, on the same images.

    ``cosine``, ``sqnr_db`` and ``max_abs_error`` are of all outputs side by side; ``per_output`` has those of
    each if there are several. ``sqnr_db`` is null where there is no error at all (infinite).
    ``top1_agreement`` and ``kl_divergence`` (nats) are null for a model without a classifier. ``top1`` and
    ``top5`` are accuracies, null without labels.
    """

    schema_version: int = SCHEMA_VERSION
    kind: Literal["fidelity"] = "fidelity"
    onnx_sha256: str
    reference: FidelityReference
    inputs: InputsSpec
    samples: Count
    weights: Weights | None = Field(default=None, description="of both models; null in older results")
    runtime: str = Field(description="what computed it, such as onnxruntime 1.22.0")
    cosine: float
    sqnr_db: float | None
    max_abs_error: float
    top1_agreement: float | None
    kl_divergence: float | None
    top1: float | None
    top5: float | None
    per_output: tuple[OutputFidelity, ...] = Field(default=(), exclude_if=lambda found: not found)
    per_block: tuple[BlockFidelity, ...]
    notes: tuple[str, ...] = Field(default=(), description="such as image files that cannot be read")

    @property
    def top1_drop(self) -> float | None:
        """Top-1 accuracy below the reference's, in percentage points; None without labelled images."""
        if self.top1 is None or self.reference.top1 is None:
            return None
        return 100 * (self.reference.top1 - self.top1)

    @property
    def is_real(self) -> bool:
        """Whether it says something of accuracy: neither weights nor images are made up."""
        return self.weights != "random" and self.inputs.directory is not None

    def columns(self) -> Row:
        """The error against FP32; KL divergence in nats, SQNR in dB."""
        fields = (
            "sqnr_db",
            "cosine",
            "max_abs_error",
            "top1_agreement",
            "top1",
            "top5",
            "samples",
            "weights",
        )
        return {
            **flat(self, *fields, prefix="emulated_"),
            **{f"emulated_{each.name}_sqnr_db": each.sqnr_db for each in self.per_output},
            "emulated_kl_divergence_nats": self.kl_divergence,
            "emulated_images": self.inputs.directory or "synthetic",
        }


class VerificationRow(Spec):
    """One recipe, or a file in its place; the recipe of a file is null if trtbench did not export it.

    A failed row has a ``reason`` and its ``code``; ``findings`` are those of the export. ``of_reduced``:
    against the FP32 model with the same token reduction, where there is one: without the reduction's error.
    """

    recipe: RecipeField | None
    file: str | None = Field(default=None, description="what the file is called")
    status: Literal["ok", "failed"]
    reason: str | None = None
    code: Code | None = None
    fidelity: Fidelity | None = None
    of_reduced: Fidelity | None = Field(default=None, exclude_if=lambda found: found is None)
    findings: tuple[Finding, ...] = ()

    @property
    def subject(self) -> str:
        """The file, or the recipe."""
        return self.file or str(self.recipe)


class Verification(Result):
    """Several recipes or files of one model against its FP32 model, or against the file ``against``."""

    EVIDENCE: ClassVar[tuple[str, ...]] = ("emulated",)

    schema_version: int = SCHEMA_VERSION
    kind: Literal["verification"] = "verification"
    model: str
    against: str | None = None
    token_reduction: TokenReductionField | None = Field(
        default=None, exclude_if=lambda reduction: reduction is None
    )
    inputs: InputsSpec
    rows: tuple[VerificationRow, ...]

    def to_rows(self) -> list[Row]:
        """One a recipe or file."""
        return aligned(
            {
                **flat(row, "subject", "recipe", "status", "reason", "code"),
                **(row.fidelity.columns() if row.fidelity else {}),
                **(
                    flat(row.of_reduced, "sqnr_db", "top1_agreement", prefix="of_reduced_")
                    if row.of_reduced
                    else {}
                ),
            }
            for row in self.rows
        )

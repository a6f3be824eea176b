"""Where the predicted time of an engine goes, and what would shorten it. Evidence kind: predicted."""

from typing import ClassVar, Literal

from pydantic import Field

from trtbench.results.base import SCHEMA_VERSION, Positive, Result
from trtbench.results.prediction import GpuEntry
from trtbench.results.rows import Row, aligned
from trtbench.specs import ImageSize, RecipeField, Spec

Step = Literal[
    "fell_back",
    "peak_share",
    "operand_loads",
    "epilogue",
    "waves",
    "attention",
    "token_reduction",
    "quantize",
    "norm",
    "gelu",
    "pointwise",
    "reformat",
    "patch_embed",
    "floor",
    "misses",
]
"""Steps from the ideal to the predicted time, in this order; ``predict/waterfall.py`` says what each is."""


class WaterfallStep(Spec):
    """What one cause adds to the time, and how many kernels it adds to."""

    step: Step
    ms: float
    kernels: int


class Waterfall(Spec):
    """From the GEMMs of the Linear layers alone, at the peak of the format asked for, to the predicted time.

    ``ideal_ms`` and all ``steps`` add up to ``predicted_ms``. ``gemm_ms`` is the predicted time of the GEMM
    kernels as they are: their share of every step, launches and L2 misses included.
    """

    recipe: RecipeField
    ideal_ms: float
    steps: tuple[WaterfallStep, ...]
    predicted_ms: float
    interval_ms: tuple[float, float]
    coverage: float
    gemm_ms: float

    @property
    def other_ms(self) -> float:
        """Predicted time of the kernels that are no GEMM of a Linear layer."""
        return self.predicted_ms - self.gemm_ms


class Ceiling(Spec):
    """Amdahl: the most that faster GEMMs give over FP16 if every other kernel stays as it is.

    With ``T`` the predicted FP16 time, ``G`` its GEMMs and ``O`` its other kernels, ``R`` the other kernels
    of the recipe and ``r`` the peak of ``math`` over that of FP16:

    Args:
        math: element type whose peak counts: the recipe's, or the fastest of the GPU if it quantises nothing.
        peak_ratio: ``r``; with several formats, ideal FP16 time over ideal time of the recipe.
        fp16_others: ``T / (O + G / r)``.
        own_others: ``T / (R + G / r)``.
        no_gemms: ``T / R``, GEMMs that take no time.
    """

    math: str
    peak_ratio: float
    fp16_others: float
    own_others: float
    no_gemms: float


class Lever(Spec):
    """One change, and what it is worth; levers overlap, so their gains do not add up.

    Args:
        name: what to change.
        evidence: ``compiled``: predicted from an engine that was built; ``repriced``: kernels of this engine
            priced again by the cost model.
        saves_ms: of the predicted time, for the same number of images (of tokens, where those change).
        at_most: what it saves is an upper bound.
        speedup: with this lever alone, over the FP16 engine as it is, or at the same batch.
        basis: what was computed, and what it takes for granted.
    """

    name: str
    evidence: Literal["compiled", "repriced"]
    saves_ms: float
    at_most: bool
    speedup: float
    basis: str


class BatchRate(Spec):
    """Images per second at another batch: the same kernels, their rows scaled."""

    batch: Positive
    images_per_s: float
    fp16_images_per_s: float


def _step_rows(recipe: str, fall: Waterfall) -> list[Row]:
    ideal: Row = {"recipe": recipe, "step": "ideal", "predicted_ms": fall.ideal_ms}
    steps: list[Row] = [
        {"recipe": recipe, "step": each.step, "predicted_ms": each.ms, "kernels": each.kernels}
        for each in fall.steps
    ]
    return [ideal, *steps]


class Explanation(Result):
    """Why one recipe is no faster on one GPU. Evidence kind: predicted, never measured.

    ``fp16`` is the baseline: the same model and shape in FP16, equal to ``waterfall`` for that recipe itself.
    ``levers``: those worth ``least_share`` of the time or more, the best first. ``not_compiled``: other
    recipes that would have been levers, with the reason. ``notes``: findings on what compiled that change
    what the numbers mean.
    """

    EVIDENCE: ClassVar[tuple[str, ...]] = ("predicted",)

    schema_version: int = SCHEMA_VERSION
    kind: Literal["explanation"] = "explanation"
    model: str
    batch: Positive
    img_size: ImageSize | None
    gpu: GpuEntry
    waterfall: Waterfall
    fp16: Waterfall
    speedup_interval: tuple[float, float] = Field(description="of ``speedup``, as comparisons have it")
    ceiling: Ceiling
    levers: tuple[Lever, ...]
    least_share: float = Field(description="of the predicted time, that a lever is worth to be listed")
    batches: tuple[BatchRate, ...]
    not_compiled: dict[str, str]
    notes: tuple[str, ...]
    assumptions: tuple[str, ...]

    def to_rows(self) -> list[Row]:
        """One a step of the recipe and of FP16, from the ideal to the predicted time; then one a lever."""
        falls = {str(fall.recipe): fall for fall in (self.waterfall, self.fp16)}
        steps = [row for recipe, fall in falls.items() for row in _step_rows(recipe, fall)]
        levers: list[Row] = [
            {
                "recipe": str(self.waterfall.recipe),
                "lever": each.name,
                "lever_evidence": each.evidence,
                "predicted_saves_ms": each.saves_ms,
                "at_most": each.at_most,
                "predicted_speedup": each.speedup,
            }
            for each in self.levers
        ]
        return aligned([*steps, *levers])

    @property
    def speedup(self) -> float:
        """Predicted, over FP16."""
        return self.fp16.predicted_ms / self.waterfall.predicted_ms

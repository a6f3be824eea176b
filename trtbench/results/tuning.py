"""What a search over recipes finds, and the lines of the journal that it resumes from.

Times are predicted, errors emulated; both are of whole models in ``TunedRow``, and composed of parts in
``Estimate``.
"""

import math
from typing import ClassVar, Literal

from pydantic import Field

from trtbench.errors import Code
from trtbench.results.audit import Audit
from trtbench.results.base import SCHEMA_VERSION, Count, Positive, Result
from trtbench.results.fidelity import Fidelity
from trtbench.results.measurement import Measurement
from trtbench.results.prediction import GpuEntry, PredictedSpeedup, Prediction
from trtbench.results.rows import Row, aligned, flat
from trtbench.specs import Change, ImageSize, InputsSpec, RecipeField, Spec
from trtbench.specs.model import Weights
from trtbench.specs.recipe import Recipe


class BuiltEngine(Spec):
    """An engine of ``blocks`` of the ``depth`` blocks of a model; bytes as ``EngineManifest`` has them."""

    depth: int
    blocks: Count
    audit: Audit
    engine_bytes: int
    activation_bytes: int | None


class TuneLine(Spec):
    """A finished piece of work: a line of a journal. A failed one has a ``reason`` and is not kept.

    ``part``: a shallow engine, the error of one role in the whole model, or a whole candidate with both.
    """

    part: Literal["shallow", "error", "whole"]
    recipe: RecipeField
    change: Change = Change()
    engine: BuiltEngine | None = None
    fidelity: Fidelity | None = None
    reason: str | None = None
    code: Code | None = None


class Estimate(Spec):
    """What the parts of a recipe add up to, before it is made: it ranks recipes and chooses none.

    ``sqnr_db`` is null where no part has any error.
    """

    gpu_compute_ms: float
    sqnr_db: float | None


class TunedRow(Spec):
    """A recipe of the whole model: exported, built, audited, verified, predicted; timed where a GPU is here.

    Args:
        estimate: null where a part of it failed.
        prediction: without its layers.
        kernels: compiled.
        on_front: no other row is at least as good in predicted time, SQNR, engine size and activation memory,
            and better in one.
        meets: whether it keeps what was asked for; null where nothing was asked.
    """

    recipe: RecipeField
    status: Literal["ok", "failed"] = "ok"
    reason: str | None = None
    code: Code | None = None
    estimate: Estimate | None = None
    prediction: Prediction | None = None
    kernels: int | None = None
    fidelity: Fidelity | None = None
    engine_bytes: int | None = None
    activation_bytes: int | None = None
    measured: Measurement | None = None
    on_front: bool = False
    meets: bool | None = None

    @property
    def sqnr_db(self) -> float:
        """SQNR of the output; infinite without any error, minus infinity where it was not measured."""
        if self.fidelity is None:
            return -math.inf
        return math.inf if self.fidelity.sqnr_db is None else self.fidelity.sqnr_db

    @property
    def predicted_ms(self) -> float:
        """Predicted time of the whole model; infinite of a failed row."""
        return self.prediction.gpu_compute_ms if self.prediction else math.inf

    @property
    def measured_ms(self) -> float | None:
        """Median of the main series; None where nothing was timed, or timing failed."""
        return self.measured.median_ms if self.measured else None

    @property
    def top1_drop(self) -> float | None:
        """Top-1 accuracy below FP32's, in percentage points; None without labelled images."""
        return self.fidelity.top1_drop if self.fidelity else None


class Variant(Spec):
    """The winner with one thing changed: its time from a few blocks, its error of the whole model.

    Args:
        recipe: the winner's, but for ``@stock`` and ``+sparse``.
        without: the pass that is left out; null: all that the recipe takes are run.
        passes: those that are left; null: all.
        prediction: without its layers; null where it failed.
        kernels: of the whole engine.
        note: what the prediction leaves out.
    """

    recipe: RecipeField
    without: str | None = None
    passes: tuple[str, ...] | None = None
    reason: str | None = None
    prediction: Prediction | None = None
    kernels: int | None = None
    fidelity: Fidelity | None = None
    note: str | None = None


class TunedShape(Spec):
    """A recipe of the front at one batch and image size; its time is predicted from a few blocks.

    Args:
        prediction: without its layers; null where it failed.
        tokens: of an image.
        l2_batch: the largest batch whose activations stay in L2, by the structure of the model; 0: none.
    """

    recipe: RecipeField
    batch: Positive
    img_size: ImageSize | None
    reason: str | None = None
    prediction: Prediction | None = None
    activation_bytes: int | None = None
    tokens: int
    l2_batch: int | None


class Tuning(Result):
    """A search over recipes of one model at one shape, for one GPU.

    Args:
        weights: whose errors these are: ``random`` ones rank recipes, and say nothing about accuracy.
        candidates: recipes that were estimated.
        engines_built: shallow engines that their times are composed of.
        errors_measured: whole models that their errors are composed of.
        rows: the confirmed recipes, by predicted time.
        time_error_pct, sqnr_error_db: most that an estimate was off, over the confirmed recipes.
        winner: recipe of the fastest row that keeps what was asked for; null where none does.
        by: the evidence that the winner is the fastest by.
        speedup: predicted, of the winner over FP16; null where FP16 wins.
        variants: the winner with one thing changed.
        shapes: the front at other batches and image sizes, beside the one of the search; empty where none
            were asked for.
        failures: parts of recipes that failed, so that no recipe with them was estimated.
        not_searched: what recipes could also have, and why it was left out.
    """

    SHOWN: ClassVar[tuple[str, ...]] = (
        *("recipe", "status", "reason", "is_winner", "meets", "on_front", "measured_*_median_ms"),
        *("predicted_gpu", "predicted_gpu_compute*_ms", "emulated_sqnr_db", "compiled_*_bytes"),
    )

    schema_version: int = SCHEMA_VERSION
    kind: Literal["tuning"] = "tuning"
    model: str
    batch: Positive
    img_size: ImageSize | None
    weights: Weights
    inputs: InputsSpec
    gpu: GpuEntry
    min_sqnr_db: float | None
    max_top1_drop: float | None
    candidates: int
    engines_built: int
    errors_measured: int
    rows: tuple[TunedRow, ...] = Field(min_length=1)
    time_error_pct: float
    sqnr_error_db: float
    winner: RecipeField | None = None
    by: Literal["predicted", "measured"] = "predicted"
    speedup: PredictedSpeedup | None = None
    variants: tuple[Variant, ...] = ()
    shapes: tuple[TunedShape, ...] = ()
    not_searched: tuple[str, ...]
    failures: tuple[str, ...]
    not_timed: str | None = None

    @property
    def evidence(self) -> tuple[str, ...]:
        """Predicted and emulated; measured, too, where the GPU is here."""
        is_timed = any(row.measured for row in self.rows)
        return ("predicted", "emulated", "measured") if is_timed else ("predicted", "emulated")

    def to_rows(self) -> list[Row]:
        """One a confirmed recipe."""
        return aligned(
            {
                **flat(row, "recipe", "status", "reason", "code", "meets", "on_front"),
                "is_winner": row.recipe == self.winner,
                **flat(row, "engine_bytes", "activation_bytes", prefix="compiled_"),
                **(row.prediction.columns() if row.prediction else {}),
                **(row.fidelity.columns() if row.fidelity else {}),
                **(row.measured.columns() if row.measured else {}),
            }
            for row in self.rows
        )

    @property
    def has_failed(self) -> bool:
        """Whether a confirmed recipe failed, or none keeps what was asked for."""
        return self.winner is None or any(row.status == "failed" for row in self.rows)

    def keeps(self, fidelity: Fidelity | None) -> bool:
        """Whether an error keeps the bound; true without one."""
        if self.min_sqnr_db is not None:
            return fidelity is not None and (fidelity.sqnr_db is None or fidelity.sqnr_db >= self.min_sqnr_db)
        if self.max_top1_drop is not None:
            drop = fidelity.top1_drop if fidelity else None
            return drop is not None and drop <= self.max_top1_drop
        return True

    def row_of(self, recipe: Recipe) -> TunedRow | None:
        """The confirmed row of a recipe."""
        return next((row for row in self.rows if row.recipe == recipe), None)

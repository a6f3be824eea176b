"""What a sweep finds, the lines of the journal that it resumes from, and what is expected of it before."""

from typing import ClassVar, Literal

from pydantic import Field

from trtbench.errors import Code
from trtbench.results.base import SCHEMA_VERSION, Result
from trtbench.results.rows import Row, aligned, flat
from trtbench.specs import Spec, SweepCell, SweepPlan

Phase = Literal["make", "time"]
"""Work that needs no GPU, and work that has one to itself."""


class SweepLine(Spec):
    """One phase of one cell: a line of the journal. A failed one has a ``reason`` and is not kept.

    ``values``: what was found, by the names of columns in ``SweepRow``. ``duration_s``: its part of
    the time of its worker.
    """

    key: str
    phase: Phase
    reason: str | None = None
    code: Code | None = None
    values: Row = Field(default_factory=dict)
    duration_s: float = 0.0


class SweepRow(Spec):
    """One cell, with what was found of it: names of values begin with the kind of evidence.

    ``not_timed``, ``not_predicted``: why it has no such values, although nothing failed.
    """

    cell: SweepCell
    status: Literal["ok", "failed"] = "ok"
    reason: str | None = None
    code: Code | None = None
    values: Row


class FactorShare(Spec):
    """How much of the variance of a response one factor or pair of factors explains, from 0 to 1."""

    factors: tuple[str, ...]
    share: float


class RuleError(Spec):
    """Error of one way to predict a response, on cells that it was not fitted to.

    ``median_pct``, ``p90_pct``: of the absolute relative errors of left-out cells.
    """

    method: Literal["rule", "log-linear", "mean"]
    median_pct: float
    p90_pct: float


class Rule(Spec):
    """A decision rule: questions that are asked in order, and a value at the end of each path.

    ``lines``: as indented text. ``folds``: in how many parts the cells were split for ``errors``.
    """

    lines: tuple[str, ...]
    folds: int
    errors: tuple[RuleError, ...]


class Analysis(Spec):
    """What the factors of a grid do to one response.

    Args:
        response: name of the value.
        scale: ``log`` where ratios count, else ``linear``.
        cells: with that value.
        combinations: of the factors' values; where there are more than ``cells``, shares are averages over
            all orders in which factors may be taken up.
        shares: the largest first; ``unexplained`` is the rest of 1.
        effects: mean of the response by value of each factor, as if no combination were missing; geometric on
            a ``log`` scale.
    """

    response: str
    scale: Literal["log", "linear"]
    cells: int
    combinations: int
    shares: tuple[FactorShare, ...]
    unexplained: float
    effects: dict[str, dict[str, float]]
    rule: Rule | None = None


class Cost(Spec):
    """What a sweep took so far: seconds of workers, and of GPUs that a cell had to itself."""

    worker_s: float = 0.0
    gpu_s: float = 0.0
    retries: int = 0


class SweepEstimate(Result):
    """What a sweep would do, take and leave on the disk.

    Args:
        cells: of the plan; ``done``: of these, in the journal; ``duplicates``: combinations named twice;
            ``skipped``: cells of models that the plan leaves out.
        duration_s, disk_bytes: of the cells that are left; on ``workers`` processes.
        basis: where the estimate comes from.
    """

    schema_version: int = SCHEMA_VERSION
    kind: Literal["sweep_estimate"] = "sweep_estimate"
    plan: SweepPlan
    cells: int
    models: int
    done: int
    duplicates: int
    skipped: int
    workers: int
    duration_s: float
    disk_bytes: int
    basis: str

    def to_rows(self) -> list[Row]:
        """The only row."""
        fields = ("cells", "models", "done", "duplicates", "skipped", "workers", "duration_s", "disk_bytes")
        return [{"plan": self.plan.name, **flat(self, *fields, "basis")}]


class Sweep(Result):
    """All cells of a plan.

    Args:
        plan: what was asked for.
        rows: in the order of the plan.
        cost: of the work of this run alone.
        analyses: one a response.
    """

    SHOWN: ClassVar[tuple[str, ...]] = (
        *("model", "heads", "image", "batch", "recipe", "runtime", "status", "reason"),
        *("measured_gpu", "measured_*_median_ms", "trace_busy_share", "trace_gaps_over_10us"),
        *("predicted_gpu", "predicted_gpu_compute*_ms", "predicted_tflop_per_s"),
        *("compiled_gemm_flops_*", "compiled_*_kernels", "compiled_other_bytes", "engine_size_bytes"),
        *("emulated_sqnr_db", "findings"),
    )

    schema_version: int = SCHEMA_VERSION
    kind: Literal["sweep_result"] = "sweep_result"
    plan: SweepPlan
    rows: tuple[SweepRow, ...] = Field(min_length=1)
    cost: Cost = Cost()
    analyses: tuple[Analysis, ...] = ()

    @property
    def evidence(self) -> tuple[str, ...]:
        """Kinds of evidence that a row has."""
        names = {name.partition("_")[0] for row in self.rows for name in row.values}
        kinds = {"compiled": "compiled", "measured": "measured", "predicted": "predicted"}
        kinds |= {"emulated": "emulated", "trace": "measured"}
        return tuple(dict.fromkeys(kind for name, kind in kinds.items() if name in names))

    @property
    def has_failed(self) -> bool:
        """Whether a cell failed."""
        return any(row.status == "failed" for row in self.rows)

    def to_rows(self) -> list[Row]:
        """One a cell."""
        fields = ("patch", "depth", "width", "heads", "image", "batch", "recipe", "runtime", "gpu")
        return aligned(
            {
                "model": row.cell.model,
                **flat(row.cell, *fields),
                **flat(row, "status", "reason", "code"),
                **row.values,
            }
            for row in self.rows
        )

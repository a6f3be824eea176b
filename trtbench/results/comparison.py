"""One grid of cells side by side: model shape x recipe x environment x runtime.

Format history of a stored comparison:
    1  four kinds: ``comparison``, ``version_comparison``, ``arms_comparison``, ``sweep``
    2  one kind, one type of row, with a key (``trtbench/store/upgrade.py`` reads the others)
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from trtbench.errors import Code
from trtbench.results.audit import RoleCoverage
from trtbench.results.base import Count, Finding, Positive, Result
from trtbench.results.baseline import BaselineChanges
from trtbench.results.diff import EngineDiff
from trtbench.results.environments import Environment, EnvironmentRecord
from trtbench.results.explanation import Waterfall
from trtbench.results.fidelity import Fidelity
from trtbench.results.measurement import Measurement, Verdict, raw_files_of
from trtbench.results.prediction import BlockKernel, GpuEntry, PredictedSpeedup, Prediction
from trtbench.results.rows import Row, aligned, ends, flat, markdown_table
from trtbench.specs.base import Spec
from trtbench.specs.model import ImageSize, ModelSpec, RecipeField
from trtbench.specs.token_reduction import TokenReductionField
from trtbench.units import visible

NO_GPU = "no GPU here"
"""Why nothing was timed on a machine without one; ``environment`` has what the driver said."""
COMPARISON_SCHEMA_VERSION = 2
_COMPILED = (
    *("gemm_flops_share", "attention_precision", "gemm_kernels", "attention_kernels", "quantize_kernels"),
    *("other_kernels", "other_bytes", "weight_bytes", "activation_bytes"),
)
"""What rows keep of a ``CompiledSummary``."""


class OnnxSummary(Spec):
    """The ONNX file of a row; only ``sha256`` is known in some results of schema 1."""

    path: str | None
    sha256: str
    size_bytes: Count | None
    nodes: int | None


class EngineSummary(Spec):
    """The engine of a row."""

    path: str
    sha256: str
    size_bytes: Count
    backend: str
    backend_version: str
    build_s: float


class CompiledSummary(Spec):
    """What the compiler made of a recipe; memory is null where it reports none. Evidence: compiled."""

    gemm_flops_share: dict[str, float]
    attention_precision: str | None
    gemm_kernels: int
    attention_kernels: int
    quantize_kernels: int
    other_kernels: int
    other_bytes: int
    weight_bytes: int | None
    activation_bytes: int | None
    by_role: dict[str, RoleCoverage]

    @property
    def kernels(self) -> int:
        """All kernels of the engine."""
        return self.gemm_kernels + self.attention_kernels + self.other_kernels

    @property
    def coverage(self) -> float | None:
        """Share of the FLOPs that run in the precision that was asked for; None where none was."""
        roles = [(role, role.asked) for role in self.by_role.values() if role.asked and role.compiled]
        total = sum(role.flops for role, _ in roles)
        if not total:
            return None
        return sum(role.flops * (role.compiled or {}).get(asked, 0.0) for role, asked in roles) / total


class ComparisonRow(Spec):
    """One cell. A failed row has a ``reason`` and the results of the stages that worked.

    Args:
        key: unique in the comparison; verdicts and differences refer to it.
        subject: the recipe, or the name of the file that was timed in its place.
        batch: images in a query; null where a file that could not be loaded would say it.
        img_size: side of the images in pixels, where it was asked for; else the model's own.
        token_reduction: of the model, if any.
        model: how it was constructed and with which weights, without paths; null of a bare file, and in older
            results.
        environment: the word for where it was built and timed.
        runtime: what it was to be timed in; null where it was only compiled.
        code: what kind of failure it is.
        targets: what the engine was built for.
        not_predicted: why there is no prediction, although there is an engine.
        waterfall: where the predicted time goes, of a recipe that the GPU has tensor cores for.
        block: the kernels of the block in the middle of the model, in execution order, where it is predicted.
    """

    key: str
    subject: str
    recipe: RecipeField | None
    batch: Positive | None
    img_size: ImageSize | None = None
    token_reduction: TokenReductionField | None = Field(
        default=None, exclude_if=lambda reduction: reduction is None
    )
    model: ModelSpec | None = Field(default=None, exclude_if=lambda model: model is None)
    environment: str = "local"
    runtime: str | None = None
    status: Literal["ok", "failed"] = "ok"
    reason: str | None = None
    code: Code | None = None
    targets: tuple[str, ...] = ()
    onnx: OnnxSummary | None = None
    engine: EngineSummary | None = None
    compiled: CompiledSummary | None = None
    fidelity: Fidelity | None = None
    measured: Measurement | None = None
    predicted: Prediction | None = None
    not_predicted: str | None = None
    waterfall: Waterfall | None = Field(default=None, exclude_if=lambda fall: fall is None)
    block: tuple[BlockKernel, ...] = Field(default=(), exclude_if=lambda kernels: not kernels)
    findings: tuple[Finding, ...] = ()

    def columns(self) -> Row:
        """What was asked of the cell and what was found, one column a value."""
        grid = ("key", "subject", "recipe", "batch", "img_size", "environment", "runtime")
        return {**flat(self, *grid, "status", "reason", "code", "targets"), **self.found()}

    def found(self) -> Row:
        """What was found alone."""
        columns: Row = {}
        if self.onnx:
            columns |= flat(self.onnx, "size_bytes", "sha256", prefix="onnx_")
        if self.engine:
            fields = ("size_bytes", "sha256", "build_s", "backend", "backend_version")
            columns |= flat(self.engine, *fields, prefix="engine_")
        if self.compiled:
            columns |= flat(self.compiled, *_COMPILED, prefix="compiled_")
        for part in (self.predicted, self.fidelity, self.measured):
            columns |= part.columns() if part else {}
        found = (*self.findings, *(self.measured.findings if self.measured else ()))
        codes = dict.fromkeys(str(each.code) for each in found if each.severity != "info")
        columns["findings"] = ", ".join(codes) or None
        return columns


class EngineDifference(Spec):
    """What changes from the engine of the row ``before`` to that of ``after``, by their keys."""

    before: str
    after: str
    diff: EngineDiff


class Recommendation(Spec):
    """Which row to take of those of one shape.

    Args:
        row: its key; null where none keeps its accuracy.
        by: the evidence that it is the fastest by.
        text: the choice and why: time, accuracy, size.
        uncertain: what may change the choice.
    """

    row: str | None
    by: Literal["measured", "predicted"]
    text: str
    uncertain: tuple[str, ...] = ()


class Comparison(Result):
    """All cells of a grid side by side.

    Args:
        environment: the machine; null when the rows come from several results.
        model: name of the model; null when the rows are files.
        environments: those that ``--env`` named, as they were found.
        differences: each engine against that of the same recipe in the first environment that has one.
        predicted_on: the GPU of all predictions.
        predicted_speedups: of each predicted row that is compared with another one.
        verdicts: on each timed row that is compared with another one.
        recommendations: one a shape of which two rows were timed or predicted.
        not_timed: why rows without ``measured`` have none.
        gpu: what queries ran on.
        sources: the stored results that the rows come from; empty when they were made at once.
        changes: each row beside that of the stored comparison that was named as the baseline.
    """

    SHOWN: ClassVar[tuple[str, ...]] = (
        *("key", "recommended", "runtime", "status", "reason", "verdict"),
        *("measured_gpu", "measured_*_median_ms", "measured_speedup*"),
        *("predicted_gpu", "predicted_gpu_compute*_ms", "predicted_speedup*"),
        *("emulated_top1", "emulated_sqnr_db", "engine_size_bytes"),
        *("compiled_gemm_flops_*", "compiled_attention_precision", "findings"),
    )

    schema_version: int = Field(
        default=COMPARISON_SCHEMA_VERSION, ge=COMPARISON_SCHEMA_VERSION, le=COMPARISON_SCHEMA_VERSION
    )
    kind: Literal["comparison"] = "comparison"
    environment: Environment | None
    model: str | None
    rows: tuple[ComparisonRow, ...] = Field(min_length=1)
    environments: tuple[EnvironmentRecord, ...] = ()
    differences: tuple[EngineDifference, ...] = ()
    predicted_on: GpuEntry | None = None
    predicted_speedups: tuple[PredictedSpeedup, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    recommendations: tuple[Recommendation, ...] = ()
    not_timed: str | None = None
    gpu: str | None = None
    sources: tuple[str, ...] = ()
    changes: BaselineChanges | None = Field(default=None, exclude_if=lambda changes: changes is None)

    @model_validator(mode="after")
    def _refers_to_its_rows(self) -> "Comparison":
        keys = {row.key for row in self.rows}
        if len(keys) < len(self.rows):
            raise ValueError("field rows: two rows have the same key")
        entries_of = Sequence[EngineDifference | PredictedSpeedup | Verdict]
        sides: list[tuple[str, entries_of, tuple[str, str]]] = [
            ("verdicts", self.verdicts, ("baseline", "arm")),
            ("predicted_speedups", self.predicted_speedups, ("baseline", "arm")),
            ("differences", self.differences, ("before", "after")),
        ]
        for field, entries, names in sides:
            for index, entry in enumerate(entries):
                for name in names:
                    if getattr(entry, name) not in keys:
                        raise ValueError(
                            f"field {field}.{index}.{name}: no row has the key {getattr(entry, name)!r}"
                        )
        for index, each in enumerate(self.recommendations):
            if each.row is not None and each.row not in keys:
                raise ValueError(f"field recommendations.{index}.row: no row has the key {each.row!r}")
        return self

    @property
    def baseline(self) -> str:
        """Key of the first row."""
        return self.rows[0].key

    @property
    def has_failed(self) -> bool:
        """Whether a row failed."""
        return any(row.status == "failed" for row in self.rows)

    def measurements(self) -> tuple[Measurement, ...]:
        """What was timed, row by row, each with the environment that it ran in."""
        measured = (row.measured for row in self.rows if row.measured)
        return tuple(each.in_environment(self.environment) for each in measured)

    @property
    def evidence(self) -> tuple[str, ...]:
        """Kinds of evidence that a row has."""
        fields = {
            "compiled": "compiled",
            "measured": "measured",
            "predicted": "predicted",
            "emulated": "fidelity",
        }
        return tuple(kind for kind, field in fields.items() if any(getattr(row, field) for row in self.rows))

    def with_samples_in(self, folder: Path) -> "Comparison":
        """The same, to be kept outside of ``folder``, where the files of raw blocks are."""
        rows = (
            row.model_copy(update={"measured": row.measured and row.measured.with_samples_in(folder)})
            for row in self.rows
        )
        return self.model_copy(update={"rows": tuple(rows)})

    def to_rows(self) -> list[Row]:
        """One a cell; speed-ups are over ``baseline``, the key of another row."""
        verdicts = {verdict.arm: verdict for verdict in self.verdicts}
        speedups = {speedup.arm: speedup for speedup in self.predicted_speedups}
        recommended = {each.row for each in self.recommendations}
        return aligned(
            {
                **row.columns(),
                "recommended": row.key in recommended,
                **_speedup_columns("predicted", speedups.get(row.key)),
                **_speedup_columns("measured", verdicts.get(row.key)),
                **_change_columns(self.changes, row.key),
            }
            for row in self.rows
        )

    def to_markdown(self) -> str:
        """The table, and behind it what changed since the baseline."""
        table = super().to_markdown()
        if self.changes is None:
            return table
        changed = self.changes.table()
        lines = "".join(f"\n{visible(line)}\n" for line in self.changes.notes())
        return f"{table}\n{visible(self.changes.title)}\n\n{markdown_table(changed, ())}{lines}"

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is recommended, and what is uncertain."""
        return tuple(
            f"Recommended: {each.text}" + f" Uncertain: {'; '.join(each.uncertain)}." * bool(each.uncertain)
            for each in self.recommendations
        )

    def raw_files(self, folder: Path) -> list[Path]:
        """Files of every sample, each once; ``folder`` holds the stored result."""
        return raw_files_of(self.measurements(), folder)


def _speedup_columns(evidence: str, found: PredictedSpeedup | Verdict | None) -> Row:
    if found is None:
        return {}
    interval = found.ci95 if isinstance(found, Verdict) else found.interval
    return {
        **({"verdict": found.verdict} if isinstance(found, Verdict) else {}),
        "baseline": found.baseline,
        f"{evidence}_speedup": found.ratio,
        **ends(f"{evidence}_speedup", interval),
    }


def _change_columns(changes: BaselineChanges | None, key: str) -> Row:
    found = changes.of(key) if changes else None
    return found.columns() if found else {}


_PARTS: dict[str, Callable[[ComparisonRow], str]] = {
    "batch": lambda row: f" b{row.batch}" if row.batch else "",
    "img_size": lambda row: f" {row.img_size}px" if row.img_size else "",
    "token_reduction": lambda row: f" {row.token_reduction}" if row.token_reduction else "",
    "environment": lambda row: f" in {row.environment}",
    "runtime": lambda row: f" on {row.runtime}" if row.runtime else "",
}
"""What a name adds to the subject, by the field in which rows differ."""


def varying(rows: Iterable[ComparisonRow]) -> frozenset[str]:
    """The fields of the grid that are not the same in all rows; no token reduction is one, too."""
    listed = list(rows)
    values = {name: {getattr(row, name) for row in listed} - {None} for name in _PARTS}
    values["token_reduction"] = {row.token_reduction for row in listed}
    return frozenset(name for name, found in values.items() if len(found) > 1)


def row_name(row: ComparisonRow, fields: Iterable[str]) -> str:
    """The subject and those of ``fields`` that tell the row apart: ``nvfp4 b8 on torch``."""
    return row.subject + "".join(part(row) for name, part in _PARTS.items() if name in fields)


def with_keys(rows: Sequence[ComparisonRow]) -> list[ComparisonRow]:
    """Give each row its name among all of them as its key."""
    fields = varying(rows)
    return [row.model_copy(update={"key": row_name(row, fields)}) for row in rows]

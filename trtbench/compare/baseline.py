"""A comparison beside a stored one: what changed, row by row. Nothing is built or timed for it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trtbench.compare.runs import verdict_of_runs
from trtbench.compare.stored import compare_stored, machine_facts, row_of, versions_in
from trtbench.errors import IncompatibleResults
from trtbench.measure.verdict import MARGIN, spec_differences
from trtbench.predict.speedup import predicted_speedup
from trtbench.results import (
    AaReport,
    BaselineChanges,
    Comparison,
    ComparisonRow,
    Measurement,
    Pair,
    Prediction,
    RowChange,
    TimeChange,
    VerdictWord,
)
from trtbench.results.environments import Environment
from trtbench.store.results import load_result
from trtbench.units import one_line

_CELL = ("subject", "batch", "img_size", "token_reduction", "environment", "runtime")
"""What makes two rows the same cell, whatever else their comparisons hold."""


@dataclass(frozen=True)
class Baseline:
    """A stored comparison that others are compared with, and its file."""

    file: Path
    comparison: Comparison


def load_baseline(file: Path) -> Baseline:
    """Read the stored comparison that others are compared with.

    Raises:
        SpecError: there is no such file.
        IncompatibleResults: it is neither a comparison nor a measurement, or cannot be read.
    """
    return Baseline(file, load_one(file))


def load_one(path: Path) -> Comparison:
    """Read a stored comparison as it is, or a measurement as a comparison of one row; samples may be missing.

    Raises:
        SpecError: there is no such file.
        IncompatibleResults: it is neither, or cannot be read.
    """
    result = load_result(path)
    if isinstance(result, AaReport):
        raise IncompatibleResults(f"{path}: compares an arm with itself; name a comparison or a measurement")
    if isinstance(result, Comparison):
        return result
    model = result.arm.export.model.name if result.arm.export else None
    return Comparison(environment=result.environment, model=model, rows=(row_of(result),), gpu=result.gpu)


def with_changes(comparison: Comparison, baseline: Baseline) -> Comparison:
    """The comparison with each row beside its counterpart in the baseline."""
    before = baseline.comparison
    pairs = _pairs(before, comparison)
    rows = [_change(before, old, comparison, new) for new, old in pairs]
    taken = {old.key for _, old in pairs if old}
    rows += [RowChange(key=row.key, status="missing") for row in before.rows if row.key not in taken]
    changes = BaselineChanges(
        file=str(baseline.file), differs=tuple(_differences(before, comparison)), rows=tuple(rows)
    )
    return comparison.model_copy(update={"changes": changes})


def stored_with_changes(paths: Sequence[Path], baseline: Baseline) -> Comparison:
    """Compare stored results, all with the first, and each row with the baseline.

    A single one may have one row, and no samples.

    Raises:
        SpecError, IncompatibleResults, ArtifactError: as ``compare_stored``.
    """
    if len(paths) > 1:
        return with_changes(compare_stored(paths), baseline)
    return with_changes(load_one(paths[0]).with_samples_in(paths[0].parent), baseline)


def _pairs(baseline: Comparison, comparison: Comparison) -> list[tuple[ComparisonRow, ComparisonRow | None]]:
    """Each row with the same cell of the baseline, else with one of the same key that is left."""
    cells = {_cell(row): row for row in baseline.rows}
    exact = {row.key: cells.get(_cell(row)) for row in comparison.rows}
    taken = {row.key for row in exact.values() if row}
    by_key = {row.key: row for row in baseline.rows if row.key not in taken}
    return [(row, exact[row.key] or by_key.get(row.key)) for row in comparison.rows]


def _cell(row: ComparisonRow) -> tuple[object, ...]:
    return tuple(getattr(row, name) for name in _CELL)


def _change(
    baseline: Comparison, old: ComparisonRow | None, comparison: Comparison, new: ComparisonRow
) -> RowChange:
    if old is None:
        return RowChange(key=new.key, status="new")
    obstacle = next(_obstacles(baseline, old, comparison, new), None)
    if obstacle is not None:
        return RowChange(key=new.key, status="incomparable", reason=obstacle)
    times = tuple(_times(baseline, old, comparison, new))
    return RowChange(key=new.key, status="compared", times=times).model_copy(update=_pairs_of(old, new))


def _pairs_of(old: ComparisonRow, new: ComparisonRow) -> dict[str, Pair]:
    """Compiled and emulated numbers that one of the two has."""
    before, after = (_numbers(row) for row in (old, new))
    return {
        name: Pair(before=before.get(name), after=after.get(name))
        for name in ("coverage", "kernels", "other_bytes", "sqnr_db")
        if (before.get(name), after.get(name)) != (None, None)
    }


def _numbers(row: ComparisonRow) -> dict[str, float | None]:
    numbers: dict[str, float | None] = {}
    if row.compiled:
        numbers |= {name: getattr(row.compiled, name) for name in ("coverage", "kernels", "other_bytes")}
    return {**numbers, "sqnr_db": row.fidelity.sqnr_db} if row.fidelity else numbers


def _obstacles(
    baseline: Comparison, old: ComparisonRow, comparison: Comparison, new: ComparisonRow
) -> Iterator[str]:
    """What forbids to compare two rows, with both values."""
    if new.status == "failed":
        yield f"failed: {one_line(new.reason)}"
    if old.status == "failed":
        yield f"failed in the baseline: {one_line(old.reason)}"
    for name in ("batch", "img_size", "token_reduction"):
        if getattr(old, name) != getattr(new, name):
            yield _differs(name, getattr(old, name), getattr(new, name))
    if old.targets and new.targets and old.targets != new.targets:
        yield _differs("target", ", ".join(old.targets), ", ".join(new.targets))
    if old.model and new.model:
        yield from spec_differences("model", old.model, new.model)
    elif baseline.model and comparison.model and baseline.model != comparison.model:
        yield _differs("model", baseline.model, comparison.model)
    weights = [row.fidelity.weights if row.fidelity else None for row in (old, new)]
    if None not in weights and weights[0] != weights[1]:
        yield _differs("weights", *weights)


def _times(
    baseline: Comparison, old: ComparisonRow, comparison: Comparison, new: ComparisonRow
) -> Iterator[TimeChange]:
    """Measured, then predicted; never one against the other."""
    if old.measured and new.measured:
        pair = (
            old.measured.in_environment(baseline.environment),
            new.measured.in_environment(comparison.environment),
        )
        if pair[0].median_ms and pair[1].median_ms:
            yield _measured(*pair)
    if old.predicted and new.predicted:
        yield predicted_change(old.predicted, new.predicted)


def _measured(old: Measurement, new: Measurement) -> TimeChange:
    verdict = verdict_of_runs(old, new)
    return TimeChange(
        evidence="measured",
        before_ms=old.median_ms or 0.0,
        after_ms=new.median_ms or 0.0,
        verdict=verdict.verdict,
        reason=verdict.reason,
        speedup=verdict.ratio,
        interval=verdict.ci95,
    )


def predicted_change(old: Prediction, new: Prediction) -> TimeChange:
    """Two predictions for one GPU: slower only if they are whatever the errors of the cost model."""
    places = [f"{each.gpu} at {each.clock_mhz:.0f} MHz" for each in (old, new)]
    found = None
    word: VerdictWord = "INCOMPARABLE"
    reason = _differs("GPU", *places)
    if places[0] == places[1]:
        try:
            found = predicted_speedup("the baseline", old, "now", new)
            word, reason = _judge(found.ratio, *found.interval)
        except IncompatibleResults as error:
            reason = str(error)
    return TimeChange(
        evidence="predicted",
        before_ms=old.gpu_compute_ms,
        after_ms=new.gpu_compute_ms,
        verdict=word,
        reason=reason,
        speedup=found.ratio if found else None,
        interval=found.interval if found else None,
    )


def _judge(ratio: float, low: float, high: float) -> tuple[VerdictWord, str]:
    """Word and reason as those of measured times, by all ratios that errors of the cost model allow."""
    word: VerdictWord = "AMBIGUOUS"
    if low >= 1 / (1 + MARGIN) and high <= 1 + MARGIN:
        word = "SAME"
    elif low > 1 or high < 1:
        word = "FASTER" if low > 1 else "SLOWER"
    return word, f"{ratio:.4f}x, {low:.4f} to {high:.4f} by the errors of the cost model"


def _differs(name: str, old: object, new: object) -> str:
    return f"{name} differs: {old} and {new}"


def _differences(baseline: Comparison, comparison: Comparison) -> Iterator[str]:
    """Versions, the commit and, where something was timed, the machine, as far as both are recorded."""
    is_timed = all(any(row.measured for row in each.rows) for each in (baseline, comparison))
    old, new = (_facts(each, is_timed) for each in (baseline, comparison))
    for name in {**old, **new} if old and new else ():
        if old.get(name) != new.get(name):
            yield f"{name} {old.get(name, 'none')} -> {new.get(name, 'none')}"


def _facts(comparison: Comparison, is_timed: bool) -> dict[str, str]:
    environment = comparison.environment
    if environment is None:
        return {}
    machine = {"trtbench": environment.trtbench_version}
    if is_timed:
        machine |= {
            name: fact for name, fact in machine_facts(environment).items() if name != "trtbench_version"
        }
    compilers = {
        row.engine.backend: row.engine.backend_version for row in comparison.rows if row.engine is not None
    }
    return {**_commit(environment), **machine, **versions_in(environment), **compilers}


def _commit(environment: Environment) -> dict[str, str]:
    return {} if environment.commit is None else {"commit": str(environment.commit)}

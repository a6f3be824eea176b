"""Stored comparisons of another day: the golden predictions with what changes between two commits."""

from pathlib import Path

from support.timed import GPU, MACHINE, observe, row_of

from trtbench.results import Commit, Comparison, ComparisonRow, Environment
from trtbench.store.results import load_result

GOLDEN = Path(__file__).parents[1] / "golden"
MONDAY = load_result(GOLDEN / "predict" / "predictions.json")
assert isinstance(MONDAY, Comparison)


def on(day: int, sha: str = "a1" * 20, **fields: object) -> Environment:
    """The machine of the golden predictions on a day of June 2026."""
    recorded = {"recorded_utc": f"2026-06-{day:02}T12:00:00+00:00", "commit": Commit(sha=sha)}
    return (MONDAY.environment or MACHINE).model_copy(update={**recorded, **fields})


def changed(
    row: ComparisonRow, factor: float = 1.0, kernels: int = 0, fell_back: bool = False
) -> ComparisonRow:
    """A predicted row whose largest group takes ``factor`` as long, with more kernels, or a role in FP16."""
    predicted, compiled = row.predicted, row.compiled
    assert predicted is not None
    assert compiled is not None
    name = max(predicted.groups, key=lambda each: predicted.groups[each].predicted_ms)
    group = predicted.groups[name]
    longer = group.model_copy(update={"predicted_ms": group.predicted_ms * factor})
    time_ms = predicted.gpu_compute_ms + longer.predicted_ms - group.predicted_ms
    groups = {**predicted.groups, name: longer}
    roles = dict(compiled.by_role)
    if fell_back:
        roles["fc1"] = roles["fc1"].model_copy(update={"compiled": {"fp32": 1.0}})
    more = {"other_kernels": compiled.other_kernels + kernels, "by_role": roles}
    return row.model_copy(
        update={
            "predicted": predicted.model_copy(update={"gpu_compute_ms": time_ms, "groups": groups}),
            "compiled": compiled.model_copy(update=more),
        }
    )


def predicted(day: int = 1, *, row: int = 0, sha: str = "a1" * 20, **change: float) -> Comparison:
    """The golden predictions as of a day, with a change of one row."""
    rows = list(MONDAY.rows)
    rows[row] = changed(rows[row], **change)
    return MONDAY.model_copy(update={"rows": tuple(rows), "environment": on(day, sha)})


def timed(day: int = 1, median_ms: float = 1.5, gpu: str = GPU, **fields: object) -> Comparison:
    """FP16 timed on a day."""
    measured = observe("fp16", median_ms, gpu=gpu).measurement
    recorded = {"recorded_utc": f"2026-06-{day:02}T12:00:00+00:00", **fields}
    machine = MACHINE.model_copy(update=recorded)
    return Comparison(environment=machine, model="vit_base_patch16_224", rows=(row_of(measured),), gpu=gpu)

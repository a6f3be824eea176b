"""Why a comparison fails what it was asked to keep: one line a reason."""

from collections.abc import Iterable, Iterator, Sequence

from trtbench.results import Comparison, ComparisonRow, Finding
from trtbench.specs import Condition


def reasons_to_fail(comparison: Comparison, conditions: Iterable[Condition]) -> list[tuple[Condition, str]]:
    """Each condition that a row meets, with the row and its numbers; what a row lacks to be judged counts.

    Rows that failed are judged by their findings and their code alone.
    """
    return [(each, reason) for each in conditions for reason in _reasons(comparison, each)]


def _reasons(comparison: Comparison, condition: Condition) -> Iterator[str]:
    if condition.kind in ("code", "warning"):
        yield from _with_finding(comparison, condition)
    elif condition.kind == "slower":
        yield from _slower(comparison)
    else:
        rows = [row for row in comparison.rows if row.status == "ok"]
        yield from (reason for row in rows for reason in _inaccurate(row, condition))


def _with_finding(comparison: Comparison, condition: Condition) -> Iterator[str]:
    for key, finding in _findings(comparison):
        if condition.code in (None, finding.code) and (condition.code or finding.severity != "info"):
            of_code = f"{finding.code}: " if condition.code is None else ""
            yield f"{key}: {of_code}{finding.message}"
    failed = [row for row in comparison.rows if row.code is not None and row.code == condition.code]
    yield from (f"{row.key}: {row.reason}" for row in failed)


def _findings(comparison: Comparison) -> Iterator[tuple[str, Finding]]:
    for row in comparison.rows:
        measured: Sequence[Finding] = row.measured.findings if row.measured else ()
        yield from ((row.key, finding) for finding in (*row.findings, *measured))
    for record in comparison.environments:
        yield from ((record.environment, finding) for finding in record.findings)


def _slower(comparison: Comparison) -> Iterator[str]:
    if not comparison.verdicts:
        yield "there is no verdict, because no two arms were timed"
    for each in comparison.verdicts:
        if each.verdict in ("SLOWER", "INCOMPARABLE"):
            yield f"{each.arm} against {each.baseline} is {each.verdict}: {each.reason}"


def _inaccurate(row: ComparisonRow, condition: Condition) -> Iterator[str]:
    found, limit = row.fidelity, condition.limit or 0.0
    if found is None:
        yield f"{row.key}: its error against FP32 is not known"
    elif condition.kind == "sqnr":
        if found.sqnr_db is not None and found.sqnr_db < limit:
            yield f"{row.key}: SQNR {found.sqnr_db:.1f} dB"
    elif found.top1_drop is None:
        yield f"{row.key}: its top-1 accuracy is not known; compare on --data with class folders"
    elif found.top1_drop > limit:
        reference = f"FP32: {found.reference.top1:.1%}"
        yield f"{row.key}: top-1 {found.top1:.1%} ({reference}), {found.top1_drop:.2f} points lower"

"""Why a comparison fails what it was asked to keep: one line a reason."""

from collections.abc import Iterable, Iterator, Sequence

from trtbench.results import BaselineChanges, Comparison, ComparisonRow, Finding, RowChange, VerdictWord
from trtbench.specs import Condition


def reasons_to_fail(comparison: Comparison, conditions: Iterable[Condition]) -> list[tuple[Condition, str]]:
    """Each condition that a row meets, with the row and its numbers; what a row lacks to be judged counts.

    Rows that failed are judged by their findings and their code alone. With a baseline, ``slower`` is judged
    against it, and rows that only one side has are not judged.
    """
    return [(each, reason) for each in conditions for reason in _reasons(comparison, each)]


def _reasons(comparison: Comparison, condition: Condition) -> Iterator[str]:
    if condition.kind in ("code", "warning"):
        yield from _with_finding(comparison, condition)
    elif condition.needs_baseline or (condition.kind == "slower" and comparison.changes):
        yield from _since_baseline(comparison.changes, condition)
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


def judged_words(comparison: Comparison) -> set[VerdictWord]:
    """The verdicts that ``slower`` looks at: those on the change since the baseline, if there is one."""
    if comparison.changes is None:
        return {verdict.verdict for verdict in comparison.verdicts}
    rows = comparison.changes.rows
    words = {row.deciding.verdict for row in rows if row.deciding}
    return words | {"INCOMPARABLE" for row in rows if row.status == "incomparable"}


def _since_baseline(changes: BaselineChanges | None, condition: Condition) -> Iterator[str]:
    if changes is None:
        yield "there is no baseline; name one with --baseline"
        return
    judged = [row for row in changes.rows if row.status in ("compared", "incomparable")]
    if not judged:
        yield f"no row has a counterpart in {changes.file}"
    for row in judged:
        if row.status == "incomparable":
            yield f"{row.key} is INCOMPARABLE against {changes.file}: {row.reason}"
        elif condition.kind == "slower":
            yield from _slower_than_before(row, changes.file)
        else:
            yield from _worse_than_before(row, condition, changes.file)


def _slower_than_before(row: RowChange, file: str) -> Iterator[str]:
    time = row.deciding
    if time is None:
        yield f"{row.key}: neither timed nor predicted both here and in {file}"
    elif time.verdict in ("SLOWER", "INCOMPARABLE"):
        yield f"{row.key} is {time.verdict} against {file}, {time.evidence}: {time.reason}"


def _worse_than_before(row: RowChange, condition: Condition, file: str) -> Iterator[str]:
    """Of compiled numbers, any difference is one: they are the same in every build."""
    pair, what = (row.coverage, "coverage") if condition.kind == "less_coverage" else (row.kernels, "kernels")
    if pair is None or pair.before is None or pair.after is None:
        yield f"{row.key}: {what} not known both here and in {file}"
    elif condition.kind == "less_coverage" and pair.falls:
        before, after = f"{pair.before:.1%}", f"{pair.after:.1%}"
        yield f"{row.key}: {after} of the FLOPs run in the precision asked for, {before} in {file}"
    elif condition.kind == "more_kernels" and pair.rises:
        yield f"{row.key}: {pair.after:.0f} kernels, {pair.before:.0f} in {file}"


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

"""A comparison as text: what was compared, compiled, predicted and timed, then what failed and was found."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from trtbench.report.text.baseline import render_changes
from trtbench.report.text.compiled_table import render_compiled, to_compile
from trtbench.report.text.diff import render_difference
from trtbench.report.text.findings import render_findings, render_noted
from trtbench.report.text.keys import environment_line, environment_names, keyed, telling
from trtbench.report.text.measurement import render_reasons
from trtbench.report.text.predicted import render_assumptions, render_predicted
from trtbench.report.text.times import render_times
from trtbench.results import NO_GPU, Comparison
from trtbench.results.comparison import row_name
from trtbench.specs import sides_of
from trtbench.units import format_count


def render_comparison(
    comparison: Comparison, raw_files: Sequence[Path], console: Console, following: str | None = None
) -> None:
    """Print ``comparison``: speed, accuracy, size, what ran in what, findings, and what to take.

    Args:
        comparison: what is printed.
        raw_files: where every sample is kept.
        console: where it is printed.
        following: the command to run next.
    """
    versions = environment_names(comparison.rows)
    comparison = comparison.model_copy(update={"rows": keyed(comparison.rows, versions).rows})
    render_head(comparison, console)
    render_times(comparison, versions, raw_files, console)
    render_predicted(comparison, versions, console)
    render_assumptions(comparison.rows, console, of_all=False)
    render_compiled(comparison.rows, versions, console)
    render_failures(comparison, console)
    _render_differences(comparison, versions, console)
    _render_findings(comparison, console)
    if comparison.changes is not None:
        render_changes(comparison.changes, console)
    render_recommendations(comparison, following, console)


def render_head(comparison: Comparison, console: Console) -> None:
    """Print what was compared, and where."""
    console.print(_headline(comparison), soft_wrap=True)
    if comparison.not_timed is not None:
        console.print(Text(_why_not_timed(comparison, comparison.not_timed)), soft_wrap=True)
    for record in comparison.environments:
        style = "dim" if record.contents else "red"
        console.print(Text(environment_line(record), style=style), soft_wrap=True)
    if comparison.environments:
        console.print()


def _headline(comparison: Comparison) -> Text:
    rows = comparison.rows
    batches = sorted({row.batch for row in rows if row.batch})
    sizes = sorted({row.img_size for row in rows if row.img_size}, key=sides_of)
    targets = dict.fromkeys(target for row in rows for target in row.targets)
    compilers = dict.fromkeys(
        f"{row.engine.backend} {row.engine.backend_version}" for row in rows if row.engine
    )
    parts: list[tuple[str, Collection[object], str]] = [
        (f", batch{'es' * (len(batches) > 1)} ", batches, ""),
        (", images of ", sizes, " pixels"),
        (", compiled for ", targets, ""),
        (" by ", compilers, ""),
    ]
    parts_shown = [f"{before}{', '.join(map(str, each))}{after}" for before, each, after in parts if each]
    files = format_count(len({row.subject for row in rows}), "file")
    subject = f"from {', '.join(comparison.sources)}" if comparison.sources else comparison.model or files
    return Text.assemble((subject, "bold"), *parts_shown, *_what_is_missing(comparison))


def _why_not_timed(comparison: Comparison, reason: str) -> str:
    """Why some or all rows have no times, and what all others are worth."""
    line = reason if reason == NO_GPU else f"not timed: {reason}"
    evidence = " and ".join(kind for kind in comparison.evidence if kind in ("compiled", "predicted"))
    return line if _is_timed(comparison) or not evidence else f"{line}: {evidence} evidence only"


def _is_timed(comparison: Comparison) -> bool:
    return any(row.measured and row.measured.series for row in comparison.rows)


def _what_is_missing(comparison: Comparison) -> tuple[str, ...]:
    is_said = _is_timed(comparison) or comparison.not_timed is not None
    is_built = any(row.engine for row in comparison.rows)
    nothing = "; nothing was compiled" * (bool(to_compile(comparison.rows)) and not is_built)
    return (nothing, "; nothing here was timed on a GPU" * (not is_said))


def render_failures(comparison: Comparison, console: Console) -> None:
    """Print why rows failed."""
    printed = {record.reason for record in comparison.environments if record.reason}
    render_reasons(
        [
            (row.key, "the environment is not ready" if row.reason in printed else row.reason)
            for row in comparison.rows
        ],
        console,
    )


def _render_differences(comparison: Comparison, versions: Mapping[str, str], console: Console) -> None:
    rows = {row.key: row for row in comparison.rows}
    fields = telling(comparison.rows) - {"environment"}
    for each in comparison.differences:
        before, after = rows[each.before], rows[each.after]
        names = (versions[before.environment], versions[after.environment])
        render_difference(row_name(before, fields), names, each.diff, console)


def render_recommendations(comparison: Comparison, following: str | None, console: Console) -> None:
    """Print which row to take, what may change that, and ``following``, the command to run next."""
    for each in comparison.recommendations:
        console.print(Text.assemble(("\nrecommended: ", "bold"), each.text), soft_wrap=True)
        if each.uncertain:
            console.print(Text(f"uncertain: {'; '.join(each.uncertain)}"), soft_wrap=True)
    if following is not None:
        console.print(Text(f"next: {following}"), soft_wrap=True)


def _render_findings(comparison: Comparison, console: Console) -> None:
    rows = comparison.rows
    timed = [(row.key, finding) for row in rows if row.measured for finding in row.measured.findings]
    render_noted(timed, console, "--json")
    render_noted(
        [(row.key, finding) for row in rows for finding in row.findings], console, "trtbench inspect"
    )
    of_environments = [
        (each.environment, found) for each in comparison.environments for found in each.findings
    ]
    render_findings(of_environments, console)

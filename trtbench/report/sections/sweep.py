"""The section of a sweep: what the factors do, the rule, and all cells."""

from collections import Counter
from collections.abc import Iterable

from trtbench.report.figures.figure import Figure, short, slug
from trtbench.report.figures.sweep import effects, evidence_of, heat_map, response_name, shares, sizes
from trtbench.report.sections.section import Cell, Section, Source, Table, table_of, table_of_rows
from trtbench.report.text.sweep import rule_errors
from trtbench.results import Analysis, Sweep
from trtbench.units import format_count, format_seconds


def sweep_section(sweep: Sweep, source: Source) -> Section:
    """Four figures an analysed response, the rules, then the cells."""
    failed = Counter(str(row.reason) for row in sweep.rows if row.status == "failed")
    count = format_count(len(sweep.rows), "cell")
    return Section(
        kind="sweep",
        title=short(f"Sweep: {sweep.plan.name}", 120),
        source=source.name,
        evidence=sweep.evidence,
        facts=(
            ("cells", f"{count}, {sum(failed.values())} failed"),
            ("took", f"{format_seconds(sweep.cost.worker_s)} of workers"),
            *(("failed", short(f"{number} with: {reason}", 400)) for reason, number in failed.most_common(8)),
        ),
        verdict=_verdict(sweep),
        appendix=(
            *(table for each in sweep.analyses if (table := _rule(each))),
            table_of_rows("rows", "All cells", sweep.to_rows()),
        ),
        figures=tuple(figure for each in sweep.analyses for figure in _figures(sweep, each)),
    )


def sweep_figures(sweep: Sweep) -> Iterable[Figure]:
    """All figures, response by response."""
    for analysis in sweep.analyses:
        yield from _figures(sweep, analysis)


def _figures(sweep: Sweep, analysis: Analysis) -> Iterable[Figure]:
    made = (heat_map(sweep, analysis), shares(analysis), effects(analysis), sizes(sweep, analysis))
    yield from (figure for figure in made if figure)


def _verdict(sweep: Sweep) -> str:
    if not sweep.analyses:
        return "Too few cells to say what the factors do."
    first = sweep.analyses[0]
    if not first.shares:
        return f"No factor explains {response_name(first)}."
    top = first.shares[0]
    return (
        f"{' x '.join(top.factors)} explains {top.share:.0%} of the variance of "
        f"{response_name(first)} ({evidence_of(first)[0]}), {format_count(first.cells, 'cell')}."
    )


def _rule(analysis: Analysis) -> Table | None:
    """The decision rule and its errors, line by line."""
    if analysis.rule is None:
        return None
    cells = [Cell(_indented(line)) for line in (*analysis.rule.lines, rule_errors(analysis.rule))]
    return table_of(
        f"rule-{slug(analysis.response)}", f"Rule for {response_name(analysis)}", {"rule": cells}, ()
    )


def _indented(line: str) -> str:
    text = line.lstrip()
    return "\u00a0" * 2 * (len(line) - len(text)) + short(text, 300)

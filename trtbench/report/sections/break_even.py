"""The section of break-even points of a token reduction."""

from trtbench.report.figures.break_even import break_even
from trtbench.report.figures.figure import short
from trtbench.report.sections.section import Section, Source, table_of_rows
from trtbench.results.break_even import BreakEven


def break_even_section(found: BreakEven, source: Source) -> Section:
    """The curves, and what failed."""
    figure = break_even(found)
    return Section(
        kind="break_even",
        title=short(f"Break-even: {found.model} with {found.token_reduction}", 120),
        source=source.name,
        evidence=found.evidence,
        facts=(
            *((("GPU", short(found.gpu)),) if found.gpu else ()),
            *(("no time", short(each, 300)) for each in found.failed),
        ),
        verdict=figure.reading if figure else "No curve: no size has times of both models.",
        appendix=(table_of_rows("rows", "All points", found.to_rows()),) if found.curves else (),
        figures=(figure,) if figure else (),
    )

"""The section of a result that has no figures of its own: its rows."""

from trtbench.report.figures.figure import short
from trtbench.report.sections.section import Section, Source, table_of_rows
from trtbench.results import Result
from trtbench.results.rows import aligned


def other_section(result: Result, source: Source) -> Section:
    """All rows, with the columns that notebooks show."""
    kind = str(type(result).model_fields["kind"].default)
    rows = result.to_rows()
    return Section(
        kind=kind,
        title=short(f"{kind.replace('_', ' ')} {source.name}", 120),
        source=source.name,
        evidence=result.evidence,
        tables=(table_of_rows("rows", "All rows", aligned(rows)),),
    )

"""Sections of results that are mostly a table: errors, roofs, and any other kind."""

from dataclasses import replace

from trtbench.report.figures.errors import block_errors
from trtbench.report.figures.figure import Figure, short
from trtbench.report.figures.roofs import roofline
from trtbench.report.sections.section import Section, Source, remedies_of, table_of_rows
from trtbench.results import Result, Roofline, Verification
from trtbench.results.rows import aligned


def other_section(result: Result, source: Source) -> Section:
    """All rows."""
    kind = str(type(result).model_fields["kind"].default)
    return _section(result, source, f"{kind.replace('_', ' ').capitalize()}: {source.name}", None)


def roofline_section(found: Roofline, source: Source) -> Section:
    """Kernels under the roofs."""
    return _section(found, source, f"Roofline: {found.model.name} on {found.gpu.title}", roofline(found))


def verification_section(found: Verification, source: Source) -> Section:
    """Errors of each recipe, and behind each block."""
    errors = {row.subject: row.fidelity for row in found.rows if row.fidelity}
    section = _section(found, source, f"Errors against FP32: {found.model}", block_errors(errors))
    findings = ((row.subject, finding) for row in found.rows for finding in row.findings)
    return replace(section, remedies=remedies_of(findings))


def _section(result: Result, source: Source, title: str, figure: Figure | None) -> Section:
    return Section(
        kind=str(type(result).model_fields["kind"].default),
        title=short(title, 120),
        source=source.name,
        evidence=result.evidence,
        verdict=figure.reading if figure else "",
        appendix=(table_of_rows("rows", "All rows", aligned(result.to_rows())),),
        figures=(figure,) if figure else (),
    )

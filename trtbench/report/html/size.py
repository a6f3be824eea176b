"""Keeps a page below 5 MB: later sections lose figures, then tables, and the page says so."""

from collections.abc import Iterable
from dataclasses import replace

from trtbench.report.report import Report
from trtbench.report.sections.section import Section

MOST_BYTES = 5_000_000
_FIXED_BYTES = 1_100_000
"""Vega, style and script."""
_CELL_BYTES, _VALUE_BYTES, _FIGURE_BYTES, _SECTION_BYTES = 60, 14, 2000, 1500
_STILL_BYTES, _STILL_ROW_BYTES = 12_000, 420
"""SVG of a figure, and of each of its rows."""
_LEFT_OUT = ("", "figures and findings", "all but the verdict")
_FILLED = (0.6, 0.85, 1.0)
"""Share of the page at whose end sections lose what ``_LEFT_OUT`` names next."""


def fitting(report: Report, most_stills: int) -> Report:
    """As much of the sections as a page below 5 MB holds.

    Args:
        report: all of it.
        most_stills: figures that have an SVG, too.
    """
    room, used, stills, level = MOST_BYTES - _FIXED_BYTES, 0, most_stills, 0
    levels = []
    sections: list[Section] = []
    for section in report.sections:
        while level < 2 and used + _size(_at_level(section, level), stills) > _FILLED[level] * room:
            level += 1
        sections.append(_at_level(section, level))
        used, stills = used + _size(sections[-1], stills), stills - len(sections[-1].figures)
        levels.append(level)
    return replace(report, sections=tuple(sections), notes=(*report.notes, *_notes(levels)))


def _at_level(section: Section, level: int) -> Section:
    if level == 0:
        return section
    brief = replace(section, figures=(), remedies=(), appendix=(), environment=())
    return brief if level == 1 else replace(brief, tables=(), facts=())


def _notes(levels: list[int]) -> Iterable[str]:
    for level in (1, 2):
        if count := levels.count(level):
            yield (
                f"Of {count} results, {_LEFT_OUT[level]} are left out, since the page would be larger than "
                "5 MB. To see them, report fewer results at once."
            )


def _size(section: Section, stills: int) -> int:
    """About how many bytes a section takes."""
    cells = (cell for table in (*section.tables, *section.appendix) for row in table.rows for cell in row)
    lines = [*(line for each in section.remedies for line in (*each.lines, each.hint)), section.verdict]
    lines += [value for _, value in (*section.facts, *section.environment)]
    texts = sum(len(cell.text) + _CELL_BYTES for cell in cells) + sum(
        len(each) + _CELL_BYTES for each in lines
    )
    values = sum(
        _VALUE_BYTES + len(str(value))
        for figure in section.figures
        for row in figure.rows
        for value in row.values()
    )
    drawn = section.figures[: max(stills, 0)]
    pictures = sum(_STILL_BYTES + _STILL_ROW_BYTES * len(figure.rows) for figure in drawn)
    return _SECTION_BYTES + texts + values + pictures + _FIGURE_BYTES * len(section.figures)

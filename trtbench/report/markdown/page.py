"""A report as Markdown for pull requests and job summaries: tables, findings, and links to pictures."""

import re
from collections.abc import Iterable, Sequence

from trtbench.report.charts import LIGHT, svg_of
from trtbench.report.figures.figure import Figure
from trtbench.report.report import Report
from trtbench.report.sections.section import Remedy, Section, Table, kind_words
from trtbench.results.rows import Value
from trtbench.units import shortened, visible

_LONGEST = 5000
_MOST_ROWS = 24
"""Of the data of a figure: GitHub takes 65,536 characters a comment."""
_SYNTAX = re.compile(r"([\\`*_\[\]|~#!])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MENTION = re.compile(r"(?<!\w)@")


def markdown_page(report: Report, folder: str) -> str:
    """The report as Markdown.

    Args:
        report: what is shown.
        folder: where pictures lie, relative to the page, by the names of ``pictures``.
    """
    blocks = [f"# {plain(report.title)}", *map(plain, report.notes)]
    for number, section in enumerate(report.sections, start=1):
        blocks += _section(section, number, len(report.sections) > 1, folder)
    blocks += _command("Made with:", report.command)
    return "\n\n".join(blocks) + "\n"


def pictures(report: Report) -> dict[str, str]:
    """SVG of all figures by the names of their files.

    Raises:
        RuntimeUnavailable: vl-convert is not installed.
    """
    return {
        _picture(number, figure): svg_of(figure, LIGHT)
        for number, section in enumerate(report.sections, start=1)
        for figure in section.figures
    }


def plain(text: str) -> str:
    """A text of others that Markdown shows as it is, on one line, and that mentions nobody."""
    line = shortened(" ".join(visible(text).split()), _LONGEST)
    escaped = "".join(_ENTITIES.get(each, each) for each in line)
    return _MENTION.sub("&#64;", _SYNTAX.sub(r"\\\1", escaped))


def _picture(number: int, figure: Figure) -> str:
    return f"{number}_{figure.name}.svg"


def _section(section: Section, number: int, is_one_of_several: bool, folder: str) -> Iterable[str]:
    if is_one_of_several:
        yield f"## {plain(section.title)}"
    kinds = f"; evidence: {', '.join(section.evidence)}" if section.evidence else ""
    kind = kind_words(section.kind)
    yield f"{kind[:1].upper()}{kind[1:]}{kinds}."
    if section.verdict:
        yield f"> **{plain(section.verdict)}**"
    if section.uncertain:
        yield f"Uncertain: {plain('; '.join(section.uncertain))}."
    if section.facts:
        yield "\n".join(f"- {plain(name)}: {plain(value)}" for name, value in section.facts)
    for table in section.tables:
        yield f"### {plain(table.title)}"
        yield _table(table)
    for figure in section.figures:
        yield from _figure(figure, f"{folder}/{_picture(number, figure)}")
    if section.remedies:
        yield "### Findings, and what to do"
        yield "\n".join(map(_remedy, section.remedies))
    for table in section.appendix:
        yield f"<details><summary>{plain(table.title)}</summary>\n\n{_table(table)}\n\n</details>"
    if section.environment:
        listed = "\n".join(f"- {plain(name)}: {plain(value)}" for name, value in section.environment)
        yield f"<details><summary>Environment and versions</summary>\n\n{listed}\n\n</details>"
    yield from _command("To make this result again:", section.command)
    yield f"From {plain(section.source)}"


def _figure(figure: Figure, address: str) -> Iterable[str]:
    yield f"### {plain(figure.title)} ({', '.join(figure.evidence)})"
    yield plain(figure.reading)
    yield f"![{plain(figure.alt)}]({address})"
    more = len(figure.rows) - _MOST_ROWS
    note = f"\n\n{more} more rows: the HTML page has all." if more > 0 else ""
    yield f"<details><summary>Data of this figure</summary>\n\n{_rows(figure)}{note}\n\n</details>"


def _remedy(remedy: Remedy) -> str:
    lines = [f"- **{remedy.severity}** `{remedy.code}`", *(f"  - {plain(line)}" for line in remedy.lines)]
    return "\n".join([*lines, f"  - To do: {plain(remedy.hint)}"] if remedy.hint else lines)


def _table(table: Table) -> str:
    rows = [[cell.text for cell in row] for row in table.rows]
    return _grid(table.headers, rows, [header in table.numeric for header in table.headers])


def _rows(figure: Figure) -> str:
    rows, columns = figure.rows, figure.columns
    cells = [[_text(row[name]) for name in columns] for row in rows[:_MOST_ROWS]]
    numeric = [isinstance(rows[0][name], float) for name in columns]
    return _grid([name.replace("_", " ") for name in columns], cells, numeric)


def _grid(headers: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool]) -> str:
    lines = [[plain(header) for header in headers], ["---:" if each else "---" for each in numeric]]
    lines += [[plain(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _text(value: Value) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _command(title: str, command: str) -> Iterable[str]:
    if command:
        yield title
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", command)), default=0))
        yield f"{fence}\n{command}\n{fence}"

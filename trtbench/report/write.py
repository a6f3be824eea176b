"""Writes a report in the format that the name of its file ends in."""

from collections.abc import Callable, Sequence
from pathlib import Path

from trtbench.errors import OutputError, SpecError
from trtbench.report.charts import check_packages
from trtbench.report.html.page import html_page
from trtbench.report.markdown.page import markdown_page, pictures
from trtbench.report.report import report_on
from trtbench.report.sections.section import Source
from trtbench.results.base import write_text
from trtbench.results.rows import Row, aligned, csv_text

Writer = Callable[[Sequence[Source], Path, str], None]
"""Takes the results in the order of their sections, the file, and the command that makes it again."""


def check_ending(path: Path) -> None:
    """Refuse a file whose name no format belongs to, or whose format lacks its packages.

    Raises:
        SpecError: the name ends in something else.
        RuntimeUnavailable: a package of the extra ``report`` is missing.
    """
    if path.suffix not in _WRITERS:
        raise SpecError(f"-o {path}: expected a name that ends in {', '.join(_WRITERS)}")
    if path.suffix != ".csv":
        check_packages()


def write_report(sources: Sequence[Source], path: Path, command: str = "") -> None:
    """Write one report on all results.

    Args:
        sources: in the order of their sections.
        path: its ending says the format.
        command: what makes the report again.

    Raises:
        SpecError: no format has this ending.
        RuntimeUnavailable: a package of the extra ``report`` is missing.
        ArtifactError, OutputError: a file cannot be written.
    """
    check_ending(path)
    _WRITERS[path.suffix](sources, path, command)


def write_html(sources: Sequence[Source], path: Path, command: str = "") -> None:
    """Write one HTML file, whatever its name ends in; arguments and errors as above."""
    write_text(path, html_page(report_on(sources, command)))


def _write_markdown(sources: Sequence[Source], path: Path, command: str) -> None:
    report = report_on(sources, command)
    folder = path.with_name(f"{path.stem}_figures")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}") from error
    for name, svg in pictures(report).items():
        write_text(folder / name, svg)
    write_text(path, markdown_page(report, folder.name))


def _write_csv(sources: Sequence[Source], path: Path, _: str) -> None:
    rows: list[Row] = [
        {"result": source.name, "kind": source.kind, **row}
        for source in sources
        for row in source.result.to_rows()
    ]
    write_text(path, csv_text(aligned(rows)))


_WRITERS: dict[str, Writer] = {".html": write_html, ".md": _write_markdown, ".csv": _write_csv}

"""Writes a report in the format that the name of its file ends in."""

from collections.abc import Callable, Sequence
from pathlib import Path

from trtbench.errors import SpecError
from trtbench.report.html.page import html_page
from trtbench.report.report import report_on
from trtbench.report.sections.section import Source
from trtbench.results.base import write_text


def check_ending(path: Path) -> None:
    """Refuse a file whose name no format belongs to.

    Raises:
        SpecError: the name ends in something else.
    """
    if path.suffix not in _WRITERS:
        raise SpecError(f"-o {path}: expected a name that ends in {', '.join(_WRITERS)}")


def write_report(sources: Sequence[Source], path: Path, command: str = "") -> None:
    """Write one report on all results.

    Args:
        sources: in the order of their sections.
        path: its ending says the format.
        command: what makes the report again.

    Raises:
        SpecError: no format has this ending.
        RuntimeUnavailable: a package of the extra ``report`` is missing.
        ArtifactError: the file cannot be written.
    """
    check_ending(path)
    _WRITERS[path.suffix](sources, path, command)


def write_html(sources: Sequence[Source], path: Path, command: str = "") -> None:
    """Write it as one HTML file, whatever its name ends in; arguments and errors as above."""
    write_text(path, html_page(report_on(sources, command)))


_WRITERS: dict[str, Callable[[Sequence[Source], Path, str], None]] = {".html": write_html}

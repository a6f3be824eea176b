"""A report: sections on results of any kind, whatever page shows them."""

from collections.abc import Sequence
from dataclasses import dataclass

from trtbench.report.sections import section_of
from trtbench.report.sections.section import Section, Source, kind_words


@dataclass(frozen=True)
class Report:
    """What a page shows.

    Args:
        title: of the page.
        sections: one a result.
        command: what makes the report again; empty where Python made it.
        notes: what is not in it.
    """

    title: str
    sections: tuple[Section, ...]
    command: str
    notes: tuple[str, ...] = ()


def report_on(sources: Sequence[Source], command: str = "") -> Report:
    """One section a result, in their order."""
    sections = tuple(map(section_of, sources))
    kinds = dict.fromkeys(kind_words(section.kind) for section in sections)
    title = sections[0].title if len(sections) == 1 else f"{len(sections)} results: {', '.join(kinds)}"
    return Report(title, sections, command)

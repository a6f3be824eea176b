"""Sections of a report: one kind of result each, as tables, figures and findings that any page can show."""

from collections.abc import Callable
from typing import Any

from trtbench.report.sections.comparison import comparison_section
from trtbench.report.sections.other import other_section
from trtbench.report.sections.section import Section, Source
from trtbench.results import Comparison

_SECTIONS: dict[type, Callable[[Any, Source], Section]] = {Comparison: comparison_section}


def section_of(source: Source) -> Section:
    """The section of a result of any kind."""
    return _SECTIONS.get(type(source.result), other_section)(source.result, source)

"""Sections of a report: one kind of result each, as tables, figures and findings that any page can show."""

from collections.abc import Callable
from typing import Any

from trtbench.report.sections.break_even import break_even_section
from trtbench.report.sections.comparison import comparison_section
from trtbench.report.sections.explanation import explanation_section
from trtbench.report.sections.other import other_section, roofline_section, verification_section
from trtbench.report.sections.section import Section, Source
from trtbench.report.sections.sweep import sweep_section
from trtbench.report.sections.timed import measurement_section
from trtbench.report.sections.trace import trace_section
from trtbench.report.sections.tuning import tuning_section

_SECTIONS: dict[str, Callable[[Any, Source], Section]] = {
    "break_even": break_even_section,
    "comparison": comparison_section,
    "explanation": explanation_section,
    "measurement": measurement_section,
    "roofline": roofline_section,
    "sweep_result": sweep_section,
    "trace_report": trace_section,
    "tuning": tuning_section,
    "verification": verification_section,
}


def section_of(source: Source) -> Section:
    """The section of a result of any kind."""
    return _SECTIONS.get(source.kind, other_section)(source.result, source)

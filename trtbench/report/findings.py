"""Findings as text for people."""

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from trtbench.results import Finding

_STYLES = {"error": "red", "warning": "yellow", "info": "cyan"}
_RANKS = {"error": 0, "warning": 1, "info": 2}


def render_findings(findings: Sequence[tuple[str, Finding]], console: Console) -> None:
    """Print pairs of subject (a recipe, or nothing) and finding, the most severe first."""
    for subject, finding in sorted(findings, key=lambda pair: _RANKS[pair[1].severity]):
        style = _STYLES[finding.severity]
        of_subject = f" {subject}:" if subject else ""
        head = Text.assemble((f"{finding.severity} {finding.code}", style), f"{of_subject} {finding.message}")
        console.print(head)
        if finding.hint:
            console.print(Padding(Text(f"-> {finding.hint}"), (0, 0, 0, 2)))

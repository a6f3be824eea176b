"""Findings as text for people."""

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from trtbench.results import Finding

_STYLES = {"error": "red", "warning": "yellow", "info": "cyan"}
_RANKS = {"error": 0, "warning": 1, "info": 2}


def render_findings(findings: Sequence[tuple[str, Finding]], console: Console) -> None:
    """Print pairs of subject (a recipe, or nothing) and finding, the most severe first.

    Findings of one code with one hint stand together, and the hint once behind them.
    """
    groups: dict[tuple[int, str, str], list[tuple[str, Finding]]] = {}
    for subject, finding in findings:
        key = (_RANKS[finding.severity], finding.code, finding.hint)
        groups.setdefault(key, []).append((subject, finding))
    for (_, _, hint), group in sorted(groups.items(), key=lambda item: item[0][0]):
        for subject, finding in group:
            console.print(_head(subject, finding))
        if hint:
            console.print(Padding(Text(f"-> {hint}"), (0, 0, 0, 2)))


def render_noted(findings: Sequence[tuple[str, Finding]], console: Console, where: str) -> None:
    """Print what needs attention in full, and the rest by name; ``where`` it is told in full."""
    render_findings([pair for pair in findings if pair[1].severity != "info"], console)
    notes: dict[str, list[str]] = {}
    for subject, finding in findings:
        if finding.severity == "info":
            notes.setdefault(finding.code, []).append(subject)
    if notes:
        told = ", ".join(f"{code} ({', '.join(subjects)})" for code, subjects in notes.items())
        console.print(Text(f"further notes, in full with {where}: {told}", style="dim"))


def _head(subject: str, finding: Finding) -> Text:
    of_subject = f" {subject}:" if subject else ""
    style = _STYLES[finding.severity]
    return Text.assemble((f"{finding.severity} {finding.code}", style), f"{of_subject} {finding.message}")

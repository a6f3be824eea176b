"""Findings as text for people."""

import re
from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from trtbench.results import Finding
from trtbench.units import format_count

_STYLES = {"error": "red", "warning": "yellow", "info": "cyan"}
_MOST_KINDS, _LONGEST_NAME = 3, 45
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
            if finding.layers:
                console.print(Padding(Text(f"layers: {format_layers(finding.layers)}"), (0, 0, 0, 2)))
        if hint:
            console.print(Padding(Text(f"-> {hint}"), (0, 0, 0, 2)))


def render_noted(findings: Sequence[tuple[str, Finding]], console: Console, where: str) -> None:
    """Print what needs attention in full, and the rest by name; ``where`` says where to find the rest."""
    render_findings([pair for pair in findings if pair[1].severity != "info"], console)
    notes: dict[str, list[str]] = {}
    for subject, finding in findings:
        if finding.severity == "info":
            notes.setdefault(finding.code, []).append(subject)
    if notes:
        listed = ", ".join(f"{code} ({', '.join(subjects)})" for code, subjects in notes.items())
        console.print(Text(f"further notes, in full with {where}: {listed}", style="dim"))


def format_layers(layers: Sequence[str]) -> str:
    """Names of layers: one for all that differ in numbers only, and the first few of them."""
    kinds: dict[str, list[str]] = {}
    for name in layers:
        kinds.setdefault(_short(re.sub(r"\d+", "#", name)), []).append(name)
    shown = [_short(names[0]) + f" and {len(names) - 1} alike" * (len(names) > 1) for names in kinds.values()]
    others = sum(map(len, [*kinds.values()][_MOST_KINDS:]))
    return ", ".join(shown[:_MOST_KINDS]) + f" and {format_count(others, 'other')}" * bool(others)


def _short(name: str) -> str:
    """A long name without its middle."""
    half = (_LONGEST_NAME - 3) // 2
    return name if len(name) <= _LONGEST_NAME else f"{name[:half]}...{name[-half:]}"


def _head(subject: str, finding: Finding) -> Text:
    of_subject = f" {subject}:" if subject else ""
    style = _STYLES[finding.severity]
    return Text.assemble((f"{finding.severity} {finding.code}", style), f"{of_subject} {finding.message}")

"""Findings of the design rules as text for people."""

from rich.console import Console
from rich.text import Text

from trtbench.report.text.findings import render_findings
from trtbench.results import Finding, LintReport

_NOUNS = {"error": "error", "warning": "warning", "info": "remark"}


def render_lint(report: LintReport, console: Console) -> None:
    """Print ``report``: what was judged, each finding once with the recipes it is about, and the totals."""
    targets = ", ".join(report.targets)
    line = Text.assemble((report.subject, "bold"), f" for {targets}: {_facts(report)}")
    console.print(line, soft_wrap=True)
    recipes = [str(section.recipe) for section in report.sections if section.recipe is not None]
    judged = f"judged as {', '.join(recipes)}; " if recipes else ""
    console.print(f"{judged}nothing was built", end="\n\n")
    merged = _merged(report)
    render_findings([(", ".join(words), finding) for finding, words in merged], console)
    console.print(("\n" if merged else "") + _totals([finding for finding, _ in merged]))


def _facts(report: LintReport) -> str:
    heads = " and ".join(map(str, report.head_dims))
    facts = [
        f"batch {report.batch}" if report.batch else "",
        _count(report.linear_layers, "Linear layer"),
        _count(report.attentions, "attention") + (f" of {report.tokens} tokens" if report.tokens else ""),
        f"heads of {heads}" if heads else "",
    ]
    return ", ".join(filter(None, facts))


def _merged(report: LintReport) -> list[tuple[Finding, list[str]]]:
    """Each finding with the recipes it is about; none of them where it is about all."""
    merged: list[tuple[Finding, list[str]]] = []
    for section in report.sections:
        word = "" if section.recipe is None else str(section.recipe)
        for finding in section.findings:
            known = next((words for other, words in merged if other == finding), None)
            if known is None:
                merged.append((finding, [word]))
            else:
                known.append(word)
    everywhere = len(report.sections)
    return [(finding, [] if len(words) == everywhere else words) for finding, words in merged]


def _totals(findings: list[Finding]) -> str:
    if not findings:
        return "no findings"
    counts = {noun: sum(each.severity == severity for each in findings) for severity, noun in _NOUNS.items()}
    return ", ".join(_count(number, noun) for noun, number in counts.items() if number)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"

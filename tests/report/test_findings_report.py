"""Findings as text: the most severe first, and one advice once."""

from io import StringIO

from trtbench.report.text.console import VisibleConsole
from trtbench.report.text.findings import format_layers, render_findings
from trtbench.results import Finding


def finding(code, severity="warning", hint="measure longer", message="times vary"):
    return Finding(code=code, severity=severity, message=message, hint=hint)


def lines(*findings):
    console = VisibleConsole(file=StringIO(), width=100)
    render_findings(findings, console)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_shared_advice_is_printed_once_after_its_findings():
    assert lines(
        ("fp16", finding("NOISY")),
        ("fp16", finding("THROTTLED", hint="cool it")),
        ("nvfp4", finding("NOISY", message="times vary more")),
        ("nvfp4", finding("GRAPH_EMPTY", "error", "is the model loaded?")),
        ("mxfp8", finding("NOISY")),
    ) == [
        "error GRAPH_EMPTY nvfp4: times vary",
        "  -> is the model loaded?",
        "warning NOISY fp16: times vary",
        "warning NOISY nvfp4: times vary more",
        "warning NOISY mxfp8: times vary",
        "  -> measure longer",
        "warning THROTTLED fp16: times vary",
        "  -> cool it",
    ]


def test_different_advice_on_the_same_code_is_printed_separately():
    assert lines(("a", finding("NOISY", hint="one")), ("b", finding("NOISY", hint="two"))) == [
        "warning NOISY a: times vary",
        "  -> one",
        "warning NOISY b: times vary",
        "  -> two",
    ]


def test_advice_for_two_codes_or_severities_is_printed_for_each():
    found = [("a", finding("NOISY")), ("b", finding("THROTTLED")), ("c", finding("NOISY", "info"))]
    assert [line for line in lines(*found) if line.startswith("  ->")] == ["  -> measure longer"] * 3


def test_without_advice_there_is_none():
    assert lines(("", finding("NOISY", hint=""))) == ["warning NOISY times vary"]


def test_layers_stand_below_their_finding():
    found = finding("NOISY").model_copy(update={"layers": ("blocks.0.fc1", "blocks.1.fc1", "head")})
    assert lines(("fp8", found)) == [
        "warning NOISY fp8: times vary",
        "  layers: blocks.0.fc1 and 1 alike, head",
        "  -> measure longer",
    ]


def test_many_and_long_names_of_layers_are_shortened():
    assert format_layers(["a1", "b", "c", "d", "a2", "e"]) == "a1 and 1 alike, b, c and 2 others"
    assert format_layers(["a" * 50 + "b" * 50]) == f"{'a' * 21}...{'b' * 21}"

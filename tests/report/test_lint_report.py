"""What lint prints: its text and JSON are pinned by golden files."""

from io import StringIO
from pathlib import Path

import pytest

from trtbench.cli.groups import Given
from trtbench.cli.options import ModelOptions
from trtbench.cli.parse_model import DEFAULT_PRECISIONS, checked_exports, lint_subject
from trtbench.errors import Code
from trtbench.lint import lint
from trtbench.report.text.console import VisibleConsole
from trtbench.report.text.lint import render_lint
from trtbench.request import Shape
from trtbench.results import Finding, LintReport, LintSection

TESTS = Path(__file__).parents[1]
GOLDEN = TESTS / "golden" / "lint"


@pytest.fixture(scope="module")
def report() -> LintReport:
    """A model that breaks rules of every severity."""
    overrides = ["depth=2", "embed_dim=200", "num_heads=20", "num_classes=1001"]
    options = ModelOptions(model="vit_tiny_patch16_224", overrides=overrides)
    specs = checked_exports([*DEFAULT_PRECISIONS, "nvfp4+sparse@stock"], options, Shape(8), Given())
    return lint(specs, targets=("sm89", "sm120"))


def render(report: LintReport, width: int) -> str:
    console = VisibleConsole(file=StringIO(), width=width)
    render_lint(report, console)
    assert isinstance(console.file, StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize("width", [80, 110])
def test_text(report: LintReport, width: int) -> None:
    assert render(report, width) == (GOLDEN / f"model_{width}.txt").read_text()


def test_json(report: LintReport) -> None:
    text = report.model_dump_json(indent=2) + "\n"
    assert text == (GOLDEN / "model.json").read_text()
    assert LintReport.model_validate_json(text) == report


def test_graph() -> None:
    report = lint(TESTS / "golden" / "audit" / "nvfp4_stock.onnx")
    assert render(report, 110) == (GOLDEN / "graph_110.txt").read_text()


def test_a_finding_about_all_recipes_is_printed_once(report: LintReport) -> None:
    text = render(report, 110)
    assert text.count("PATCH_EMBEDDING_IN_16_BITS") == 1
    assert text.count("error TARGET_LACKS_TYPE nvfp4+fp8attn, nvfp4+sparse@stock: ") == 1


def test_nothing_found() -> None:
    fields = {"subject": "[red]m[/red]", "origin": "graph", "batch": None, "targets": ("sm120",)}
    facts = {"linear_layers": 1, "attentions": 0, "tokens": None, "head_dims": ()}
    report = LintReport(**fields, **facts, sections=(LintSection(recipe=None, findings=()),))
    assert not report.has_errors
    assert render(report, 80) == (
        "[red]m[/red] for sm120: 1 Linear layer, 0 attentions\nnothing was built\n\nno findings\n"
    )


@pytest.mark.parametrize(("severity", "expected"), [("info", False), ("warning", False), ("error", True)])
def test_errors(report: LintReport, severity: str, expected: bool) -> None:
    finding = Finding(code=Code.NOISY, severity=severity, message="", hint="")  # type: ignore[arg-type]
    section = LintSection(recipe=None, findings=(finding,))
    assert report.model_copy(update={"sections": (section,)}).has_errors is expected


def test_words_that_are_paths(tmp_path: Path) -> None:
    for word in ("model.onnx", "models/vit", str(tmp_path)):
        assert lint_subject(word, [], ModelOptions(), Shape(64), Given()) == Path(word)
    specs = lint_subject("vit_small_patch16_224", ["nvfp4:head=fp16"], ModelOptions(), Shape(64), Given())
    assert isinstance(specs, tuple)
    assert [(spec.model.name, str(spec.recipe)) for spec in specs] == [
        ("vit_small_patch16_224", "nvfp4:head=fp16")
    ]

"""The text of a comparison, character by character: four real rows and a failed one."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from trtbench.report.text.comparison import format_shares, render_comparison
from trtbench.results import Comparison

GOLDEN = Path(__file__).parents[1] / "golden" / "compare"


@pytest.fixture
def comparison():
    return Comparison.model_validate_json((GOLDEN / "comparison.json").read_bytes())


def render(comparison, width):
    console = Console(file=StringIO(), width=width, highlight=False)
    render_comparison(comparison, [], console)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize("width", [110, 80])
def test_text(comparison, width):
    assert render(comparison, width) == (GOLDEN / f"comparison_{width}.txt").read_text()


def test_a_reason_in_brackets_is_printed_as_it_is(comparison):
    assert "[its words]" in render(comparison, 110)


def test_json_reads_back(comparison):
    assert Comparison.model_validate_json(comparison.model_dump_json()) == comparison


@pytest.mark.parametrize(
    ("shares", "text"),
    [({"fp16": 1.0}, "fp16"), ({"fp16": 0.255, "fp4": 0.745}, "fp4 74.5%, fp16 25.5%"), ({}, "")],
)
def test_shares(shares, text):
    assert format_shares(shares) == text

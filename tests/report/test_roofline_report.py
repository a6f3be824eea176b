"""What roofs look like: golden files at two widths."""

from io import StringIO
from pathlib import Path

import pytest

from trtbench.report.text.console import VisibleConsole
from trtbench.report.text.roofline import render_roofline
from trtbench.results import Roofline

GOLDEN = Path(__file__).parents[1] / "golden" / "predict"
RESULT = Roofline.model_validate_json((GOLDEN / "roofline.json").read_bytes())


def render(width, result=RESULT):
    console = VisibleConsole(file=StringIO(), width=width)
    render_roofline(result, console)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize("width", [110, 80])
def test_text(width):
    assert render(width) == (GOLDEN / f"roofline_{width}.txt").read_text()


def test_a_roof_is_said_to_be_no_time():
    first, second, *_ = render(80).splitlines()
    assert "roofs predicted for RTX PRO 6000" in first
    assert second.startswith("a roof is a bound, not a time")


def test_where_nothing_is_compute_bound_or_stays_in_l2_that_is_said():
    section = RESULT.sections[0]
    stay = section.l2.model_copy(update={"batch": 0})
    changed = section.model_copy(update={"gemms_compute_bound_from": None, "l2": stay})
    text = render(80, RESULT.model_copy(update={"sections": (changed,)}))
    assert "GEMMs together: memory-bound at every batch" in text
    assert "activations of a block leave L2 at any batch" in text

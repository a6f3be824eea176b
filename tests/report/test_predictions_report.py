"""What predictions and the table of GPUs look like: golden files at two widths."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from trtbench.report.text.explanation import render_explanation
from trtbench.report.text.gpus import render_gpus
from trtbench.report.text.predictions import render_predictions
from trtbench.results import Explanation, GpuList, Predictions

GOLDEN = Path(__file__).parents[1] / "golden" / "predict"
KINDS = {
    "explanation": (Explanation, render_explanation),
    "gpus": (GpuList, render_gpus),
    "predictions": (Predictions, render_predictions),
}


def render(name, width, change=lambda result: result):
    kind, show = KINDS[name]
    console = Console(file=StringIO(), width=width, highlight=False)
    show(change(kind.model_validate_json((GOLDEN / f"{name}.json").read_bytes())), console)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("width", [110, 80])
def test_text(name, width):
    assert render(name, width) == (GOLDEN / f"{name}_{width}.txt").read_text()


@pytest.mark.parametrize("name", KINDS)
def test_predictions_are_said_not_to_be_measurements(name):
    assert any(
        "predictions" in line and "not" in line and "measurements" in line and "docs/prediction.md" in line
        for line in render(name, 80).splitlines()
    )


def test_where_everything_failed_there_are_reasons_and_no_empty_table():
    def fail(result):
        lost = {"status": "failed", "reason": "no [room]", "prediction": None, "speedup": None}
        return result.model_copy(update={"rows": tuple(row.model_copy(update=lost) for row in result.rows)})

    text = render("predictions", 80, fail)
    assert "fp16 b1 failed: no [room]" in text
    assert "by kind of kernel" not in text


def test_an_explanation_fits_80_columns_with_a_bar_a_step_and_a_bound_marked():
    lines = render("explanation", 80).splitlines()
    steps = lines[4 : next(index for index, line in enumerate(lines) if line.startswith("predicted "))]
    assert all("█" in line or "▏" in line for line in steps)
    assert all(len(line) <= 80 for line in lines if "█" in line or "re-priced" in line)
    assert any("up to" in line for line in lines)


def test_fp16_explained_has_one_column_and_no_speed_up_over_itself():
    def fp16_alone(result):
        return result.model_copy(update={"waterfall": result.fp16, "levers": ()})

    text = render("explanation", 80, fp16_alone)
    assert "no lever is worth 1% of the time" in text
    assert "speed-up evidence" not in text
    assert text.count("90% interval") == 1

"""What predictions and the table of GPUs look like: golden files at two widths.

``predictions.json``: recipes of a ViT of two blocks at two batches, as TensorRT-RTX 1.7.1.116 compiled them
without a GPU and ``compare`` gave them; fidelity and findings are left out.
"""

from io import StringIO
from pathlib import Path

import pytest

from trtbench.report.text.comparison import render_comparison
from trtbench.report.text.console import VisibleConsole
from trtbench.report.text.explanation import render_explanation
from trtbench.report.text.gpus import render_gpus
from trtbench.report.text.predictions import render_predictions
from trtbench.results import Comparison, Explanation, GpuList

GOLDEN = Path(__file__).parents[1] / "golden" / "predict"
SHOWN = {
    "explanation": (Explanation, "explanation", render_explanation),
    "gpus": (GpuList, "gpus", render_gpus),
    "predictions": (Comparison, "predictions", render_predictions),
    "compared": (
        Comparison,
        "predictions",
        lambda comparison, console: render_comparison(comparison, (), console),
    ),
}

RECOMMENDED = ("recommended: ", "uncertain: ", "next: ")


def render(name, width, change=lambda result: result):
    kind, file, show = SHOWN[name]
    console = VisibleConsole(file=StringIO(), width=width)
    show(change(kind.model_validate_json((GOLDEN / f"{file}.json").read_bytes())), console)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


def with_rows(comparison, change, **fields):
    rows = tuple(change(row) for row in comparison.rows)
    return comparison.model_copy(update={"rows": rows, **fields})


@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.parametrize("width", [110, 80])
def test_text(name, width):
    assert render(name, width) == (GOLDEN / f"{name}_{width}.txt").read_text()


@pytest.mark.parametrize("name", SHOWN)
def test_predictions_are_said_not_to_be_measurements(name):
    assert any(
        "predict" in line and "not" in line and "measure" in line and "docs/explanation/prediction.md" in line
        for line in render(name, 80).splitlines()
    )


@pytest.mark.parametrize("name", ["predictions", "compared"])
def test_where_everything_failed_there_are_reasons_and_no_empty_table(name):
    def fail(comparison):
        lost = {"status": "failed", "reason": "no [room]", "predicted": None}
        gone = {"predicted_on": None, "predicted_speedups": (), "recommendations": ()}
        return with_rows(comparison, lambda row: row.model_copy(update=lost), **gone)

    text = render(name, 80, fail)
    assert text.count("failed: no [room]") == 1
    assert "fp16 b1, " in text
    assert "predicted ms" not in text


@pytest.mark.parametrize("name", ["predictions", "compared"])
def test_a_reason_for_no_prediction_stands_once(name):
    def lose(row):
        gone = {"predicted": None, "not_predicted": "no tensor cores for [fp4]"}
        return row.model_copy(update=gone) if "nvfp4@stock" in row.key else row

    text = render(name, 80, lambda comparison: with_rows(comparison, lose, predicted_speedups=()))
    assert "nvfp4@stock b1, nvfp4@stock b8 not predicted: no tensor cores for [fp4]\n" in text
    assert text.count("no tensor cores") == 1
    assert "speed-up" not in text


@pytest.mark.parametrize("name", ["predictions", "compared"])
def test_many_recipes_fit_a_narrow_terminal(name):
    def many(comparison):
        words = ["fp32", "bf16", "int8", "fp8", "mxfp8", "mxfp8+fp8attn", "fp8@stock", "nvfp4+sparse"]
        rows = [
            row.model_copy(update={"key": f"{word} b{row.batch}", "subject": word, "recipe": None})
            for word in words
            for row in comparison.rows[:1]
        ]
        return comparison.model_copy(update={"rows": (*comparison.rows, *rows)})

    for line in render(name, 80, many).splitlines():
        # Sentences are left to the terminal.
        sentences = ("vit_tiny", "predicted, not", "assumed", "interval of", *RECOMMENDED, "other kernels")
        assert len(line) <= 80 or line.startswith(sentences)
    if name == "predictions":
        # Of the batch with many recipes each is a line.
        lines = render(name, 80, many).splitlines()
        assert [line[:5] for line in lines].count("role ") == 1
        assert "nvfp4+sparse b1  0.016  22% 0.016  21%" in "\n".join(lines)


def test_a_single_batch_has_no_curve():
    def first(comparison):
        rows = tuple(row for row in comparison.rows if row.batch == 1)
        keys = {row.key for row in rows}
        speedups = tuple(each for each in comparison.predicted_speedups if each.arm in keys)
        return comparison.model_copy(update={"rows": rows, "predicted_speedups": speedups})

    assert "by batch" in render("predictions", 80)
    assert "by batch" not in render("predictions", 80, first)


def test_what_only_some_rows_assume_names_them():
    assert "assumed of fp16+sparse b1, fp16+sparse b8: 2:4 sparse" in render("compared", 80)
    assert "CUDA graph" not in render("compared", 80)
    assert "assumed: kernels run in sequence in a CUDA graph" in render("predictions", 80)


def test_an_explanation_fits_80_columns_with_a_bar_a_step_and_a_bound_marked():
    lines = render("explanation", 80).splitlines()
    steps = lines[4 : next(index for index, line in enumerate(lines) if line.startswith("predicted "))]
    assert all("█" in line or "▏" in line for line in steps)
    assert all(len(line) <= 80 for line in lines if "█" in line or "re-priced" in line)
    assert any("up to" in line for line in lines)


def test_in_60_columns_times_stay_and_bars_shrink():
    lines = render("explanation", 60).splitlines()
    (bar,) = [line.split() for line in lines if line.startswith("predicted  ")]
    assert [*bar[:2], bar[-1], bar[2].count("█")] == ["predicted", "0.083", "0.047", 8]
    assert "█" not in render("explanation", 50)
    assert all(word in render("explanation", 50) for word in bar if word[0] != "█")


def test_fp16_explained_has_one_column_and_no_speed_up_over_itself():
    def fp16_alone(result):
        return result.model_copy(update={"waterfall": result.fp16, "levers": ()})

    text = render("explanation", 80, fp16_alone)
    assert "no lever is worth 1% of the time" in text
    assert "speed-up evidence" not in text
    assert text.count("90% interval") == 1

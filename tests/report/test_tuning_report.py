"""What a search over recipes looks like: golden files at two widths, and what each must say."""

from io import StringIO
from pathlib import Path

import pytest

from trtbench.report.text.console import VisibleConsole
from trtbench.report.text.tuning import render_tuning
from trtbench.results import Tuning

GOLDEN = Path(__file__).parents[1] / "golden" / "tune"
TUNING = Tuning.model_validate_json((GOLDEN / "tuning.json").read_bytes())
NEXT = "trtbench compare fp16 fp8 --target sm120"


def render(width=80, following=NEXT, **changes):
    console = VisibleConsole(file=StringIO(), width=width)
    render_tuning(TUNING.model_copy(update=changes), following, console)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize("width", [110, 80])
def test_text(width):
    assert render(width) == (GOLDEN / f"tuning_{width}.txt").read_text()


def test_the_table_fits_its_width():
    lines = render(80).splitlines()
    (first,) = [index for index, line in enumerate(lines) if line.startswith("  recipe")]
    assert all(len(line) <= 80 for line in lines[first - 1 : first + len(TUNING.rows)])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, ": compares recipes, says nothing of accuracy"),
        ({"weights": "pretrained"}, "pretrained weights, 8 synthetic images: compares recipes"),
    ],
)
def test_what_errors_are_worth(changes, says):
    assert says in render(**changes)


def test_a_pass_that_costs_time_is_left_out_by_a_command():
    assert "3.0% faster without gelu_quantizer: add --passes split_qkv,flat_tokens\n" in render()
    assert "faster without" not in render(min_sqnr_db=50.0)


def test_a_variant_or_shape_that_failed_says_why():
    text = render(110)
    assert "nvfp4@stock failed: no room\n" in text
    assert "fp16 at batch 1, 208 pixels failed: no room\n" in text


def test_without_a_winner_nothing_is_changed():
    assert "with one thing changed" not in render(winner=None, following=None)


def test_with_real_weights_and_images_errors_are_taken_at_their_word():
    inputs = TUNING.inputs.model_copy(update={"directory": "/data/val"})
    text = render(weights="checkpoint", inputs=inputs)
    assert "weights of a checkpoint, 8 images of /data/val\n" in text
    assert "says nothing of accuracy" not in text


def test_without_a_winner_the_reason_is_given_and_no_command():
    text = render(winner=None, following=None)
    assert "no winner: none of" in text
    assert "next:" not in text
    assert "no winner: none of" in render(winner=None, max_top1_drop=None, min_sqnr_db=50.0)

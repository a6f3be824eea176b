"""The text of a sweep over the batch: what compiled, character by character, and the curves of arms.

``sweep.json``: a ViT of two blocks at batches 8 and 1, as TensorRT-RTX 1.7.1.116 compiled it without a GPU.
"""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from test_measurement_report import compared, comparison

from trtbench.report.text.sweep import render_sweep
from trtbench.results import Comparison, Sweep
from trtbench.specs import ExportSpec, ModelSpec

COMPILED = Path(__file__).parents[1] / "golden" / "compare"


@pytest.fixture
def compiled():
    return Sweep.model_validate_json((COMPILED / "sweep.json").read_bytes())


def render(sweep, width):
    console = Console(file=StringIO(), width=width, highlight=False)
    render_sweep(sweep, [], console)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


def table(sweep, width=80):
    """The words of the lines of the table of times."""
    lines = render(sweep, width).splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith("arm "))
    return [line.split() for line in lines[first + 1 :] if line[:1] == " " or "+-" in line]


def single(*batches):
    """A sweep of one arm, whose queries take as long at all batches."""
    return Sweep(points=tuple(compared(batch)[0][0] for batch in batches))


@pytest.mark.parametrize("width", [110, 80])
def test_text_of_what_compiled(compiled, width):
    assert render(compiled, width) == (COMPILED / f"sweep_{width}.txt").read_text()


def test_recipes_are_told_batch_by_batch_from_the_smallest(compiled):
    lines = [line.split()[:2] for line in render(compiled, 110).splitlines()]
    assert [words for words in lines if {"1", "8"} & {*words}] == [
        ["fp16", "1"],
        ["8", "fp16"],
        ["nvfp4@stock", "1"],
        ["8", "fp4"],
    ]


def test_one_reason_for_no_times_is_told_once(compiled):
    assert render(compiled, 110).count("not timed: ") == 1
    other = compiled.points[0].model_copy(update={"not_timed": "another reason"})
    assert render(Sweep(points=(other, compiled.points[1])), 110).count("not timed: ") == 2


def test_a_curve_reads_downward_from_the_smallest_batch():
    assert table(single(64, 1, 8)) == [
        ["fp16", "1", "1.5015", "+-0.25%", "666", "1.00x"],
        ["8", "1.5015", "+-0.25%", "5328", "8.00x"],
        ["64", "1.5015", "+-0.25%", "42624", "64.00x"],
    ]


def test_a_rate_is_against_the_smallest_batch_or_nothing():
    lost = compared(1)[0][0].model_copy(update={"images_per_s": None, "queries_per_s": None, "series": {}})
    assert table(Sweep(points=(lost, *single(8, 64).points))) == [
        ["8", "1.5015", "+-0.25%", "5328"],
        ["64", "1.5015", "+-0.25%", "42624"],
    ]
    assert "vs batch 1" in render(Sweep(points=(lost, *single(8).points)), 80)


def sized(point, size):
    """A comparison or a measurement of images of this size."""
    if isinstance(point, Comparison):
        return point.model_copy(update={"img_size": size})
    export = ExportSpec(recipe=point.arm.recipe, model=ModelSpec(img_size=size), batch=point.batch)
    return point.model_copy(update={"arm": point.arm.model_copy(update={"export": export})})


def test_image_sizes_at_one_batch_are_a_curve_of_their_own():
    sweep = Sweep(points=tuple(sized(point, size) for size in (384, 224) for point in single(8).points))
    assert table(sweep) == [
        ["fp16", "224", "1.5015", "+-0.25%", "5328", "1.00x"],
        ["384", "1.5015", "+-0.25%", "5328", "1.00x"],
    ]
    assert "vs 224 px" in render(sweep, 80)


def test_batches_at_several_image_sizes_are_a_curve_for_each():
    sweep = Sweep(points=tuple(sized(point, size) for size in (224, 384) for point in single(1, 8).points))
    assert [row[:3] for row in table(sweep)] == [
        ["fp16,", "224", "px"],
        ["8", "1.5015", "+-0.25%"],
        ["fp16,", "384", "px"],
        ["8", "1.5015", "+-0.25%"],
    ]
    assert "fp16 at batch 8, 384 px" in render(sweep, 110)


def test_what_compiled_names_the_image_sizes(compiled):
    sweep = Sweep(
        points=tuple(sized(point, size) for point, size in zip(compiled.points, (64, 96), strict=True))
    )
    text = render(sweep, 110)
    assert "batches 1, 8, images of 96, 64 pixels" in text
    assert "fp16, 96 px" in text


def test_bars_are_shares_of_the_fastest_and_need_room():
    lines = render(single(16, 32, 64), 110).splitlines()
    assert [line.count("━") for line in lines[2:5]] == [3, 6, 12]
    assert "━" not in render(single(16, 32, 64), 80)


def test_bars_are_of_ascii_where_the_terminal_has_no_more(tmp_path):
    with (tmp_path / "out.txt").open("w", encoding="ascii") as file:
        render_sweep(single(32, 64), [], Console(file=file, width=110))
    lines = (tmp_path / "out.txt").read_text().splitlines()
    assert [line.count("-") - line.count("+-") for line in lines[2:4]] == [6, 12]


def test_an_arm_is_judged_at_each_batch():
    rows = table(Sweep(points=(comparison(64), comparison(1))))
    assert [row[-2:] for row in rows if row[-1] == "SAME"] == [["1.000x", "SAME"]] * 2
    assert [row[0] for row in rows[:4]] == ["fp16", "64", "nvfp4", "64"]

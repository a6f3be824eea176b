"""Times at several batches and image sizes: the shapes of one arm below each other, as a curve."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from support.timed import comparison, curve, observe, row_of

from trtbench.report.text.comparison import render_comparison
from trtbench.report.text.console import VisibleConsole
from trtbench.results import Comparison
from trtbench.results.comparison import with_keys


def render(comparison, width=80):
    console = VisibleConsole(file=StringIO(), width=width)
    render_comparison(comparison, [], console)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


def table(comparison, width=60):
    """The words of the lines of the table of times."""
    lines = render(comparison, width).splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith("recipe "))
    return [line.split() for line in lines[first + 1 :] if line[:1] == " " or "+-" in line]


def batches(*sizes):
    return curve(*((batch, None) for batch in sizes))


def test_a_curve_reads_downward_from_the_smallest_batch():
    assert table(batches(64, 1, 8)) == [
        ["fp16", "1", "1.5015", "+-0.25%", "666", "1.00x"],
        ["8", "1.5015", "+-0.25%", "5328", "8.00x"],
        ["64", "1.5015", "+-0.25%", "42624", "64.00x"],
    ]


def test_a_rate_is_against_the_smallest_batch_or_nothing():
    whole = batches(1, 8, 64)
    lost = {"images_per_s": None, "queries_per_s": None, "series": {}}
    first = whole.rows[0].model_copy(update={"measured": whole.rows[0].measured.model_copy(update=lost)})
    broken = whole.model_copy(update={"rows": (first, *whole.rows[1:])})
    assert table(broken) == [
        ["8", "1.5015", "+-0.25%", "5328"],
        ["64", "1.5015", "+-0.25%", "42624"],
    ]
    assert "vs batch 1" in render(broken)


def test_image_sizes_at_one_batch_are_a_curve_of_their_own():
    sized = curve((8, 384), (8, 224))
    assert table(sized) == [
        ["fp16", "224", "1.5015", "+-0.25%", "5328", "1.00x"],
        ["384", "1.5015", "+-0.25%", "5328", "1.00x"],
    ]
    assert "vs 224 px" in render(sized)


def test_batches_at_several_image_sizes_are_a_curve_for_each():
    sized = curve((1, 224), (8, 224), (1, 384), (8, 384))
    assert [[*line[:-4], line[-1]] for line in table(sized, 66)] == [
        ["fp16", "224", "1", "1.00x"],
        ["8", "8.00x"],
        ["384", "1", "1.00x"],
        ["8", "8.00x"],
    ]
    assert "batches 1, 8, images of 224, 384 pixels\n" in render(sized)


def test_bars_are_shares_of_the_fastest_and_need_room():
    text = render(batches(16, 32, 64), 110)
    assert [line.count("━") for line in text.splitlines()[3:6]] == [3, 6, 12]
    assert "━" not in render(batches(16, 32, 64), 55)


def test_what_has_no_room_follows_in_another_table_and_bars_vanish():
    wide, narrow = render(comparison(1, 64), 110), render(comparison(1, 64), 60)
    assert [wide.count("\nrecipe "), narrow.count("\nrecipe ")] == [1, 2]
    assert "95 % interval" in narrow
    assert ["━" in wide, "━" in narrow] == [True, False]


def test_bars_are_of_ascii_where_the_terminal_has_no_more(tmp_path):
    with (tmp_path / "out.txt").open("w", encoding="ascii") as file:
        render_comparison(batches(32, 64), [], Console(file=file, width=110))
    lines = (tmp_path / "out.txt").read_text().splitlines()
    assert [line.count("-") - line.count("+-") for line in lines[3:5]] == [6, 12]


def test_an_arm_is_judged_at_each_batch():
    rows = table(comparison(64, 1), 110)
    assert [row[-5] for row in rows if row[-1] == "SAME"] == ["1.000x"] * 2
    text = render(comparison(64, 1))
    assert "\nbf16 b1 against fp16 b1: SAME, " in text
    assert "\nbf16 b64 against fp16 b64: SAME, " in text


@pytest.mark.parametrize("runtimes", [("tensorrt_rtx", "torch"), ("torch", "tensorrt_rtx")])
def test_recipes_stand_together_in_each_runtime(runtimes):
    rows = [
        row_of(observe(recipe, 1.5).measurement, runtime=runtime)
        for runtime in runtimes
        for recipe in ("fp16", "nvfp4")
    ]
    mixed = Comparison(environment=None, model="vit", rows=tuple(with_keys(rows)))
    assert [line[:-3] for line in table(mixed, 80)] == [
        ["fp16", runtimes[0]],
        [runtimes[1]],
        ["nvfp4", runtimes[0]],
        [runtimes[1]],
    ]


def test_arms_of_several_results_are_called_by_their_labels():
    rows = [
        row_of(observe("fp16", 1.5, batch).measurement, key=label, subject=label)
        for label, batch in (("fp16 in monday", 1), ("fp16 in tuesday", 8))
    ]
    sources = tuple(str(Path("results", f"{day}.json")) for day in ("monday", "tuesday"))
    stored = Comparison(environment=None, model=None, rows=tuple(rows), sources=sources)
    text = render(stored)
    assert text.splitlines()[0] == "from results/monday.json, results/tuesday.json, batches 1, 8"
    assert "\narm             median ms" in text
    assert "\nfp16 in tuesday    1.5015 +-0.25%     5328\n" in text

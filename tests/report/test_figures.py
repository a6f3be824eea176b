"""Figures of six recipes of ViT-B/16: what they say, and that their numbers add up."""

import pytest
from support.pages import GOLDEN, golden, recorded
from support.stored_examples import BREAK_EVEN

from trtbench.report.figures.break_even import break_even
from trtbench.report.figures.coverage import coverage
from trtbench.report.figures.kernels import block_of_kernels
from trtbench.report.figures.pareto import pareto
from trtbench.report.figures.waterfall import comparison_waterfall
from trtbench.report.sections import section_of
from trtbench.report.sections.section import Source
from trtbench.store.results import load_any

STORED = recorded("vit_b16_comparison")
COMPARISON = STORED.result


def total(rows, column, **fixed):
    return sum(row[column] for row in rows if all(row[name] == value for name, value in fixed.items()))


def test_what_figures_say():
    figures = section_of(STORED).figures
    said = [f"{each.name} ({', '.join(each.evidence)}): {each.title}. {each.reading}" for each in figures]
    assert "\n".join(said) + "\n" == (GOLDEN / "report" / "figures.txt").read_text()


def test_all_points_on_the_front_are_beaten_by_none():
    rows = pareto(COMPARISON).rows
    front = {row["name"] for row in rows if row["on_front"]}
    for row in rows:
        beaten = any(
            other["time_ms"] < row["time_ms"] and other["sqnr_db"] > row["sqnr_db"] for other in rows
        )
        assert (row["name"] in front) != beaten


def test_shares_of_each_bar_add_up_to_one():
    rows = coverage(COMPARISON).rows
    for recipe, stage in {(row["recipe"], row["stage"]) for row in rows}:
        assert total(rows, "share", recipe=recipe, stage=stage) == pytest.approx(1)


def test_steps_lead_from_the_ideal_to_the_predicted_time():
    rows = comparison_waterfall(COMPARISON).rows
    for recipe in {row["recipe"] for row in rows}:
        *steps, last = [row for row in rows if row["recipe"] == recipe]
        assert [row["from_ms"] for row in steps[1:]] == [row["to_ms"] for row in steps[:-1]]
        assert steps[-1]["to_ms"] == pytest.approx(last["to_ms"], rel=1e-3)
        key = next(row for row in COMPARISON.rows if row.key == recipe)
        assert last["to_ms"] == pytest.approx(key.predicted.gpu_compute_ms)


def test_kernels_of_a_block_are_as_wide_as_their_times():
    rows = block_of_kernels(COMPARISON).rows
    for row in COMPARISON.rows:
        widths = [each["_to_us"] - each["_from_us"] for each in rows if each["recipe"] == row.key]
        assert widths == pytest.approx([1e3 * kernel.predicted_ms for kernel in row.block])


def test_break_even_says_from_how_many_tokens_on():
    assert "fp16 b8, predicted from 491 tokens (380 to 600) on" in break_even(BREAK_EVEN).reading


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("measure/sweep", ["times", "batches", "latency"]),
        ("measure/measurement", ["latency"]),
        ("versions/timed", ["times", "versions", "latency"]),
        ("predict/explanation", ["waterfall", "batches"]),
        ("predict/roofline", ["roofline"]),
        ("trace/two", ["categories", "idle"]),
        ("tune/tuning", ["pareto", "block-errors"]),
        ("predict/gpus", []),
    ],
)
def test_a_result_has_the_figures_that_its_data_go_for(name, figures):
    assert [figure.name for figure in section_of(golden(name)).figures] == figures


def test_samples_beside_a_measurement_show_its_drift():
    path = GOLDEN.parents[1] / "docs" / "benchmarks" / "h200" / "bench-fp16-c3757fd3392e-1.json"
    latency, drift = section_of(Source(path.name, load_any(path), path.parent)).figures
    assert (latency.name, drift.name) == ("latency", "drift")
    assert len(latency.rows) == 101  # quantiles of raw samples, where a summary has five
    assert {row["quantity"] for row in drift.rows} == {"time", "clock", "power"}
    assert {row["process"] for row in drift.rows} == {0, 1, 2}
    elsewhere = section_of(Source(path.name, load_any(path), path.parent / "no-folder"))
    assert [figure.name for figure in elsewhere.figures] == ["latency"]

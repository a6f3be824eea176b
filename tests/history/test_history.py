"""Stored results over time: series, changes, what is skipped, and their text."""

import json
from io import StringIO
from pathlib import Path

import pytest
from support.later import GOLDEN, MONDAY, on, predicted, timed

import trtbench as tb
from trtbench.errors import SpecError
from trtbench.history import history
from trtbench.report.text.console import VisibleConsole
from trtbench.report.text.history import render_history
from trtbench.results import Comparison, History, HistorySeries
from trtbench.specs import ModelSpec


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def saved(*results: Comparison) -> History:
    """The history of these results, in files that are not sorted by date."""
    Path("results").mkdir(exist_ok=True)
    for number, each in enumerate(results):
        each.save(Path("results") / f"{chr(ord('z') - number)}.json")
    return history([Path("results")])


def only(found: History, evidence: str) -> HistorySeries:
    (series,) = [each for each in found.series if each.evidence == evidence]
    return series


def one_row(comparison: Comparison, **fields: object) -> Comparison:
    row = comparison.rows[0].model_copy(update=fields)
    return comparison.model_copy(
        update={"rows": (row,), "predicted_speedups": (), "recommendations": (), "verdicts": ()}
    )


def marks(series: HistorySeries) -> list[bool]:
    return [point.change is not None for point in series.points]


def week() -> History:
    """A time that was predicted on five days, the third slower and the fifth with more kernels; and timed."""
    model = {"model": ModelSpec(name="vit_tiny_patch16_224", overrides=(("depth", 2),))}
    days = [{}, {}, {"factor": 1.1}, {"factor": 1.1}, {"factor": 1.1, "kernels": 3}]
    compiled = [
        one_row(predicted(day, sha=f"{day}f" * 20, **change), **model) for day, change in enumerate(days, 1)
    ]
    times = [
        timed(day, median, trtbench_version=f"0.{day}.0") for day, median in ((1, 1.5), (2, 1.501), (3, 1.4))
    ]
    Path("results").mkdir()
    Path("results", "broken.json").write_text("{")
    for name in ("aa", "arms"):
        (Path("results") / f"{name}.json").write_bytes((GOLDEN / "measure" / "aa.json").read_bytes())
    return saved(*compiled, *times)


def render(found: History, width: int, **options: object) -> str:
    console = VisibleConsole(file=StringIO(), width=width, **options)
    render_history(found, console)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize("width", [110, 80])
def test_text(width):
    assert render(week(), width) == (GOLDEN / "history" / f"week_{width}.txt").read_text()


def test_measured_and_predicted_times_are_series_of_their_own():
    both = timed(1)
    both = one_row(both, predicted=MONDAY.rows[0].predicted, compiled=MONDAY.rows[0].compiled)
    found = saved(both)
    assert [series.evidence for series in found.series] == ["measured", "predicted"]
    assert found.evidence == ("measured", "predicted", "compiled")
    times = [series.points[0].time_ms for series in found.series]
    assert times == [both.rows[0].measured.median_ms, both.rows[0].predicted.gpu_compute_ms]


def test_dates_and_not_names_order_results():
    series = only(saved(*(one_row(predicted(day)) for day in (3, 1, 2))), "predicted")
    assert [point.recorded_utc[:10] for point in series.points] == ["2026-06-01", "2026-06-02", "2026-06-03"]


def test_any_difference_of_a_predicted_time_is_a_change_and_says_what_came_with_it():
    series = only(
        saved(
            one_row(predicted(1)), one_row(predicted(2)), one_row(predicted(3, sha="b2" * 20, factor=1.001))
        ),
        "predicted",
    )
    assert marks(series) == [False, False, True]
    change = series.points[2].change
    assert change.what == ("predicted 0.0745 -> 0.0746 ms",)
    assert change.with_it == ("commit a1a1a1a1a -> b2b2b2b2b",)
    assert change.verdict is None


def test_less_coverage_and_more_kernels_are_changes():
    series = only(saved(one_row(predicted(1)), one_row(predicted(2, kernels=2, fell_back=True))), "predicted")
    assert [each.split()[0] for each in series.points[1].change.what] == ["kernels", "coverage"]


def test_a_measured_time_is_marked_by_its_verdict_alone():
    series = only(saved(timed(1, 1.5), timed(2, 1.501), timed(3, 1.4), timed(4, 1.4)), "measured")
    assert marks(series) == [False, False, True, False]
    assert series.points[2].change.verdict == "FASTER"
    assert series.points[2].change.what[0].startswith("FASTER, measured: 1.5")


def test_a_slow_drift_is_found_against_the_first_run():
    series = only(saved(*(timed(day, 1.5 * 1.002**day) for day in range(1, 9))), "measured")
    assert any(marks(series))


def test_scatter_from_day_to_day_is_no_change():
    """Each run is precise, and days differ by a percent: its own interval would mark nearly every one."""
    days = (1.50, 1.515, 1.493, 1.512, 1.496, 1.507)
    series = only(saved(*(timed(day, median) for day, median in enumerate(days, 1))), "measured")
    assert marks(series)[3:] == [False, False, False]


def test_another_protocol_is_not_compared():
    other = timed(2, 1.2)
    measured = other.rows[0].measured
    protocol = measured.protocol.model_copy(update={"l2": "flushed"})
    other = one_row(other, measured=measured.model_copy(update={"protocol": protocol}))
    series = only(saved(timed(1), other, timed(3, 1.5)), "measured")
    assert marks(series) == [False, False, False]
    assert "protocol l2 differs: warm and flushed" in series.points[1].not_compared
    assert "protocol l2 differs: flushed and warm" in series.points[2].not_compared


def test_new_weights_stay_in_the_series_and_stand_beside_a_change():
    first, second = (ModelSpec(seed=seed) for seed in (0, 1))
    found = saved(one_row(predicted(1), model=first), one_row(predicted(2, factor=1.1), model=second))
    assert only(found, "predicted").points[1].change.with_it == ("weights random 0 -> random 1",)


def test_other_dimensions_are_another_series():
    deep = ModelSpec(overrides=(("depth", 2),))
    found = saved(one_row(predicted(1), model=ModelSpec()), one_row(predicted(2), model=deep))
    assert [series.model for series in found.series] == [
        "vit_base_patch16_224",
        "vit_base_patch16_224 depth=2",
    ]


def test_results_of_the_same_second_are_ordered_by_file():
    series = only(saved(one_row(predicted(1)), one_row(predicted(1))), "predicted")
    assert [Path(point.file).name for point in series.points] == ["y.json", "z.json"]


def test_a_result_without_a_time_has_that_of_its_file():
    old = MONDAY.environment.model_copy(update={"recorded_utc": None, "commit": None})
    series = only(saved(one_row(MONDAY.model_copy(update={"environment": old}))), "predicted")
    assert series.points[0].is_file_time
    assert "(file)" in render(history([Path("results")]), 110)


def test_old_schemas_are_read(tmp_path):
    data = Path(__file__).parents[1] / "data" / "schema1"
    found = history([data])
    assert found.results >= 5
    assert found.series


def test_broken_files_are_skipped_with_one_line():
    Path("results").mkdir()
    for name, text in {
        "a": "{",
        "b": "[]",
        "c": '{"kind": "comparison", "schema_version": 99}',
        "d": '{"kind": "comparison", "schema_version": 2}',
        "e": "\x00",
        "f": "",
    }.items():
        Path("results", f"{name}.json").write_text(text)
    Path("results", "g.json").mkdir()
    Path("results", "h.json").symlink_to("gone")
    times = ("yesterday", "2026-06-01", "9999-12-31T23:59:59-14:00")
    strange = [
        one_row(predicted(1)).model_copy(update={"environment": on(1, recorded_utc=each)}) for each in times
    ]
    found = saved(one_row(predicted(1)), *strange)
    assert found.results == 1
    assert len(found.skipped) == 11
    assert all("\n" not in each.reason for each in found.skipped)
    text = render(found, 80)
    assert "skipped results/a.json: not JSON" in text
    assert "recorded_utc: 'yesterday' is not a time with a time zone" in text


def test_results_that_are_made_of_others_are_skipped():
    found = saved(one_row(predicted(1)).model_copy(update={"sources": ("a.json", "b.json")}))
    assert found.skipped[0].reason == "is made of other results, a.json, b.json"


def test_text_of_others_cannot_act():
    nasty = one_row(predicted(1), subject="\x1b[31m[red]=cmd|x")
    found = saved(nasty)
    text = render(found, 110)
    assert "\x1b" not in text
    assert "\\x1b[31m[red]" in text
    assert "\x1b" not in found.to_markdown()
    assert "\x1b" not in found.to_csv()


def test_an_empty_folder_and_a_missing_one():
    Path("results").mkdir()
    found = history([Path("results")])
    assert (found.series, found.skipped) == ((), ())
    assert render(found, 80) == "results: no comparison or measurement\n"
    with pytest.raises(SpecError, match="gone: no such file or folder"):
        history([Path("gone")])


def test_long_series_show_the_last_results_and_all_changes():
    found = saved(*(one_row(predicted(day, factor=1 + (day > 2) / 10)) for day in range(1, 26)))
    text = render(found, 80)
    assert "5 earlier results: --json, --export-csv" in text
    assert "* 2026-06-03 12:00: predicted 0.0745 -> " in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_of_many_changes_the_last_are_shown():
    found = saved(*(one_row(predicted(day, kernels=day)) for day in range(1, 29)))
    text = render(found, 80)
    assert "7 earlier changes: --json, --export-csv" in text
    assert text.count(" 12:00: kernels ") == 20


class TestCommand:
    def test_all_forms(self, trtbench):
        saved(one_row(predicted(1)), one_row(predicted(2, factor=1.1)))
        files = ("--export-csv", "h.csv", "--export-markdown", "h.md", "--export-json", "h.json")
        code, out, _ = trtbench("history", "--json", *files)
        assert code == 0
        assert json.loads(out)["kind"] == "history"
        assert tb.load("h.json") == tb.history("results")
        assert len(Path("h.csv").read_text().splitlines()) == 3
        assert "| predicted 0.0745 -> " in Path("h.md").read_text()

    def test_no_store_yet(self, trtbench):
        code, out, err = trtbench("history")
        assert (code, out, err) == (0, "results: no comparison or measurement\n", "")

    def test_a_pipe_without_unicode(self, trtbench, monkeypatch):
        week()
        code, out, _ = trtbench("history", "results")
        assert code == 0
        assert "▁▁██" in out

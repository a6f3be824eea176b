"""``trtbench report`` and ``--html`` as a user meets them."""

import csv
import json
import shutil
import sys
from importlib import import_module
from pathlib import Path

import pytest
from support.pages import GOLDEN, Page
from support.sweep_examples import SWEEP

import trtbench as tb
from trtbench.report.html import page

COMPARISON = GOLDEN / "compare" / "comparison.json"
OLD = sorted((GOLDEN.parent / "data" / "schema1").glob("*.json"))


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Without Vega, which takes a second to bundle, and without the SVG in the page."""
    monkeypatch.setattr(page, "javascript", lambda: "window.vegaEmbed = null;")
    monkeypatch.setattr(page, "svg_of", lambda figure, colours: "<svg></svg>")


def test_one_report_in_three_formats(trtbench):
    shutil.copy(COMPARISON, "a.json")
    code, out, err = trtbench("report", "a.json", "-o", "r.html", "-o", "r.md", "-o", "r.csv")
    assert (code, out, err) == (0, "r.html\nr.md\nr.csv\n", "")
    assert "trtbench report a.json -o r.html -o r.md -o r.csv" in Path("r.html").read_text()
    pictures = {path.name for path in Path("r_figures").iterdir()}
    assert pictures
    assert all(f"](r_figures/{name})" in Path("r.md").read_text() for name in pictures)
    rows = list(csv.DictReader(Path("r.csv").read_text().splitlines()))
    assert [row["key"] for row in rows] == [row.key for row in tb.load(COMPARISON).rows]
    assert {row["result"] for row in rows} == {"a.json"}


def test_a_folder_is_all_its_results_and_what_is_none_is_said(trtbench):
    Path("r").mkdir()
    for number in (10, 2):
        shutil.copy(COMPARISON, f"r/run-{number}.json")
    Path("r/notes.json").write_text("{}")
    code, _, err = trtbench("report", "r", "-o", "a.html")
    assert code == 0
    assert err.startswith("trtbench: left out: r/notes.json: kind None")
    text = Path("a.html").read_text()
    assert text.index("r/run-2.json") < text.index("r/run-10.json")


@pytest.mark.parametrize("old", OLD, ids=lambda path: path.stem)
def test_results_of_older_versions(trtbench, old):
    assert trtbench("report", old, "-o", "a.html")[0] == 0
    assert Page(Path("a.html").read_text()).values("data-section") == ["comparison"]


def test_an_older_result_with_times_is_recommended_on(trtbench):
    old = GOLDEN.parent / "data" / "schema1" / "timed_comparison.json"
    assert trtbench("report", old, "-o", "a.md")[0] == 0
    assert "> **Take " in Path("a.md").read_text()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("a.json", "-o", "a.pdf"), "-o a.pdf: expected a name that ends in .html, .md, .csv"),
        (("none.json", "-o", "a.html"), "none.json: no such file"),
        (("empty", "-o", "a.html"), "empty: no result in this folder; name files such as empty/NAME.json"),
        (("a.json", "-o", "a.md", "-o", "./a.md"), "-o a.md: a file is named twice; name each file once"),
        (("a.json", "-o", "no/a.html"), "no/a.html: cannot be written: No such file or directory"),
        (("a.json",), "issing option"),
    ],
)
def test_wrong_requests_are_one_line(trtbench, words, reason):
    shutil.copy(COMPARISON, "a.json")
    Path("empty").mkdir()
    code, out, err = trtbench("report", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert reason in err
    assert sorted(map(str, Path().iterdir())) == ["a.json", "empty"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema_version": 3}, "schema_version 3, this trtbench reads 1 to 2: use the one that wrote it"),
        ({"rows": []}, "rows"),
        ({"kind": "novel"}, "kind 'novel'"),
        ({"invented": 1}, "invented"),
    ],
)
def test_a_result_that_cannot_be_read_is_refused(trtbench, change, reason):
    Path("a.json").write_text(json.dumps({**json.loads(COMPARISON.read_text()), **change}))
    code, out, err = trtbench("report", "a.json", "-o", "a.html")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "a.json" in err
    assert reason in err
    assert not Path("a.html").exists()


def test_without_its_packages_only_csv_is_written(trtbench, monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    code, _, err = trtbench("report", COMPARISON, "-o", "a.html")
    assert (code, err.count("\n")) == (1, 1)
    assert "jinja2 and vl-convert cannot be used here" in err
    assert trtbench("report", COMPARISON, "-o", "a.csv") == (0, "a.csv\n", "")


def test_a_page_is_refused_before_any_work_where_its_packages_are_missing(trtbench, monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    code, out, err = trtbench("compare", "fp16", "--model", "no-such-model", "--html", "a.html")
    assert (code, out) == (1, "")
    assert "jinja2 and vl-convert cannot be used here" in err


def test_a_command_writes_its_own_page(trtbench, monkeypatch):
    monkeypatch.setattr(import_module("trtbench.sweep"), "sweep", lambda *_: SWEEP)
    Path("plan.yaml").write_text("patch: 16\ndepth: 1\nwidth: 64\nrecipe: fp16\nstages: predict\n")
    code, out, _ = trtbench("sweep", "plan.yaml", "--html", "a.html")
    assert code == 1  # a cell of the example failed
    assert "mine: 2 cells" in out
    text = Path("a.html").read_text()
    assert "trtbench sweep plan.yaml --html a.html" in text
    assert Page(text).values("data-section") == ["sweep"]


def test_one_file_for_the_page_and_another_kind_is_refused(trtbench):
    code, _, err = trtbench("sweep", "vit39", "--html", "a", "--export-csv", "./a")
    assert (code, "named by two of the --export options" in err) == (2, True)


def test_python_writes_the_same(trtbench, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    paths = tb.report([COMPARISON, SWEEP], ["a.html", "a.csv"])
    assert paths == (Path("a.html"), Path("a.csv"))
    assert Page(Path("a.html").read_text()).values("data-section") == ["comparison", "sweep"]
    assert tb.report(SWEEP, "b.html") == (Path("b.html"),)

"""A report as one HTML file: what it holds, what it would load, and texts that attack it."""

import json
import re
from base64 import b64encode
from hashlib import sha256

import pytest
from support.pages import GOLDEN, Page, golden

from trtbench.report.charts import DARK, LIGHT
from trtbench.report.html import page
from trtbench.report.html.page import html_page, json_for_page
from trtbench.report.report import report_on


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Vega takes a second to bundle; the figures are drawn by the tests in a browser."""
    monkeypatch.setattr(page, "javascript", lambda: "window.vegaEmbed = null;")


def page_of(*names):
    return html_page(report_on([golden(name) for name in names], "trtbench report a.json -o a.html"))


def test_a_comparison_has_its_verdict_table_figures_and_findings():
    text = page_of("compare/comparison")
    found = Page(text)
    assert found.values("data-section") == ["comparison"]
    assert found.values("data-figure") == ["coverage"]
    assert "data-verdict" in text
    assert "<strong>To do:</strong>" in text
    assert "trtbench report a.json -o a.html" in text
    assert text.count("<h1") == 1


def test_several_results_are_sections_with_a_table_of_contents():
    found = Page(page_of("compare/comparison", "versions/comparison", "predict/roofline"))
    assert found.values("data-section") == ["comparison", "comparison", "roofline"]
    assert {"#result-1", "#result-2", "#result-3"} <= {*found.values("href")}
    ids = found.values("id")
    assert len({*ids}) == len(ids)


def test_every_figure_has_data_a_description_and_its_evidence():
    found = Page(page_of("compare/comparison", "compare/sweep"))
    charts = [
        tag for name, tag in found.tags if tag.get("role") == "img" and "chart" in str(tag.get("class"))
    ]
    assert len(charts) == len(found.data)
    assert all(each["aria-label"] for each in charts)
    for figure in found.data.values():
        assert figure["spec"]["description"]
        assert all(len(row) == len(figure["columns"]) for row in figure["rows"])


def test_nothing_is_loaded_and_no_other_script_runs():
    text = page_of("compare/comparison")
    found = Page(text)
    assert {each for each in found.values("src") + found.values("href") if not each.startswith("#")} == {
        "data:,"
    }
    hashes = [b64encode(sha256(each.encode()).digest()).decode() for each in found.scripts[1:]]
    assert [each in found.policy for each in hashes] == [True, True]
    assert "default-src 'none'" in found.policy
    assert not re.search(r"<[^>]+ on\w+=", text)


def test_json_in_a_page_ends_no_script_and_no_line():
    text = json_for_page({"a": "</script><!-- & \u2028\u2029"})
    assert not set("<>&\u2028\u2029") & set(text)
    assert json_for_page({"a": [float("nan"), 1.5]}) == '{"a":[null,1.5]}'


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_texts_are_legible(colours):
    texts = ("text", "muted", "accent", "good", "warn", "bad")
    for ground in ("page", "panel"):
        assert min(contrast(colours[name], colours[ground]) for name in texts) >= 4.5
    assert min(contrast(colours[f"series-{index}"], colours["page"]) for index in (1, 2, 3)) >= 3
    bars = ("fp32", "fp16", "bf16", "int8", "fp8", "mxfp8", "fp4", "other")
    assert min(contrast(colours["on-colour"], colours[name]) for name in bars) >= 4.5


def test_results_of_a_newer_trtbench_are_refused_in_one_line(trtbench, tmp_path):
    raw = json.loads((GOLDEN / "compare" / "comparison.json").read_bytes())
    (tmp_path / "new.json").write_text(json.dumps({**raw, "schema_version": 99}))
    code, out, err = trtbench("report", "new.json", "-o", "new.html")
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        "trtbench: error: new.json: schema_version 99, this trtbench reads 1 to 2: use the one that wrote it"
    ]
    assert not (tmp_path / "new.html").exists()
